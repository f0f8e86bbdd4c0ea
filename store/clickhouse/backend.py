"""The backend of the addresses ``clickhouse://…``."""

import os

from store.backend import Backend, Opening
from store.clickhouse.address import PASSWORD_VARIABLE, parse_address
from store.clickhouse.arrivals import Arrivals
from store.clickhouse.inserter import Inserter
from store.clickhouse.schema import prepare
from store.clickhouse.spool import Spool
from store.clickhouse.store import ClickHouseStore
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Away, Refused, Unknown, Wire
from store.clickhouse.writer import Writer
from store.disk.disk import Disk
from store.errors import EventStoreException

__all__ = ["ClickHouseBackend"]

_CHECK_TIMEOUT_S = 10.0
_LOGIN_FAILED = frozenset({192, 193, 194, 516})
"""The engine's numbers of the errors UNKNOWN_USER, WRONG_PASSWORD, REQUIRED_PASSWORD, AUTHENTICATION_FAILED."""


class ClickHouseBackend(Backend):
    """See :class:`Backend`.

    Args:
        address: see :mod:`store.clickhouse.address`.
    """

    def __init__(self, address: str) -> None:
        self._address = parse_address(address)
        self.address = self.name = address
        self.identity = str(self._address)

    def check(self, *, is_read_only: bool = False) -> None:
        """See :meth:`Backend.check`."""
        del is_read_only
        wire = self._connect(_CHECK_TIMEOUT_S)
        try:
            wire.fetch("SELECT 1", database="")
        except (Away, Unknown) as error:
            raise EventStoreException(
                f"{error}; check that ClickHouse runs, and listens there for HTTP"
            ) from error
        except Refused as error:
            if error.code in _LOGIN_FAILED:
                raise EventStoreException(
                    f"{error}; give a user as in clickhouse://USER@HOST, and the password in the environment as"
                    f" {PASSWORD_VARIABLE} or in a file (?password_file=FILE)"
                ) from error
            raise
        finally:
            wire.close()

    def open(self, opening: Opening) -> ClickHouseStore:
        """See :meth:`Backend.open`."""
        wire = self._connect(opening.timeout_s)
        tables = Tables()
        prepare(wire, opening.measured_views, opening.ttl_days, opening.is_read_only)
        arrivals = Arrivals(wire, tables)
        writer: Writer | Spool | None = None
        if not opening.is_read_only:
            inserter = Inserter(wire, tables, opening.measured_views)
            if opening.spool_directory:
                writer = Spool(
                    Disk(), opening.spool_directory, inserter, arrivals, opening.timeout_s
                )
            else:
                writer = Writer(inserter, arrivals, opening.timeout_s)
        return ClickHouseStore(
            wire, tables, opening.measured_views, opening.memory_size, arrivals, writer
        )

    def _connect(self, timeout_s: float) -> Wire:
        path = self._address.password_path
        password = _read_password(path) if path else os.environ.get(PASSWORD_VARIABLE, "")
        return Wire(self._address, password, timeout_s)


def _read_password(path: str) -> str:
    """Return the first line of the file at *path*.

    Raises:
        EventStoreException: if it cannot be read.
    """
    with Disk().open_to_read(path) as file:
        return file.read(0, file.size()).decode().partition("\n")[0]

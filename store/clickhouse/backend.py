"""The backend of the addresses ``clickhouse://…``."""

import contextlib
import math
import os
from dataclasses import replace

from store.backend import Backend, Opening
from store.clickhouse.address import PASSWORD_VARIABLE, Address, parse_address
from store.clickhouse.arrivals import Arrivals
from store.clickhouse.inserter import Inserter
from store.clickhouse.schema import are_replicated, prepare
from store.clickhouse.shards import distribute, sharded
from store.clickhouse.spool import Spool, wait_until_closed
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

    can_spool = True

    def __init__(self, address: str) -> None:
        self._address = parse_address(address)
        self.address = self.name = address
        self.identity = str(self._address)

    def check(self, *, is_read_only: bool = False) -> None:
        """See :meth:`Backend.check`."""
        del is_read_only
        wire = self._connect(self._address, _CHECK_TIMEOUT_S)
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
        with contextlib.ExitStack() as on_failure:
            shards = {}
            for number, host in enumerate(self._address.hosts, 1 if self._address.cluster else 0):
                wire = self._connect(replace(self._address, hosts=(host,)), opening.timeout_s)
                on_failure.callback(wire.close)
                views = prepare(
                    wire, opening.measured_views, opening.ttl_days, opening.is_read_only
                )
                shards[number] = wire
            wire = shards[min(shards)]
            tables = self._tables(wire, opening)
            if tables.is_sharded and not opening.is_read_only:
                distribute(wire, self._address.cluster)
            arrivals = Arrivals(wire, tables, is_strict=opening.is_strict)
            writer = None if opening.is_read_only else self._writer(wire, tables, arrivals, opening)
            on_failure.pop_all()
        return ClickHouseStore(wire, tables, views, opening.memory_size, arrivals, writer, shards)

    def wait_until_closed(self, timeout_s: float = math.inf, spool_directory: str = "") -> bool:
        """See :meth:`Backend.wait_until_closed`."""
        return not spool_directory or wait_until_closed(Disk(), spool_directory, timeout_s)

    def _tables(self, wire: Wire, opening: Opening) -> Tables:
        """Return the tables, which are there.

        Raises:
            EventStoreException: if they are not as the address and *opening* take them to be.
        """
        is_replicated, cluster = are_replicated(wire), self._address.cluster
        if is_replicated and cluster:
            raise EventStoreException(
                f"{wire.address} has replicas, and a cluster besides: events are divided over servers, or replicated, not both yet"
            )
        if not is_replicated and opening.quorum:
            raise EventStoreException(
                f"{wire.address} has no replicas: a quorum needs a database with the engine Replicated"
            )
        return sharded(cluster) if cluster else Tables(is_replicated=is_replicated)

    def _writer(
        self, wire: Wire, tables: Tables, arrivals: Arrivals, opening: Opening
    ) -> Writer | Spool:
        inserter = Inserter(wire, tables, opening.measured_views, opening.quorum)
        if opening.spool_directory:
            return Spool(Disk(), opening.spool_directory, inserter, arrivals, opening.timeout_s)
        return Writer(inserter, arrivals, opening.timeout_s)

    def _connect(self, address: Address, timeout_s: float) -> Wire:
        path = self._address.password_path
        password = _read_password(path) if path else os.environ.get(PASSWORD_VARIABLE, "")
        return Wire(address, password, timeout_s)


def _read_password(path: str) -> str:
    """Return the first line of the file at *path*.

    Raises:
        EventStoreException: if it cannot be read.
    """
    with Disk().open_to_read(path) as file:
        return file.read(0, file.size()).decode().partition("\n")[0]

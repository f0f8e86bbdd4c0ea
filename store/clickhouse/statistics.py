"""Statistics of the engine: its disks, and what its tables are made of."""

from store.clickhouse.native import decode_blocks
from store.clickhouse.tables import EVENTS, Tables
from store.clickhouse.wire import Wire
from store.query import DiskUsage

__all__ = ["Statistics"]

_BLOCK_SIZE = 4096
_STATUS_TIMEOUT_S = 2.0


class Statistics:
    """Asks for statistics. Any number of threads may use it.

    Args:
        wire: the engine.
        tables: its tables.
    """

    def __init__(self, wire: Wire, tables: Tables) -> None:
        self._wire = wire
        self._tables = tables

    def status(self) -> dict[str, int | str]:
        """Return what there is to know about the engine, by stable keys.

        Raises:
            EventReadException: if it does not answer within two seconds: a status is asked for to find that out.
        """
        sql = (
            "SELECT toInt64(count()) AS parts, toInt64(sum(bytes_on_disk)) AS bytes"
            f" FROM {self._tables.parts} WHERE database = currentDatabase() AND table = '{EVENTS}' AND active FORMAT Native"
        )
        answer = self._wire.ask(sql, min(_STATUS_TIMEOUT_S, self._wire.timeout_s))
        (block,) = decode_blocks(answer)
        return {"engine_parts": int(block["parts"][0]), "engine_bytes": int(block["bytes"][0])}

    def usage(self) -> DiskUsage:
        """Return the usage of the disks of the engine.

        Raises:
            EventReadException: if it does not answer.
        """
        sql = (
            "SELECT toInt64(sum(total_space)) AS total, toInt64(sum(free_space)) AS free,"
            " toInt64(sum(unreserved_space)) AS available FROM system.disks FORMAT Native"
        )
        (block,) = decode_blocks(self._wire.fetch(sql))
        total, free, available = (int(column[0]) // _BLOCK_SIZE for column in block.values())
        return DiskUsage(_BLOCK_SIZE, total, free, available)

"""Following: in which minutes something has arrived since a cursor that outlives the process."""

import json

from store.clickhouse.arrivals import Arrivals, Cursor
from store.clickhouse.compiler import EVERYTHING
from store.clickhouse.reader import Reader
from store.clickhouse.tables import EVENTS, Tables
from store.clickhouse.wire import Wire
from store.query import minute_at
from store.snapshot import Changes

__all__ = ["Follower"]


class Follower:
    """Finds out what has arrived. Any number of threads may use it.

    Args:
        wire: the engine.
        tables: its tables.
        reader: asks the engine.
        arrivals: the cursor.
    """

    def __init__(self, wire: Wire, tables: Tables, reader: Reader, arrivals: Arrivals) -> None:
        self._wire = wire
        self._shard = tables.shard
        self._reader = reader
        self._arrivals = arrivals

    def since(self, cursor: bytes) -> Changes:
        """Return what has arrived since *cursor*; see :meth:`store.api.EventStore.follow`."""
        identity, now = self._identity(), self._arrivals.poll()
        condition = EVERYTHING & now.up_to(self._shard)
        known, _, blocks = cursor.partition(b"\n")
        if known == identity:  # else it is the cursor of another store
            seen = tuple((shard, block) for shard, block in json.loads(blocks))
            condition &= Cursor(seen, ()).after(self._shard)
        (starts,) = self._reader.numbers(["minute"], condition, "GROUP BY minute ORDER BY minute")
        names = [minute_at(start) for start in starts.tolist()]
        return Changes(b"%b\n%b" % (identity, json.dumps(now.blocks).encode()), names)

    def _identity(self) -> bytes:
        sql = f"SELECT uuid FROM system.tables WHERE database = currentDatabase() AND name = '{EVENTS}'"
        return self._wire.fetch(sql).strip()

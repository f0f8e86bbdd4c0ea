"""Reading ahead: minutes that are read one after the other are asked for together."""

from typing import NamedTuple

import numpy as np

from store.cache import Cache
from store.clickhouse.arrivals import Cursor
from store.clickhouse.listing import Listing
from store.clickhouse.reader import Arrived, Reader
from store.clickhouse.scope import Scope
from store.clickhouse.tables import Tables
from store.clickhouse.windows import WINDOW_SIZE

__all__ = ["Minute", "ReadAhead"]

_GROWTH = 16
"""Each time that a reader goes on, this many times as many minutes are read at once."""

_MINUTES_MAX = 1 << 12
_READERS_MAX = 64
_MINUTE_SIZE = 1 << 9
"""What it takes to keep a minute, its bytes aside."""


class Minute(NamedTuple):
    """An answer in one minute.

    Attributes:
        cursor: when it was so.
        arrived: its blocks.
        data: its bytes.
    """

    cursor: Cursor
    arrived: Arrived
    data: bytes


class ReadAhead:
    """Reads minutes, and keeps the last ones. Any number of threads may use it.

    Args:
        reader: asks the engine.
        tables: its tables.
        cache: keeps the minutes.
    """

    def __init__(self, reader: Reader, tables: Tables, cache: Cache) -> None:
        self._reader = reader
        self._shard = tables.shard
        self._cache = cache
        # For each answer, the minute after those that were read last, and how many they were.
        self._readers = Cache(_READERS_MAX)

    def read(self, scope: Scope, listing: Listing) -> Minute | None:
        """Read the answer of *scope*, which is one minute of those in *listing*; None if it is too large, or not in there.

        Raises:
            EventReadException: if the engine does not answer.
        """
        assert scope.minute is not None, "not a minute"
        found: Minute | None = self._cache.get(_key(scope, listing))
        if found is not None:
            return found
        starts, sizes = listing.minutes.starts, listing.minutes.sizes
        first = int(np.searchsorted(starts, scope.minute))
        if first == len(starts) or starts[first] != scope.minute or sizes[first] > WINDOW_SIZE:
            return None
        followed = scope.query, scope.view
        expected, count = self._readers.get(followed) or (first, 1)
        count = min(count * _GROWTH, _MINUTES_MAX) if expected == first else 1
        fitting = int(
            np.searchsorted(np.cumsum(sizes[first : first + count]), WINDOW_SIZE, "right")
        )
        last = first + fitting
        self._readers.put(followed, (last, fitting), 1)
        self._fetch(scope, listing, starts[first], starts[last - 1])
        read: Minute | None = self._cache.get(_key(scope, listing))
        return read

    def _fetch(self, scope: Scope, listing: Listing, first: int, last: int) -> None:
        """Fetch the minutes from *first* to *last*, and keep them."""
        whole = Scope(scope.query, scope.view)
        condition = whole.condition & f"minute BETWEEN {first} AND {last}"
        condition &= listing.cursor.up_to(self._shard)
        records = self._reader.records(condition, "minute,").shown(scope.view)
        edges = records.edges
        rows = np.flatnonzero(np.diff(records.minutes, prepend=-1))
        for start, end in zip(
            rows.tolist(), [*rows[1:].tolist(), len(records.minutes)], strict=True
        ):
            data = records.data[edges[start] : edges[end]]
            columns = records.shards, records.blocks, records.sizes
            arrived = Arrived.of(*(column[start:end] for column in columns))
            minute = Minute(listing.cursor, arrived, data)
            key = _key(scope.within(int(records.minutes[start])), listing)
            self._cache.put(key, minute, _MINUTE_SIZE + len(data))


def _key(scope: Scope, listing: Listing) -> tuple[object, ...]:
    return "minute", scope, listing.cursor.removals

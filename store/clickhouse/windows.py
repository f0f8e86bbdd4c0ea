"""Windows: the bytes of an answer, some neighbouring blocks at a time, as they were read last."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from store.cache import Cache
from store.clickhouse.arrivals import Cursor
from store.clickhouse.reader import Arrived, Reader, Records
from store.clickhouse.scope import Scope
from store.clickhouse.tables import Tables
from store.errors import MinuteGone

__all__ = ["WINDOW_SIZE", "Window", "Windows"]

WINDOW_SIZE = 8 << 20
"""About this many bytes are read at once from what is read in order."""

_ARRIVED_SIZE = 1 << 10


class Window(NamedTuple):
    """Some blocks of an answer.

    Attributes:
        last: the row after those of its blocks.
        data: the bytes.
    """

    last: int
    data: bytes


class Windows:
    """Reads windows, and keeps the last ones. Any number of threads may use it.

    Args:
        reader: asks the engine.
        tables: its tables.
        cache: keeps the windows.
    """

    def __init__(self, reader: Reader, tables: Tables, cache: Cache) -> None:
        self._reader = reader
        self._shard = tables.shard
        self._cache = cache

    def arrived(self, scope: Scope, until: Cursor) -> Arrived:
        """Return the blocks of *scope* that arrived until the cursor *until*.

        Raises:
            EventReadException: if the engine does not answer.
        """
        key = "arrived", scope, until
        found: Arrived | None = self._cache.get(key)
        if found is None:
            found = self._reader.arrived(scope.condition & until.up_to(self._shard), scope.view)
            self._cache.put(key, found, _ARRIVED_SIZE + sum(column.nbytes for column in found))
        return found

    def read(self, scope: Scope, arrived: Arrived, first: int, size: int) -> Window:
        """Read a window of about *size* bytes.

        Args:
            scope: the answer.
            arrived: its blocks.
            first: the row of the first block to read.
            size: how much to read, in bytes.

        Raises:
            MinuteGone: if events in it were removed.
            EventReadException: if the engine does not answer.
        """
        last = _last_row(arrived, first, size)
        sizes = arrived.sizes[first:last]
        ends = arrived.blocks[first], arrived.blocks[last - 1], arrived.shards[first]
        key = "window", scope, *map(int, ends), int(sizes.sum())
        data: bytes | None = self._cache.get(key)
        if data is None:
            data = self._fetch(scope, arrived, first, last).data
            if len(data) != key[-1]:
                raise MinuteGone(f"{scope.name}: events were removed that stood there")
            self._cache.put(key, data, len(data))
        return Window(last, data)

    def records(self, scope: Scope, arrived: Arrived) -> Iterator[Records]:
        """Yield the records of *scope* in the blocks *arrived*, some blocks at a time.

        Raises:
            EventReadException: if the engine does not answer.
        """
        first = 0
        while first < len(arrived.blocks):
            last = _last_row(arrived, first, WINDOW_SIZE)
            yield self._fetch(scope, arrived, first, last)
            first = last

    def _fetch(self, scope: Scope, arrived: Arrived, first: int, last: int) -> Records:
        blocks = f"_block_number BETWEEN {arrived.blocks[first]} AND {arrived.blocks[last - 1]}"
        condition = scope.condition & f"{self._shard} = {arrived.shards[first]} AND {blocks}"
        return self._reader.records(condition).shown(scope.view)


def _last_row(arrived: Arrived, first: int, size: int) -> int:
    """Return the row after those from *first* on that have about *size* bytes, and lie one after the other on one shard."""
    ends = np.cumsum(arrived.sizes[first:])
    last = first + max(int(np.searchsorted(ends, size, "right")), 1)
    shards, blocks = arrived.shards[first:last], arrived.blocks[first:last]
    breaks = np.flatnonzero((shards[1:] != shards[:-1]) | (blocks[1:] <= blocks[:-1]))
    return first + int(breaks[0]) + 1 if len(breaks) else last

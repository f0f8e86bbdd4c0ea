"""Windows: the bytes of an answer, some neighbouring blocks at a time, as they were read last."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np

from store.cache import Cache
from store.clickhouse.arrivals import Cursor
from store.clickhouse.compiler import Condition
from store.clickhouse.reader import Arrived, Reader, Records
from store.clickhouse.scope import Scope
from store.clickhouse.tables import Tables
from store.errors import MinuteGone

__all__ = ["FIRST_SIZE", "WINDOW_SIZE", "Window", "Windows"]

WINDOW_SIZE = 8 << 20
"""About this many bytes are read at once from what is read in order."""

FIRST_SIZE = 1 << 20
"""Bytes that are read at once when it is not known yet whether a reader goes on."""

_ARRIVED_SIZE = 1 << 10
_THREADS = 2
"""That many windows are read ahead at a time: the engine answers one while another is read."""


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
        self._pool = ThreadPoolExecutor(_THREADS, "ahead")
        self._lock = threading.Lock()
        self._coming: dict[_Place, Future[None]] = {}  # the windows that are being read ahead

    def arrived(self, scope: Scope, until: Cursor, *, is_small: bool) -> Arrived:
        """Return the blocks of *scope* that arrived until the cursor *until*.

        Args:
            scope: the answer.
            until: the cursor.
            is_small: whether it has few bytes: then they are read with it, to be asked for next.

        Raises:
            EventReadException: if the engine does not answer.
        """
        key = "arrived", scope, until
        found: Arrived | None = self._cache.get(key)
        if found is None:
            condition = scope.condition & until.up_to(self._shard)
            if is_small:
                found = self._read_all(scope, condition)
            else:
                found = self._reader.arrived(condition, scope.view)
            self._cache.put(key, found, _ARRIVED_SIZE + sum(column.nbytes for column in found))
        return found

    def _read_all(self, scope: Scope, condition: Condition) -> Arrived:
        """Return the blocks of *scope* that fulfil *condition*, and keep their bytes as the window that they are."""
        records = self._reader.records(condition).shown(scope.view)
        arrived = Arrived.of(records.shards, records.blocks, records.sizes)
        if len(arrived.blocks):
            place = _Place.of(scope, arrived, 0, FIRST_SIZE)
            if place.last == len(arrived.blocks):
                self._cache.put(place, records.data, len(records.data))
        return arrived

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
        place = _Place.of(scope, arrived, first, size)
        with self._lock:
            coming = self._coming.get(place)
        if coming is not None:
            wait([coming])  # if it failed, it is tried again
        data: bytes | None = self._cache.get(place)
        return Window(place.last, self._load(place) if data is None else data)

    def read_ahead(self, scope: Scope, arrived: Arrived, first: int, size: int) -> None:
        """Begin to read a window, as :meth:`read` will ask for it."""
        if first >= len(arrived.blocks):
            return
        place = _Place.of(scope, arrived, first, size)
        with self._lock:
            if place not in self._coming and self._cache.get(place) is None:
                self._coming[place] = self._pool.submit(self._load_ahead, place)

    def _load_ahead(self, place: "_Place") -> None:
        try:
            self._load(place)
        finally:
            with self._lock:
                del self._coming[place]

    def _load(self, place: "_Place") -> bytes:
        # Without a view, the engine does not have to say the size of each record.
        data = (
            self._fetch(place).data if place.scope.view is not None else self._fetch_joined(place)
        )
        if len(data) != place.size:
            raise MinuteGone(f"{place.scope.name}: events were removed that stood there")
        self._cache.put(place, data, len(data))
        return data

    def close(self) -> None:
        """End the threads that read ahead."""
        self._pool.shutdown(cancel_futures=True)

    def records(self, scope: Scope, arrived: Arrived) -> Iterator[Records]:
        """Yield the records of *scope* in the blocks *arrived*, some blocks at a time.

        Raises:
            EventReadException: if the engine does not answer.
        """
        first = 0
        while first < len(arrived.blocks):
            place = _Place.of(scope, arrived, first, WINDOW_SIZE)
            yield self._fetch(place)
            first = place.last

    def _fetch(self, place: "_Place") -> Records:
        return self._reader.records(self._condition(place)).shown(place.scope.view)

    def _fetch_joined(self, place: "_Place") -> bytes:
        return self._reader.joined(self._condition(place))

    def _condition(self, place: "_Place") -> Condition:
        blocks = f"_block_number BETWEEN {place.first_block} AND {place.last_block}"
        return place.scope.condition & f"{self._shard} = {place.shard} AND {blocks}"


class _Place(NamedTuple):
    """Neighbouring blocks of a scope on one shard, which have *size* bytes; *last* is the row after theirs."""

    scope: Scope
    shard: int
    first_block: int
    last_block: int
    size: int
    last: int

    @classmethod
    def of(cls, scope: Scope, arrived: Arrived, first: int, size: int) -> "_Place":
        """Find the blocks of *arrived* from the row *first* on that have about *size* bytes."""
        ends = np.cumsum(arrived.sizes[first:])
        last = first + max(int(np.searchsorted(ends, size, "right")), 1)
        shards, blocks = arrived.shards[first:last], arrived.blocks[first:last]
        breaks = np.flatnonzero((shards[1:] != shards[:-1]) | (blocks[1:] <= blocks[:-1]))
        last = first + int(breaks[0]) + 1 if len(breaks) else last
        total = int(ends[last - first - 1])
        return cls(
            scope, int(shards[0]), int(blocks[0]), int(arrived.blocks[last - 1]), total, last
        )

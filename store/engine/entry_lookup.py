"""Looking up the entries of minutes: in the index, many at once, else in memory or in their files."""

import logging
from collections.abc import Callable
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.answers.read_ahead import ReadAhead
from store.answers.version import Minute
from store.cache import Cache
from store.errors import MinuteGone
from store.index.database import Database
from store.index.extents import Layout
from store.index.minute import EntryColumns
from store.index.row import MinuteRow

__all__ = ["EntryLookup"]

log = logging.getLogger(__name__)

_Read = TypeVar("_Read")


class Source(Protocol):
    """Access to minutes, and their rows."""

    def minute(self, minute: int) -> Minute:
        """Return the minute with the id *minute*."""

    def retried(self, minute: int, read: Callable[[], _Read]) -> _Read:
        """Return the result of *read*, which is of *minute*; retry it once, after a refresh, if the file may have changed."""

    def following(self, minute: int, window: ReadAhead) -> NDArray[np.int64]:
        """Return the ids of *minute* and, in the order of time, of the next ones in *window*."""

    def rows(self, minutes: NDArray[np.int64]) -> tuple[dict[int, MinuteRow], int]:
        """Return the rows in the catalog of those of *minutes* that there are, by id, and the number of streams."""


class EntryLookup:
    """The entries of minutes. Any number of threads may use it.

    Args:
        cache: keeps layouts.
        database: the index.
        source: the minutes.
    """

    def __init__(self, cache: Cache, database: Database, source: Source) -> None:
        self._cache = cache
        self._database = database
        self._source = source
        self._read_ahead = ReadAhead()

    def layout(self, minute: Minute, length: int) -> Layout:
        """Return the layout of the first *length* entries of *minute*; see :class:`store.answers.access.Access`."""
        if minute.entries.is_loaded or minute.entries.base_count != length:
            return minute.entries.layout(0, length)
        found = self._cache.get(("layout", minute.id))
        if found is None or len(found.ends) < length:
            ahead = self._source.following(minute.id, self._read_ahead)
            known, stream_count = self._source.rows(ahead)
            for each, layout in self._database.find_layouts(known, stream_count).items():
                self._cache.put(("layout", each), layout, layout.memory_size)
            found = self._cache.get(("layout", minute.id))
        if found is None or len(found.ends) < length:
            return minute.entries.layout(0, length)
        return Layout(found.streams[:length], found.ends[:length])

    def layouts(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[Layout]:
        """Return the layouts of the first *lengths* entries of *minutes*; see :class:`store.answers.access.Access`."""
        known, stream_count = self._source.rows(minutes)
        found = self._database.find_layouts(known, stream_count)
        layouts = []
        for minute, length in zip(minutes.tolist(), lengths.tolist(), strict=True):
            layout = found.get(minute)
            if layout is None or len(layout.ends) < length:
                try:
                    layout = self._layout(minute, length)
                except MinuteGone as error:
                    log.info("skipping its bytes: %s", error)
                    layout = Layout(*(np.empty(0, np.uint8) for _ in range(2)))
            if len(layout.ends) > length:
                layout = Layout(layout.streams[:length], layout.ends[:length])
            layouts.append(layout)
        return layouts

    def columns(
        self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> list[EntryColumns | None]:
        """Return the first *lengths* entries of *minutes*; see :class:`store.answers.access.Access`."""
        known, stream_count = self._source.rows(minutes)
        found = self._database.find_columns(known, stream_count)
        columns: list[EntryColumns | None] = []
        for minute, length in zip(minutes.tolist(), lengths.tolist(), strict=True):
            there = found.get(minute)
            if there is not None and len(there.streams) >= length:
                streams, sizes, ticks = there
                columns.append(EntryColumns(streams[:length], sizes[:length], ticks[:length]))
                continue
            try:
                columns.append(self._columns(minute, length))
            except MinuteGone as error:
                log.info("skipping its events: %s", error)
                columns.append(None)
        return columns

    def _layout(self, minute: int, length: int) -> Layout:
        """Return the layout of the first *length* entries of *minute*, by id, which the index does not have."""
        return self._source.retried(
            minute, lambda: self._source.minute(minute).entries.layout(0, length)
        )

    def _columns(self, minute: int, length: int) -> EntryColumns:
        """Return the first *length* entries of *minute*, by id, which the index does not have."""
        return self._source.retried(
            minute, lambda: self._source.minute(minute).entries.columns(0, length)
        )

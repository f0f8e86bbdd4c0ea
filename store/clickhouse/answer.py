"""Answers: bytes by their offsets, which stay while events arrive and others are removed."""

import threading
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.clickhouse.ahead import Minute, ReadAhead
from store.clickhouse.arrivals import Arrivals, Cursor
from store.clickhouse.listing import Listing, Listings
from store.clickhouse.reader import Arrived, Reader
from store.clickhouse.scope import Scope, minute_start
from store.clickhouse.tables import Tables
from store.clickhouse.windows import FIRST_SIZE, WINDOW_SIZE, Windows
from store.errors import MinuteGone
from store.query import Query, Span
from store.snapshot import Answer, EmptyAnswer, Snapshot
from store.view import View

__all__ = ["EngineSnapshot", "Source"]

Integers = npt.NDArray[np.int64]

_GROWTH = 4
"""Each time that a reader goes on, this many times as many bytes are read at once."""

_GONE = -1
"""The number of the shard of what was removed before it was read."""

_NOTHING = Arrived(*[np.zeros(0, np.int64)] * 3)


class _Reading(NamedTuple):
    """The window that was read last: the rows of its first block and after its last, and how much was asked for, in bytes."""

    first: int
    last: int
    size: int


class Source(NamedTuple):
    """The parts that answers are made from."""

    tables: Tables
    reader: Reader
    arrivals: Arrivals
    listings: Listings
    windows: Windows
    ahead: ReadAhead


class EngineSnapshot(Snapshot):
    """The answer to a query as of a cursor.

    Args:
        source: what answers are made from.
        query: the query.
        view: the view that shows its events; None for their records.
        listing: its minutes.
    """

    def __init__(self, source: Source, query: Query, view: View | None, listing: Listing) -> None:
        super().__init__(listing, listing.whole())
        self._source = source
        self._scope = Scope(query, view)
        self._listing = listing

    def span(self, minute: str) -> Span | None:
        """See :meth:`Snapshot.span`."""
        start = minute_start(minute)
        return None if start is None else self._listing.at(start)

    def answer(self, minute: str | None = None) -> Answer:
        """See :meth:`Snapshot.answer`."""
        if minute is None:
            return EngineAnswer(self._source, self._scope, self._listing, self.whole)
        start = minute_start(minute)
        if start is None:
            return EmptyAnswer()
        scope = self._scope.within(start)
        return EngineAnswer(self._source, scope, self._listing, self.span(minute))


class EngineAnswer(Answer):
    """The answer of a scope: blocks, one after the other. Any number of threads may use it.

    Args:
        source: what it is made from.
        scope: the scope.
        listing: the minutes of the query at the opening.
        span: the answer at the opening; None if it has no event.
    """

    def __init__(self, source: Source, scope: Scope, listing: Listing, span: Span | None) -> None:
        removals = listing.cursor.removals
        # While nothing is removed, an answer with as many events is the same.
        version = removals, span.events if span is not None else 0
        has_one_order = scope.minute is not None or not source.tables.is_sharded
        super().__init__(span, version, removals if has_one_order else None)
        self._source = source
        self._scope = scope
        self._listing = listing
        self._lock = threading.Lock()
        self._cursor: Cursor | None = (
            None  # until which the blocks are known; None before the first use
        )
        self._arrived = _NOTHING
        self._ends = _NOTHING.sizes
        self._window = _Reading(0, 0, FIRST_SIZE // _GROWTH)

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        with self._lock:
            self._update()
            return self._end

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        with self._lock:
            if offset + size > self._end:
                self._update()
            arrived, ends, end = self._arrived, self._ends, min(offset + size, self._end)
        pieces = []
        while offset < end:
            row = int(np.searchsorted(ends, offset, "right"))
            start, data = self._read_at(arrived, ends, row)
            pieces.append(data[offset - start : end - start])
            offset += len(pieces[-1])
        return b"".join(pieces)

    @property
    def _end(self) -> int:
        return int(self._ends[-1]) if len(self._ends) else 0

    def _read_at(self, arrived: Arrived, ends: Integers, row: int) -> tuple[int, bytes]:
        """Read bytes with those of the block in *row* of *arrived*, which have *ends*; return also the offset of the first."""
        if arrived.shards[row] == _GONE:
            raise MinuteGone(f"{self._scope.name}: what stood there was removed")
        minute = self._minute()
        if (
            minute is not None
            and row < len(minute.arrived.blocks)
            and minute.arrived.begins(arrived)
        ):
            return 0, minute.data
        windows, (first, last, size) = self._source.windows, self._window
        # One that begins at the start goes on, usually.
        goes_on = row == last
        if not first <= row < last:
            first, size = row, _grown(size) if goes_on else FIRST_SIZE
        try:
            window = windows.read(self._scope, arrived, first, size)
            if goes_on:
                windows.read_ahead(self._scope, arrived, window.last, _grown(size))
        except MinuteGone:
            first, size = row, 0
            window = windows.read(self._scope, arrived, first, size)
        self._window = _Reading(first, window.last, size)
        return int(ends[first] - arrived.sizes[first]), window.data

    def _minute(self) -> Minute | None:
        """Return the bytes of the answer, as of the opening perhaps; None if they are not had at once."""
        if self._scope.minute is None:
            return None
        return self._source.ahead.read(self._scope, self._listing)

    def _update(self) -> None:
        """Find out which blocks there are."""
        # Kept at once: if the engine is away for the next question, these blocks must not be appended again.
        known = self._cursor = self._cursor or self._open()
        now = known.advanced(self._source.arrivals.now())
        if known != now and self._has_grown(known, now):
            self._append(self._ask(known, now))
        self._cursor = now

    def _open(self) -> Cursor:
        """Find out which blocks there were until a cursor, and return that."""
        minute = self._minute()
        if minute is not None and self._has_all(minute.arrived):
            self._append(minute.arrived)
            return minute.cursor
        now = self._listing.cursor.advanced(self._source.arrivals.now())
        size = self.span.size if self.span is not None else 0
        # By its first use, much more may have arrived than there was at the opening.
        is_small = size <= FIRST_SIZE and self._listing.cursor == now
        found = self._source.windows.arrived(self._scope, now, is_small=is_small)
        if not self._has_all(found):
            # Something was removed since the opening: where the rest stood cannot be known.
            self._append(Arrived(*(np.array([value]) for value in (_GONE, 0, size))))
            found = found.only(found.are_after(self._listing.cursor))
        self._append(found)
        return now

    def _has_all(self, found: Arrived) -> bool:
        """Return whether *found* has as many bytes of what was there at the opening as there were."""
        size = self.span.size if self.span is not None else 0
        return int(found.sizes[~found.are_after(self._listing.cursor)].sum()) == size

    def _has_grown(self, known: Cursor, now: Cursor) -> bool:
        """Return whether events may have arrived after *known*, until *now*."""
        if self._scope.minute is None or known.removals != now.removals:
            return True
        # One listing is asked for all minutes that are open.
        listing = self._source.listings.of(self._scope.query, self._scope.view)
        span = listing.at(self._scope.minute)
        return listing.cursor != now or (span.size if span is not None else 0) != self._end

    def _ask(self, after: Cursor, now: Cursor) -> Arrived:
        shard = self._source.tables.shard
        between = f"{after.after(shard)} AND {now.up_to(shard)}"
        return self._source.reader.arrived(self._scope.condition & between, self._scope.view)

    def _append(self, found: Arrived) -> None:
        self._arrived = Arrived(*map(np.concatenate, zip(self._arrived, found, strict=True)))
        self._ends = np.cumsum(self._arrived.sizes)


def _grown(size: int) -> int:
    """Return how many bytes to read at once after *size*, by a reader that goes on."""
    return min(_GROWTH * size, WINDOW_SIZE)

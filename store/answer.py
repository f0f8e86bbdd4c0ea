"""Answers: what a query finds, how large it is, and the bytes themselves.

An answer is kept up to date by looking only at what has arrived since it was last asked; it is as large
as what it found.
"""

import bisect
import functools
import threading
from array import array
from collections.abc import Iterator, Sequence

from store.api import Answer
from store.errors import EventReadException
from store.minutes import GrowingFile
from store.query import Query, Span
from store.tagindex import NOTHING, Admission, Arrivals, Kinds, MinuteIndex, Run, Total

__all__ = ["ByteMap", "Contents", "Minute", "Summary"]

# Bytes between two pieces of a minute that are read and thrown away rather than reading twice.
_GAP_MAX = 16 << 10

_SUMMARIES_MAX = 256
_BYTE_MAPS_MAX = 64


class Minute:
    """A minute of the store: its name, its bytes, and where its events lie in them.

    Attributes:
        number: its place in :class:`Contents`.
        name: ``<start>-<end>``.
        start: the whole second it starts at.
        file: its bytes.
        index: its entries.
        changed: when it last grew, in seconds since the epoch; 0 when it has not since it was opened.
    """

    def __init__(
        self, number: int, name: str, start: int, file: GrowingFile, index: MinuteIndex
    ) -> None:
        self.number = number
        self.name = name
        self.start = start
        self.file = file
        self.index = index
        self.changed = 0.0


class Contents:
    """All that answers are made from: the minutes by number, the kinds, the order of arrival.

    It only grows. When an event is removed, the store makes another one. Answers that were given before
    keep what they have, and go on growing with what arrives there.

    Attributes:
        unreadable: minutes whose files could not be read, for the store to look after.
        begin: what of the arrivals was there in the contents before these, for :meth:`Arrivals.since`.
        restated: how many entries of the minute that these were made for were there before.
        successor: the contents after these; nothing more arrives here once there are some.
    """

    def __init__(self, minutes: list[Minute], kinds: Kinds, arrivals: Arrivals) -> None:
        self.minutes = minutes
        self.kinds = kinds
        self.arrivals = arrivals
        self.unreadable: set[Minute] = set()
        self.begin = arrivals.position()
        self.restated = 0
        self.successor: Contents | None = None
        # Answers are kept because they are asked for in pieces: listed, looked at, read bit by bit.
        self._summary = functools.lru_cache(_SUMMARIES_MAX)(Summary)
        self._byte_map = functools.lru_cache(_BYTE_MAPS_MAX)(ByteMap)

    def summary(self, query: Query) -> "Summary":
        """How much of each minute answers a query."""
        return self._summary(query, self)

    def byte_map(self, query: Query, minute: Minute | None) -> "ByteMap":
        """Where the bytes of an answer lie, in one minute or in all."""
        return self._byte_map(query, self, minute)


class _Growing:
    """Something made from what arrives, a run at a time."""

    def __init__(self, query: Query, contents: Contents) -> None:
        self._query = query
        self._contents = contents
        self._admission = Admission(query, contents.kinds)
        self._seen = (0, 0)
        self._lock = threading.Lock()

    def _take_in_arrivals(self) -> None:
        runs, self._seen = self._contents.arrivals.since(self._seen)
        admitted = self._admission.flags()
        for run in runs:
            self._take_in(run, self._contents.minutes[run.minute], admitted)

    def _take_in(self, run: Run, minute: Minute, admitted: list[bool]) -> None:
        raise NotImplementedError


class Summary(_Growing):
    """How much of each minute answers a query, without its bytes."""

    def __init__(self, query: Query, contents: Contents) -> None:
        super().__init__(query, contents)
        self._totals: dict[int, Total] = {}
        self._whole = NOTHING
        self._changed = 0.0

    def spans(self) -> list[Span]:
        """The minutes that hold at least one matching event, sorted by start.

        For the query for everything: all minutes, whatever they hold.
        """
        with self._lock:
            self._take_in_arrivals()
            totals = self._totals.copy()
        minutes = self._contents.minutes
        numbers = sorted(totals, key=lambda number: minutes[number].start)
        return [self._span(minutes[number], totals[number]) for number in numbers]

    def span(self, minute: Minute) -> Span | None:
        """The part of the answer that lies in one minute; None when there is none."""
        with self._lock:
            self._take_in_arrivals()
            total = self._totals.get(minute.number)
        return None if total is None else self._span(minute, total)

    def whole(self) -> Span:
        """All of the answer."""
        with self._lock:
            self._take_in_arrivals()
            return Span("", *self._whole, self._changed)

    def _take_in(self, run: Run, minute: Minute, admitted: list[bool]) -> None:
        total = minute.index.total(self._query, admitted, run.first, run.last)
        if total.events or self._query.asks_everything:
            self._changed = max(self._changed, minute.changed)
            self._totals[run.minute] = self._totals.get(run.minute, NOTHING).plus(total)
            self._whole = self._whole.plus(total)

    @staticmethod
    def _span(minute: Minute, total: Total) -> Span:
        return Span(minute.name, *total, minute.changed)


class ByteMap(_Growing, Answer):
    """Where the bytes of an answer lie, in the order they arrived in.

    Args:
        query: the query.
        contents: what it is asked of.
        minute: the only minute to look at; None for all of them.
    """

    def __init__(self, query: Query, contents: Contents, minute: Minute | None = None) -> None:
        super().__init__(query, contents)
        self._minute = minute
        # Where pieces come from. Not by number: another minute may have taken the place of one meanwhile.
        self._sources: list[Minute] = []
        self._source_numbers: dict[Minute, int] = {}
        # One row per piece: where it ends in the answer, its source, where it starts there.
        self._ends = array("Q")
        self._piece_sources = array("I")
        self._starts = array("Q")

    def size(self) -> int:
        """The size of the answer in bytes, by now."""
        with self._lock:
            self._grow()
            return self._ends[-1] if self._ends else 0

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset of the answer; fewer only at its end, by now.

        Raises:
            EventReadException: if a minute file cannot be read.
        """
        with self._lock:
            if not self._ends or offset + size > self._ends[-1]:
                self._grow()
            pieces = self._locate(offset, size)
        return b"".join(self._fetch(pieces))

    def _grow(self) -> None:
        while True:
            # Looked up first: what arrives after that is in the successor.
            successor = self._contents.successor
            if self._minute is None:
                self._take_in_arrivals()
            else:
                self._take_in_minute(self._minute)
            if successor is None:
                return
            self._move_to(successor)

    def _move_to(self, successor: Contents) -> None:
        self._contents = successor
        if self._minute is None:
            self._seen = successor.begin
        elif successor.minutes[self._minute.number] is not self._minute:
            self._minute = successor.minutes[self._minute.number]
            self._seen = (0, successor.restated)

    def _take_in_minute(self, minute: Minute) -> None:
        # What arrives in one minute lies there in order; there is no need to look at the others.
        last = len(minute.index)
        run = Run(minute.number, self._seen[1], last)
        self._seen = (0, last)
        self._take_in(run, minute, self._admission.flags())

    def _take_in(self, run: Run, minute: Minute, admitted: list[bool]) -> None:
        size = self._ends[-1] if self._ends else 0
        for start, end in minute.index.runs(self._query, admitted, run.first, run.last):
            size += end - start
            source = self._source_number(minute)
            if self._continues(source, start):
                self._ends[-1] = size
            else:
                self._piece_sources.append(source)
                self._starts.append(start)
                self._ends.append(size)

    def _source_number(self, minute: Minute) -> int:
        number = self._source_numbers.setdefault(minute, len(self._sources))
        if number == len(self._sources):
            self._sources.append(minute)
        return number

    def _continues(self, source: int, start: int) -> bool:
        if not self._piece_sources or self._piece_sources[-1] != source:
            return False
        before = self._ends[-2] if len(self._ends) > 1 else 0
        return self._starts[-1] + self._ends[-1] - before == start

    def _locate(self, offset: int, size: int) -> list[tuple[int, int, int]]:
        """The pieces that make up a range: for each its source, and the start and end there."""
        pieces = []
        row = bisect.bisect_right(self._ends, offset)
        while size > 0 and row < len(self._ends):
            before = self._ends[row - 1] if row else 0
            start = self._starts[row] + offset - before
            length = min(size, self._ends[row] - offset)
            pieces.append((self._piece_sources[row], start, start + length))
            offset += length
            size -= length
            row += 1
        return pieces

    def _fetch(self, pieces: Sequence[tuple[int, int, int]]) -> Iterator[bytes]:
        """Read pieces, those near each other at once."""
        first = 0
        while first < len(pieces):
            source, start, end = pieces[first]
            last = first + 1
            while (
                last < len(pieces)
                and pieces[last][0] == source
                and 0 <= pieces[last][1] - end <= _GAP_MAX
            ):
                end = pieces[last][2]
                last += 1
            data = self._read(self._sources[source], start, end)
            for _source, piece_start, piece_end in pieces[first:last]:
                yield data[piece_start - start : piece_end - start]
            first = last

    def _read(self, minute: Minute, start: int, end: int) -> bytes:
        try:
            data = minute.file.read(start, end - start)
        except EventReadException:
            self._contents.unreadable.add(minute)
            raise
        if len(data) < end - start:
            # Fewer bytes would move everything behind them.
            raise EventReadException(f"{minute.name} ends at {start + len(data)}, before {end}")
        return data

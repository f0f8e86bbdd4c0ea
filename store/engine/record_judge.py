"""Judging the records of minutes: a value for each entry, worked out from its bytes."""

import os
import threading
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.errors import EventReadException, MinuteGone
from store.format.contents import NOT_RECORDS, Contents, find_contents
from store.index.extents import Layout
from store.index.minute import DAMAGED
from store.interruption import check_reader

__all__ = ["Judge", "RecordJudge", "Section", "contents_of"]


_SIZE_AT_ONCE = 1 << 20
"""Bytes that are read and judged at once, about."""

Read = Callable[[int, int, int], bytes]
"""Reads the bytes of a minute, by id, from a start to an end."""

Judge = Callable[[bytes, NDArray[np.int64], Contents], NDArray[Any]]
"""Returns a value for each record of some bytes, given the edges of the records, and their contents."""


class Section(NamedTuple):
    """Consecutive entries of a minute.

    Attributes:
        minute: the id of the minute.
        start: the start of the first of them, in bytes.
        layout: their layout.
    """

    minute: int
    start: int
    layout: Layout

    @classmethod
    def of(cls, minute: Minute, first: int, last: int) -> "Section":
        """Make the section of the entries of *minute* from *first* to before *last*."""
        return cls(minute.id, minute.entries.offset(first), minute.entries.layout(first, last))

    @classmethod
    def after(cls, first: int, minute: int, layout: Layout) -> "Section":
        """Make the section of the entries from *first* on of *minute*, by id, whose entries have *layout*."""
        if not first:
            return cls(minute, 0, layout)
        rest = Layout(layout.streams[first:], layout.ends[first:])
        return cls(minute, int(layout.ends[first - 1]), rest)


class _Run(NamedTuple):
    """Entries of one section that are read together.

    Attributes:
        place: the place of the section among those that are judged together.
        first: the first of the entries, among those of all of these sections.
        last: the one after the last of them.
        start: their start in the minute, in bytes.
        end: their end.
    """

    place: int
    first: int
    last: int
    start: int
    end: int


class RecordJudge:
    """Judges records. Any number of threads may use it.

    No lock is held while minutes are read. At most one thread for each CPU judges at a time.

    Args:
        read: reads the bytes of minutes.
        refresh: rescans the file of the minute with an id if it changed.
    """

    def __init__(self, read: Read, refresh: Callable[[int], object]) -> None:
        self._read = read
        self._refresh = refresh
        self._judging = threading.Semaphore(os.cpu_count() or 1)

    def judged(self, judge: Judge, minute: Minute, first: int, last: int) -> NDArray[Any]:
        """Return the values that *judge* has for the entries of *minute* from *first* to before *last*; 0 for damage.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        if first >= last:
            return np.zeros(0, np.uint8)
        entries = self._judged(judge, [Section.of(minute, first, last)])
        for error in entries.gone.values():
            raise error
        [values] = entries.parts()
        return values

    def judged_all(self, judge: Judge, sections: Sequence[Section]) -> list[NDArray[Any] | None]:
        """Return the values that *judge* has for the entries of each of *sections*; None for one that is gone.

        Small ones are judged together: those of ten events in a tenth of the time.

        Raises:
            EventReadException: if one that is there cannot be read.
            ReaderGone: if the reader has gone away, before the next piece of a minute or of several is read.
        """
        entries = self._judged(judge, sections)
        return [
            None if place in entries.gone else values
            for place, values in enumerate(entries.parts())
        ]

    def _judged(self, judge: Judge, sections: Sequence[Section]) -> "_Entries":
        """Judge the entries of *sections*."""
        entries = _Entries(sections)
        for piece in _pieces(entries.sound_runs()):
            check_reader()
            try:
                self._judge_piece(judge, piece, entries)
            except _Misplaced:
                for run in piece:  # one of them is to blame
                    self._judge_run(judge, run, entries)
        return entries

    def _judge_run(self, judge: Judge, run: _Run, entries: "_Entries") -> None:
        """Judge the entries of *run*, which become a part of *entries*; retry it once, after a refresh of the minute."""
        try:
            self._judge_piece(judge, [run], entries)
        except _Misplaced:
            self._refresh(entries.minute(run))
            self._judge_piece(judge, [run], entries)

    def _judge_piece(self, judge: Judge, piece: Sequence[_Run], entries: "_Entries") -> None:
        """Judge the entries of *piece*, which become a part of *entries*."""
        found: list[_Run] = []
        data: list[bytes] = []
        for run in piece:
            try:
                data.append(self._read(entries.minute(run), run.start, run.end))
                found.append(run)
            except MinuteGone as error:
                entries.gone[run.place] = error
        if found:
            entries.note(found, self._judge(judge, b"".join(data), entries.edges(found)))

    def _judge(self, judge: Judge, data: bytes, edges: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values that *judge* has for the records in *data*, which have *edges*."""
        contents = contents_of(data, edges)
        try:
            with self._judging:
                return judge(data, edges, contents)
        except (*NOT_RECORDS, EventReadException) as error:
            raise _Misplaced from error


def contents_of(data: bytes, edges: NDArray[np.int64]) -> Contents:
    """Find the contents of the records in *data*, which have *edges*.

    Raises:
        EventReadException: if they are not there: their minute may be read again after a refresh.
    """
    try:
        contents = find_contents(data, edges)
    except (*NOT_RECORDS, EventReadException) as error:
        raise _Misplaced from error
    if not ((edges[:-1] < contents.starts) & (contents.ends < edges[1:])).all():
        raise _Misplaced
    return contents


class _Misplaced(EventReadException):
    """Records are not where they were: another program has just changed the file, which is still taken for the known one."""

    def __init__(self) -> None:
        super().__init__("records are not where they were: their minute has changed")


class _Entries:
    """The entries of some sections, in columns, and what is found out of them.

    Attributes:
        gone: by place, the errors of sections whose minutes are gone.
    """

    def __init__(self, sections: Sequence[Section]) -> None:
        self._sections = sections
        self.gone: dict[int, MinuteGone] = {}
        lengths = np.array([len(each.layout.ends) for each in sections], np.int64)
        self._lasts = lengths.cumsum()
        self._owners = np.arange(len(sections)).repeat(lengths)
        parts = [np.zeros(0, np.int64), *(each.layout.ends for each in sections)]
        self._ends = np.concatenate(parts).astype(np.int64)
        self._starts = np.zeros_like(self._ends)
        self._starts[1:] = self._ends[:-1]
        is_there = lengths > 0
        firsts = (self._lasts - lengths)[is_there]
        self._starts[firsts] = np.array([each.start for each in sections], np.int64)[is_there]
        streams = [np.zeros(0, np.int64), *(each.layout.streams for each in sections)]
        self._is_sound = np.concatenate(streams) != DAMAGED
        self._values: NDArray[Any] | None = None

    def minute(self, run: _Run) -> int:
        """Return the id of the minute of *run*."""
        return self._sections[run.place].minute

    def sound_runs(self) -> Iterator[_Run]:
        """Yield runs of entries without damage, none of them too large."""
        owners, is_sound, blocks = self._owners, self._is_sound, self._starts // _SIZE_AT_ONCE
        changes = np.ones(len(owners), np.bool_)
        changes[1:] = (
            (owners[1:] != owners[:-1])
            | (is_sound[1:] != is_sound[:-1])
            | (blocks[1:] != blocks[:-1])
        )
        firsts = changes.nonzero()[0]
        lasts = np.append(firsts[1:], len(owners))
        chosen = is_sound[firsts]
        firsts, lasts = firsts[chosen], lasts[chosen]
        columns = (owners[firsts], firsts, lasts, self._starts[firsts], self._ends[lasts - 1])
        for row in zip(*(each.tolist() for each in columns), strict=True):
            yield _Run(*row)

    def edges(self, runs: Sequence[_Run]) -> NDArray[np.int64]:
        """Return the edges of the entries in *runs* if all are joined."""
        sizes = self._ends - self._starts
        parts = [sizes[run.first : run.last] for run in runs]
        return np.concatenate((np.zeros(1, np.int64), *parts)).cumsum()

    def note(self, runs: Sequence[_Run], values: NDArray[Any]) -> None:
        """Note the *values* of the entries in *runs*."""
        if self._values is None:
            self._values = np.zeros(len(self._owners), values.dtype)
        place = 0
        for run in runs:
            length = run.last - run.first
            self._values[run.first : run.last] = values[place : place + length]
            place += length

    def parts(self) -> list[NDArray[Any]]:
        """Return for each section the values of its entries; 0 for damage, and for what is gone."""
        values = np.zeros(len(self._owners), np.uint8) if self._values is None else self._values
        return np.split(values, self._lasts[:-1]) if len(self._lasts) else []


def _pieces(runs: Iterator[_Run]) -> Iterator[list[_Run]]:
    """Yield *runs* in pieces of about _SIZE_AT_ONCE bytes."""
    piece: list[_Run] = []
    size = 0
    for run in runs:
        if piece and size + run.end - run.start > _SIZE_AT_ONCE:
            yield piece
            piece, size = [], 0
        piece.append(run)
        size += run.end - run.start
    if piece:
        yield piece

"""Line maps: which entries of which minutes the lines of an answer are of, in order."""

import bisect
from array import array
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["LineMap", "LineRun"]

_ENTRIES_MAX = 1 << 12
"""A run of this many entries is not extended: to find one line, all of its run are looked up."""


class LineRun(NamedTuple):
    """The lines of the entries of a minute that answer a query, of those from *first* to before *last*.

    Attributes:
        minute: the id of the minute.
        first: the position of the first entry.
        last: the position after the last entry.
        is_inside: whether all of them are known to be in the time range of the query.
        start: the offset of the first line in the answer, in bytes.
        size: the size of all lines, in bytes.
    """

    minute: int
    first: int
    last: int
    is_inside: bool
    start: int
    size: int


class LineMap:
    """The runs of lines of an answer, in columns, because there may be a million. It grows at its end.

    Not safe for several threads: callers lock it.
    """

    def __init__(self) -> None:
        # One row per run: its end in the answer, and the rest as in LineRun.
        self._ends = array("q")
        self._minutes = array("q")
        self._firsts = array("q")
        self._lasts = array("q")
        self._are_inside = array("b")

    @property
    def size(self) -> int:
        """The bytes of all lines."""
        return self._ends[-1] if self._ends else 0

    def extend(
        self,
        minutes: NDArray[np.int64],
        lasts: NDArray[np.int64],
        are_inside: NDArray[np.bool_],
        sizes: NDArray[np.int64],
    ) -> None:
        """Append the first *lasts* entries of *minutes*, whose lines have *sizes*."""
        there = sizes > 0
        ends = sizes[there].cumsum() + self.size
        self._ends.frombytes(ends.astype(np.int64).tobytes())
        self._minutes.frombytes(minutes[there].tobytes())
        self._firsts.frombytes(np.zeros_like(ends).tobytes())
        self._lasts.frombytes(lasts[there].tobytes())
        self._are_inside.frombytes(are_inside[there].tobytes())

    def append(self, minute: int, first: int, last: int, size: int) -> None:
        """Append the entries of *minute* from *first* to before *last*, whose lines have *size* bytes."""
        if not size:
            return
        if self._is_extended_by(minute, first):
            self._ends[-1] += size
            self._lasts[-1] = last
            return
        self._ends.append(self.size + size)
        self._minutes.append(minute)
        self._firsts.append(first)
        self._lasts.append(last)
        self._are_inside.append(False)

    def cut(self, offset: int, size: int) -> list[LineRun]:
        """Return the runs that have some of the *size* bytes at *offset*."""
        first = bisect.bisect_right(self._ends, offset)
        last = min(bisect.bisect_left(self._ends, offset + size) + 1, len(self._ends))
        return [self._run(row) for row in range(first, last)]

    def _run(self, row: int) -> LineRun:
        start = self._ends[row - 1] if row else 0
        place = (self._minutes[row], self._firsts[row], self._lasts[row])
        return LineRun(*place, bool(self._are_inside[row]), start, self._ends[row] - start)

    def _is_extended_by(self, minute: int, first: int) -> bool:
        """Return whether the last run is short, and ends before the entry at *first* of *minute*."""
        return (
            bool(self._ends)
            and (self._minutes[-1], self._lasts[-1]) == (minute, first)
            and not self._are_inside[-1]
            and first - self._firsts[-1] < _ENTRIES_MAX
        )

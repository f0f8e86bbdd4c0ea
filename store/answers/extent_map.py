"""Extent maps: the extents of an answer, in order."""

import bisect
from array import array

import numpy as np

from store.index.extents import Extents

__all__ = ["ExtentMap"]


class ExtentMap:
    """The extents of an answer, in columns, because there may be millions. It grows at its end.

    Not safe for several threads: callers lock it.
    """

    def __init__(self) -> None:
        # One row per extent: its end in the answer, its minute, its start there.
        self._ends = array("q")
        self._minutes = array("q")
        self._starts = array("q")

    @property
    def size(self) -> int:
        """The bytes of all extents."""
        return self._ends[-1] if self._ends else 0

    def extend(self, extents: Extents) -> None:
        """Append *extents*."""
        minutes, starts, ends = extents
        if not len(starts):
            return
        if self._continues(int(minutes[0]), int(starts[0])):
            self._ends[-1] += int(ends[0] - starts[0])
            minutes, starts, ends = minutes[1:], starts[1:], ends[1:]
        size = self.size
        self._starts.frombytes(starts.astype(np.int64).tobytes())
        self._minutes.frombytes(minutes.astype(np.int64).tobytes())
        self._ends.frombytes(((ends - starts).cumsum() + size).astype(np.int64).tobytes())

    def cut(self, offset: int, size: int) -> Extents:
        """Return the extents of *size* bytes at *offset*, fewer at the end; the first and the last may be parts."""
        first = bisect.bisect_right(self._ends, offset)
        last = min(bisect.bisect_left(self._ends, offset + size) + 1, len(self._ends))
        if first >= last:
            return Extents.none()
        # Slices of an array are copies, which may be changed.
        answer_ends = np.frombuffer(self._ends[first:last], np.int64)
        starts = np.frombuffer(self._starts[first:last], np.int64)
        before = self._ends[first - 1] if first else 0
        ends = starts + answer_ends
        ends[1:] -= answer_ends[:-1]
        ends[0] -= before
        ends[-1] -= max(self._ends[last - 1] - (offset + size), 0)
        starts[0] += offset - before
        return Extents(np.frombuffer(self._minutes[first:last], np.int64), starts, ends)

    def _continues(self, minute: int, start: int) -> bool:
        """Return whether the last extent ends at *start* of *minute*."""
        if not self._ends or self._minutes[-1] != minute:
            return False
        before = self._ends[-2] if len(self._ends) > 1 else 0
        return self._starts[-1] + self._ends[-1] - before == start

"""Layouts: of which pieces of minutes an answer is made, one behind the other."""

import bisect
from array import array

import numpy as np

from store.index.extents import Pieces

__all__ = ["Layout"]


class Layout:
    """The pieces of an answer, in columns, for there may be millions. It grows at its end.

    Not safe for several threads, but for its size: whoever calls sees to that.
    """

    def __init__(self) -> None:
        # One row per piece: where it ends in the answer, in which minute it lies, where it starts there.
        self._ends = array("q")
        self._minutes = array("I")
        self._starts = array("q")

    @property
    def size(self) -> int:
        """How many bytes there are, in all pieces."""
        return self._ends[-1] if self._ends else 0

    def add(self, pieces: Pieces) -> None:
        """Add pieces at the end."""
        minutes, starts, ends = pieces
        if not len(starts):
            return
        if self._goes_on(int(minutes[0]), int(starts[0])):
            # In its place, for whoever only asks for the size needs no lock.
            self._ends[-1] += int(ends[0] - starts[0])
            minutes, starts, ends = minutes[1:], starts[1:], ends[1:]
        size = self.size
        self._starts.frombytes(starts.tobytes())
        self._minutes.frombytes(minutes.astype("I").tobytes())
        self._ends.frombytes(((ends - starts).cumsum() + size).tobytes())

    def add_one(self, minute: int, start: int, end: int) -> None:
        """Add one piece at the end."""
        if self._goes_on(minute, start):
            self._ends[-1] += end - start
        elif start < end:
            self._ends.append(self.size + end - start)
            self._minutes.append(minute)
            self._starts.append(start)

    def cut(self, offset: int, size: int) -> Pieces:
        """So many bytes from an offset, or those that there are: of the first and the last piece, perhaps only a part."""
        first = bisect.bisect_right(self._ends, offset)
        last = min(bisect.bisect_left(self._ends, offset + size) + 1, len(self._ends))
        ends = np.array(self._ends[first:last])
        starts = np.array(self._starts[first:last])
        if first < last:
            before = self._ends[first - 1] if first else 0
            sizes = ends.copy()
            sizes[1:] -= ends[:-1]
            sizes[0] -= before
            ends = starts + sizes
            ends[-1] -= max(self._ends[last - 1] - (offset + size), 0)
            starts[0] += offset - before
        return Pieces(np.array(self._minutes[first:last]), starts, ends)

    def only_piece(self, offset: int, size: int) -> tuple[int, int, int] | None:
        """The same, if it lies in one piece: the minute, and where it starts and ends there; None otherwise."""
        number = bisect.bisect_right(self._ends, offset)
        if number == len(self._ends) or self._ends[number] < min(offset + size, self.size):
            return None
        before = self._ends[number - 1] if number else 0
        shift = self._starts[number] - before
        return self._minutes[number], offset + shift, min(offset + size, self.size) + shift

    def _goes_on(self, minute: int, start: int) -> bool:
        """Whether a piece begins where the last one ends."""
        if not self._ends or self._minutes[-1] != minute:
            return False
        before = self._ends[-2] if len(self._ends) > 1 else 0
        return self._starts[-1] + self._ends[-1] - before == start

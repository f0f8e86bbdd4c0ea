"""Columns: what is known of each entry of a minute, in as few bytes as it takes.

A minute may have millions of entries, and all of them are in memory. So each kind of number has a form of its
own: whole numbers as wide as the largest so far, places in a file as the sizes between them, times as ticks
since the minute began.

Columns only grow, and one writer at a time makes them grow. Readers need no lock as long as they ask for no
more than a length that they knew before.
"""

import bisect
import itertools
import math
from array import array
from collections.abc import Iterator, Sequence

__all__ = ["Numbers", "Offsets", "Times"]

_WIDTHS = "BHIQ"
_STRIDE = 64
_TICKS_PER_S = 10**7
"""Frames give times with 7 decimals."""


class Numbers:
    """Whole numbers from 0 on."""

    def __init__(self) -> None:
        self._array = array(_WIDTHS[0])

    def __len__(self) -> int:
        return len(self._array)

    def __getitem__(self, position: int) -> int:
        return self._array[position]

    def slice(self, first: int, last: int) -> Sequence[int]:
        """The numbers from a first position to before a last."""
        return self._array[first:last]

    def append(self, number: int) -> None:
        """Add a number at the end."""
        try:
            self._array.append(number)
        except OverflowError:
            wider = array(_WIDTHS[_WIDTHS.index(self._array.typecode) + 1], self._array)
            self._array = wider
            self.append(number)


class Offsets:
    """Where entries that follow each other without gaps end, in bytes."""

    def __init__(self) -> None:
        self._sizes = Numbers()
        self._starts = array("Q")  # of every so many entries
        self.end = 0

    def start(self, position: int) -> int:
        """Where the entry at a position starts."""
        if not position:
            return 0
        stride = (position - 1) // _STRIDE
        return self._starts[stride] + sum(self._sizes.slice(stride * _STRIDE, position))

    def bounds(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Where the entries from a first position to before a last start and end."""
        sizes = self._sizes.slice(first, last)
        return itertools.pairwise(itertools.accumulate(sizes, initial=self.start(first)))

    def position_at(self, offset: int, length: int) -> int:
        """The position of the entry that has a byte; the length if it is none of the first so many."""
        if not length:
            return 0
        stride = bisect.bisect_right(self._starts, offset, 0, -(-length // _STRIDE)) - 1
        first = stride * _STRIDE
        for position, (_, end) in enumerate(
            self.bounds(first, min(first + _STRIDE, length)), first
        ):
            if offset < end:
                return position
        return min(first + _STRIDE, length)

    def append(self, size: int) -> None:
        """Add an entry of so many bytes at the end."""
        if len(self._sizes) % _STRIDE == 0:
            self._starts.append(self.end)
        self._sizes.append(size)
        self.end += size


class Times:
    """Times in seconds since the epoch, exactly as they were given; NaN where there is none.

    Args:
        start: a whole second that none of them is much later than.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._ticks = array("I")
        # What the ticks cannot express makes all of them floats: theia's files may span any time.
        self._floats: array[float] | None = None

    def __getitem__(self, position: int) -> float:
        if self._floats is not None:
            return self._floats[position]
        return self._seconds(self._ticks[position])

    def slice(self, first: int, last: int) -> Sequence[float]:
        """The times from a first position to before a last."""
        if self._floats is not None:
            return self._floats[first:last]
        return [self._seconds(ticks) for ticks in self._ticks[first:last]]

    def append(self, seconds: float) -> None:
        """Add a time at the end."""
        if self._floats is None:
            ticks = self._to_ticks(seconds)
            if ticks is not None:
                self._ticks.append(ticks)
                return
            # The ticks stay, for whoever is reading them.
            self._floats = array("d", map(self._seconds, self._ticks))
        self._floats.append(seconds)

    def _to_ticks(self, seconds: float) -> int | None:
        if not math.isfinite(seconds):
            return None
        whole = math.floor(seconds)
        ticks = (whole - self._start) * _TICKS_PER_S + round((seconds - whole) * _TICKS_PER_S)
        if 0 <= ticks < 1 << 32 and self._seconds(ticks) == seconds:
            return ticks
        return None

    def _seconds(self, ticks: int) -> float:
        # Python divides whole numbers exactly, so this is the float that the decimal text stands for.
        return (self._start * _TICKS_PER_S + ticks) / _TICKS_PER_S

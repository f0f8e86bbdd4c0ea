"""Gathering: pieces of files that are to lie one behind the other in memory, laid out for preadv(2)."""

import bisect
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["Gathering"]

_GAP_MAX = 16 << 10
"""Bytes between two pieces that are read and thrown away rather than reading twice."""

_discarded = np.empty(_GAP_MAX, np.uint8)
"""Where those go; what is there does not matter to anybody."""

_IOVEC_SIZE = 2 * np.dtype(np.uintp).itemsize  # an address and a length


class Gathering:
    """Pieces of files, and the buffer they are to be gathered in without gaps.

    Args:
        starts: where each starts in its file, in bytes.
        stops: where it stops there.

    Attributes:
        starts: the same.
        stops: the same.
        buffer: for all pieces, as large as it has to be.
    """

    def __init__(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> None:
        self.starts = starts
        self.stops = stops
        sizes = stops - starts
        self._edges = np.concatenate(([0], sizes.cumsum()))
        self.buffer = bytearray(int(self._edges[-1]))
        gaps = starts[1:] - stops[:-1]
        self._far = ((gaps < 0) | (gaps > _GAP_MAX)).nonzero()[0].tolist()
        # Two for each piece: one for the piece itself, one for what lies between it and the next.
        self._iovecs = np.empty((2 * len(starts), 2), np.uintp)
        bases, lengths = self._iovecs[:, 0], self._iovecs[:, 1]
        bases[0::2] = self._edges[:-1]
        bases[0::2] += _address(np.frombuffer(self.buffer, np.uint8))
        bases[1::2] = _address(_discarded)
        lengths[0::2] = sizes
        lengths[1:-1:2] = gaps
        self._iovecs_address = _address(self._iovecs)

    def runs(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Divide pieces of one file, from a first to before a last, where it is not worth to read what lies between."""
        for far in self._far[bisect.bisect_left(self._far, first) :]:
            if far + 1 >= last:
                break
            yield first, far + 1
            first = far + 1
        yield first, last

    def iovecs(self, first: int) -> int:
        """The address of what preadv(2) takes, from a piece on: for each one ``iovec``, and one for the gap behind it."""
        return self._iovecs_address + first * 2 * _IOVEC_SIZE

    def part(self, position: int) -> memoryview:
        """Where in the buffer a piece belongs."""
        return memoryview(self.buffer)[self._edges[position] : self._edges[position + 1]]


def _address(values: NDArray[np.generic]) -> int:
    address: int = values.__array_interface__["data"][0]
    return address

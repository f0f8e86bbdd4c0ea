"""Vectored reads: many extents of a file by one call of preadv(2), each to its place in one buffer.

With ``os.preadv``, and when the gaps are read as well and the extents cut out of that, Python makes an object for each extent:
to read one tag of a day, every fourth event, took the store 1.3 times the CPU time so. To compare, let :func:`preadv`
return -1: then the extents are read one by one.
"""

import bisect
import ctypes
import itertools
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["GAP_MAX", "ExtentBuffer", "preadv"]

GAP_MAX = 16 << 10
"""Bytes between two extents above which they are read by two calls: below, reading the gap is cheaper."""

_EXTENTS_MAX = 512
"""Extents read by one call, with as many gaps; the system takes 1,024 iovecs."""

_preadv = ctypes.CDLL(None, use_errno=True).preadv64
_preadv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_preadv.restype = ctypes.c_ssize_t

_gap = np.empty(GAP_MAX, np.uint8)  # what is read of gaps; any thread may overwrite it


class ExtentBuffer:
    """One buffer for extents of any number of files, one after the other.

    Its size follows from the extents, and so do all lengths that :func:`preadv` gets: whatever they are, nothing is written
    outside of it.

    Args:
        starts: where each extent starts in its file, in bytes.
        stops: where it stops there.

    Raises:
        ValueError: if one stops before it starts.
    """

    def __init__(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> None:
        self.starts, self.stops = starts, stops
        sizes = stops - starts
        if len(sizes) and int(sizes.min()) < 0:
            raise ValueError("an extent that stops before it starts")
        self._edges = np.zeros(len(sizes) + 1, np.int64)
        sizes.cumsum(out=self._edges[1:])
        self._bytes = np.empty(int(self._edges[-1]), np.uint8)
        # As numbers without a sign, a step back is a wide gap, too.
        gaps = (starts[1:] - stops[:-1]).view(np.uint64)
        self._wide = ((gaps > GAP_MAX).nonzero()[0] + 1).tolist()
        # For each extent the address and the length of its place, and of what comes of the gap after it.
        self._iovecs = np.zeros((len(sizes), 4), np.uint64)
        self._iovecs[:, 0] = self._edges[:-1] + self._bytes.ctypes.data
        self._iovecs[:, 1] = sizes
        self._iovecs[:, 2] = _gap.ctypes.data
        self._iovecs[:-1, 3] = np.minimum(gaps, GAP_MAX)
        self._iovecs_address = self._iovecs.ctypes.data

    def runs(self, first: int, last: int) -> Iterator[tuple[int, int]]:
        """Divide the extents from *first* to before *last*, of one file, into runs for one call each.

        Yields:
            The index of the first extent of each, and the index after its last.
        """
        wide = self._wide[
            bisect.bisect_right(self._wide, first) : bisect.bisect_left(self._wide, last)
        ]
        for begin, end in itertools.pairwise([first, *wide, last]):
            for some in range(begin, end, _EXTENTS_MAX):
                yield some, min(some + _EXTENTS_MAX, end)

    def fill(self, descriptor: int, first: int, last: int) -> bool:
        """Read the extents from *first* to before *last*, a run, from the open file *descriptor*.

        Returns:
            Whether all of them were read; if not, because of an interruption, an error or the file's end, some may be.
        """
        start = int(self.starts[first])
        iovecs = self._iovecs_address + first * self._iovecs.strides[0]
        size = preadv(descriptor, iovecs, 2 * (last - first) - 1, start)
        return size == int(self.stops[last - 1]) - start

    def place(self, position: int) -> memoryview:
        """Return the place of the extent at *position*."""
        return self._bytes.data[self._edges[position] : self._edges[position + 1]]

    def data(self) -> bytes:
        """Return the extents, joined."""
        return self._bytes.tobytes()


def preadv(descriptor: int, iovecs: int, count: int, offset: int) -> int:
    """Read at *offset* into *count* iovecs at the address *iovecs*; return the number of bytes, or -1."""
    size: int = _preadv(descriptor, iovecs, count, offset)
    return size

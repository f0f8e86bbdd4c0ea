"""Pieces of lines in columns, and how lines are joined from them: many at once, at the speed of copying memory."""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Pieces", "choice", "complete", "constant", "fixed", "join", "put", "sum_sizes"]

Integers = npt.NDArray[np.int64]
Octets = npt.NDArray[np.uint8]

_SMALL_SIZE, _MEDIUM_SIZE, _LARGE_SIZE = 64, 128, 512
"""Sizes of chunks in bytes. Copying one costs the same whatever its size, up to the largest."""

_ROWS = 8000
"""Number of lines that are joined at a time, so that their columns stay in the processor's cache."""

_LONG_SIZE = 1 << 14
"""Longer pieces are copied one by one."""


class Pieces(NamedTuple):
    """A piece of each line; a row of each column is one line.

    Attributes:
        buffer: bytes that hold all the pieces.
        starts: offset of each in the buffer.
        sizes: its size in bytes.
    """

    buffer: bytes | bytearray
    starts: Integers
    sizes: Integers

    @classmethod
    def between(cls, buffer: bytes | bytearray, starts: Integers, ends: Integers) -> "Pieces":
        """Return what is in *buffer* from each of *starts* up to its end."""
        return cls(buffer, starts, ends - starts)

    def texts(self, rows: Integers) -> list[bytes]:
        """Return the bytes of the pieces in *rows*."""
        starts, ends = self.starts[rows], self.starts[rows] + self.sizes[rows]
        return [
            bytes(self.buffer[start:end])
            for start, end in zip(starts.tolist(), ends.tolist(), strict=True)
        ]

    def replace(self, rows: Sequence[int], texts: Sequence[bytes]) -> "Pieces":
        """Return the same pieces with *texts* in *rows* instead of what is there."""
        if not rows:
            return self
        starts, sizes = self.starts.copy(), self.sizes.copy()
        lengths = np.array(list(map(len, texts)), np.int64)
        starts[rows] = len(self.buffer) + np.cumsum(lengths) - lengths
        sizes[rows] = lengths
        return Pieces(self.buffer + b"".join(texts), starts, sizes)


def constant(text: bytes, count: int) -> Pieces:
    """Return *text* as the piece of *count* lines."""
    return Pieces(text, np.zeros(count, np.int64), np.full(count, len(text), np.int64))


def choice(texts: Sequence[bytes], chosen: npt.NDArray[np.integer]) -> Pieces:
    """Return for each line the one of *texts* whose number is in *chosen*."""
    sizes = np.array(list(map(len, texts)), np.int64)
    starts = np.cumsum(sizes) - sizes
    return Pieces(b"".join(texts), starts[chosen], sizes[chosen])


def fixed(texts: npt.NDArray[np.void]) -> Pieces:
    """Return *texts*, which are all of one size, as pieces."""
    count, size = len(texts), texts.itemsize
    return Pieces(texts.tobytes(), np.arange(count) * size, np.full(count, size, np.int64))


def put(texts: npt.NDArray[np.void] | bytes, buffer: bytearray, positions: Integers) -> None:
    """Put *texts*, which are all of one size, or are one for all, into *buffer* at *positions*."""
    each = np.void(texts) if isinstance(texts, bytes) else texts
    _chunks(buffer, each.dtype.itemsize)[positions] = each


def sum_sizes(columns: Sequence[Pieces]) -> Integers:
    """Return the sum of the sizes of each line's pieces in *columns*, in bytes."""
    return functools.reduce(np.add, (column.sizes for column in columns))


def complete(columns: Sequence[Pieces], rows: Integers, lines: Sequence[bytes]) -> Sequence[Pieces]:
    """Return *columns* of the pieces of the lines in *rows*, with other *lines* in all other rows."""
    if not lines:
        return columns
    count = len(rows) + len(lines)
    others = np.delete(np.arange(count), rows).tolist()
    completed = []
    for buffer, *numbers in columns:
        starts, sizes = np.zeros((2, count), np.int64)
        starts[rows], sizes[rows] = numbers
        completed.append(Pieces(buffer, starts, sizes))
    return [completed[0].replace(others, lines), *completed[1:]]


def join(columns: Sequence[Pieces]) -> bytes:
    """Join lines, one after the other, from *columns* of their pieces, from left to right."""
    buffers = {id(column.buffer): column.buffer for column in columns}
    bases = dict(
        zip(buffers, itertools.accumulate(map(len, buffers.values()), initial=0), strict=False)
    )
    # Whole chunks are read and written, those at the ends of pieces too.
    buffer = b"".join([*buffers.values(), bytes(_LARGE_SIZE)])
    line_ends = sum_sizes(columns).cumsum()
    size = int(line_ends[-1]) if len(line_ends) else 0
    target = np.empty(size + _LARGE_SIZE, np.uint8)
    position = 0
    for row in range(0, len(line_ends), _ROWS):
        rows = slice(row, row + _ROWS)
        starts = np.empty((len(line_ends[rows]), len(columns)), np.int64)
        sizes = np.empty_like(starts)
        for place, column in enumerate(columns):
            np.add(column.starts[rows], bases[id(column.buffer)], out=starts[:, place])
            sizes[:, place] = column.sizes[rows]
        position = _copy(buffer, starts.ravel(), sizes.ravel(), target, position)
    return target[:size].tobytes()


def _copy(buffer: bytes, starts: Integers, sizes: Integers, target: Octets, position: int) -> int:
    """Copy pieces of *buffer* to *position* of *target*, one after the other; return where they end.

    Less than a chunk of bytes after the last of them becomes anything.
    """
    ends = sizes.cumsum()
    ends += position
    positions = ends - sizes
    # First all but the first chunk of each, of which most pieces have no more.
    rows = (sizes > _SMALL_SIZE).nonzero()[0]
    left = sizes[rows]
    if left.max(initial=0) > _LONG_SIZE:
        for row in rows[left > _LONG_SIZE].tolist():
            first, place, size = int(starts[row]), int(positions[row]), int(sizes[row])
            target[place : place + size] = np.frombuffer(buffer, np.uint8, size, first)
        rows, left = rows[left <= _LONG_SIZE], left[left <= _LONG_SIZE]
    froms, tos, left = starts[rows] + _SMALL_SIZE, positions[rows] + _SMALL_SIZE, left - _SMALL_SIZE
    for chunk_size in (_LARGE_SIZE, _MEDIUM_SIZE):
        counts = left // chunk_size
        more = np.flatnonzero(counts)
        if len(more):
            source, chunks = _chunks(buffer, chunk_size), _chunks(target, chunk_size)
            for offset in range(0, int(counts.max()) * chunk_size, chunk_size):
                more = more[left[more] >= offset + chunk_size]
                chunks[tos[more] + offset] = source[froms[more] + offset]
            froms, tos = froms + counts * chunk_size, tos + counts * chunk_size
            left = left % chunk_size
    source, chunks = _chunks(buffer, _SMALL_SIZE), _chunks(target, _SMALL_SIZE)
    while (is_more := left > 0).any():
        froms, tos, left = froms[is_more], tos[is_more], left[is_more]
        chunks[tos] = source[froms]
        froms, tos, left = froms + _SMALL_SIZE, tos + _SMALL_SIZE, left - _SMALL_SIZE
    # The last chunk of a piece has overwritten the first bytes of those after it, each of which comes later here.
    chunks[positions] = source[starts]
    return int(ends[-1])


def _chunks(data: bytes | bytearray | Octets, size: int) -> npt.NDArray[np.void]:
    """Return the chunk of *size* bytes at each offset of *data* that has a whole one."""
    return np.ndarray((max(len(data) - size + 1, 0),), f"V{size}", data, strides=(1,))

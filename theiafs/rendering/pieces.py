"""Pieces of lines in columns, and how lines are joined from them: many at once, at the speed of copying memory."""

import functools
import itertools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Pieces", "choice", "constant", "fixed", "join", "sum_sizes"]

Integers = npt.NDArray[np.int64]

_SMALL_SIZE, _MEDIUM_SIZE, _LARGE_SIZE = 32, 64, 256
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

    buffer: bytes
    starts: Integers
    sizes: Integers

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


def sum_sizes(columns: Sequence[Pieces]) -> Integers:
    """Return the sum of the sizes of each line's pieces in *columns*, in bytes."""
    return functools.reduce(np.add, (column.sizes for column in columns))


def join(columns: Sequence[Pieces]) -> bytes:
    """Join lines, one after the other, from *columns* of their pieces, from left to right."""
    buffers = {id(column.buffer): column.buffer for column in columns}
    bases = dict(
        zip(buffers, itertools.accumulate(map(len, buffers.values()), initial=0), strict=False)
    )
    # Whole chunks are read and written, those at the ends of pieces too.
    buffer = b"".join([*buffers.values(), bytes(_LARGE_SIZE)])
    line_ends = np.cumsum(sum_sizes(columns))
    size = int(line_ends[-1]) if len(line_ends) else 0
    target = bytearray(size + _LARGE_SIZE)
    position = 0
    for row in range(0, len(line_ends), _ROWS):
        rows = slice(row, row + _ROWS)
        starts = np.stack([each.starts[rows] + bases[id(each.buffer)] for each in columns], axis=1)
        sizes = np.stack([each.sizes[rows] for each in columns], axis=1)
        position = _copy(buffer, starts.ravel(), sizes.ravel(), target, position)
    return bytes(memoryview(target)[:size])


def _copy(
    buffer: bytes, starts: Integers, sizes: Integers, target: bytearray, position: int
) -> int:
    """Copy pieces of *buffer* to *position* of *target*, one after the other; return where they end.

    Less than a chunk of bytes after the last of them becomes anything.
    """
    ends = np.cumsum(sizes) + position
    positions = ends - sizes
    # First all but the first chunk of each, of which most pieces have no more.
    rows = np.flatnonzero(sizes > _SMALL_SIZE)
    left = sizes[rows]
    if left.max(initial=0) > _LONG_SIZE:
        for row in rows[left > _LONG_SIZE].tolist():
            first, place, size = int(starts[row]), int(positions[row]), int(sizes[row])
            target[place : place + size] = buffer[first : first + size]
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


def _chunks(data: bytes | bytearray, size: int) -> npt.NDArray[np.void]:
    """Return the chunk of *size* bytes at each offset of *data* that has a whole one."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))

"""Pieces of lines in columns, and how lines are joined from them: many at once, at the speed of copying memory."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Pieces", "choice", "constant", "fixed", "join", "sum_sizes"]

Integers = npt.NDArray[np.int64]

_SMALL_SIZE, _MEDIUM_SIZE, _LARGE_SIZE = 32, 64, 256
"""Sizes of chunks in bytes. Copying one costs the same whatever its size, up to the largest."""

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
    # Whole chunks are read and written, those at the ends of pieces too.
    buffer = b"".join([*(column.buffer for column in columns), bytes(_LARGE_SIZE)])
    bases = np.cumsum([0, *(len(column.buffer) for column in columns)])
    starts = np.stack(
        [column.starts + base for column, base in zip(columns, bases, strict=False)], axis=1
    ).ravel()
    sizes = np.stack([column.sizes for column in columns], axis=1).ravel()
    positions = np.cumsum(sizes) - sizes
    size = int(sizes.sum())
    target = bytearray(size + _LARGE_SIZE)

    rows = np.flatnonzero(sizes > _SMALL_SIZE)
    left = sizes[rows]
    for row in rows[left > _LONG_SIZE].tolist():
        first, position, length = int(starts[row]), int(positions[row]), int(sizes[row])
        target[position : position + length] = buffer[first : first + length]
    rows, left = rows[left <= _LONG_SIZE], left[left <= _LONG_SIZE]
    froms, tos = starts[rows], positions[rows]
    for chunk_size in (_LARGE_SIZE, _MEDIUM_SIZE, _SMALL_SIZE):
        source, place = _chunks(buffer, chunk_size), _chunks(target, chunk_size)
        least = 1 if chunk_size == _SMALL_SIZE else chunk_size
        more = np.flatnonzero(left >= least)
        while len(more):
            place[tos[more]] = source[froms[more]]
            froms[more] += chunk_size
            tos[more] += chunk_size
            left[more] -= chunk_size
            more = more[left[more] >= least]
    # The last chunk of a piece has overwritten the first bytes of those after it, each of which comes later here.
    _chunks(target, _SMALL_SIZE)[positions] = _chunks(buffer, _SMALL_SIZE)[starts]
    return bytes(memoryview(target)[:size])


def _chunks(data: bytes | bytearray, size: int) -> npt.NDArray[np.void]:
    """Return the chunk of *size* bytes at each offset of *data* that has a whole one."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))

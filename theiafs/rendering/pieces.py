"""Pieces of lines in columns, and how lines are made of them: many at once, at the speed of copying memory."""

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Pieces", "choice", "constant", "join_lines", "sum_sizes"]

Integers = npt.NDArray[np.int64]

_CHUNK_SIZES = (256, 64)
_LAST_CHUNK_SIZE = 16
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


def sum_sizes(columns: Sequence[Pieces]) -> Integers:
    """Return the sum of the sizes of each line's pieces in *columns*, in bytes."""
    return functools.reduce(np.add, (column.sizes for column in columns))


def join_lines(openings: npt.NDArray[np.void], columns: Sequence[Pieces]) -> bytes:
    """Join lines, one after the other.

    Args:
        openings: the first piece of each; all have one size, at least ``_LAST_CHUNK_SIZE``.
        columns: the other pieces, from left to right.
    """
    if not len(openings):
        return b""
    width = openings.itemsize
    assert width >= _LAST_CHUNK_SIZE, "an opening that leaves bytes of the line before it"
    sizes = sum_sizes(columns) + width
    starts = np.cumsum(sizes) - sizes
    size = int(starts[-1] + sizes[-1])
    target = bytearray(size + _LAST_CHUNK_SIZE)
    position = starts + width
    for column in columns:
        _copy(target, position, column)
        position = position + column.sizes
    _chunks(target, width)[starts] = openings
    return bytes(memoryview(target)[:size])


def _copy(target: bytearray, positions: Integers, pieces: Pieces) -> None:
    """Copy *pieces* to *positions* of *target*; less than a chunk of bytes after each becomes anything."""
    buffer, starts, left = pieces
    is_long = left > _LONG_SIZE
    if is_long.any():
        for row in np.flatnonzero(is_long).tolist():
            start, position, size = int(starts[row]), int(positions[row]), int(left[row])
            target[position : position + size] = buffer[start : start + size]
        starts, positions, left = starts[~is_long], positions[~is_long], left[~is_long]
    for size in _CHUNK_SIZES:
        done = left // size * size
        rows = np.flatnonzero(done)
        if len(rows):
            source, place = _chunks(buffer, size), _chunks(target, size)
            for offset in range(0, int(done.max()), size):
                rows = rows[done[rows] > offset]
                place[positions[rows] + offset] = source[starts[rows] + offset]
            starts, positions, left = starts + done, positions + done, left - done
    # Pieces whose ends nothing follows in the buffer have a whole chunk there as well.
    source = _chunks(buffer + bytes(_LAST_CHUNK_SIZE), _LAST_CHUNK_SIZE)
    place = _chunks(target, _LAST_CHUNK_SIZE)
    while len(left):
        place[positions] = source[starts]
        is_longer = left > _LAST_CHUNK_SIZE
        starts = starts[is_longer] + _LAST_CHUNK_SIZE
        positions = positions[is_longer] + _LAST_CHUNK_SIZE
        left = left[is_longer] - _LAST_CHUNK_SIZE


def _chunks(data: bytes | bytearray, size: int) -> npt.NDArray[np.void]:
    """Return the chunk of *size* bytes at each offset of *data* that has a whole one."""
    return np.ndarray((len(data) - size + 1,), f"V{size}", data, strides=(1,))

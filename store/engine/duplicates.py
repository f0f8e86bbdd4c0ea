"""Finding ids that occur more than once, in bounded memory."""

import math
import tempfile
from array import array
from collections.abc import Iterator
from typing import IO

import numpy as np
from numpy.typing import NDArray

from store.disk.os_errors import reading, writing

__all__ = ["DuplicateFinder"]

_SET_ENTRY_SIZE = 160
"""Maximum size of a hash in a set, in bytes: its integer, and its slot while the table grows."""

_SEEN_MAX = 100_000
"""Maximum number of hashes in a set, even if more fit: in larger sets most look-ups miss the CPU's cache. For 2 million ids, a
set of 400,000 costs 1.5 times as much as sorting those after the first 100,000 in a file."""

_ROW = 3
"""Numbers of a row: the hash of an id, the number of its file, its offset there."""

_ROW_SIZE = _ROW * 8
_COPIES = 6
"""The memory needed to sort rows, as a multiple of their size."""

_ROWS_MIN = 4096
"""Minimum number of rows in memory: the number of reads of the file grows with the square of what does not fit."""

_NOWHERE = -1
"""The file number of an id whose place is not known."""


class DuplicateFinder:
    """A finder of ids that occur more than once.

    It compares hashes of 64 bits. A few are kept in a set. More go to an anonymous temporary file, with the
    places of their events, partitioned by hash into buckets that fit in memory.

    Args:
        memory_size: how much memory to use, in bytes.
        count_max: the largest number of ids there can be.
    """

    def __init__(self, memory_size: int, count_max: int) -> None:
        self._seen: set[int] = set()
        self._seen_max = min(memory_size // _SET_ENTRY_SIZE, _SEEN_MAX)
        self._rows_max = max(memory_size // (_ROW_SIZE * _COPIES), _ROWS_MIN)
        self._bucket_count = math.ceil(count_max / self._rows_max) + 1
        self._file: IO[bytes] | None = None
        self._rows = array("q")
        self._chunks: list[
            NDArray[np.int64]
        ] = []  # for each, where its buckets start, in rows of the file

    @property
    def held(self) -> int:
        """Number of ids in memory."""
        return len(self._seen) + len(self._rows) // _ROW

    def add(self, file: int, offsets: NDArray[np.int64], hashes: NDArray[np.int64]) -> list[int]:
        """Add the *hashes* of the ids of the events at *offsets* of the file with the number *file*.

        Returns:
            The positions of those known to have occurred before; :meth:`remaining` finds the others.

        Raises:
            EventWriteException: if the temporary file cannot be written.
        """
        if self._file is None:
            if len(self._seen) + len(hashes) <= self._seen_max:
                return self._repeated(hashes.tolist())
            self._spill()
        for first in range(0, len(hashes), self._rows_max):
            part = slice(first, first + self._rows_max)
            self._append(hashes[part], file, offsets[part])
        return []

    def remaining(self) -> Iterator[tuple[int, int]]:
        """Yield the file and the offset of each event with an id that occurred before and that :meth:`add` did not return.

        Raises:
            EventStoreException: if the temporary file cannot be written or read.
        """
        if self._file is None:
            return
        self._write()
        with self._file:
            for bucket in range(self._bucket_count):
                # By hash, and those of one hash in order of arrival.
                rows = self._read(bucket)
                rows = rows[rows[:, 0].argsort(kind="stable")]
                repeated = rows[1:][rows[1:, 0] == rows[:-1, 0], 1:]
                yield from sorted(map(tuple, repeated.tolist()))

    def _repeated(self, hashes: list[int]) -> list[int]:
        fresh = set(hashes)
        if len(fresh) == len(hashes) and self._seen.isdisjoint(fresh):
            self._seen |= fresh
            return []
        repeated = []
        for position, hashed in enumerate(hashes):
            if hashed in self._seen:
                repeated.append(position)
            self._seen.add(hashed)
        return repeated

    def _spill(self) -> None:
        """Move the set to the file."""
        with writing("make a temporary file in", tempfile.gettempdir()):
            self._file = tempfile.TemporaryFile()  # noqa: SIM115 - remaining() closes it
        while self._seen:
            count = min(self._rows_max, len(self._seen))
            hashes = np.fromiter((self._seen.pop() for _ in range(count)), np.int64, count)
            self._append(hashes, _NOWHERE, np.zeros(count, np.int64))

    def _append(self, hashes: NDArray[np.int64], file: int, offsets: NDArray[np.int64]) -> None:
        rows = np.empty((len(hashes), _ROW), np.int64)
        rows[:, 0], rows[:, 1], rows[:, 2] = hashes, file, offsets
        self._rows.frombytes(rows.tobytes())
        if len(self._rows) >= self._rows_max * _ROW:
            self._write()

    def _write(self) -> None:
        """Write the rows in memory to the file, sorted by bucket."""
        assert self._file is not None, "nothing is written before the first spill"
        rows = np.frombuffer(self._rows, np.int64).reshape(-1, _ROW)
        buckets = rows[:, 0] % self._bucket_count
        counts = np.bincount(buckets, minlength=self._bucket_count)
        first = self._chunks[-1][-1] if self._chunks else 0
        self._chunks.append(np.concatenate(([first], first + counts.cumsum())))
        with writing("write", "a temporary file"):
            self._file.write(rows[buckets.argsort(kind="stable")].tobytes())
        self._rows = array("q")

    def _read(self, bucket: int) -> NDArray[np.int64]:
        """Read the rows of *bucket*, in order of arrival."""
        assert self._file is not None, "nothing is read before the first spill"
        parts = []
        with reading("read", "a temporary file"):
            for starts in self._chunks:
                self._file.seek(int(starts[bucket]) * _ROW_SIZE)
                size = int(starts[bucket + 1] - starts[bucket]) * _ROW_SIZE
                parts.append(self._file.read(size))
        return np.frombuffer(b"".join(parts), np.int64).reshape(-1, _ROW)

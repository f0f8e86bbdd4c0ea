"""What is in one minute: where its events lie, when they happened, what kind they are of."""

import math
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import Numbers, Reals
from store.kinds import DAMAGED, NOTHING, Total
from store.query import Query

__all__ = ["Entry", "MinuteIndex", "Rows"]

_HEADER = struct.Struct("<IQ")
"""Of a packed index: a checksum of what follows, and the number of entries."""

_TOTALS_MAX = 4


class Entry(NamedTuple):
    """Where an event lies in its minute file, in bytes, and when it happened, in seconds."""

    start: int
    end: int
    timestamp: float


class Rows(NamedTuple):
    """Entries in columns: the numbers of their kinds, their sizes in bytes, their times in seconds."""

    kinds: NDArray[np.integer]
    sizes: NDArray[np.integer]
    times: NDArray[np.float64]

    @classmethod
    def of_damage(cls, size: int) -> "Rows":
        """One entry that is damage of so many bytes."""
        return cls(np.array([DAMAGED]), np.array([size]), np.array([math.nan]))


class MinuteIndex:
    """The entries of one minute file, in the order they lie in it, which is the order they arrived in.

    Damaged bytes are entries too, without a time (NaN), so that there are no gaps.

    Attributes:
        oldest: the time of the oldest event, in seconds; infinite when there is none.
        newest: the time of the newest event; minus infinite when there is none.
    """

    def __init__(self) -> None:
        self._ends = Numbers()
        self._times = Reals()
        self._kinds = Numbers()
        self._totals: dict[Query, tuple[int, Total]] = {}  # and of how many entries
        self.oldest = math.inf
        self.newest = -math.inf

    @classmethod
    def of(cls, rows: Iterable[Rows]) -> "MinuteIndex":
        """Make an index of entries that come in portions."""
        index = cls()
        for each in rows:
            index.extend(each)
        return index

    def __eq__(self, other: object) -> bool:
        return isinstance(other, MinuteIndex) and all(
            np.array_equal(ours, theirs, equal_nan=True)
            for ours, theirs in zip(self.rows(0, len(self)), other.rows(0, len(other)), strict=True)
        )

    __hash__ = None  # type: ignore[assignment]

    def __len__(self) -> int:
        return len(self._kinds)

    @property
    def size(self) -> int:
        """How many bytes the entries have."""
        return self.offset(len(self))

    @property
    def ends_damaged(self) -> bool:
        """Whether the last bytes are damaged."""
        return len(self._kinds) > 0 and self._kinds[-1] == DAMAGED

    def offset(self, position: int) -> int:
        """Where the entry at a position starts, in bytes; behind the last one, where that ends."""
        return self._ends[position - 1] if position else 0

    def entry(self, position: int) -> Entry:
        """The entry at a position."""
        return Entry(self.offset(position), self._ends[position], self._times[position])

    def is_damage(self, position: int) -> bool:
        """Whether the entry at a position is damage."""
        return self._kinds[position] == DAMAGED

    def position_at(self, offset: int, length: int) -> int:
        """The position of the entry that holds a byte of the file; the length if it is none of so many."""
        return self._ends.find(offset, length)

    def rows(self, first: int, last: int) -> Rows:
        """The entries from a first to before a last."""
        ends = self._ends.slice(first, last).astype("q")
        sizes = ends.copy()
        sizes[1:] -= ends[:-1]
        sizes[:1] -= self.offset(first)
        return Rows(self._kinds.slice(first, last), sizes, self._times.slice(first, last))

    def extend(self, rows: Rows) -> None:
        """Add entries at the end."""
        if not len(rows.kinds):
            return
        self._ends.extend(rows.sizes.cumsum(dtype="q") + self.size)
        self._times.extend(rows.times)
        self._kinds.extend(rows.kinds)
        self._note_times(rows.times)

    def without(self, position: int) -> "MinuteIndex":
        """The same entries without the one at a position."""
        rest = MinuteIndex()
        rest.extend(Rows(*(np.delete(column, position) for column in self.rows(0, len(self)))))
        return rest

    def select(
        self, query: Query, admitted: NDArray[np.bool_], first: int, last: int
    ) -> NDArray[np.intp]:
        """The positions, from a first to before a last, of the entries that answer a query.

        Args:
            query: the query.
            admitted: for the number of each kind, whether it may answer.
            first: the first position.
            last: the position behind the last.
        """
        flags = admitted[self._kinds.slice(first, last)]
        if not self._all_within(query):
            times = self._times.slice(first, last)
            flags &= (times >= query.start) & (times <= query.end)
        found: NDArray[np.intp] = flags.nonzero()[0] + first
        return found

    def total(self, query: Query, admitted: NDArray[np.bool_]) -> Total:
        """Sum up the entries that answer a query."""
        # A minute that grows is asked again and again; what it had before need not be looked at again.
        length, total = self._totals.get(query, (0, NOTHING))
        if length == len(self) and length:
            return total
        found = self.select(query, admitted, length, len(self))
        total = total.plus(self.total_of(found))
        self._totals.pop(query, None)
        self._totals[query] = len(self), total
        if len(self._totals) > _TOTALS_MAX:
            del self._totals[next(iter(self._totals))]
        return total

    def total_of(self, positions: NDArray[np.intp]) -> Total:
        """Sum up the entries at some positions, in order."""
        if not len(positions):
            return NOTHING
        first = int(positions[0])
        rows = self.rows(first, int(positions[-1]) + 1)
        kinds, sizes, times = (column[positions - first] for column in rows)
        newest = float(np.fmax.reduce(times, initial=0.0))
        return Total(int(sizes.sum()), int(np.count_nonzero(kinds != DAMAGED)), newest)

    def pieces(
        self, query: Query, admitted: NDArray[np.bool_], first: int, last: int
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Where the bytes of the entries that answer a query start and end, neighbours joined."""
        if query.asks_everything:
            bounds = np.array([self.offset(first), self.offset(last)])
            return (bounds[:1], bounds[1:]) if first < last else (bounds[:0], bounds[:0])
        found = self.select(query, admitted, first, last)
        if not len(found):
            return found, found
        edges = np.concatenate(([self.offset(first)], self._ends.slice(first, last).astype("q")))
        found -= first
        starts, ends = edges[found], edges[found + 1]
        # Where a piece begins because it does not go on from the one before.
        begins = np.ones(len(found) + 1, bool)
        np.not_equal(starts[1:], ends[:-1], out=begins[1:-1])
        return starts[begins[:-1]], ends[begins[1:]]

    def _all_within(self, query: Query) -> bool:
        return not query.is_bounded or (query.start <= self.oldest and self.newest <= query.end)

    def pack(self, size: int) -> bytes:
        """The entries of the first so many bytes, as bytes for :meth:`unpack`."""
        length = self.position_at(size, len(self))
        columns = b"".join(
            (self._kinds.pack(length), self._ends.pack(length), self._times.pack(length))
        )
        return _HEADER.pack(zlib.crc32(columns), length) + columns

    @classmethod
    def unpack(cls, packed: bytes, size: int, kinds: int) -> "MinuteIndex":
        """Make an index of what :meth:`pack` returned.

        Args:
            packed: that.
            size: how many bytes the entries have to have.
            kinds: how many kinds there are.

        Raises:
            ValueError: if that cannot be.
        """
        if len(packed) < _HEADER.size:
            raise ValueError("an index that is cut short")
        checksum, length = _HEADER.unpack_from(packed)
        columns = packed[_HEADER.size :]
        if zlib.crc32(columns) != checksum:
            raise ValueError("an index whose checksum is wrong")
        index = cls()
        kinds_end = Numbers.size_of(columns, 0, length)
        ends_end = kinds_end + Numbers.size_of(columns, kinds_end, length)
        index._kinds = Numbers.unpack(columns[:kinds_end])
        index._ends = Numbers.unpack(columns[kinds_end:ends_end])
        index._times = Reals.unpack(columns[ends_end:])
        if index.size != size or (length and index._kinds.slice(0, length).max() >= kinds):
            raise ValueError(f"an index of {index.size} bytes for a file of {size}")
        index._note_times(index._times.slice(0, length))
        return index

    def _note_times(self, times: NDArray[np.float64]) -> None:
        # What is damaged has no time, and fmin and fmax pass over it.
        self.oldest = float(np.fmin.reduce(times, initial=self.oldest))
        self.newest = float(np.fmax.reduce(times, initial=self.newest))

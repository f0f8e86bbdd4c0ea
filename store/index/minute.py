"""What is in one minute: where its events lie, when they happened, what kind they are of."""

import math
import struct
import zlib
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import WIDTHS, Numbers, Reals
from store.index.extents import Entries, Pieces, join
from store.index.streams import DAMAGED, NOTHING, Total
from store.query import Query

__all__ = ["Entry", "MinuteIndex", "Packed", "Rows", "unpack_entries"]

_ENTRIES_HEADER = struct.Struct("<IIQss6x")
"""Of packed entries: a checksum of what follows; the highest number of a kind; how many they are; how wide their ends
and their kinds are."""

_CHECKSUM_SIZE = 4
_TYPES = {width.encode(): np.dtype(width) for width in WIDTHS}

_TIMES_HEADER = struct.Struct("<I4x")
"""Of packed times: a checksum of what follows. Both headers leave what follows where numbers of its width belong."""

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


class Packed(NamedTuple):
    """An index as bytes: where the entries lie and of what kinds they are; and when they happened."""

    entries: bytes
    times: bytes


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
        return len(self._kinds) > 0 and self.is_damage(len(self._kinds) - 1)

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

    def append(self, kind: int, size: int, time: float) -> None:
        """Add one event at the end: the number of its kind, its size in bytes, its time in seconds."""
        self._ends.append(self.size + size)
        self._times.append(time)
        self._kinds.append(kind)
        self.oldest, self.newest = min(self.oldest, time), max(self.newest, time)

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
        ends, last = self._ends.slice(0, len(self)), int(positions[-1]) + 1
        sizes = int(ends[positions].sum(dtype="q")) - int(ends[positions - 1].sum(dtype="q"))
        if not positions[0]:
            sizes += int(ends[-1])  # before the first entry, there is none
        times = self._times.slice(0, last)[positions]
        damaged = np.count_nonzero(self._kinds.slice(0, last)[positions] == DAMAGED)
        return Total(
            sizes, len(positions) - int(damaged), float(np.fmax.reduce(times, initial=0.0))
        )

    def pieces(
        self, minute: int, query: Query, admitted: NDArray[np.bool_], first: int, last: int
    ) -> Pieces:
        """Where the entries lie, from a first to before a last, that answer a query.

        Args:
            minute: the number of this minute.
            query: the query.
            admitted: for the number of each kind, whether it may answer.
            first: the first position.
            last: the position behind the last.
        """
        if query.asks_everything:
            bounds = np.array([self.offset(first), self.offset(last)])
            starts, ends = (bounds[:1], bounds[1:]) if first < last else (bounds[:0], bounds[:0])
        else:
            found = self.select(query, admitted, first, last) - first
            edges = np.empty(last - first + 1, "q")
            edges[0], edges[1:] = self.offset(first), self._ends.slice(first, last)
            starts, ends = edges[found], edges[found + 1]
        return join(Pieces(np.full(len(starts), minute), starts, ends))

    def entries(self, length: int) -> Entries:
        """The first so many entries, as far as it takes to find out where they lie."""
        return Entries(self._kinds.slice(0, length), self._ends.slice(0, length))

    def outside(self, query: Query, length: int) -> NDArray[np.intp]:
        """The positions of those of the first so many entries that are not in the time range of a query."""
        times = self._times.slice(0, length)
        found: NDArray[np.intp] = (~((times >= query.start) & (times <= query.end))).nonzero()[0]
        return found

    def _all_within(self, query: Query) -> bool:
        return not query.is_bounded or (query.start <= self.oldest and self.newest <= query.end)

    def pack(self, size: int) -> Packed:
        """The entries of the first so many bytes, as bytes of this machine for :meth:`unpack`."""
        length = self.position_at(size, len(self))
        columns = self._ends.slice(0, length).tobytes() + self._kinds.slice(0, length).tobytes()
        times = self._times.slice(0, length).tobytes()
        kind_max = int(self._kinds.slice(0, length).max(initial=0))
        widths = (each.width.encode() for each in (self._ends, self._kinds))
        header = _ENTRIES_HEADER.pack(0, kind_max, length, *widths)[_CHECKSUM_SIZE:]
        checksum = zlib.crc32(columns, zlib.crc32(header)).to_bytes(_CHECKSUM_SIZE, "little")
        return Packed(checksum + header + columns, _TIMES_HEADER.pack(zlib.crc32(times)) + times)

    @classmethod
    def unpack(cls, packed: Packed, size: int, kinds: int) -> "MinuteIndex":
        """Make an index of what :meth:`pack` returned.

        Args:
            packed: that.
            size: how many bytes the entries have to have.
            kinds: how many kinds there are.

        Raises:
            ValueError: if that cannot be.
        """
        entries = unpack_entries(packed.entries, size, kinds)
        if len(packed.times) < _TIMES_HEADER.size:
            raise ValueError("times that are cut short")
        [checksum] = _TIMES_HEADER.unpack_from(packed.times)
        if zlib.crc32(memoryview(packed.times)[_TIMES_HEADER.size :]) != checksum:
            raise ValueError("times whose checksum is wrong")
        times = np.frombuffer(packed.times, "d", offset=_TIMES_HEADER.size)
        if len(times) != len(entries.kinds):
            raise ValueError(f"{len(times)} times of {len(entries.kinds)} entries")
        index = cls()
        index._kinds, index._ends = Numbers(entries.kinds), Numbers(entries.ends)
        index._times = Reals(times)
        index._note_times(times)
        return index

    def _note_times(self, times: NDArray[np.float64]) -> None:
        # What is damaged has no time, and fmin and fmax pass over it.
        self.oldest = float(np.fmin.reduce(times, initial=self.oldest))
        self.newest = float(np.fmax.reduce(times, initial=self.newest))


def unpack_entries(packed: bytes, size: int, kinds: int) -> Entries:
    """Read where entries lie from what :meth:`MinuteIndex.pack` returned.

    Args:
        packed: the first part of that.
        size: how many bytes the entries have to have.
        kinds: how many kinds there are.

    Raises:
        ValueError: if that cannot be.
    """
    if len(packed) < _ENTRIES_HEADER.size:
        raise ValueError("entries that are cut short")
    checksum, kind_max, length, ends_width, kinds_width = _ENTRIES_HEADER.unpack_from(packed)
    if zlib.crc32(memoryview(packed)[_CHECKSUM_SIZE:]) != checksum:
        raise ValueError("entries whose checksum is wrong")
    ends = np.frombuffer(packed, _TYPES[ends_width], length, _ENTRIES_HEADER.size)
    found = np.frombuffer(packed, _TYPES[kinds_width], length, _ENTRIES_HEADER.size + ends.nbytes)
    if (int(ends[-1]) if length else 0) != size or kind_max >= kinds:
        raise ValueError(f"not the entries of a file of {size} bytes")
    return Entries(found, ends)

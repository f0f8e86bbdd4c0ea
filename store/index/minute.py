"""The entries of one minute: the position, time and stream of each event."""

import struct
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.checksum import crc32
from store.columns import WIDTHS, Integers, NarrowColumn, narrowed
from store.errors import EventReadException
from store.index.extents import Layout
from store.ticks import TICKS_MAX

__all__ = [
    "DAMAGED",
    "DAMAGED_TICKS",
    "Entry",
    "EntryColumns",
    "MinuteEntries",
    "OutdatedError",
    "Packed",
    "unpack_layout",
]

DAMAGED = 0
"""The stream id of damaged bytes; only the query for everything is answered with them."""

DAMAGED_TICKS = -1
"""The time of damaged bytes."""

_LAYOUT_HEADER = struct.Struct("<IIQss6x")
"""The header of a packed layout: checksum of the rest, CRC-32 of the file, number of entries, widths of ends and streams."""

_CHECKSUM_SIZE = 4
_TYPES = {width.encode(): np.dtype(width) for width in WIDTHS}

_TICKS_HEADER = struct.Struct("<II")
"""The header of packed ticks: checksum of the rest, CRC-32 of the file. Both headers keep the columns aligned."""


class OutdatedError(ValueError):
    """Something was packed for another state of its file, which is normal."""


class Entry(NamedTuple):
    """The position of an event in its minute file, in bytes, and its time in ticks."""

    start: int
    end: int
    ticks: int


class EntryColumns(NamedTuple):
    """Entries in columns: their stream ids, their sizes in bytes, their ticks."""

    streams: NDArray[np.integer]
    sizes: NDArray[np.integer]
    ticks: NDArray[np.int64]

    @classmethod
    def of_damage(cls, size: int) -> "EntryColumns":
        """Make one entry of *size* damaged bytes."""
        return cls(np.array([DAMAGED]), np.array([size]), np.array([DAMAGED_TICKS]))


class Packed(NamedTuple):
    """Entries as bytes: their layout, and their ticks."""

    layout: bytes
    ticks: bytes


class _Part:
    """Consecutive entries of a file.

    Args:
        start: the start of the first, in bytes.
        ends: their ends.
        streams: their stream ids.
        ticks: their ticks.

    Attributes:
        end: the end of the last, in bytes.
    """

    def __init__(
        self,
        start: int,
        ends: NDArray[np.unsignedinteger] | None = None,
        streams: NDArray[np.unsignedinteger] | None = None,
        ticks: NDArray[np.int64] | None = None,
    ) -> None:
        self.start = start
        self.ends = NarrowColumn(ends)
        self.streams = NarrowColumn(streams)
        self.ticks = Integers(ticks)
        self.end = int(ends[-1]) if ends is not None and len(ends) else start

    def __len__(self) -> int:
        return len(self.streams)

    @property
    def memory_size(self) -> int:
        """The memory of the entries, in bytes."""
        return self.ends.size + self.streams.size + self.ticks.size

    def first(self, count: int) -> "_Part":
        """Return the first *count* entries.

        Raises:
            EventReadException: if there are fewer.
        """
        if count > len(self):
            raise EventReadException(f"{len(self)} entries where {count} were known")
        if count == len(self):
            return self
        columns = (self.ends.slice(0, count), self.streams.slice(0, count))
        return _Part(self.start, *columns, self.ticks.slice(0, count))

    def extend(self, entries: EntryColumns) -> None:
        """Append *entries*; the stream ids last, because their number counts as that of the entries."""
        if not len(entries.streams):
            return
        ends = entries.sizes.cumsum(dtype=np.int64) + self.end
        if len(self):
            self.ends.extend(ends)
            self.ticks.extend(entries.ticks)
            self.streams.extend(entries.streams)
        else:  # as they are, which is all that happens when files are scanned
            self.ends = NarrowColumn(narrowed(ends))
            self.ticks = Integers(entries.ticks.astype(np.int64))
            self.streams = NarrowColumn(narrowed(entries.streams))
        self.end = int(ends[-1])

    def append(self, stream: int, size: int, ticks: int) -> None:
        """Append one entry."""
        end = self.end + size
        self.ends.append(end)
        self.ticks.append(ticks)
        self.streams.append(stream)
        self.end = end


_NO_ENTRIES = _Part(0)


class MinuteEntries:
    """The entries of one minute file, in file order, which is arrival order.

    Damaged bytes are entries too, so that there are no gaps. The first entries, the *base*, may be loaded on demand; new
    ones are appended after them. One thread at a time appends. Readers need no lock.

    Args:
        base_count: the number of entries in the base.
        base_size: their bytes.
        load: loads the base; raises EventReadException if that is impossible.
        ends_damaged: whether the last of them is damage.
    """

    def __init__(
        self,
        base_count: int = 0,
        base_size: int = 0,
        load: "Callable[[], MinuteEntries] | None" = None,
        ends_damaged: bool = False,
    ) -> None:
        self._base_count = base_count
        self._base_ends_damaged = ends_damaged
        self._load = load
        self._base: _Part | None = None if base_count else _NO_ENTRIES
        self._tail = _Part(base_size)

    @classmethod
    def of(cls, portions: Iterable[EntryColumns]) -> "MinuteEntries":
        """Make the entries of *portions*, one after the other."""
        entries = cls()
        for each in portions:
            entries.extend(each)
        return entries

    def __len__(self) -> int:
        return self._base_count + len(self._tail)

    @property
    def size(self) -> int:
        """The bytes of all entries."""
        return self._tail.end

    @property
    def memory_size(self) -> int:
        """The memory of what is loaded, in bytes."""
        base = self._base
        return (base.memory_size if base is not None else 0) + self._tail.memory_size

    @property
    def ends_damaged(self) -> bool:
        """Whether the last bytes are damage."""
        count = len(self._tail)
        return self._tail.streams[count - 1] == DAMAGED if count else self._base_ends_damaged

    @property
    def base_count(self) -> int:
        """The number of entries in the base."""
        return self._base_count

    @property
    def is_loaded(self) -> bool:
        """Whether all entries are in memory."""
        return self._base is not None

    def load(self) -> "MinuteEntries":
        """Load the base if it is not loaded yet; return these entries.

        Raises:
            EventReadException: if it cannot be loaded.
        """
        if self._base is None:
            assert self._load is not None, "a base that is not here can be loaded"
            loaded = self._load()
            # The others' base is empty, and all they have is in their tail. A flush may have added to them.
            self._base = loaded._tail.first(self._base_count)  # noqa: SLF001 - of another of this class
        return self

    def extend(self, entries: EntryColumns) -> None:
        """Append *entries*."""
        self._tail.extend(entries)

    def append(self, stream: int, size: int, ticks: int) -> None:
        """Append one event of *size* bytes."""
        self._tail.append(stream, size, ticks)

    # Reading; each loads the base if it needs it, and raises EventReadException if that is impossible.

    def layout(self, first: int, last: int) -> Layout:
        """Return the layout of the entries from *first* to before *last*."""
        return Layout(
            self._joined(first, last, lambda part: part.streams),
            self._joined(first, last, lambda part: part.ends),
        )

    def ticks(self, first: int, last: int) -> NDArray[np.int64]:
        """Return the ticks of the entries from *first* to before *last*."""
        return self._joined(first, last, lambda part: part.ticks)

    def columns(self, first: int, last: int) -> EntryColumns:
        """Return the entries from *first* to before *last*."""
        streams, ends = self.layout(first, last)
        edges = np.concatenate(([self.offset(first)], ends)).astype(np.int64)
        return EntryColumns(streams, edges[1:] - edges[:-1], self.ticks(first, last))

    def without(self, positions: NDArray[np.integer], count: int) -> EntryColumns:
        """Return the first *count* entries but those at *positions*."""
        return EntryColumns(*(np.delete(each, positions) for each in self.columns(0, count)))

    def offset(self, position: int) -> int:
        """Return the start of the entry at *position* in bytes; after the last entry, the end."""
        if position > self._base_count:
            return self._tail.ends[position - self._base_count - 1]
        if position == self._base_count:
            return self._tail.start
        return self._loaded_base().ends[position - 1] if position else 0

    def entry(self, position: int) -> Entry:
        """Return the entry at *position*."""
        part, place = self._part(position)
        return Entry(self.offset(position), part.ends[place], part.ticks[place])

    def is_damage(self, position: int) -> bool:
        """Return whether the entry at *position* is damage."""
        part, place = self._part(position)
        return part.streams[place] == DAMAGED

    def position_at(self, offset: int) -> int:
        """Return the position of the entry that holds the byte at *offset*; beyond the end, the number of entries."""
        if offset >= self._tail.start:
            return self._base_count + self._tail.ends.find(offset)
        return self._loaded_base().ends.find(offset)

    def equals(self, other: "MinuteEntries", length: int) -> bool:
        """Return whether the first *length* entries are those of *other*."""
        return len(self) >= length <= len(other) and all(
            np.array_equal(ours, theirs)
            for ours, theirs in zip(self.columns(0, length), other.columns(0, length), strict=True)
        )

    def pack(self, length: int, file_checksum: int) -> Packed:
        """Return the first *length* entries, all in a file with *file_checksum*, as bytes for :meth:`unpack`."""
        streams, ends = self.layout(0, length)
        ticks = self.ticks(0, length).astype("<i8").tobytes()
        widths = (ends.dtype.char.encode(), streams.dtype.char.encode())
        columns = ends.tobytes() + streams.tobytes()
        return Packed(
            _sealed(_LAYOUT_HEADER.pack(0, file_checksum, length, *widths) + columns),
            _sealed(_TICKS_HEADER.pack(0, file_checksum) + ticks),
        )

    @classmethod
    def unpack(
        cls, packed: Packed, size: int, file_checksum: int, stream_count: int
    ) -> "MinuteEntries":
        """Make the entries that :meth:`pack` returned.

        Args:
            packed: that.
            size: the bytes that the entries must have.
            file_checksum: the CRC-32 of those bytes.
            stream_count: the number of streams.

        Raises:
            ValueError: if they are not such entries: every offset and every id is checked, because a checksum
                may be right by chance or by malice.
            struct.error: if they do not even have headers.
        """
        layout = unpack_layout(packed.layout, size, file_checksum, stream_count)
        _check_seal(packed.ticks, _TICKS_HEADER.unpack_from(packed.ticks), file_checksum)
        ticks = np.frombuffer(packed.ticks, "<i8", offset=_TICKS_HEADER.size)
        if len(ticks) != len(layout.streams):
            raise ValueError(f"{len(ticks)} ticks of {len(layout.streams)} entries")
        if len(ticks) and (
            ticks.min() < DAMAGED_TICKS
            or ticks.max() > TICKS_MAX
            or ((ticks == DAMAGED_TICKS) != (layout.streams == DAMAGED)).any()
        ):
            raise ValueError("ticks that cannot be")
        entries = cls()
        entries._tail = _Part(0, layout.ends, layout.streams, ticks)
        return entries

    def _loaded_base(self) -> _Part:
        self.load()
        assert self._base is not None, "it was just loaded"
        return self._base

    def _part(self, position: int) -> tuple[_Part, int]:
        """Return the part with the entry at *position*, and its index there."""
        if position >= self._base_count:
            return self._tail, position - self._base_count
        return self._loaded_base(), position

    def _joined(self, first: int, last: int, column: Callable[[_Part], object]) -> NDArray:  # type: ignore[type-arg]
        """Return the values of *column* from *first* to before *last*, a view where they are in one part."""
        count = self._base_count
        if first >= count:
            return column(self._tail).slice(first - count, last - count)  # type: ignore[attr-defined,no-any-return]
        base = column(self._loaded_base()).slice(first, min(last, count))  # type: ignore[attr-defined]
        if last <= count:
            return base  # type: ignore[no-any-return]
        return np.concatenate((base, column(self._tail).slice(0, last - count)))  # type: ignore[attr-defined]


def unpack_layout(packed: bytes, size: int, file_checksum: int, stream_count: int) -> Layout:
    """Read the layout in *packed*, the first part of what :meth:`MinuteEntries.pack` returned.

    Args:
        packed: that.
        size: the bytes that the entries must have.
        file_checksum: the CRC-32 of those bytes.
        stream_count: the number of streams.

    Raises:
        OutdatedError: if it is that of another file.
        ValueError: if it is not such a layout.
        struct.error: if it is not even a header.
    """
    header = _LAYOUT_HEADER.unpack_from(packed)
    _check_seal(packed, header, file_checksum)
    length, ends_width, streams_width = header[2:]
    ends_type, streams_type = _TYPES[ends_width], _TYPES[streams_width]
    if len(packed) != _LAYOUT_HEADER.size + length * (ends_type.itemsize + streams_type.itemsize):
        raise ValueError("a layout of another length")
    ends = np.frombuffer(packed, ends_type, length, _LAYOUT_HEADER.size)
    streams = np.frombuffer(packed, streams_type, length, _LAYOUT_HEADER.size + ends.nbytes)
    if not length:
        if size:
            raise ValueError(f"not the entries of a file of {size} bytes")
    elif (
        int(ends[-1]) != size
        or int(ends[0]) == 0
        or np.count_nonzero(ends[1:] <= ends[:-1])
        or int(np.maximum.reduce(streams)) >= stream_count
    ):
        raise ValueError(f"not the entries of a file of {size} bytes")
    return Layout(streams, ends)


def _sealed(packed: bytes) -> bytes:
    """Return *packed* with the checksum of the rest in its first bytes."""
    checksum = crc32(memoryview(packed)[_CHECKSUM_SIZE:])
    return checksum.to_bytes(_CHECKSUM_SIZE, "little") + packed[_CHECKSUM_SIZE:]


def _check_seal(packed: bytes, header: tuple[Any, ...], file_checksum: int) -> None:
    """Raise ValueError unless *header*, the first of *packed*, has the checksum of the rest, and *file_checksum*."""
    if crc32(memoryview(packed)[_CHECKSUM_SIZE:]) != header[0]:
        raise ValueError("entries whose checksum is wrong")
    if header[1] != file_checksum:
        raise OutdatedError("entries of another file")

"""The catalog: the minutes of a store, by name, id and time, with their rows."""

import struct
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import Table, Zeros
from store.disk.file import FileStat
from store.index.listing import STAMP
from store.index.row import COLUMNS, ROW, MinuteRow, in_cache
from store.index.stamp import NO_TIME, Stamp
from store.index.timeorder import TimeOrder
from store.index.times import may_overlap
from store.minutes.names import make_names, parse_name
from store.query import Query
from store.ticks import TICKS_PER_S

__all__ = ["Added", "Catalog"]

_COLUMNS = np.dtype(
    [
        *[(name, ROW[name]) for name in COLUMNS],
        *[(name, "<i8") for name in ("base_entries", "base_bytes")],
    ]
)
"""What is in memory of a minute: its row, and its *base*, whose entries count as stored before all that arrived since."""

_FILES = np.dtype([(name, ROW[name]) for name in ("id", "start", "end", *STAMP)])


def _fields(*names: str) -> tuple[struct.Struct, int]:
    """Return how the neighbouring fields *names* are packed, and where they are in a row, in bytes."""
    kinds = ["q" if _COLUMNS[name].kind == "i" else "d" for name in names]
    return struct.Struct("<" + "".join(kinds)), int(_COLUMNS.fields[names[0]][1])  # type: ignore[index]


_ROW_AT, _SPAN_AT, _STAMP_AT = _fields(*COLUMNS), _fields("start", "end"), _fields(*STAMP)
_FILE_AT = _fields("start", "end", *STAMP)
_CHECKSUM_AT = _fields("checksum")
_BYTES_AT, _ENTRIES_AT = _fields("bytes"), _fields("entries")
_CONTENTS_AT = _fields(
    "bytes", "entries", "events", "damage", "ends_damaged", "oldest", "newest", "changed"
)
_BASE_AT = _fields("base_entries", "base_bytes")


class Added(NamedTuple):
    """Entries that were added to a minute.

    Attributes:
        entries: how many they are.
        events: how many of them are events.
        size: the bytes of all of them.
        damage: the bytes of those that are damage.
        ends_damaged: whether the last one is.
        oldest: the time of the oldest event, in ticks; of no meaning if there is none.
        newest: that of the newest.
    """

    entries: int
    events: int
    size: int
    damage: int
    ends_damaged: bool
    oldest: int
    newest: int


class Catalog:
    """All minutes of a store, in a table, because there may be a million.

    A minute keeps its id until it is removed; its replacement gets another. Not safe for several threads:
    callers hold the store's state lock.
    """

    def __init__(self) -> None:
        self._table = Table(_COLUMNS)  # by id
        self._order = TimeOrder()
        # Minutes with events outside of the seconds in their names, which other programs may write.
        self._odd: set[int] = set()
        self._free: list[int] = []  # never published
        self._there = bytearray()  # by id, whether there is such a minute

    def __len__(self) -> int:
        return len(self._order)

    @property
    def size(self) -> int:
        """The memory of the catalog, in bytes, about."""
        return self._table.size + self._order.size

    def page(self, zeros: Zeros) -> None:
        """Move the rows as :meth:`store.columns.Column.page` does; the order of time, 24 bytes a minute, stays where it is."""
        self._table.page(zeros)

    @property
    def last_id(self) -> int:
        """The largest id that a minute has or had; -1 if there was none."""
        return len(self._there) - 1

    # One minute

    def add(self, start: int, end: int) -> int:
        """Add a minute without entries from *start* to *end*, in whole seconds; return its id."""
        minute = self._free.pop() if self._free else self._append_row()
        self._there[minute] = True
        self.set_row(MinuteRow(minute, start, end))
        self.set_base(minute, 0, 0)
        self._order.add(minute, start, end)
        return minute

    def undo_add(self, minute: int) -> None:
        """Remove *minute*, which was added and never published."""
        self.remove([minute])
        self._free.append(minute)

    def remove(self, minutes: Sequence[int]) -> None:
        """Remove *minutes*, all at once."""
        self._order.remove(minutes, map(self.span, minutes))
        for minute in minutes:
            self._there[minute] = False
            self.set_row(MinuteRow(minute, *self.span(minute)))

    def find(self, name: str) -> int | None:
        """Return the id of the minute with *name*; None when there is none."""
        span = parse_name(name)
        return None if span is None else self.find_span(*span)

    def find_span(self, start: int, end: int) -> int | None:
        """Return the id of the minute from *start* to *end*; None when there is none."""
        return self._order.find(start, end)

    def has(self, minute: int) -> bool:
        """Return whether there is a minute with the id *minute*."""
        return minute < len(self._there) and bool(self._there[minute])

    def gone(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of *minutes*, by id, that are not there any more."""
        return minutes[~np.frombuffer(self._there, np.bool_)[minutes]]

    def find_home(self, ticks: int) -> tuple[int, int]:
        """Return the start and the end of the minute that an event at *ticks* belongs in; see :meth:`TimeOrder.find_home`."""
        return self._order.find_home(ticks)

    def name(self, minute: int) -> str:
        """Return the name of *minute*, which may be gone."""
        start, end = self.span(minute)
        return f"{start}-{end}"

    def span(self, minute: int) -> tuple[int, int]:
        """Return the whole seconds that *minute* starts and ends at."""
        start, end = self._table.get(minute, *_SPAN_AT)
        return start, end

    def row(self, minute: int) -> MinuteRow:
        """Return everything about *minute*."""
        return MinuteRow(minute, *self._table.get(minute, *_ROW_AT))

    def rows_of(self, minutes: NDArray[np.int64]) -> dict[int, MinuteRow]:
        """Return everything about *minutes*, by id, of those that there are."""
        return {each: self.row(each) for each in minutes.tolist() if self.has(each)}

    def set_row(self, row: MinuteRow) -> None:
        """Set everything about a minute."""
        self._table.set(row.id, *_ROW_AT, *row[1:])
        self._note_times(row)

    def _note_times(self, row: MinuteRow) -> None:
        start, end = row.start * TICKS_PER_S, (row.end + 1) * TICKS_PER_S
        if row.events and not start <= row.oldest <= row.newest < end:
            self._odd.add(row.id)
        else:
            self._odd.discard(row.id)

    def stamp(self, minute: int) -> Stamp:
        """Return the stamp of the file of *minute*."""
        return Stamp(*self._table.get(minute, *_STAMP_AT))

    def file_stat(self, minute: int) -> FileStat:
        """Return the FileStat that the file of *minute* had."""
        start, end, *stamp = self._table.get(minute, *_FILE_AT)
        return FileStat(f"{start}-{end}", *stamp)

    def checksum(self, minute: int) -> int:
        """Return the CRC-32 of the file of *minute*."""
        [checksum] = self._table.get(minute, *_CHECKSUM_AT)
        return int(checksum)

    def set_stamp(self, minute: int, stamp: Stamp, checksum: int) -> None:
        """Set the stamp of the file of *minute*, and the CRC-32 of its bytes."""
        self._table.set(minute, *_CHECKSUM_AT, checksum)
        self._table.set(minute, *_STAMP_AT, *stamp)

    def grow(self, minute: int, added: Added, changed: float) -> None:
        """Add to the row of *minute* what was *added* to it when it *changed*, in seconds since the epoch."""
        size, entries, events, damage, _, first, last, _ = self._table.get(minute, *_CONTENTS_AT)
        if added.events:
            first = min(added.oldest, first) if events else added.oldest
            last = max(added.newest, last)
            start, end = self.span(minute)
            if not start * TICKS_PER_S <= added.oldest <= added.newest < (end + 1) * TICKS_PER_S:
                self._odd.add(minute)
        self._table.set(
            minute,
            *_CONTENTS_AT,
            size + added.size,
            entries + added.entries,
            events + added.events,
            damage + added.damage,
            int(added.ends_damaged),
            first,
            last,
            changed,
        )

    def entries(self, minute: int) -> int:
        """Return the number of entries of *minute*."""
        [entries] = self._table.get(minute, *_ENTRIES_AT)
        return int(entries)

    def bytes(self, minute: int) -> int:
        """Return the bytes of all entries of *minute*."""
        [size] = self._table.get(minute, *_BYTES_AT)
        return int(size)

    def set_base(self, minute: int, entries: int, size: int) -> None:
        """Set the base of *minute* to its first *entries*, of *size* bytes."""
        self._table.set(minute, *_BASE_AT, entries, size)

    def _append_row(self) -> int:
        minute = len(self._table)
        self._table.resize(minute + 1)
        self._there.append(False)
        return minute

    # Many minutes

    def ids(self) -> NDArray[np.int64]:
        """Return the ids of all minutes, in the order of time."""
        return self._order.ids()

    def position(self, minute: int) -> int:
        """Return how many minutes are before *minute* in the order of time."""
        return self._order.position(*self.span(minute))

    def following(self, position: int, count: int) -> NDArray[np.int64]:
        """Return the ids of *count* minutes, in the order of time, from *position* on."""
        return self._order.ids(position, position + count)

    def latest(self) -> int | None:
        """Return the id of the minute that starts last; None when there is none."""
        return self._order.latest()

    def names(self, minutes: NDArray[np.int64]) -> list[str]:
        """Return the names of *minutes*."""
        return make_names(self.values("start", minutes), self.values("end", minutes))

    def in_order(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return *minutes* in the order of time."""
        columns = [self.values(each, minutes) for each in ("end", "start")]
        return minutes[np.lexsort(columns)]

    def overlapping(self, query: Query) -> NDArray[np.int64]:
        """Return the ids of the minutes that may hold events in the time range of *query*, in the order of time."""
        if not query.is_bounded:
            return self.ids()
        found = self._order.around(query)
        others = self._order.long | self._odd
        if others:
            found = self.in_order(np.union1d(found, np.array(list(others), np.int64)))
        return self.within(query, found)

    def within(self, query: Query, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of *minutes* with events in the time range of *query*, as far as the catalog tells."""
        return minutes[may_overlap(*self.times(minutes), query)]

    def values(self, name: str, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return for each of *minutes* the value of the column *name* of :class:`MinuteRow`."""
        values: NDArray[np.int64] = self._table.column(name)[minutes]
        return values

    def times(self, minutes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each of *minutes* the ticks of its oldest event and of its newest."""
        return self.values("oldest", minutes), self.values("newest", minutes)

    def changes(self, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return for each of *minutes* when it last changed, in seconds since the epoch."""
        changes: NDArray[np.float64] = self._table.column("changed")[minutes]
        return changes

    def bases(self, minutes: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return for each of *minutes* the entries of its base, and their bytes."""
        return self.values("base_entries", minutes), self.values("base_bytes", minutes)

    def extend_bases(self, minutes: Iterable[int]) -> None:
        """Extend the bases of *minutes* to all of their entries."""
        for minute in minutes:
            self.set_base(minute, self.entries(minute), self.bytes(minute))

    # Loading

    def restore(self, rows: NDArray[np.void]) -> None:
        """Fill an empty catalog with *rows*, of the type ``ROW`` and one after the other in memory, which were checked.

        See :func:`store.index.row.check_rows`.
        """
        order = np.lexsort((rows["end"], rows["start"]))
        starts, ends, ids = (rows[name][order] for name in ("start", "end", "id"))
        length = int(ids.max()) + 1 if len(rows) else 0
        self._table.resize(length)
        words = rows.view(np.int64).reshape(-1, ROW.itemsize // 8)
        self._table.put(
            words[:, 0].copy(), words[:, 1:]
        )  # a copy, in one piece, is an index in half the time
        self._table.column("base_entries")[:] = self._table.column("entries")
        self._table.column("base_bytes")[:] = self._table.column("bytes")
        unused = np.ones(length, np.bool_)
        unused[ids] = False
        self._free = unused.nonzero()[0].tolist()
        self._there = bytearray((~unused).tobytes())
        self._order.fill(starts, ends, ids)
        self._odd = set()
        for some in in_cache(rows):
            is_odd = (some["events"] > 0) & (
                (some["oldest"] < some["start"] * TICKS_PER_S)
                | (some["newest"] >= (some["end"] + 1) * TICKS_PER_S)
            )
            self._odd.update(some["id"][is_odd].tolist())

    def adopt(self, other: "Catalog") -> None:
        """Take over the content of *other*, which must not be used afterwards."""
        self.__dict__.update(other.__dict__)

    def rows(self) -> NDArray[np.void]:
        """Return all minutes, for :meth:`restore`."""
        ids = self.ids()
        rows = np.empty(len(ids), ROW)
        rows["id"] = ids
        for name in COLUMNS:
            rows[name] = self.values(name, ids)
        return rows

    def is_settled(self) -> bool:
        """Return whether all entries are in files, and a later change of any of those would show."""
        ids = self.ids()
        ctimes, sizes, stored = (self.values(each, ids) for each in ("ctime_ns", "bytes", "size"))
        return bool(((ctimes != NO_TIME) & (sizes == stored)).all())

    def files(self) -> NDArray[np.void]:
        """Return the ids of all minutes, what is in their names, and the stamps of their files, as they are now."""
        ids = self.ids()
        files = np.empty(len(ids), _FILES)
        files["id"] = ids
        for name in ("start", "end", *STAMP):
            files[name] = self.values(name, ids)
        return files

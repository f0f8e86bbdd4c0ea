"""The minutes of a store: which there are, by name, by number and by time, and what is known of each."""

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import Integers, Reals
from store.disk.file import FileStat
from store.minutes.names import FileIndex, parse_name
from store.query import Query

__all__ = [
    "INTEGER_MAX",
    "ROW",
    "Differences",
    "Listing",
    "MinuteRow",
    "MinuteTable",
    "Stamp",
    "is_recent",
]

ROW = np.dtype(
    [
        *((name, "q") for name in ("number", "start", "end", "size", "mtime_ns", "entries")),
        *((name, "d") for name in ("oldest", "newest")),
    ]
)
"""The fields of :class:`MinuteRow`, for many rows at once."""

_LISTED = np.dtype([(name, "q") for name in ("start", "end", "size", "mtime_ns")])
_RECENT_NS = 10**9
INTEGER_MAX = (1 << 63) - 1
"""The end of the latest minute that the columns on disk can hold."""


class Stamp(NamedTuple):
    """What shows that a file is still the one it was: its size in bytes, its mtime in nanoseconds."""

    size: int = 0
    mtime_ns: int = 0

    @classmethod
    def of(cls, file: FileStat) -> "Stamp":
        """The stamp of a file that somebody else wrote.

        One that has changed just now may change again without a later time to show it; its stamp is that of no
        file, so that it is looked at again.
        """
        return cls(file.size, -1 if is_recent(file.mtime_ns) else file.mtime_ns)


def is_recent(mtime_ns: int) -> bool:
    """Whether something has changed so recently that it may change again without a later time to show it."""
    return 0 <= time.time_ns() - mtime_ns < _RECENT_NS


class MinuteRow(NamedTuple):
    """What the table has of a minute.

    Attributes:
        number: the number it goes by as long as the store is open.
        start: the whole second it starts at.
        end: the whole second it ends at.
        size: of its file when it was looked at, in bytes.
        mtime_ns: of its file then, in nanoseconds.
        entries: how many entries it has.
        oldest: the time of the oldest event, in seconds; infinite when there is none.
        newest: the time of the newest; minus infinite when there is none.
    """

    number: int
    start: int
    end: int
    size: int
    mtime_ns: int
    entries: int
    oldest: float
    newest: float


class Listing:
    """The minute files in a directory.

    Args:
        files: all files there.
    """

    def __init__(self, files: Iterable[FileStat]) -> None:
        self.huge: list[tuple[int, int]] = []  # spans too late for 64 bits
        self.files = np.fromiter(self._files(files), _LISTED)

    def _files(self, files: Iterable[FileStat]) -> Iterator[tuple[int, int, int, int]]:
        for file in files:
            span = parse_name(file.name)
            if span is None:
                continue
            if span[1] > INTEGER_MAX:
                self.huge.append(span)
            else:
                yield *span, file.size, file.mtime_ns


class Differences(NamedTuple):
    """How a directory differs from a table: numbers that are gone or changed, and the spans of new files."""

    gone: list[int]
    changed: list[int]
    new: list[tuple[int, int]]


class MinuteTable:
    """All minutes of a store, in columns, for there may be a million.

    A minute keeps its number until it is removed; what takes its place gets another one. Not safe for several
    threads: whoever calls holds the store's lock.

    Args:
        root_dir: the directory of the minute files.

    Attributes:
        files: the minutes by time.
    """

    def __init__(self, root_dir: str) -> None:
        self.files = FileIndex(root_dir, names=())
        self._order = Integers()  # the numbers of the files, in their order
        # By number:
        self._starts, self._ends = Integers(), Integers()
        self._sizes, self._mtimes_ns = Integers(), Integers()
        self._entries = Integers()
        self._oldest, self._newest = Reals(), Reals()
        self._free: list[int] = []  # numbers that nobody can have heard of

    def __len__(self) -> int:
        return len(self._order)

    # One minute

    def add(self, start: int, end: int) -> int:
        """Add a minute without any entries; returns its number."""
        if self._free:
            number = self._free.pop()
        else:
            number = len(self._starts)
            for integers in (self._starts, self._ends, self._sizes, self._mtimes_ns, self._entries):
                integers.append(0)
            for reals in (self._oldest, self._newest):
                reals.append(0.0)
        self._starts[number], self._ends[number] = start, end
        self.set_stamp(number, Stamp())
        self.set_entries(number, 0, np.inf, -np.inf)
        self._order.insert(self.files.add(start, end), number)
        return number

    def remove(self, number: int) -> None:
        """Forget a minute."""
        position = self.files.position(self._starts[number], self._ends[number])
        self.files.remove(position)
        del self._order[position]
        self.set_entries(number, 0, np.inf, -np.inf)

    def unmake(self, number: int) -> None:
        """Forget a minute that nobody has heard of."""
        self.remove(number)
        self._free.append(number)

    def number(self, name: str) -> int | None:
        """The number of the minute of this name; None when there is none."""
        span = parse_name(name)
        return None if span is None else self.number_at(*span)

    def has(self, number: int) -> bool:
        """Whether there is a minute of this number."""
        return number < len(self._starts) and self.number_at(*self.span(number)) == number

    def number_at(self, start: int, end: int) -> int | None:
        """The number of the minute of this span; None when there is none."""
        position = self.files.position(start, end)
        return self._order[position] if self.files.is_at(position, start, end) else None

    def name(self, number: int) -> str:
        """The name of a minute."""
        return f"{self._starts[number]}-{self._ends[number]}"

    def span(self, number: int) -> tuple[int, int]:
        """The whole seconds that a minute starts and ends at."""
        return self._starts[number], self._ends[number]

    def row(self, number: int) -> MinuteRow:
        """Everything about a minute."""
        return MinuteRow(
            number,
            *self.span(number),
            *self.stamp(number),
            self._entries[number],
            self._oldest[number],
            self._newest[number],
        )

    def entries_of(self, number: int) -> tuple[int, float]:
        """How many entries a minute has, and the time of the newest, in seconds; 0 when there is none."""
        return self._entries[number], max(self._newest[number], 0.0)

    def stamp(self, number: int) -> Stamp:
        """What the file of a minute was when it was looked at."""
        return Stamp(self._sizes[number], self._mtimes_ns[number])

    def set_stamp(self, number: int, stamp: Stamp) -> None:
        """Note what the file of a minute is now."""
        self._sizes[number], self._mtimes_ns[number] = stamp

    def set_entries(self, number: int, entries: int, oldest: float, newest: float) -> None:
        """Note how many entries a minute has now, and their times."""
        self._entries[number] = entries
        self._oldest[number], self._newest[number] = oldest, newest

    # Many minutes

    def numbers(self) -> NDArray[np.int64]:
        """The numbers of all minutes, sorted by start."""
        return self._order.take(np.arange(len(self._order))).astype("q")

    def names(self, numbers: NDArray[np.integer]) -> list[str]:
        """The names of many minutes."""
        starts, ends = self._starts.take(numbers).tolist(), self._ends.take(numbers).tolist()
        return [f"{start}-{end}" for start, end in zip(starts, ends, strict=True)]

    def in_order(self, numbers: NDArray[np.integer]) -> NDArray[np.integer]:
        """Some numbers, sorted by the start of their minutes."""
        for column in (self._ends, self._starts):
            numbers = numbers[np.argsort(column.take(numbers), kind="stable")]
        return numbers

    def within(self, query: Query, numbers: NDArray[np.integer]) -> NDArray[np.integer]:
        """Those of some numbers whose minutes may have events in the time range of a query."""
        if not query.is_bounded:
            return numbers
        oldest, newest = self.times(numbers)
        return numbers[(newest >= query.start) & (oldest <= query.end)]

    def sizes(self, numbers: NDArray[np.integer]) -> NDArray[np.int64]:
        """For each of some numbers, the size of the file of its minute when it was looked at, in bytes."""
        return self._sizes.take(numbers).astype("q")

    def times(
        self, numbers: NDArray[np.integer]
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """For each of some numbers, the time of the oldest event of its minute, and of the newest."""
        return self._oldest.take(numbers), self._newest.take(numbers)

    def too_late(self) -> list[int]:
        """The numbers of the minutes too late for 64 bits."""
        if not self._ends.are_huge:
            return []
        return [number for number in self._order if self._ends[number] > INTEGER_MAX]

    # Loading

    def restore(self, rows: NDArray[np.void]) -> None:
        """Fill an empty table.

        Args:
            rows: of the type ``ROW``.

        Raises:
            ValueError: if two of them have one name; the table is still empty then.
        """
        order = np.lexsort((rows["end"], rows["start"]))
        starts, ends = rows["start"][order], rows["end"][order]
        if ((starts[1:] == starts[:-1]) & (ends[1:] == ends[:-1])).any():
            raise ValueError("two minutes of one name")
        numbers = rows["number"]
        length = int(numbers.max()) + 1 if len(rows) else 0
        for name, column in self._columns().items():
            values = np.zeros(length, ROW[name])
            values[numbers] = rows[name]
            column.extend(values)
        unused = np.ones(length, bool)
        unused[numbers] = False
        self._free = np.flatnonzero(unused).tolist()
        self._order.extend(numbers[order])
        self.files.fill(starts, ends)

    def rows(self) -> NDArray[np.void]:
        """All minutes, for :meth:`restore`; they must fit into 64 bits."""
        numbers = self.numbers()
        rows = np.empty(len(numbers), ROW)
        rows["number"] = numbers
        for name, column in self._columns().items():
            rows[name] = column.take(numbers)
        return rows

    def _columns(self) -> dict[str, Integers | Reals]:
        return {
            "start": self._starts,
            "end": self._ends,
            "size": self._sizes,
            "mtime_ns": self._mtimes_ns,
            "entries": self._entries,
            "oldest": self._oldest,
            "newest": self._newest,
        }

    def compare(self, listing: Listing) -> Differences:
        """Find out how a directory differs from what is known of it."""
        listed = listing.files
        huge = {span for span in listing.huge if not self.files.has(*span)}
        numbers = np.setdiff1d(self.numbers(), self.too_late())
        starts = np.concatenate((self._starts.take(numbers), listed["start"]))
        ends = np.concatenate((self._ends.take(numbers), listed["end"]))
        # Sorted together, a minute and its file are neighbours.
        order = np.lexsort((ends, starts))
        twins = np.flatnonzero(
            (starts[order[1:]] == starts[order[:-1]]) & (ends[order[1:]] == ends[order[:-1]])
        )
        known, there = order[twins], order[twins + 1] - len(numbers)
        kept = numbers[known]
        is_changed = (self._sizes.take(kept) != listed["size"][there]) | (
            self._mtimes_ns.take(kept) != listed["mtime_ns"][there]
        )
        is_new = np.ones(len(listed), bool)
        is_new[there] = False
        new = listed[is_new]
        return Differences(
            [*np.setdiff1d(numbers, kept).tolist(), *self._huge_gone(listing)],
            kept[is_changed].tolist(),
            sorted([*zip(new["start"].tolist(), new["end"].tolist(), strict=True), *huge]),
        )

    def _huge_gone(self, listing: Listing) -> list[int]:
        listed = set(listing.huge)
        return [number for number in self.too_late() if self.span(number) not in listed]

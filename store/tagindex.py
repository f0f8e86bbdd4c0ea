"""What is in each minute: where its events lie, when they happened, which source and tags they have.

Derived from the minute files and rebuilt from them whenever a store is opened; never the truth.

Everything here only grows, and one writer at a time makes it grow (the store sees to that). So readers
need no lock: they read up to a length that they took first.
"""

import math
from array import array
from collections.abc import Iterable, Iterator
from itertools import compress
from typing import NamedTuple

from store.columns import Numbers, Offsets, Times
from store.frame import Damage, Frame
from store.matching import admits_tags
from store.query import Query

__all__ = ["Admission", "Arrivals", "Entry", "Kind", "Kinds", "MinuteIndex", "Run", "Total"]

DAMAGED = 0
"""The number of the kind that damaged bytes have; only the query for everything is answered with them."""


class Kind(NamedTuple):
    """What many events of a store have in common: their source and their tags."""

    source: str
    tags: tuple[str, ...]


class Kinds:
    """The kinds of events in a store, numbered in the order they were first seen.

    Attributes:
        tags: all tags there are.
    """

    def __init__(self) -> None:
        self._kinds: list[Kind] = [Kind("", ())]  # DAMAGED
        self._numbers: dict[tuple[bytes, bytes], int] = {}
        self.tags: frozenset[str] = frozenset()

    def __len__(self) -> int:
        return len(self._kinds)

    def __getitem__(self, number: int) -> Kind:
        return self._kinds[number]

    def number(self, source: bytes, tags: bytes) -> int:
        """The number of a kind, given as it stands in a header; a new one if it is new."""
        number = self._numbers.get((source, tags))
        if number is None:
            names = tags.decode("utf-8", "surrogateescape").split(",")
            kind = Kind(source.decode("utf-8", "surrogateescape"), tuple(filter(None, names)))
            number = len(self._kinds)
            self._kinds.append(kind)
            self._numbers[source, tags] = number
            if not self.tags.issuperset(kind.tags):
                self.tags |= set(kind.tags)
        return number

    def numbers(self, pairs: list[tuple[bytes, bytes]]) -> list[int]:
        """The numbers of many kinds, most of which are known."""
        known = list(map(self._numbers.get, pairs))
        return [
            self.number(*pair) if number is None else number
            for pair, number in zip(pairs, known, strict=True)
        ]

    def retire(self, number: int) -> None:
        """Forget a kind that no event has any more; should it come back, it gets another number."""
        self._numbers = {key: kept for key, kept in self._numbers.items() if kept != number}
        self.tags = frozenset(
            tag for kept in self._numbers.values() for tag in self._kinds[kept].tags
        )


class Admission:
    """Which kinds of events may answer a query.

    Args:
        query: the query.
        kinds: the kinds, of which there may be more later.
    """

    def __init__(self, query: Query, kinds: Kinds) -> None:
        self._query = query
        self._kinds = kinds
        self._admitted: list[bool] = []

    def flags(self) -> list[bool]:
        """For the number of every kind, whether it may answer."""
        for number in range(len(self._admitted), len(self._kinds)):
            self._admitted.append(
                self._query.asks_everything
                or (number != DAMAGED and admits_tags(self._query, self._kinds[number].tags))
            )
        return self._admitted


class Entry(NamedTuple):
    """Where an event lies in its minute file, in bytes, and when it happened, in seconds."""

    start: int
    end: int
    timestamp: float


class Total(NamedTuple):
    """Some events together: how many bytes, how many events, and the time of the newest, in seconds."""

    size: int
    events: int
    newest: float

    def plus(self, other: "Total") -> "Total":
        """Both together."""
        return Total(
            self.size + other.size, self.events + other.events, max(self.newest, other.newest)
        )


NOTHING = Total(0, 0, 0.0)
"""No events."""


class MinuteIndex:
    """The entries of one minute file, in the order they lie in it, which is the order they arrived in.

    Damaged bytes are entries too, so that there are no gaps.

    Args:
        start: the whole second the minute starts at.

    Attributes:
        oldest: the time of the oldest event, in seconds; infinite when there is none.
        newest: the time of the newest event; minus infinite when there is none.
    """

    def __init__(self, start: int) -> None:
        self._start = start
        self._offsets = Offsets()
        self._times = Times(start)
        self._kinds = Numbers()
        self._totals: dict[int, Total] = {}
        self.oldest = math.inf
        self.newest = -math.inf

    def __len__(self) -> int:
        return len(self._kinds)

    @property
    def size(self) -> int:
        """How many bytes the entries have."""
        return self._offsets.end

    @property
    def is_damaged(self) -> bool:
        """Whether any bytes are damaged."""
        return DAMAGED in self._totals

    @property
    def ends_damaged(self) -> bool:
        """Whether the last bytes are damaged."""
        return len(self._kinds) > 0 and self._kinds[-1] == DAMAGED

    @property
    def kinds(self) -> Iterable[int]:
        """The numbers of the kinds there are, damage aside."""
        return [kind for kind in self._totals.copy() if kind != DAMAGED]

    def kinds_within(self, query: Query) -> Iterable[int]:
        """The numbers of the kinds there are in the query's time range, damage aside."""
        if self._all_within(query):
            return self.kinds
        if self.newest < query.start or self.oldest > query.end:
            return ()
        length = len(self)
        rows = zip(self._kinds.slice(0, length), self._times.slice(0, length), strict=True)
        return {kind for kind, time in rows if query.start <= time <= query.end}

    def add(self, kind: int, size: int, timestamp: float) -> None:
        """Add an event that arrived."""
        self.oldest = min(self.oldest, timestamp)
        self.newest = max(self.newest, timestamp)
        self._append(kind, size, timestamp, Total(size, 1, timestamp))

    def extend(self, kinds: Iterable[int], sizes: Iterable[int], times: Iterable[float]) -> None:
        """Add events that arrived together, a row of each column for each."""
        for kind, size, timestamp in zip(kinds, sizes, times, strict=True):
            self.add(int(kind), int(size), float(timestamp))

    def add_damage(self, size: int) -> None:
        """Add bytes that are no event."""
        self._append(DAMAGED, size, math.nan, Total(size, 0, 0.0))

    def add_scanned(self, found: Iterable[Frame | Damage], kinds: Kinds) -> list[tuple[int, str]]:
        """Add what a scan of the file found.

        Returns:
            The damage: its offset in bytes, and what is wrong there.
        """
        damage = []
        for item in found:
            if isinstance(item, Damage):
                damage.append((self.size, item.reason))
                self.add_damage(item.size)
            else:
                header = item.header
                self.add(kinds.number(header.source, header.tags), item.size, header.timestamp)
        return damage

    def entry(self, position: int) -> Entry:
        """The entry at a position."""
        start, end = next(self._offsets.bounds(position, position + 1))
        return Entry(start, end, self._times[position])

    def position_at(self, offset: int, length: int) -> int:
        """The position of the entry that holds a byte of the file; the length if it is none of so many."""
        return self._offsets.position_at(offset, length)

    def without(self, position: int) -> "MinuteIndex":
        """The same entries without the one at a position."""
        rest = MinuteIndex(self._start)
        for other in range(len(self)):
            if other != position:
                entry = self.entry(other)
                size = entry.end - entry.start
                if self.is_damage(other):
                    rest.add_damage(size)
                else:
                    rest.add(self._kinds[other], size, entry.timestamp)
        return rest

    def is_damage(self, position: int) -> bool:
        """Whether the entry at a position is damage."""
        return self._kinds[position] == DAMAGED

    def select(
        self, query: Query, admitted: list[bool], first: int, last: int
    ) -> Iterator[tuple[int, Entry]]:
        """Yield the entries from a first to before a last that answer a query, with their positions."""
        if first >= last or self.newest < query.start or self.oldest > query.end:
            return
        flags: Iterable[bool] = map(admitted.__getitem__, self._kinds.slice(first, last))
        times = self._times.slice(first, last)
        if not self._all_within(query):
            start, end = query.start, query.end
            flags = [flag and start <= time <= end for flag, time in zip(flags, times, strict=True)]
        bounds = self._offsets.bounds(first, last)
        found = (
            (position, Entry(start, end, time))
            for position, (start, end), time in zip(range(first, last), bounds, times, strict=True)
        )
        yield from compress(found, flags)

    def total(self, query: Query, admitted: list[bool], first: int, last: int) -> Total:
        """Sum up the entries from a first to before a last that answer a query."""
        if first == 0 and self._all_within(query):
            totals = self._totals.copy()
            # Whoever is adding may be ahead of what was asked for; the slower way is exact then.
            if len(self) == last:
                return _sum(total for kind, total in totals.items() if admitted[kind])
        return _sum(
            Total(entry.end - entry.start, not self.is_damage(position), _time(entry.timestamp))
            for position, entry in self.select(query, admitted, first, last)
        )

    def runs(
        self, query: Query, admitted: list[bool], first: int, last: int
    ) -> Iterator[tuple[int, int]]:
        """Yield the bytes, start and end, of the entries that answer a query, neighbours joined."""
        if first >= last:
            return
        if query.asks_everything:
            yield self._offsets.start(first), self._offsets.start(last)
            return
        selected = self.select(query, admitted, first, last)
        opening = next(selected, None)
        if opening is None:
            return
        start, end = opening[1].start, opening[1].end
        for _position, entry in selected:
            if entry.start != end:
                yield start, end
                start = entry.start
            end = entry.end
        yield start, end

    def _all_within(self, query: Query) -> bool:
        return query.start <= self.oldest and self.newest <= query.end

    def _append(self, kind: int, size: int, timestamp: float, total: Total) -> None:
        self._offsets.append(size)
        self._times.append(timestamp)
        self._kinds.append(kind)  # the last column, for its length is the one that readers go by
        # Only then: whoever finds the length that it expects must not find more than that in the totals.
        self._totals[kind] = self._totals.get(kind, NOTHING).plus(total)


class Run(NamedTuple):
    """Entries that arrived one after the other in one minute: from a first to before a last."""

    minute: int
    first: int
    last: int


class Arrivals:
    """The order in which the events of all minutes arrived.

    A file over several minutes keeps this order, so that it only ever grows at its end, even when an
    event arrives late and belongs in an older minute. What was there when the store was opened counts
    as arrived in the order of the minutes.
    """

    def __init__(self) -> None:
        # Columns rather than runs, for a backlog that comes in out of order has one run per event.
        self._minutes = array("I")
        self._firsts = array("Q")
        self._lasts = array("Q")

    def note(self, minute: int, first: int, last: int) -> None:
        """Note that entries arrived, from a first to before a last, in the minute of this number."""
        if self._minutes and self._minutes[-1] == minute and self._lasts[-1] == first:
            self._lasts[-1] = last
            return
        self._minutes.append(minute)
        self._firsts.append(first)
        self._lasts.append(last)  # last, for its length is the one that readers go by

    def position(self) -> tuple[int, int]:
        """What :meth:`since` returns to be passed the next time."""
        return (len(self._lasts) - 1, self._lasts[-1]) if self._lasts else (0, 0)

    def since(self, seen: tuple[int, int]) -> tuple[list[Run], tuple[int, int]]:
        """Tell what has arrived since this was asked the last time.

        Args:
            seen: what was returned then; (0, 0) the first time.

        Returns:
            The runs, and what to pass the next time.
        """
        runs_seen, entries_seen = seen
        length = len(self._lasts)
        # The last run may grow while this looks at it: it is looked at once.
        lasts = self._lasts[runs_seen:length]
        runs = list(
            map(Run, self._minutes[runs_seen:length], self._firsts[runs_seen:length], lasts)
        )
        if not runs:
            return [], seen
        if entries_seen:
            runs[0] = runs[0]._replace(first=entries_seen)
            if runs[0].first == runs[0].last:
                del runs[0]
        return runs, (length - 1, lasts[-1])

    def without(self, minute: int, position: int | None = None) -> "Arrivals":
        """The same order after the entry at a position of a minute was removed, or all of the minute."""
        rest = Arrivals()
        for run in self.since((0, 0))[0]:
            _, first, last = run
            if run.minute == minute and position is None:
                continue
            if run.minute == minute and position is not None:
                first -= first > position
                last -= last > position
            if first < last:
                rest.note(run.minute, first, last)
        return rest


def _sum(totals: Iterable[Total]) -> Total:
    size, events, newest = NOTHING
    for total in totals:
        size += total.size
        events += total.events
        newest = max(newest, total.newest)
    return Total(size, events, newest)


def _time(timestamp: float) -> float:
    return 0.0 if math.isnan(timestamp) else timestamp

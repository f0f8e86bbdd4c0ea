"""The kinds of events in a store: which there are, how much there is of each, and in which minutes.

The only module that knows pyroaring.
"""

from array import array
from collections.abc import Callable, Iterable, Iterator
from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from pyroaring import BitMap

from store.format.record import label, split_label
from store.matching import admits_tags
from store.query import Query

__all__ = ["DAMAGED", "NOTHING", "KindRow", "Kinds", "Total"]

DAMAGED = 0
"""The number of the kind that damaged bytes have; only the query for everything is answered with them."""

_ADMISSIONS_MAX = 64
_EVERYTHING = Query()

_SPARSE_MIN = 8
"""When there are so many kinds for each of some events, most are not among theirs."""

_WAITING_MIN, _WAITING_MAX = 16, 1 << 16
"""From how many kinds of a minute on, and up to how many of all, they wait to be put into the bitmaps together."""


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


class KindRow(NamedTuple):
    """What is known of a kind: its source and its tags as in a header, its events, their minutes as a bitmap."""

    source: bytes
    tags: bytes
    total: Total
    minutes: bytes


class _Admission:
    """Which kinds may answer a query, and what is known of them together.

    Attributes:
        flags: for the number of each kind, whether it may.
        events: the numbers of those that are of events.
        version: of the counts from which the following was summed up; -1 for none.
        total: all events of these kinds.
        changed: when they last became more, in seconds since the epoch.
    """

    def __init__(self, flags: NDArray[np.bool_]) -> None:
        self.flags = flags
        events = flags.nonzero()[0]
        self.events = events[events != DAMAGED]
        self.version = -1
        self.total = NOTHING
        self.changed = 0.0

    def add(self, size: int, time: float, changed: float) -> None:
        """Note that one event was counted."""
        self.total = self.total.plus(Total(size, 1, time))
        self.changed = max(self.changed, changed)
        self.version += 1


class Kinds:
    """The kinds of events in a store, numbered in the order they were first seen.

    A kind is what many events have in common: their source and their tags. Not safe for several threads:
    whoever calls holds the store's lock.

    Attributes:
        tags: the tags that events have.
    """

    def __init__(self) -> None:
        self._headers: list[tuple[bytes, bytes]] = []
        self._numbers: dict[bytes, int] = {}
        self._tags: list[tuple[str, ...]] = []
        self._bitmaps: list[BitMap] = []
        # What is not in the bitmaps yet: the number of a minute, and kinds of events that are in it.
        self._waiting: list[tuple[int, NDArray[np.integer]]] = []
        self._waiting_size = 0
        # One row per kind, and some to spare: its events, their bytes, the time of the newest, and when they
        # last became more.
        self._events = np.zeros(64, "q")
        self._sizes = np.zeros(64, "q")
        self._newest = np.zeros(64)
        self._changed = np.zeros(64)
        self._admissions: dict[Query, _Admission] = {}
        self._version = 0  # of the counts
        self.tags: frozenset[str] = frozenset()
        self._add(b"", b"")  # DAMAGED

    def __len__(self) -> int:
        return len(self._headers)

    # Counting

    def number(self, label: bytes) -> int:
        """The number of a kind, given as :func:`store.frame.label` puts it together; a new one if it is new."""
        number = self._numbers.get(label)
        if number is None:
            number = self._numbers[label] = self._add(*split_label(label))
        return number

    def numbers(self, labels: list[bytes]) -> NDArray[np.int64]:
        """The numbers of many kinds, most of which are known."""
        try:
            return np.fromiter(map(self._numbers.__getitem__, labels), np.int64, len(labels))
        except KeyError:
            return np.fromiter(map(self.number, labels), np.int64, len(labels))

    def count(
        self,
        minute: int,
        kinds: NDArray[np.integer],
        sizes: NDArray[np.integer],
        times: NDArray[np.float64],
        changed: float,
    ) -> None:
        """Note that events are in a minute now.

        Args:
            minute: the number of the minute.
            kinds: for each event, the number of its kind.
            sizes: for each, how many bytes it has.
            times: for each, its time in seconds; NaN for damage.
            changed: when that happened, in seconds since the epoch.
        """
        found, events, total_sizes, newest = _sum_up(kinds, sizes, times, len(self))
        self._version += 1
        before = self._events[found]
        self._events[found] = before + events
        self._sizes[found] += total_sizes
        self._newest[found] = np.maximum(self._newest[found], newest)
        self._changed[found] = np.maximum(self._changed[found], changed)
        if not before.all():
            self.tags |= self.tags_of(found[before == 0].tolist())
        if len(found) < _WAITING_MIN:
            for kind in found.tolist():
                self._bitmaps[kind].add(minute)
        else:
            self._waiting.append((minute, found))
            self._waiting_size += len(found)
            if self._waiting_size > _WAITING_MAX:
                self._minutes()

    def count_one(self, minute: int, kind: int, size: int, time: float, changed: float) -> None:
        """Note that one event is in a minute now; the arguments are as for :meth:`count`."""
        if not self._events[kind]:
            self.tags = self.tags.union(self._tags[kind])
        self._events[kind] += 1
        self._sizes[kind] += size
        self._newest[kind] = max(self._newest[kind], time)
        self._changed[kind] = max(self._changed[kind], changed)
        self._bitmaps[kind].add(minute)
        self._version += 1
        everything = self._admissions.get(_EVERYTHING)
        if everything is not None and everything.version == self._version - 1:
            # What is asked for all the time need not be summed up all the time.
            everything.add(size, time, changed)

    def discount(
        self,
        minute: int,
        kinds: NDArray[np.integer],
        sizes: NDArray[np.integer],
        times: NDArray[np.float64],
        changed: float,
        newest_in: Callable[[int, Iterable[int]], float],
    ) -> None:
        """Note that a minute, with all its events, is gone.

        Args:
            minute: the number of the minute.
            kinds: for each event, the number of its kind.
            sizes: for each, how many bytes it has.
            times: for each, its time in seconds; NaN for damage.
            changed: when that happened, in seconds since the epoch.
            newest_in: tells the time of the newest event of a kind in some minutes.
        """
        found, events, total_sizes, newest = _sum_up(kinds, sizes, times, len(self))
        self._events[found] -= events
        self._sizes[found] -= total_sizes
        self._changed[found] = np.maximum(self._changed[found], changed)
        self._version += 1
        minutes = self._minutes()
        for kind in found.tolist():
            minutes[kind].discard(minute)
        is_newest = (newest >= self._newest[found]) & (found != DAMAGED)
        for kind in found[is_newest].tolist():
            self._newest[kind] = newest_in(kind, minutes[kind])
        if not all(minutes[kind] for kind in found.tolist()):
            self.tags = self._find_tags()

    def note_change(self, kinds: NDArray[np.integer], now: float) -> None:
        """Note that events of some kinds are not what they were, at a time in seconds since the epoch."""
        self._changed[kinds] = now
        self._version += 1

    # Keeping

    def headers(self, first: int) -> list[tuple[bytes, bytes]]:
        """The sources and the tags of all kinds from a number on."""
        return self._headers[first:]

    def rows(self) -> Iterator[KindRow]:
        """All kinds by number, for :meth:`restored`."""
        headers = zip(self._headers, self._minutes(), strict=True)
        for number, (header, minutes) in enumerate(headers):
            yield KindRow(*header, self._total_of(number), minutes.serialize())

    @classmethod
    def restored(cls, rows: Iterable[KindRow]) -> "Kinds":
        """The kinds that :meth:`rows` told of.

        Raises:
            ValueError: if the minutes are no bitmap.
        """
        kinds = cls()
        for number, row in enumerate(rows):
            if number != DAMAGED:
                kinds.number(label(row.source, row.tags))
            size, events, newest = row.total
            kinds._sizes[number], kinds._events[number] = size, events
            kinds._newest[number] = newest
            if row.minutes:
                kinds._bitmaps[number] = BitMap.deserialize(row.minutes)
        kinds.tags = kinds._find_tags()
        return kinds

    def forget_counts(self) -> None:
        """Begin to count anew."""
        for column in (self._events, self._sizes, self._newest, self._changed):
            column[:] = 0
        for minutes in self._minutes():
            minutes.clear()
        self.tags = frozenset()
        self._version += 1

    # Asking

    def admitted(self, query: Query) -> NDArray[np.bool_]:
        """For the number of each kind, whether events of it may answer a query, their time aside."""
        return self._admission(query).flags

    def total(self, query: Query) -> tuple[Total, float]:
        """All events whose kind may answer a query, and when they last became more."""
        admission = self._admission(query)
        if admission.version != self._version:
            kinds = admission.events
            admission.total = Total(
                int(self._sizes[kinds].sum()),
                int(self._events[kinds].sum()),
                float(self._newest[kinds].max(initial=0.0)),
            )
            admission.changed = float(self._changed[kinds].max(initial=0.0))
            if query.asks_everything:
                size = admission.total.size + int(self._sizes[DAMAGED])
                admission.total = admission.total._replace(size=size)
                admission.changed = max(admission.changed, float(self._changed[DAMAGED]))
            admission.version = self._version
        return admission.total, admission.changed

    def minutes(self, query: Query) -> BitMap:
        """The numbers of the minutes with events whose kind may answer a query."""
        kinds, minutes = self._admission(query).events.tolist(), self._minutes()
        return BitMap.union(*(minutes[kind] for kind in kinds)) if kinds else BitMap()

    def damaged(self) -> BitMap:
        """The numbers of the minutes with damage."""
        return self._minutes()[DAMAGED]

    def tags_within(self, query: Query, numbers: Iterable[int]) -> frozenset[str]:
        """The tags of the events whose kind may answer a query, in the minutes of some numbers."""
        wanted, minutes = BitMap(numbers), self._minutes()
        return frozenset(
            tag
            for kind in self._admission(query).events.tolist()
            if minutes[kind].intersect(wanted)
            for tag in self._tags[kind]
        )

    def tags_of(self, kinds: Iterable[int]) -> frozenset[str]:
        """The tags of some kinds."""
        return frozenset(tag for kind in kinds for tag in self._tags[kind])

    def _admission(self, query: Query) -> "_Admission":
        known = self._admissions.pop(query, None)
        if known is None or len(known.flags) < len(self):
            before = np.array([query.asks_everything]) if known is None else known.flags
            new = [admits_tags(query, tags) for tags in self._tags[len(before) :]]
            known = _Admission(np.append(before, np.array(new, bool)))
        self._admissions[query] = known
        if len(self._admissions) > _ADMISSIONS_MAX:
            # The one that was not used for longest.
            del self._admissions[next(iter(self._admissions))]
        return known

    def _add(self, source: bytes, tags: bytes) -> int:
        number = len(self._headers)
        if number == len(self._events):
            for name in ("_events", "_sizes", "_newest", "_changed"):
                column = getattr(self, name)
                setattr(self, name, np.concatenate((column, np.zeros_like(column))))
        self._headers.append((source, tags))
        names = tags.decode("utf-8", "surrogateescape").split(",")
        self._tags.append(tuple(filter(None, names)))
        self._bitmaps.append(BitMap())
        return number

    def _minutes(self) -> list[BitMap]:
        """For each kind, the numbers of the minutes with events of it."""
        if self._waiting:
            kinds = np.concatenate([found for _, found in self._waiting])
            minutes = np.repeat(
                np.array([minute for minute, _ in self._waiting], "I"),
                [len(found) for _, found in self._waiting],
            )
            self._waiting.clear()
            self._waiting_size = 0
            order = np.argsort(kinds, kind="stable")
            kinds, ordered = kinds[order], array("I", minutes[order].tobytes())
            starts = np.flatnonzero(np.diff(kinds, prepend=-1))
            edges = [*starts.tolist(), len(kinds)]
            for kind, (first, last) in zip(kinds[starts].tolist(), pairwise(edges), strict=True):
                self._bitmaps[kind].update(ordered[first:last])
        return self._bitmaps

    def _find_tags(self) -> frozenset[str]:
        return frozenset(
            tag
            for tags, minutes in zip(self._tags, self._minutes(), strict=True)
            if minutes
            for tag in tags
        )

    def _total_of(self, number: int) -> Total:
        return Total(
            int(self._sizes[number]), int(self._events[number]), float(self._newest[number])
        )


class _Sums(NamedTuple):
    """Entries summed up by kind: the kinds there are, and of each how many, their bytes, the newest time."""

    kinds: NDArray[np.integer]
    events: NDArray[np.integer]
    sizes: NDArray[np.integer]
    newest: NDArray[np.float64]


def _sum_up(
    kinds: NDArray[np.integer],
    sizes: NDArray[np.integer],
    times: NDArray[np.float64],
    kinds_count: int,
) -> _Sums:
    if kinds_count <= _SPARSE_MIN * len(kinds):
        # To sum up those that are not there, too, costs less than to find out which are there.
        all_kinds, rows = np.arange(kinds_count), kinds
    else:
        all_kinds, rows = np.unique(kinds, return_inverse=True)
    events = np.bincount(rows, minlength=len(all_kinds))
    total_sizes = np.bincount(rows, sizes, len(all_kinds)).astype("q")
    newest = np.zeros(len(all_kinds))
    np.fmax.at(newest, rows, times)
    found = np.flatnonzero(events)
    return _Sums(all_kinds[found], events[found], total_sizes[found], newest[found])

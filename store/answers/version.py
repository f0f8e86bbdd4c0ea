"""What is in a store: its minutes, the kinds of their events, and in what order they arrived."""

import threading
from collections.abc import Callable
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from store.answers.arrivals import Arrivals
from store.disk.vectored import Gathering
from store.index.catalog import MinuteTable
from store.index.extents import Entries, Pieces, find_pieces
from store.index.minute import MinuteIndex
from store.index.streams import NOTHING, Kinds, Total
from store.minutes.file import GrowingFile
from store.query import Query, Span

__all__ = ["Access", "Contents", "Minute", "Source"]

_SUMS_MAX = 64


class Source(Protocol):
    """Where bytes of a minute can be read."""

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset; fewer only at the end.

        Raises:
            EventReadException: if they cannot be read.
        """

    def gather(self, wanted: Gathering, first: int, last: int) -> None:
        """Read pieces, from a first to before a last.

        Raises:
            EventReadException: if they cannot be read.
        """


class Minute:
    """A minute of the store: its name, its bytes, and where its events lie in them.

    Attributes:
        number: what it goes by in the table of minutes.
        name: ``<start>-<end>``.
        file: its bytes.

    Args:
        lock: the store's.
        load_index: finds out what it has, when somebody asks.
        index: its entries, when they are known.
    """

    def __init__(
        self,
        number: int,
        name: str,
        file: GrowingFile,
        lock: threading.RLock,
        load_index: "Callable[[Minute], MinuteIndex]",
        index: MinuteIndex | None = None,
    ) -> None:
        self.number = number
        self.name = name
        self.file = file
        self._lock = lock
        self._load_index = load_index
        self._index = index

    @property
    def index(self) -> MinuteIndex:
        """Its entries.

        Raises:
            EventReadException: if nobody has asked before, and the file cannot be read.
        """
        if self._index is None:
            # Whoever takes in what arrives has the store's lock, and so must whoever is the first to look.
            with self._lock:
                if self._index is None:
                    self._index = self._load_index(self)
        return self._index


class Access(NamedTuple):
    """How to get at what minutes have, by their numbers.

    Attributes:
        minute: finds a minute; raises EventReadException if it is not there any more.
        entries: finds out where entries lie, of those minutes of which that is known without reading their files.
        source: opens a minute to read what is known of it; raises as ``minute`` does.
    """

    minute: Callable[[int], Minute]
    entries: Callable[[list[int]], dict[int, Entries]]
    source: Callable[[int], Source]


class Contents:
    """All that answers are made from: the minutes, the kinds of events, the order of arrival.

    Minutes only grow. When one is removed, or another takes its place, the store makes other contents. Answers
    that were given before keep what they have, and go on growing with what arrives there.

    Not safe for several threads: whoever calls holds the store's lock.

    Args:
        table: the minutes there are.
        kinds: the kinds of events.
        arrivals: the order in which events arrived since the store was opened.
        access: gets at what minutes have.

    Attributes:
        backlog: for the numbers of minutes that arrivals are in, how many entries were there before them.
        changed: for the numbers of minutes that have, when they last grew, in seconds since the epoch.
        begin: what of the arrivals was there in the contents before these, for :meth:`Arrivals.since`.
        unreadable: minutes whose files could not be read, for the store to look after.
        successor: the contents after these; nothing more arrives here once there are some.
        replaced: the minute that the contents before these had, and these do not.
        replacement: what took its place.
        restated: how many entries of the replacement are no news to those who know the minute.
    """

    def __init__(
        self,
        table: MinuteTable,
        kinds: Kinds,
        arrivals: Arrivals,
        access: Access,
    ) -> None:
        self.table = table
        self.kinds = kinds
        self.arrivals = arrivals
        self.access = access
        self.minute = access.minute
        self.backlog: dict[int, int] = {}
        self.changed: dict[int, float] = {}
        self.begin = arrivals.position()
        self.unreadable: set[Minute] = set()
        self.successor: Contents | None = None
        self.replaced: Minute | None = None
        self.replacement: Minute | None = None
        self.restated = 0
        self._sums: dict[Query, tuple[tuple[int, int], Span]] = {}

    def note_arrival(self, minute: int, first: int, last: int, now: float) -> None:
        """Note that entries arrived in a minute, from a first to before a last, at a time in seconds."""
        self.backlog.setdefault(minute, first)
        self.arrivals.note(minute, first, last)
        self.changed[minute] = now

    def note_change(self, minute: int, kinds: NDArray[np.integer], now: float) -> None:
        """Note that entries of some kinds in a minute are not what they were, at a time in seconds."""
        self.kinds.note_change(kinds, now)
        self.changed[minute] = now
        self._sums.clear()

    def backlog_of(self, minute: Minute) -> int:
        """How many entries of a minute were there before anything arrived."""
        known = self.backlog.get(minute.number)
        return len(minute.index) if known is None else known

    def backlog_pieces(self, query: Query, numbers: NDArray[np.integer]) -> Pieces:
        """Where the events lie that answer a query and were there before anything arrived, in some minutes."""
        if query.asks_everything and not any(number in self.backlog for number in numbers.tolist()):
            sizes = self.table.sizes(numbers)
            there = sizes.nonzero()[0]
            return Pieces(numbers[there], np.zeros(len(there), "q"), sizes[there])
        known = self.access.entries([each for each in numbers.tolist() if each not in self.backlog])
        entries = [known.get(each) or self._backlog_entries(each) for each in numbers.tolist()]
        excluded = []
        if query.is_bounded:
            for place in self._split_by(query, numbers).nonzero()[0].tolist():
                index = self.minute(int(numbers[place])).index
                excluded.append((place, index.outside(query, len(entries[place].kinds))))
        return find_pieces(numbers, entries, self.kinds.admitted(query), excluded)

    def _backlog_entries(self, number: int) -> Entries:
        minute = self.minute(number)
        return minute.index.entries(self.backlog_of(minute))

    def numbers(self, query: Query) -> NDArray[np.integer]:
        """The numbers of the minutes that may answer a query, sorted by start."""
        if query.asks_everything:
            return self.table.numbers()
        found = np.array(self.kinds.minutes(query).to_array(), "q")
        return self.table.in_order(self.table.within(query, found))

    def names(self, query: Query, numbers: NDArray[np.integer]) -> list[str]:
        """The names of those of some minutes that answer a query; all of them may."""
        if query.is_bounded:
            split = self._split_by(query, numbers)
            answers = [self.total(query, number).events > 0 for number in numbers[split].tolist()]
            numbers = np.delete(numbers, split.nonzero()[0][~np.array(answers, bool)])
        return self.table.names(numbers)

    def total(self, query: Query, number: int) -> Total:
        """What one minute has of an answer."""
        if query.asks_everything and number not in self.kinds.damaged():
            is_touched = number in self.backlog
            size = self.minute(number).file.size if is_touched else self.table.stamp(number).size
            return Total(size, *self.table.entries_of(number))
        return self.minute(number).index.total(query, self.kinds.admitted(query))

    def span(self, query: Query, number: int) -> Span | None:
        """What one minute has of an answer, named and dated; None when it has nothing."""
        total = self.total(query, number)
        if not total.events and not query.asks_everything:
            return None
        return Span(self.table.name(number), *total, self.changed.get(number, 0.0))

    def whole(self, query: Query) -> Span:
        """All of an answer."""
        if not query.is_bounded:
            total, changed = self.kinds.total(query)
            return Span("", *total, changed)
        seen, span = self._sums.pop(query, (None, None))
        if seen is None or span is None:
            seen, span = self.arrivals.position(), self._sum(query)
        runs, seen = self.arrivals.since(seen)
        admitted = self.kinds.admitted(query)
        for run in runs:
            index = self.minute(run.minute).index
            total = index.total_of(index.select(query, admitted, run.first, run.last))
            if total.events:
                changed = max(span.changed, self.changed[run.minute])
                span = Span("", *Total(*span[1:4]).plus(total), changed)
        self._sums[query] = seen, span
        if len(self._sums) > _SUMS_MAX:
            del self._sums[next(iter(self._sums))]
        return span

    def tags(self, query: Query) -> frozenset[str]:
        """The tags of the events that answer a query."""
        kinds = self.kinds
        numbers = self.numbers(query)
        is_split = self._split_by(query, numbers)
        found = kinds.tags_within(query, numbers[~is_split].tolist())
        for number in numbers[is_split].tolist():
            index = self.minute(number).index
            entries = index.select(query, kinds.admitted(query), 0, len(index))
            found |= kinds.tags_of(index.rows(0, len(index)).kinds[entries].tolist())
        return found

    def _sum(self, query: Query) -> Span:
        whole, changed = NOTHING, 0.0
        for number in self.numbers(query).tolist():
            total = self.total(query, number)
            if total.events:
                whole = whole.plus(total)
                changed = max(changed, self.changed.get(number, 0.0))
        return Span("", *whole, changed)

    def _split_by(self, query: Query, numbers: NDArray[np.integer]) -> NDArray[np.bool_]:
        """For each of some minutes, whether some of it may lie outside of the time range of a query."""
        oldest, newest = self.table.times(numbers)
        return (oldest < query.start) | (newest > query.end)

"""The lines of an answer: finding and reading them."""

import threading
from abc import abstractmethod
from collections import Counter, deque
from collections.abc import Callable, Hashable

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.arrivals import Run
from store.answers.line_base import LineBase
from store.answers.line_map import LineMap
from store.answers.line_reader import LineReader
from store.answers.selection import count_selected
from store.answers.version import Minute, Version
from store.answers.window import Block, Window
from store.errors import EventReadException
from store.query import Query, Span
from store.snapshot import Answer
from store.view import View

__all__ = ["MinuteLines", "SizesOf", "WholeLines"]

SizesOf = Callable[[slice], NDArray[np.int64]]
"""Returns the sizes of the lines of some minutes of a version, by their places in it, in bytes; raises EventReadException if one is gone."""


class _Lines(Answer):
    """The lines of the events that answer a query.

    Args:
        query: the query.
        view: the view.
        access: the access to minutes.
        span: the answer at its opening.
        order: tells apart the orders in which the same events can stand in the answer.
        generation: see :class:`store.snapshot.Answer`.
    """

    def __init__(
        self,
        query: Query,
        view: View,
        access: Access,
        span: Span | None,
        order: Hashable,
        generation: int,
    ) -> None:
        super().__init__(span, (span and span.size, order), generation)
        self._query = query
        self._view = view
        self._access = access
        self._reader = LineReader(query, view, access)
        # The kernel reads ahead with concurrent requests; taking turns, they look everything up and render it once.
        self._lock = threading.Lock()
        self._map: LineMap | LineBase = LineMap()
        self._window = Window(self._read, access.cache)

    @abstractmethod
    def _advance(self) -> None:
        """Append what has arrived since the last call, as far as it can be read; the caller holds the lock."""

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        with self._lock:
            self._advance()
            return self._map.size

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        with self._lock:
            self._advance()
            size = min(size, self._map.size - offset)
            if size <= 0:
                return b""
            return self._window.read(offset, size, self._map.size)

    def _read(self, offset: int, size: int) -> Block:
        """Read the lines that have some of the *size* bytes at *offset*, all of them mapped; the caller holds the lock."""
        return self._reader.read(self._map.cut(offset, size), offset, size)

    def _size_of(self, minute: Minute, first: int, last: int) -> int:
        """Return the size of the lines of *minute* from the entry at *first* to before *last*."""
        return count_selected(self._access, self._query, minute, first, last, self._view).size


class MinuteLines(_Lines):
    """The lines of the answer to a query in one minute, in arrival order.

    Args:
        query: the query.
        view: the view.
        minute: the minute.
        access: the access to minutes.
        span: the answer at its opening.
        entries: the number of entries of the minute then.
    """

    def __init__(
        self,
        query: Query,
        view: View,
        minute: Minute,
        access: Access,
        span: Span | None,
        entries: int,
    ) -> None:
        super().__init__(query, view, access, span, minute.id, minute.id)
        self._minute = minute
        self._seen = entries
        self._map.append(minute.id, 0, entries, span.size if span is not None else 0)

    def _advance(self) -> None:
        last = len(self._minute.entries)
        if self._seen < last:
            try:
                size = self._size_of(self._minute, self._seen, last)
            except EventReadException:  # it is tried again
                return
            self._map.append(self._minute.id, self._seen, last, size)
            self._seen = last


class WholeLines(_Lines):
    """The lines of the answer to a query in all minutes: of their bases in time order, then of the rest in arrival order.

    Args:
        version: the version at the opening.
        view: the view.
        access: the access to minutes.
        span: the answer at its opening.
        sizes_of: returns the sizes of the lines of some of its minutes then, by their places in the version.
        on_contradiction: is called when these do not add up to the size of the answer.
    """

    def __init__(
        self,
        version: Version,
        view: View,
        access: Access,
        span: Span,
        sizes_of: SizesOf,
        on_contradiction: Callable[[], object] = lambda: None,
    ) -> None:
        order = version.changed, version.order
        super().__init__(version.query, view, access, span, order, version.epoch)
        self._version: Version | None = version
        self._opening_size = span.size
        self._sizes_of = sizes_of
        self._on_contradiction = on_contradiction
        self._arrivals = version.arrivals
        self._position = version.position
        self._waiting: deque[Run] = deque()

    def _advance(self) -> None:
        if self._version is not None:
            self._begin(self._version)
            self._version = None
        while True:
            successor = self._arrivals.successor
            runs, self._position = self._arrivals.since(self._position)
            self._waiting.extend(runs)
            if successor is None:
                break
            self._arrivals, self._position = successor, (0, 0)
        while self._waiting:
            try:
                place = self._measured(self._waiting[0])
            except EventReadException:  # it is tried again
                return
            self._waiting.popleft()
            self._map.append(*place)

    def _begin(self, version: Version) -> None:
        """Map what was there at the opening: what had arrived in the order of arrival, after all the rest."""
        runs, _ = version.arrivals.since((0, 0), version.position)
        measured = [self._measured(run) for run in runs]
        # Sizes by minute are those of all its lines: some of them come later.
        arrived: Counter[int] = Counter()
        for run, (*_, size) in zip(runs, measured, strict=True):
            arrived[run.minute] += size
        ids = np.array(list(arrived), np.int64)

        def base_sizes_of(some: slice) -> NDArray[np.int64]:
            minutes, sizes = version.minutes[some], self._sizes_of(some).copy()
            for place in np.isin(minutes, ids).nonzero()[0].tolist():
                sizes[place] -= arrived[int(minutes[place])]
            return sizes

        base_size = self._opening_size - arrived.total()
        self._map = LineBase(version, base_size, base_sizes_of, self._on_contradiction)
        for each in measured:
            self._map.append(*each)

    def _measured(self, run: Run) -> tuple[int, int, int, int]:
        """Return where *run* is now, as its minute, its first and last entry, and the size of its lines; 0 for what is gone.

        Raises:
            EventReadException: if it cannot be read now.
        """
        minute, first, last = run
        try:
            found = self._access.minute(minute)
        except EventReadException:
            # It was removed before any of it was read; what was not flushed is elsewhere now.
            moved = self._access.moved.find(minute)
            if moved is None or last <= moved.position:
                return minute, first, last, 0
            shift = moved.position_shift
            return self._measured(
                Run(moved.minute, max(first, moved.position) + shift, last + shift)
            )
        return minute, first, last, self._size_of(found, first, last)

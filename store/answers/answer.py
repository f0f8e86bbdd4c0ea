"""The bytes of an answer: where they lie, and how to gather them."""

import contextlib
import threading
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from store.answers.extent_map import Layout
from store.answers.version import Contents, Minute, Source
from store.api import Answer
from store.disk.vectored import Gathering
from store.errors import EventReadException
from store.index.extents import Pieces
from store.query import Query, Span

__all__ = ["ByteMap"]

_CHUNK_MINUTES = 64
"""How many minutes to look at while everybody else waits."""

_OPEN_AT_ONCE = 16
"""How many files to have open, for a process may not have very many."""


class ByteMap(Answer):
    """Where the bytes of an answer lie, in the order they arrived in.

    It is made as it is read: what nobody asks for is not looked up.

    Args:
        query: the query.
        contents: what it is asked of.
        minute: the only minute to look at; None for all of them.
        lock: the store's.
        span: what there is of it by now.
    """

    def __init__(
        self,
        query: Query,
        contents: Contents,
        minute: Minute | None,
        lock: threading.RLock,
        span: Span | None,
    ) -> None:
        super().__init__(span)
        self._query = query
        self._contents = contents
        self._minute = minute
        self._lock = lock
        # The kernel reads ahead, by several requests at once. Each lets go of the interpreter again and again, and were
        # they to take turns at that, most of the time would go to switching between them.
        self._reading = threading.Lock()
        self._backlog: NDArray[np.integer] | None = None  # numbers of minutes, to be looked at
        self._backlog_seen = 0
        self._seen = (0, 0)
        # Of the only minute: how many bytes, when it is asked for everything; otherwise, how many entries.
        self._minute_seen = 0
        # Minutes that pieces come from, and that are not in the store any more.
        self._replaced: dict[int, Minute] = {}
        self._layout = Layout()

    def size(self) -> int:
        """The size of the answer in bytes, by now."""
        self.look_up()
        return self._layout.size

    def look_up(self, size: int | None = None) -> None:
        """Find out where so many bytes of the answer lie, or all that there are by now."""
        more = True
        while more and (size is None or self._layout.size < size):
            # Bit by bit, so that others have their turn in between.
            with self._lock:
                more = self._look_further()

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset of the answer; fewer only at its end, by now.

        Raises:
            EventReadException: if a minute file cannot be read.
        """
        if self._minute is not None:
            return self._read(offset, size)
        with self._reading:
            return self._read(offset, size)

    def _read(self, offset: int, size: int) -> bytes:
        self.look_up(offset + size)
        with self._lock:
            only = self._layout.only_piece(offset, size)
        if only is not None:
            return self._read_piece(*only)
        with self._lock:
            pieces = self._layout.cut(offset, size)
        return self._gather(pieces)

    def _read_piece(self, number: int, start: int, stop: int) -> bytes:
        [source] = self._open([number])
        with self._noting_unreadable(number):
            data = source.read(start, stop - start)
            if len(data) < stop - start:  # fewer bytes would move everything behind them
                name = self._contents.table.name(number)
                raise EventReadException(f"{name} ends before byte {stop}")
        return data

    def _gather(self, pieces: Pieces) -> bytes:
        minutes, starts, stops = pieces
        if not len(minutes):
            return b""
        wanted = Gathering(starts, stops)
        # Where another minute begins, there is another file to read.
        edges = [0, *((minutes[1:] != minutes[:-1]).nonzero()[0] + 1).tolist(), len(minutes)]
        for first in range(0, len(edges) - 1, _OPEN_AT_ONCE):
            some = edges[first : first + _OPEN_AT_ONCE + 1]
            numbers = minutes[some[:-1]].tolist()
            parts = zip(numbers, self._open(numbers), some, some[1:], strict=False)
            for number, source, begin, end in parts:
                with self._noting_unreadable(number):
                    source.gather(wanted, begin, end)
        return bytes(wanted.buffer)

    def _open(self, numbers: list[int]) -> list[Source]:
        """Open minutes that pieces lie in."""
        sources = []
        with self._lock:
            while self._contents.successor is not None:
                # What is not in the store any more is read from where it is kept.
                self._look_further()
            for number in numbers:
                with self._noting_unreadable(number):
                    sources.append(self._source(number))
        return sources

    @contextlib.contextmanager
    def _noting_unreadable(self, number: int) -> Iterator[None]:
        try:
            yield
        except EventReadException:
            with self._lock, contextlib.suppress(EventReadException):
                self._contents.unreadable.add(self._contents.minute(number))
            raise

    def is_concerned_by(self, minute: Minute) -> bool:
        """Whether it may have something of a minute."""
        return self._minute is None or self._minute is minute

    def _look_further(self) -> bool:
        """Look up some more; returns whether there may be more still. The caller holds the lock."""
        contents = self._contents
        if self._minute is not None:
            self._look_at_minute(self._minute)
        elif self._look_through_backlog():
            return True
        else:
            runs, self._seen = contents.arrivals.since(self._seen)
            for run in runs:
                self._take_in_run(contents.minute(run.minute), run.first, run.last)
        if contents.successor is None:
            return False
        self._move_to(contents.successor)
        return True

    def _look_through_backlog(self) -> bool:
        if self._backlog is None:
            self._backlog = self._contents.numbers(self._query)
        first = self._backlog_seen
        some = self._backlog[first : first + _CHUNK_MINUTES]
        if len(some):
            self._layout.add(self._contents.backlog_pieces(self._query, some))
        self._backlog_seen += len(some)
        return self._backlog_seen < len(self._backlog)

    def _move_to(self, successor: Contents) -> None:
        replaced, replacement = successor.replaced, successor.replacement
        if replaced is not None:
            self._replaced[replaced.number] = replaced
        if self._minute is None:
            self._seen = successor.begin
        elif self._minute is replaced and replacement is not None:
            self._minute, self._minute_seen = replacement, successor.restated
            if self._query.asks_everything:
                self._minute_seen = replacement.index.offset(successor.restated)
        self._contents = successor

    def _look_at_minute(self, minute: Minute) -> None:
        """See what is new in the only minute: it lies there in order, so there is no need to look at the others."""
        if self._query.asks_everything:
            # Nobody needs to know what is in it.
            size = minute.file.size
            self._layout.add_one(minute.number, self._minute_seen, size)
            self._minute_seen = size
        else:
            last = len(minute.index)
            self._take_in_run(minute, self._minute_seen, last)
            self._minute_seen = last

    def _take_in_run(self, minute: Minute, first: int, last: int) -> None:
        admitted = self._contents.kinds.admitted(self._query)
        self._layout.add(minute.index.pieces(minute.number, self._query, admitted, first, last))

    def _source(self, number: int) -> Source:
        replaced = self._replaced.get(number)
        return replaced.file if replaced is not None else self._contents.access.source(number)

"""The bytes of an answer: finding and reading them."""

import threading
from collections import deque
from collections.abc import Sequence

import numpy as np

from store.answers.access import Access
from store.answers.arrivals import Run
from store.answers.extent_map import ExtentMap
from store.answers.selection import select, select_all
from store.answers.version import Minute, Version
from store.answers.window import Block, Window
from store.errors import EventReadException, MinuteGone
from store.index.extents import Extents, find_extents, flagged_extents
from store.query import Query, Span
from store.snapshot import Answer

__all__ = ["MinuteAnswer", "MinuteBytes", "WholeAnswer"]

_MINUTES_AT_ONCE = 64
"""Minutes whose layouts are read by one query of the index: enough that its overhead does not show."""


class MinuteBytes(Answer):
    """All bytes of one minute, damage included.

    Args:
        minute: the minute.
        access: the access to minutes.
        span: the answer at its opening.
    """

    def __init__(self, minute: Minute, access: Access, span: Span | None) -> None:
        super().__init__(span, (minute.id, span and span.size), minute.id)
        self._minute = minute
        self._access = access

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        return self._minute.entries.size

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        end = min(offset + size, self._minute.entries.size)
        return self._access.read(self._minute.id, offset, end) if offset < end else b""


class MinuteAnswer(Answer):
    """The answer to a query in one minute, in arrival order.

    Args:
        query: the query, which has filters.
        minute: the minute.
        access: the access to minutes.
        span: the answer at its opening.
        entries: the number of entries of the minute then.
    """

    def __init__(
        self, query: Query, minute: Minute, access: Access, span: Span | None, entries: int
    ) -> None:
        super().__init__(span, (minute.id, span and span.size), minute.id)
        self._opening_size = span.size if span is not None else 0
        self._opening_entries = entries
        self._query = query
        self._minute = minute
        self._access = access
        self._lock = threading.Lock()
        self._seen = 0
        self._map = ExtentMap()

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        with self._lock:
            self._advance()
            return self._map.size

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        with self._lock:
            self._advance()
            extents = self._map.cut(offset, size)
        return _read(self._access, extents)

    def _advance(self) -> None:
        """Find the extents of what has arrived since the last call."""
        opening, last = self._opening_entries, len(self._minute.entries)
        if self._seen < opening:
            extents = self._find(0, opening)
            if int((extents.ends - extents.starts).sum()) != self._opening_size:
                raise EventReadException(
                    f"the index contradicts {self._minute.name}; theiafs reindex rebuilds it"
                )
            self._map.extend(extents)
            self._seen = opening
        if self._seen < last:
            self._map.extend(self._find(self._seen, last))
            self._seen = last

    def _find(self, first: int, last: int) -> Extents:
        """Find the extents of the matching entries from *first* to before *last*."""
        minute, entries = self._minute, self._minute.entries
        layout = entries.layout(first, last) if first else self._access.layout(minute, last)
        flags = select(self._access, self._query, minute, layout, first)
        return flagged_extents(minute.id, entries.offset(first), layout.ends, flags)


class WholeAnswer(Answer):
    """The answer to a query in all minutes: their bases in time order, then the rest in arrival order.

    The extents of the base are looked up lazily, minute by minute as it is read. The position of the arrivals after it is
    known at once: the size of the base follows from that of the answer at its opening.

    Args:
        version: the version at the opening.
        access: the access to minutes.
        span: the answer at its opening.
    """

    def __init__(self, version: Version, access: Access, span: Span) -> None:
        super().__init__(span, (span.size, span.changed, version.order), version.epoch)
        self._version = version
        self._access = access
        self._opening_size = span.size
        # The kernel reads ahead with concurrent requests; taking turns, they look everything up once.
        self._lock = threading.Lock()
        self._base = ExtentMap()
        self._base_size: int | None = None
        self._base_seen = 0  # minutes
        self._arrived = ExtentMap()
        self._arrivals = version.arrivals
        self._position = (0, 0)
        self._waiting: deque[Run] = deque()
        self._window = Window(self._read, access.cache)

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        with self._lock:
            return self._current_size()

    def _current_size(self) -> int:
        """Return the size of what is there now; the caller holds the lock."""
        self._advance()
        assert self._base_size is not None, "it was just found"
        return self._base_size + self._arrived.size

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        with self._lock:
            answer_size = self._current_size()
            size = min(size, answer_size - offset)
            return self._window.read(offset, size, answer_size) if size > 0 else b""

    def _read(self, offset: int, size: int) -> Block:
        """Read *size* bytes at *offset*; the caller holds the lock."""
        assert self._base_size is not None, "it was found"
        in_base = max(min(offset + size, self._base_size) - offset, 0)
        base = self._cut_base(offset, in_base) if in_base else Extents.none()
        return Block(offset, self._join(base, offset + in_base, size - in_base))

    def read_last(self, size: int) -> bytes:
        """See :meth:`Answer.read_last`."""
        with self._lock:
            self._advance()
            assert self._base_size is not None, "it was just found"
            start = max(self._opening_size - size, 0)
            in_base = max(self._base_size - start, 0)
            base = self._cut_base_end(in_base) if in_base else Extents.none()
            return self._join(base, start + in_base, self._opening_size - start - in_base)

    def _join(self, base: Extents, offset: int, size: int) -> bytes:
        """Read extents of the *base*, and *size* bytes at *offset*, after it."""
        found = _read(self._access, base)
        if size:  # else nothing of what has arrived is needed, which may be gone
            arrived = _read(self._access, self._arrived.cut(offset - (self._base_size or 0), size))
            # One of them is almost always empty, and then this copies nothing.
            return found + arrived
        return found

    def _cut_base(self, offset: int, size: int) -> Extents:
        end = offset + size
        while self._base.size < end and self._base_seen < len(self._version.minutes):
            self._look_up_base()
        if self._base.size < end:
            raise MinuteGone("minutes were removed before they were read; open the file again")
        if end == self._base_size and self._base.size > end:
            raise EventReadException(
                "the index contradicts the minutes; theiafs reindex rebuilds it"
            )
        return self._base.cut(offset, size)

    def _cut_base_end(self, size: int) -> Extents:
        """Find the extents of the last *size* bytes of the base, from its end back."""
        found: list[Extents] = []
        first, count, missing = len(self._version.minutes), 1, size
        while missing > 0 and first:
            some = slice(max(first - count, 0), first)
            extents, is_complete = self._find_base(some)
            if not is_complete:
                break
            found.append(extents)
            missing -= int((extents.ends - extents.starts).sum())
            first, count = some.start, min(2 * count, _MINUTES_AT_ONCE)
        if missing > 0:
            raise MinuteGone("minutes were removed before they were read; open the file again")
        end = ExtentMap()
        for each in reversed(found):
            end.extend(each)
        return end.cut(end.size - size, size)

    def _look_up_base(self) -> None:
        """Find the extents in the bases of some more minutes."""
        count = len(self._version.minutes)
        if not self._version.query.asks_everything:
            count = min(self._base_seen + _MINUTES_AT_ONCE, count)
        extents, _ = self._find_base(slice(self._base_seen, count))
        self._base.extend(extents)
        self._base_seen = count

    def _find_base(self, some: slice) -> tuple[Extents, bool]:
        """Find the extents in the bases of *some* of the minutes; return also whether none of them is gone."""
        version, query = self._version, self._version.query
        if query.asks_everything:
            # All of their bytes, damage included; those of a minute that is gone cannot be read.
            sizes = version.base_bytes[some]
            there = sizes > 0
            starts = np.zeros(there.sum(), np.int64)
            return Extents(version.minutes[some][there], starts, sizes[there]), True
        minutes, lengths = version.minutes[some], version.base_entries[some]
        layouts = self._access.layouts(minutes, lengths)
        found = [len(each.streams) for each in layouts]
        excluded = []
        inside = version.inside[some]
        if query.content_filters or not inside.all():
            selected = select_all(self._access, query, minutes, layouts, inside)
            for place, flags in enumerate(selected):
                if flags is None:  # it is gone, as one without a layout
                    excluded.append((place, np.arange(found[place])))
                    found[place] = 0
                else:
                    excluded.append((place, (~flags).nonzero()[0]))
        matching = self._access.matching(query)
        extents = find_extents(minutes, layouts, matching, excluded)
        return extents, np.array_equal(found, lengths)

    def _advance(self) -> None:
        """Find the extents of what has arrived since the last call."""
        if self._base_size is None:
            # The arrivals before the opening are part of its size.
            runs, self._position = self._arrivals.since(self._position, self._version.position)
            self._append_all(runs)
            self._base_size = max(self._opening_size - self._arrived.size, 0)
        while True:
            successor = self._arrivals.successor
            runs, self._position = self._arrivals.since(self._position)
            self._append_all(runs)
            if successor is None:
                return
            self._arrivals, self._position = successor, (0, 0)

    def _append_all(self, runs: Sequence[Run]) -> None:
        """Append the matching entries of *runs*; at the next call, if one of them cannot be read now."""
        self._waiting.extend(runs)
        while self._waiting:
            self._append(*self._waiting[0])
            self._waiting.popleft()

    def _append(self, minute: int, first: int, last: int) -> None:
        """Append the matching entries of *minute* from *first* to before *last*."""
        try:
            extents = self._access.retried(minute, lambda: self._arrived_in(minute, first, last))
        except MinuteGone:
            # It was removed before any of it was read; what was not flushed is elsewhere now.
            moved = self._access.moved.find(minute)
            if moved is not None and last > moved.position:
                shift = moved.position_shift
                self._append(moved.minute, max(first, moved.position) + shift, last + shift)
            return
        self._arrived.extend(extents)

    def _arrived_in(self, minute: int, first: int, last: int) -> Extents:
        """Find the extents of the matching entries of *minute* from *first* to before *last*."""
        query, found = self._version.query, self._access.minute(minute)
        entries = found.entries
        if query.asks_everything:
            ends = np.array([entries.offset(first), entries.offset(last)], np.int64)
            return Extents(np.array([minute]), ends[:1], ends[1:])
        layout = entries.layout(first, last)
        flags = select(self._access, query, found, layout, first)
        return flagged_extents(minute, entries.offset(first), layout.ends, flags)


def _read(access: Access, extents: Extents) -> bytes:
    """Read *extents*."""
    minutes, starts, ends = extents
    if len(minutes) == 1:
        return access.read(int(minutes[0]), int(starts[0]), int(ends[0]))
    return access.read_extents(extents) if len(minutes) else b""

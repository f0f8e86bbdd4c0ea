"""A directory of minute files, as it is read: what all stores on such a directory have in common."""

import math
import os
from collections.abc import Iterator

from store.answers.answer import ByteMap
from store.answers.fetch import find_id, read_event, sorted_events
from store.answers.version import Minute
from store.api import EventStore, Progress, show_nothing
from store.disk.disk import Disk
from store.engine.state import Holdings
from store.errors import EventNotFound, InvalidQuery
from store.filenames import HIDDEN_DIRECTORY
from store.format.event import Event
from store.index.catalog import MinuteRow
from store.matching import content_filter
from store.query import DiskUsage, Query, Span

__all__ = ["Archive"]

_NAMES_AT_ONCE = 1 << 12


class Archive(Holdings, EventStore):
    """Finds events in minute files, and tells the filesystem what it shows.

    Args:
        root_dir: the directory of the minute files.
        disk: the disk it is on.
        progress: is told how far it has come when minute files have to be looked at.
    """

    def __init__(
        self,
        root_dir: str,
        disk: Disk | None = None,
        progress: Progress = show_nothing,
    ) -> None:
        super().__init__(root_dir, disk, progress)
        self._tags_path = os.path.join(self.root_dir, HIDDEN_DIRECTORY, "tags")
        self._declared_tags: frozenset[str] = frozenset()

    # Finding

    def search(
        self,
        ts_start: float,
        ts_end: float | None = None,
        flags: list[str] | None = None,
        match: str | None = None,
        order: str = "asc",
    ) -> Iterator[Event]:
        """See :meth:`EventStore.search`."""
        if order not in ("asc", "desc"):
            raise InvalidQuery(f"order {order!r}: must be 'asc' or 'desc'")
        content_matches = content_filter(match)
        query = Query().within(ts_start, math.inf if ts_end is None else ts_end)
        for flag in flags or ():
            query = query.tagged(flag)
        with self._lock:
            found = [self._table.row(number) for number in self._contents.numbers(query).tolist()]
        events = sorted_events(query, found, self._select, newest_first=order == "desc")
        return (event for event in events if content_matches(event.content or ""))

    def _select(self, query: Query, row: MinuteRow) -> tuple[Minute, list[int]] | None:
        """What a minute had of an answer a while ago; None when it is gone."""
        with self._lock:
            number = self._table.number(f"{row.start}-{row.end}")
            if number is None:
                return None
            index = self._minute(number).index
            last = min(row.entries, len(index)) if number == row.number else len(index)
            admitted = self._contents.kinds.admitted(query)
            found = index.select(query, admitted, 0, last).tolist()
            return self._minute(number), [each for each in found if not index.is_damage(each)]

    def get(self, event_id: object) -> Event:
        """See :meth:`EventStore.get`."""
        for minute, position in self._find_id(str(event_id)):
            return read_event(minute, position)
        raise EventNotFound(f"no event has the id {str(event_id)!r}")

    def _find_id(self, event_id: str) -> Iterator[tuple[Minute, int]]:
        """Yield the positions of the events that have an id, searching the newest minute first."""
        with self._lock:
            numbers = self._table.numbers()[::-1].tolist()
        for number in numbers:
            with self._lock:
                if not self._table.has(number):
                    continue
                minute = self._minute(number)
            for position in find_id(minute, event_id):
                yield minute, position

    # What the filesystem shows

    def tags(self, query: Query | None = None) -> frozenset[str]:
        """See :meth:`EventStore.tags`."""
        with self._lock:
            if query is None or query.asks_everything:
                return self._contents.kinds.tags | self._declared_tags
            return self._contents.tags(query)

    def has_tag(self, tag: str) -> bool:
        """See :meth:`EventStore.has_tag`."""
        return tag in self._contents.kinds.tags or tag in self._declared_tags

    def minutes(self, query: Query) -> Iterator[str]:
        """See :meth:`EventStore.minutes`."""
        with self._lock:
            numbers = self._contents.numbers(query)
        for first in range(0, len(numbers), _NAMES_AT_ONCE):
            # All at once would take much memory, and let everybody else wait.
            with self._lock:
                names = self._contents.names(query, numbers[first : first + _NAMES_AT_ONCE])
            yield from names

    def spans(self, query: Query) -> list[Span]:
        """See :meth:`EventStore.spans`."""
        with self._lock:
            contents = self._contents
            spans = (contents.span(query, number) for number in contents.numbers(query).tolist())
            return [span for span in spans if span is not None]

    def span(self, query: Query, minute: str) -> Span | None:
        """See :meth:`EventStore.span`."""
        with self._lock:
            number = self._current_number(minute)
            return None if number is None else self._contents.span(query, number)

    def whole(self, query: Query) -> Span:
        """See :meth:`EventStore.whole`."""
        with self._lock:
            return self._contents.whole(query)

    def answer(self, query: Query, minute: str | None = None) -> ByteMap:
        """See :meth:`EventStore.answer`."""
        with self._lock:
            only, contents = None, self._contents
            if minute is None:
                span: Span | None = contents.whole(query)
            else:
                number = self._current_number(minute)
                # A look at it may have made other contents.
                contents = self._contents if number is not None else self._empty()
                only = self._minute(number) if number is not None else None
                span = contents.span(query, number) if number is not None else None
            byte_map = ByteMap(query, contents, only, self._lock, span)
            self._byte_maps.add(byte_map)
            return byte_map

    def latest(self) -> str | None:
        """See :meth:`EventStore.latest`."""
        with self._lock:
            files = self._table.files
            return os.path.basename(files[len(files) - 1].path) if len(files) else None

    def usage(self) -> DiskUsage:
        """See :meth:`EventStore.usage`."""
        return self._disk.usage(self.root_dir)

    def _load_declared_tags(self) -> frozenset[str]:
        if not self._disk.exists(self._tags_path):
            return frozenset()
        with self._disk.open_to_read(self._tags_path) as file:
            text = file.read(0, file.size()).decode("utf-8", "surrogateescape")
        return frozenset(filter(None, text.split("\n")))

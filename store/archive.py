"""A directory of minute files, as it is read: what all stores on such a directory have in common."""

import logging
import os
import threading
from abc import abstractmethod
from collections.abc import Iterator

from store import frame
from store.answer import ByteMap, Contents, Minute
from store.api import EventStore
from store.disk import Disk, DiskUsage
from store.errors import EventNotFound, InvalidQuery
from store.event import Event
from store.lookup import find_id, read_event, sorted_events
from store.matching import content_filter
from store.minutes import FileIndex, GrowingFile
from store.query import Query, Span
from store.tagindex import Admission, Arrivals, Kinds, MinuteIndex

__all__ = ["HIDDEN_DIRECTORY", "Archive", "journal_path", "lock_path"]

HIDDEN_DIRECTORY = ".theiafs"
"""What a store keeps beside the minute files: its lock, the declared tags, the journal, the quarantine."""

log = logging.getLogger(__name__)


class Archive(EventStore):
    """Finds events in minute files, and tells the filesystem what it shows.

    Args:
        root_dir: the directory of the minute files.
        disk: the disk it is on.
    """

    def __init__(self, root_dir: str, disk: Disk | None = None) -> None:
        self.root_dir = os.path.abspath(root_dir)
        self._disk = disk or Disk()
        # Taken by everything that changes the store. Reading needs it only to look up a minute.
        self._lock = threading.RLock()
        self._tags_path = os.path.join(self.root_dir, HIDDEN_DIRECTORY, "tags")
        self._declared_tags: frozenset[str] = frozenset()
        self._files = FileIndex(self.root_dir, self._disk, names=())
        self._minutes: dict[str, Minute] = {}
        self._contents = Contents([], Kinds(), Arrivals())

    @abstractmethod
    def _open_file(self, name: str) -> GrowingFile:
        """Make the file of a minute."""

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
        query = Query().within(ts_start, float("inf") if ts_end is None else ts_end)
        for flag in flags or ():
            query = query.tagged(flag)
        with self._lock:
            contents = self._contents
            found = [
                (minute, len(minute.index))
                for minute in self._minutes.values()
                if minute.index.newest >= query.start and minute.index.oldest <= query.end
            ]
        events = sorted_events(query, contents.kinds, found, newest_first=order == "desc")
        return (event for event in events if content_matches(event.content or ""))

    def get(self, event_id: object) -> Event:
        """See :meth:`EventStore.get`."""
        with self._lock:
            minutes = list(self._minutes.values())
        for minute, position in find_id(minutes, str(event_id)):
            return read_event(minute, position)
        raise EventNotFound(f"no event has the id {str(event_id)!r}")

    # What the filesystem shows

    def tags(self, query: Query | None = None) -> frozenset[str]:
        """See :meth:`EventStore.tags`."""
        if query is None or query.asks_everything:
            return self._contents.kinds.tags | self._declared_tags
        with self._lock:
            contents = self._contents
            indexes = [minute.index for minute in self._minutes.values()]
        found: set[int] = set()
        for index in indexes:
            found.update(index.kinds_within(query))
        admitted = Admission(query, contents.kinds).flags()
        return frozenset(
            tag for kind in found if admitted[kind] for tag in contents.kinds[kind].tags
        )

    def has_tag(self, tag: str) -> bool:
        """See :meth:`EventStore.has_tag`."""
        return tag in self._contents.kinds.tags or tag in self._declared_tags

    def spans(self, query: Query) -> list[Span]:
        """See :meth:`EventStore.spans`."""
        return self._contents.summary(query).spans()

    def span(self, query: Query, minute: str) -> Span | None:
        """See :meth:`EventStore.span`."""
        found = self._minutes.get(minute)
        return None if found is None else self._contents.summary(query).span(found)

    def whole(self, query: Query) -> Span:
        """See :meth:`EventStore.whole`."""
        return self._contents.summary(query).whole()

    def answer(self, query: Query, minute: str | None = None) -> ByteMap:
        """See :meth:`EventStore.answer`."""
        with self._lock:
            contents = self._contents
            only = None if minute is None else self._minutes.get(minute)
        if minute is not None and only is None:
            return Contents([], Kinds(), Arrivals()).byte_map(query, None)
        return contents.byte_map(query, only)

    def latest(self) -> str | None:
        """See :meth:`EventStore.latest`."""
        with self._lock:
            return os.path.basename(self._files.files[-1].path) if self._minutes else None

    def usage(self) -> DiskUsage:
        """See :meth:`EventStore.usage`."""
        return self._disk.usage(self.root_dir)

    # Loading

    def _load(self) -> None:
        """Look at everything that is in the directory."""
        self._declared_tags = self._load_declared_tags()
        self._files = FileIndex(self.root_dir, self._disk)
        for file in self._files.files:
            self._add_minute(self._make_minute(os.path.basename(file.path), file.start))
        damaged = [minute for minute in self._contents.minutes if minute.index.is_damaged]
        if damaged:
            log.warning("%d minute files are damaged; see theiafs check", len(damaged))

    def _load_declared_tags(self) -> frozenset[str]:
        if not self._disk.exists(self._tags_path):
            return frozenset()
        with self._disk.open_to_read(self._tags_path) as file:
            text = file.read(0, file.size()).decode("utf-8", "surrogateescape")
        return frozenset(filter(None, text.split("\n")))

    def _make_minute(self, name: str, start: int) -> Minute:
        """Make a minute, and find what its file has by now."""
        minute = Minute(
            len(self._contents.minutes), name, start, self._open_file(name), MinuteIndex(start)
        )
        self._scan(minute)
        return minute

    def _add_minute(self, minute: Minute) -> None:
        """Show a minute that was just made."""
        minute.number = len(self._contents.minutes)
        self._contents.minutes.append(minute)
        self._minutes[minute.name] = minute
        if len(minute.index):
            self._contents.arrivals.note(minute.number, 0, len(minute.index))

    def _scan(self, minute: Minute) -> None:
        """Take in what the file of a minute has beyond what its index knows."""
        known = minute.index.size
        found = frame.scan(minute.file.read, minute.file.size, known)
        damage = minute.index.add_scanned(found, self._contents.kinds)
        for offset, reason in damage:
            path = os.path.join(self.root_dir, minute.name)
            log.warning("damage in %s at byte %d: %s", path, offset, reason)

    def _replace(self, minute: Minute, replacement: Minute | None, arrivals: Arrivals) -> None:
        """Show another minute in the place of one, or none."""
        minutes = self._contents.minutes.copy()
        if replacement is not None:
            minutes[minute.number] = self._minutes[minute.name] = replacement
        else:
            self._files.remove_file(minute.name)
            del self._minutes[minute.name]
        before, self._contents = self._contents, Contents(minutes, self._contents.kinds, arrivals)
        self._contents.restated = len(replacement.index) if replacement is not None else 0
        before.successor = self._contents
        gone = set(minute.index.kinds)
        for other in self._minutes.values():
            gone.difference_update(other.index.kinds)
        for kind in gone:
            self._contents.kinds.retire(kind)


def lock_path(root_dir: str) -> str:
    """The path of the file that stands for the right to write a store."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "lock")


def journal_path(root_dir: str) -> str:
    """The path of the directory of the journal of a store."""
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "journal")

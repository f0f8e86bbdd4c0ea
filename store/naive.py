"""An event store on a directory of minute files."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from store import frame
from store.answer import ByteMap, Contents, Minute
from store.api import EventStore
from store.disk import Disk, DiskUsage, replace_file
from store.errors import EventNotFound, EventWriteException, InvalidEvent, InvalidQuery
from store.event import Event, EventSerializer
from store.frame import CLOSING
from store.lookup import find_id, read_event, sorted_events
from store.matching import content_filter
from store.minutes import FileIndex, MemoryFile
from store.query import Query, Span
from store.tagindex import Admission, Arrivals, Kinds, MinuteIndex
from store.timer import PeriodicTimer

__all__ = ["HIDDEN_DIRECTORY", "NaiveEventStore", "wait_until_unlocked"]

HIDDEN_DIRECTORY = ".theiafs"
"""What the store keeps beside the minute files: its lock, the declared tags."""

_COPY_SIZE = 1 << 20

log = logging.getLogger(__name__)


class _Record(NamedTuple):
    """An event ready to be stored: its bytes with the empty line, and what the index needs to know."""

    data: bytes
    header: frame.Header


class NaiveEventStore(EventStore):
    """Keeps events in minute files, as plain text.

    What is saved goes to memory first, and to disk at every flush.

    Args:
        root_dir: the directory of the minute files; made when it is not there.
        flush_interval: milliseconds between flushes; 0 or less flushes at every save.
        disk: the disk it is on.

    Raises:
        StoreLocked: if another process has the store open.
        EventStoreException: if the directory cannot be made, written or read.
    """

    def __init__(
        self, root_dir: str, flush_interval: float = 1000, disk: Disk | None = None
    ) -> None:
        self.root_dir = os.path.abspath(root_dir)
        self.flush_interval = flush_interval
        self._disk = disk or Disk()
        self._serializer = EventSerializer()
        # Taken by everything that changes the store. Reading needs it only to look up a minute.
        self._lock = threading.RLock()
        self._closed = False
        self._flush_failure: EventWriteException | None = None
        hidden = os.path.join(self.root_dir, HIDDEN_DIRECTORY)
        self._disk.make_directory(hidden)
        self._store_lock = self._disk.lock(_lock_path(self.root_dir))
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._store_lock.release)
            self._tags_path = os.path.join(hidden, "tags")
            self._declared_tags = self._load_declared_tags()
            self._files = FileIndex(self.root_dir, self._disk)
            self._minutes: dict[str, Minute] = {}
            self._contents = Contents([], Kinds(), Arrivals())
            self._dirty: set[Minute] = set()
            self._load_minutes()
            on_failure.pop_all()
        self._timer: PeriodicTimer | None = None
        if flush_interval > 0:
            self._timer = PeriodicTimer(flush_interval / 1000, self._flush_in_background)
            self._timer.start()

    # Saving

    def save(self, event: Event) -> None:
        """See :meth:`EventStore.save`."""
        self.save_all([event])

    def save_all(self, events: Iterable[Event]) -> None:
        """Save several events, in this order: all of them or, when one is invalid, none."""
        records = [self._record(event) for event in events]
        with self._lock:
            self._check_open()
            if self._flush_failure is not None:
                # Nothing more is taken on before what is here already could be written.
                self._flush()
            first = 0
            while first < len(records):
                minute, end = self._home(records[first].header.timestamp)
                last = first + 1
                while last < len(records) and minute.start <= records[last].header.timestamp < end:
                    last += 1
                self._append(minute, records[first:last])
                first = last
            if self.flush_interval <= 0:
                self._flush()

    def sync(self) -> None:
        """See :meth:`EventStore.sync`."""
        self._flush()

    def declare_tag(self, tag: str) -> None:
        """See :meth:`EventStore.declare_tag`; it is known from then on, also after a restart."""
        self._record(Event("declared", "", 0, [tag]))
        with self._lock:
            self._check_open()
            if tag in self._declared_tags:
                return
            declared = self._declared_tags | {tag}
            text = "".join(f"{name}\n" for name in sorted(declared))
            replace_file(self._disk, self._tags_path, [frame.encode_text(text, "utf-8")])
            self._declared_tags = declared

    def _record(self, event: Event) -> _Record:
        data = self._serializer.serialize(event) + CLOSING
        parsed = frame.parse(data)
        if parsed is None:
            raise InvalidEvent(f"event {event.id!r} could not be read back")
        return _Record(data, parsed.header)

    def _home(self, timestamp: float) -> tuple[Minute, int]:
        """The minute an event of this time belongs in, and where that ends."""
        file = self._files.find_home(timestamp)
        name = os.path.basename(file.path)
        if name not in self._minutes:
            self._add_minute(name, file.start)
            self._files.add_file(name)
        return self._minutes[name], file.end

    def _append(self, minute: Minute, records: list[_Record]) -> None:
        index, kinds = minute.index, self._contents.kinds
        first = len(index)
        data = b"".join(record.data for record in records)
        if index.ends_damaged and minute.file.read(index.size - 1, 1) != b"\n":
            # Half a frame at the end of the file: a new one must start on a line of its own.
            data = b"\n" + data
            index.add_damage(1)
        minute.file.write(data)
        for record in records:
            number = kinds.number(record.header.source, record.header.tags)
            index.add(number, len(record.data), record.header.timestamp)
        minute.changed = time.time()
        self._contents.arrivals.note(minute.number, first, len(index))
        self._dirty.add(minute)

    # Flushing

    def _flush(self) -> None:
        """Write out every minute that changed.

        Raises:
            EventWriteException: if one could not be written; the others were tried all the same.
        """
        with self._lock:
            dirty, self._dirty = self._dirty, set()
        failure = None
        for minute in dirty:
            try:
                minute.file.flush()
            except EventWriteException as error:
                failure = error
                with self._lock:
                    self._dirty.add(minute)
        self._flush_failure = failure
        if failure is not None:
            raise failure

    def _flush_in_background(self) -> None:
        try:
            self._flush()
        except EventWriteException as error:
            log.error("not flushed, will try again: %s", error)  # noqa: TRY400 - nobody's bug

    def close(self) -> None:
        """See :meth:`EventStore.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        try:
            self._flush()
        finally:
            self._store_lock.release()

    def _check_open(self) -> None:
        if self._closed:
            raise EventWriteException(f"the store {self.root_dir} is closed")

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

    def delete(self, event_id: object) -> None:
        """Remove every event with an id; a minute file that is left empty is removed too."""
        with self._lock:
            self._check_open()
            found = list(find_id(list(self._minutes.values()), str(event_id)))
            if not found:
                raise EventNotFound(f"no event has the id {str(event_id)!r}")
            for minute, position in reversed(found):
                self._remove(self._minutes[minute.name], position)

    def _remove(self, minute: Minute, position: int) -> None:
        """Remove the entry at a position of a minute."""
        path = os.path.join(self.root_dir, minute.name)
        minute.file.flush()
        minute.file.pin()
        minutes = self._contents.minutes.copy()
        index = minute.index.without(position)
        if len(index):
            entry = minute.index.entry(position)
            with self._disk.open_to_read(path) as old:
                rest = _chunks(old.read, entry.end, minute.file.size)
                replace_file(self._disk, path, rest, old, entry.start)
            replacement = self._minute(minute.number, minute.name, minute.start, index)
            replacement.changed = time.time()
            minutes[minute.number] = self._minutes[minute.name] = replacement
        else:
            self._disk.remove(path)
            self._disk.sync_directory(self.root_dir)
            self._files.remove_file(minute.name)
            del self._minutes[minute.name]
        self._dirty.discard(minute)
        # Whoever reads an answer that was made before goes on reading from the minute as it was.
        arrivals = self._contents.arrivals.without(minute.number, position)
        self._contents = Contents(minutes, self._contents.kinds, arrivals)
        gone = set(minute.index.kinds)
        for other in self._minutes.values():
            gone.difference_update(other.index.kinds)
        for kind in gone:
            self._contents.kinds.retire(kind)

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

    # Opening

    def _load_declared_tags(self) -> frozenset[str]:
        if not self._disk.exists(self._tags_path):
            return frozenset()
        with self._disk.open_to_read(self._tags_path) as file:
            text = file.read(0, file.size()).decode("utf-8", "surrogateescape")
        return frozenset(filter(None, text.split("\n")))

    def _load_minutes(self) -> None:
        for file in self._files.files:
            minute = self._add_minute(os.path.basename(file.path), file.start)
            self._contents.arrivals.note(minute.number, 0, len(minute.index))

    def _add_minute(self, name: str, start: int) -> Minute:
        minute = self._minute(len(self._contents.minutes), name, start, MinuteIndex())
        found = frame.scan(minute.file.read, minute.file.size)
        for offset, reason in minute.index.add_scanned(found, self._contents.kinds):
            log.warning(
                "damage in %s at byte %d: %s", os.path.join(self.root_dir, name), offset, reason
            )
        self._contents.minutes.append(minute)
        self._minutes[name] = minute
        return minute

    def _minute(self, number: int, name: str, start: int, index: MinuteIndex) -> Minute:
        return Minute(number, name, start, MemoryFile(name, self.root_dir, self._disk), index)


def wait_until_unlocked(root_dir: str) -> None:
    """Wait until no process has the store in a directory open any more.

    Raises:
        EventStoreException: if that cannot be found out.
    """
    Disk().lock(_lock_path(root_dir), wait=True).release()


def _lock_path(root_dir: str) -> str:
    return os.path.join(root_dir, HIDDEN_DIRECTORY, "lock")


def _chunks(read: Callable[[int, int], bytes], start: int, end: int) -> Iterator[bytes]:
    """Read from a start to an end, a chunk at a time."""
    for offset in range(start, end, _COPY_SIZE):
        yield read(offset, min(_COPY_SIZE, end - offset))

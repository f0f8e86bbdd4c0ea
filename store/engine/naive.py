"""An event store on a directory of minute files: the side that writes."""

import contextlib
import logging
import math
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from store.answers.version import Minute
from store.api import Progress, show_nothing
from store.disk.atomic import put_file, replace_file
from store.disk.disk import Disk
from store.engine.flusher import FlushedArchive
from store.engine.partition import Division, Portion
from store.errors import EventNotFound, EventReadException, EventStoreException, EventWriteException
from store.filenames import HIDDEN_DIRECTORY, index_path, journal_path, lock_path
from store.format import record as frame
from store.format.batch import Batch
from store.format.event import Event
from store.index.minute import Rows
from store.minutes.logged_file import JournaledFile
from store.timer import PeriodicTimer
from store.wal.log import Journal
from store.wal.recovery import recover
from store.wal.segment import Record

__all__ = ["NaiveEventStore"]

log = logging.getLogger(__name__)


class _Part(NamedTuple):
    """Events that are appended to one minute at once.

    Attributes:
        minute: the minute.
        offset: where in its file, in bytes.
        ending: what ends the half of an event that stands there; usually nothing.
        events: the events.
    """

    minute: Minute
    offset: int
    ending: bytes
    events: Portion

    @property
    def size(self) -> int:
        """How many bytes are appended."""
        return len(self.ending) + len(self.events.data)

    def record(self) -> Record:
        """What the journal has of it."""
        return Record(self.minute.name, self.offset, self.ending + self.events.data)


class NaiveEventStore(FlushedArchive):
    """Keeps events in minute files, as plain text.

    What is saved goes to the journal first, which survives the end of the process; every flush interval it
    is made to survive a loss of power, and goes to the minute files. A large minute file is flushed less
    often, because to replace it costs its size.

    Args:
        root_dir: the directory of the minute files; made when it is not there.
        flush_interval: milliseconds between flushes; 0 or less flushes at every save, infinity only at the end.
        disk: the disk it is on.
        progress: is told how far it has come when minute files have to be looked at, to open the store.

    Raises:
        StoreLocked: if another process has the store open to write.
        EventStoreException: if the directory cannot be made, written or read.
    """

    def __init__(
        self,
        root_dir: str,
        flush_interval: float = 1000,
        disk: Disk | None = None,
        progress: Progress = show_nothing,
    ) -> None:
        super().__init__(root_dir, flush_interval, disk, progress)
        self._closed = False
        hidden_directory = os.path.join(self.root_dir, HIDDEN_DIRECTORY)
        journal_directory = journal_path(self.root_dir)
        self._disk.make_directory(journal_directory)
        self._store_lock = self._disk.lock(lock_path(self.root_dir))
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._store_lock.close)
            last_number = recover(self._disk, self.root_dir, hidden_directory, journal_directory)
            self._journal = Journal(self._disk, journal_directory, last_number)
            on_failure.callback(self._journal.close)
            self._declared_tags = self._load_declared_tags()
            self._directory_mtime_ns = self._settled_mtime_ns()
            self._load(index_path(self.root_dir))
            on_failure.pop_all()
        self._timer: PeriodicTimer | None = None
        if 0 < flush_interval < math.inf:
            self._timer = PeriodicTimer(flush_interval / 1000, self._tick_in_background)
            self._timer.start()

    # Saving

    def save(self, event: Event) -> None:
        """See :meth:`EventStore.save`."""
        self.save_all([event])

    def save_all(self, events: Iterable[Event]) -> None:
        """Save several events, in this order: all of them or, when that is not possible, none."""
        self.save_batch(Batch.of(events))

    def save_batch(self, batch: Batch) -> None:
        """See :meth:`EventStore.save_batch`; all of them or, when that is not possible, none."""
        if not len(batch):
            return
        self._journal.limit_unsynced()
        with self._lock:
            self._check_open()
            if len(batch) == 1:
                self._append_one(batch)
            else:
                self._append(batch)
        if self.flush_interval <= 0:
            self._flush_now()

    def sync(self) -> None:
        """See :meth:`EventStore.sync`."""
        self._journal.sync()

    def declare_tag(self, tag: str) -> None:
        """See :meth:`EventStore.declare_tag`; it is known from then on, also after a restart."""
        Batch.of([Event("declared", "", 0, [tag])])
        with self._lock:
            self._check_open()
            if tag in self._declared_tags:
                return
            declared = self._declared_tags | {tag}
            text = "".join(f"{name}\n" for name in sorted(declared))
            replace_file(self._disk, self._tags_path, [frame.encode_text(text, "utf-8")])
            self._declared_tags = declared

    def _append(self, batch: Batch) -> None:
        new_minutes: dict[str, Minute] = {}
        try:
            parts = list(self._divide(batch, new_minutes))
            addresses = self._journal.append([part.record() for part in parts])
        except EventStoreException:
            for minute in new_minutes.values():
                self._unmake_minute(minute)
            raise
        kinds = self._contents.kinds.numbers(batch.labels)
        for part, address in zip(parts, addresses, strict=True):
            self._note_appended(part.minute, part.size, address, part.ending)
            self._grow(part.minute, part.events.rows(kinds))

    def _divide(self, batch: Batch, new_minutes: dict[str, Minute]) -> Iterator[_Part]:
        """Find out which events go where; minutes that are not there yet are made, but not shown."""
        ends: dict[str, int] = {}
        division = Division(batch)
        while not division.is_done:
            start, end = self._table.files.find_home(division.time)
            minute, is_new = self._find_minute(start, end)
            name = minute.name
            if is_new:
                new_minutes[name] = minute
            offset, ending = ends.get(name), b""
            if offset is None:
                offset, ending = minute.index.size, self._ending(minute)
            part = _Part(minute, offset, ending, division.take(start, end))
            ends[name] = offset + part.size
            yield part

    def _append_one(self, batch: Batch) -> None:
        """Do the same for a single event, for what most programs write at once is one line: arrays would only cost."""
        [timestamp], [label] = batch.times, batch.labels
        minute, is_new = self._find_minute(*self._table.files.find_home(timestamp))
        try:
            ending = self._ending(minute)
            record = Record(minute.name, minute.index.size, ending + batch.data)
            [address] = self._journal.append([record])
        except EventStoreException:
            if is_new:
                self._unmake_minute(minute)
            raise
        self._note_appended(minute, len(record.data), address, ending)
        kind = self._contents.kinds.number(label)
        self._grow_by_one(minute, kind, len(batch.data), timestamp)

    def _find_minute(self, start: int, end: int) -> tuple[Minute, bool]:
        """Find the minute of a span, or make it; returns whether it was made, and is not shown yet."""
        number = self._table.number_at(start, end)
        if number is not None:
            return self._minute(number), False
        found = self._notice_minute(start, end)
        return found or self._make_minute(start, end), found is None

    @staticmethod
    def _ending(minute: Minute) -> bytes:
        """Half an event at the end of a file needs a newline, so that a new one starts on a line of its own."""
        index = minute.index
        if index.ends_damaged and minute.file.read(index.size - 1, 1) != b"\n":
            return b"\n"
        return b""

    def _note_appended(self, minute: Minute, size: int, address: int, ending: bytes) -> None:
        """Note that so many bytes, of which an ending is the first, are in the journal now."""
        assert isinstance(minute.file, JournaledFile), "that is what this store opens"
        minute.file.extend(size, address)
        if ending:
            self._mended.add(minute)
            self._grow(minute, Rows.of_damage(len(ending)))
        self._note_growth(minute)

    def close(self) -> None:
        """See :meth:`EventStore.close`."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        counted = None
        try:
            self._flush_all()
            self._journal.empty()
            self._forget_unindexed()
            counted = self._contents.kinds, self._table
        except EventStoreException:
            self._journal.sync()
            raise
        finally:
            self._index.close(counted)
            try:
                self._journal.close()
            finally:
                self._store_lock.close()

    def _check_open(self) -> None:
        if self._closed:
            raise EventWriteException(f"the store {self.root_dir} is closed")

    # Deleting

    def delete(self, event_id: object) -> None:
        """Remove every event with an id; a minute file that is left empty is removed too."""
        with self._flush_lock, self._lock:
            self._check_open()
            found = list(self._find_id(str(event_id)))
            if not found:
                raise EventNotFound(f"no event has the id {str(event_id)!r}")
            try:
                self._flush_all()
            except EventReadException as error:
                raise EventWriteException(str(error)) from error
            # The journal says where in their files events belong, which is about to change.
            self._journal.empty()
            for minute, position in reversed(found):
                number = self._table.number(minute.name)
                assert number is not None, "a minute with an event left in it stays"
                self._remove(self._minute(number), position)

    def _remove(self, minute: Minute, position: int) -> None:
        """Remove the entry at a position of a minute, all of which is flushed."""
        path = os.path.join(self.root_dir, minute.name)
        minute.file.pin()
        index = minute.index.without(position)
        if len(index):
            entry = minute.index.entry(position)
            with self._disk.open_to_read(path) as old:
                rest = old.chunks(entry.end, minute.file.size)
                put_file(self._disk, path, rest, old, entry.start)
            file = self._open_file(minute.name, index.size)
            replacement = self._replace(minute, file, index, position)
            self._note_stamp(replacement)
            self._save_index([replacement], [minute.number])
        else:
            self._disk.remove(path)
            self._remove_minute(minute)
            self._save_index([], [minute.number])
        # What is shown is what is there now, whether or not it lasts.
        self._disk.sync_directory(self.root_dir)

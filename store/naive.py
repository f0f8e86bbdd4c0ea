"""An event store on a directory of minute files: the side that writes."""

import contextlib
import logging
import os
import threading
import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from store import frame
from store.answer import Minute
from store.archive import HIDDEN_DIRECTORY, Archive, journal_path, lock_path
from store.batch import Batch
from store.disk import Disk, put_file, replace_file
from store.division import Division, Rows
from store.errors import (
    EventNotFound,
    EventReadException,
    EventStoreException,
    EventWriteException,
)
from store.event import Event
from store.journal import Journal
from store.lookup import find_id
from store.minutes import JournaledFile, RemovedFile
from store.recovery import recover
from store.segments import Record
from store.tagindex import MinuteIndex
from store.timer import PeriodicTimer

__all__ = ["NaiveEventStore"]

_RELAXED_SIZE = 64 << 10
"""How much of a minute file, in bytes, may be written again in each flush interval."""

_QUIET_S = 60.0
"""A minute file that did not grow for so long is flushed, however large it is."""

log = logging.getLogger(__name__)


class _Part(NamedTuple):
    """Events that are appended to one minute at once.

    Attributes:
        minute: the minute.
        offset: where in its file, in bytes.
        ending: what ends the half of an event that stands there; usually nothing.
        rows: the events.
    """

    minute: Minute
    offset: int
    ending: bytes
    rows: Rows

    @property
    def size(self) -> int:
        """How many bytes are appended."""
        return len(self.ending) + len(self.rows.data)

    def record(self) -> Record:
        """What the journal has of it."""
        return Record(self.minute.name, self.offset, self.ending + self.rows.data)


class _Growth(NamedTuple):
    """When a minute grew that is not flushed: first and last, in seconds of the monotonic clock."""

    first: float
    last: float


class NaiveEventStore(Archive):
    """Keeps events in minute files, as plain text.

    What is saved goes to the journal first, which survives the end of the process; every flush interval it
    is made to survive a loss of power, and goes to the minute files. A large minute file is flushed less
    often, because to replace it costs its size.

    Args:
        root_dir: the directory of the minute files; made when it is not there.
        flush_interval: milliseconds between flushes; 0 or less flushes at every save.
        disk: the disk it is on.

    Raises:
        StoreLocked: if another process has the store open to write.
        EventStoreException: if the directory cannot be made, written or read.
    """

    def __init__(
        self, root_dir: str, flush_interval: float = 1000, disk: Disk | None = None
    ) -> None:
        super().__init__(root_dir, disk)
        self.flush_interval = flush_interval
        self._closed = False
        self._growths: dict[Minute, _Growth] = {}
        self._flush_failed = False
        # When the directory last changed as far as this store knows.
        self._directory_mtime_ns = 0
        # Held while minutes are flushed. Whoever takes both locks takes this one first.
        self._flush_lock = threading.RLock()
        hidden_directory = os.path.join(self.root_dir, HIDDEN_DIRECTORY)
        journal_directory = journal_path(self.root_dir)
        self._disk.make_directory(journal_directory)
        self._store_lock = self._disk.lock(lock_path(self.root_dir))
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._store_lock.close)
            last_number = recover(self._disk, self.root_dir, hidden_directory, journal_directory)
            self._journal = Journal(self._disk, journal_directory, last_number)
            self._load()
            on_failure.pop_all()
        self._timer: PeriodicTimer | None = None
        if flush_interval > 0:
            self._timer = PeriodicTimer(flush_interval / 1000, self._tick_in_background)
            self._timer.start()

    def _open_file(self, name: str) -> JournaledFile:
        return JournaledFile(name, self.root_dir, self._journal, self._disk)

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
            for name in new_minutes:
                self._files.remove_file(name)
            raise
        for minute in new_minutes.values():
            self._add_minute(minute)
        numbers = self._contents.kinds.numbers(batch.pairs)
        for part, address in zip(parts, addresses, strict=True):
            self._take_in(part, part.rows.kinds(numbers), address)

    def _divide(self, batch: Batch, new_minutes: dict[str, Minute]) -> Iterator[_Part]:
        """Find out which events go where; minutes that are not there yet are made, but not shown."""
        ends: dict[str, int] = {}
        division = Division(batch)
        while not division.is_done:
            file = self._files.find_home(division.time)
            name = os.path.basename(file.path)
            minute = self._minutes.get(name) or new_minutes.get(name)
            if minute is None:
                minute = new_minutes[name] = self._make_minute(name, file.start)
                self._files.add_file(name)
            offset, ending = ends.get(name), b""
            if offset is None:
                offset, ending = minute.index.size, self._ending(minute)
            part = _Part(minute, offset, ending, division.take(file.start, file.end))
            ends[name] = offset + part.size
            yield part

    @staticmethod
    def _ending(minute: Minute) -> bytes:
        """Half an event at the end of a file needs a newline, so that a new one starts on a line of its own."""
        index = minute.index
        if index.ends_damaged and minute.file.read(index.size - 1, 1) != b"\n":
            return b"\n"
        return b""

    def _take_in(self, part: _Part, kinds: Iterable[int], address: int) -> None:
        """Show what is in the journal now."""
        minute, index = part.minute, part.minute.index
        assert isinstance(minute.file, JournaledFile), "that is what this store opens"
        minute.file.extend(part.size, address)
        first = len(index)
        if part.ending:
            index.add_damage(len(part.ending))
        index.extend(kinds, part.rows.sizes, part.rows.times)
        minute.changed = time.time()
        self._contents.arrivals.note(minute.number, first, len(index))
        now = time.monotonic()
        begun = self._growths.get(minute)
        self._growths[minute] = _Growth(begun.first if begun else now, now)

    # Flushing

    def _tick(self) -> None:
        """Make everything survive a loss of power, and flush what is due.

        Raises:
            EventWriteException: if it may not survive.
        """
        # First what lasts but a moment: flushing may take long.
        failure = None
        try:
            self._journal.sync()
        except EventWriteException as error:
            failure = error
        try:
            with self._flush_lock:
                self._notice_removals()
                self._look_after_unreadable()
                with self._lock:
                    due = [minute for minute in self._growths if self._is_due(minute)]
                    # What could not be flushed holds on to its segment, and to all after it.
                    if len(due) == len(self._growths) and not self._flush_failed:
                        self._journal.rotate()
                self._flush(due)
        except EventStoreException as error:
            log.error("not flushed, will try again: %s", error)  # noqa: TRY400 - nobody's bug
        if failure is not None:
            raise failure

    def _tick_in_background(self) -> None:
        try:
            self._tick()
        except EventStoreException as error:
            # What could not be synced is tried again before anything else is taken on.
            log.error("not synced: %s", error)  # noqa: TRY400 - nobody's bug

    def _is_due(self, minute: Minute) -> bool:
        """Whether to replace a minute file now: the larger it is, the less often that is worth its cost."""
        growth = self._growths[minute]
        now = time.monotonic()
        intervals = minute.file.size / _RELAXED_SIZE - 1
        return (
            now - growth.first >= intervals * self.flush_interval / 1000
            or now - growth.last >= _QUIET_S
        )

    def _flush(self, minutes: list[Minute]) -> None:
        """Write minutes out; the caller holds the lock for it.

        Raises:
            EventStoreException: if one could not be written; the others were tried all the same.
        """
        failure = None
        for minute in minutes:
            with self._lock:
                del self._growths[minute]
            try:
                minute.file.flush()
                self._journal.let_go(minute.name, minute.file.stored_size)
            except EventStoreException as error:
                failure = error
                self._contents.unreadable.add(minute)
                # The next attempt waits as long as the next flush would: this one may have cost as much.
                now = time.monotonic()
                with self._lock:
                    self._growths[minute] = _Growth(now, now)
        self._flush_failed = failure is not None
        if failure is not None:
            raise failure
        if minutes:
            # What changed in the directory until now was us. If somebody else did at the same time, it is noticed
            # at the next change, or by whoever reads what is not there.
            self._directory_mtime_ns = self._disk.modified_ns(self.root_dir)

    def _look_after_unreadable(self) -> None:
        """Give up what was in files that somebody removed; what was not flushed to them yet is kept."""
        unreadable = self._contents.unreadable
        for minute in list(unreadable):
            path = os.path.join(self.root_dir, minute.name)
            was_there = self._minutes.get(minute.name) is minute and minute.file.stored_size
            if was_there and not self._disk.exists(path):
                with self._lock:
                    log.warning("%s was removed, and is not shown any more", path)
                    self._begin_anew(minute)
            unreadable.discard(minute)

    def _begin_anew(self, minute: Minute) -> None:
        """Show a minute whose file was removed with nothing but what was not flushed to it yet."""
        assert isinstance(minute.file, JournaledFile), "that is what this store opens"
        name, tail = minute.name, minute.file.tail()
        address = self._journal.begin_anew(name, tail)
        # From here on nothing can fail, so that what is shown is what the journal says.
        replacement, arrivals = None, self._contents.arrivals.without(minute.number)
        if tail:
            file = JournaledFile(name, self.root_dir, self._journal, self._disk, stored_size=0)
            file.extend(len(tail), address)
            index = MinuteIndex(minute.start)
            found = frame.scan(lambda offset, size: tail[offset : offset + size], len(tail))
            index.add_scanned(found, self._contents.kinds)
            replacement = Minute(minute.number, name, minute.start, file, index)
            replacement.changed = time.time()
            arrivals.note(minute.number, 0, len(index))
        self._replace(minute, replacement, arrivals)
        growth = self._growths.pop(minute, None)
        if growth is not None and replacement is not None:
            self._growths[replacement] = growth
        # Whoever has it open may still read what was not flushed; what was is gone, whatever has its name now.
        minute.file = RemovedFile(name, self.root_dir, minute.file.stored_size, tail)

    def _notice_removals(self) -> None:
        """See whether somebody else changed something in the directory, and what is not there any more."""
        if self._disk.modified_ns(self.root_dir) == self._directory_mtime_ns:
            return
        names = {file.name for file in self._disk.list_files(self.root_dir)}
        with self._lock:
            minutes = list(self._minutes.values())
        for minute in minutes:
            if minute.name not in names and minute.file.stored_size:
                self._contents.unreadable.add(minute)
        self._directory_mtime_ns = self._disk.modified_ns(self.root_dir)

    def _flush_all(self) -> None:
        with self._flush_lock:
            self._look_after_unreadable()
            with self._lock:
                self._journal.rotate()
                minutes = list(self._growths)
            self._flush(minutes)

    def _flush_now(self) -> None:
        try:
            self._flush_all()
        except EventStoreException as error:
            log.error("not flushed, but in the journal: %s", error)  # noqa: TRY400 - nobody's bug
            self._journal.sync()

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
            self._flush_all()
            self._journal.empty()
        except EventStoreException:
            self._journal.sync()
            raise
        finally:
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
            found = list(find_id(list(self._minutes.values()), str(event_id)))
            if not found:
                raise EventNotFound(f"no event has the id {str(event_id)!r}")
            try:
                self._flush_all()
            except EventReadException as error:
                raise EventWriteException(str(error)) from error
            # The journal says where in their files events belong, which is about to change.
            self._journal.empty()
            for minute, position in reversed(found):
                self._remove(self._minutes[minute.name], position)

    def _remove(self, minute: Minute, position: int) -> None:
        """Remove the entry at a position of a minute, all of which is flushed."""
        path = os.path.join(self.root_dir, minute.name)
        minute.file.pin()
        index = minute.index.without(position)
        arrivals = self._contents.arrivals.without(minute.number, position)
        if len(index):
            entry = minute.index.entry(position)
            with self._disk.open_to_read(path) as old:
                rest = old.chunks(entry.end, minute.file.size)
                put_file(self._disk, path, rest, old, entry.start)
            file = JournaledFile(
                minute.name, self.root_dir, self._journal, self._disk, stored_size=index.size
            )
            replacement = Minute(minute.number, minute.name, minute.start, file, index)
            replacement.changed = time.time()
            self._replace(minute, replacement, arrivals)
        else:
            self._disk.remove(path)
            self._replace(minute, None, arrivals)
        # What is shown is what is there now, whether or not it lasts.
        self._disk.sync_directory(self.root_dir)

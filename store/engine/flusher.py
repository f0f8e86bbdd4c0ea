"""Flushing: how what was saved comes into the minute files, and what others do to them there."""

import logging
import os
import threading
import time
from typing import NamedTuple

from store.answers.version import Minute
from store.api import Progress
from store.disk.disk import Disk
from store.engine.reading import Archive
from store.errors import EventReadException, EventStoreException, EventWriteException
from store.index.catalog import Listing, Stamp, is_recent
from store.index.minute import MinuteIndex
from store.minutes.file import RemovedFile
from store.minutes.logged_file import JournaledFile
from store.wal.log import Journal

__all__ = ["FlushedArchive"]

_RELAXED_SIZE = 64 << 10
"""How much of a minute file, in bytes, may be written again in each flush interval."""

_QUIET_S = 60.0
"""A minute file that did not grow for so long is flushed, however large it is."""

_LOOK_CHEAP_S = 0.05
_LOOK_COST_MAX = 20
"""How many times longer than a look at the directory takes it is to the next, at least."""

log = logging.getLogger(__name__)


class _Growth(NamedTuple):
    """When a minute grew that is not flushed: first and last, in seconds of the monotonic clock."""

    first: float
    last: float


class FlushedArchive(Archive):
    """Minute files of which the newest part is in the journal.

    Args:
        root_dir: the directory of the minute files.
        flush_interval: milliseconds between flushes.
        disk: the disk it is on.
        progress: is told how far it has come when minute files have to be looked at.
    """

    _journal: Journal

    def __init__(
        self, root_dir: str, flush_interval: float, disk: Disk | None, progress: Progress
    ) -> None:
        super().__init__(root_dir, disk, progress)
        self.flush_interval = flush_interval
        # The minutes with more than is in their files, and those whose files are being replaced.
        self._growths: dict[Minute, _Growth] = {}
        self._being_flushed: set[int] = set()
        # Minutes in which half an event was ended: to those who look at the file again, it may be a whole one.
        self._mended: set[Minute] = set()
        self._flush_failed = False
        # When the directory last changed as far as this store knows.
        self._directory_mtime_ns = 0
        self._next_look = 0.0  # not before this moment of the monotonic clock
        # Held while minutes are flushed. Whoever takes both locks takes this one first.
        self._flush_lock = threading.RLock()

    def _open_file(self, name: str, stored_size: int) -> JournaledFile:
        return JournaledFile(name, self.root_dir, self._journal, self._disk, stored_size)

    def _is_growing(self, number: int) -> bool:
        return number in self._being_flushed or self._minutes.get(number) in self._growths

    def _note_growth(self, minute: Minute) -> None:
        """Note that a minute has more than is in its file; the caller holds the lock."""
        now = time.monotonic()
        begun = self._growths.get(minute)
        self._growths[minute] = _Growth(begun.first if begun else now, now)

    def _forget_unindexed(self) -> None:
        """Leave it to the next who opens the store to look at the minutes that are not in the index."""
        for number in {*(minute.number for minute in self._mended), *self._table.too_late()}:
            if self._table.has(number):
                self._remove_minute(self._minute(number))

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
                self._notice_changes()
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
        flushed = []
        for growing in minutes:
            minute = growing
            try:
                with self._lock:
                    minute = self._put_behind_changes(growing)
                    del self._growths[minute]
                    self._being_flushed.add(minute.number)
                minute.file.flush()
                self._journal.let_go(minute.name, minute.file.stored_size)
                flushed.append(minute)
            except EventStoreException as error:
                failure = error
                self._contents.unreadable.add(minute)
                # The next attempt waits as long as the next flush would: this one may have cost as much.
                now = time.monotonic()
                with self._lock:
                    self._growths[minute] = _Growth(now, now)
            if minute.number in self._being_flushed:
                self._note_stamp(minute)
                self._being_flushed.remove(minute.number)
        mended = [minute.number for minute in self._mended]
        self._save_index([each for each in flushed if each not in self._mended], mended)
        self._flush_failed = failure is not None
        if failure is not None:
            raise failure

    def _put_behind_changes(self, minute: Minute) -> Minute:
        """See whether somebody else changed the file that a minute is to be added to; what is shown then is that.

        Returns:
            The minute to be flushed.

        Raises:
            EventStoreException: if that failed; nothing has changed then.
        """
        file = self._disk.look_at(os.path.join(self.root_dir, minute.name))
        assert isinstance(minute.file, JournaledFile), "that is what this store opens"
        if file is None or self._is_unchanged(minute.number, file):
            return minute
        tail, stored_size = minute.file.tail(), minute.file.stored_size
        present = self._open_file(minute.name, file.size)
        added = (
            present.read(stored_size, file.size - stored_size) if file.size > stored_size else b""
        )
        if added and tail.startswith(added):
            return minute  # our own flush, which only failed at its end
        log.warning("%s was changed; what was to be added to it goes to its end", minute.name)
        index = MinuteIndex.of(self._scan(minute.name, present.read, present.size))
        if index.ends_damaged and present.read(file.size - 1, 1) != b"\n":
            tail = b"\n" + tail
        rows = list(self._scan(minute.name, lambda at, size: tail[at : at + size], len(tail)))
        address = self._journal.begin_anew(minute.name, tail)
        for each in rows:
            index.extend(each)
        opened = JournaledFile(
            minute.name, self.root_dir, self._journal, self._disk, file.size, begins_at=file.size
        )
        opened.extend(len(tail), address)
        replacement = self._replace(minute, opened, index)
        self._growths[replacement] = self._growths.pop(minute)
        self._save_index([], [minute.number])
        minute.file = RemovedFile(minute.name, self.root_dir, stored_size, tail)
        return replacement

    def _note_stamp(self, minute: Minute) -> None:
        """Note what the file of a minute is that was just replaced."""
        try:
            file = self._disk.look_at(os.path.join(self.root_dir, minute.name))
        except EventReadException as error:
            log.warning("it will be looked at again: %s", error)
            file = None
        mtime_ns = file.mtime_ns if file is not None else 0
        with self._lock:
            self._table.set_stamp(minute.number, Stamp(minute.file.stored_size, mtime_ns))

    def _look_after_unreadable(self) -> None:
        """Give up what was in files that somebody removed; what was not flushed to them yet is kept."""
        unreadable = self._contents.unreadable
        for minute in list(unreadable):
            path = os.path.join(self.root_dir, minute.name)
            try:
                with self._lock:
                    was_there = self._table.has(minute.number) and (
                        minute.file.stored_size or not self._is_growing(minute.number)
                    )
                    if was_there and not self._disk.exists(path):
                        log.warning("%s was removed, and is not shown any more", path)
                        self._begin_anew(minute)
                    unreadable.discard(minute)
            except EventStoreException as error:
                log.error("looked after later: %s", error)  # noqa: TRY400 - nobody's bug

    def _begin_anew(self, minute: Minute) -> None:
        """Show a minute whose file was removed with nothing but what was not flushed to it yet."""
        assert isinstance(minute.file, JournaledFile), "that is what this store opens"
        name, tail = minute.name, minute.file.tail()
        address = 0 if self._journal.is_empty else self._journal.begin_anew(name, tail)
        # From here on nothing can fail, so that what is shown is what the journal says.
        growth = self._growths.pop(minute, None)
        if tail:
            file = JournaledFile(name, self.root_dir, self._journal, self._disk, stored_size=0)
            file.extend(len(tail), address)
            scanned = self._scan(name, lambda at, size: tail[at : at + size], len(tail))
            index = MinuteIndex.of(scanned)
            replacement = self._replace(minute, file, index)
            assert growth is not None, "there is something to be flushed"
            self._growths[replacement] = growth
        else:
            self._remove_minute(minute)
        self._save_index([], [minute.number])
        # Whoever has it open may still read what was not flushed; what was is gone, whatever has its name now.
        minute.file = RemovedFile(name, self.root_dir, minute.file.stored_size, tail)

    def _notice_changes(self) -> None:
        """See whether somebody else changed something in the directory, and take it in."""
        mtime_ns, begin = self._settled_mtime_ns(), time.monotonic()
        if mtime_ns == self._directory_mtime_ns != 0 or begin < self._next_look:
            return
        listing = Listing(self._disk.list_files(self.root_dir))
        with self._lock:
            gone, changed, new = self._table.compare(listing)
            for number in gone:
                minute = self._minute(number)
                if not self._is_growing(number) or minute.file.stored_size:
                    self._contents.unreadable.add(minute)
            spans = sorted([*new, *map(self._table.span, changed)])
        for start, end in spans:
            try:
                # One by one, so that others have their turn in between.
                with self._lock:
                    if self._current_number(f"{start}-{end}") is None:
                        self._notice_minute(start, end)
            except EventReadException as error:
                log.warning("not taken in: %s", error)
        self._directory_mtime_ns = mtime_ns
        # Our own flushes change the directory, too; so a large one is not looked at each time.
        done = time.monotonic()
        if done - begin > _LOOK_CHEAP_S:
            self._next_look = done + _LOOK_COST_MAX * (done - begin)

    def _settled_mtime_ns(self) -> int:
        """When the directory last changed, in nanoseconds since the epoch; 0 when that was just now.

        Then it may change once more without a later time to show it.
        """
        mtime_ns = self._disk.modified_ns(self.root_dir)
        return 0 if is_recent(mtime_ns) else mtime_ns

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

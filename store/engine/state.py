"""The minute files of a directory, as far as they are known: what is at hand, in memory, and in the index."""

import logging
import os
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from weakref import WeakSet, WeakValueDictionary

import numpy as np

from store.answers.answer import ByteMap
from store.answers.arrivals import Arrivals
from store.answers.version import Access, Contents, Minute, Source
from store.api import Progress
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.errors import EventReadException
from store.index.builder import DamageAt, Read, scan_rows
from store.index.catalog import Listing, MinuteTable, Stamp
from store.index.database import Index
from store.index.extents import Entries
from store.index.minute import MinuteIndex, Rows
from store.index.streams import Kinds
from store.minutes.file import GrowingFile, RemovedFile

__all__ = ["Holdings"]

_RECENT_MAX = 2048
"""How many minutes stay at hand after they were asked for."""

_SAVED_AT_ONCE = 1000
"""How many minutes are looked at before what was found is written to the index."""

log = logging.getLogger(__name__)


class Holdings(ABC):
    """What a store on a directory of minute files holds.

    Args:
        root_dir: the directory.
        disk: the disk it is on.
        progress: is told how far it has come when minute files have to be looked at.
    """

    def __init__(self, root_dir: str, disk: Disk | None, progress: Progress) -> None:
        self.root_dir = os.path.abspath(root_dir)
        self._disk = disk or Disk()
        self._progress = progress
        # Taken by everything that changes the store, or looks up what is in it.
        self._lock = threading.RLock()
        self._table = MinuteTable(self.root_dir)
        self._contents = self._empty()
        # The minutes that anybody uses, and those that were used most recently.
        self._minutes: WeakValueDictionary[int, Minute] = WeakValueDictionary()
        self._recent: deque[Minute] = deque(maxlen=_RECENT_MAX)
        self._byte_maps: WeakSet[ByteMap] = WeakSet()
        self._index: Index

    # Minutes at hand. Whoever calls holds the lock.

    @abstractmethod
    def _open_file(self, name: str, stored_size: int) -> GrowingFile:
        """Make the file of a minute, of which so many bytes are on the disk."""

    @abstractmethod
    def _is_growing(self, number: int) -> bool:
        """Whether more is known of a minute than is in its file for good."""

    def _empty(self) -> Contents:
        return Contents(MinuteTable(self.root_dir), Kinds(), Arrivals(), self._access)

    @property
    def _access(self) -> Access:
        return Access(self._minute, self._entries, self._source)

    def _minute(self, number: int) -> Minute:
        """The minute of a number.

        Raises:
            EventReadException: if it is not there any more.
        """
        minute = self._minutes.get(number)
        if minute is None:
            name = self._table.name(number)
            if not self._table.has(number):
                raise EventReadException(f"{name} was removed or replaced meanwhile")
            minute = self._keep(number, self._open_file(name, self._table.stamp(number).size))
        return minute

    def _entries(self, numbers: list[int]) -> dict[int, Entries]:
        """Where the entries of minutes lie all of which is in their files, of those that the index knows."""
        stamps = {number: self._table.stamp(number) for number in numbers}
        return self._index.find_entries(stamps, len(self._contents.kinds))

    def _source(self, number: int) -> Source:
        """Where the bytes of a minute can be read that is in the store.

        Raises:
            EventReadException: if its file is not there any more, or not what is known of it.
        """
        minute = self._minutes.get(number)
        if minute is not None:
            return minute.file
        name = self._table.name(number)
        # Opened now, it stays what it is, whatever has its name by the time it is read.
        file = self._disk.open_to_read(f"{self.root_dir}/{name}")
        if self._is_unchanged(number, file.stat()):
            return file
        if self._current_number(name) == number:
            return self._minute(number).file  # it only grew
        raise EventReadException(f"{name} was changed by somebody else, and is shown anew")

    def _keep(self, number: int, file: GrowingFile, index: MinuteIndex | None = None) -> Minute:
        name = self._table.name(number)
        minute = self._minutes[number] = Minute(
            number, name, file, self._lock, self._find_index, index
        )
        self._recent.append(minute)
        return minute

    def _find_index(self, minute: Minute) -> MinuteIndex:
        """Find out what is in a minute, all of which is in its file."""
        kinds = self._contents.kinds
        found = self._index.find(minute.number, self._table.stamp(minute.number), len(kinds))
        if found is None:
            file = self._disk.look_at(os.path.join(self.root_dir, minute.name))
            if not self._is_unchanged(minute.number, file):
                raise EventReadException(f"{minute.name} was changed, and what it was is not known")
            found = MinuteIndex.of(self._scan(minute.name, minute.file.read, minute.file.size))
        return found

    def _is_unchanged(self, number: int, file: FileStat | None) -> bool:
        """Whether the file of a minute is what it was when it was last looked at, as far as that can be told."""
        known = self._table.stamp(number)
        if file is None:
            return not known.size
        return file.size == known.size and known.mtime_ns in (-1, file.mtime_ns)

    def _current_number(self, name: str) -> int | None:
        """The number of the minute of a name, after a look at whether its file is what it was."""
        number = self._table.number(name)
        if number is None or self._is_growing(number):
            return number
        file = self._disk.look_at(f"{self.root_dir}/{name}")
        if file is None:
            # What becomes of it is for those to say who know whether there is more of it.
            self._contents.unreadable.add(self._minute(number))
        elif Stamp(file.size, file.mtime_ns) != self._table.stamp(number):
            return self._look_again(self._minute(number), file)
        return number

    def _look_again(self, minute: Minute, file: FileStat) -> int:
        """Show what is in a minute now that its file has changed; returns its number."""
        opened = self._open_file(minute.name, file.size)
        index = MinuteIndex.of(self._scan(minute.name, opened.read, opened.size))
        if self._table.stamp(minute.number).mtime_ns < 0 and self._has_just(minute, index):
            # Whoever has it open goes on reading; whoever opens it gets no bytes that the kernel still has.
            self._contents.note_change(minute.number, index.rows(0, len(index)).kinds, time.time())
            self._table.set_stamp(minute.number, Stamp.of(file))
            self._save_index([minute])
            return minute.number
        log.info("%s is not what it was any more", minute.name)
        replacement = self._replace(minute, opened, index)
        # Whoever has it open must not be given other bytes for those that it had.
        minute.file = RemovedFile(minute.name, self.root_dir, minute.file.stored_size)
        self._table.set_stamp(replacement.number, Stamp.of(file))
        self._save_index([replacement], [minute.number])
        return replacement.number

    def _has_just(self, minute: Minute, index: MinuteIndex) -> bool:
        """Whether a minute is known to have just these entries."""
        try:
            return index == minute.index
        except EventReadException as error:
            log.info("not known: %s", error)
            return False

    # Changing what is shown. Whoever calls holds the lock.

    def _grow(self, minute: Minute, rows: Rows) -> None:
        """Show entries that arrived in a minute."""
        first, now = len(minute.index), time.time()
        minute.index.extend(rows)
        self._contents.kinds.count(minute.number, *rows, changed=now)
        self._note_arrival(minute, first, now)

    def _grow_by_one(self, minute: Minute, kind: int, size: int, timestamp: float) -> None:
        """Show one event that arrived in a minute."""
        first, now = len(minute.index), time.time()
        minute.index.append(kind, size, timestamp)
        self._contents.kinds.count_one(minute.number, kind, size, timestamp, now)
        self._note_arrival(minute, first, now)

    def _note_arrival(self, minute: Minute, first: int, now: float) -> None:
        index, number = minute.index, minute.number
        self._table.set_entries(number, len(index), index.oldest, index.newest)
        self._contents.note_arrival(number, first, len(index), now)

    def _replace(
        self, minute: Minute, file: GrowingFile, index: MinuteIndex, removed: int | None = None
    ) -> Minute:
        """Show other entries in the place of those of a minute.

        Args:
            minute: the minute.
            file: where the others are.
            index: the others.
            removed: the position of the one entry that they lack; None when all of them count as new.

        Returns:
            The minute that is shown now.
        """
        before, span = self._contents, self._table.span(minute.number)
        backlog = before.backlog_of(minute) if removed is not None else 0
        self._drop(minute)
        now = time.time()
        replacement = self._show(*span, Stamp(), file, index, now)
        number = replacement.number
        arrivals = before.arrivals.without(minute.number, removed, number)
        after = self._succeed(before, minute, arrivals)
        after.replacement, after.restated = replacement, len(index)
        after.changed[number] = now
        after.backlog[number] = 0
        if removed is None:
            arrivals.note(number, 0, len(index))
        else:
            after.backlog[number] = backlog - (removed < backlog)
        after.begin = arrivals.position()
        return replacement

    def _show(
        self,
        start: int,
        end: int,
        stamp: Stamp,
        file: GrowingFile,
        index: MinuteIndex,
        changed: float,
    ) -> Minute:
        """Show a minute in the table and in the counts; in the order of arrival, it has its place already."""
        number = self._table.add(start, end)
        self._table.set_stamp(number, stamp)
        self._table.set_entries(number, len(index), index.oldest, index.newest)
        self._contents.kinds.count(number, *index.rows(0, len(index)), changed=changed)
        return self._keep(number, file, index)

    def _remove_minute(self, minute: Minute) -> None:
        """Show a minute no more."""
        before = self._contents
        self._drop(minute)
        self._succeed(before, minute, before.arrivals.without(minute.number))

    def _drop(self, minute: Minute) -> None:
        """Let go of a minute in the table and in the counts, after all answers have what they are to keep."""
        for byte_map in list(self._byte_maps):
            if byte_map.is_concerned_by(minute):
                try:
                    byte_map.look_up()
                except EventReadException as error:
                    # It fails again when somebody reads that far.
                    log.info("an open file cannot be read to its end any more: %s", error)
        kinds, number = self._contents.kinds, minute.number
        self._table.remove(number)
        self._minutes.pop(number, None)
        try:
            rows = minute.index.rows(0, len(minute.index))
        except EventReadException:
            self._recount()
        else:
            kinds.discount(number, *rows, changed=time.time(), newest_in=self._newest_in)

    def _succeed(self, before: Contents, minute: Minute, arrivals: Arrivals) -> Contents:
        after = Contents(self._table, before.kinds, arrivals, self._access)
        after.backlog = {**before.backlog}
        after.backlog.pop(minute.number, None)
        after.changed = before.changed
        after.changed.pop(minute.number, None)
        after.unreadable = before.unreadable
        after.replaced = minute
        before.successor = self._contents = after
        return after

    def _newest_in(self, kind: int, numbers: Iterable[int]) -> float:
        """The time of the newest event of a kind in some minutes, in seconds."""
        found = np.array(list(numbers), "q")
        limits = self._table.times(found)[1]
        newest = 0.0
        for place in np.argsort(-limits).tolist():
            if limits[place] <= newest:
                break
            index = self._readable_index(int(found[place]))
            kinds, _sizes, times = index.rows(0, len(index))
            newest = max(newest, float(np.fmax.reduce(times[kinds == kind], initial=0.0)))
        return newest

    def _readable_index(self, number: int) -> MinuteIndex:
        """What is in a minute; nothing, for now, when it cannot be read."""
        minute = self._minute(number)
        try:
            return minute.index
        except EventReadException as error:
            log.warning("its events are not counted: %s", error)
            self._contents.unreadable.add(minute)
            return MinuteIndex()

    # Loading

    def _load(self, index: str = "") -> None:
        """Look at everything that is in the directory.

        Args:
            index: the path of the index; empty for one that nobody else is to see.
        """
        self._index = Index(self._disk, index)
        known = self._index.load(self._table)
        kinds, is_counted = known or (Kinds(), True)
        self._contents = Contents(self._table, kinds, Arrivals(), self._access)
        self._update(Listing(self._disk.list_files(self.root_dir)), is_counted)
        damaged = len(kinds.damaged())
        if damaged:
            log.warning("%d minute files are damaged; see theiafs check", damaged)

    def _update(self, listing: Listing, is_counted: bool) -> None:
        """Find out how the minute files differ from what was known of them before anybody asked."""
        table, kinds = self._table, self._contents.kinds
        gone, changed, new = table.compare(listing)
        spans = sorted([*new, *map(table.span, changed)])
        for number in [*gone, *changed]:
            found = self._index.find(number, table.stamp(number), len(kinds))
            table.remove(number)
            if found is None:
                is_counted = False
            elif is_counted:
                rows = found.rows(0, len(found))
                kinds.discount(number, *rows, changed=0.0, newest_in=self._newest_in)
        self._save_index([], [*gone, *changed])
        if not is_counted:
            self._recount()
        waiting: list[Minute] = []
        for done, span in enumerate(spans, 1):
            try:
                made = self._add_minute(*span)
            except EventReadException as error:
                log.error("not shown: %s", error)  # noqa: TRY400 - nobody's bug
                made = None
            if made is not None:
                waiting.append(made)
            if len(waiting) == _SAVED_AT_ONCE or done == len(spans):
                self._save_index(waiting)
                waiting.clear()
            self._progress(done, len(spans))

    def _add_minute(self, start: int, end: int, changed: float = 0.0) -> Minute | None:
        """Take in a minute file that was not known before; None when it has gone meanwhile.

        Args:
            start: the whole second it starts at.
            end: the whole second it ends at.
            changed: when it came, in seconds since the epoch; 0 for before the store was opened.
        """
        name = f"{start}-{end}"
        found = self._disk.look_at(os.path.join(self.root_dir, name))
        if found is None:
            return None
        file = self._open_file(name, found.size)
        index = MinuteIndex.of(self._scan(name, file.read, file.size))
        return self._show(start, end, Stamp.of(found), file, index, changed)

    def _make_minute(self, start: int, end: int) -> Minute:
        """Make a minute that has no file yet."""
        number = self._table.add(start, end)
        self._contents.backlog[number] = 0
        return self._keep(number, self._open_file(self._table.name(number), 0), MinuteIndex())

    def _unmake_minute(self, minute: Minute) -> None:
        """Forget a minute that was just made."""
        del self._contents.backlog[minute.number]
        del self._minutes[minute.number]
        self._table.unmake(minute.number)

    def _notice_minute(self, start: int, end: int) -> Minute | None:
        """Show a minute file that somebody else has put there; None when there is none."""
        now = time.time()
        minute = self._add_minute(start, end, now)
        if minute is not None:
            self._contents.note_arrival(minute.number, 0, len(minute.index), now)
            self._save_index([minute])
        return minute

    def _recount(self) -> None:
        """Count the kinds of events anew, minute by minute."""
        self._contents.kinds.forget_counts()
        numbers = self._table.numbers().tolist()
        for done, number in enumerate(numbers, 1):
            index = self._readable_index(number)
            rows = index.rows(0, len(index))
            self._contents.kinds.count(number, *rows, changed=0.0)
            self._table.set_entries(number, len(index), index.oldest, index.newest)
            self._progress(done, len(numbers))

    def _scan(self, name: str, read: Read, size: int, start: int = 0) -> Iterator[Rows]:
        """Find out what a minute file of so many bytes has from an offset on."""
        path = os.path.join(self.root_dir, name)

        def report(damage: DamageAt) -> None:
            log.warning("damage in %s at byte %d: %s", path, damage.offset, damage.reason)

        return scan_rows(read, size, start, self._contents.kinds, report)

    def _save_index(self, kept: Sequence[Minute], removed: Iterable[int] = ()) -> None:
        """Let the index know what is in the files of some minutes, and which are gone."""
        with self._lock:
            rows = [self._table.row(minute.number) for minute in kept]
            packed = [minute.index.pack(row.size) for minute, row in zip(kept, rows, strict=True)]
            self._index.save(zip(rows, packed, strict=True), removed, self._contents.kinds)

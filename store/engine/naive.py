"""The writable event store on a directory of minute files."""

import contextlib
import logging
import math
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.backend import MEMORY_SIZE
from store.disk.disk import PRIVATE, Disk
from store.disk.file import FileStat
from store.engine.append import Append
from store.engine.deleter import Deleter
from store.engine.file_store import FileStore
from store.engine.flusher import Flusher, FlushResult
from store.engine.listing import are_enough, list_minutes, list_numbers, without
from store.engine.measurer import Measurer
from store.engine.partition import Partition
from store.engine.reading import Reader
from store.engine.remover import Remover
from store.engine.scan_workers import ScanWorkers
from store.engine.settling import Settling
from store.engine.state import State
from store.engine.tails import LoggedTails
from store.engine.upkeep import Upkeep
from store.engine.watcher import Watcher
from store.errors import (
    EventNotFound,
    EventReadException,
    EventStoreException,
    EventWriteException,
    FileChanged,
    MinuteNotFound,
)
from store.filenames import hidden_path, index_path, journal_path, lock_path
from store.format.batch import Batch
from store.format.event import Event
from store.format.scan import split_records
from store.index.database import Database
from store.index.minute import EntryColumns, MinuteEntries
from store.minutes.logged_file import LoggedFile
from store.progress import Progress, show_nothing
from store.query import Query
from store.timer import PeriodicTimer
from store.view import View
from store.wal.recovery import Recovered, open_log
from store.wal.segment import LogRecord, list_segments
from store.wal.tail import read_tail

__all__ = ["NaiveEventStore"]

_TRIES = 3
"""Maximum number of attempts to flush files that other programs change."""

_SEGMENTS_PER_S = 100
"""Segments are not begun more often than that for long, so that those of an empty log have higher numbers than any before."""

log = logging.getLogger(__name__)


class NaiveEventStore(FileStore):
    """A store that keeps events in minute files, as plain text.

    Saved events go to the log first, which survives the end of the process; every flush interval they are made durable and
    flushed to the minute files. A large minute file is flushed less often, because replacing it costs its size.

    Args:
        root_dir: the directory of the minute files; made if it is missing, for this user alone.
        flush_interval: milliseconds between flushes; 0 or less flushes at every save, infinity only at the end.
        disk: the disk it is on.
        progress: called with the number of minute files read so far, and the number to read.
        memory_size: the memory budget, in bytes; caches get what the catalog and the streams leave of it.
        log_keep_size: maximum size of the flushed records that the log keeps, in bytes.
        measured_views: the views whose lines are measured in the background, so that the sizes of answers are known.
        workers: scan the minute files that the index does not know; without them, this process does.

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
        memory_size: int = MEMORY_SIZE,
        log_keep_size: int = 1 << 30,
        measured_views: Sequence[View] = (),
        workers: ScanWorkers | None = None,
    ) -> None:
        super().__init__(root_dir, disk or Disk())
        self.flush_interval = flush_interval
        self._closed = False
        self._upkeep = Upkeep(self._disk, self.root_dir)
        self._disk.make_directory(self.root_dir, PRIVATE)
        journal = journal_path(self.root_dir)
        self._disk.make_directory(journal)
        self._store_lock = self._disk.lock_store(self.root_dir, lock_path(self.root_dir))
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self._store_lock.close)
            list_segments(self._disk, journal)  # refuses those of newer releases
            database = Database(self._disk, index_path(self.root_dir))
            on_failure.callback(database.close)
            database.begin_load()
            self._load_names()
            hidden, numbers = list_numbers(self._disk, self.root_dir)
            self._log, recovered = open_log(
                self._disk,
                self.root_dir,
                hidden_path(self.root_dir),
                journal,
                keep_size=log_keep_size,
                split=split_records,
                first_number=int(time.time() * _SEGMENTS_PER_S),
                names=hidden,
            )
            on_failure.callback(self._log.close)
            self._state = State(self.root_dir, self._disk, database, self._open_file, memory_size)
            self._flusher = Flusher(self._state, self._log, self._disk, flush_interval)
            tails = LoggedTails(self._state, self._log, self._disk, self._flusher)
            self._deleter = Deleter(self._state, self._log, self._disk, self._flusher, tails)
            self._watcher = Watcher(self._state, self._disk, tails)
            self._remover = Remover(
                self._state, self._log, self._disk, self._flusher, tails, self._watcher
            )
            self._reader = Reader(self._state, self._disk, self._is_busy, self._watcher)
            self._state.refresh = self._watcher.refresh
            self._watcher.begin()
            on_failure.callback(self._watcher.close)
            self._state.load(self._list(numbers, recovered), progress, workers)
            self._state.lookup.line_totals.begin(measured_views, database)
            for each in recovered:
                self._recover(each)
            self._state.fold_arrivals()
            on_failure.pop_all()
        # After a failed fsync in an earlier process, an fsync of its records proves nothing.
        self._must_flush = bool(recovered)
        self._flush_recovered()
        with contextlib.suppress(EventWriteException):
            self._declared.tags.convert()
        self._timer: PeriodicTimer | None = None
        self._measurer = Measurer(self._state, measured_views)
        self._measurer.begin()
        if flush_interval < math.inf:
            self._watcher.start()
            if measured_views:
                self._measurer.start()
        self._settling = Settling()
        if 0 < flush_interval < math.inf:
            self._timer = PeriodicTimer(flush_interval / 1000, self._tick_in_background)
            self._timer.start()

    def _list(self, numbers: NDArray[np.void], recovered: Sequence[Recovered]) -> NDArray[np.void]:
        """List the minute files; without stamps, which the watcher compares later, if they are many and the index is complete.

        Args:
            numbers: the minute files with their inode numbers.
            recovered: the minutes that have a tail in the log.
        """
        if (
            self.flush_interval < math.inf  # else nothing watches
            and self._state.database.is_complete()
            and are_enough(self._disk, self.root_dir, numbers)
        ):
            self._watcher.request_pass()
            return without(numbers, [each.tail.minute for each in recovered])
        return list_minutes(self._disk, self.root_dir)

    # Saving

    def save(self, event: Event) -> None:
        """See :meth:`EventStore.save`."""
        self.save_all([event])

    def save_all(self, events: Iterable[Event]) -> None:
        """Save *events*, in this order: all of them or, when that is not possible, none."""
        self.save_batch(Batch.of(events))

    def save_batch(self, batch: Batch) -> None:
        """See :meth:`EventStore.save_batch`; all of them or, when that is not possible, none. A backup is none any more then."""
        if not len(batch):
            return
        self._backup_mark.drop()
        self._log.limit_unsynced()
        self._state.gate.go_through()
        with self._state.append_lock:
            self._check_open()
            if len(batch) == 1:
                self._append_one(batch)
            else:
                self._append(batch)
        if self.flush_interval <= 0:
            self._flush_now()

    def sync(self) -> None:
        """See :meth:`EventStore.sync`."""
        self._store_lock.check()
        if self._must_flush:
            try:
                self._flush_all()
            except EventReadException as error:
                raise EventWriteException(str(error)) from error
        self._log.sync()

    def _append(self, batch: Batch) -> None:
        made: dict[str, Minute] = {}
        try:
            appends = list(self._partition(batch, made))
            lsns = self._log.append([each.record() for each in appends])
        except EventStoreException:
            for minute in made.values():
                self._state.undo_make(minute)
            raise
        ids = self._state.lookup.ids_of(batch.keys)
        for each, lsn in zip(appends, lsns, strict=True):
            events = len(each.part.columns.sizes)
            self._note_append(each.minute, events, each.size, lsn, each.ending)
            self._state.extend(each.minute, each.part.entries(ids))

    def _partition(self, batch: Batch, made: dict[str, Minute]) -> Iterator[Append]:
        """Partition *batch* by minute; missing minutes are made, noted in *made*, and not shown yet."""
        ends: dict[str, int] = {}
        partition = Partition(batch)
        while not partition.is_done:
            start, end = self._state.catalog.find_home(partition.ticks)
            minute, is_new = self._find_minute(start, end)
            if is_new:
                made[minute.name] = minute
            offset, ending = ends.get(minute.name), b""
            if offset is None:
                offset, ending = minute.entries.size, self._ending(minute)
            append = Append(minute, offset, ending, partition.take(start, end))
            ends[minute.name] = offset + append.size
            yield append

    def _append_one(self, batch: Batch) -> None:
        """Append a *batch* of one event, without arrays: most programs write one line at a time."""
        [ticks], [stream] = batch.ticks, batch.streams
        minute, is_new = self._find_minute(*self._state.catalog.find_home(ticks))
        ending = self._ending(minute)
        record = LogRecord(minute.name, minute.entries.size, ending + batch.data)
        try:
            [lsn] = self._log.append([record])
        except EventStoreException:
            if is_new:
                self._state.undo_make(minute)
            raise
        self._note_append(minute, 1, len(record.data), lsn, ending)
        self._state.append(minute, batch.keys[stream], len(batch.data), ticks)

    def _find_minute(self, start: int, end: int) -> tuple[Minute, bool]:
        """Find the minute from *start* to *end*, or make it; returns whether it was made, and is not shown yet."""
        minute = self._state.catalog.find_span(start, end)
        if minute is not None:
            return self._state.lookup.minute(minute), False
        return self._state.make(start, end), True

    @staticmethod
    def _ending(minute: Minute) -> bytes:
        """Return the newline that ends an unfinished record of *minute*; empty if there is none."""
        return b"\n" if minute.entries.ends_damaged else b""

    def _note_append(self, minute: Minute, events: int, size: int, lsn: int, ending: bytes) -> None:
        """Note that *events*, in *size* bytes, of which *ending* comes first, are in the log at *lsn*."""
        assert isinstance(minute.file, LoggedFile), "that is what this store opens"
        minute.file.extend(size, lsn)
        if ending:
            self._state.extend(minute, EntryColumns.of_damage(len(ending)))
        self._flusher.note_growth(minute, events, size, is_repaired=bool(ending))

    def _open_file(self, name: str, stat: FileStat | None) -> LoggedFile:
        return LoggedFile(name, self.root_dir, self._log, self._disk, stat)

    def _recover(self, recovered: Recovered) -> None:
        """Show the unflushed events of an earlier process."""
        stat, tail = recovered
        name = tail.minute

        def read(offset: int, size: int) -> bytes:
            end = min(offset + size, tail.end)
            return read_tail(self._log.read, name, tail.extents(offset, end))

        entries = MinuteEntries.of(self._state.scanner.entries_of(name, read, tail.end, tail.start))
        with self._state.append_lock:
            minute = self._state.find_or_make(name)
            minute.file = LoggedFile(name, self.root_dir, self._log, self._disk, stat, tail)
            self._state.extend(minute, entries.columns(0, len(entries)))
            self._flusher.note_growth(minute, len(entries), entries.size)

    def _flush_recovered(self) -> None:
        if self._must_flush:
            try:
                self._flush_all()
            except EventStoreException as error:
                log.warning("serving the events of an earlier process from the log: %s", error)

    # Flushing

    def _tick(self) -> None:
        """Make everything durable, notice changes by other programs, and flush the minutes that are due.

        Raises:
            EventWriteException: if something may not be durable.
        """
        self._store_lock.check()
        # The fsync first: flushing may take long.
        failure = None
        try:
            self.sync()
        except EventWriteException as error:
            failure = error
        try:
            # Another program may have removed all of the hidden directory, which the log has made again then.
            self._store_lock.keep()
            self._declared.restore()
            self._views.restore()
            self._watcher.look()
            self._upkeep.keep()
        except EventStoreException as error:
            log.error("not checked for changes, will try again: %s", error)  # noqa: TRY400 - not a bug
        try:
            self._show_changed(self._flusher.flush_due())
        except EventStoreException as error:
            log.error("not flushed, will try again: %s", error)  # noqa: TRY400 - not a bug
        if failure is not None:
            raise failure

    def _tick_in_background(self) -> None:
        try:
            self._tick()
        except EventStoreException as error:
            # The next save tries to sync again first.
            log.error("not synced: %s", error)  # noqa: TRY400 - not a bug

    def _flush_all(self) -> None:
        """Flush everything.

        Raises:
            FileChanged: if other programs change a minute file each time that is tried.
            EventStoreException: if something could not be flushed for another reason.
        """
        for _ in range(_TRIES):
            # The tails of files that other programs changed are rebased, and flushed in the next round.
            changed = self._show_changed(self._flusher.flush())
            if not changed:
                self._must_flush = False
                return
        names = ", ".join(changed)
        raise FileChanged(
            f"other programs change {names} in {self.root_dir} all the time; try again"
        )

    def _show_changed(self, result: FlushResult) -> list[str]:
        """Show the changes by other programs that a flush with *result* met, and return the names of their files.

        Raises:
            EventStoreException: if that was not possible, or the flush has failed otherwise.
        """
        if result.changed:
            self._watcher.look(result.changed)
        if result.failure is not None:
            raise result.failure
        return result.changed

    def _flush_now(self) -> None:
        try:
            self._flush_all()
        except EventStoreException as error:
            log.error("not flushed, but in the log: %s", error)  # noqa: TRY400 - not a bug
            self._log.sync()

    def filter_texts(self) -> None:
        """Build the filters of texts that minutes lack."""
        self._state.lookup.filters.build_all()

    def _is_busy(self, minute: int) -> bool:
        return self._flusher.grows(minute) or self._flusher.is_busy(minute)

    def close(self) -> None:
        """See :meth:`EventStore.close`."""
        with self._state.append_lock:
            if self._closed:
                return
            self._closed = True
        if self._timer is not None:
            self._timer.cancel()
        self._watcher.stop()
        if self._timer is not None:
            self._timer.join()
        self._measurer.stop()
        is_complete = False
        try:
            self._store_lock.check()
            self._flush_all()
            self._log.empty()
            is_complete = not self._flusher.has_repaired
        except EventStoreException:
            if self._store_lock.is_held():  # else the log is another process's now
                self._log.sync()
            raise
        finally:
            self._watcher.close()
            self._state.close(is_complete=is_complete)
            try:
                self._log.close()
            finally:
                self._store_lock.close()

    def status(self) -> Mapping[str, int | str]:
        """See :meth:`EventStore.status`."""
        return {**super().status(), **self._flusher.status()}

    def _check_open(self) -> None:
        if self._closed:
            raise EventWriteException(f"the store {self.root_dir} is closed")
        self._store_lock.check()

    def delete(self, event_id: object) -> None:
        """See :meth:`EventStore.delete`; a minute file that is left empty is removed, too."""
        self._check_open()
        minutes = self._reader.minutes_of_id(event_id)
        if not any(self._deleter.delete(event_id, name) for name in minutes):
            raise EventNotFound(f"no event has the id {str(event_id)!r}")

    def remove_minute(self, name: str) -> None:
        """See :meth:`EventStore.remove_minute`."""
        self._check_open()
        [error] = self._remover.remove([name])
        if error is not None:
            raise error

    def remove_minutes(self, names: Iterable[str]) -> int:
        """See :meth:`EventStore.remove_minutes`."""
        self._check_open()
        errors = self._remover.remove(names)
        failed = [each for each in errors if each and not isinstance(each, MinuteNotFound)]
        if failed:
            raise failed[0]
        return errors.count(None)

    def remove_events(self, query: Query, minute: str) -> int:
        """See :meth:`EventStore.remove_events`; a minute file that is left empty is removed, too."""
        self._check_open()
        return self._deleter.remove(query, minute)

"""The flusher: it moves saved events from the log into the minute files."""

import logging
import time
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple

from store.answers.version import Minute
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine.state import State
from store.errors import EventStoreException, EventWriteException, FileChanged, StoreFull
from store.index.stamp import Stamp
from store.locks import new_lock
from store.minutes.logged_file import LoggedFile, PreparedFlush
from store.ticks import utc
from store.wal.log import WriteAheadLog

__all__ = ["FlushResult", "Flusher"]

log = logging.getLogger(__name__)

_RELAXED_SIZE = 64 << 10
"""Maximum size of a minute file that is rewritten in each flush interval, in bytes; larger ones are flushed less often, because
replacing a file costs its size."""

_QUIET_S = 60.0
"""A minute that has not grown for this long is flushed, however large it is."""

_PREPARED_MAX = 1000
"""Maximum number of new files that wait for one fsync of the directory; each takes disk space meanwhile."""

_MANY = 32
"""Minimum number of minutes that are flushed by several threads; for fewer, starting them costs more."""

_THREADS = 8
"""Number of threads that sync files at the same time: the file system combines their fsyncs, 1,000 files in 1.3 s instead of 4."""


class _Growth(NamedTuple):
    """The tail of a minute.

    Attributes:
        minute: the minute.
        first: the time of its first growth, in seconds of the monotonic clock.
        last: the time of its last growth.
        events: the number of events in the tail.
        size: its size in bytes.
    """

    minute: Minute
    first: float
    last: float
    events: int
    size: int


class FlushResult(NamedTuple):
    """The result of a flush, in which every minute was tried.

    Attributes:
        changed: the names of the minutes not flushed because other programs changed their files.
        failure: the reason why others were not flushed; None if all were.
    """

    changed: list[str]
    failure: EventStoreException | None


class Flusher:
    """Flushes minutes that have grown. Any number of threads may use it.

    Args:
        state: the state of the store.
        write_ahead_log: the log that holds the unflushed events.
        disk: the disk of the minute files.
        flush_interval_ms: milliseconds between flushes.

    Attributes:
        lock: held while minutes are flushed, or compared with files that other programs changed; the outermost lock.
    """

    def __init__(
        self,
        state: State,
        write_ahead_log: WriteAheadLog,
        disk: Disk,
        flush_interval_ms: float,
    ) -> None:
        self.lock = new_lock("flush")
        self._state = state
        self._log = write_ahead_log
        self._disk = disk
        self._interval_s = flush_interval_ms / 1000
        # Minutes with a tail, by id, and the sums over them; changed under the append lock.
        self._growths: dict[int, _Growth] = {}
        self._unflushed_events = self._unflushed_size = 0
        self._flushed = 0.0  # when minutes were flushed last, in seconds since the epoch
        # The ids of minutes whose files are being replaced; changed under the flush lock.
        self._busy: set[int] = set()
        # By name: sizes of minute files that are in place, but perhaps not durable.
        self._unsynced: dict[str, int] = {}
        # Whether the log may have tails, moved to other offsets, that are not durable there.
        self._has_moved = True
        # Minutes with a repaired tail: rescanned, they may have other entries.
        self._repaired: set[int] = set()

    def note_growth(
        self, minute: Minute, events: int, size: int, *, is_repaired: bool = False
    ) -> None:
        """Note that the tail of *minute* has grown; the caller holds the append lock.

        Args:
            minute: the minute.
            events: the number of events that were added.
            size: their size, in bytes.
            is_repaired: whether a newline that ends an unfinished record comes first.
        """
        now = time.monotonic()
        before = self._growths.get(minute.id)
        if before is None:
            growth = _Growth(minute, now, now, events, size)
        else:
            growth = _Growth(minute, before.first, now, before.events + events, before.size + size)
        self._growths[minute.id] = growth
        self._unflushed_events += events
        self._unflushed_size += size
        if is_repaired:
            self._repaired.add(minute.id)

    def note_moved(self) -> None:
        """Note that the log has a tail at another offset than before; the caller holds the flush lock.

        It is synced before the next flush: after a loss of power, the old offset could be the end of the new file.
        """
        self._has_moved = True

    def forget(self, minute: Minute) -> None:
        """Forget *minute*, which is not shown any more; the caller holds the append lock."""
        self._take(minute.id)

    def _take(self, minute: int) -> _Growth | None:
        growth = self._growths.pop(minute, None)
        if growth is not None:
            self._unflushed_events -= growth.events
            self._unflushed_size -= growth.size
        return growth

    def status(self) -> dict[str, int | str]:
        """Return what is not flushed yet, when minutes were flushed last, and the size of the log."""
        log_usage = self._log.usage()
        with self._state.append_lock:
            return {
                "unflushed_minutes": len(self._growths),
                "unflushed_events": self._unflushed_events,
                "unflushed_bytes": self._unflushed_size,
                "last_flush": utc(self._flushed) if self._flushed else "none yet",
                "log_bytes": log_usage.size,
                "log_kept_bytes": log_usage.kept_size,
                "log_window_s": int(log_usage.window_s),
            }

    def grows(self, minute: int) -> bool:
        """Return whether the minute with the id *minute* has a tail."""
        return minute in self._growths

    @property
    def has_repaired(self) -> bool:
        """Whether some minute has a repaired tail: rescanned, it may have other entries."""
        return bool(self._repaired)

    def is_busy(self, minute: int) -> bool:
        """Return whether the file of the minute with the id *minute* is being replaced."""
        return minute in self._busy

    def flush_due(self) -> FlushResult:
        """Flush the minutes that are due."""
        with self.lock:
            with self._state.append_lock:
                due = [each.minute for each in self._growths.values() if self._is_due(each)]
            self._log.rotate()
            result = self._flush(due)
        try:
            # What was kept for a while is removed also when nothing arrives any more.
            self._log.shrink()
        except EventWriteException as error:  # what was flushed is to be known all the same
            log.warning("will remove what is only kept again: %s", error)
        return result

    def flush(self) -> FlushResult:
        """Flush all minutes."""
        with self.lock:
            with self._state.append_lock:
                growing = [each.minute for each in self._growths.values()]
            return self._flush(growing)

    def flush_one(self, minute: int) -> None:
        """Flush the minute with the id *minute*; the caller holds the flush lock.

        Raises:
            EventStoreException: if that is not possible.
        """
        changed, failure = self.flush_some([minute])
        if failure is not None:
            raise failure
        if changed:
            raise FileChanged(
                f"{self._state.catalog.name(minute)} was changed by another program; try again"
            )

    def flush_some(self, minutes: Iterable[int]) -> FlushResult:
        """Flush those of *minutes*, by id, that have a tail; the caller holds the flush lock."""
        with self._state.append_lock:
            growths = [self._growths[each] for each in minutes if self.grows(each)]
        return self._flush([each.minute for each in growths])

    def is_unsynced(self, name: str) -> bool:
        """Return whether the file of the minute *name* may not be durable; the caller holds the flush lock."""
        return name in self._unsynced

    def _is_due(self, growth: _Growth) -> bool:
        now = time.monotonic()
        intervals = growth.minute.entries.size / _RELAXED_SIZE - 1
        return now - growth.first >= intervals * self._interval_s or now - growth.last >= _QUIET_S

    def _flush(self, minutes: list[Minute]) -> FlushResult:
        failure: EventStoreException | None = None
        changed: list[str] = []
        if minutes and self._has_moved:
            try:
                self._log.sync_notes()
            except EventWriteException as error:
                return FlushResult(changed, error)
            self._has_moved = False
        for first in range(0, max(len(minutes), 1), _PREPARED_MAX):
            try:
                self._flush_batch(minutes[first : first + _PREPARED_MAX], changed)
            except EventStoreException as error:
                failure = error
        return FlushResult(changed, failure)

    def _flush_batch(self, minutes: list[Minute], changed: list[str]) -> None:
        """Flush *minutes*; add the names of those that other programs changed to *changed*, also if this raises."""
        failure: EventStoreException | None = None
        committed: list[tuple[Minute, int]] = []
        with self._state.append_lock:
            self._busy.update(minute.id for minute in minutes)
        try:
            prepared: list[tuple[Minute, PreparedFlush]] = []
            unmarked = self._retry_marks()
            for minute, found in self._prepare_all(minutes, unmarked):
                if isinstance(found, FileChanged):
                    changed.append(minute.name)
                elif isinstance(found, EventStoreException):
                    failure = self._postpone(minute, found)
                elif found is not None:
                    prepared.append((minute, found))
            uncommitted: list[PreparedFlush] = []
            while prepared:
                try:
                    self._log.intend([each.intent for _, each in prepared])
                    break
                except EventWriteException as error:
                    # Without their intents, files that another program removes before their marks would come back.
                    failure = self._refuse(prepared[len(prepared) // 2 :], error)
                    # The others may have room for theirs now.
                    del prepared[len(prepared) // 2 :]
            for minute, each in prepared:
                try:
                    each.commit()
                    each.finish()
                    committed.append((minute, each.checksum))
                except FileChanged:
                    changed.append(minute.name)
                    uncommitted.append(each)
                except EventStoreException as error:
                    failure = self._postpone(minute, error)
                    uncommitted.append(each)
            self._discard(uncommitted)
            self._note_committed(committed)
            self._sync_directory()
        finally:
            self._busy.difference_update(minute.id for minute in minutes)
            self._save([minute for minute, _ in committed])
        if failure is not None:
            raise failure

    def _prepare_all(
        self, minutes: list[Minute], unmarked: frozenset[str]
    ) -> list[tuple[Minute, PreparedFlush | EventStoreException | None]]:
        """Return for each of *minutes* its new file, why there is none, or None if nothing is to be flushed.

        Args:
            minutes: the minutes.
            unmarked: the names of those that may not be flushed, because they lack their marks in the log.
        """

        def prepare(minute: Minute) -> PreparedFlush | EventStoreException | None:
            try:
                if minute.name in unmarked:
                    raise EventWriteException(f"{minute.name} was not marked in the log")
                # The entries cannot be loaded from the old file once it is replaced.
                minute.entries.load()
                file, checksum = self._file(minute), self._checksum(minute)
                try:
                    return file.prepare_flush(checksum)
                except StoreFull:
                    # Room for minutes is worth more than what the log only keeps.
                    if not self._log.shrink(is_full=True):
                        raise
                    return file.prepare_flush(checksum)
            except EventStoreException as error:
                return error

        if len(minutes) < _MANY:
            return [(each, prepare(each)) for each in minutes]
        with ThreadPoolExecutor(_THREADS) as threads:
            return list(zip(minutes, threads.map(prepare, minutes), strict=True))

    def _refuse(
        self, prepared: list[tuple[Minute, PreparedFlush]], error: EventStoreException
    ) -> EventStoreException:
        """Discard *prepared* files, which may not be put in place because of *error*, and postpone their minutes."""
        self._discard([each for _, each in prepared])
        for minute, _ in prepared:
            self._postpone(minute, error)
        return error

    def _retry_marks(self) -> frozenset[str]:
        """Write the flush marks that could not be written; returns the names of minutes that still lack theirs."""
        if self._log.unmarked:
            self._log.mark({})
        return self._log.unmarked

    def _discard(self, uncommitted: list[PreparedFlush]) -> None:
        """Discard new files that could not be put in place.

        Without a mark in the log, the next opening would take a file that is gone for one that was in place, and that
        another program removed. Until that mark can be written, the minute is not flushed.
        """
        if not uncommitted:
            return
        self._log.mark(dict.fromkeys([each.file.name for each in uncommitted], 0))
        unmarked = self._log.unmarked
        for each in uncommitted:
            if each.file.name in unmarked:
                each.empty()
            else:
                each.discard()

    def accept(self, minute: Minute, stat: FileStat, checksum: int) -> None:
        """Accept the file of *minute* as the result of a flush; the caller holds the flush lock.

        Args:
            minute: the minute.
            stat: the FileStat of its file.
            checksum: the CRC-32 of its file.
        """
        file = self._file(minute)
        file.accept(stat)
        file.flushed(stat.size)
        self._note_committed([(minute, checksum)])

    def _note_committed(self, committed: list[tuple[Minute, int]]) -> None:
        """Note that the files of the *committed* minutes were replaced by files with these CRC-32s."""
        stats = [(minute, checksum, self._file(minute).stat) for minute, checksum in committed]
        with self._state.append_lock, self._state.lock:
            for minute, checksum, stat in stats:
                assert stat is not None, "it was just written"
                self._state.set_stamp(minute.id, Stamp.exactly(stat), checksum)
                self._unsynced[minute.name] = stat.size
                growth = self._take(minute.id)
                size = minute.entries.size - stat.size
                if growth is not None and size > 0:
                    events = len(minute.entries) - minute.entries.position_at(stat.size)
                    self._growths[minute.id] = _Growth(
                        minute, growth.last, growth.last, events, size
                    )
                    self._unflushed_events += events
                    self._unflushed_size += size
            if committed:
                self._flushed = time.time()

    def _sync_directory(self) -> None:
        """Make all replaced files durable, and release their records in the log."""
        if self._unsynced:
            self._disk.sync_directory(self._state.root_dir)
            self._log.release(self._unsynced)
            self._unsynced.clear()

    def _save(self, minutes: list[Minute]) -> None:
        # A file with a repaired tail, whose row is deleted, is scanned again at the next opening.
        self._state.save([each for each in minutes if each.id not in self._repaired])

    def _postpone(self, minute: Minute, error: EventStoreException) -> EventStoreException:
        """Postpone *minute* as if it had just been flushed, because the attempt may have cost as much."""
        now = time.monotonic()
        with self._state.append_lock:
            growth = self._growths.get(minute.id)
            if growth is not None:
                self._growths[minute.id] = growth._replace(first=now, last=now)
        return error

    def _checksum(self, minute: Minute) -> int:
        """Return the CRC-32 of the stored bytes of *minute*, without those that another program added."""
        file = self._file(minute)
        if file.stat is not None and file.stat.size != file.stored_size:
            with self._disk.open_to_read(f"{self._state.root_dir}/{minute.name}") as opened:
                return opened.checksum(file.stored_size)
        with self._state.lock:
            return self._state.catalog.checksum(minute.id)

    @staticmethod
    def _file(minute: Minute) -> LoggedFile:
        assert isinstance(minute.file, LoggedFile), "that is what a writing store opens"
        return minute.file

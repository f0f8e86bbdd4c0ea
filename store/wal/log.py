"""The write-ahead log: everything that was saved and is not in its minute file yet, and what was until recently.

It is a directory of segments (see :mod:`store.wal.segment`). A record in it has an LSN, by which it can be
read until its segment is removed: the number of bytes of records before it.
"""

import contextlib
import itertools
import logging
import threading
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType

from store.disk.disk import Disk
from store.errors import EventWriteException, StoreFull
from store.locks import new_lock
from store.wal.log_directory import LogDirectory
from store.wal.log_reader import LogReader
from store.wal.log_segment import LogSegment
from store.wal.lost_segments import write_lost_again
from store.wal.segment import FirstLine, LogRecord
from store.wal.segment_list import LogUsage, SegmentList
from store.wal.shrinking import shrink
from store.wal.unsynced import UnsyncedRecords

__all__ = ["WriteAheadLog"]

log = logging.getLogger(__name__)

_UNSYNCED_SIZE_MAX = 16 << 20
"""Most unsynced bytes kept for a rewrite after a failed fsync; writers block beyond it."""

_SYNC_IN_BACKGROUND_SIZE = 4 << 20
"""Start a background fsync at this many unsynced bytes, so that writers rarely block."""

_SEGMENT_SIZE_MAX = 8 << 20
"""Begin a new segment at this size in bytes, so that old ones can be removed."""

_SEGMENTS_KEPT = 10
"""About how many segments the time is divided into for which they are kept."""

_BATCH_LENGTH = 500
"""Minutes released or reset under the lock at once, so that writers do not wait for the others."""


class WriteAheadLog:
    """A log that is written. Any number of threads may use it.

    Args:
        disk: the disk it is on.
        directory: its directory.
        last_number: the highest number a segment in it ever had; 0 when there was none.
        root_inode: the inode number of the store's directory.
        keep_s: how long segments are kept, in seconds, after all of their records were flushed.
        keep_size: how many bytes of such segments are kept at most.
        segments: those that are in the directory, durable.
    """

    def __init__(
        self,
        disk: Disk,
        directory: str,
        last_number: int,
        root_inode: int,
        keep_s: float = 600,
        keep_size: int = 1 << 30,
        segments: Sequence[LogSegment] = (),
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._last_number = last_number
        self._names = LogDirectory(disk, directory)
        self._root_inode = root_inode
        self._boot_id = disk.boot_id()
        self._rotate_s = keep_s / _SEGMENTS_KEPT
        self._segments = SegmentList(disk, keep_s, keep_size, segments, self._names)
        self._end = segments[-1].end if segments else 0  # the LSN of the next record
        # Everything before this LSN is durable. Later appends stay in `_unsynced`.
        self._synced = self._end
        self._unsynced = UnsyncedRecords()
        self._must_rewrite = False  # the unsynced records, to a new segment, before anything else
        self._failures = 0
        # The last segment of an earlier process: until all of those are known to be flushed, and for good, as they may be unsynced.
        self._left_number = self._opened_number = last_number if segments else 0
        # The last number of a flushed segment, as the first line of the last one says.
        self._flushed = self._last_number if not segments else 0
        self._marked = 0  # the LSN after the last flush mark
        self._unmarked: dict[str, int] = {}  # the sizes of flush marks that could not be written
        self._sync_lock = new_lock("log-sync")
        self._lock = new_lock("log")
        self._reader = LogReader(disk, directory, self._segments, self._lock)
        self._syncing = threading.Thread()  # the last background sync

    def append(self, records: list[LogRecord]) -> list[int]:
        """Append *records*, all of them or none, and return the LSN of each.

        Raises:
            StoreFull: if there is no room.
            EventWriteException: if anything else fails.
        """
        encoded = [record.encode() for record in records]
        with self._lock:
            return self._append(records, encoded)

    def note(self, records: list[LogRecord]) -> list[int]:
        """Append *records* that the next opening can do without, because of the minute files, and return the LSN of each.

        Without room, they wait for it in memory, and everything that is appended later waits for them.

        Raises:
            StoreFull: if too many wait.
            EventWriteException: if anything else fails.
        """
        encoded = [record.encode() for record in records]
        with self._lock:
            return self._note(records, encoded)

    def _note(self, records: list[LogRecord], encoded: list[tuple[bytes, bytes]]) -> list[int]:
        try:
            return self._append(records, encoded)
        except StoreFull as error:
            waiting = self._segments.waiting
            if waiting is None:
                log.warning("noted in memory until there is room: %s", error)
                self._last_number += 1
                waiting = self._segments.wait(self._last_number, self._end)
            elif waiting.size > _UNSYNCED_SIZE_MAX:
                raise
            waiting.append(list(itertools.chain.from_iterable(encoded)))
            return self._count(waiting, records, encoded)

    def _append(self, records: list[LogRecord], encoded: list[tuple[bytes, bytes]]) -> list[int]:
        pieces = list(itertools.chain.from_iterable(encoded))
        try:
            segment = self._write(pieces)
        except StoreFull:
            # Room for new records is worth more than released ones that are only kept.
            if not self._segments.remove_released(self._synced, self._end, is_full=True):
                raise
            segment = self._write(pieces)
        return self._count(segment, records, encoded)

    def _count(
        self, segment: LogSegment, records: list[LogRecord], encoded: list[tuple[bytes, bytes]]
    ) -> list[int]:
        """Count *records*, which were appended to *segment* as *encoded*; return their LSNs."""
        sizes = [len(line) + len(data) for line, data in encoded]
        lsns = list(itertools.accumulate(sizes, initial=self._end))
        segment.size += lsns[-1] - self._end
        self._end = lsns.pop()
        self._unsynced.add(self._end, encoded)
        for record in records:
            if record.data:
                segment.ends[record.minute] = record.end
        self._segments.end_current(_SEGMENT_SIZE_MAX)
        return lsns

    def _write(self, pieces: list[bytes]) -> LogSegment:
        segment = self._segments.current or self._begin()
        try:
            segment.append(pieces)
        except EventWriteException:
            self._segments.current = None
            raise
        return segment

    def limit_unsynced(self) -> None:
        """Sync if the records that wait for it in memory become too many.

        Raises:
            EventWriteException: if there were too many, and the sync failed.
        """
        unsynced_size = self._end - self._synced
        if unsynced_size > _UNSYNCED_SIZE_MAX:
            self.sync()
        elif unsynced_size > _SYNC_IN_BACKGROUND_SIZE:
            with self._lock:
                if not self._syncing.is_alive():
                    self._syncing = threading.Thread(target=self._sync_in_background)
                    self._syncing.start()

    def read(self, starts: list[int], stops: list[int]) -> Iterator[bytes | memoryview]:
        """Read parts of the log; see :meth:`LogReader.read`."""
        return self._reader.read(starts, stops)

    def sync(self) -> None:
        """Make everything that was appended so far durable, but for notes that still wait for room.

        One fsync serves all callers that wait for it. When it fails, all of them get the error, and the unsynced
        records are rewritten to a new segment, for the state of a file after a failed fsync is unknown
        (https://wiki.postgresql.org/wiki/Fsync_Errors).

        Raises:
            EventWriteException: if it failed.
        """
        with self._lock:
            with contextlib.suppress(StoreFull):
                self._write_waiting()
            target, failures = self._segments.written(self._end), self._failures
        with self._sync_lock:
            if failures != self._failures:
                raise EventWriteException(f"{self._directory} could not be synced meanwhile")
            if self._synced < target:
                self._sync()
            else:
                write_lost_again(self._segments, self._names, self._lock)

    def sync_notes(self) -> None:
        """Make everything durable, notes that wait for room included; see :meth:`sync`.

        Raises:
            StoreFull: if there is no room for them.
            EventWriteException: if anything else fails.
        """
        with self._lock:
            self._write_waiting()
        self.sync()

    def sync_earlier(self) -> None:
        """Fsync what earlier processes appended: their flush marks, unless an fsync of theirs has failed.

        Raises:
            EventWriteException: if that failed.
        """
        with self._lock:
            earlier = [each for each in self._segments if each.number <= self._opened_number]
        self._names.sync_files(earlier)

    def note_unsynced_directory(self) -> None:
        """Remove no segment before the directory was synced: segments that were removed earlier may come back."""
        self._synced = -1
        self._names.note_unsynced()

    def rotate(self) -> None:
        """Begin a new segment with the next record, if the current one is old enough to be removed on time."""
        with self._lock:
            self._segments.rotate(self._rotate_s)

    def release(self, stored_sizes: Mapping[str, int]) -> None:
        """Note that minute files are flushed, durably, and remove segments that are not needed any more.

        Args:
            stored_sizes: how many bytes of each minute are in its file.

        Raises:
            EventWriteException: see :func:`store.wal.shrinking.shrink`.
        """
        self.mark(stored_sizes)
        self.shrink()
        with self._sync_lock, self._lock, contextlib.suppress(StoreFull):
            if self._segments.unread_size(self._flushed) >= _SEGMENT_SIZE_MAX // 2:
                self._begin()  # its first line says so, and the next opening need not read them

    def shrink(self, *, is_full: bool = False) -> bool:
        """See :func:`store.wal.shrinking.shrink`."""
        parts = self._segments, self._names, self._lock
        with self._sync_lock:
            return shrink(*parts, lambda: (self._synced, self._end), is_full=is_full)

    def intend(self, intents: Sequence[LogRecord]) -> None:
        """Append *intents* to put files in place, before that is done; a flush mark for each has to follow, also if this fails.

        Raises:
            EventWriteException: if that failed.
        """
        for start in range(0, len(intents), _BATCH_LENGTH):
            self.append(list(intents[start : start + _BATCH_LENGTH]))

    def mark(self, stored_sizes: Mapping[str, int]) -> None:
        """Append flush marks; those that cannot be written are logged, and written with the next ones.

        Args:
            stored_sizes: how many bytes of each minute are in its file, durably; 0 only ends its intents.
        """
        sizes = [*self._unmarked.items(), *stored_sizes.items()]
        for start in range(0, len(sizes), _BATCH_LENGTH):
            batch = sizes[start : start + _BATCH_LENGTH]
            marks = [LogRecord(minute, size, b"", is_mark=True) for minute, size in batch]
            encoded = [mark.encode() for mark in marks]
            with self._lock:
                for segment in self._segments:
                    segment.note_flushed(batch)
                left = (each for each in self._segments if each.number <= self._left_number)
                if self._left_number and all(each.is_flushed() for each in left):
                    # What an earlier process could not sync is void from the next segment on, whatever a loss of power
                    # leaves of it: with these marks, but without a reset, it could not be compared with the files.
                    self._left_number, self._segments.current = 0, None
                self._mark(marks, encoded)

    def _mark(self, marks: list[LogRecord], encoded: list[tuple[bytes, bytes]]) -> None:
        for minute, *_ in marks:
            self._unmarked.pop(minute, None)
        if not self._segments:
            return
        try:
            self._append(marks, encoded)
            self._marked = self._end
        except EventWriteException as error:
            # Until then, the next opening compares the records with the files.
            for minute, size, *_ in marks:
                self._unmarked[minute] = max(size, self._unmarked.get(minute, 0))
            log.warning("not marked as flushed, will try again: %s", error)

    def sync_marks(self) -> bool:
        """Make the flush marks of this process durable, and return whether those of earlier ones are; see :meth:`sync`."""
        if self._synced < self._marked:
            self.sync()
        with self._lock:
            return not self._segments or self._segments[0].number > self._opened_number

    @property
    def unmarked(self) -> frozenset[str]:
        """The names of minutes the flush marks of which could not be written."""
        with self._lock:
            return frozenset(self._unmarked)

    def reset(
        self, tails: Mapping[str, bytes], offsets: Mapping[str, int] = MappingProxyType({})
    ) -> dict[str, int]:
        """Make the records of minutes void whose files were removed or changed, and begin them again.

        It does not sync: until the next sync a loss of power may leave the old records. It needs no room; see :meth:`note`.

        Args:
            tails: for each minute the data it has instead, in one record.
            offsets: where in its file that is, in bytes; 0 by default.

        Returns:
            For each minute the LSN of that data.

        Raises:
            EventWriteException: if that failed; it may be done for some of the minutes then.
        """
        found: dict[str, int] = {}
        items = list(tails.items())
        for start in range(0, len(items), _BATCH_LENGTH):
            batch = items[start : start + _BATCH_LENGTH]
            records = [
                LogRecord(minute, offsets.get(minute, 0), data, resets=True)
                for minute, data in batch
            ]
            encoded = [record.encode() for record in records]
            with self._lock:
                if not self._segments and not any(tails.values()):
                    return dict.fromkeys(tails, self._end)
                lsns = self._note(records, encoded)
                for minute, data in batch:
                    self._unmarked.pop(minute, None)
                    for segment in self._segments:
                        if not data or segment is not self._segments[-1]:
                            segment.ends.pop(minute, None)
            found |= zip((minute for minute, _ in batch), lsns, strict=True)
        return found

    def usage(self) -> LogUsage:
        """Return how large the log is, and how far back it reaches."""
        with self._lock:
            return self._segments.usage()

    def empty(self) -> None:
        """Remove everything for good; all of it must be in the minute files.

        Raises:
            EventWriteException: if something is not flushed, or that failed; some of it may still be there.
        """
        with self._sync_lock:
            with self._lock:
                if not self._segments:
                    return
                if any(each.ends for each in self._segments):
                    raise EventWriteException(f"{self._directory} has records that are not flushed")
                self._unsynced.clear()
                self._synced, self._must_rewrite = self._end, False
                self._unmarked.clear()
                for segment in self._segments:
                    segment.is_pinned = False
                last = self._begin()
                self._segments.current = None
            # A loss of power may bring back any of the segments that are removed at once. So one of which that is known
            # to be removed last says that all before it are flushed.
            assert last.file is not None, "it was just begun"
            last.file.sync()
            self._disk.sync_directory(self._directory)
            with self._lock:
                while len(self._segments) > 1:
                    self._segments.remove_first()
            self._disk.sync_directory(self._directory)
            with self._lock:
                self._segments.remove_first()
            self._disk.sync_directory(self._directory)

    def close(self) -> None:
        """Close the files. The records that are still there are found when the log is opened again."""
        if self._syncing.is_alive():
            self._syncing.join()
        with self._sync_lock, self._lock:
            self._segments.close()

    def _begin(self) -> LogSegment:
        """Begin a segment with the records that have to be rewritten, or wait for room; the caller holds the lock."""
        carried = self._unsynced.after(
            -1 if self._must_rewrite else self._segments.written(self._end)
        )
        first = self._end - sum(map(len, carried))
        self._last_number += 1
        flushed = max((each.number for each in self._segments.flushed()), default=0)
        before, before_end = self._segments.find_before(first)
        line = FirstLine(before, before_end, self._root_inode, self._boot_id, flushed)
        begun = self._names.create(self._last_number, first, line, carried)
        self._flushed = flushed
        self._segments.begin(begun)
        self._must_rewrite = False
        return begun

    def _write_waiting(self) -> None:
        """Write the records that wait for room to a new segment, if there are any; the caller holds the lock."""
        if self._segments.waiting is not None:
            self._begin()

    def _sync(self) -> None:
        with self._lock:
            if self._must_rewrite:
                self._begin()
            end = self._segments.written(self._end)
            unsynced = [each for each in self._segments if each.size and each.end > self._synced]
            files = [each.file for each in unsynced if each.file is not None]
        try:
            for file in files:
                file.sync()
            # Not before that: it takes long, and a file may be removed meanwhile.
            write_lost_again(self._segments, self._names, self._lock)
        except EventWriteException:
            with self._lock:
                self._failures += 1
                self._must_rewrite = True
                self._segments.current = None
                self._begin()
            raise
        with self._lock:
            self._synced = max(self._synced, end)
            self._unsynced.forget(self._synced)
            for segment in self._segments:
                if segment is not self._segments.current and segment.end <= self._synced:
                    segment.seal()

    def _sync_in_background(self) -> None:
        try:
            self.sync()
        except EventWriteException as error:
            log.error("not synced: %s", error)  # noqa: TRY400 - an error of the disk, not of this program

"""The journal: everything that was saved and is not in its minute file yet.

It is a directory of segments (see :mod:`store.segments`). Records in it have *addresses*, by which they can
be read until they are let go of: the numbers of bytes of records before them.
"""

import bisect
import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import Iterator

from store.disk.disk import Disk
from store.disk.file import WritableFile
from store.errors import EventReadException, EventWriteException
from store.wal.segment import Record, first_line, read_records, segment_path

__all__ = ["Journal"]

log = logging.getLogger(__name__)

_TEMPORARY = ".tmp"
_UNSYNCED_SIZE_MAX = 16 << 20
"""How much may wait for a sync in memory, in bytes, lest the sync fails and it has to be written again."""

_SYNCED_BESIDE_SIZE = 4 << 20
"""When so much waits, it is synced beside what goes on, so that hardly anybody ever waits for it to become less."""

_SEGMENT_SIZE_MAX = 8 << 20
"""A segment of so many bytes is the last to be appended to, so that it can be let go of some time."""


class _OpenSegment:
    """A segment of this process.

    Attributes:
        number: its number.
        path: where it is.
        first: the address of its first record.
        start: where that starts in the file, in bytes.
        size: how many bytes of records it has.
        ends: for each minute with records in it that are not in their file yet, where the last one ends there.
        file: to append to it, and to sync it.
    """

    def __init__(self, number: int, path: str, first: int, start: int, file: WritableFile) -> None:
        self.number = number
        self.path = path
        self.first = first
        self.start = start
        self.size = 0
        self.ends: dict[str, int] = {}
        self.file = file

    @property
    def end(self) -> int:
        """The address behind its last record."""
        return self.first + self.size


class Journal:
    """A journal that is written. Any number of threads may use it.

    Args:
        disk: where.
        directory: its directory; there must be nothing in it that counts.
        last_number: the highest number a segment in it ever had; 0 when there was none.
    """

    def __init__(self, disk: Disk, directory: str, last_number: int) -> None:
        self._disk = disk
        self._directory = directory
        self._last_number = last_number
        self._listed_number = last_number  # the last whose name survives a loss of power
        self._segments: list[_OpenSegment] = []  # by address
        self._current: _OpenSegment | None = None  # the one to append to
        self._end = 0  # the address of the next record
        # Everything before this address survives a loss of power, or is not needed any more. What comes
        # behind is kept, what was appended at once with the address it ends at, until it is so too.
        self._synced = 0
        self._unsynced: deque[tuple[int, list[bytes]]] = deque()
        self._must_rewrite = False  # what is not synced, to a new segment, before anything else
        self._failures = 0
        # The first is for syncing and removing segments; the second for looking and appending. Whoever takes
        # both takes them in this order.
        self._sync_lock = threading.Lock()
        self._lock = threading.Lock()
        self._syncing = threading.Thread()  # the last that synced beside

    def append(self, records: list[Record]) -> list[int]:
        """Append records: all of them or, when that fails, none.

        Returns:
            The address of each.

        Raises:
            StoreFull: if there is no room.
            EventWriteException: if anything else fails.
        """
        encoded = [record.encode() for record in records]
        sizes = [len(line) + len(data) for line, data in encoded]
        pieces = list(itertools.chain.from_iterable(encoded))
        with self._lock:
            segment = self._current or self._begin()
            try:
                segment.file.write(*pieces)
            except EventWriteException:
                # Some of it may be there. If it cannot be cut off, the next segment says that it does not count.
                self._current = None
                with contextlib.suppress(EventWriteException):
                    segment.file.truncate(segment.start + segment.size)
                raise
            addresses = list(itertools.accumulate(sizes, initial=self._end))
            segment.size += addresses[-1] - self._end
            self._end = addresses.pop()
            self._unsynced.append((self._end, pieces))
            for record in records:
                if record.data:
                    segment.ends[record.minute] = record.offset + len(record.data)
            if segment.size >= _SEGMENT_SIZE_MAX:
                self._current = None
        return addresses

    def limit_unsynced(self) -> None:
        """See to it that not too much of what was appended waits in memory for a sync.

        Raises:
            EventWriteException: if there was too much, and the sync failed.
        """
        unsynced_size = self._end - self._synced
        if unsynced_size > _UNSYNCED_SIZE_MAX:
            self.sync()
        elif unsynced_size > _SYNCED_BESIDE_SIZE:
            with self._lock:
                if not self._syncing.is_alive():
                    self._syncing = threading.Thread(target=self._sync_beside)
                    self._syncing.start()

    def records(self, address: int) -> Iterator[Record]:
        """Read the records from an address on that are still there.

        Raises:
            EventReadException: if they cannot be read.
        """
        while True:
            with self._lock:
                index = bisect.bisect_right(self._segments, address, key=_end)
                if index == len(self._segments):
                    return
                segment = self._segments[index]
                start = segment.start + max(address - segment.first, 0)
                end = segment.start + segment.size
                address = segment.end
                # What is opened can be read, also when it is let go of meanwhile.
                file = self._disk.open_to_read(segment.path)
            with file:
                for found in read_records(file.read, start, end):
                    if found.record is None:
                        raise EventReadException(f"{segment.path}: damaged at byte {found.start}")
                    yield found.record

    def sync(self) -> None:
        """Make everything that was appended so far survive a loss of power.

        One sync of the disk serves all who wait for it. When it fails, all who waited hear of it, and what it
        was to save is written again to a new segment, for what a failed sync leaves of a file is unknown
        (https://wiki.postgresql.org/wiki/Fsync_Errors).

        Raises:
            EventWriteException: if it failed.
        """
        with self._lock:
            target, failures = self._end, self._failures
        with self._sync_lock:
            if failures != self._failures:
                raise EventWriteException(f"{self._directory} could not be synced meanwhile")
            if self._synced < target:
                self._sync()

    def rotate(self) -> None:
        """Begin a new segment with the next record, so that those before can be let go of."""
        with self._lock:
            self._current = None

    def let_go(self, minute: str, stored_size: int) -> None:
        """Remove what nobody needs now that so many bytes of a minute are in its file for good.

        Raises:
            EventWriteException: if a segment could not be removed; it does no harm, and is tried again.
        """
        with self._sync_lock:
            with self._lock:
                for segment in self._segments:
                    if segment.ends.get(minute, stored_size + 1) <= stored_size:
                        del segment.ends[minute]
            self._remove_unneeded()

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to be replayed, nor anything that was."""
        with self._lock:
            return not self._segments

    def begin_anew(self, minute: str, data: bytes) -> int:
        """Note that the file of a minute was removed, and begins anew with this data.

        Returns:
            The address of the data.

        Raises:
            EventWriteException: if that failed; nothing has changed then.
        """
        with self._sync_lock:
            self.rotate()
            # In one record, so that a crash leaves all of it or nothing.
            [address] = self.append([Record(minute, 0, data, begins_anew=True)])
            # What was there before may have been synced; it goes only when this is, too.
            self._sync()
            with self._lock:
                for segment in self._segments:
                    if segment.end <= address:
                        segment.ends.pop(minute, None)
            # Segments that cannot be removed now do no harm, and are tried again.
            with contextlib.suppress(EventWriteException):
                self._remove_unneeded()
        return address

    def empty(self) -> None:
        """Remove everything for good; all of it must be in the minute files.

        Raises:
            EventWriteException: if that failed; some of it may still be there.
        """
        with self._sync_lock:
            self.rotate()
            self._remove_unneeded()
            assert not self._segments, "only what is in the minute files can be removed"
            self._disk.sync_directory(self._directory)

    def close(self) -> None:
        """Close the files. What is still there is replayed when the store is opened again."""
        if self._syncing.is_alive():
            self._syncing.join()
        with self._sync_lock, self._lock:
            self._current = None
            for segment in self._segments:
                segment.file.close()
            self._segments.clear()

    def _begin(self) -> _OpenSegment:
        """Begin a segment, in front of it what has to be written again; the caller holds the lock."""
        unsynced = self._unsynced if self._must_rewrite else ()
        carried = [piece for _, pieces in unsynced for piece in pieces]
        carried_size = sum(map(len, carried))
        first = self._end - carried_size
        kept = [each for each in self._segments if each.first < first]
        before = kept[-1] if kept else None
        before_end = before.start + min(before.end, first) - before.first if before else 0
        self._last_number += 1
        path = segment_path(self._directory, self._last_number)
        line = first_line(before.number if before else 0, before_end)
        # It gets its name when its first line, and what it carries, are in it.
        file = self._disk.create(path + _TEMPORARY)
        try:
            file.write(line, *carried)
            self._disk.rename(path + _TEMPORARY, path)
        except EventWriteException:
            file.close()
            with contextlib.suppress(EventWriteException):
                self._disk.remove(path + _TEMPORARY)
            raise
        begun = _OpenSegment(self._last_number, path, first, len(line), file)
        begun.size = carried_size
        for segment in self._segments:
            if segment.end > first:
                # What it has from there on is in the new one now.
                begun.ends |= segment.ends
                segment.size = max(first - segment.first, 0)
            if not segment.size:
                # Whatever is left of it on the disk does not count, as the new one says.
                with contextlib.suppress(EventWriteException):
                    segment.file.close()
                    self._disk.remove(segment.path)
        self._segments = [*(each for each in self._segments if each.size), begun]
        self._must_rewrite = False
        self._current = begun
        return begun

    def _sync(self) -> None:
        with self._lock:
            if self._must_rewrite:
                self._begin()
            end, number, listed = self._end, self._last_number, self._listed_number
            waiting = [each for each in self._segments if each.size and each.end > self._synced]
        try:
            for segment in waiting:
                segment.file.sync()
            if listed < number:
                self._disk.sync_directory(self._directory)
        except EventWriteException:
            with self._lock:
                self._failures += 1
                self._must_rewrite = True
                self._current = None
                self._begin()
            raise
        self._listed_number = number
        with self._lock:
            self._note_synced(end)
            for segment in self._segments:
                if segment is not self._current and segment.end <= self._synced:
                    segment.file.close()

    def _sync_beside(self) -> None:
        try:
            self.sync()
        except EventWriteException as error:
            # It is written again before anything else, and synced with that.
            log.error("not synced: %s", error)  # noqa: TRY400 - nobody's bug

    def _note_synced(self, address: int) -> None:
        self._synced = max(self._synced, address)
        while self._unsynced and self._unsynced[0][0] <= self._synced:
            self._unsynced.popleft()

    def _remove_unneeded(self) -> None:
        """Remove the segments up to the first that is needed; the caller may sync."""
        while True:
            with self._lock:
                segment = self._segments[0] if self._segments else None
                if segment is None or segment.ends or segment is self._current:
                    return
                # The oldest first, for each says what counts of the one before it.
                self._disk.remove(segment.path)
                del self._segments[0]
                self._note_synced(segment.end)
            segment.file.close()


def _end(segment: _OpenSegment) -> int:
    return segment.end

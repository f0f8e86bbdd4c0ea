"""The journal: everything that was saved and is not in its minute file yet.

It is a directory of *segments*, files that are only appended to, numbered in the order they were begun. A
segment is text::

    theiafs-journal 1 after <number> <size>
    <crc32> <minute> <offset> <size>
    <data>...

The first line tells what came before: the segment of that number counts up to that size in bytes, and what
lies beyond, in it or in segments between that one and this one, does not. That is how a write that failed,
or a segment that could not be synced, is taken back.

A record says that in the minute file of that name, at that offset in bytes, there is to be that data. So
the file itself tells what of the journal it holds already: that is what makes a replay exact, however often
it is done. The checksum (CRC-32, hexadecimal) is over the rest of the line and the data.

Records have *addresses*, by which they can be read until they are let go of: the numbers of bytes of
records before them.
"""

import bisect
import contextlib
import itertools
import os
import re
import threading
import zlib
from collections import deque
from collections.abc import Callable, Iterator
from typing import NamedTuple

from store.disk import Disk, WritableFile
from store.errors import EventReadException, EventWriteException

__all__ = ["Journal", "Record", "Segment", "list_segments", "read_records"]

_TEMPORARY = ".tmp"
_READ_SIZE = 256 << 10
_UNSYNCED_SIZE_MAX = 4 << 20
"""How much may wait for a sync in memory, in bytes, lest the sync fails and it has to be written again."""

_NUMBER_OF_NAME = re.compile(r"[0-9]{12}")
_FIRST_LINE = re.compile(rb"theiafs-journal 1 after (\d{1,19}) (\d{1,19})\n")
_RECORD_LINE = re.compile(rb"([0-9a-f]{8}) (\d{1,253}-\d{1,253}) (\d{1,19}) (\d{1,19})\n")
_LINE_SIZE_MAX = 320


class Record(NamedTuple):
    """What is to be in a minute file.

    Attributes:
        minute: the name of the file.
        offset: where in it, in bytes.
        data: what.
    """

    minute: str
    offset: int
    data: bytes

    def encode(self) -> bytes:
        """Lay it out as in a segment."""
        rest = b"%s %d %d\n" % (self.minute.encode(), self.offset, len(self.data))
        return b"%08x %s%s" % (zlib.crc32(self.data, zlib.crc32(rest)), rest, self.data)


class Segment(NamedTuple):
    """A segment that an earlier process left.

    Attributes:
        number: its number.
        path: where it is.
        start: where its records start, in bytes.
        end: where they end at the latest: the end of the file, or where a later segment cut it off.
    """

    number: int
    path: str
    start: int
    end: int


def read_records(
    read: Callable[[int, int], bytes], start: int, end: int
) -> Iterator[tuple[int, Record]]:
    """Read records one after the other, up to the first that is not whole.

    Args:
        read: returns up to so many bytes from an offset of the segment: ``read(offset, size)``.
        start: where the first begins, in bytes.
        end: where to stop, in bytes.

    Yields:
        Each record, and where in the segment it ends.
    """
    position = base = start  # base is where the buffer starts
    buffer = b""
    while position < end:
        line = _RECORD_LINE.match(buffer, position - base)
        size = int(line[4]) if line else 0
        record_end = base + line.end() + size if line else position + _LINE_SIZE_MAX
        if line is not None and record_end > end:
            return
        if base + len(buffer) < min(record_end, end):
            buffer = buffer[position - base :]
            base = position
            missing = record_end - base - len(buffer)
            more = read(base + len(buffer), min(max(missing, _READ_SIZE), end - base - len(buffer)))
            if not more:
                return
            buffer += more
            continue
        if line is None:
            return
        data = buffer[line.end() : record_end - base]
        if zlib.crc32(data, zlib.crc32(line[0][9:])) != int(line[1], 16):
            return
        position = record_end
        yield position, Record(line[2].decode(), int(line[3]), data)


def list_segments(disk: Disk, directory: str) -> list[Segment]:
    """Find the segments in a directory, in order; those that a later one took back are empty.

    Raises:
        EventReadException: if they cannot be read.
    """
    found: list[Segment] = []
    files = disk.list_files(directory) if disk.exists(directory) else []
    numbers = sorted(int(file.name) for file in files if _NUMBER_OF_NAME.fullmatch(file.name))
    for number in numbers:
        path = _path(directory, number)
        with disk.open_to_read(path) as file:
            size = file.size()
            line = _FIRST_LINE.match(file.read(0, min(size, _LINE_SIZE_MAX)))
        if line is None:  # it was not written to its first line's end when the power went
            found.append(Segment(number, path, size, size))
            continue
        last_number, last_end = int(line[1]), int(line[2])
        for index, earlier in enumerate(found):
            if earlier.number >= last_number:
                end = last_end if earlier.number == last_number else earlier.start
                found[index] = earlier._replace(end=max(min(earlier.end, end), earlier.start))
        found.append(Segment(number, path, line.end(), size))
    return found


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
        # behind is kept, each piece with the address it ends at, until it is so too.
        self._synced = 0
        self._unsynced: deque[tuple[int, bytes]] = deque()
        self._must_rewrite = False  # what is not synced, to a new segment, before anything else
        self._failures = 0
        # The first is for syncing and removing segments; the second for looking and appending. Whoever takes
        # both takes them in this order.
        self._sync_lock = threading.Lock()
        self._lock = threading.Lock()

    def append(self, records: list[Record]) -> list[int]:
        """Append records: all of them or, when that fails, none.

        Returns:
            The address of each.

        Raises:
            StoreFull: if there is no room.
            EventWriteException: if anything else fails.
        """
        pieces = [record.encode() for record in records]
        block = b"".join(pieces)
        with self._lock:
            segment = self._current or self._begin()
            try:
                segment.file.write(block)
            except EventWriteException:
                # Some of it may be there; the next segment will say that it does not count.
                self._current = None
                raise
            addresses = list(itertools.accumulate(map(len, pieces), initial=self._end))
            self._end = addresses.pop()
            segment.size += len(block)
            self._unsynced.append((self._end, block))
            for record in records:
                segment.ends[record.minute] = record.offset + len(record.data)
        return addresses

    def limit_unsynced(self) -> None:
        """Sync if so much was appended that it should not wait in memory any longer.

        Raises:
            EventWriteException: if the sync failed.
        """
        if self._end - self._synced > _UNSYNCED_SIZE_MAX:
            self.sync()

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
            position = start
            with self._disk.open_to_read(segment.path) as file:
                for position, record in read_records(file.read, start, end):  # noqa: B007
                    yield record
            if position != end:
                raise EventReadException(f"{segment.path}: damaged at byte {position}")

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
        with self._sync_lock, self._lock:
            self._current = None
            for segment in self._segments:
                segment.file.close()
            self._segments.clear()

    def _begin(self) -> _OpenSegment:
        """Begin a segment, in front of it what has to be written again; the caller holds the lock."""
        carried = b"".join(piece for _, piece in self._unsynced) if self._must_rewrite else b""
        first = self._end - len(carried)
        kept = [each for each in self._segments if each.first < first]
        before = kept[-1] if kept else None
        before_end = before.start + min(before.end, first) - before.first if before else 0
        self._last_number += 1
        path = _path(self._directory, self._last_number)
        line = b"theiafs-journal 1 after %d %d\n" % (before.number if before else 0, before_end)
        # It gets its name when its first line, and what it carries, are in it.
        file = self._disk.create(path + _TEMPORARY)
        try:
            file.write(line + carried)
            self._disk.rename(path + _TEMPORARY, path)
        except EventWriteException:
            file.close()
            with contextlib.suppress(EventWriteException):
                self._disk.remove(path + _TEMPORARY)
            raise
        begun = _OpenSegment(self._last_number, path, first, len(line), file)
        begun.size = len(carried)
        for segment in self._segments:
            if segment.end > first:
                # What it has from there on is in the new one now.
                begun.ends |= segment.ends
                segment.first = min(segment.first, first)
                segment.size = first - segment.first
                if not segment.size:
                    segment.ends = {}
        self._segments.append(begun)
        self._must_rewrite = False
        self._current = begun
        return begun

    def _sync(self) -> None:
        with self._lock:
            if self._must_rewrite:
                self._begin()
            end, number, listed = self._end, self._last_number, self._listed_number
            waiting = [each for each in self._segments if each.end > self._synced]
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
            with self._lock:
                del self._segments[0]
                self._note_synced(segment.end)
            segment.file.close()


def _path(directory: str, number: int) -> str:
    return os.path.join(directory, f"{number:012d}")


def _end(segment: _OpenSegment) -> int:
    return segment.end

"""Segments: the files of the write-ahead log, and the records in them. The only module that knows their format.

A segment is only appended to. It is text::

    theiafs-journal 3 after <number> <size> in <inode> file <identity> boot <id> flushed <number>
    <crc32> <minute> <offset> <size>
    <data>...
    <crc32> <minute> <offset> <size> reset
    <data>...
    <crc32> <minute> <size> 0 placing <inode>
    <crc32> <minute> <size> 0 flushed

Segments are numbered in the order they were begun. The first line refers to the segments before this one. *After*: the
segment of that number is valid up to that size in bytes; the rest of it, and segments between it and this
one, are not. That takes back a write that failed, and a segment that could not be synced. *In*: the inode
number of the store's directory when this segment was begun, which a copy of the store does not have. *File*: what tells this
file from a copy of it (its inode number, and when it was created): a copy may be put in place of the store, in the same directory.
*Boot*: the kernel's boot ID at that time. *Flushed*: all records in segments up to that number are in their minute files.

A record says which data the minute file of that name has at that offset, in bytes. A *reset* is a record, too; those of
the minute before it are void, because the file was removed or changed by another program. A *flush mark* says that
the minute file holds all records of the minute before this mark that end at or before that size. An *intent* says that
a file of that size, which has that inode number already, is going to be put in place of the minute file. A flush mark ends the
intents of its minute: with the size 0, because the file was not put in place. As long as the system was not started again,
names of files change only as programs tell them to, and the inode numbers show whether it was. The checksum (CRC-32, hexadecimal) is over
the rest of the line and the data.

Format 2 does not name the file. Format 1, of earlier releases, has neither intents nor flush marks, nor the second half of the first line; in a reset its offset is
``-``, for the end of the file that is there.
"""

import os
import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

from store.checksum import crc32
from store.disk.disk import Disk
from store.errors import EventStoreException

__all__ = [
    "FirstLine",
    "Found",
    "LogRecord",
    "Segment",
    "line_size",
    "list_segments",
    "read_records",
    "reader_of",
    "segment_path",
    "with_identity",
]

_READ_SIZE_MIN, _READ_SIZE = 4 << 10, 256 << 10

_NUMBER_OF_NAME = re.compile(r"[0-9]{12}")
_FORMAT = re.compile(rb"theiafs-journal (\d+) ")
_FIRST_LINE = re.compile(
    rb"theiafs-journal (?:1 after (\d{1,19}) (\d{1,19})"
    rb"|[23] after (\d{1,19}) (\d{1,19}) in (\d{1,20})(?: file ([0-9a-f]{8}))? boot ([\w-]{0,64}) flushed (\d{1,19}))\n"
)
_RECORD_LINE = re.compile(
    rb"([0-9a-f]{8}) (\d{1,253}-\d{1,253}) (\d{1,19}|-) (\d{1,19})( reset| flushed| placing (\d{1,20}))?\n"
)
_LINE_SIZE_MAX = 320


def segment_path(directory: str, number: int) -> str:
    """Return the path of the segment *number* in *directory*."""
    return os.path.join(directory, f"{number:012d}")


class FirstLine(NamedTuple):
    """The first line of a segment.

    Attributes:
        after: the last valid segment before this one.
        size: its valid size in bytes.
        inode: the inode number of the store's directory.
        boot_id: the kernel's boot ID.
        flushed: the last segment up to which all records are in their minute files.
    """

    after: int
    size: int
    inode: int
    boot_id: str
    flushed: int

    def encode(self, identity: str) -> bytes:
        """Encode the line for the file with *identity*."""
        line = (
            f"theiafs-journal 3 after {self.after} {self.size} in {self.inode} file {identity}"
            f" boot {self.boot_id} flushed {self.flushed}\n"
        )
        return line.encode()


def with_identity(line: bytes, old: str, new: str) -> bytes:
    """Return the first *line* of the file with the identity *old* for the one with *new*, to which it moves.

    Its size is the same. If the old file is a copy, the new one is.
    """
    return line.replace(b" file %s " % old.encode(), b" file %s " % new.encode(), 1)


class LogRecord(NamedTuple):
    """Data of a minute file.

    Attributes:
        minute: the name of the file.
        offset: its position in the file, in bytes.
        data: the data.
        resets: whether all records of the minute before this one are void.
        is_mark: whether it is a flush mark: the file holds what is before *offset*.
        inode: of an intent, the inode number of the file with what is before *offset*; of any other record 0.
    """

    minute: str
    offset: int
    data: bytes
    resets: bool = False
    is_mark: bool = False
    inode: int = 0

    @property
    def end(self) -> int:
        """The position in the file where the data ends, in bytes."""
        return self.offset + len(self.data)

    def encode(self) -> tuple[bytes, bytes]:
        """Encode the record as in a segment: its line, and its data."""
        kind = b" reset" if self.resets else b" flushed" if self.is_mark else b""
        if self.inode:
            kind = b" placing %d" % self.inode
        rest = b"%s %d %d%s\n" % (self.minute.encode(), self.offset, len(self.data), kind)
        return b"%08x %s" % (crc32(self.data, crc32(rest)), rest), self.data


def line_size(minute: str, offset: int, size: int, *, resets: bool) -> int:
    """Return the size of the line of a record with *size* bytes of data at *offset* of *minute*, in bytes."""
    return 12 + len(minute) + len(str(offset)) + len(str(size)) + 6 * resets


class Segment(NamedTuple):
    """A segment that an earlier process left.

    Attributes:
        number: its number.
        path: its path.
        start: where its records start, in bytes.
        end: where they end at most: the end of the file, or where a later segment ends its validity.
        inode: the inode number of the directory of the store it was written in; None if that is unknown.
        is_copy: whether the file is a copy of the one that was written.
        boot_id: the kernel's boot ID when it was begun; empty if that is unknown.
        flushed: the number of the last segment before it up to which all records are in their minute files.
    """

    number: int
    path: str
    start: int
    end: int
    inode: int | None = None
    is_copy: bool = False
    boot_id: str = ""
    flushed: int = 0

    def is_of(self, root_inode: int) -> bool:
        """Return whether it was written in the directory with *root_inode*, and is not a copy."""
        return self.inode == root_inode and not self.is_copy


class Found(NamedTuple):
    """A part of a segment.

    Attributes:
        start: where it starts, in bytes.
        end: where it ends.
        record: the record; None for bytes that are no whole record.
    """

    start: int
    end: int
    record: LogRecord | None


def read_records(read: Callable[[int, int], bytes], start: int, end: int) -> Iterator[Found]:
    """Read every record of a segment, and the damage between them, in order and without gaps.

    Args:
        read: ``read(offset, size)`` returns up to *size* bytes at *offset* in the segment.
        start: where to begin, in bytes.
        end: where to stop, in bytes.
    """
    window = _Window(read, end)
    position = damaged_from = start
    while position < end:
        record_end, record = _read_record(window, position, end)
        if record is None:
            position = _search(window, position + 1, end)
            continue
        if damaged_from < position:
            yield Found(damaged_from, position, None)
        yield Found(position, record_end, record)
        position = damaged_from = record_end
    if damaged_from < end:
        yield Found(damaged_from, end, None)


def reader_of(data: bytes | memoryview) -> Callable[[int, int], bytes]:
    """Return what :func:`read_records` needs to read *data*."""
    return lambda offset, size: bytes(data[offset : offset + size])


def _read_record(window: "_Window", position: int, end: int) -> tuple[int, LogRecord | None]:
    line = _RECORD_LINE.match(window.bytes(position, _LINE_SIZE_MAX))
    if line is None:
        return position, None
    data_start, size = position + line.end(), int(line[4])
    if data_start + size > end:
        return position, None
    data = window.bytes(data_start, size)
    if len(data) < size or crc32(data, crc32(line[0][9:])) != int(line[1], 16):
        return position, None
    is_of_format_1 = line[3] == b"-"
    record = LogRecord(
        line[2].decode(),
        0 if is_of_format_1 else int(line[3]),
        data,
        resets=is_of_format_1 or line[5] == b" reset",
        is_mark=line[5] == b" flushed",
        inode=int(line[6] or 0),
    )
    return data_start + size, record


def _search(window: "_Window", position: int, end: int) -> int:
    """Return the next position that may be the line of a record, from *position* on; *end* if there is none."""
    while position < end:
        chunk = window.bytes(position, _READ_SIZE)
        line = _RECORD_LINE.search(chunk)
        if line is not None:
            return position + line.start()
        if not chunk or position + len(chunk) >= end:
            return end
        # It may straddle the end of the chunk.
        position += max(len(chunk) - _LINE_SIZE_MAX, 1)
    return end


class _Window:
    """The part of a segment that was read last, so that many records are read by one call."""

    def __init__(self, read: Callable[[int, int], bytes], end: int) -> None:
        self._read = read
        self._end = end
        self._base = 0
        self._buffer = b""
        # Start small for callers that want one record; double for sequential readers.
        self._size = _READ_SIZE_MIN

    def bytes(self, position: int, size: int) -> bytes:
        """Return *size* bytes at *position*; fewer only at the end."""
        size = min(size, self._end - position)
        start = position - self._base
        if start < 0 or start + size > len(self._buffer):
            self._base, start = position, 0
            self._buffer = self._read(position, min(max(size, self._size), self._end - position))
            self._size = min(2 * self._size, _READ_SIZE)
        return self._buffer[start : start + size]


def list_segments(disk: Disk, directory: str) -> list[Segment]:
    """List the segments in *directory* in order; those that a later one made void are empty.

    Raises:
        EventReadException: if they cannot be read.
        EventStoreException: if one is of an unknown format.
    """
    found: list[Segment] = []
    files = disk.list_files(directory) if disk.exists(directory) else []
    numbers = sorted(int(file.name) for file in files if _NUMBER_OF_NAME.fullmatch(file.name))
    for number in numbers:
        path = segment_path(directory, number)
        with disk.open_to_read(path) as file:
            size = file.size()
            line = file.read(0, min(size, _LINE_SIZE_MAX))
            actual_identity = file.identity().encode()
        known = _FIRST_LINE.match(line)
        if known is None:
            named = _FORMAT.match(line)
            if named is not None and named[1] not in (b"1", b"2", b"3"):
                raise EventStoreException(
                    f"{path} has the unknown format {named[1].decode()}: a newer theiafs wrote it"
                )
            # The line is damaged, or was lost with the power; the records may be there all the same.
            found.append(Segment(number, path, 0, size))
            continue
        after_1, size_1, after, after_size, inode, identity, boot_id, flushed = known.groups()
        last_number, last_end = int(after_1 or after), int(size_1 or after_size)
        for index in reversed(range(len(found))):
            earlier = found[index]
            if earlier.number < last_number:
                break
            end = last_end if earlier.number == last_number else earlier.start
            found[index] = earlier._replace(end=max(min(earlier.end, end), earlier.start))
        found.append(
            Segment(
                number,
                path,
                known.end(),
                size,
                int(inode) if inode else None,
                identity not in (None, actual_identity),
                (boot_id or b"").decode(),
                int(flushed or 0),
            )
        )
    return found

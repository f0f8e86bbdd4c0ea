"""Segments: the files of a journal, and the records in them. The only module that knows their format.

A segment is only appended to. It is text::

    theiafs-journal 1 after <number> <size>
    <crc32> <minute> <offset> <size>
    <data>...

Segments are numbered in the order they were begun. The first line tells what came before: the segment of
that number counts up to that size in bytes, and what lies beyond, in it or in segments between that one and
this one, does not. That is how a write that failed, or a segment that could not be synced, is taken back.

A record says that in the minute file of that name, at that offset in bytes, there is to be that data. So
the file itself tells what of the journal it holds already: that is what makes a replay exact, however often
it is done. With ``-`` for the offset it says that somebody removed the file, so that the records before do not
count, and that it begins anew with that data.
The checksum (CRC-32, hexadecimal) is over the rest of the line and the data.
"""

import os
import re
import zlib
from collections.abc import Callable, Iterator
from typing import NamedTuple

from store.disk.atomic import replace_file
from store.disk.disk import Disk

__all__ = [
    "Found",
    "Record",
    "Segment",
    "first_line",
    "list_segments",
    "read_records",
    "replace_segments",
    "segment_path",
]

_READ_SIZE_MIN, _READ_SIZE = 4 << 10, 256 << 10

_NUMBER_OF_NAME = re.compile(r"[0-9]{12}")
_FIRST_LINE = re.compile(rb"theiafs-journal 1 after (\d{1,19}) (\d{1,19})\n")
_RECORD_LINE = re.compile(rb"([0-9a-f]{8}) (\d{1,253}-\d{1,253}) (\d{1,19}|-) (\d{1,19})\n")
_LINE_SIZE_MAX = 320


def segment_path(directory: str, number: int) -> str:
    """The path of the segment of a number."""
    return os.path.join(directory, f"{number:012d}")


def first_line(number: int, size: int) -> bytes:
    """The line that begins a segment: up to which size in bytes the segment of which number counts."""
    return b"theiafs-journal 1 after %d %d\n" % (number, size)


class Record(NamedTuple):
    """What is to be in a minute file.

    Attributes:
        minute: the name of the file.
        offset: where in it, in bytes.
        data: what.
        begins_anew: whether the file was removed, and this is the start of another one.
    """

    minute: str
    offset: int
    data: bytes
    begins_anew: bool = False

    def encode(self) -> tuple[bytes, bytes]:
        """Lay it out as in a segment: its line, and its data."""
        offset = b"-" if self.begins_anew else b"%d" % self.offset
        rest = b"%s %s %d\n" % (self.minute.encode(), offset, len(self.data))
        return b"%08x %s" % (zlib.crc32(self.data, zlib.crc32(rest)), rest), self.data


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


class Found(NamedTuple):
    """Something in a segment.

    Attributes:
        start: where it starts there, in bytes.
        end: where it ends.
        record: the record; None for bytes that are no whole record.
    """

    start: int
    end: int
    record: Record | None


def read_records(read: Callable[[int, int], bytes], start: int, end: int) -> Iterator[Found]:
    """Find every record in a segment, and what else there is, in order and without gaps.

    Args:
        read: returns up to so many bytes from an offset of the segment: ``read(offset, size)``.
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


def _read_record(window: "_Window", position: int, end: int) -> tuple[int, Record | None]:
    line = _RECORD_LINE.match(window.bytes(position, _LINE_SIZE_MAX))
    if line is None:
        return position, None
    data_start, size = position + line.end(), int(line[4])
    if data_start + size > end:
        return position, None
    data = window.bytes(data_start, size)
    if len(data) < size or zlib.crc32(data, zlib.crc32(line[0][9:])) != int(line[1], 16):
        return position, None
    begins_anew = line[3] == b"-"
    offset = 0 if begins_anew else int(line[3])
    return data_start + size, Record(line[2].decode(), offset, data, begins_anew)


def _search(window: "_Window", position: int, end: int) -> int:
    """Where what looks like the first line of a record starts next; the end when none does."""
    while position < end:
        chunk = window.bytes(position, _READ_SIZE)
        line = _RECORD_LINE.search(chunk)
        if line is not None:
            return position + line.start()
        # It may straddle the end of the chunk.
        position += max(len(chunk) - _LINE_SIZE_MAX, 1)
    return end


class _Window:
    """The part of a segment that was read last, so that small pieces are not read one by one."""

    def __init__(self, read: Callable[[int, int], bytes], end: int) -> None:
        self._read = read
        self._end = end
        self._base = 0
        self._buffer = b""
        # Somebody may want no more than one record; who goes on gets ever more at once.
        self._size = _READ_SIZE_MIN

    def bytes(self, position: int, size: int) -> bytes:
        """So many bytes from a position; fewer only at the end."""
        size = min(size, self._end - position)
        start = position - self._base
        if start < 0 or start + size > len(self._buffer):
            self._base, start = position, 0
            self._buffer = self._read(position, min(max(size, self._size), self._end - position))
            self._size = min(2 * self._size, _READ_SIZE)
        return self._buffer[start : start + size]


def list_segments(disk: Disk, directory: str) -> list[Segment]:
    """Find the segments in a directory, in order; those that a later one took back are empty.

    Raises:
        EventReadException: if they cannot be read.
    """
    found: list[Segment] = []
    files = disk.list_files(directory) if disk.exists(directory) else []
    numbers = sorted(int(file.name) for file in files if _NUMBER_OF_NAME.fullmatch(file.name))
    for number in numbers:
        path = segment_path(directory, number)
        with disk.open_to_read(path) as file:
            size = file.size()
            line = _FIRST_LINE.match(file.read(0, min(size, _LINE_SIZE_MAX)))
        if line is None:  # damaged, or lost with the power; there may be records in it all the same
            found.append(Segment(number, path, 0, size))
            continue
        last_number, last_end = int(line[1]), int(line[2])
        for index, earlier in enumerate(found):
            if earlier.number >= last_number:
                end = last_end if earlier.number == last_number else earlier.start
                found[index] = earlier._replace(end=max(min(earlier.end, end), earlier.start))
        found.append(Segment(number, path, line.end(), size))
    return found


def replace_segments(disk: Disk, directory: str, number: int, records: list[Record]) -> None:
    """Put a segment with these records in the place of all that are there, at once and for good.

    Args:
        disk: where.
        directory: the directory of the journal.
        number: of the new segment, higher than any other.
        records: what it holds.

    Raises:
        EventWriteException: if that failed; what was there counts then.
    """
    pieces = [first_line(0, 0), *(piece for record in records for piece in record.encode())]
    replace_file(disk, segment_path(directory, number), pieces)

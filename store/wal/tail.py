"""Tails: where in the log the records are that a minute file lacks."""

import bisect
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

from store.errors import EventReadException
from store.wal.segment import LogRecord, line_size, read_records, reader_of

__all__ = ["Extents", "Tail", "read_tail", "tail_records"]

_EXTENT_SIZE_MAX = 16 << 10
"""Bytes of the minute in one extent of the log: at most that much is read in vain, for 24 bytes of memory."""


class Extents(NamedTuple):
    """The parts of the log in which the records of a part of a tail are.

    Attributes:
        starts: the LSN of the first record of each.
        stops: for each the LSN after its last record, or a few bytes more.
        start: where the part starts in the minute file, in bytes.
        end: where it ends.
    """

    starts: list[int]
    stops: list[int]
    start: int
    end: int


class Tail:
    """The end of a minute file that is only in the log. It may be used by one thread at a time.

    Args:
        minute: the name of the file.
        start: the size of the file in bytes, where the tail starts.
    """

    def __init__(self, minute: str, start: int) -> None:
        self.minute = minute
        self.start = start
        self.end = start
        # Records that follow each other in the log are one extent: where it starts in the minute file, the LSN of its
        # first record, and the LSN after its last one.
        self._offsets = array("Q")
        self._lsns = array("Q")
        self._stops = array("Q")

    @property
    def size(self) -> int:
        """The size of the tail in bytes."""
        return self.end - self.start

    def extend(self, size: int, lsn: int) -> None:
        """Add *size* bytes, which are the record at *lsn*."""
        # Only the first may be a reset, the line of which is longer.
        stop = lsn + line_size(self.minute, self.end, size, resets=not self.size) + size
        if (
            not self._offsets
            or lsn > self._stops[-1]
            or self.end - self._offsets[-1] >= _EXTENT_SIZE_MAX
        ):
            self._offsets.append(self.end)
            self._lsns.append(lsn)
            self._stops.append(0)
        self.end += size
        self._stops[-1] = stop

    def forget(self, start: int) -> None:
        """Let the tail start at *start*, because the minute file has what is before."""
        self.start = start
        passed = bisect.bisect_right(self._offsets, start) - 1
        for column in (self._offsets, self._lsns, self._stops):
            del column[: len(column) if start >= self.end else max(passed, 0)]

    def extents(self, start: int, end: int) -> Extents:
        """Find the bytes from *start* to *end* of the minute file, all of which are in the tail."""
        first = bisect.bisect_right(self._offsets, start) - 1
        last = bisect.bisect_left(self._offsets, end, first)
        return Extents(
            self._lsns[first:last].tolist(), self._stops[first:last].tolist(), start, end
        )


def tail_records(
    read: Callable[[list[int], list[int]], Iterator[bytes | memoryview]],
    minute: str,
    extents: Extents,
) -> Iterator[LogRecord]:
    """Read the records of *minute* that are in *extents*, cut to them.

    Args:
        read: reads parts of the log, as :meth:`WriteAheadLog.read` does.
        minute: the name of the minute file.
        extents: of its tail.

    Raises:
        EventReadException: if the log does not have them any more.
    """
    position, end = extents.start, extents.end
    for data in read(extents.starts, extents.stops):
        for _, _, record in read_records(reader_of(data), 0, len(data)):
            # In the few bytes more, there is no whole record: that is no damage.
            if record is None or record.minute != minute or record.is_mark:
                continue
            if record.offset <= position < record.end:
                cut = record.data[position - record.offset : end - record.offset]
                yield record._replace(offset=position, data=cut)
                position = record.end
                if position >= end:
                    return
    if position < end:
        raise EventReadException(f"{minute}: bytes {position} to {end} are not in the log")


def read_tail(
    read: Callable[[list[int], list[int]], Iterator[bytes | memoryview]],
    minute: str,
    extents: Extents,
) -> bytes:
    """Read *extents* of the tail of *minute*; see :func:`tail_records`."""
    return b"".join([record.data for record in tail_records(read, minute, extents)])

"""Reading an open log, segments of which are removed and rewritten meanwhile."""

import bisect
import threading
from collections.abc import Iterator

from store.disk.disk import Disk
from store.errors import EventReadException
from store.wal.segment_list import SegmentList

__all__ = ["LogReader"]


class LogReader:
    """A reader of a log. Any number of threads may use it.

    Args:
        disk: the disk the log is on.
        directory: its directory, for messages.
        segments: its segments.
        lock: the lock of the log.
    """

    def __init__(
        self, disk: Disk, directory: str, segments: SegmentList, lock: threading.Lock
    ) -> None:
        self._disk = disk
        self._directory = directory
        self._segments = segments
        self._lock = lock

    def read(self, starts: list[int], stops: list[int]) -> Iterator[bytes | memoryview]:
        """Read parts of the log as they are in the segments, each of which is opened once.

        Args:
            starts: the LSNs where they start, in ascending order.
            stops: the LSNs before which they stop; what is in another segment is a part of its own.

        Yields:
            The parts, as far as the log has them.

        Raises:
            EventReadException: if they cannot be read.
        """
        index = 0
        lsn = starts[0] if starts else 0
        while index < len(starts):
            with self._lock:
                segment = self._segments.find(lsn)
                if segment is None:
                    return
                if lsn < segment.first:
                    raise EventReadException(f"{self._directory}: {lsn} was removed")
                end, shift = segment.end, segment.start - segment.first
                file = segment.source.duplicate() if segment.source is not None else None
            try:
                file = file or self._disk.open_to_read(segment.path)
            except EventReadException:
                with self._lock:
                    if self._segments.find(lsn) is segment:
                        raise
                continue  # it was removed meanwhile, its records perhaps rewritten
            last = bisect.bisect_left(starts, end, index)
            begins = [lsn + shift, *(start + shift for start in starts[index + 1 : last])]
            with file:
                ends = [min(stop, end) + shift for stop in stops[index:last]]
                yield from file.parts(begins, ends)
            # The last may go on in the next segment.
            index, lsn = (last - 1, end) if stops[last - 1] > end else (last, end)
            if index < len(starts):
                lsn = max(lsn, starts[index])

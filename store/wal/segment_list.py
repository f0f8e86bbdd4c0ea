"""The list of the segments of an open log: which are needed, and which are kept."""

import bisect
import itertools
import time
from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import NamedTuple

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.wal.log_directory import LogDirectory
from store.wal.log_segment import LogSegment, wait_in_memory

__all__ = ["LogUsage", "SegmentList"]

_HELD_MAX = 64
"""About how many segments are held open, so that what is not flushed is not lost when another program removes their names:
beyond it, segments become larger, with the logarithm of the log. A hard limit of the system is far away, then."""


class LogUsage(NamedTuple):
    """How large a log is.

    Attributes:
        size: its size, in bytes.
        kept_size: the part of it that is flushed, and only kept.
        window_s: how far back in time it reaches, in seconds.
    """

    size: int
    kept_size: int
    window_s: float


class SegmentList:
    """The segments of a log, by LSN. The caller of each method holds the lock of the log.

    Args:
        disk: the disk they are on.
        keep_s: how long segments are kept, in seconds, after all of their records were flushed.
        keep_size: how many bytes of such segments are kept at most.
        segments: those that are there.
        names: the directory that they are in.

    Attributes:
        current: the one to append to; None when the next record begins another.
    """

    def __init__(
        self,
        disk: Disk,
        keep_s: float,
        keep_size: int,
        segments: Sequence[LogSegment],
        names: LogDirectory,
    ) -> None:
        self._disk = disk
        self._keep_s = keep_s
        self._keep_size = keep_size
        self._segments = list(segments)
        self._names = names
        self.current: LogSegment | None = None

    def __len__(self) -> int:
        return len(self._segments)

    def __iter__(self) -> Iterator[LogSegment]:
        return iter(self._segments)

    def __getitem__(self, index: int) -> LogSegment:
        return self._segments[index]

    def find(self, lsn: int) -> LogSegment | None:
        """Return the first segment that ends after *lsn*."""
        index = bisect.bisect_right(self._segments, lsn, key=attrgetter("end"))
        return self._segments[index] if index < len(self._segments) else None

    def find_before(self, lsn: int) -> tuple[int, int]:
        """Find the last segment that has records before *lsn*.

        Returns:
            Its number, and where the record at *lsn* would be in it, in bytes; zeros when there is none.
        """
        earlier = [each for each in self._segments if each.first < lsn]
        if not earlier:
            return 0, 0
        before = earlier[-1]
        return before.number, before.start + min(before.end, lsn) - before.first

    def flushed(self) -> Iterator[LogSegment]:
        """Yield the segments before the first that is not flushed."""
        return itertools.takewhile(LogSegment.is_flushed, self._segments)

    @property
    def waiting(self) -> LogSegment | None:
        """The segment of the records that wait for room; None for none. It is the last one."""
        last = self._segments[-1] if self._segments else None
        return last if last is not None and last.is_waiting else None

    def written(self, end: int) -> int:
        """Return the LSN after the last record that does not wait for room, in a log with the LSN *end* at its end."""
        waiting = self.waiting
        return end if waiting is None else waiting.first

    def wait(self, number: int, first: int) -> LogSegment:
        """Begin the segment *number* in memory, from the LSN *first* on; the next one that is begun replaces it."""
        waiting = wait_in_memory(self._disk, number, self._names.path_of(number), first)
        self._segments.append(waiting)
        self.current = None
        return waiting

    def unread_size(self, number: int) -> int:
        """Return the size of the flushed segments, the last one aside, after that of the *number*, in bytes."""
        unread = [each.size for each in self.flushed() if each.number > number]
        return sum(unread[:-1])

    def begin(self, begun: LogSegment) -> None:
        """Append to *begun* from now on, which replaces everything from its first LSN on."""
        for segment in self._segments:
            if segment.end > begun.first:
                begun.ends |= segment.ends
                segment.size = max(begun.first - segment.first, 0)
            if not segment.size:
                # The new segment makes void what is left of it on the disk.
                segment.discard(self._disk)
        self._segments = [*(each for each in self._segments if each.size), begun]
        self.current = begun

    def held(self) -> list[LogSegment]:
        """Return the segments that are open: from the first that is not flushed on, and flushed ones not closed yet."""
        return [each for each in self._segments if each.source is not None]

    def reopen(self, segment: LogSegment, source: ReadableFile) -> None:
        """Read *segment* from *source*, to which it was written again; remove that if the segment was removed meanwhile."""
        segment.close()
        segment.source = source
        if segment not in self._segments:
            segment.discard(self._disk)

    def rotate(self, age_s: float) -> None:
        """Append no more to the current segment if it is *age_s* seconds old."""
        is_old = self.current is not None and time.monotonic() - self.current.begun >= age_s
        if is_old and len(self.held()) < _HELD_MAX:
            self.current = None

    def end_current(self, size: int) -> None:
        """Append no more to the current segment if it has *size* bytes, or more where many segments are held."""
        if self.current and self.current.size >= size:
            held_size = self.current.end - self.held()[0].first
            if self.current.size >= held_size // _HELD_MAX:
                self.current = None

    def kept_size(self) -> int:
        """Return how many bytes of records that are flushed are kept."""
        ended = (each for each in self._segments if each is not self.current)
        return sum(each.size for each in ended if each.is_flushed())

    def usage(self) -> LogUsage:
        """Return how large the segments are, and how far back they reach."""
        window_s = time.monotonic() - self._segments[0].begun if self._segments else 0.0
        return LogUsage(sum(each.size for each in self._segments), self.kept_size(), window_s)

    def remove_released(self, synced: int, end: int, *, is_full: bool = False) -> bool:
        """Remove the oldest segment if it was kept long enough.

        The directory has to be synced before the next one is removed: if a loss of power brought back a segment without the
        one that has the flush marks of its records, minutes that were removed would come back.

        Args:
            synced: the LSN before which everything is durable.
            end: the LSN of the next record.
            is_full: whether to remove them however short they were kept.

        Returns:
            Whether it was removed.
        """
        now = time.monotonic()
        for segment in self._segments:
            if segment.released is None and segment is not self.current and segment.is_flushed():
                segment.released, segment.released_at = now, end
        for segment in self.flushed():
            if segment is not self.current and segment.file is None:
                segment.close()
        oldest = self._segments[0] if self._segments else None
        if oldest is None or oldest.released is None or self._names.has_removed:
            return False
        # What makes its records void must be durable. Without marks, a copy of it is compared with the files.
        if oldest.released_at > synced:
            return False
        is_old = now - oldest.released >= self._keep_s or self.kept_size() > self._keep_size
        if not (is_full or is_old):
            return False
        self.remove_first()
        self._names.note_removed()
        return True

    def remove_first(self) -> None:
        """Remove the oldest segment, to which the first line of the next one refers."""
        segment = self._segments[0]
        self._disk.remove(segment.path)
        del self._segments[0]
        segment.close()

    def close(self) -> None:
        """Close them all."""
        self.current = None
        for segment in self._segments:
            segment.close()
        self._segments.clear()

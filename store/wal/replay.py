"""The replay of a log that another process wrote: which of its records no minute file is known to have."""

from collections.abc import Callable, Sequence

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.wal.log_segment import LogSegment
from store.wal.segment import LogRecord, Segment, read_records
from store.wal.tail import Tail

__all__ = ["PutAside", "Replay"]

PutAside = Callable[[LogSegment, ReadableFile, int, int], object]
"""Called with a segment, its file, and where in it bytes that are no whole record start and end."""


class Replay:
    """One pass over the segments. It writes nothing.

    Args:
        disk: the disk they are on.
        root_inode: the inode number of the store's directory.
        put_aside: called for bytes that are no whole record.

    Attributes:
        segments: them, as a log has them.
        tails: for each minute its records that no flush mark covers; several tails where they do not follow
            each other.
        intents: for each minute the intents that no flush mark ends, since the system was started.
    """

    def __init__(self, disk: Disk, root_inode: int, put_aside: PutAside) -> None:
        self._disk = disk
        self._root_inode = root_inode
        self._boot_id = disk.boot_id()
        self._put_aside = put_aside
        self.segments: list[LogSegment] = []
        self.tails: dict[str, list[Tail]] = {}
        self.intents: dict[str, list[LogRecord]] = {}

    def read(self, segments: Sequence[Segment]) -> None:
        """Read *segments*, in their order, but for those that were flushed."""
        flushed = max(
            (each.flushed for each in segments if each.is_of(self._root_inode)), default=0
        )
        for segment in segments:
            self._add(segment, is_flushed=segment.number <= flushed)

    def _add(self, segment: Segment, *, is_flushed: bool) -> None:
        """Add *segment*, and read it unless it is known to be flushed."""
        first = self.segments[-1].end if self.segments else 0
        opened = LogSegment(segment.number, segment.path, first, segment.start, None, None)
        opened.size = segment.end - segment.start
        self.segments.append(opened)
        if is_flushed or not opened.size:
            return
        is_ours = segment.is_of(self._root_inode)
        opened.source = file = self._disk.open_to_read(segment.path)
        for start, end, record in read_records(file.read, segment.start, segment.end):
            if record is None:
                self._put_aside(opened, file, start, end)
            elif record.inode:
                if is_ours and segment.boot_id == self._boot_id != "":
                    self.intents.setdefault(record.minute, []).append(record)
            elif record.is_mark:
                if is_ours:
                    self.intents.pop(record.minute, None)
                    self.cover(record.minute, record.offset)
            else:
                self._extend(record, first + start - segment.start)

    def close(self) -> None:
        """Close the segments, because the log cannot be opened."""
        for each in self.segments:
            each.close()

    def _extend(self, record: LogRecord, lsn: int) -> None:
        if record.resets:
            self.tails.pop(record.minute, None)
            self.intents.pop(record.minute, None)
            for segment in self.segments:
                segment.ends.pop(record.minute, None)
        if not record.data:
            return
        self.segments[-1].ends[record.minute] = record.end
        tails = self.tails.setdefault(record.minute, [])
        if not tails or tails[-1].end != record.offset:
            tails.append(Tail(record.minute, record.offset))
        tails[-1].extend(len(record.data), lsn)

    def cover(self, minute: str, size: int) -> None:
        """Forget the records of *minute* before *size* in its file."""
        left = [tail for tail in self.tails.pop(minute, ()) if tail.end > size]
        for tail in left:
            tail.forget(max(tail.start, size))
        if left:
            self.tails[minute] = left

"""The segments of an open log, and what is known of their records."""

import contextlib
import time
from collections.abc import Iterator, Sequence

from store.disk.disk import Disk
from store.disk.file import ReadableFile, WritableFile
from store.errors import EventReadException, EventStoreException, EventWriteException
from store.wal.segment import FirstLine, with_identity

__all__ = ["LogSegment", "create_segment", "wait_in_memory"]

_TEMPORARY = ".tmp"


class LogSegment:
    """A segment of the log.

    Attributes:
        number: its number.
        path: its path.
        first: the LSN of its first record.
        start: where that starts in the file, in bytes.
        size: how many bytes of records it has.
        ends: for each minute with records in it that are not flushed, where the last one ends in the minute file.
        file: the file, to append and to sync; None once neither is needed.
        source: the file, to read even if another program removed its name; None once it is flushed, and so are those before it.
        is_pinned: whether it must stay, whatever is flushed.
        is_waiting: whether it is in memory, because there was no room at its path.
        begun: when it was begun, or found when the log was opened, in seconds of the monotonic clock.
        released: None as long as records in it are not flushed; then since when they are, by the same clock.
        released_at: the LSN that has to be durable before it may be removed.
    """

    def __init__(
        self,
        number: int,
        path: str,
        first: int,
        start: int,
        file: WritableFile | None,
        source: ReadableFile | None,
    ) -> None:
        self.number = number
        self.path = path
        self.first = first
        self.start = start
        self.size = 0
        self.ends: dict[str, int] = {}
        self.file = file
        self.source = source
        self.is_pinned = False
        self.is_waiting = False
        self.begun = time.monotonic()
        self.released: float | None = None
        self.released_at = 0

    @property
    def end(self) -> int:
        """The LSN after its last record."""
        return self.first + self.size

    def is_flushed(self) -> bool:
        """Return whether all of its records are in the minute files."""
        return not self.ends and not self.is_pinned

    def note_flushed(self, sizes: Sequence[tuple[str, int]]) -> None:
        """Note how many bytes of each minute are in its file: *sizes* by name."""
        for minute, size in sizes if self.ends else ():
            if self.ends.get(minute, size + 1) <= size:
                del self.ends[minute]

    def append(self, pieces: list[bytes]) -> None:
        """Append *pieces* to its file, which must not be used again when that fails; the caller counts them."""
        assert self.file is not None, "it is open"
        try:
            self.file.write(*pieces)
        except EventWriteException:
            # Some of them may be there. If they cannot be cut off, the next segment makes them void.
            with contextlib.suppress(EventWriteException):
                self.file.truncate(self.start + self.size)
            raise

    def seal(self) -> None:
        """Close its file to writing, which is durable."""
        file, self.file = self.file, None
        if file is not None:
            file.close()

    def close(self) -> None:
        """Close its file."""
        source, self.source = self.source, None
        if source is not None:
            source.close()
        self.seal()

    def is_lost(self, disk: Disk) -> bool:
        """Return whether its file, which is still needed, is not at its path on *disk* any more.

        Another thread may close it meanwhile: then it is not needed.
        """
        source = self.source
        if source is None or self.is_waiting:
            return False
        try:
            there = disk.stat(self.path)
            is_there = there is not None and there.inode == source.stat().inode
        except EventReadException:
            if self.source is source:
                raise
            return False
        return not is_there and self.source is source

    def write_again(self, disk: Disk, source: ReadableFile) -> ReadableFile:
        """Write its file again from *source*, because another program removed it from *disk*.

        Nothing is appended to it any more.

        Returns:
            The new file, durable but for its name.

        Raises:
            EventStoreException: if that failed.
        """
        with _created(disk, self.path) as file:
            line = source.read(0, self.start)
            file.write(with_identity(line, source.identity(), file.identity()))
            for chunk in source.chunks(self.start, self.start + self.size):
                file.write(chunk)
            file.sync()
            written = file.to_read(self.path)
        file.close()
        return written

    def discard(self, disk: Disk) -> None:
        """Close its file and remove it from *disk* if that can be done: a later segment makes it void."""
        with contextlib.suppress(EventWriteException):
            self.close()
            disk.remove(self.path)


def create_segment(
    disk: Disk, number: int, path: str, first: int, line: FirstLine, pieces: list[bytes]
) -> LogSegment:
    """Create the segment *number* at *path*; it gets its name when its first *line* and *pieces* are in it.

    Args:
        disk: the disk it is on.
        number: its number.
        path: its path.
        first: the LSN of its first record.
        line: its first line, which names the file.
        pieces: the records that it begins with.

    Raises:
        EventWriteException: if that failed; nothing has changed then.
    """
    with _created(disk, path) as file:
        encoded = line.encode(file.identity())
        file.write(encoded, *pieces)
        source = file.to_read(path)
    created = LogSegment(number, path, first, len(encoded), file, source)
    created.size = sum(map(len, pieces))
    return created


def wait_in_memory(disk: Disk, number: int, path: str, first: int) -> LogSegment:
    """Create the segment *number* in memory, because *disk* has no room at *path*; its records begin at the LSN *first*."""
    file = disk.create_in_memory(path)
    waiting = LogSegment(number, path, first, 0, file, file.to_read(path))
    waiting.is_waiting = True
    return waiting


@contextlib.contextmanager
def _created(disk: Disk, path: str) -> Iterator[WritableFile]:
    """Create a file, which gets the name *path* at the end, or is removed if anything fails."""
    file = disk.create(path + _TEMPORARY)
    try:
        yield file
        disk.rename(path + _TEMPORARY, path)
    except EventStoreException:
        file.close()
        with contextlib.suppress(EventWriteException):
            disk.remove(path + _TEMPORARY)
        raise

"""Minute files: the stored bytes, and the unflushed bytes after them."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple, TypeVar

from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile
from store.disk.vectored import ExtentBuffer
from store.errors import EventReadException

__all__ = ["MinuteFile", "Snapshot", "StoredFile"]

_Read = TypeVar("_Read")


class Snapshot(NamedTuple):
    """The state of a minute file at one moment.

    Attributes:
        stored_size: the number of bytes in the file.
        size: the number of bytes, flushed or not.
        stat: the FileStat of the file; None if there is none.
        next_inode: the inode number of the file that is replacing it; None if there is none.
    """

    stored_size: int
    size: int
    stat: FileStat | None
    next_inode: int | None = None

    def may_be(self, stat: FileStat) -> bool:
        """Return whether *stat* is that of the known file, unchanged."""
        if stat.inode == self.next_inode:
            return True
        known = self.stat
        return known is not None and (stat.inode, stat.size, stat.mtime_ns) == (
            known.inode,
            known.size,
            known.mtime_ns,
        )


class MinuteFile(ABC):
    """A minute file, flushed or not. Any number of threads may use it.

    It is read at its path, and only while the known file is there: the bytes of a file that another program removed or
    replaced can no longer be read.

    Args:
        name: the name of the file.
        directory: its directory.
        disk: the disk it is on.
    """

    def __init__(self, name: str, directory: str, disk: Disk) -> None:
        self.name = name
        self._disk = disk
        self._path = f"{directory}/{name}"

    @abstractmethod
    def snapshot(self) -> Snapshot:
        """Return the state of the file."""

    @abstractmethod
    def _read_tail(self, start: int, end: int) -> bytes:
        """Read the bytes from *start* to *end*, which were unflushed a moment ago.

        Raises:
            EventReadException: if they cannot be read, for example because they were flushed meanwhile.
        """

    @property
    def size(self) -> int:
        """The number of bytes, flushed or not."""
        return self.snapshot().size

    @property
    def stored_size(self) -> int:
        """The number of bytes that are durable in the file."""
        return self.snapshot().stored_size

    def read(self, offset: int, size: int) -> bytes:
        """Read *size* bytes at *offset*, flushed or not; fewer only at the end.

        Raises:
            EventReadException: if they cannot be read, or the file has changed.
        """
        return self._retried(
            lambda now: self._read_range(now, offset, min(offset + size, now.size))
        )

    def _read_range(self, now: Snapshot, start: int, end: int) -> bytes:
        stored = b""
        stored_end = min(end, now.stored_size)
        if start < stored_end:
            with self._open(now) as file:
                stored = file.read(start, stored_end - start)
            if len(stored) < stored_end - start:
                raise EventReadException(f"{self._path} ends before byte {stored_end}")
        tail_start = max(start, now.stored_size)
        return stored + self._read_tail(tail_start, end) if tail_start < end else stored

    def gather(self, buffer: ExtentBuffer, first: int, last: int) -> None:
        """Read the extents of *buffer* from *first* to before *last*, which ascend, flushed or not.

        Raises:
            EventReadException: if they cannot be read, the file ends before, or has changed.
        """
        end = int(buffer.stops[last - 1])

        def read(now: Snapshot) -> None:
            if end > now.size:
                raise EventReadException(f"{self.name} ends before byte {end}")
            stored = last
            if end > now.stored_size:
                stored = first + int(
                    buffer.stops[first:last].searchsorted(now.stored_size, "right")
                )
            if first < stored:
                with self._open(now) as file:
                    file.gather(buffer, first, stored)
            for begin, after in buffer.runs(stored, last):
                base = int(buffer.starts[begin])
                data = memoryview(self._read_range(now, base, int(buffer.stops[after - 1])))
                for position in range(begin, after):
                    start, stop = int(buffer.starts[position]), int(buffer.stops[position])
                    buffer.place(position)[:] = data[start - base : stop - base]

        self._retried(read)

    def tail(self) -> bytes:
        """Read all unflushed bytes.

        Raises:
            EventReadException: if it cannot be read.
        """

        def read(now: Snapshot) -> bytes:
            if now.stored_size == now.size:
                return b""
            return self._read_tail(now.stored_size, now.size)

        return self._retried(read)

    def _open(self, now: Snapshot) -> ReadableFile:
        """Open the file, which must be the one that is known."""
        file = self._disk.open_to_read(self._path)
        is_known = False
        try:
            is_known = now.may_be(file.stat())
        finally:
            if not is_known:
                file.close()
        if not is_known:
            raise EventReadException(f"{self._path} was changed by another program")
        return file

    def _retried(self, read: Callable[[Snapshot], _Read]) -> _Read:
        """Return what *read* makes of the state of the file, again if a flush came in between, or began."""
        while True:
            now = self.snapshot()
            try:
                return read(now)
            except EventReadException:
                if self.snapshot()._replace(size=now.size) == now:
                    raise


class StoredFile(MinuteFile):
    """A fully stored minute file, as a read-only store sees it.

    Args:
        name: the name of the file.
        directory: its directory.
        disk: the disk it is on.
        stat: the FileStat of the file.
    """

    def __init__(self, name: str, directory: str, disk: Disk, stat: FileStat) -> None:
        super().__init__(name, directory, disk)
        self._snapshot = Snapshot(stat.size, stat.size, stat)

    def snapshot(self) -> Snapshot:
        """See :meth:`MinuteFile.snapshot`; it never changes."""
        return self._snapshot

    def _read_tail(self, start: int, end: int) -> bytes:
        raise AssertionError(f"bytes {start} to {end} are in the file")

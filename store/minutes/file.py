"""Minute files: their names, their bytes, and which of them holds a time.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files that theia wrote may overlap and hold the end as well.
"""

import io
import os
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterator

from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.disk.vectored import Gathering
from store.errors import EventReadException

__all__ = [
    "GrowingFile",
    "MemoryFile",
    "RemovedFile",
]

_CHUNK_SIZE = 1 << 20


class GrowingFile(ABC):
    """A file that grows at its end and is replaced on disk, atomically, when it is flushed.

    It continues the file that is there. Its *tail* is what was not flushed yet; where that is meanwhile is for
    subclasses to say. Any number of threads may use it.

    Args:
        name: the file's name.
        path: the directory it is in.
        disk: the disk the directory is on.
        stored_size: the size in bytes of the file that is there; None when that is to be found out.
    """

    def __init__(
        self, name: str, path: str, disk: Disk | None = None, stored_size: int | None = None
    ) -> None:
        self.name = name
        self.path = path
        self._disk = disk or Disk()
        self._file_path = os.path.join(path, name)
        self._pinned: ReadableFile | None = None
        self._is_there = stored_size is not None or self._disk.exists(self._file_path)
        self._stored_size = stored_size or 0
        if self._is_there and stored_size is None:
            with self._disk.open_to_read(self._file_path) as file:
                self._stored_size = file.size()
        self._tail_size = 0
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many bytes the file has, flushed or not."""
        with self._lock:
            return self._stored_size + self._tail_size

    @property
    def stored_size(self) -> int:
        """How many bytes of it are on disk for good."""
        with self._lock:
            return self._stored_size

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset, flushed or not; fewer only at the end.

        Raises:
            EventReadException: if the file on disk, or the tail, cannot be read.
        """
        end = offset + size
        with self._lock:
            stored_size = self._stored_size
            tail_end = min(end, stored_size + self._tail_size)
            tail = b""
            if tail_end > stored_size:
                tail = self._read_tail(max(offset, stored_size), tail_end)
            if offset >= stored_size:
                return tail
            # A flush that comes in between leaves the file that was opened as it is.
            file = self._open()
        return file.read(offset, min(end, stored_size) - offset) + tail

    def gather(self, wanted: Gathering, first: int, last: int) -> None:
        """Read pieces of the file, from a first to before a last, flushed or not.

        Raises:
            EventReadException: if the file on disk, or the tail, cannot be read, or ends before.
        """
        with self._lock:
            stored = first + int(wanted.stops[first:last].searchsorted(self._stored_size, "right"))
            # A flush that comes in between leaves the file that was opened as it is.
            file = self._open() if stored > first else None
        if file is not None:
            file.gather(wanted, first, stored)
        for begin, end in wanted.runs(stored, last) if stored < last else ():
            start, stop = int(wanted.starts[begin]), int(wanted.stops[end - 1])
            data = self.read(start, stop - start)
            if len(data) < stop - start:
                raise EventReadException(f"{self.name} ends before byte {stop}")
            for piece in range(begin, end):
                at = slice(int(wanted.starts[piece]) - start, int(wanted.stops[piece]) - start)
                wanted.part(piece)[:] = data[at]

    def _open(self) -> ReadableFile:
        return self._pinned or self._disk.open_to_read(self._file_path)

    def stream(self) -> io.BytesIO:
        """Copy the whole file, flushed or not."""
        return io.BytesIO(self.read(0, self.size))

    def flush(self) -> None:
        """Bring the file on disk up to date; it is never there in part, and lasts when this returns.

        Raises:
            EventWriteException: if that fails; nothing is lost then, and a later flush tries again.
            EventReadException: the same, if what is to be written cannot be read.
        """
        with self._flush_lock:
            with self._lock:
                stored_size, tail_size = self._stored_size, self._tail_size
            if self._is_there and not tail_size:
                return
            tail = self._tail_in_chunks(stored_size, stored_size + tail_size)
            if stored_size:
                with self._disk.open_to_read(self._file_path) as old:
                    replace_file(self._disk, self._file_path, tail, old, stored_size)
            else:
                replace_file(self._disk, self._file_path, tail)
            with self._lock:
                self._stored_size += tail_size
                self._tail_size -= tail_size
                self._forget_tail(tail_size)
                self._is_there = True

    def pin(self) -> None:
        """Keep the flushed bytes readable for those who still read, before the file is replaced."""
        with self._lock:
            if self._stored_size:
                self._pinned = self._disk.open_to_read(self._file_path)

    def _tail_in_chunks(self, start: int, end: int) -> Iterator[bytes]:
        for offset in range(start, end, _CHUNK_SIZE):
            with self._lock:
                chunk = self._read_tail(offset, min(offset + _CHUNK_SIZE, end))
            yield chunk

    @abstractmethod
    def _read_tail(self, start: int, end: int) -> bytes:
        """Read from a start to an end in the file, both in the tail; the caller holds the lock."""

    @abstractmethod
    def _forget_tail(self, size: int) -> None:
        """Let go of so many bytes, which were flushed; the caller holds the lock."""


class MemoryFile(GrowingFile):
    """A growing file whose tail is in memory."""

    def __init__(
        self, name: str, path: str, disk: Disk | None = None, stored_size: int | None = None
    ) -> None:
        super().__init__(name, path, disk, stored_size)
        self._tail = bytearray()

    def write(self, data: bytes) -> None:
        """Append data."""
        with self._lock:
            self._tail += data
            self._tail_size += len(data)

    def _read_tail(self, start: int, end: int) -> bytes:
        return bytes(self._tail[start - self._stored_size : end - self._stored_size])

    def _forget_tail(self, size: int) -> None:
        del self._tail[:size]


class RemovedFile(MemoryFile):
    """What is left of a file that was removed or replaced, for those who have it open: its tail.

    Args:
        name: the name it had.
        path: the directory it was in.
        stored_size: how many bytes of it are gone.
        tail: what was not flushed to it.
    """

    def __init__(self, name: str, path: str, stored_size: int, tail: bytes = b"") -> None:
        super().__init__(f"{name} (removed)", path, stored_size=stored_size)
        self.write(tail)

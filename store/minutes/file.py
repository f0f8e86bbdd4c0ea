"""Minute files: the stored bytes, and the unflushed bytes after them."""

import contextlib
import os
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile, coalesce, cut
from store.errors import EventReadException

__all__ = ["MinuteFile", "Snapshot", "StoredFile"]


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
        self._path = os.path.join(directory, name)

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

    def read_extents(self, starts: NDArray[np.int64], stops: NDArray[np.int64]) -> bytes:
        """Read the extents from *starts* to *stops*, flushed or not, joined in the order given.

        Raises:
            EventReadException: if they cannot be read, the file ends before, or has changed.
        """

        def read(now: Snapshot) -> bytes:
            if len(stops) and int(stops.max()) > now.size:
                raise EventReadException(f"{self.name} ends before byte {int(stops.max())}")
            after = (stops > now.stored_size).nonzero()[0][:1].tolist()
            stored = after[0] if after else len(stops)
            pieces: list[bytes | memoryview] = []
            if stored:
                with self._open(now) as file:
                    pieces.append(file.read_extents(starts[:stored], stops[:stored]))
            begins, ends = starts[stored:].tolist(), stops[stored:].tolist()
            for first, last in coalesce(begins, ends):
                data = self._read_range(now, begins[first], ends[last - 1])
                pieces += cut(data, begins[first], begins[first:last], ends[first:last])
            return b"".join(pieces)

        return self._retried(read)

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
        """Open the file, which must be unchanged."""
        with contextlib.ExitStack() as on_failure:
            file = on_failure.enter_context(self._disk.open_to_read(self._path))
            if not now.may_be(file.stat()):
                raise EventReadException(f"{self._path} was changed by another program")
            on_failure.pop_all()
        return file

    def _retried(self, read: Callable[[Snapshot], bytes]) -> bytes:
        """Return the result of *read* on a snapshot of the file; retry it if a flush intervened."""
        while True:
            now = self.snapshot()
            try:
                return read(now)
            except EventReadException:
                then = self.snapshot()
                if (then.stored_size, then.stat) == (now.stored_size, now.stat):
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

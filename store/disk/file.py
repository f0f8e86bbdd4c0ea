"""Open files: read at any position, or written from start to end."""

import contextlib
import errno
import os
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from store.checksum import crc32
from store.disk.birth import birth_ns
from store.disk.os_errors import read_failure, reading, write_failure, writing
from store.disk.vectored import GAP_MAX, ExtentBuffer
from store.errors import EventReadException

__all__ = ["FileStat", "ReadableFile", "WritableFile", "file_stat", "inode_numbers"]

_CHUNK_SIZE = 1 << 20
_IOV_MAX = os.sysconf("SC_IOV_MAX")

_RUN_SIZE_MAX = 8 << 20
"""Bytes read by one call for several extents, so that the gaps never cost more memory than this."""

# Answers of copy_file_range(2) where the file system or the kernel does not offer it.
_CANNOT_COPY_RANGES = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL})

_PERMISSIONS = 0o777
"""The bits of a mode that a file adopts: none by which a program would run as the owner of the file."""

_INT64_MAX = (1 << 63) - 1


class FileStat(NamedTuple):
    """A regular file as stat(2) describes it.

    Attributes:
        name: its name, without the directory.
        size: its size in bytes.
        mtime_ns: when its content last changed, in nanoseconds since the epoch.
        ctime_ns: when its content or attributes last changed, which no program can set.
        inode: its inode number.
    """

    name: str
    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int


def inode_numbers(inodes: NDArray[np.uint64]) -> NDArray[np.int64]:
    """Return *inodes*, numbers as the system gives them, as the int64 that stand for them."""
    return (inodes & np.uint64(_INT64_MAX)).view(np.int64)


def file_stat(name: str, status: os.stat_result) -> FileStat:
    """Make the FileStat of the file *name* from its *status*, which stat(2) returned."""
    mtime_ns, ctime_ns, inode = status.st_mtime_ns, status.st_ctime_ns, status.st_ino
    # Columns of these are int64, which ends in the year 2262.
    if mtime_ns > _INT64_MAX or ctime_ns > _INT64_MAX or inode > _INT64_MAX:
        mtime_ns, ctime_ns = min(mtime_ns, _INT64_MAX), min(ctime_ns, _INT64_MAX)
        inode &= _INT64_MAX  # as in inode_numbers()
    return FileStat(name, status.st_size, mtime_ns, ctime_ns, inode)


def _identity(descriptor: int) -> str:
    """Return what tells the file of *descriptor* from any copy of it, also from one that got its inode number."""
    facts = b"%d %d" % (os.fstat(descriptor).st_ino, birth_ns(descriptor))
    return f"{crc32(facts):08x}"


def _name(path: str) -> str:
    return path.rpartition("/")[2]


def _coalesce(starts: list[int], stops: list[int]) -> Iterator[tuple[int, int]]:
    """Group the extents from *starts* to *stops* into runs that one call reads, gaps included.

    Yields:
        For each run, the index of its first extent and the index after its last.
    """
    first = 0
    limit = last_stop = -1
    for index, (start, stop) in enumerate(zip(starts, stops, strict=True)):
        if not 0 <= start - last_stop <= GAP_MAX or stop > limit:
            if index:
                yield first, index
            first, limit = index, start + _RUN_SIZE_MAX
        last_stop = stop
    if starts:
        yield first, len(starts)


class ReadableFile:
    """A file that is open to read, by any number of threads."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def size(self) -> int:
        """Return the size of the file in bytes."""
        return self.stat().size

    def stat(self) -> FileStat:
        """Return the FileStat of the open file, whatever file has its name now."""
        try:
            return file_stat(_name(self.path), os.fstat(self._descriptor))
        except OSError as error:
            raise read_failure("stat", self.path, error) from error

    def identity(self) -> str:
        """Return what tells this file from any copy of it, in 8 hexadecimal digits."""
        with reading("stat", self.path):
            return _identity(self._descriptor)

    def read(self, offset: int, size: int) -> bytes:
        """Read *size* bytes at *offset*; fewer only at the end of the file."""
        try:
            data = os.pread(self._descriptor, size, offset)
            while len(data) < size:
                more = os.pread(self._descriptor, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        except OSError as error:
            raise read_failure("read", self.path, error) from error
        return data

    def parts(self, starts: list[int], stops: list[int]) -> Iterator[memoryview]:
        """Read the extents from *starts* to *stops*, in bytes, one by one.

        Raises:
            EventReadException: if they cannot be read, or the file ends before.
        """
        for first, last in _coalesce(starts, stops):
            base, stop = starts[first], stops[last - 1]
            data = memoryview(self.read(base, stop - base))
            if len(data) < stop - base:
                raise EventReadException(f"{self.path} ends before byte {stop}")
            for begin, end in zip(starts[first:last], stops[first:last], strict=True):
                yield data[begin - base : end - base]

    def gather(self, buffer: ExtentBuffer, first: int, last: int) -> None:
        """Read the extents of *buffer* from *first* to before *last*.

        Raises:
            EventReadException: if they cannot be read, or the file ends before.
        """
        for begin, end in buffer.runs(first, last):
            if not buffer.fill(self._descriptor, begin, end):
                self._gather_each(buffer, begin, end)

    def _gather_each(self, buffer: ExtentBuffer, first: int, last: int) -> None:
        """Read the extents one by one; see :meth:`gather`."""
        for position in range(first, last):
            start, stop = int(buffer.starts[position]), int(buffer.stops[position])
            data = self.read(start, stop - start)
            if len(data) < stop - start:
                raise EventReadException(f"{self.path} ends before byte {stop}")
            buffer.place(position)[:] = data

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Read the bytes from *start* to *end* in chunks."""
        for offset in range(start, end, _CHUNK_SIZE):
            yield self.read(offset, min(_CHUNK_SIZE, end - offset))

    def duplicate(self) -> "ReadableFile":
        """Open the file once more, whatever file has its name now."""
        with reading("open", self.path):
            return ReadableFile(self.path, os.dup(self._descriptor))

    def checksum(self, size: int) -> int:
        """Return the CRC-32 of the first *size* bytes."""
        found = 0
        for chunk in self.chunks(0, size):
            found = crc32(chunk, found)
        return found

    def drop_cache(self) -> None:
        """Let the kernel drop what it has cached of the file, which is synced: the next reading reads the disk."""
        with reading("read", self.path):
            os.posix_fadvise(self._descriptor, 0, 0, os.POSIX_FADV_DONTNEED)

    def copy_to(self, target: int, size: int) -> None:
        """Copy the first *size* bytes to the descriptor *target*, inside the kernel, and the file's attributes.

        Raises:
            OSError: the system's error; the caller knows which file it was writing.
        """
        status = os.fstat(self._descriptor)
        os.fchmod(target, status.st_mode & _PERMISSIONS)
        with contextlib.suppress(PermissionError):
            os.fchown(target, status.st_uid, status.st_gid)
        offset = 0
        copy = _copy_file_range
        while offset < size:
            try:
                copied = copy(self._descriptor, target, offset, size - offset)
            except OSError as error:
                if copy is _sendfile or error.errno not in _CANNOT_COPY_RANGES:
                    raise
                copy = _sendfile
                continue
            if not copied:
                raise EventReadException(f"{self.path} ends at {offset}, before {size}")
            offset += copied

    def close(self) -> None:
        """Close the file; closing again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _copy_file_range(source: int, target: int, offset: int, size: int) -> int:
    return os.copy_file_range(source, target, size, offset_src=offset)


def _sendfile(source: int, target: int, offset: int, size: int) -> int:
    return os.sendfile(target, source, offset, size)


class WritableFile:
    """A file that is written from its start to its end."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def write(self, *pieces: bytes) -> None:
        """Append all *pieces* in order, retrying short writes."""
        views: Sequence[bytes | memoryview] = pieces
        try:
            while views:
                written = os.writev(self._descriptor, views[:_IOV_MAX])
                views = _after(views, written)
        except OSError as error:
            raise write_failure("write", self.path, error) from error

    def copy(self, source: ReadableFile, size: int) -> None:
        """Append the first *size* bytes of *source*, and adopt its permissions and (if allowed) its owner."""
        with writing("write", self.path):
            source.copy_to(self._descriptor, size)

    def truncate(self, size: int) -> None:
        """Cut the file to *size* bytes; it must not be written after that."""
        with writing("truncate", self.path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Fsync the file. After a failure the file must not be used again."""
        with writing("sync", self.path):
            os.fsync(self._descriptor)

    def to_read(self, path: str) -> ReadableFile:
        """Open the file once more, to read what is written to it; *path* is the one it has from now on."""
        with writing("open", path):
            return ReadableFile(path, os.dup(self._descriptor))

    def set_modified(self, time_ns: int | None = None) -> None:
        """Set the mtime to *time_ns*, in nanoseconds since the epoch; by default to now.

        The kernel's own clock for mtimes advances every few milliseconds, so that two changes in one of its steps
        look like one; after this, the next one shows.
        """
        with writing("set the time of", self.path):
            modified_ns = time.time_ns() if time_ns is None else time_ns
            os.utime(self._descriptor, ns=(modified_ns, modified_ns))

    def stat(self) -> FileStat:
        """Return the FileStat of the open file."""
        with reading("stat", self.path):
            return file_stat(_name(self.path), os.fstat(self._descriptor))

    def identity(self) -> str:
        """Return what tells this file from any copy of it, in 8 hexadecimal digits."""
        with writing("stat", self.path):
            return _identity(self._descriptor)

    def close(self) -> None:
        """Close the file; closing again does nothing."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            with writing("close", self.path):
                os.close(descriptor)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _after(views: Sequence[bytes | memoryview], size: int) -> Sequence[bytes | memoryview]:
    """Return what follows the first *size* bytes of *views*."""
    for number, view in enumerate(views):
        if size < len(view):
            return [memoryview(view)[size:], *views[number + 1 :]]
        size -= len(view)
    return ()

"""Files that are open: to read from anywhere in them, or to write from start to end."""

import contextlib
import ctypes
import errno
import os
import stat
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

from store.disk.os_errors import reading, write_failure, writing
from store.disk.vectored import Gathering
from store.errors import EventReadException

__all__ = ["FileStat", "ReadableFile", "WritableFile", "file_stat"]

_CHUNK_SIZE = 1 << 20
_PIECES_MAX = os.sysconf("SC_IOV_MAX")
"""How many the system writes at once."""

# What copy_file_range(2) says where the file system or the kernel does not offer it.
_CANNOT_COPY_RANGES = frozenset({errno.ENOSYS, errno.EOPNOTSUPP, errno.EXDEV, errno.EINVAL})


# By Python's own preadv, a view would have to be made of every piece, which costs more than to read it.
_preadv = ctypes.CDLL(None).preadv
_preadv.argtypes = (ctypes.c_int, ctypes.c_void_p, ctypes.c_int, ctypes.c_int64)
_preadv.restype = ctypes.c_ssize_t
_PIECES_AT_ONCE = _PIECES_MAX // 2  # with what lies between them
_SIZE_AT_ONCE = 1 << 30  # bytes; one call reads somewhat more than that at most


class FileStat(NamedTuple):
    """A regular file: its name without the directory, its size in bytes, its mtime in nanoseconds."""

    name: str
    size: int
    mtime_ns: int


class ReadableFile:
    """A file that is open to read, by any number of threads."""

    def __init__(self, path: str, descriptor: int) -> None:
        self.path = path
        self._descriptor = descriptor

    def size(self) -> int:
        """Size of the file in bytes."""
        return self.stat().size

    def stat(self) -> FileStat:
        """Look at the file that is open, whatever has its name now."""
        with reading("look at", self.path):
            return file_stat(self.path, os.fstat(self._descriptor))

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset; fewer only at the end of the file."""
        with reading("read", self.path):
            data = os.pread(self._descriptor, size, offset)
            while len(data) < size:
                more = os.pread(self._descriptor, size - len(data), offset + len(data))
                if not more:
                    break
                data += more
        return data

    def read_into(self, view: memoryview, offset: int) -> int:
        """Fill a buffer from an offset; returns how many bytes there were, fewer only at the end of the file."""
        done = 0
        with reading("read", self.path):
            while done < len(view):
                more = os.preadv(self._descriptor, [view[done:]], offset + done)
                if not more:
                    break
                done += more
        return done

    def gather(self, wanted: Gathering, first: int, last: int) -> None:
        """Read pieces of the file, from a first to before a last.

        Raises:
            EventReadException: if they cannot be read, or the file ends before.
        """
        for begin, end in wanted.runs(first, last):
            position = begin
            while position < end:
                position += self._gather_some(
                    wanted, position, min(end, position + _PIECES_AT_ONCE)
                )

    def _gather_some(self, wanted: Gathering, first: int, last: int) -> int:
        """Read pieces with little between them; returns how many."""
        start = int(wanted.starts[first])
        size = int(wanted.stops[last - 1]) - start
        if size > _SIZE_AT_ONCE or last - first == 1:
            return self._gather_one(wanted, first)
        if _preadv(self._descriptor, wanted.iovecs(first), 2 * (last - first) - 1, start) == size:
            return last - first
        # It was interrupted, or there is less, or something is wrong: this finds out.
        return self._gather_one(wanted, first)

    def _gather_one(self, wanted: Gathering, position: int) -> int:
        start, part = int(wanted.starts[position]), wanted.part(position)
        if self.read_into(part, start) < len(part):  # fewer would move everything behind them
            raise EventReadException(f"{self.path} ends before byte {start + len(part)}")
        return 1

    def chunks(self, start: int, end: int) -> Iterator[bytes]:
        """Read from a start to an end, in bytes, a piece at a time."""
        for offset in range(start, end, _CHUNK_SIZE):
            yield self.read(offset, min(_CHUNK_SIZE, end - offset))

    def copy_to(self, target: int, size: int) -> None:
        """Copy the first bytes of the file to a descriptor's position, inside the kernel, and its attributes.

        Raises:
            OSError: what the system said; the caller knows which file it was writing.
        """
        status = os.fstat(self._descriptor)
        os.fchmod(target, stat.S_IMODE(status.st_mode))
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
        """Close the file."""
        descriptor, self._descriptor = self._descriptor, -1
        if descriptor >= 0:
            os.close(descriptor)

    def __del__(self) -> None:  # a file that is kept open for whoever reads it last
        self.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def file_stat(path: str, status: os.stat_result) -> FileStat:
    """Make a :class:`FileStat` of what stat(2) returned for *path*."""
    mtime_ns = status.st_mtime_ns
    # Beyond the year 2262, 64 bits end.
    return FileStat(path.rpartition("/")[2], status.st_size, mtime_ns if mtime_ns < 1 << 63 else -1)


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
        """Append the pieces, all of them, one behind the other."""
        views: Sequence[bytes | memoryview] = pieces
        try:
            while views:
                written = os.writev(self._descriptor, views[:_PIECES_MAX])
                views = _behind(views, written)
        except OSError as error:
            raise write_failure("write", self.path, error) from error

    def copy(self, source: ReadableFile, size: int) -> None:
        """Append the first bytes of another file, and take on its permissions and (if allowed) its owner."""
        with writing("write", self.path):
            source.copy_to(self._descriptor, size)

    def truncate(self, size: int) -> None:
        """Cut the file off; nothing is to be written to it after that."""
        with writing("cut off", self.path):
            os.ftruncate(self._descriptor, size)

    def sync(self) -> None:
        """Make what was written last; a failure is final for this file."""
        with writing("sync", self.path):
            os.fsync(self._descriptor)

    def set_modified(self) -> None:
        """Set the time of the last change to now, more exactly than writing does.

        The system's own clock for that stands still for some milliseconds at a time, so that a change might not
        show; after this, the next one shows.
        """
        with writing("date", self.path):
            now_ns = time.time_ns()
            os.utime(self._descriptor, ns=(now_ns, now_ns))

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


def _behind(views: Sequence[bytes | memoryview], size: int) -> Sequence[bytes | memoryview]:
    """What of some views comes behind so many bytes."""
    for number, view in enumerate(views):
        if size < len(view):
            return [memoryview(view)[size:], *views[number + 1 :]]
        size -= len(view)
    return ()

"""The only door to the disk.

Everything that touches a file goes through a :class:`Disk`, so that a test can put another one in its
place, and so that what the operating system says becomes an exception of the store before anybody else
hears of it.
"""

import contextlib
import errno
import fcntl
import os
import stat
from collections.abc import Iterator

from store.disk.file import FileStat, ReadableFile, WritableFile, file_stat
from store.disk.os_errors import reading, writing
from store.errors import EventReadException, StoreLocked
from store.query import DiskUsage

__all__ = [
    "Disk",
    "Lock",
]

# What stat(2) says where there is nothing, a link to nowhere included.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})


_BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"


class Disk:
    """The real disk."""

    def make_directory(self, path: str) -> None:
        """Make a directory, and those above it, where they do not exist yet; they last."""
        if os.path.isdir(path):
            return
        above = os.path.dirname(path) or os.curdir
        self.make_directory(above)
        with writing("make the directory", path), contextlib.suppress(FileExistsError):
            os.mkdir(path)
        self.sync_directory(above)

    def list_names(self, directory: str) -> Iterator[str]:
        """List the names of the regular files in a directory, in no order, without looking at each."""
        with reading("list", directory), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_file():
                    yield entry.name

    def list_files(self, directory: str) -> Iterator[FileStat]:
        """List the regular files in a directory, in no order."""
        with reading("list", directory), os.scandir(directory) as entries:
            for entry in entries:
                try:
                    status = entry.stat()
                except OSError as error:
                    # It has just gone, or is a link to nowhere. Anything else is not to be taken for that.
                    if error.errno not in _NOT_THERE:
                        raise
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield file_stat(entry.name, status)

    def look_at(self, path: str) -> FileStat | None:
        """Look at a regular file; None when there is none."""
        try:
            status = os.stat(path)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise EventReadException(f"cannot look at {path}: {error.strerror}") from error
        return file_stat(path, status) if stat.S_ISREG(status.st_mode) else None

    def modified_ns(self, path: str) -> int:
        """When something last changed in a directory, in nanoseconds since the epoch."""
        with reading("look at", path):
            return os.stat(path).st_mtime_ns

    def boot_id(self) -> str:
        """What is another after the system was started anew."""
        with reading("read", _BOOT_ID_PATH), open(_BOOT_ID_PATH, encoding="ascii") as file:
            return file.read().strip()

    def database_path(self, path: str) -> str:
        """Where SQLite, which opens files by itself, finds the one at a path."""
        return path

    def exists(self, path: str) -> bool:
        """Tell whether there is something at a path; that it cannot be looked at does not mean no."""
        with reading("look at", path):
            try:
                os.stat(path)
            except OSError as error:
                if error.errno in _NOT_THERE:
                    return False
                raise
        return True

    def open_to_read(self, path: str) -> "ReadableFile":
        """Open a file to read; it stays readable when it is replaced or removed meanwhile."""
        try:
            return ReadableFile(path, os.open(path, os.O_RDONLY | os.O_CLOEXEC))
        except OSError as error:
            raise EventReadException(f"cannot open {path}: {error.strerror}") from error

    def create(self, path: str) -> "WritableFile":
        """Make an empty file to write, in the place of any that is there."""
        with writing("create", path):
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC
            return WritableFile(path, os.open(path, flags, 0o644))

    def rename(self, old: str, new: str) -> None:
        """Put a file in the place of another, atomically."""
        with writing("rename to", new):
            os.rename(old, new)

    def remove(self, path: str) -> None:
        """Remove a file; it is no error when there is none."""
        with writing("remove", path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def sync_directory(self, path: str) -> None:
        """Make what was created, renamed and removed in a directory last."""
        with writing("sync the directory", path):
            descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def lock(self, path: str) -> "Lock":
        """Take the lock that a file stands for, and note in the file who has it.

        Raises:
            StoreLocked: if another process holds it.
        """
        with writing("lock", path), contextlib.ExitStack() as on_failure:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
            on_failure.callback(os.close, descriptor)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError as error:
                holder = os.pread(descriptor, 32, 0).decode("ascii", "replace").strip()
                raise StoreLocked(f"process {holder or '(unknown)'} holds {path}") from error
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, b"%d\n" % os.getpid(), 0)
            on_failure.pop_all()
        return Lock(descriptor)

    def is_locked(self, path: str) -> bool:
        """Tell whether another process holds a lock; this needs no right to write, and keeps nobody out."""
        with reading("look at", path):
            try:
                descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:
                return False
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return True
            finally:
                os.close(descriptor)
        return False

    def wait_for_lock(self, path: str) -> None:
        """Wait until nobody holds a lock any more."""
        with reading("wait for", path), contextlib.suppress(FileNotFoundError):
            descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH)
            finally:
                os.close(descriptor)

    def usage(self, path: str) -> DiskUsage:
        """Measure the file system under a path."""
        with reading("measure the file system of", path):
            found = os.statvfs(path)
        return DiskUsage(
            found.f_frsize,
            found.f_blocks,
            found.f_bfree,
            found.f_bavail,
            found.f_files,
            found.f_ffree,
            found.f_favail,
        )


class Lock:
    """A lock that is held until it is released or the process ends."""

    def __init__(self, descriptor: int) -> None:
        self._descriptor = descriptor

    def close(self) -> None:
        """Let the next one have it."""
        os.close(self._descriptor)

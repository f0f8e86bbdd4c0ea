"""The lock of a store: on its directory, which no cleaner removes, and on a file that names the holder.

The file is locked too: for releases that know only the file, and because network file systems lock no
directories. There the lock holds as long as the file is the one that was locked.

And turns: what several processes that use one store, through its mount, do one after the other.
"""

import contextlib
import errno
import fcntl
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator
from typing import Self

from store.disk.os_errors import reading, writing
from store.errors import EventWriteException, StoreFull, StoreLocked

__all__ = ["Lock", "Turn", "holder", "is_locked", "wait"]

# Answers of flock(2) where a directory cannot be locked: NFS needs a descriptor that is open to write.
_CANNOT_LOCK = frozenset({errno.EBADF, errno.EINVAL, errno.ENOLCK, errno.ENOSYS, errno.EOPNOTSUPP})

_PAUSE_S, _ATTEMPTS_MAX = 0.002, 1000
_POLL_S = 0.02
"""How often a lock is tried that is only shared, as it is for a moment by processes that ask whether it is held."""

_NUMBER_SIZE_MAX = 32

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
# What others put there may be a link, or block.
_SAFELY = os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK
_FILE_FLAGS = os.O_RDWR | os.O_CREAT | _SAFELY

log = logging.getLogger(__name__)


class Lock:
    """The exclusive lock of a store, held until it is closed or the process ends.

    Args:
        root_dir: the directory of the store.
        lock_path: the file that names the holder.

    Raises:
        StoreLocked: if another process holds it.
        EventWriteException: if the file cannot be written.
    """

    def __init__(self, root_dir: str, lock_path: str) -> None:
        self._path = lock_path
        self._directory = self._file = -1
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(self.close)
            with writing("lock", root_dir):
                directory = os.open(root_dir, _DIRECTORY_FLAGS)
                try:
                    self._lock(directory, root_dir)
                    self._directory = directory
                except OSError as error:
                    os.close(directory)
                    if error.errno not in _CANNOT_LOCK:
                        raise
                except StoreLocked:
                    os.close(directory)
                    raise
            self._open_file()
            on_failure.pop_all()

    def is_held(self) -> bool:
        """Return whether no other process can have the lock, whatever became of the file."""
        return self._directory >= 0 or self._is_file_there()

    def check(self) -> None:
        """Check that no other process has got the lock; where only the file can be locked, make it again if it was removed.

        Raises:
            EventWriteException: if one has, or the file cannot be written.
        """
        if not self.is_held():
            try:
                self.touch()
            except StoreLocked as error:
                raise EventWriteException(f"this process lost its lock: {error}") from error

    def keep(self) -> None:
        """Create the file again if it was removed; see :meth:`touch`."""
        if not self._is_file_there():
            self.touch()

    def touch(self) -> None:
        """Set the time of the file to now, and create it again if it was removed.

        Raises:
            StoreLocked: if the directory cannot be locked, the file was removed, and another process locked a new one.
            EventWriteException: if the file cannot be written.
        """
        if not self._is_file_there():
            self._open_file()
        if self._file >= 0:
            with writing("set the time of", self._path):
                os.utime(self._file)

    def close(self) -> None:
        """Release the lock."""
        for descriptor in (self._file, self._directory):
            if descriptor >= 0:
                os.close(descriptor)
        self._directory = self._file = -1

    def _open_file(self) -> None:
        """Lock the file, and note this process in it; on a full disk, the lock on the directory is enough."""
        try:
            self._lock_file()
            self._note_holder()
        except StoreFull as error:
            if not self.is_held():
                raise
            log.info("locked without a note of this process: %s", error)

    def _lock_file(self) -> None:
        with writing("lock", self._path):
            file = os.open(self._path, _FILE_FLAGS, 0o644)
            try:
                self._lock(file, self._path)
                if os.fstat(file).st_nlink > 1:
                    # Its other name may be that of any file, such as in a copy of the store by hard links.
                    os.unlink(self._path)
                    linked = file
                    file = os.open(self._path, _FILE_FLAGS | os.O_EXCL, 0o644)
                    os.close(linked)
                    self._lock(file, self._path)
            except (OSError, StoreLocked):
                os.close(file)
                raise
            if self._file >= 0:
                os.close(self._file)
            self._file = file
        if not self._is_file_there():  # it was removed between opening and locking it
            raise StoreLocked(f"{self._path} was removed while it was locked")

    def _note_holder(self) -> None:
        number = b"%d\n" % os.getpid()
        with writing("write", self._path):
            try:
                os.pwrite(self._file, number, 0)  # a block that it has already needs no room
                os.ftruncate(self._file, len(number))
            except OSError:
                os.ftruncate(self._file, 0)  # the number of another process would mislead
                raise

    def _lock(self, descriptor: int, path: str) -> None:
        pause = threading.Event()
        for _ in range(_ATTEMPTS_MAX):
            with contextlib.suppress(BlockingIOError):
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            try:
                fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                break
            fcntl.flock(descriptor, fcntl.LOCK_UN)
            pause.wait(_PAUSE_S)
        raise StoreLocked(f"{_holder(self._path, descriptor)} holds {path}")

    def _is_file_there(self) -> bool:
        if self._file < 0:
            return False
        with reading("stat", self._path), contextlib.suppress(FileNotFoundError):
            found, ours = os.lstat(self._path), os.fstat(self._file)
            return (found.st_dev, found.st_ino) == (ours.st_dev, ours.st_ino)
        return False


class Turn:
    """The turn of this process among those that take turns at *directory*, held until it is closed or the process ends.

    Nothing is written for it. Where directories cannot be locked, as on NFS, none waits.

    Args:
        directory: path of the directory.
        on_wait: called with the process that has the turn, before it is waited for.

    Raises:
        EventWriteException: if the directory cannot be opened.
    """

    def __init__(self, directory: str, on_wait: Callable[[str], object]) -> None:
        with writing("lock", directory), contextlib.ExitStack() as on_failure:
            self._directory = os.open(directory, _DIRECTORY_FLAGS)
            on_failure.callback(self.close)
            try:
                self._take(on_wait)
            except OSError as error:
                if error.errno not in _CANNOT_LOCK:
                    raise
            on_failure.pop_all()

    def close(self) -> None:
        """Let the next process have its turn."""
        os.close(self._directory)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()

    def _take(self, on_wait: Callable[[str], object]) -> None:
        try:
            fcntl.flock(self._directory, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            on_wait(_locker(self._directory))
            fcntl.flock(self._directory, fcntl.LOCK_EX)


def is_locked(root_dir: str, lock_path: str) -> bool:
    """Return whether a process has locked the store in *root_dir* or, as older releases do, *lock_path* only."""
    return any(True for _ in _locked(root_dir, lock_path))


def holder(root_dir: str, lock_path: str) -> str:
    """Return the process that has locked the store in *root_dir*; "none" if there is none."""
    for descriptor in _locked(root_dir, lock_path):
        return _holder(lock_path, descriptor)
    return "none"


def wait(root_dir: str, lock_path: str, timeout_s: float) -> None:
    """Wait until no process has locked the store in *root_dir*, nor *lock_path*.

    Raises:
        StoreLocked: if one still has after *timeout_s* seconds.
    """
    deadline = time.monotonic() + timeout_s
    pause = threading.Event()
    while is_locked(root_dir, lock_path):
        if time.monotonic() >= deadline:
            raise StoreLocked(f"{holder(root_dir, lock_path)} holds {root_dir}")
        pause.wait(_POLL_S)


def _locked(root_dir: str, lock_path: str) -> Iterator[int]:
    """Yield the descriptors of those of *root_dir* and *lock_path* that a process has locked."""
    for descriptor in _opened(root_dir, lock_path):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            yield descriptor
        except OSError as error:
            if error.errno not in _CANNOT_LOCK:
                raise


def _opened(root_dir: str, lock_path: str) -> Iterator[int]:
    for path in (root_dir, lock_path):
        with reading("open", path), contextlib.suppress(FileNotFoundError):
            # The directory of the store may be given by a link.
            flags = os.O_RDONLY | (_SAFELY if path == lock_path else _DIRECTORY_FLAGS)
            descriptor = os.open(path, flags)
            try:
                yield descriptor
            finally:
                os.close(descriptor)


def _holder(path: str, descriptor: int) -> str:
    """Name the process that noted itself in the file at *path*, else that which has locked the file of *descriptor*."""
    with contextlib.suppress(OSError), contextlib.ExitStack() as stack:
        file = os.open(path, os.O_RDONLY | _SAFELY)
        stack.callback(os.close, file)
        noted = os.read(file, _NUMBER_SIZE_MAX).strip()
        if noted.isdigit():
            return f"process {noted.decode()}"
    return _locker(descriptor)  # a cleaner removed it


def _locker(descriptor: int) -> str:
    """Name the process that has locked the file of *descriptor*, as far as the kernel says."""
    status = os.fstat(descriptor)
    number = f":{status.st_ino}"
    # Some file systems tell programs another device than the kernel has.
    place = f"{os.major(status.st_dev):02x}:{os.minor(status.st_dev):02x}{number}"
    found = {}
    with contextlib.suppress(OSError), open("/proc/locks") as locks:
        found = {
            fields[5]: fields[4]
            for fields in map(str.split, locks)
            if fields[1] == "FLOCK" and fields[5].endswith(number)
        }
    process = found.get(place) or next(iter(found.values()), None)
    return f"process {process}" if process else "another process"

"""The only door to the operating system's files.

Everything that touches a file goes through a :class:`Disk`, so that a test can put another one in its
place, and so that an error of the operating system becomes an exception of the store at once.
"""

import contextlib
import errno
import math
import mmap
import os
import stat
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from store.disk import lock, renaming, watch
from store.disk.dirents import DT_REG, DT_UNKNOWN, read_dirents
from store.disk.file import FileStat, ReadableFile, WritableFile, file_stat, inode_numbers
from store.disk.os_errors import read_failure, reading, writing
from store.errors import EventWriteException, FileChanged
from store.query import DiskUsage, Inodes

__all__ = ["PRIVATE", "Disk"]

PRIVATE = 0o700
"""The permissions of a store that is made: the options of a mount say which users read its events, and its files must not tell others."""

# Answers of stat(2) where there is nothing, a link to nowhere included.
_NOT_THERE = frozenset({errno.ENOENT, errno.ENOTDIR, errno.ELOOP})

# Answers of link(2) where the file system has no hard links.
_CANNOT_LINK = frozenset({errno.EPERM, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK})

# A symbolic link would be served with our rights; a FIFO would block.
_READ_FLAGS = os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK

_CREATE_FLAGS = os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC

_DIRECTORY_FLAGS = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC

_PAGE_SIZE = 4096
"""The pages in which SQLite extends the file of its shared memory, in bytes."""

_BOOT_ID_PATH = "/proc/sys/kernel/random/boot_id"


class Disk:
    """The real disk. A symbolic link is no regular file to it."""

    def make_directory(self, path: str, permissions: int = 0o777) -> None:
        """Make the directory *path*, with *permissions* that the umask may reduce, and its parents, durably, where they do not exist yet."""
        if os.path.isdir(path):
            return
        above = os.path.dirname(path) or os.curdir
        self.make_directory(above)
        with writing("make the directory", path), contextlib.suppress(FileExistsError):
            os.mkdir(path, permissions)
        self.sync_directory(above)

    def make_directory_like(self, path: str, model: str) -> None:
        """Make the directory *path*, durably, and give it the permissions and the owner of *model* if there is that.

        What is not allowed is left: the owner, unless this process is root's; and all of it of a directory of another user.
        """
        self.make_directory(path)
        with writing("set the permissions of", path):
            try:
                wanted = os.stat(model)
            except FileNotFoundError:
                return
            # Not by its path: a link in its place would lead elsewhere.
            descriptor = os.open(path, _DIRECTORY_FLAGS | os.O_NOFOLLOW)
            try:
                with contextlib.suppress(PermissionError):
                    os.fchown(descriptor, wanted.st_uid, wanted.st_gid)
                with contextlib.suppress(PermissionError):
                    os.fchmod(descriptor, stat.S_IMODE(wanted.st_mode))
            finally:
                os.close(descriptor)

    def remove_directory(self, path: str) -> None:
        """Remove the empty directory *path* if it exists."""
        with writing("remove", path), contextlib.suppress(FileNotFoundError):
            os.rmdir(path)

    def remake_directory(self, path: str) -> bool:
        """Make the directory *path*, and the one it is in, again if another program removed them; nothing is synced.

        Returns:
            Whether they were missing.
        """
        both = (os.path.dirname(path), path)
        for each in both:
            self.check_no_link(each)
        if os.path.isdir(path):
            return False
        with writing("make the directory", path):
            for each in both:
                with contextlib.suppress(FileExistsError):
                    os.mkdir(each)
        return True

    def list_names(self, directory: str) -> Iterator[str]:
        """List the names of the regular files in *directory*, in no order, without a stat of each."""
        with reading("list", directory), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_file(follow_symlinks=False):
                    yield entry.name

    def list_links(self, directory: str) -> Iterator[str]:
        """List the names of the symbolic links in *directory*, in no order."""
        with reading("list", directory), os.scandir(directory) as entries:
            for entry in entries:
                if entry.is_symlink():
                    yield entry.name

    def list_others(self, directory: str) -> list[str]:
        """Return the names in *directory* of what is neither a regular file nor a symbolic link; none if it does not exist."""
        with reading("list", directory):
            try:
                with os.scandir(directory) as entries:
                    return [
                        each.name
                        for each in entries
                        if not each.is_file(follow_symlinks=False) and not each.is_symlink()
                    ]
            except FileNotFoundError:
                return []

    def make_link(self, path: str, target: str) -> None:
        """Make a symbolic link to *target* at *path*.

        Raises:
            FileChanged: if there is something at *path*.
        """
        with writing("make the link", path):
            try:
                os.symlink(target, path)
            except FileExistsError as error:
                raise FileChanged(f"{path} was created by another program") from error

    def read_link(self, path: str) -> str | None:
        """Return the target of the symbolic link at *path*; None when there is none."""
        with reading("read the link", path):
            try:
                return os.readlink(path)
            except OSError as error:
                if error.errno in _NOT_THERE or error.errno == errno.EINVAL:  # it is no link
                    return None
                raise

    def list_directories(self, directory: str) -> list[str]:
        """Return the names of the directories in *directory*, in no order; none if it does not exist."""
        with reading("list", directory):
            try:
                with os.scandir(directory) as entries:
                    return [each.name for each in entries if each.is_dir(follow_symlinks=False)]
            except FileNotFoundError:
                return []

    def list_inodes(self, directory: str) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        """List the regular files in *directory*, in no order: the names of some, and their inode numbers, without a stat of each."""
        with reading("list", directory):
            for names, inodes, types in read_dirents(directory):
                are_files = types == DT_REG
                for row in np.flatnonzero(types == DT_UNKNOWN).tolist():
                    are_files[row] = self._is_file(directory, names[row])
                yield names[are_files], inode_numbers(inodes[are_files])

    def _is_file(self, directory: str, name: bytes) -> bool:
        with contextlib.suppress(FileNotFoundError):
            return stat.S_ISREG(os.lstat(os.path.join(os.fsencode(directory), name)).st_mode)
        return False

    def list_files(self, directory: str) -> Iterator[FileStat]:
        """List the regular files in *directory*, in no order."""
        with reading("list", directory), os.scandir(directory) as entries:
            for entry in entries:
                try:
                    status = entry.stat(follow_symlinks=False)
                except OSError as error:
                    if error.errno not in _NOT_THERE:  # it was not removed meanwhile
                        raise
                    continue
                if stat.S_ISREG(status.st_mode):
                    yield file_stat(entry.name, status)

    def stat(self, path: str) -> FileStat | None:
        """Return the FileStat of the regular file at *path*; None when there is none."""
        try:
            status = os.lstat(path)
        except OSError as error:
            if error.errno in _NOT_THERE:
                return None
            raise read_failure("stat", path, error) from error
        name = path.rpartition("/")[2]
        return file_stat(name, status) if stat.S_ISREG(status.st_mode) else None

    def inode(self, directory: str) -> int:
        """Return the inode number of *directory*."""
        with reading("stat", directory):
            return os.stat(directory).st_ino

    def boot_id(self) -> str:
        """Return the kernel's boot ID, which changes at every reboot; empty where it cannot be read."""
        with contextlib.suppress(OSError), open(_BOOT_ID_PATH, encoding="ascii") as file:
            return file.read().strip()
        return ""

    def database_path(self, path: str) -> str:
        """Return the path at which SQLite, which opens files by itself, finds the file at *path*."""
        return path

    def exists(self, path: str) -> bool:
        """Return whether *path* exists; any error but "not found" is raised."""
        with reading("stat", path):
            try:
                os.stat(path)
            except OSError as error:
                if error.errno in _NOT_THERE:
                    return False
                raise
        return True

    def open_to_read(self, path: str) -> ReadableFile:
        """Open the file at *path*, no symbolic link; it stays readable when it is replaced or removed."""
        try:
            return ReadableFile(path, os.open(path, _READ_FLAGS))
        except OSError as error:
            raise read_failure("open", path, error) from error

    def create(self, path: str) -> WritableFile:
        """Create an empty file at *path* to write, in place of any that is there.

        A file that has no other name is emptied, and keeps its inode number. Anything else is removed first: what another
        program put there, such as a link, may lead to a file that is not the store's.
        """
        with writing("create", path):
            try:
                return WritableFile(path, os.open(path, _CREATE_FLAGS, 0o644))
            except FileExistsError:
                emptied = _empty(path)
                if emptied is None:
                    os.unlink(path)
                    emptied = os.open(path, _CREATE_FLAGS, 0o644)
                return WritableFile(path, emptied)

    def create_in_memory(self, path: str) -> WritableFile:
        """Create an empty file in memory, which ends with its last descriptor; *path* is for messages only."""
        with writing("create in memory", path):
            return WritableFile(path, os.memfd_create("theiafs", os.MFD_CLOEXEC))

    def map_unnamed(self, directory: str, size: int) -> mmap.mmap:
        """Map *size* bytes of zeros in a file in *directory* that has no name, and ends with the mapping.

        Raises:
            StoreFull: if there is no room.
            EventWriteException: if the file system has no such files, or it fails.
        """
        with writing("make a file without a name in", directory):
            descriptor = os.open(directory, os.O_TMPFILE | os.O_RDWR | os.O_CLOEXEC, 0o600)
            try:
                # Now, for without room a write to the mapping would end the process.
                os.posix_fallocate(descriptor, 0, size)
                return mmap.mmap(descriptor, size)
            finally:
                os.close(descriptor)

    def fills_pages(self, directory: str) -> bool:
        """Return whether one byte written makes room for a whole page of it, in a file in *directory*.

        If not, a process that maps a file which was extended by one byte a page is ended by SIGBUS once the disk is full.
        """
        return self.usage(directory).block_size >= _PAGE_SIZE

    def check_no_link(self, path: str) -> None:
        """Check that *path* is no symbolic link: what is read and written below it would be somewhere else.

        Raises:
            EventWriteException: if it is one.
        """
        if os.path.islink(path):
            raise EventWriteException(
                f"{path} is a symbolic link, which may lead out of the store: remove it, or put what it leads to in its place"
            )

    def rename(self, old: str, new: str) -> None:
        """Rename *old* to *new*, atomically in place of any file that is there."""
        with writing("rename to", new):
            os.rename(old, new)

    def rename_noreplace(self, old: str, new: str) -> None:
        """Rename *old* to *new*.

        Raises:
            FileChanged: if there is a file at *new*.
            EventWriteException: if there is anything else, or it fails.
        """
        with writing("rename to", new):
            try:
                if not renaming.rename_noreplace(old, new):
                    self._rename_by_link(old, new)
            except FileExistsError as error:
                if self.stat(new) is None and os.path.lexists(new):
                    raise EventWriteException(
                        f"cannot write {new}: what is there is no regular file; move it away"
                    ) from error
                raise FileChanged(f"{new} was created by another program") from error

    def _rename_by_link(self, old: str, new: str) -> None:
        try:
            os.link(old, new)
        except OSError as error:
            if error.errno not in _CANNOT_LINK:
                raise
            if os.path.lexists(new):
                raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), new) from error
            os.rename(old, new)
            return
        os.unlink(old)

    def exchange(self, first: str, second: str) -> bool:
        """Exchange the files *first* and *second*, atomically.

        Returns:
            Whether the file system can do that; nothing has changed if not.

        Raises:
            FileChanged: if one of them does not exist.
        """
        with writing("exchange", second):
            try:
                return renaming.exchange(first, second)
            except FileNotFoundError as error:
                raise FileChanged(f"{second} was removed by another program") from error

    def remove(self, path: str) -> None:
        """Remove the file at *path* if it exists."""
        with writing("remove", path), contextlib.suppress(FileNotFoundError):
            os.unlink(path)

    def touch(self, path: str) -> None:
        """Set the mtime of the file at *path* to now if it exists."""
        with writing("set the time of", path), contextlib.suppress(FileNotFoundError):
            os.utime(path, follow_symlinks=False)

    def sync_file(self, path: str) -> None:
        """Fsync the file at *path*, which another process wrote."""
        self._sync(path, _READ_FLAGS)

    def sync_directory(self, path: str) -> None:
        """Fsync the directory *path*, so that what was created, renamed and removed in it lasts."""
        self._sync(path, _DIRECTORY_FLAGS)

    def _sync(self, path: str, flags: int) -> None:
        with writing("sync", path):
            descriptor = os.open(path, flags)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)

    def lock_store(self, root_dir: str, lock_path: str) -> lock.Lock:
        """Lock the store in *root_dir* for writing, and note this process in the file *lock_path*.

        Raises:
            StoreLocked: if another process has locked it.
            EventWriteException: if it cannot be locked.
        """
        return lock.Lock(root_dir, lock_path)

    def is_store_locked(self, root_dir: str, lock_path: str) -> bool:
        """Return whether a process has locked the store in *root_dir*; this needs no right to write."""
        return lock.is_locked(root_dir, lock_path)

    def lock_holder(self, root_dir: str, lock_path: str) -> str:
        """Return the process that has locked the store in *root_dir*; "none" if there is none."""
        return lock.holder(root_dir, lock_path)

    def wait_for_store_lock(
        self, root_dir: str, lock_path: str, timeout_s: float = math.inf
    ) -> None:
        """Wait until no process has locked the store in *root_dir*.

        Raises:
            StoreLocked: if one still has after *timeout_s* seconds.
        """
        lock.wait(root_dir, lock_path, timeout_s)

    def owner(self, path: str) -> int:
        """Return the id of the user that owns what is at *path*."""
        with reading("stat", path):
            return os.stat(path).st_uid

    def other_writers(self, directory: str) -> list[str]:
        """Return the users except root that may write to *directory*, as far as its owner and its mode say."""
        with reading("stat", directory):
            status = os.stat(directory)
        found = [f"user {status.st_uid}"] if status.st_uid else []
        found += ["its group"] if status.st_mode & stat.S_IWGRP else []
        found += ["everybody"] if status.st_mode & stat.S_IWOTH else []
        return found

    def watch(self, directory: str) -> watch.DirectoryWatch | None:
        """Watch *directory* for changes by any process; None where the system cannot tell all of them."""
        return watch.watch(directory)

    def usage(self, path: str) -> DiskUsage:
        """Measure the file system that *path* is on."""
        with reading("measure the file system of", path):
            found = os.statvfs(path)
        return DiskUsage(
            found.f_frsize,
            found.f_blocks,
            found.f_bfree,
            found.f_bavail,
            Inodes(found.f_files, found.f_ffree, found.f_favail),
        )


def _empty(path: str) -> int | None:
    """Empty the regular file at *path*, and return its descriptor; None if it is no such file, or has another name too."""
    if not _is_sole(os.lstat(path)):
        return None
    descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW | os.O_NONBLOCK)
    if not _is_sole(os.fstat(descriptor)):
        os.close(descriptor)
        return None
    os.ftruncate(descriptor, 0)
    return descriptor


def _is_sole(status: os.stat_result) -> bool:
    return stat.S_ISREG(status.st_mode) and status.st_nlink == 1

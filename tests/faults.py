"""A disk in memory that fails where it is told to, and forgets what was not synced when the power goes.

It knows two states (:mod:`tests.volatile`): what programs see, and what survives.
To see what a power cut at any operation leaves, a program need not run again for each: the disk is copied
before, in the middle of and after every operation of one run.
"""

import errno
import functools
import hashlib
import os
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile, WritableFile
from store.disk.lock import Lock
from store.disk.vectored import ExtentBuffer
from store.disk.watch import DirectoryWatch
from store.errors import (
    DiskUnreadable,
    EventReadException,
    EventWriteException,
    FileChanged,
    StoreFull,
)
from store.query import DiskUsage
from tests.doubles import HeldLock
from tests.kept_databases import KeptDatabases
from tests.volatile import Change, Directory, Fate, Inode, is_temporary, next_moment

__all__ = ["Fate", "FaultyDisk", "PowerCut"]


class PowerCut(Exception):
    """The power went; the process that asked is no more."""


class FaultyDisk(Disk):
    """The disk. Operations are counted from 1.

    Attributes:
        operations: how many there were so far.
        cut_at: the operation at which the power goes.
        cut_phase: "before" it, in the "middle" of it (of a write; else before) or "after" it.
        failing: the operations that fail, as long as they can fail so.
        error_number: with which error: EIO, or ENOSPC for those that need room.
        is_full: whether there is no room for new files and bytes; those that are there can still be synced, renamed and removed.
        on_cut: is given, at each operation, each phase and the disk that a power cut would leave to its fate then.
        has_read_temporary: whether a temporary file was opened to read, or its size was read.
    """

    def __init__(self, keeps_databases: bool = False) -> None:
        self.operations = 0
        self.cut_at = 0
        self.cut_phase = "before"
        self.failing: range = range(0)
        self.error_number = errno.EIO
        self.is_full = False
        self.failures = 0
        self._can_fail: set[int] = set()
        self._is_off = False
        self._directories = {"": Directory()}
        self._removed: set[str] = set()  # directories, and not synced yet
        self._boot_id = "boot-1"
        self._last_inode = 0
        self.root_inode = 1
        self.on_cut: Callable[[str, FaultyDisk], object] | None = None
        self.has_read_temporary = False
        self._databases = KeptDatabases(keeps_databases)

    def after_a_power_cut(self, fate: Fate) -> "FaultyDisk":
        """Return the disk as the next process finds it."""
        inodes: dict[int, Inode] = {}
        survived = FaultyDisk()
        survived._databases = self._databases.copy()
        survived.root_inode = self.root_inode
        survived._last_inode = self._last_inode
        survived._boot_id = self._boot_id
        if fate.name != "kept":
            survived._boot_id = f"boot-{int(self._boot_id[5:]) + 1}"
        for path, directory in self._directories.items():
            survived._directories[path] = directory.after_a_power_cut(fate, inodes)
        for path in sorted(self._removed):
            if not fate.of_a_change():
                survived.make_directory(path)
        return survived

    def fingerprint(self, names_only: Callable[[str], bool] = lambda _name: False) -> bytes:
        """A checksum of all that the next process finds; equal for disks on which it does the same.

        Args:
            names_only: whether a file, by name, is one of which only the name and the inode are read.
        """
        found = hashlib.sha256(self._boot_id.encode())
        for path, directory in sorted(self._directories.items(), key=_name):
            found.update(f"{path}/{len(directory.seen)}".encode())
            for name, inode in sorted(directory.seen.items(), key=_name):
                if names_only(name):
                    found.update(f"{name} {inode.number}\n".encode())
                    continue
                # Only an index, which is kept in a database, remembers times.
                stamp = (inode.mtime_ns, inode.number) if self._databases.are_kept else ()
                found.update(f"{name} {stamp} {inode.target} {len(inode.seen)}\n".encode())
                found.update(inode.seen)
        for name, data in sorted(self._databases.read().items()):
            found.update(f"{name} {len(data)}\n".encode() + data)
        return found.digest()

    def first_failure(self, failing: range) -> int:
        """Return the first of the operations *failing* that can fail; 0 when there is none."""
        return next((each for each in failing if each in self._can_fail), 0)

    def fails_equally(self, failing: range) -> bool:
        """Return whether the same operations would have failed if all those in *failing* had been told to."""
        return self._can_fail.intersection(failing) == self._can_fail.intersection(self.failing)

    def _copy(self, inodes: dict[int, Inode]) -> "FaultyDisk":
        copied = FaultyDisk()
        copied._boot_id = self._boot_id
        copied._last_inode = self._last_inode
        copied.root_inode = self.root_inode
        copied._databases = self._databases.copy()
        for path, directory in self._directories.items():
            copied._directories[path] = directory.copy(inodes)
        copied._removed = self._removed.copy()
        return copied

    def content(self, path: str) -> bytes:
        """Return the content of the file at *path*."""
        return self._inode(path).seen

    def lose(self, path: str) -> bytes:
        """Remove the file at *path* as another program does, durably; returns its content."""
        directory, name = self._split(path)
        content = self.content(path)
        del directory.seen[name]
        directory.sync()
        return content

    def names(self, directory: str) -> list[str]:
        """Return the names in *directory*, none if it was not made before the power went."""
        return sorted(self._directories.get(directory, Directory()).seen)

    def do(
        self,
        action: Callable[[], object],
        *,
        is_reading: bool = False,
        room: bool = False,
        grows: bool = False,
        half: tuple[Inode, bytes] | None = None,
        on_failure: Callable[[], object] | None = None,
    ) -> None:
        """Do one operation, unless it is to fail."""
        if self._is_off:
            raise PowerCut
        self.operations += 1
        if room or self.error_number == errno.EIO:
            self._can_fail.add(self.operations)
        if self.on_cut is not None:
            self._show_cuts(self.on_cut, half)
        if self.operations == self.cut_at:
            self._is_off = True
            if self.cut_phase == "after":
                action()
            elif self.cut_phase == "middle" and half is not None:
                half[0].write(half[1])
            raise PowerCut
        if self.operations in self.failing and self.operations in self._can_fail:
            self.failures += 1
            if half is not None:
                half[0].write(half[1])
            if on_failure is not None:
                on_failure()
            if is_reading:
                raise DiskUnreadable(f"operation {self.operations}: {self.error_number}")
            kind = StoreFull if self.error_number == errno.ENOSPC else EventWriteException
            raise kind(f"operation {self.operations}: {self.error_number}")
        if grows and self.is_full:
            raise StoreFull(f"operation {self.operations}: the disk is full")
        action()
        if self.on_cut is not None:
            self.on_cut("after", self._copy({}))

    def _show_cuts(
        self, on_cut: Callable[[str, "FaultyDisk"], object], half: tuple[Inode, bytes] | None
    ) -> None:
        before = self._copy({})
        on_cut("before", before)
        if half is None:
            on_cut("middle", before)
            return
        inodes: dict[int, Inode] = {}
        middle, (inode, data) = self._copy(inodes), half
        if id(inode) in inodes:  # else it has no name any more
            inodes[id(inode)].write(data)
        on_cut("middle", middle)

    def _note_size(self) -> None:
        self.has_read_temporary = True

    def _split(self, path: str) -> tuple[Directory, str]:
        above, _, name = path.rpartition("/")
        return self._directories[above], name

    def _inode(self, path: str) -> Inode:
        directory, name = self._split(path)
        if name not in directory.seen:
            raise EventReadException(f"no such file: {path}")
        return directory.seen[name]

    # What a disk can do

    def make_directory(self, path: str, permissions: int = 0o777) -> None:
        if path not in self._directories:
            self.make_directory(path.rpartition("/")[0])
            self._directories[path] = Directory()

    def remove_directory(self, path: str) -> None:
        def remove() -> None:
            del self._directories[path]
            self._removed.add(path)

        self.do(remove)

    def make_directory_like(self, path: str, model: str) -> None:
        self.make_directory(path)

    def remake_directory(self, path: str) -> bool:
        return False

    def list_files(self, directory: str) -> Iterator[FileStat]:
        self.do(lambda: None, is_reading=True)
        names = self._directories[directory].seen
        for name, inode in list(names.items()):
            yield inode.stat(name, self._note_size)

    def list_inodes(self, directory: str) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        files = list(self.list_files(directory))
        names = np.array([os.fsencode(file.name) for file in files], np.bytes_)
        yield names, np.array([file.inode for file in files], np.int64)

    def list_links(self, directory: str) -> Iterator[str]:
        names = self._directories[directory].seen
        return iter([name for name, inode in names.items() if inode.target is not None])

    def make_link(self, path: str, target: str) -> None:
        directory, name = self._split(path)
        if name in directory.seen:
            raise FileChanged(path)
        self._last_inode += 1
        inode = Inode(number=self._last_inode, target=target)
        self.do(lambda: directory.change(Change(name, inode)), room=True, grows=True)

    def read_link(self, path: str) -> str | None:
        above, _, name = path.rpartition("/")
        directory = self._directories.get(above, Directory())
        return directory.seen[name].target if name in directory.seen else None

    def list_directories(self, directory: str) -> list[str]:
        above = f"{directory}/"
        below = (path for path in self._directories if path.startswith(above))
        return sorted({path[len(above) :].partition("/")[0] for path in below})

    def list_names(self, directory: str) -> Iterator[str]:
        return (file.name for file in self.list_files(directory))

    def stat(self, path: str) -> FileStat | None:
        self.do(lambda: None, is_reading=True)
        above, _, name = path.rpartition("/")
        inode = self._directories.get(above, Directory()).seen.get(name)
        return None if inode is None else inode.stat(name, self._note_size)

    def inode(self, directory: str) -> int:
        return self.root_inode

    def boot_id(self) -> str:
        return self._boot_id

    def database_path(self, path: str) -> str:
        return self._databases.path(os.path.basename(path))

    def exists(self, path: str) -> bool:
        self.do(lambda: None, is_reading=True)
        if path in self._directories:
            return True
        above, _, name = path.rpartition("/")
        return above in self._directories and name in self._directories[above].seen

    def open_to_read(self, path: str) -> ReadableFile:
        self.has_read_temporary |= is_temporary(path)
        self.do(lambda: None, is_reading=True)
        return FaultyReadable(self, path, self._inode(path))

    def create(self, path: str) -> WritableFile:
        directory, name = self._split(path)
        inode = directory.seen.get(name)
        if inode is not None:
            self.do(functools.partial(inode.truncate, 0))
        else:
            # The log has inode numbers in it: they are equal in all runs.
            self._last_inode += 1
            inode = Inode(number=self._last_inode)
            self.do(lambda: directory.change(Change(name, inode)), room=True, grows=True)
        return FaultyWritable(self, path, inode)

    def rename(self, old: str, new: str) -> None:
        directory, old_name = self._split(old)
        _, new_name = self._split(new)
        inode = self._inode(old)
        self.do(lambda: directory.change(Change(new_name, inode, old_name)), room=True)

    def rename_noreplace(self, old: str, new: str) -> None:
        directory, name = self._split(new)
        if name in directory.seen:
            raise FileChanged(new)
        self.rename(old, new)

    def exchange(self, first: str, second: str) -> bool:
        directory, first_name = self._split(first)
        _, second_name = self._split(second)
        if second_name not in directory.seen:
            raise FileChanged(second)

        new, old = directory.seen[first_name], directory.seen[second_name]
        change = Change(second_name, new, first_name, old)
        self.do(lambda: directory.change(change), room=True)
        return True

    def remove(self, path: str) -> None:
        if ".sqlite" in path:
            if self._databases.are_kept:
                Disk().remove(self.database_path(path))
            return
        directory, name = self._split(path)
        self.do(lambda: directory.change(Change(name, None)))

    def sync_file(self, path: str) -> None:
        inode = self._inode(path)
        self.do(inode.sync, room=True, on_failure=inode.fail_to_sync)

    def sync_directory(self, path: str) -> None:
        def sync() -> None:
            self._directories[path].sync()
            self._removed = {each for each in self._removed if os.path.dirname(each) != path}

        self.do(sync, room=True)

    def lock_store(self, root_dir: str, lock_path: str) -> Lock:
        return HeldLock()

    def is_store_locked(self, root_dir: str, lock_path: str) -> bool:
        return False

    def lock_holder(self, root_dir: str, lock_path: str) -> str:
        return "this process"

    def watch(self, directory: str) -> DirectoryWatch | None:
        return None

    def usage(self, path: str) -> DiskUsage:
        return DiskUsage(4096, 1, 1, 1)


def _name(item: tuple[str, object]) -> str:
    return item[0]


class FaultyReadable(ReadableFile):
    def __init__(self, disk: FaultyDisk, path: str, inode: Inode) -> None:
        super().__init__(path, -1)
        self._disk = disk
        self._inode = inode

    def stat(self) -> FileStat:
        return self._inode.stat(self.path.rpartition("/")[2])

    def identity(self) -> str:
        return self._inode.identity

    def read(self, offset: int, size: int) -> bytes:
        self._disk.do(lambda: None, is_reading=True)
        return self._inode.seen[offset : offset + size]

    def duplicate(self) -> ReadableFile:
        return self

    def drop_cache(self) -> None:
        pass

    def gather(self, buffer: ExtentBuffer, first: int, last: int) -> None:
        self._gather_each(buffer, first, last)

    def close(self) -> None:
        pass


class FaultyWritable(WritableFile):
    def __init__(self, disk: FaultyDisk, path: str, inode: Inode) -> None:
        super().__init__(path, -1)
        self._disk = disk
        self._inode = inode

    def write(self, *pieces: bytes) -> None:
        data = b"".join(pieces)
        half = self._inode, data[: len(data) // 2]
        self._disk.do(lambda: self._inode.write(data), room=True, grows=True, half=half)

    def copy(self, source: ReadableFile, size: int) -> None:
        data = source.read(0, size)
        assert len(data) == size
        self.write(data)

    def to_read(self, path: str) -> ReadableFile:
        return FaultyReadable(self._disk, path, self._inode)

    def truncate(self, size: int) -> None:
        self._disk.do(lambda: self._inode.truncate(size))

    def set_modified(self, time_ns: int | None = None) -> None:
        self._inode.mtime_ns = next_moment() if time_ns is None else time_ns

    def stat(self) -> FileStat:
        return self._inode.stat(self.path.rpartition("/")[2])

    def identity(self) -> str:
        return self._inode.identity

    def sync(self) -> None:
        self._disk.do(self._inode.sync, room=True, on_failure=self._inode.fail_to_sync)

    def close(self) -> None:
        pass

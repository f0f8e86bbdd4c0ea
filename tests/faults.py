"""A disk in memory that fails where it is told to, and forgets what was not synced when the power goes.

It knows two states: what programs see, and what survives. What lies between them is a list of things that
were done and not synced; when the power goes, each is kept or lost, a write also torn, by a seed.
"""

import atexit
import errno
import itertools
import os
import random
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from tempfile import TemporaryDirectory

from store.disk.disk import Disk, Lock
from store.disk.file import FileStat, ReadableFile, WritableFile
from store.disk.vectored import Gathering
from store.errors import EventReadException, EventWriteException, StoreFull
from store.query import DiskUsage

__all__ = ["Fate", "FaultyDisk", "PowerCut"]


class PowerCut(Exception):
    """The power went; the process that asked is no more."""


class Fate:
    """What becomes of what was not synced.

    Args:
        name: "kept", as when only the process ends; "dropped"; or "torn": by the seed, each write and each
            change of a directory by itself is kept, lost, or (a write) kept in part.
        seed: of the choices.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self._random = random.Random(seed)

    def of_a_write(self, size: int) -> int:
        """How many bytes of a write are kept."""
        if self.name == "torn":
            return self._random.choice([0, self._random.randint(0, size), size])
        return size if self.name == "kept" else 0

    def of_a_change(self) -> bool:
        """Whether a change of a directory is kept."""
        return self._random.random() < 0.5 if self.name == "torn" else self.name == "kept"


_moments = itertools.count(1)
_SCRATCH = TemporaryDirectory(dir="/dev/shm")
atexit.register(_SCRATCH.cleanup)


@dataclass
class Inode:
    """A file: what is seen, what survives, and the writes in between; None is one that a failed sync lost."""

    seen: bytearray = field(default_factory=bytearray)
    safe: bytes = b""
    unsynced: list[tuple[int, bytes, bool]] = field(default_factory=list)
    mtime_ns: int = 0

    def write(self, data: bytes) -> None:
        self.mtime_ns = next(_moments)
        self.unsynced.append((len(self.seen), data, False))
        self.seen += data

    def sync(self) -> None:
        lost = [write for write in self.unsynced if write[2]]
        content = bytearray(self.seen)
        for offset, data, _ in lost:
            content[offset : offset + len(data)] = bytes(len(data))
        self.safe = bytes(content)
        self.unsynced = lost

    def truncate(self, size: int) -> None:
        del self.seen[size:]
        self.unsynced = [write for write in self.unsynced if write[0] < size]
        self.unsynced = [(at, data[: size - at], lost) for at, data, lost in self.unsynced]

    def fail_to_sync(self) -> None:
        """What was to be synced is seen for a while, and will never be on the disk (fsyncgate)."""
        self.unsynced = [(offset, data, True) for offset, data, _ in self.unsynced]

    def after_a_power_cut(self, fate: Fate) -> "Inode":
        content = bytearray(self.safe)
        for offset, data, is_lost in self.unsynced:
            kept = data[: fate.of_a_write(len(data))]
            if is_lost and fate.name != "kept":
                continue
            if kept:
                content += bytes(max(0, offset - len(content)))
                content[offset : offset + len(kept)] = kept
        return Inode(bytearray(content), bytes(content), mtime_ns=self.mtime_ns)


Change = Callable[[dict[str, Inode]], None]


@dataclass
class Directory:
    """Names of files: those that are seen, those that survive, and the changes in between."""

    seen: dict[str, Inode] = field(default_factory=dict)
    safe: dict[str, Inode] = field(default_factory=dict)
    unsynced: list[Change] = field(default_factory=list)
    changes: int = 1

    def change(self, change: Change) -> None:
        self.changes += 1
        change(self.seen)
        self.unsynced.append(change)

    def sync(self) -> None:
        self.safe = self.seen.copy()
        self.unsynced = []

    def after_a_power_cut(self, fate: Fate, inodes: dict[int, Inode]) -> "Directory":
        names = self.safe.copy()
        for change in self.unsynced:
            if fate.of_a_change():
                change(names)
        for inode in names.values():
            if id(inode) not in inodes:
                inodes[id(inode)] = inode.after_a_power_cut(fate)
        survived = {name: inodes[id(inode)] for name, inode in names.items()}
        return Directory(survived, survived.copy())


class FaultyDisk(Disk):
    """The disk. Operations are counted from 1.

    Attributes:
        operations: how many there were so far.
        cut_at: the operation at which the power goes.
        cut_phase: "before" it, in the "middle" of it (of a write; else before) or "after" it.
        failing: the operations that fail, as long as they can fail so.
        error_number: with which error: EIO, or ENOSPC for those that need room.
    """

    def __init__(self, keeps_databases: bool = False) -> None:
        self.operations = 0
        self.cut_at = 0
        self.cut_phase = "before"
        self.failing: range = range(0)
        self.error_number = errno.EIO
        self.failures = 0
        self._is_off = False
        self._directories = {"": Directory()}
        self._boot_id = "first"
        # SQLite opens files by itself, on a disk that forgets nothing, or in memory, which forgets everything.
        self._databases = ""
        if keeps_databases:
            self._databases = os.path.join(_SCRATCH.name, str(next(_moments)))
            os.mkdir(self._databases)

    def after_a_power_cut(self, fate: Fate) -> "FaultyDisk":
        """The disk as the next process finds it."""
        inodes: dict[int, Inode] = {}
        survived = FaultyDisk(keeps_databases=bool(self._databases))
        for name in os.listdir(self._databases) if self._databases else ():
            shutil.copy(os.path.join(self._databases, name), survived._databases)
        survived._boot_id = self._boot_id if fate.name == "kept" else f"after {self._boot_id}"
        for path, directory in self._directories.items():
            survived._directories[path] = directory.after_a_power_cut(fate, inodes)
        return survived

    def content(self, path: str) -> bytes:
        """What is in a file."""
        return bytes(self._inode(path).seen)

    def lose(self, path: str) -> bytes:
        """Somebody else removes a file, for good; returns what was in it."""
        directory, name = self._split(path)
        content = self.content(path)
        del directory.seen[name]
        directory.sync()
        directory.changes += 1
        return content

    def names(self, directory: str) -> list[str]:
        """The names in a directory."""
        return sorted(self._directories[directory].seen)

    def do(
        self,
        action: Callable[[], object],
        *,
        is_reading: bool = False,
        room: bool = False,
        half: Callable[[], object] | None = None,
        on_failure: Callable[[], object] | None = None,
    ) -> None:
        """Do one operation, unless it is to fail."""
        if self._is_off:
            raise PowerCut
        self.operations += 1
        if self.operations == self.cut_at:
            self._is_off = True
            if self.cut_phase == "after":
                action()
            elif self.cut_phase == "middle" and half is not None:
                half()
            raise PowerCut
        if self.operations in self.failing and (room or self.error_number == errno.EIO):
            self.failures += 1
            if on_failure is not None:
                on_failure()
            if is_reading:
                raise EventReadException(f"operation {self.operations}: {self.error_number}")
            kind = StoreFull if self.error_number == errno.ENOSPC else EventWriteException
            raise kind(f"operation {self.operations}: {self.error_number}")
        action()

    def _split(self, path: str) -> tuple[Directory, str]:
        above, _, name = path.rpartition("/")
        return self._directories[above], name

    def _inode(self, path: str) -> Inode:
        directory, name = self._split(path)
        if name not in directory.seen:
            raise EventReadException(f"no such file: {path}")
        return directory.seen[name]

    # What a disk can do

    def make_directory(self, path: str) -> None:
        if path not in self._directories:
            self.make_directory(path.rpartition("/")[0])
            self._directories[path] = Directory()

    def list_files(self, directory: str) -> Iterator[FileStat]:
        self.do(lambda: None, is_reading=True)
        names = self._directories[directory].seen
        for name, inode in list(names.items()):
            yield FileStat(name, len(inode.seen), inode.mtime_ns)

    def list_names(self, directory: str) -> Iterator[str]:
        return (file.name for file in self.list_files(directory))

    def look_at(self, path: str) -> FileStat | None:
        self.do(lambda: None, is_reading=True)
        directory, name = self._split(path)
        inode = directory.seen.get(name)
        return None if inode is None else FileStat(name, len(inode.seen), inode.mtime_ns)

    def boot_id(self) -> str:
        return self._boot_id

    def database_path(self, path: str) -> str:
        if not self._databases:
            return ":memory:"
        return os.path.join(self._databases, os.path.basename(path))

    def exists(self, path: str) -> bool:
        self.do(lambda: None, is_reading=True)
        if path in self._directories:
            return True
        above, _, name = path.rpartition("/")
        return above in self._directories and name in self._directories[above].seen

    def open_to_read(self, path: str) -> ReadableFile:
        self.do(lambda: None, is_reading=True)
        return FaultyReadable(self, path, self._inode(path))

    def modified_ns(self, path: str) -> int:
        return self._directories[path].changes

    def create(self, path: str) -> WritableFile:
        directory, name = self._split(path)
        inode = Inode()
        self.do(lambda: directory.change(lambda names: names.update({name: inode})), room=True)
        return FaultyWritable(self, path, inode)

    def rename(self, old: str, new: str) -> None:
        directory, old_name = self._split(old)
        _, new_name = self._split(new)
        inode = self._inode(old)

        def change(names: dict[str, Inode]) -> None:
            names[new_name] = inode
            if names.get(old_name) is inode:
                del names[old_name]

        self.do(lambda: directory.change(change), room=True)

    def remove(self, path: str) -> None:
        if ".sqlite" in path:
            if self._databases:
                Disk().remove(self.database_path(path))
            return
        directory, name = self._split(path)

        def change(names: dict[str, Inode]) -> None:
            names.pop(name, None)

        self.do(lambda: directory.change(change))

    def sync_directory(self, path: str) -> None:
        self.do(self._directories[path].sync, room=True)

    def lock(self, path: str) -> Lock:
        return HeldLock(-1)

    def is_locked(self, path: str) -> bool:
        return False

    def usage(self, path: str) -> DiskUsage:
        return DiskUsage(1, 1, 1, 1, 1, 1, 1)


class HeldLock(Lock):
    def close(self) -> None:
        pass


class FaultyReadable(ReadableFile):
    def __init__(self, disk: FaultyDisk, path: str, inode: Inode) -> None:
        super().__init__(path, -1)
        self._disk = disk
        self._inode = inode

    def stat(self) -> FileStat:
        name = self.path.rpartition("/")[2]
        return FileStat(name, len(self._inode.seen), self._inode.mtime_ns)

    def read(self, offset: int, size: int) -> bytes:
        self._disk.do(lambda: None, is_reading=True)
        return bytes(self._inode.seen[offset : offset + size])

    def read_into(self, view: memoryview, offset: int) -> int:
        data = self.read(offset, len(view))
        view[: len(data)] = data
        return len(data)

    def gather(self, wanted: Gathering, first: int, last: int) -> None:
        for piece in range(first, last):
            part = wanted.part(piece)
            if self.read_into(part, int(wanted.starts[piece])) < len(part):
                raise EventReadException(f"{self.path} ends before byte {wanted.stops[piece]}")

    def close(self) -> None:
        pass


class FaultyWritable(WritableFile):
    def __init__(self, disk: FaultyDisk, path: str, inode: Inode) -> None:
        super().__init__(path, -1)
        self._disk = disk
        self._inode = inode

    def write(self, *pieces: bytes) -> None:
        data = b"".join(pieces)

        def half() -> None:
            self._inode.write(data[: len(data) // 2])

        self._disk.do(lambda: self._inode.write(data), room=True, half=half, on_failure=half)

    def copy(self, source: ReadableFile, size: int) -> None:
        data = source.read(0, size)
        assert len(data) == size
        self.write(data)

    def truncate(self, size: int) -> None:
        self._disk.do(lambda: self._inode.truncate(size))

    def set_modified(self) -> None:
        self._inode.mtime_ns = next(_moments)

    def sync(self) -> None:
        self._disk.do(self._inode.sync, room=True, on_failure=self._inode.fail_to_sync)

    def close(self) -> None:
        pass

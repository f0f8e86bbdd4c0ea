"""Files and directories that remember what was synced.

They have two states: what programs see, and what survives. Between them lies a list of things that were done and
not synced; when the power goes, each is kept or lost, a write also torn, by a seed.
"""

import itertools
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from store.disk.file import FileStat

__all__ = ["Change", "Directory", "Fate", "Inode", "is_temporary", "next_moment"]

_moments = itertools.count(1)


def next_moment() -> int:
    """Return a time later than any before, in nanoseconds."""
    return next(_moments)


def is_temporary(name: str) -> bool:
    """Return whether the file *name* is one that was to become another."""
    return name.endswith(".tmp")


class TemporaryStat(FileStat):
    """The stat of a temporary file, which notes that its size is read."""

    on_size: Callable[[], object]

    @property
    def size(self) -> int:
        self.on_size()
        return self[1]


class Fate:
    """The fate of writes and changes that were not synced.

    Args:
        name: "kept", as when only the process ends; "dropped"; or "torn": by the seed, each write and each
            change of a directory by itself is kept, lost, or (a write) kept in part.
        seed: of the choices.
    """

    def __init__(self, name: str, seed: int = 0) -> None:
        self.name = name
        self._random = random.Random(seed)

    def of_a_write(self, size: int) -> int:
        """Return how many bytes of a write of *size* bytes are kept."""
        if self.name == "torn":
            return self._random.choice([0, self._random.randint(0, size), size])
        return size if self.name == "kept" else 0

    def of_a_change(self) -> bool:
        """Return whether a change of a directory is kept."""
        return self._random.random() < 0.5 if self.name == "torn" else self.name == "kept"


@dataclass(slots=True)
class Inode:
    """A file: what is seen, what survives, and the writes in between, each with whether a failed sync lost it.

    With a *target*, it is a symbolic link.
    """

    seen: bytes = b""
    safe: bytes = b""
    unsynced: tuple[tuple[int, bytes, bool], ...] = ()
    mtime_ns: int = 0
    number: int = field(default_factory=next_moment)
    target: str | None = None

    def copy(self) -> "Inode":
        return Inode(self.seen, self.safe, self.unsynced, self.mtime_ns, self.number, self.target)

    @property
    def identity(self) -> str:
        """The mark that tells it from a copy."""
        return f"{self.number:08x}"

    def stat(self, name: str, on_temporary: Callable[[], object] | None = None) -> FileStat:
        """Describe the file *name*; if it is temporary, *on_temporary* is called when its size is read."""
        known = name, len(self.seen), self.mtime_ns, self.mtime_ns, self.number
        if on_temporary is None or not is_temporary(name):
            return FileStat(*known)
        stat = TemporaryStat(*known)
        stat.on_size = on_temporary
        return stat

    def write(self, data: bytes) -> None:
        self.mtime_ns = next_moment()
        self.unsynced += ((len(self.seen), data, False),)
        self.seen += data

    def flip(self, place: int) -> None:
        """Change one bit of the byte at *place*, as a failing disk does."""
        damaged = bytearray(self.seen)
        damaged[place] ^= 1
        self.seen = bytes(damaged)

    def sync(self) -> None:
        lost = tuple(write for write in self.unsynced if write[2])
        content = bytearray(self.seen)
        for offset, data, _ in lost:
            content[offset : offset + len(data)] = bytes(len(data))
        self.safe = bytes(content)
        self.unsynced = lost

    def truncate(self, size: int) -> None:
        self.seen = self.seen[:size]
        self.unsynced = tuple(
            (at, data[: size - at], lost) for at, data, lost in self.unsynced if at < size
        )

    def fail_to_sync(self) -> None:
        """Let all unsynced writes be seen for a while, and never reach the disk (fsyncgate)."""
        self.unsynced = tuple((offset, data, True) for offset, data, _ in self.unsynced)

    def after_a_power_cut(self, fate: Fate) -> "Inode":
        content = bytearray(self.safe)
        for offset, data, is_lost in self.unsynced:
            kept = data[: fate.of_a_write(len(data))]
            if is_lost and fate.name != "kept":
                continue
            if kept:
                content += bytes(max(0, offset - len(content)))
                content[offset : offset + len(kept)] = kept
        survived = bytes(content)
        return Inode(survived, survived, (), self.mtime_ns, self.number, self.target)


class Change(NamedTuple):
    """A change of a directory.

    Attributes:
        name: of a file.
        inode: the file that has it from then on; None when it is removed.
        old_name: the name that the file had, when it is renamed.
        other: the file that gets that name, when two are exchanged.
    """

    name: str
    inode: Inode | None
    old_name: str = ""
    other: Inode | None = None

    def apply(self, names: dict[str, Inode]) -> None:
        if self.inode is None:
            names.pop(self.name, None)
            return
        names[self.name] = self.inode
        if self.other is not None:
            names[self.old_name] = self.other
        elif self.old_name and names.get(self.old_name) is self.inode:
            del names[self.old_name]


@dataclass
class Directory:
    """Names of files: those that are seen, those that survive, and the changes in between."""

    seen: dict[str, Inode] = field(default_factory=dict)
    safe: dict[str, Inode] = field(default_factory=dict)
    unsynced: list[Change] = field(default_factory=list)

    def change(self, change: Change) -> None:
        change.apply(self.seen)
        self.unsynced.append(change)

    def sync(self) -> None:
        self.safe = self.seen.copy()
        self.unsynced = []

    def copy(self, inodes: dict[int, Inode]) -> "Directory":
        """Copy it; *inodes* has the copies of files by the ids of the originals, and is added to."""

        def copied(inode: Inode) -> Inode:
            found = inodes.get(id(inode))
            if found is None:
                found = inodes[id(inode)] = inode.copy()
            return found

        return Directory(
            {name: copied(inode) for name, inode in self.seen.items()},
            {name: copied(inode) for name, inode in self.safe.items()},
            [
                Change(name, inode and copied(inode), old_name, other and copied(other))
                for name, inode, old_name, other in self.unsynced
            ],
        )

    def after_a_power_cut(self, fate: Fate, inodes: dict[int, Inode]) -> "Directory":
        names = self.safe.copy()
        for change in self.unsynced:
            if fate.of_a_change():
                change.apply(names)
        for inode in names.values():
            if id(inode) not in inodes:
                inodes[id(inode)] = inode.after_a_power_cut(fate)
        survived = {name: inodes[id(inode)] for name, inode in names.items()}
        return Directory(survived, survived.copy())

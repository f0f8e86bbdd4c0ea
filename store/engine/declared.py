"""Declared names: tags and sources that exist before the first event has them.

Each is a directory: declaring one costs the same however many there are, and cleaners that delete old files spare it.
"""

import os
import urllib.parse

from store.disk.disk import Disk
from store.filenames import declared_sources_path, declared_tags_path, old_declared_tags_path

__all__ = ["Declared", "DeclaredNames"]

_PIECE_SIZE = 200
_CONTINUED = "+"
"""A file name has at most 255 bytes; a longer name is split, and continues in a subdirectory."""

_EMPTY = "%"
"""The directory of the empty name, which a source can have."""


class Declared:
    """All that is declared in a store. Any number of threads may use it.

    Args:
        disk: the disk the store is on.
        root_dir: the directory of the store.

    Attributes:
        tags: the declared tags.
        sources: the declared sources.
    """

    def __init__(self, disk: Disk, root_dir: str) -> None:
        old_path = old_declared_tags_path(root_dir)
        self.tags = DeclaredNames(disk, declared_tags_path(root_dir), old_path)
        self.sources = DeclaredNames(disk, declared_sources_path(root_dir))

    def load(self) -> None:
        """See :meth:`DeclaredNames.load`."""
        for names in (self.tags, self.sources):
            names.load()

    def restore(self) -> None:
        """See :meth:`DeclaredNames.restore`."""
        for names in (self.tags, self.sources):
            names.restore()


class DeclaredNames:
    """The declared names of one kind in a store. Any number of threads may use it.

    Args:
        disk: the disk the store is on.
        directory: the path of the directory that has a directory for each.
        old_path: the path of the file in which an earlier release kept them, a line each; empty if none did.
    """

    def __init__(self, disk: Disk, directory: str, old_path: str = "") -> None:
        self._disk = disk
        self._directory = directory
        self._old_path = old_path
        self._names: set[str] = set()

    def load(self) -> None:
        """Read all names, including those that an earlier release kept in one file.

        Raises:
            EventReadException: if they cannot be read.
        """
        self._names = self._read(self._directory, "") | self._read_old()

    def convert(self) -> None:
        """Declare the names that an earlier release kept in one file, and remove the file.

        Raises:
            EventWriteException: if that failed; all of them are known even then.
        """
        for name in self._read_old():
            self._make(name)
        if self._old_path:
            self._disk.remove(self._old_path)

    def names(self) -> frozenset[str]:
        """Return all declared names."""
        return frozenset(self._names)

    def has(self, name: str) -> bool:
        """Return whether *name* is declared."""
        return name in self._names

    def add(self, name: str) -> None:
        """Declare *name*, durably.

        Raises:
            EventWriteException: if that failed.
        """
        if name not in self._names:
            self._make(name)
            self._names.add(name)

    def restore(self) -> None:
        """Declare all names again if another program removed their directory.

        Raises:
            EventWriteException: if that failed.
        """
        if self._names and not self._disk.exists(self._directory):
            for name in self.names():
                self._make(name)

    def _make(self, name: str) -> None:
        quoted = urllib.parse.quote_from_bytes(name.encode("utf-8", "surrogateescape"), safe="")
        # A dot is safe for quote(), and must not be the first byte of a file name, nor all of it.
        quoted = quoted.replace(".", "%2E") or _EMPTY
        pieces = [quoted[at : at + _PIECE_SIZE] for at in range(0, len(quoted), _PIECE_SIZE)]
        directory = self._directory
        for each in [*(piece + _CONTINUED for piece in pieces[:-1]), pieces[-1]]:
            directory = os.path.join(directory, each)
            self._disk.check_no_link(directory)
        self._disk.make_directory(directory)

    def _read(self, directory: str, before: str) -> set[str]:
        found = set()
        for name in self._disk.list_directories(directory):
            if name.endswith(_CONTINUED):
                found |= self._read(os.path.join(directory, name), before + name[:-1])
            else:
                quoted = before + name
                data = b"" if quoted == _EMPTY else urllib.parse.unquote_to_bytes(quoted)
                found.add(data.decode("utf-8", "surrogateescape"))
        return found

    def _read_old(self) -> set[str]:
        if not self._old_path or self._disk.stat(self._old_path) is None:
            return set()
        with self._disk.open_to_read(self._old_path) as file:
            text = file.read(0, file.size()).decode("utf-8", "surrogateescape")
        return set(filter(None, text.split("\n")))

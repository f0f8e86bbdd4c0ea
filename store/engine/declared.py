"""Declared tags: tags that exist before the first event has them.

Each is a directory: declaring one costs the same however many there are, and cleaners that delete old files spare it.
"""

import os
import urllib.parse

from store.disk.disk import Disk
from store.filenames import declared_tags_path, old_declared_tags_path

__all__ = ["DeclaredTags"]

_PIECE_SIZE = 200
_CONTINUED = "+"
"""A file name has at most 255 bytes; a longer tag is split, and continues in a subdirectory."""


class DeclaredTags:
    """The declared tags of a store. Any number of threads may use it.

    Args:
        disk: the disk the store is on.
        root_dir: the directory of the store.
    """

    def __init__(self, disk: Disk, root_dir: str) -> None:
        self._disk = disk
        self._directory = declared_tags_path(root_dir)
        self._old_path = old_declared_tags_path(root_dir)
        self._tags: set[str] = set()

    def load(self) -> None:
        """Read all declared tags, including those that an earlier release kept in one file.

        Raises:
            EventReadException: if they cannot be read.
        """
        self._tags = self._read(self._directory, "") | self._read_old()

    def convert(self) -> None:
        """Declare the tags that an earlier release kept in one file, and remove the file.

        Raises:
            EventWriteException: if that failed; all of them are known even then.
        """
        for tag in self._read_old():
            self._make(tag)
        self._disk.remove(self._old_path)

    def tags(self) -> frozenset[str]:
        """Return all declared tags."""
        return frozenset(self._tags)

    def has(self, tag: str) -> bool:
        """Return whether *tag* is declared."""
        return tag in self._tags

    def add(self, tag: str) -> None:
        """Declare *tag*, durably.

        Raises:
            EventWriteException: if that failed.
        """
        if tag not in self._tags:
            self._make(tag)
            self._tags.add(tag)

    def restore(self) -> None:
        """Declare all tags again if another program removed their directory.

        Raises:
            EventWriteException: if that failed.
        """
        if self._tags and not self._disk.exists(self._directory):
            for tag in self.tags():
                self._make(tag)

    def _make(self, tag: str) -> None:
        name = urllib.parse.quote_from_bytes(tag.encode("utf-8", "surrogateescape"), safe="")
        # A dot is safe for quote(), and must not be the first byte of a name, nor all of it.
        name = name.replace(".", "%2E")
        pieces = [name[at : at + _PIECE_SIZE] for at in range(0, len(name), _PIECE_SIZE)]
        names = [*(piece + _CONTINUED for piece in pieces[:-1]), pieces[-1]]
        directory = self._directory
        for each in names:
            directory = os.path.join(directory, each)
            self._disk.check_no_link(directory)
        self._disk.make_directory(directory)

    def _read(self, directory: str, before: str) -> set[str]:
        found = set()
        for name in self._disk.list_directories(directory):
            if name.endswith(_CONTINUED):
                found |= self._read(os.path.join(directory, name), before + name[:-1])
            else:
                data = urllib.parse.unquote_to_bytes(before + name)
                found.add(data.decode("utf-8", "surrogateescape"))
        return found

    def _read_old(self) -> set[str]:
        if self._disk.stat(self._old_path) is None:
            return set()
        with self._disk.open_to_read(self._old_path) as file:
            text = file.read(0, file.size()).decode("utf-8", "surrogateescape")
        return set(filter(None, text.split("\n")))

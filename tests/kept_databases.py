"""The databases on a disk in memory: SQLite opens files by itself, so that they are on a disk that forgets nothing, or in memory."""

import atexit
import inspect
import os
from pathlib import Path
from tempfile import TemporaryDirectory

from tests.volatile import next_moment

__all__ = ["KeptDatabases"]

# Copying the disk is no work of the store, whatever locks it holds.
_listdir = inspect.unwrap(os.listdir)
_SCRATCH = TemporaryDirectory(dir="/dev/shm")
atexit.register(_SCRATCH.cleanup)


class KeptDatabases:
    """The databases.

    Args:
        are_kept: whether they are files; otherwise, each is in memory, and forgotten.
        files: what is in them, by name.
    """

    def __init__(self, are_kept: bool, files: dict[str, bytes] | None = None) -> None:
        self.are_kept = are_kept
        self._files = files or {}
        self._directory = ""  # where they are, once one was opened

    def copy(self) -> "KeptDatabases":
        """Return databases with the same in them."""
        return KeptDatabases(self.are_kept, self.read())

    def read(self) -> dict[str, bytes]:
        """Return what is in them, by name."""
        if self._directory:
            names = _listdir(self._directory)
            found = {name: Path(self._directory, name).read_bytes() for name in names}
            if found != self._files:  # else the copies of them all are one
                self._files = found
        return self._files

    def path(self, name: str) -> str:
        """Return the path by which SQLite opens the database *name*."""
        if not self.are_kept:
            return ":memory:"
        if not self._directory:
            self._directory = os.path.join(_SCRATCH.name, str(next_moment()))
            os.mkdir(self._directory)
            for each, data in self._files.items():
                Path(self._directory, each).write_bytes(data)
        return os.path.join(self._directory, name)

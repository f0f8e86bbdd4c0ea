"""The mark of a complete index, in which is every minute file that a process of ours has written, as it wrote it.

Where it is set, a file with the inode number of its row is as we wrote it: we change no file in its place, and while one is
replaced its number is not given to another. So a store answers before it has compared more than numbers, which takes no stat
of each file; what other programs have changed in place is found afterwards.
"""

import logging

from store.disk.disk import Disk
from store.errors import EventStoreException

__all__ = ["CompleteMark"]

log = logging.getLogger(__name__)


class CompleteMark:
    """The mark of the index of a store: a file that says of itself that it is no copy, for inode numbers are of one file system.

    Args:
        disk: the disk it is on.
        path: its path; empty for an index that ends with its process, which is never complete.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path

    def is_set(self) -> bool:
        """Return whether the index is complete."""
        try:
            if not self._path or not self._disk.exists(self._path):
                return False
            with self._disk.open_to_read(self._path) as file:
                identity = file.identity().encode()
                return file.read(0, len(identity) + 1) == identity
        except EventStoreException as error:
            log.info("comparing all minute files with the index: %s", error)
            return False

    def set(self) -> None:
        """Set the mark if it is not set; a failure is logged, and costs the next process a comparison."""
        if not self._path or self.is_set():
            return
        try:
            with self._disk.create(self._path) as file:
                file.write(file.identity().encode())
        except EventStoreException as error:
            log.info("the next opening compares all minute files with the index: %s", error)

    def drop(self) -> None:
        """Remove the mark, durably, if it is set."""
        try:
            if self._path and self._disk.exists(self._path):
                self._disk.remove(self._path)
                self._disk.sync_directory(self._path.rpartition("/")[0])
        except EventStoreException as error:
            log.error("will try again: %s", error)  # noqa: TRY400 - not a bug

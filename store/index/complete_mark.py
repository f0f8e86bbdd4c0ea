"""The mark of a complete index, in which is every minute file that a process of ours has written, as it wrote it.

Where it is set, a file with the inode number of its row is as we wrote it: we change no file in its place, its number is not
given to another before it is replaced, and no file is replaced again before its row is saved or deleted. So a store answers before
it has compared more than numbers, which takes no stat of each file; what other programs have changed is found afterwards.
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
        self._is_lost = self._is_removed = False

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
        """Set the mark if it is not set, unless something was lost; a failure is logged, and costs the next process a comparison."""
        if not self._path or self._is_lost or self.is_set():
            return
        try:
            with self._disk.create(self._path) as file:
                file.write(file.identity().encode())
        except EventStoreException as error:
            log.info("the next opening compares all minute files with the index: %s", error)

    def note_saved(self, is_saved: bool) -> None:
        """Note whether minutes could be saved to the index; once some could not, the mark is removed, durably, and not set again."""
        self._is_lost |= not is_saved
        if not self._path or not self._is_lost or self._is_removed:
            return
        try:
            if self._disk.exists(self._path):
                self._disk.remove(self._path)
                self._disk.sync_directory(self._path.rpartition("/")[0])
            self._is_removed = True
        except EventStoreException as error:
            log.error("will try again when minutes are saved: %s", error)  # noqa: TRY400 - not a bug

"""The mark of a backup: a symbolic link in its hidden directory to the store that it is of.

It means that the next backup may replace the minute files, and remove them. A directory to which events are saved has some that
are nowhere else: so it loses the mark before the first one, be it a backup or restored from one.
"""

from store.disk.disk import Disk
from store.errors import EventWriteException
from store.filenames import HIDDEN_DIRECTORY, backup_path, hidden_path

__all__ = ["BackupMark"]


class BackupMark:
    """The mark of the backup in *root_dir*.

    Args:
        disk: the disk it is on.
        root_dir: the directory of the backup, or of a store that is none.
    """

    def __init__(self, disk: Disk, root_dir: str) -> None:
        self._disk = disk
        self._root_dir = root_dir
        self._hidden = hidden_path(root_dir)
        self._path = backup_path(root_dir)
        self._is_dropped = False

    def claim(self, store: str) -> None:
        """Mark the directory, which is made if it is missing, as a backup of *store*, by its path.

        Raises:
            EventWriteException: if it is something else.
        """
        marked = self._disk.read_link(self._path)
        if marked == store:
            return
        how = f"ln -sfn {store} {self._path}"
        if marked is not None:
            raise EventWriteException(
                f"{self._root_dir} is a backup of {marked}, not of {store}: give another directory"
                f" (if the store has moved: {how})"
            )
        # A backup that was killed at once may have left a hidden directory.
        if self._names(self._root_dir) - {HIDDEN_DIRECTORY} or self._names(self._hidden):
            raise EventWriteException(
                f"{self._root_dir} is not empty, and no backup that theiafs has made, or events were saved to it since:"
                f" give another directory (if what is only there may go: {how})"
            )
        self._disk.make_directory(self._hidden)
        self._disk.make_link(self._path, store)
        self._disk.sync_directory(self._hidden)

    def drop(self) -> None:
        """Remove the mark, durably, if there is one; from then on, this costs nothing.

        Raises:
            EventStoreException: if that failed.
        """
        if self._is_dropped:
            return
        if self._disk.read_link(self._path) is not None:
            self._disk.remove(self._path)
            self._disk.sync_directory(self._hidden)
        self._is_dropped = True

    def _names(self, directory: str) -> set[str]:
        """Return the names of all that is in *directory*, none if it is not there."""
        if not self._disk.exists(directory):
            return set()
        return {
            *self._disk.list_names(directory),
            *self._disk.list_links(directory),
            *self._disk.list_directories(directory),
        }

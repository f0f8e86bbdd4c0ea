"""The upkeep of what a store has besides its minute files: cleaners that remove old files are to leave it alone."""

import logging
import os
import time

from store.disk.disk import Disk
from store.errors import EventStoreException
from store.filenames import hidden_path, journal_path, quarantine_path, states_path

__all__ = ["Upkeep"]

_INTERVAL_S = 86_400
"""Seconds between two times that the files are touched; cleaners count in days."""
log = logging.getLogger(__name__)


class Upkeep:
    """Touches the files in the hidden directory of a store once a day, as long as it is open.

    What has to outlast years in which it is not open is no file: declared tags and sources are directories, saved views links. Cleaners
    of a store that is not open may remove the index, which is rebuilt.

    Args:
        disk: the disk the store is on.
        root_dir: the directory of the store.
    """

    def __init__(self, disk: Disk, root_dir: str) -> None:
        self._disk = disk
        self._directories = [
            path_of(root_dir)
            for path_of in (hidden_path, journal_path, states_path, quarantine_path)
        ]
        self._touched = 0.0

    def keep(self) -> None:
        """Touch the files if that is due; log those that cannot be touched, which cleaners may take."""
        now = time.time()  # which goes on while the system sleeps, and may be set
        if abs(now - self._touched) < _INTERVAL_S:
            return
        for directory in self._directories:
            if self._disk.exists(directory):
                self._touch_all(directory)
        self._touched = now

    def _touch_all(self, directory: str) -> None:
        for name in list(self._disk.list_names(directory)):
            try:
                self._disk.touch(os.path.join(directory, name))
            except EventStoreException as error:
                log.warning("not touched, will try again in a day: %s", error)

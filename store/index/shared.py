"""The index of another process, to be read only."""

import logging
import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.errors import EventReadException
from store.index.loading import Loaded, compare, read_known
from store.index.rows import CORRUPT
from store.index.tables import HEADER_SIZE, IDS_AT_ONCE, Select, Tables, TablesError
from store.locks import new_lock

__all__ = ["SharedDatabase"]

log = logging.getLogger(__name__)


class SharedDatabase:
    """The index of another process as of its opening, without the minutes that changed later.

    Args:
        disk: the disk the store is on.
        path: the database file.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = disk.database_path(path)
        self._lock = new_lock("shared-index")
        self._tables: Tables | None = None
        self._minutes: set[int] = set()

    def load(self, listed: NDArray[np.void]) -> Loaded | None:
        """Return what the index has of the files *listed*, all of the directory; None if there is no usable index."""
        with self._lock:
            try:
                self._check_memory()
                self._tables = Tables.open_to_read(self._path)
                with self._tables.transaction():
                    loaded = compare(self._tables, read_known(self._tables), listed)
            except (TablesError, EventReadException, *CORRUPT) as error:
                log.info("not using the index %s: %s", self._path, error)
                self._close()
                return None
            self._minutes = set(loaded.catalog.ids().tolist())
            return loaded

    def _check_memory(self) -> None:
        """Check that the index can be opened on a full disk, too.

        Raises:
            EventReadException: if not.
        """
        if not self._disk.fills_pages(os.path.dirname(self._path)):
            with self._disk.open_to_read(self._path) as file:
                if Tables.share_memory(file.read(0, HEADER_SIZE)):
                    raise EventReadException(
                        f"the shared memory of {self._path} would end this process on a full disk"
                    )

    def forget(self, minutes: Iterable[int]) -> None:
        """Drop the rows of *minutes*, whose files have changed."""
        with self._lock:
            self._minutes.difference_update(minutes)

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._tables is not None:
            self._tables.close()
            self._tables = None

    def read(self, minutes: Sequence[int], select: Select) -> list[tuple[Any, ...]]:
        """Return the rows that *select* finds of those of *minutes* that have not changed."""
        rows: list[tuple[Any, ...]] = []
        for first in range(0, max(len(minutes), 1), IDS_AT_ONCE):
            some = minutes[first : first + IDS_AT_ONCE]
            with self._lock:
                if self._tables is None:
                    break
                try:
                    rows += select(self._tables, [each for each in some if each in self._minutes])
                except TablesError as error:
                    log.info("not using the index %s: %s", self._path, error)
                    break
        return rows

"""The files that an index is on disk."""

import os

from store.disk.disk import Disk
from store.index.tables import Tables

__all__ = ["open_tables", "remove_database"]


def open_tables(disk: Disk, path: str) -> Tables:
    """Open the index at *path*, made if it is missing; if that is empty, a private one.

    Raises:
        TablesError: if that failed.
    """
    if not path:
        return Tables.open("")
    shares_memory = disk.fills_pages(os.path.dirname(path))
    return Tables.open(disk.database_path(path), shares_memory=shares_memory)


def remove_database(disk: Disk, path: str) -> None:
    """Remove the index at *path*, which no process has open.

    Raises:
        EventWriteException: if that failed.
    """
    for suffix in ("-complete", "", "-journal", "-wal", "-shm"):
        disk.remove(f"{path}{suffix}")

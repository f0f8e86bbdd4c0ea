"""The files of an index."""

from store.disk.disk import Disk

__all__ = ["remove_database"]


def remove_database(disk: Disk, path: str) -> None:
    """Remove the index at *path*, which no process has open.

    Raises:
        EventWriteException: if that failed.
    """
    for suffix in ("-complete", "", "-journal", "-wal", "-shm"):
        disk.remove(f"{path}{suffix}")

"""Locations of stores: a directory that is in another store, or holds nothing of one, is a mistyped name."""

import os

from store.disk.disk import Disk
from store.engine.links import check_links
from store.errors import EventReadException, EventStoreException, StoreNotFound
from store.filenames import hidden_path, lock_path
from store.minutes.names import parse_name

__all__ = ["check_location", "check_there"]


def check_location(disk: Disk, root_dir: str) -> None:
    """Check that a store is in the directory *root_dir* of *disk*, or may be made there.

    Raises:
        EventReadException: if it would be in another store.
        EventWriteException: if a symbolic link leads out of it.
    """
    check_links(disk, root_dir)
    if disk.exists(hidden_path(root_dir)):
        return  # a store, perhaps one that has got another one around it since
    path = os.path.realpath(root_dir)
    while (above := os.path.dirname(path)) != path:
        path = above
        if _is_store(disk, path) and not _has_minutes(disk, root_dir):
            raise EventReadException(
                f"{root_dir} is in the store {path}, and no store itself: give {path}, or a directory that is elsewhere"
            )


def check_there(disk: Disk, root_dir: str) -> None:
    """Check that a store is in the directory *root_dir* of *disk*, for what is of no use without one.

    Raises:
        StoreNotFound: if nothing of one is there.
    """
    if not disk.exists(hidden_path(root_dir)) and not _has_minutes(disk, root_dir):
        raise StoreNotFound(f"there is no store {root_dir}: give the directory of its minute files")


def _is_store(disk: Disk, path: str) -> bool:
    """Return whether a process of the caller, or of root, has had a store in the directory at *path* open to write."""
    hidden = hidden_path(path)
    try:
        disk.check_no_link(hidden)
        return disk.exists(lock_path(path)) and disk.owner(hidden) in (0, os.geteuid())
    except EventStoreException:
        return False  # what the caller cannot look into is none of the caller's


def _has_minutes(disk: Disk, path: str) -> bool:
    """Return whether there are minute files in the directory at *path*, as theia makes stores of nothing else."""
    try:
        return any(parse_name(each.name) is not None for each in disk.list_files(path))
    except EventReadException:
        return False

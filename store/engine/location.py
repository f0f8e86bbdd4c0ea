"""Locations of stores: a directory that is in another store is a mistyped name, such as that of a hidden directory."""

import os

from store.disk.disk import Disk
from store.engine.links import check_links
from store.errors import EventReadException
from store.filenames import hidden_path

__all__ = ["check_location"]


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
        if disk.exists(hidden_path(path)):
            raise EventReadException(
                f"{root_dir} is in the store {path}, and no store itself: give {path}, or a directory that is elsewhere"
            )

"""Listing the minute files of a store that is opened."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.index.listing import list_inodes, list_stamps
from store.minutes.names import parse_names

__all__ = ["list_minutes", "list_numbers", "without_stamps"]

_FEW = 10_000
"""Number of files whose stamps are compared whenever a store is opened, which takes 50 ms."""

_NO_INODE = -1


def list_minutes(disk: Disk, root_dir: str) -> NDArray[np.void]:
    """List the minute files in *root_dir* with their stamps.

    Raises:
        EventReadException: if that failed.
    """
    return list_stamps(disk.list_files(root_dir))


def list_numbers(disk: Disk, root_dir: str) -> tuple[list[str], NDArray[np.void]]:
    """List the files in *root_dir*: the names that begin with a dot, and the minute files with their inode numbers.

    Raises:
        EventReadException: if that failed.
    """
    names, inodes = disk.list_inodes(root_dir)
    return [name for name in names if name.startswith(".")], list_inodes(names, inodes)


def without_stamps(listed: NDArray[np.void], recovered: Sequence[str]) -> NDArray[np.void] | None:
    """Return what is *listed* with inode numbers, if that is enough; None if the files are few, which have to be compared whole.

    Args:
        listed: the minute files.
        recovered: the names of minutes that have a tail in the log. Their files have to be as the log found them, whatever
            the index says, so they get no number, and are scanned.
    """
    if len(listed) <= _FEW:
        return None
    _, spans = parse_names(recovered)
    # Perhaps the file of another minute, too: it is scanned in vain.
    is_recovered = np.isin(listed["start"], spans[:, 0]) & np.isin(listed["end"], spans[:, 1])
    listed["inode"][is_recovered] = _NO_INODE
    return listed

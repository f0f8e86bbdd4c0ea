"""Listing the minute files of a store that is opened."""

import os
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.index.listing import NO_INODES, list_inodes, list_stamps, names_in
from store.minutes.names import parse_names

__all__ = ["are_enough", "list_minutes", "list_numbers", "without"]

_FEW = 10_000
"""Number of files whose stamps are compared whenever a store is opened, which takes 50 ms."""

_TRIED = 4
"""Number of files whose inode numbers are compared with those in the listing."""

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
    hidden: list[bytes] = []
    listed = [NO_INODES]
    for names, inodes in disk.list_inodes(root_dir):
        hidden += names[names.astype("S1") == b"."].tolist()
        listed.append(list_inodes(names, inodes))
    return [os.fsdecode(name) for name in hidden], np.concatenate(listed)


def are_enough(disk: Disk, root_dir: str, numbers: NDArray[np.void]) -> bool:
    """Return whether *numbers*, what :func:`list_numbers` returned, tell what has changed, before all files are compared whole.

    They do not where a directory has other numbers than its files, as on file systems that are made of several; and comparing a
    few files takes no time.

    Raises:
        EventReadException: if a file cannot be read.
    """
    if len(numbers) <= _FEW:
        return False
    some = numbers[:: max(len(numbers) // _TRIED, 1)]
    for name, inode in zip(names_in(some), some["inode"].tolist(), strict=True):
        stat = disk.stat(os.path.join(root_dir, name))
        if stat is not None and stat.inode != inode:
            return False
    return True


def without(numbers: NDArray[np.void], recovered: Sequence[str]) -> NDArray[np.void]:
    """Return *numbers* with none for the minutes *recovered*, by name, so that they are scanned.

    They have a tail in the log: their files have to be as the log found them, whatever the index says.
    """
    _, spans = parse_names(np.array([os.fsencode(name) for name in recovered], np.bytes_))
    # Perhaps the file of another minute, too: it is scanned in vain.
    is_recovered = np.isin(numbers["start"], spans[:, 0]) & np.isin(numbers["end"], spans[:, 1])
    found = numbers.copy()
    found["inode"][is_recovered] = _NO_INODE
    return found

"""Inode numbers: functions of the path, so that they are the same after every remount.

Programs that follow logs know a file by its number, and backups tell by it what has not changed.
"""

import posixpath
from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import NDArray
from xxhash import xxh3_64_intdigest

__all__ = ["inode_of", "inodes_in"]

_ROOT = 1
"""The number of the root, as in most filesystems."""

_NOT_ROOT = 2
"""A bit that all other numbers have, so that none is 0, which means nothing, or that of the root."""


def inode_of(path: str) -> int:
    """Return the inode number of *path*, which is absolute: 63 bits, so that it is positive in every language."""
    directory, _, name = path.rpartition("/")
    if not name:
        return _ROOT
    return xxh3_64_intdigest(name.encode(), _seed(directory)) >> 1 | _NOT_ROOT


def inodes_in(directory: str, names: Sequence[bytes]) -> NDArray[np.uint64]:
    """Return the inode numbers of *names* in *directory*, an absolute path; ``.`` and ``..`` are that and the one above it."""
    seed = _seed(directory.rstrip("/"))
    hashes = np.fromiter(map(xxh3_64_intdigest, names, repeat(seed)), np.uint64, len(names))
    numbers = hashes >> np.uint64(1) | np.uint64(_NOT_ROOT)
    for place, name in enumerate(names[:2]):  # as in every listing
        if name == b".":
            numbers[place] = inode_of(directory)
        elif name == b"..":
            numbers[place] = inode_of(posixpath.dirname(directory))
    return numbers


def _seed(directory: str) -> int:
    return xxh3_64_intdigest(directory.encode())

"""The answers of stat(2): of one path, and of many files in a directory."""

import os
import stat
from collections.abc import Sequence
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from store import Span
from theiafs.inodes import inode_of
from theiafs.nodes import Attributes

__all__ = [
    "BLOCK_SIZE",
    "NS_PER_TICK",
    "Owner",
    "Stat",
    "Stats",
    "block_size_of",
    "blocks_of",
    "stat_of",
    "stats_of",
]

BLOCK_SIZE = 128 << 10
"""How much of a file is best read at once, in bytes: what the kernel asks for."""

_LISTING_SIZE = 512 << 10
"""How much of a directory is best read at once, in bytes: names and attributes of two days of minutes.

The C library takes it for the size of its buffer, and Linux 6.16 and later for that of the piece that it asks for. With the
first piece of a listing, it asks for attributes, and with the others only as long as a program uses them one by one: not if it
reads all names first, as find(1), grep(1), tar(1) and shells do. With 1 MiB, the most that both take, to list a small directory
took a tenth longer.
"""

NS_PER_TICK = 100

_MTIME_MAX_NS = 253_402_300_799 * 10**9
"""Latest time shown, in nanoseconds: the last second of the year 9999. The kernel's fields have 64 bits."""

_INSTALLED_NS = os.stat(__file__).st_mtime_ns
"""The time shown of what has none, such as a directory without events: the same after every remount."""

_NEWEST_MAX = _MTIME_MAX_NS // NS_PER_TICK

_Size = TypeVar("_Size", int, NDArray[np.int64])


class Owner(NamedTuple):
    """The user and the group that own everything."""

    uid: int
    gid: int


class Stat(NamedTuple):
    """The answer of stat(2).

    Attributes:
        inode: its number, a function of the path.
        mode: type and permissions.
        uid: the owner.
        gid: the group.
        size: in bytes.
        newest_ns: the times of modification and of access, in nanoseconds since the epoch.
        changed_ns: the time of the last change, in nanoseconds since the epoch.
    """

    inode: int
    mode: int
    uid: int
    gid: int
    size: int
    newest_ns: int
    changed_ns: int


class Stats(NamedTuple):
    """The answers of stat(2) for files of one directory, but for their inode numbers.

    Attributes:
        are_known: which of the files it is that the rest is said of; others are to be asked for alone.
        mode: the type and the permissions of all of them.
        owner: the owner of all of them.
        sizes: in bytes.
        newest_ns: as in Stat.
        changed_ns: as in Stat.
    """

    are_known: NDArray[np.bool_]
    mode: int
    owner: Owner
    sizes: NDArray[np.int64]
    newest_ns: NDArray[np.int64]
    changed_ns: NDArray[np.int64]


def blocks_of(size: _Size) -> _Size:
    """Return how many blocks of 512 bytes *size* bytes take."""
    return -(-size // 512)


def block_size_of(mode: int) -> int:
    """Return how much is best read at once of what has the type and the permissions *mode*, in bytes."""
    return _LISTING_SIZE if stat.S_ISDIR(mode) else BLOCK_SIZE


def stat_of(path: str, attributes: Attributes, permissions: int, owner: Owner) -> Stat:
    """Return the answer for *path*, which has *attributes*, and shows *permissions*, its type included."""
    _, size, newest, changed = attributes
    newest_ns = min(newest * NS_PER_TICK, _MTIME_MAX_NS) or _INSTALLED_NS
    changed_ns = int(changed * 1e9) or newest_ns
    return Stat(inode_of(path), permissions, *owner, size, newest_ns, changed_ns)


def stats_of(
    spans: Sequence[Span], are_known: Sequence[bool], permissions: int, owner: Owner
) -> Stats:
    """Return the answers for minutes which hold *spans* of an answer, as :func:`stat_of` gives them.

    Nothing is known of those without events, which may be gone.
    """
    _, *columns = zip(*spans, strict=True)
    sizes, events, newest, changed = map(np.array, columns)
    newest_ns = np.minimum(newest, _NEWEST_MAX) * NS_PER_TICK
    newest_ns[newest_ns == 0] = _INSTALLED_NS
    changed_ns = (changed * 1e9).astype(np.int64)
    changed_ns = np.where(changed_ns == 0, newest_ns, changed_ns)
    return Stats(
        np.array(are_known) & (events > 0), permissions, owner, sizes, newest_ns, changed_ns
    )

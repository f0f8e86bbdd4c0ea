"""The stamp of a minute file: evidence that the file is the one it was."""

import time
from typing import NamedTuple

from store.disk.file import FileStat

__all__ = ["NO_TIME", "Stamp", "is_recent"]

_RECENT_NS = 10**9

NO_TIME = -1
"""The ctime in a stamp that is that of no file."""


class Stamp(NamedTuple):
    """Evidence that a file is the one it was: size in bytes, mtime and ctime in nanoseconds, inode number."""

    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, file: FileStat) -> "Stamp":
        """Return the stamp of *file*.

        A file that changed within the last second may change again without a later time to show it. Its stamp is
        that of no file, so that it is read again.
        """
        ctime_ns = NO_TIME if is_recent(file.ctime_ns) else file.ctime_ns
        return cls(file.size, file.mtime_ns, ctime_ns, file.inode)

    def fits(self, file: FileStat) -> bool:
        """Return whether *file* may be the one this is the stamp of; certainly not, if not."""
        return (self.size, self.mtime_ns, self.inode) == (
            file.size,
            file.mtime_ns,
            file.inode,
        ) and (self.ctime_ns in (NO_TIME, file.ctime_ns))

    @property
    def is_settled(self) -> bool:
        """Whether a later change of the file would show."""
        return self.ctime_ns != NO_TIME

    @classmethod
    def exactly(cls, file: FileStat) -> "Stamp":
        """Return the stamp of *file*, which this process has just written."""
        return cls(file.size, file.mtime_ns, file.ctime_ns, file.inode)


def is_recent(time_ns: int) -> bool:
    """Return whether *time_ns* is so recent that another change may bear the same time."""
    return 0 <= time.time_ns() - time_ns < _RECENT_NS

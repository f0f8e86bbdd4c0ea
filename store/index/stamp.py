"""The stamp of a minute file: evidence that it is unchanged."""

import time
from typing import NamedTuple

from store.disk.file import FileStat

__all__ = ["NO_TIME", "Stamp", "is_recent"]

_RECENT_NS = 10**9

NO_TIME = -1
"""The ctime in a stamp that fits no file exactly."""


class Stamp(NamedTuple):
    """Evidence that a file is unchanged: size in bytes, mtime and ctime in nanoseconds, inode number."""

    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0

    @classmethod
    def of(cls, file: FileStat) -> "Stamp":
        """Return the stamp of *file*.

        A file that changed within the last second may change again within the resolution of its times, so its stamp fits
        no file exactly, and it is read again.
        """
        ctime_ns = NO_TIME if is_recent(file.ctime_ns) else file.ctime_ns
        return cls(file.size, file.mtime_ns, ctime_ns, file.inode)

    def fits(self, file: FileStat) -> bool:
        """Return whether *file* may be the stamped one; False is certain."""
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
    """Return whether *time_ns* is so recent that another change may have the same time."""
    return 0 <= time.time_ns() - time_ns < _RECENT_NS

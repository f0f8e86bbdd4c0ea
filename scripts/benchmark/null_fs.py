"""A filesystem that takes every write and keeps none of it: what FUSE and fusepy cost by themselves.

Run as ``python -m benchmark.null_fs MOUNTPOINT``; ends when it is unmounted.
"""

import stat
import sys
from typing import Any

import fuse


class NullOperations(fuse.Operations):  # type: ignore[misc]
    """One file, ``ingest``. Requests that theiafs does not implement are not implemented here either."""

    getxattr = None
    flush = None

    def getattr(self, path: str, _handle: int | None = None) -> dict[str, int]:
        """Return the attributes of *path*: a directory with one file in it."""
        if path == "/":
            return {"st_mode": stat.S_IFDIR | 0o755, "st_nlink": 1}
        if path == "/ingest":
            return {"st_mode": stat.S_IFREG | 0o644, "st_nlink": 1}
        raise fuse.FuseOSError(2)

    def open(self, _path: str, file_info: Any) -> int:
        """Open with direct I/O, as theiafs does, so that each write arrives at once."""
        file_info.direct_io = 1
        return 0

    def truncate(self, _path: str, _length: int, _handle: Any = None) -> int:
        """Do nothing."""
        return 0

    def write(self, _path: str, data: bytes, _offset: int, _file_info: Any) -> int:
        """Discard *data*."""
        return len(data)


if __name__ == "__main__":
    fuse.FUSE(NullOperations(), sys.argv[1], foreground=True, raw_fi=True, big_writes=True)

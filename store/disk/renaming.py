"""renameat2(2), which Python does not offer: renames that exchange two files, or never overwrite one."""

import ctypes
import errno
import os

__all__ = ["exchange", "rename_noreplace"]

_AT_FDCWD = -100
_RENAME_NOREPLACE, _RENAME_EXCHANGE = 1, 2

_UNSUPPORTED = frozenset({errno.ENOSYS, errno.EINVAL, errno.EOPNOTSUPP})
"""The answers of kernels and file systems that do not know a flag."""

_renameat2 = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)


def exchange(first: str, second: str) -> bool:
    """Exchange the files *first* and *second*, atomically; return whether the file system can do that."""
    return _rename(first, second, _RENAME_EXCHANGE)


def rename_noreplace(old: str, new: str) -> bool:
    """Rename *old* to *new* unless that exists; return whether the file system can do that."""
    return _rename(old, new, _RENAME_NOREPLACE)


def _rename(old: str, new: str, flags: int) -> bool:
    if _renameat2 is None:
        return False
    if _renameat2(_AT_FDCWD, os.fsencode(old), _AT_FDCWD, os.fsencode(new), flags) == 0:
        return True
    number = ctypes.get_errno()
    if number in _UNSUPPORTED:
        return False
    raise OSError(number, os.strerror(number), new)

"""What goes wrong, and the errno each of it becomes: one table for the whole filesystem."""

import errno

from store import (
    EventNotFound,
    EventTooLarge,
    InvalidEvent,
    InvalidQuery,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
)

__all__ = [
    "AlreadyThere",
    "FilesystemError",
    "InvalidName",
    "MountError",
    "NameTooLong",
    "NotFound",
    "NotPermitted",
    "errno_of",
]


class FilesystemError(Exception):
    """A request that the filesystem has to refuse."""


class NotFound(FilesystemError):
    """There is nothing at this path."""


class InvalidName(FilesystemError):
    """The name could mean something here, but does not: a range that is none, a tag with a comma."""


class NameTooLong(FilesystemError):
    """No name is as long as this."""


class AlreadyThere(FilesystemError):
    """What is to be made exists."""


class NotPermitted(FilesystemError):
    """This cannot be changed, not by anybody."""


class MountError(Exception):
    """The filesystem cannot be mounted or unmounted; the message says why and what to do."""


# The first that fits counts, so the special ones stand before the general ones.
_ERRNO_BY_EXCEPTION: tuple[tuple[type[Exception], int], ...] = (
    (NotFound, errno.ENOENT),
    (InvalidName, errno.EINVAL),
    (NameTooLong, errno.ENAMETOOLONG),
    (AlreadyThere, errno.EEXIST),
    (NotPermitted, errno.EPERM),
    (EventTooLarge, errno.EMSGSIZE),
    (InvalidEvent, errno.EINVAL),
    (StoreFull, errno.ENOSPC),
    (StoreLocked, errno.EBUSY),
    (StoreReadOnly, errno.EROFS),
    (InvalidQuery, errno.EINVAL),
    (EventNotFound, errno.ENOENT),
)


def errno_of(error: Exception) -> int:
    """The positive errno a program gets to see for an exception; EIO for what nobody foresaw."""
    for kind, number in _ERRNO_BY_EXCEPTION:
        if isinstance(error, kind):
            return number
    return errno.EIO

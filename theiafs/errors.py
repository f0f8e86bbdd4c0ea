"""The exceptions of the filesystem, and the table of their errnos."""

import errno

from store import (
    EventNotFound,
    EventTooLarge,
    InvalidEvent,
    InvalidQuery,
    MinuteGone,
    MinuteNotFound,
    NameInUse,
    ReaderGone,
    StoreAway,
    StoreFull,
    StoreLocked,
    StoreReadOnly,
    ViewExists,
    ViewNotFound,
    WriteUnknown,
)

__all__ = [
    "REFUSALS",
    "AlreadyThere",
    "FilesystemError",
    "ImportFailed",
    "InvalidName",
    "MountError",
    "NameTooLong",
    "NotFound",
    "NotPermitted",
    "errno_of",
]


class FilesystemError(Exception):
    """A request that the filesystem refuses."""


class NotFound(FilesystemError):
    """A path that does not exist."""


class InvalidName(FilesystemError):
    """A name of the right kind for its directory, but invalid: a malformed range, a tag with a comma.

    Args:
        message: says why.
        name: the name, one of the path.
        position: where in the name the faulty part begins, in characters; None if that is not known.
    """

    def __init__(self, message: str, name: str = "", position: int | None = None) -> None:
        super().__init__(message)
        self.name = name
        self.position = position


class NameTooLong(FilesystemError):
    """A name that is longer than the filesystem allows."""


class AlreadyThere(FilesystemError):
    """A name to be created that already exists."""


class NotPermitted(FilesystemError):
    """A change that no user may make."""


class ImportFailed(Exception):
    """An import that failed, of a file or as a whole; the message says why, and what to do."""


class MountError(Exception):
    """A mount or an unmount that failed; the message says why, and what to do."""


# The first match counts, so subclasses stand before their base classes.
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
    (StoreAway, errno.EAGAIN),
    (WriteUnknown, errno.ETIMEDOUT),
    (InvalidQuery, errno.EINVAL),
    (EventNotFound, errno.ENOENT),
    (MinuteNotFound, errno.ENOENT),
    (MinuteGone, errno.ESTALE),
    (ViewNotFound, errno.ENOENT),
    (ViewExists, errno.EEXIST),
    (NameInUse, errno.ENOTEMPTY),
    (ReaderGone, errno.EINTR),
)


REFUSALS = frozenset({errno.EINVAL, errno.EMSGSIZE, errno.EPERM})
"""The errnos of requests that were wrong; the others are for names that are not there, and for failures."""


def errno_of(error: Exception) -> int:
    """Return the positive errno for *error*; EIO if it is not in the table."""
    for kind, number in _ERRNO_BY_EXCEPTION:
        if isinstance(error, kind):
            return number
    return errno.EIO

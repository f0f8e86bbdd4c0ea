"""Errors of the operating system, translated to the exceptions of the store."""

import contextlib
import errno
from collections.abc import Iterator

from store.errors import DiskUnreadable, EventReadException, EventWriteException, StoreFull

__all__ = ["read_failure", "reading", "write_failure", "writing"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


_CHANGED = frozenset(
    {errno.ENOENT, errno.ENOTDIR, errno.EISDIR, errno.ELOOP, errno.ENXIO, errno.ESTALE}
)
"""The answers of the system for a file that another program has removed or replaced."""


@contextlib.contextmanager
def reading(verb: str, path: str) -> Iterator[None]:
    """Translate errors while something at *path* is read; *verb* says what is being done to it.

    Raises:
        DiskUnreadable: ``cannot <verb> <path>``, if the system says so.
        EventReadException: if it says that the file has changed.
    """
    try:
        yield
    except OSError as error:
        raise read_failure(verb, path, error) from error


@contextlib.contextmanager
def writing(verb: str, path: str) -> Iterator[None]:
    """Translate errors while something at *path* is changed; *verb* says what is being done to it.

    Raises:
        StoreFull: if there is no room.
        EventWriteException: ``cannot <verb> <path>``, if the system says anything else.
    """
    try:
        yield
    except OSError as error:
        raise write_failure(verb, path, error) from error


def read_failure(verb: str, path: str, error: OSError) -> EventReadException:
    """Make the exception that :func:`reading` raises, for calls so frequent that entering it would show."""
    kind = EventReadException if error.errno in _CHANGED else DiskUnreadable
    return kind(f"cannot {verb} {path}: {error.strerror}")


def write_failure(verb: str, path: str, error: OSError) -> EventWriteException:
    """Make the exception that :func:`writing` raises, for the same reason."""
    kind = StoreFull if error.errno in _FULL else EventWriteException
    return kind(f"cannot {verb} {path}: {error.strerror}")

"""Failures: from what the operating system says to the exceptions of the store."""

import contextlib
import errno
from collections.abc import Iterator

from store.errors import EventReadException, EventWriteException, StoreFull

__all__ = ["reading", "write_failure", "writing"]

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})


@contextlib.contextmanager
def reading(verb: str, path: str) -> Iterator[None]:
    """Translate what goes wrong when something at a path is to be read.

    Raises:
        EventReadException: if the system says that this could not be done: ``cannot <verb> <path>``.
    """
    try:
        yield
    except OSError as error:
        raise EventReadException(f"cannot {verb} {path}: {error.strerror}") from error


@contextlib.contextmanager
def writing(verb: str, path: str) -> Iterator[None]:
    """Translate what goes wrong when something at a path is to be changed.

    Raises:
        StoreFull: if there is no room.
        EventWriteException: if the system says that this could not be done: ``cannot <verb> <path>``.
    """
    try:
        yield
    except OSError as error:
        raise write_failure(verb, path, error) from error


def write_failure(verb: str, path: str, error: OSError) -> EventWriteException:
    """What :func:`writing` raises, for those who do something so often that entering it would show."""
    kind = StoreFull if error.errno in _FULL else EventWriteException
    return kind(f"cannot {verb} {path}: {error.strerror}")

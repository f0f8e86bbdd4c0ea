"""The stores that users name: by their addresses, or by where they are mounted."""

import argparse
import os

from store import Backend, EventStoreException, backend_of
from theiafs.mounts import Mount, mount_at, mounts

__all__ = ["add_store_argument", "mount_of", "store_at"]


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``store`` to *parser*, for :func:`store_at`."""
    parser.add_argument(
        "store", metavar="STORE|MOUNT", help="directory of the minute files, or where it is mounted"
    )


def store_at(given: str) -> Backend:
    """Return the store that is meant by *given*: its address, or the path that it is mounted on.

    Raises:
        EventStoreException: if it is no address of a store.
    """
    # A mount that does not answer is known by its path as it was given.
    for path in (os.path.abspath(given), os.path.realpath(given)):
        mount = mount_at(path)
        if mount is not None and mount.is_ours:
            return backend_of(mount.source)
    return backend_of(given)


def mount_of(store: Backend) -> Mount | None:
    """Return a mount through which *store* is written; None if there is none."""
    return next(
        (
            each
            for each in mounts()
            if each.is_ours and not each.is_read_only and _identity(each.source) == store.identity
        ),
        None,
    )


def _identity(name: str) -> str:
    """Return the identity of the store that is shown as *name*; empty if another release has mounted it, which knows more stores."""
    try:
        return backend_of(name).identity
    except EventStoreException:
        return ""

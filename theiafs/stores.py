"""The stores that users name: by their addresses, or by where they are mounted."""

import argparse
import os

from store import Backend, EventReadException, EventStoreException, backend_of
from theiafs.mounts import Mount, mount_at, mounts

__all__ = ["add_store_argument", "mount_of", "named_store", "store_at"]


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``store`` to *parser*, for :func:`store_at`."""
    parser.add_argument(
        "store", metavar="STORE|MOUNT", help="directory of the minute files, or where it is mounted"
    )


def store_at(given: str) -> Backend:
    """Return the store that is meant by *given*: its address, or the path that it is mounted on.

    Raises:
        EventStoreException: if it is no address of a store, or the mount may be of another store than it says.
    """
    # A mount that does not answer is known by its path as it was given.
    for path in (os.path.abspath(given), os.path.realpath(given)):
        mount = mount_at(path)
        if mount is not None and mount.is_ours:
            store = named_store(mount)
            if store is None:
                raise EventReadException(
                    f"{given} was mounted by user {mount.owner}, whose word that it is of {mount.source} is not taken:"
                    " give the directory of the store"
                )
            return store
    return backend_of(given)


def mount_of(store: Backend) -> Mount | None:
    """Return a mount through which *store* is written; None if there is none."""
    for each in mounts():
        if each.is_ours and not each.is_read_only:
            named = named_store(each)
            if named is not None and named.identity == store.identity:
                return each
    return None


def named_store(mount: Mount) -> Backend | None:
    """Return the store that *mount*, a theiafs mount, says that it is of; None if that is not to be believed.

    Any user can mount a filesystem of any name and source. The word of root, of the caller, and of the owner of the store is
    taken.
    """
    try:
        store = backend_of(mount.source)
    except EventStoreException:
        return None  # another release, which knows more stores, has mounted it
    return store if mount.owner in (0, os.geteuid(), store.owner()) else None

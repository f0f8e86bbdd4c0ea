"""The stores that users name: by their directories, or by where they are mounted."""

import argparse
import os

from store import EventReadException
from theiafs.mounts import Mount, mount_at, mounts

__all__ = ["add_store_argument", "mount_of", "store_at"]


def add_store_argument(parser: argparse.ArgumentParser) -> None:
    """Add the argument ``store`` to *parser*, for :func:`store_at`."""
    parser.add_argument(
        "store", metavar="STORE|MOUNT", help="directory of the minute files, or where it is mounted"
    )


def store_at(path: str) -> str:
    """Return the directory of the store that is meant by *path*: that itself, or the store that is mounted there.

    Raises:
        EventReadException: if the mount may be of another store than it says.
    """
    # A mount that does not answer is known by its path as it was given.
    for each in (os.path.abspath(path), os.path.realpath(path)):
        mount = mount_at(each)
        if mount is not None and mount.is_ours:
            if not mount.may_be_of(mount.source):
                raise EventReadException(
                    f"{path} was mounted by user {mount.owner}, whose word that it is of {mount.source} is not taken:"
                    " give the directory of the store"
                )
            return mount.source
    return path


def mount_of(store: str) -> Mount | None:
    """Return a mount through which the directory *store* is written; None if there is none."""
    real = os.path.realpath(store)
    return next(
        (
            each
            for each in mounts()
            if each.is_ours
            and not each.is_read_only
            and each.may_be_of(real)
            and os.path.realpath(each.source) == real
        ),
        None,
    )

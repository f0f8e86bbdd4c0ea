"""Directories as the user names them."""

import os

from theiafs.errors import MountError

__all__ = ["absolute"]


def absolute(path: str) -> str:
    """Return the absolute form of *path*, which may be relative to the working directory.

    Raises:
        MountError: if it is relative, and the working directory is gone.
    """
    try:
        return os.path.abspath(path)
    except FileNotFoundError as error:
        raise MountError(
            f"{path} is in the working directory, which does not exist any more (cd to another, or give the whole path)"
        ) from error

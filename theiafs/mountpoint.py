"""The directory that a store is mounted on."""

import logging
import os

from theiafs.errors import MountError
from theiafs.mounts import mounted_on
from theiafs.unmounting import is_stale, remove_mount

__all__ = ["BareDirectory", "check_mountpoint"]

_SHOWN_NAMES_MAX = 5

log = logging.getLogger(__name__)


def check_mountpoint(mountpoint: str) -> None:
    """Check that *mountpoint* is an empty directory, or the mount of a process that has ended.

    Raises:
        MountError: if it is not.
    """
    if is_stale(mountpoint):
        return
    entries = _list(mountpoint)
    if entries:
        raise MountError(
            f"mountpoint {mountpoint} is not empty ({_shown(entries)}): give an empty directory"
        )


def _list(mountpoint: str) -> list[str]:
    """List the directory *mountpoint*.

    Raises:
        MountError: if it is none, or something is mounted there.
    """
    try:
        entries = os.listdir(mountpoint)
    except FileNotFoundError as error:
        raise MountError(f"mountpoint {mountpoint} does not exist (mkdir {mountpoint})") from error
    except NotADirectoryError as error:
        raise MountError(
            f"mountpoint {mountpoint} is not a directory: give an empty one"
        ) from error
    except OSError as error:
        raise MountError(
            f"mountpoint {mountpoint} cannot be read: {error.strerror}; choose another, or mount as a user that may read it"
        ) from error
    mounted = mounted_on(mountpoint)
    if mounted is not None:
        raise MountError(
            f"{mounted.source} is already mounted on {mountpoint} (theiafs umount {mountpoint})"
        )
    return entries


class BareDirectory:
    """The directory of a mountpoint, from when nothing is mounted there until something is."""

    def __init__(self, mountpoint: str) -> None:
        """Remove from *mountpoint* the mounts of processes that have ended, just before something is mounted there.

        Such a mount refuses what programs write. In the bare directory they create files, which the next mount
        hides: rsyslog, for one, opens its file again and again. What they create in the moment until then is no obstacle.

        Raises:
            MountError: if one cannot be removed, or the directory was bare before and is not empty.
        """
        self._mountpoint = mountpoint
        check_mountpoint(mountpoint)
        while is_stale(mountpoint):
            remove_mount(mountpoint)
            log.warning("removed a mount on %s whose process has ended", mountpoint)
        _list(mountpoint)
        self._descriptor = os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def close(self) -> None:
        """Log what is in the directory, which is hidden now that it is mounted on; call this once."""
        try:
            entries = os.listdir(self._descriptor)
        except OSError as error:
            log.warning("cannot tell what the mount on %s hides: %s", self._mountpoint, error)
            entries = []
        os.close(self._descriptor)
        if entries:
            log.warning(
                "in the directory %s before it was mounted, and hidden now: %s; let the programs that"
                " write there open their files again, and unmount it to see what they wrote",
                self._mountpoint,
                _shown(entries),
            )


def _shown(names: list[str]) -> str:
    """Return the first of *names* in the order of the alphabet, and how many more there are."""
    first = ", ".join(map(repr, sorted(names)[:_SHOWN_NAMES_MAX]))
    more = len(names) - _SHOWN_NAMES_MAX
    return f"{first} and {more} more" if more > 0 else first

"""The permissions that files show, which the kernel checks."""

import stat

from theiafs.config import Settings

__all__ = ["Permissions"]

_WRITE_BITS = 0o222


class Permissions:
    """The permissions of a mount with *settings*."""

    def __init__(self, settings: Settings) -> None:
        self._umask = settings.umask
        self._ingest_mode = settings.ingest_mode
        # Without the right to pass through the directories above it, nothing can be appended to a file.
        self._passing = ((settings.ingest_mode or 0) & _WRITE_BITS) >> 1

    def of(self, mode: int) -> int:
        """Return what is shown for *mode*, the type and the permissions of a node before the mount's umask."""
        if stat.S_ISLNK(mode):
            return mode  # never checked; all links have the same
        if stat.S_ISDIR(mode):
            return mode & ~self._umask | self._passing
        if (
            mode & stat.S_IWUSR and self._ingest_mode is not None
        ):  # of files, only those that are appended to
            return stat.S_IFMT(mode) | self._ingest_mode
        return mode & ~self._umask

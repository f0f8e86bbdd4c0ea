"""The permissions that files show, which the kernel checks."""

import stat

from theiafs.config import Settings
from theiafs.paths import NodeKind

__all__ = ["Permissions"]

_WRITE_BITS = 0o222

_WITHOUT_DOORS = frozenset(
    {
        NodeKind.MINUTES,
        NodeKind.MATCH,
        NodeKind.NOT,
        NodeKind.UNTAGGED,
        NodeKind.BY_ID,
        NodeKind.VIEWS,
    }
)
"""Directories below which nothing can be appended."""


class Permissions:
    """The permissions of a mount with *settings*."""

    def __init__(self, settings: Settings) -> None:
        self._umask = settings.umask
        self._ingest_mode = settings.ingest_mode
        # Without the right to pass through the directories above it, nothing can be appended to a file.
        self._passing = ((settings.ingest_mode or 0) & _WRITE_BITS) >> 1

    def of(self, path: str, mode: int) -> int:
        """Return what is shown of *path* for *mode*, the type and the permissions of its node before the mount's umask.

        Users that may only append pass through the directories that lead to an ingest file, and through no other: else the sizes
        of files below ``match`` would tell them what the contents are.
        """
        if stat.S_ISLNK(mode):
            return mode  # never checked; all links have the same
        if stat.S_ISDIR(mode):
            # The names of filters, each before its value: those without a value, after which it would be otherwise, are all of them
            # among the ones that lead nowhere.
            leads_nowhere = not _WITHOUT_DOORS.isdisjoint(path.split("/")[1::2])
            return mode & ~self._umask | (0 if leads_nowhere else self._passing)
        if (
            mode & stat.S_IWUSR and self._ingest_mode is not None
        ):  # of files, only those that are appended to
            return stat.S_IFMT(mode) | self._ingest_mode
        return mode & ~self._umask

"""Aliases: the paths by which libfuse knows ingest files after they were renamed."""

import math
import time
from typing import NamedTuple

from theiafs.recent import Recent

__all__ = ["Aliases"]

_LENGTH_MAX = 1 << 10


class _Alias(NamedTuple):
    """The path of an ingest file, and when it was last renamed, in seconds."""

    target: str
    renamed_s: float


class Aliases:
    """Paths that ingest files were renamed to, the last ones.

    Nothing is there, for an ingest file keeps its name. But what is open, or is being opened, has the new path to libfuse
    and the kernel, which ask for it.
    """

    def __init__(self) -> None:
        self._aliases: Recent[str, _Alias] = Recent(_LENGTH_MAX)

    def add(self, path: str, old: str) -> None:
        """Note that the ingest file at *old*, which may be an alias, was renamed to *path*."""
        self._aliases.put(path, _Alias(self.target(old), time.monotonic()))

    def target(self, path: str) -> str:
        """Return the path of the ingest file that *path* is an alias of; *path* itself if it is none."""
        alias = self._aliases.get(path)
        return path if alias is None else alias.target

    def age_s(self, path: str) -> float:
        """Return how long ago an ingest file was renamed to *path*, in seconds; infinity if none was."""
        alias = self._aliases.get(path)
        return math.inf if alias is None else time.monotonic() - alias.renamed_s

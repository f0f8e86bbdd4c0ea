"""Directories of minute files as stores."""

import contextlib
import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path

from store.api import EventStore
from store.backend import Backend, Opening
from store.disk.disk import PRIVATE, Disk
from store.disk.lock import Turn
from store.engine.follower import FollowingStore
from store.engine.location import check_location
from store.engine.naive import NaiveEventStore
from store.errors import (
    EventReadException,
    EventStoreException,
    EventWriteException,
    StoreNotFound,
)
from store.filenames import hidden_path, journal_path, lock_path
from store.wal.segment import list_segments

__all__ = ["DirectoryBackend"]

_REFRESH_INTERVAL_MS = 1000
"""Milliseconds between checks of a store whose writer flushes at every save."""


class DirectoryBackend(Backend):
    """The store in a directory.

    Args:
        address: path of the directory, which may be relative to the working directory.

    Raises:
        EventReadException: if it is relative, and the working directory is gone.
    """

    def __init__(self, address: str) -> None:
        try:
            self.address = self.name = os.path.abspath(address)
        except FileNotFoundError as error:
            raise EventReadException(
                f"{address} is in the working directory, which does not exist any more (cd to another, or give the whole path)"
            ) from error
        self.identity = os.path.realpath(address)

    @property
    def directory(self) -> str:
        """See :attr:`Backend.directory`."""
        return self.address

    def check(self, *, is_read_only: bool = False) -> None:
        """See :meth:`Backend.check`."""
        path = self.address
        check_location(Disk(), path)
        if not os.path.lexists(path):
            if is_read_only:
                raise StoreNotFound(
                    f"there is no store {path}: give the directory of its minute files, or mount it without -o ro to make it"
                )
            return
        if not os.path.isdir(path):
            raise EventReadException(
                f"store {path} is not a directory: give the directory of its minute files"
            )
        if not is_read_only and not os.access(path, os.W_OK | os.X_OK):
            raise EventWriteException(
                f"store {path} is not writable: mount it with -o ro, or as a user that may write to it"
            )

    def open(self, opening: Opening) -> EventStore:
        """See :meth:`Backend.open`."""
        self.check(is_read_only=opening.is_read_only)
        interval_ms, memory_size = opening.flush_interval_ms, opening.memory_size
        if opening.is_read_only:
            return FollowingStore(
                self.address,
                interval_ms or _REFRESH_INTERVAL_MS,
                None,
                opening.progress,
                memory_size,
            )
        return NaiveEventStore(
            self.address,
            interval_ms,
            None,
            opening.progress,
            memory_size,
            opening.log_keep_size,
            opening.measured_views,
        )

    def check_mountpoint(self, mountpoint: str) -> None:
        """See :meth:`Backend.check_mountpoint`."""
        if _contains(self.address, mountpoint) or _contains(mountpoint, self.address):
            raise EventStoreException(
                f"store {self.name} and mountpoint {mountpoint} are the same directory, or one is inside the other:"
                " the mount would hide the store; choose another mountpoint"
            )

    def warnings(self) -> Sequence[str]:
        """Return a warning if this is root's process, and another user can write to the directory.

        Such a user can put links there while the process runs, and have it write elsewhere as root.
        """
        if os.geteuid() != 0 or not os.path.isdir(self.address):
            return []
        others = Disk().other_writers(self.address)
        if not others:
            return []
        return [
            f"store {self.name} is served by root, but {' and '.join(others)} may write to it: serve it as the user that owns"
            f" it, or give it to root (chown root {self.name}; chmod go-w {self.name})"
        ]

    def owner(self) -> int | None:
        """See :meth:`Backend.owner`."""
        try:
            return Disk().owner(self.address)
        except EventReadException:
            return None  # what is not there, or not for the caller, has no owner to be believed

    def take_turn(self, on_wait: Callable[[str], object]) -> Turn:
        """See :meth:`Backend.take_turn`; the directory is made if there is none."""
        self.check()
        disk = Disk()
        disk.make_directory(self.address, PRIVATE)
        disk.make_directory(hidden_path(self.address))
        return Turn(hidden_path(self.address), on_wait)

    def wait_until_closed(self, timeout_s: float = math.inf, spool_directory: str = "") -> bool:
        """See :meth:`Backend.wait_until_closed`."""
        del spool_directory
        disk = Disk()
        disk.wait_for_store_lock(self.address, lock_path(self.address), timeout_s)
        return not list_segments(disk, journal_path(self.address))


def _contains(outer: str, inner: str) -> bool:
    """Return whether *outer* is *inner* or a directory above it, by this name or that of a link or bind mount."""
    path = Path(os.path.realpath(inner))
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):  # one that does not exist is not the same
            if os.path.samefile(outer, each):
                return True
    return False

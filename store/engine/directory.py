"""Directories of minute files as stores: checks before they are opened, and work on those that are not open."""

import contextlib
import math
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from store.api import EventStore
from store.backend import Backend, Opening
from store.disk.disk import Disk
from store.engine.follower import FollowingStore
from store.engine.links import check_links
from store.engine.naive import NaiveEventStore
from store.errors import EventReadException, EventStoreException, EventWriteException
from store.filenames import index_path, journal_path, lock_path
from store.index.database import remove_database
from store.minutes.names import parse_name
from store.progress import Progress, show_nothing
from store.query import Query
from store.wal.segment import list_segments

__all__ = ["DirectoryBackend", "reindex", "remove_minute_files"]

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
        if not os.path.lexists(path):
            if is_read_only:
                raise EventReadException(
                    f"there is no store {path}: give the directory of its minute files"
                )
            return
        if not os.path.isdir(path):
            raise EventReadException(
                f"store {path} is not a directory: give the directory of its minute files"
            )
        if not is_read_only and not os.access(path, os.W_OK | os.X_OK):
            raise EventWriteException(
                f"store {path} is not writable: open it as a user that may write to it, or only to read (-o ro)"
            )

    def open(self, opening: Opening) -> EventStore:
        """See :meth:`Backend.open`."""
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

    def wait_until_closed(self, timeout_s: float = math.inf) -> bool:
        """See :meth:`Backend.wait_until_closed`."""
        disk = Disk()
        disk.wait_for_store_lock(self.address, lock_path(self.address), timeout_s)
        return not list_segments(disk, journal_path(self.address))


def reindex(directory: str, progress: Progress = show_nothing) -> int:
    """Rebuild the index of the store in *directory*, and the filters of texts that searches for words need.

    Args:
        directory: its path.
        progress: called with the number of minute files read so far, and the number to read.

    Returns:
        The number of minute files.

    Raises:
        EventStoreException: if there is no store there, or another process has it open.
    """
    disk = Disk()
    if not disk.exists(directory):
        raise EventReadException(
            f"there is no store {directory}: give the directory of its minute files"
        )
    check_links(disk, directory)
    disk.make_directory(os.path.dirname(lock_path(directory)))
    with contextlib.closing(disk.lock_store(directory, lock_path(directory))):
        remove_database(disk, index_path(directory))
    with contextlib.closing(NaiveEventStore(directory, progress=progress)) as store:
        store.filter_texts()
        return sum(1 for _name in store.minutes(Query()))


def remove_minute_files(directory: str, minutes: Iterable[str]) -> int:
    """Remove the files of *minutes*, by name, from the store in *directory*, durably, as any other program may.

    The process that has the store open, whichever it is, notices. Events of these minutes that it has not flushed yet stay.

    Returns:
        How many there were.

    Raises:
        EventStoreException: if one could not be removed; some may have been.
    """
    disk = Disk()
    paths = [os.path.join(directory, name) for name in minutes if parse_name(name) is not None]
    found = [path for path in paths if disk.stat(path) is not None]
    for path in found:
        disk.remove(path)
    disk.sync_directory(directory)
    return len(found)


def _contains(outer: str, inner: str) -> bool:
    """Return whether *outer* is *inner* or a directory above it, by this name or that of a link or bind mount."""
    path = Path(os.path.realpath(inner))
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):  # one that does not exist is not the same
            if os.path.samefile(outer, each):
                return True
    return False

"""From the address of a store to the store."""

import contextlib
import os

from store.api import EventStore, Progress, show_nothing
from store.disk.disk import Disk
from store.engine.follower import FollowingStore
from store.engine.naive import NaiveEventStore
from store.errors import EventReadException
from store.filenames import index_path, journal_path, lock_path
from store.index.database import remove_index
from store.query import Query
from store.wal.segment import list_segments

__all__ = ["open_store", "reindex", "wait_until_closed"]


_REFRESH_INTERVAL_MS = 1000
"""How often to look at a store that flushes at every save."""


def open_store(
    address: str,
    flush_interval_ms: float = 1000,
    is_read_only: bool = False,
    progress: Progress = show_nothing,
) -> EventStore:
    """Open the store at an address; so far, every address is a directory of minute files.

    Args:
        address: path of the directory; made when it is not there, unless it is only to be read.
        flush_interval_ms: milliseconds between flushes; 0 or less flushes at every save. To read only, how
            often to look for what another process has flushed.
        is_read_only: follow a store that another process may be writing.
        progress: is told how many minute files were looked at by now, and of how many, when opening it takes that.

    Raises:
        EventStoreException: if there is no store to open, or another process has it open.
    """
    if is_read_only:
        interval_ms = flush_interval_ms or _REFRESH_INTERVAL_MS
        return FollowingStore(address, interval_ms, progress=progress)
    return NaiveEventStore(address, flush_interval_ms, progress=progress)


def reindex(address: str, progress: Progress = show_nothing) -> int:
    """Make the index of a store anew.

    Args:
        address: path of the directory.
        progress: is told how many minute files were looked at by now, and of how many.

    Returns:
        How many minute files there are.

    Raises:
        EventStoreException: if there is no store there, or another process has it open.
    """
    disk = Disk()
    if not disk.exists(address):
        raise EventReadException(f"there is no store {address}")
    disk.make_directory(os.path.dirname(lock_path(address)))
    with contextlib.closing(disk.lock(lock_path(address))):
        remove_index(disk, index_path(address))
    with contextlib.closing(NaiveEventStore(address, progress=progress)) as store:
        return sum(1 for _name in store.minutes(Query()))


def wait_until_closed(address: str) -> bool:
    """Wait until no process has the store at an address open to write any more.

    Returns:
        Whether everything that was saved is in the minute files; otherwise, it will be when the store is opened
        again.

    Raises:
        EventStoreException: if that cannot be found out.
    """
    disk = Disk()
    disk.wait_for_lock(lock_path(address))
    return not list_segments(disk, journal_path(address))

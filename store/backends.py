"""From the address of a store to the store."""

from store.api import EventStore
from store.archive import journal_path, lock_path
from store.disk import Disk
from store.follower import FollowingStore
from store.naive import NaiveEventStore
from store.segments import list_segments

__all__ = ["open_store", "wait_until_closed"]


_REFRESH_INTERVAL_MS = 1000
"""How often to look at a store that flushes at every save."""


def open_store(
    address: str, flush_interval_ms: float = 1000, is_read_only: bool = False
) -> EventStore:
    """Open the store at an address; so far, every address is a directory of minute files.

    Args:
        address: path of the directory; made when it is not there, unless it is only to be read.
        flush_interval_ms: milliseconds between flushes; 0 or less flushes at every save. To read only, how
            often to look for what another process has flushed.
        is_read_only: follow a store that another process may be writing.

    Raises:
        EventStoreException: if there is no store to open, or another process has it open.
    """
    if is_read_only:
        return FollowingStore(address, flush_interval_ms or _REFRESH_INTERVAL_MS)
    return NaiveEventStore(address, flush_interval_ms)


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

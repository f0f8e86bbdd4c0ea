"""Opening stores by their addresses."""

import contextlib
import math
import os
from collections.abc import Callable, Iterable, Sequence

from store.api import EventStore
from store.disk.disk import Disk
from store.disk.lock import Turn
from store.engine.backup_mark import BackupMark
from store.engine.file_store import MEMORY_SIZE
from store.engine.follower import FollowingStore
from store.engine.location import check_location
from store.engine.naive import NaiveEventStore
from store.errors import EventReadException
from store.filenames import hidden_path, index_path, journal_path, lock_path
from store.index.database import remove_database
from store.minutes.names import parse_name
from store.progress import Progress, show_nothing
from store.query import Query
from store.view import View
from store.wal.segment import list_segments

__all__ = [
    "check_address",
    "open_store",
    "reindex",
    "remove_minute_files",
    "take_turn",
    "wait_until_closed",
]

_REFRESH_INTERVAL_MS = 1000
"""Milliseconds between checks of a store whose writer flushes at every save."""


def check_address(address: str) -> None:
    """Check that a store may be at *address*, the path of a directory that need not exist.

    Raises:
        EventStoreException: if it is in another store, or a symbolic link leads out of it.
    """
    check_location(Disk(), address)


def open_store(
    address: str,
    flush_interval_ms: float = 1000,
    is_read_only: bool = False,
    progress: Progress = show_nothing,
    memory_size: int = MEMORY_SIZE,
    log_keep_size: int = 1 << 30,
    measured_views: Sequence[View] = (),
) -> EventStore:
    """Open the store at *address*; so far, every address is a directory of minute files.

    Args:
        address: path of the directory; made if it is missing, unless *is_read_only*. If it is a backup, it is none any more
            then: the next backup may not replace what is saved to it.
        flush_interval_ms: milliseconds between flushes; 0 or less flushes at every save. For a store that is only
            read, milliseconds between checks for what another process has flushed.
        is_read_only: follow a store that another process may be writing.
        progress: called with the number of minute files read so far, and the number to read.
        memory_size: the memory budget, in bytes; caches get what the catalog and the streams leave of it.
        log_keep_size: maximum size of the flushed records that the log keeps, in bytes.
        measured_views: the views whose lines are measured in the background, so that the sizes of answers are known. In
            any other, and in a store that is only read, they are measured when they are asked for.

    Raises:
        EventStoreException: if there is no store to open, or another process has it open.
    """
    if is_read_only:
        interval_ms = flush_interval_ms or _REFRESH_INTERVAL_MS
        return FollowingStore(address, interval_ms, None, progress, memory_size)
    store = NaiveEventStore(
        address, flush_interval_ms, None, progress, memory_size, log_keep_size, measured_views
    )
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(store.close)
        BackupMark(Disk(), address).drop()
        on_failure.pop_all()
    return store


def reindex(address: str, progress: Progress = show_nothing) -> int:
    """Rebuild the index of the store at *address*, and the filters of texts that searches for words need.

    Args:
        address: path of the directory.
        progress: called with the number of minute files read so far, and the number to read.

    Returns:
        The number of minute files.

    Raises:
        EventStoreException: if there is no store there, or another process has it open.
    """
    disk = Disk()
    if not disk.exists(address):
        raise EventReadException(
            f"there is no store {address}: give the directory of its minute files"
        )
    check_location(disk, address)
    disk.make_directory(os.path.dirname(lock_path(address)))
    with contextlib.closing(disk.lock_store(address, lock_path(address))):
        remove_database(disk, index_path(address))
    with contextlib.closing(NaiveEventStore(address, progress=progress)) as store:
        store.filter_texts()
        return sum(1 for _name in store.minutes(Query()))


def remove_minute_files(address: str, minutes: Iterable[str]) -> int:
    """Remove the files of *minutes*, by name, from the store at *address*, durably, as any other program may.

    The process that has the store open, whichever it is, notices. Events of these minutes that it has not flushed yet stay.

    Returns:
        How many there were.

    Raises:
        EventStoreException: if one could not be removed; some may have been.
    """
    disk = Disk()
    paths = [os.path.join(address, name) for name in minutes if parse_name(name) is not None]
    found = [path for path in paths if disk.stat(path) is not None]
    for path in found:
        disk.remove(path)
    disk.sync_directory(address)
    return len(found)


def take_turn(address: str, on_wait: Callable[[str], object]) -> Turn:
    """Wait until no other process adds what is missing to the store at *address*, and be the one that does.

    Two that search at once for what is missing would both add it. A process has its turn before it opens the store, or finds that it is
    mounted; those that go through the mount take turns at the mountpoint.

    Args:
        address: path of the directory, which is made if it is missing.
        on_wait: called with the process that has the turn, before it is waited for.

    Raises:
        EventWriteException: if the directory cannot be made or opened.
    """
    disk = Disk()
    check_location(disk, address)
    disk.make_directory(hidden_path(address))
    return Turn(hidden_path(address), on_wait)


def wait_until_closed(address: str, timeout_s: float = math.inf) -> bool:
    """Wait until no process has the store at *address* open to write.

    Args:
        address: path of the directory.
        timeout_s: how long to wait, in seconds.

    Returns:
        Whether everything that was saved is in the minute files; otherwise, it will be when the store is opened
        again.

    Raises:
        StoreLocked: if one still has after that time.
        EventStoreException: if that cannot be found out.
    """
    disk = Disk()
    disk.wait_for_store_lock(address, lock_path(address), timeout_s)
    return not list_segments(disk, journal_path(address))

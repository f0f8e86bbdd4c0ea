"""Maintenance of directories of minute files: rebuilding the index, and removing files."""

import contextlib
import os
from collections.abc import Iterable

from store.disk.disk import Disk
from store.engine.directory import DirectoryBackend
from store.engine.location import check_there
from store.engine.naive import NaiveEventStore
from store.engine.scan_workers import ScanWorkers
from store.filenames import index_path, lock_path
from store.index.database_files import remove_database
from store.minutes.names import parse_name
from store.progress import Progress, show_nothing
from store.query import Query

__all__ = ["reindex", "remove_minute_files"]


def reindex(directory: str, progress: Progress = show_nothing, process_count: int = 0) -> int:
    """Rebuild the index of the store in *directory*, and the filters of texts that searches for words need.

    Args:
        directory: its path.
        progress: called with the number of minute files read so far, and the number to read.
        process_count: the number of processes that read minute files; 0 if this one does. With others, call this before there
            are threads.

    Returns:
        The number of minute files.

    Raises:
        EventStoreException: if there is no store there, another process has it open, or a process cannot be started.
    """
    DirectoryBackend(directory).check(is_read_only=True)
    disk = Disk()
    check_there(disk, directory)
    disk.make_directory(os.path.dirname(lock_path(directory)))
    with contextlib.ExitStack() as stack:
        workers = (
            stack.enter_context(ScanWorkers(directory, process_count)) if process_count else None
        )
        with contextlib.closing(disk.lock_store(directory, lock_path(directory))):
            remove_database(disk, index_path(directory))
        store = NaiveEventStore(directory, progress=progress, workers=workers)
        stack.enter_context(contextlib.closing(store))
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

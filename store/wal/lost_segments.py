"""Segments of an open log that another program removed although they are needed."""

import threading

from store.wal.log_directory import LogDirectory
from store.wal.segment_list import SegmentList

__all__ = ["write_lost_again"]


def write_lost_again(segments: SegmentList, names: LogDirectory, lock: threading.Lock) -> None:
    """Write those of *segments* again that were removed from the directory *names*, and make all names durable.

    Args:
        segments: the segments of the log.
        names: their directory.
        lock: the lock of the log.

    Raises:
        EventWriteException: if that was not possible, or they cannot be found.
    """
    with lock:
        held = segments.held()
    lost = names.find_lost(held)
    with lock:
        if segments.current in lost:
            segments.current = None
    for segment in lost:
        with lock:
            source = names.duplicate(segment)
        if source is None:
            continue  # a full disk took it meanwhile, because it is only kept
        written = names.write_again(segment, source)
        with lock:
            segments.reopen(segment, written)
    if not names.is_synced:
        names.sync()

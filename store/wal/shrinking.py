"""The removal of segments that are not needed any more."""

import threading
from collections.abc import Callable

from store.wal.log_directory import LogDirectory
from store.wal.segment_list import SegmentList

__all__ = ["shrink"]


def shrink(
    segments: SegmentList,
    names: LogDirectory,
    lock: threading.Lock,
    ends: Callable[[], tuple[int, int]],
    *,
    is_full: bool,
) -> bool:
    """Remove those of *segments* that are not needed any more.

    Args:
        segments: the segments of the log.
        names: their directory.
        lock: the lock of the log.
        ends: returns the LSN before which everything is durable, and that of the next record.
        is_full: whether to remove them however short they were kept, because the disk is full.

    Returns:
        Whether there was one.

    Raises:
        EventWriteException: if one could not be removed; that is harmless, and is tried again.
    """
    has_shrunk = False
    while True:
        with lock:
            if not segments.remove_released(*ends(), is_full=is_full):
                return has_shrunk
        has_shrunk = True
        # One at a time, see remove_released().
        names.sync()

"""Judging the records of minutes: a value for each entry, worked out from its bytes."""

import os
import threading
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.errors import EventReadException
from store.format.contents import NOT_RECORDS, Contents, find_contents
from store.index.minute import DAMAGED

__all__ = ["Judge", "RecordJudge"]


_SIZE_AT_ONCE = 1 << 20
"""Bytes of a minute that are read and judged at once, about."""

Read = Callable[[int, int, int], bytes]
"""Reads the bytes of a minute, by id, from a start to an end."""

Judge = Callable[[bytes, NDArray[np.int64], Contents], NDArray[Any]]
"""Returns a value for each record of some bytes, given the edges of the records, and their contents."""


class RecordJudge:
    """Judges records. Any number of threads may use it.

    No lock is held while minutes are read. At most one thread for each CPU judges at a time.

    Args:
        read: reads the bytes of minutes.
    """

    def __init__(self, read: Read) -> None:
        self._read = read
        self._judging = threading.Semaphore(os.cpu_count() or 1)

    def judged(self, judge: Judge, minute: Minute, first: int, last: int) -> NDArray[Any]:
        """Return the values that *judge* has for the entries of *minute* from *first* to before *last*; 0 for damage.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        found: list[tuple[int, NDArray[Any]]] = []
        for start, edges in _sound_runs(minute, first, last):
            data = self._read(minute.id, int(edges[0]), int(edges[-1]))
            found.append((start - first, self._judge(judge, data, edges - edges[0])))
        column = np.zeros(last - first, found[0][1].dtype if found else np.uint8)
        for start, values in found:
            column[start : start + len(values)] = values
        return column

    def _judge(self, judge: Judge, data: bytes, edges: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values that *judge* has for the records in *data*, which have *edges*."""
        # A file that another program has just changed may still be taken for the one that is known.
        changed = "records are not where they were: their minute has changed"
        try:
            contents = find_contents(data, edges)
            if not ((edges[:-1] < contents.starts) & (contents.ends < edges[1:])).all():
                raise EventReadException(changed)
            with self._judging:
                return judge(data, edges, contents)
        except NOT_RECORDS as error:
            raise EventReadException(changed) from error


def _sound_runs(minute: Minute, first: int, last: int) -> Iterator[tuple[int, NDArray[np.int64]]]:
    """Yield runs of entries of *minute* from *first* to before *last* without damage, none of them too large.

    Yields:
        The position of the first entry of a run, and the edges of its entries in the minute, in bytes.
    """
    if first >= last:
        return
    streams, ends = minute.entries.layout(first, last)
    edges = np.concatenate(([minute.entries.offset(first)], ends)).astype(np.int64)
    is_sound = streams != DAMAGED
    blocks = edges[:-1] // _SIZE_AT_ONCE
    changes = (is_sound[1:] != is_sound[:-1]) | (blocks[1:] != blocks[:-1])
    for start, stop in pairwise([0, *(changes.nonzero()[0] + 1).tolist(), last - first]):
        if is_sound[start]:
            yield first + start, edges[start : stop + 1]

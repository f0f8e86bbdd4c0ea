"""Partitioning a batch of events by minute."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.format.batch import Batch
from store.index.minute import EntryColumns
from store.ticks import TICKS_PER_S

__all__ = ["Part", "Partition"]

_SIZE_MAX = 1 << 20
"""Maximum size of a part in bytes, unless a single event is larger: each part is one record of the log."""

_LOOK_AHEAD = 1 << 12
"""Number of events compared in one step, which bounds its cost however small the parts are."""


class Part(NamedTuple):
    """Consecutive events of a batch in the same minute.

    Attributes:
        data: their records.
        columns: the events; their streams are indexes of the batch's keys.
    """

    data: bytes
    columns: EntryColumns

    def entries(self, ids: NDArray[np.int64]) -> EntryColumns:
        """Return the events in columns, with the stream ids that *ids* has for the batch's keys."""
        return self.columns._replace(streams=ids[self.columns.streams])


class Partition:
    """A batch of events, to be cut into parts in order."""

    def __init__(self, batch: Batch) -> None:
        self._data = batch.data
        self._next = 0
        self._start = 0
        self._streams = np.frombuffer(batch.streams, np.int64)
        self._sizes = np.frombuffer(batch.sizes, np.int64)
        self._ticks = np.frombuffer(batch.ticks, np.int64)
        self._ends = self._sizes.cumsum()

    @property
    def is_done(self) -> bool:
        """Whether all of it was taken."""
        return self._next == len(self._sizes)

    @property
    def ticks(self) -> int:
        """The time of the next event."""
        return int(self._ticks[self._next])

    def take(self, start: int, end: int) -> Part:
        """Take the next event and the run after it in the seconds from *start* to before *end*."""
        first, first_byte = self._next, self._start
        fitting = int(self._ends.searchsorted(first_byte + _SIZE_MAX, "right"))
        last = self._find_outside(start * TICKS_PER_S, end * TICKS_PER_S, max(fitting, first + 1))
        last_byte = int(self._ends[last - 1])
        self._next, self._start = last, last_byte
        rows = slice(first, last)
        columns = EntryColumns(self._streams[rows], self._sizes[rows], self._ticks[rows])
        return Part(self._data[first_byte:last_byte], columns)

    def _find_outside(self, start: int, end: int, limit: int) -> int:
        """Return the index of the first event after the next outside of *start* to before *end*, in ticks; at most *limit*."""
        for first in range(self._next + 1, limit, _LOOK_AHEAD):
            ticks = self._ticks[first : min(first + _LOOK_AHEAD, limit)]
            outside = (ticks < start) | (ticks >= end)
            if outside.any():
                return first + int(outside.argmax())
        return limit

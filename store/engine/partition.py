"""The division of a batch of events among minute files."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.format.batch import Batch
from store.index.minute import Rows

__all__ = ["Division", "Portion"]

_SIZE_MAX = 1 << 20
"""The largest part of a batch, in bytes, unless a single event is larger: each is one record of the journal."""

_LOOK_AHEAD = 1 << 12
"""How many events to look at in one step, so that it costs the same however small the parts become."""


class Portion(NamedTuple):
    """Events of a batch that follow each other.

    Attributes:
        data: their records.
        columns: the events; their kinds are numbers of the batch's labels.
    """

    data: bytes
    columns: Rows

    def rows(self, kinds: NDArray[np.int64]) -> Rows:
        """The events in columns, when the kinds of the batch's labels have these numbers."""
        return self.columns._replace(kinds=kinds[self.columns.kinds])


class Division:
    """A batch of events, of which one part after the other is taken."""

    def __init__(self, batch: Batch) -> None:
        self._batch = batch
        self._first = 0
        self._start = 0
        self._kinds = np.frombuffer(batch.kinds, np.int64)
        self._sizes = np.frombuffer(batch.sizes, np.int64)
        self._times = np.frombuffer(batch.times, np.float64)
        self._ends = self._sizes.cumsum()

    @property
    def is_done(self) -> bool:
        """Whether all of it was taken."""
        return self._first == len(self._batch)

    @property
    def time(self) -> float:
        """The time of the next event, in seconds since the epoch."""
        return self._batch.times[self._first]

    def take(self, start: int, end: int) -> Portion:
        """Take the next event, and those behind it that are of times from a start to before an end, too."""
        batch, first, first_byte = self._batch, self._first, self._start
        fitting = int(self._ends.searchsorted(first_byte + _SIZE_MAX, "right"))
        last = self._behind(start, end, max(fitting, first + 1))
        last_byte = int(self._ends[last - 1])
        self._first, self._start = last, last_byte
        rows = slice(first, last)
        data = batch.data[first_byte:last_byte]
        return Portion(data, Rows(self._kinds[rows], self._sizes[rows], self._times[rows]))

    def _behind(self, start: int, end: int, limit: int) -> int:
        """The row behind those from the next on whose times are from a start to before an end."""
        for first in range(self._first + 1, limit, _LOOK_AHEAD):
            times = self._times[first : min(first + _LOOK_AHEAD, limit)]
            outside = (times < start) | (times >= end)
            if outside.any():
                return first + int(outside.argmax())
        return limit

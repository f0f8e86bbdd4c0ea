"""The division of a batch of events among minute files."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.batch import Batch

__all__ = ["Division", "Rows"]

_SIZE_MAX = 1 << 20
"""The largest part of a batch, in bytes, unless a single event is larger: each is one record of the journal."""

_LOOK_AHEAD = 1 << 12
"""How many events to look at in one step, so that it costs the same however small the parts become."""


class Rows(NamedTuple):
    """Events of a batch that follow each other.

    Attributes:
        data: their records.
        kinds: for each, which of the batch's pairs is its source and its tags.
        sizes: of each record, in bytes.
        times: of each, in seconds since the epoch.
    """

    data: bytes
    kinds: npt.NDArray[np.int64]
    sizes: npt.NDArray[np.int64]
    times: npt.NDArray[np.float64]


class Division:
    """A batch of events from which one part after the other is taken."""

    def __init__(self, batch: Batch) -> None:
        self._data = batch.data
        self._kinds = np.frombuffer(batch.kinds, np.int64)
        self._sizes = np.frombuffer(batch.sizes, np.int64)
        self._times = np.frombuffer(batch.times, np.float64)
        self._ends = self._sizes.cumsum()
        self._first = 0
        self._start = 0

    @property
    def is_done(self) -> bool:
        """Whether all of it was taken."""
        return self._first == len(self._sizes)

    @property
    def time(self) -> float:
        """The time of the next event, in seconds since the epoch."""
        return float(self._times[self._first])

    def take(self, start: int, end: int) -> Rows:
        """Take the next event, and those behind it that are of times from a start to before an end, too."""
        first, first_byte = self._first, self._start
        fitting = int(self._ends.searchsorted(first_byte + _SIZE_MAX, "right"))
        last = max(self._behind(start, end, fitting), first + 1)
        last_byte = int(self._ends[last - 1])
        self._first, self._start = last, last_byte
        rows = slice(first, last)
        return Rows(
            self._data[first_byte:last_byte],
            self._kinds[rows],
            self._sizes[rows],
            self._times[rows],
        )

    def _behind(self, start: int, end: int, limit: int) -> int:
        """The row behind those from the next on whose times are from a start to before an end."""
        for first in range(self._first, limit, _LOOK_AHEAD):
            times = self._times[first : min(first + _LOOK_AHEAD, limit)]
            outside = (times < start) | (times >= end)
            if outside.any():
                return first + int(outside.argmax())
        return limit

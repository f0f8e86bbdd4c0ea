"""Drops: which times minutes were removed from, and when."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.query import Query

__all__ = ["Drops"]

_DROPS_MAX = 256
"""Drops that are told apart; earlier ones count as those of all times."""


class _Drop(NamedTuple):
    """A drop of minutes: the times of their first and last events, in ticks, and when it was, in seconds since the epoch."""

    oldest: int
    newest: int
    time: float


class Drops:
    """The drops since the opening. Not safe for several threads: callers hold the store's state lock."""

    def __init__(self) -> None:
        self._recent: deque[_Drop] = deque()
        self._earlier = 0.0

    def note(self, oldest: NDArray[np.int64], newest: NDArray[np.int64], time: float) -> None:
        """Note that minutes, of which these are the times of their *oldest* and *newest* events, are dropped at *time*."""
        self._recent.append(_Drop(int(oldest.min()), int(newest.max()), time))
        if len(self._recent) > _DROPS_MAX:
            self._earlier = max(self._earlier, self._recent.popleft().time)

    def last(self, query: Query) -> float:
        """Return when minutes that *query* may have answered with were dropped last; 0 if none were."""
        found = (
            each.time
            for each in self._recent
            if each.newest >= query.start and each.oldest <= query.end
        )
        return max(found, default=self._earlier)

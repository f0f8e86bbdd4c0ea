"""Disturbances: which times events were removed from, or got another place in, and when."""

from collections import deque
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.query import Query
from store.ticks import TICKS_MAX

__all__ = ["DISTURBANCE", "Disturbances"]

DISTURBANCE = np.dtype([("oldest", "<i8"), ("newest", "<i8"), ("time", "<f8")])
"""A disturbance of events from *oldest* to *newest*, in ticks, and when it was, in seconds since the epoch."""

_APART_MAX = 256
"""Disturbances that are told apart; of more, the first ones count as one."""


class _Disturbance(NamedTuple):
    oldest: int
    newest: int
    time: float


class Disturbances:
    """The disturbances of a store. Not safe for several threads: callers hold the store's state lock."""

    def __init__(self) -> None:
        self._known: deque[_Disturbance] = deque()

    def note(self, oldest: NDArray[np.int64], newest: NDArray[np.int64], time: float) -> None:
        """Note that minutes, of which these are the times of their *oldest* and *newest* events, were disturbed at *time*."""
        has_events = newest >= 0
        if has_events.any():
            self._add(_Disturbance(int(oldest[has_events].min()), int(newest.max()), time))

    def note_all(self, time: float) -> None:
        """Note that any event may have been disturbed until *time*."""
        self._known.clear()
        self._add(_Disturbance(0, TICKS_MAX, time))

    def _add(self, added: _Disturbance) -> None:
        self._known.append(added)
        if len(self._known) > _APART_MAX:
            first, second = self._known.popleft(), self._known.popleft()
            span = min(first.oldest, second.oldest), max(first.newest, second.newest)
            self._known.appendleft(_Disturbance(*span, max(first.time, second.time)))

    def last(self, query: Query) -> float:
        """Return when events that *query* may ask for were disturbed last; 0 if none were."""
        found = (
            each.time
            for each in self._known
            if each.newest >= query.start and each.oldest <= query.end
        )
        return max(found, default=0.0)

    def export(self) -> NDArray[np.void]:
        """Return all of them, of type ``DISTURBANCE``."""
        return np.array([*self._known], DISTURBANCE)

    def restore(self, rows: NDArray[np.void]) -> None:
        """Set them to *rows*, of type ``DISTURBANCE``."""
        self._known = deque(_Disturbance(*row) for row in rows.tolist())

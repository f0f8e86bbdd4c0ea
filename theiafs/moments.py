"""Moments: the queries of ranges that move, which stand still from a stat to the open that follows it."""

import threading
from collections import OrderedDict
from collections.abc import Callable

from store import Query
from theiafs.paths import Filter, to_query
from theiafs.timerange import Newest, now_in_ticks

__all__ = ["Moments"]

_TICKS_PER_MS = 10**4
_KEPT_TICKS = 1000 * _TICKS_PER_MS
"""How long a query stands still: as long as the kernel keeps the attributes of a file."""
_KEPT_FOR_OPEN_TICKS = 3000 * _TICKS_PER_MS
"""How old a query may be at an open: the kernel's attributes may have come from it, and were kept for a second."""
_LENGTH_MAX = 1024
"""Most paths that are remembered; the one asked for least recently is forgotten first."""


class Moments:
    """Says which queries the ranges that move are, so that the size that was told and the bytes that are read fit together.

    Args:
        newest: returns the time of the newest event that is stored, in ticks since the epoch.
    """

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self._lock = threading.Lock()
        self._known: OrderedDict[tuple[Filter, ...], tuple[int, Query]] = OrderedDict()

    def query(self, filters: tuple[Filter, ...], is_open: bool) -> Query:
        """Return the query that *filters* are now, or were a moment ago.

        Args:
            filters: the filters of a path.
            is_open: whether a file is to be opened, rather than its attributes told.

        Raises:
            InvalidName: if a range ends before it starts today.
        """
        now = now_in_ticks()
        kept = _KEPT_FOR_OPEN_TICKS if is_open else _KEPT_TICKS
        with self._lock:
            moment, query = self._known.get(filters, (now, None))
            if query is not None and 0 <= now - moment <= kept:
                return query
        # Without the lock: this may ask the store.
        newest = self._newest() if any(isinstance(each, Newest) for each in filters) else 0
        query = to_query(filters, now, newest)
        with self._lock:
            self._known[filters] = now, query
            self._known.move_to_end(filters)
            if len(self._known) > _LENGTH_MAX:
                self._known.popitem(last=False)
        return query

"""Moments: the queries of moving ranges, frozen from a stat to the open after it."""

from collections.abc import Callable

from store import Query
from theiafs.paths import Filter, to_query
from theiafs.recent import Recent
from theiafs.timerange import Newest, now_in_ticks

__all__ = ["Moments"]

_TICKS_PER_MS = 10**4
_KEPT_TICKS = 1000 * _TICKS_PER_MS
"""How long a query is frozen: as long as the kernel caches attributes."""
_KEPT_FOR_OPEN_TICKS = 3000 * _TICKS_PER_MS
"""Maximum age of a query at an open: the kernel may have cached attributes of it for a second."""
_LENGTH_MAX = 1024
"""Maximum number of remembered paths."""


class Moments:
    """The queries of moving ranges, frozen for a moment so that the size from a stat matches the bytes of the open after it.

    Args:
        newest: returns the time of the newest event that is stored, in ticks since the epoch.
    """

    def __init__(self, newest: Callable[[], int]) -> None:
        self._newest = newest
        self._known: Recent[tuple[Filter, ...], tuple[int, Query]] = Recent(_LENGTH_MAX)

    def query(self, filters: tuple[Filter, ...], is_open: bool) -> Query:
        """Return the query of *filters* as of now, or of a moment ago.

        Args:
            filters: the filters of a path.
            is_open: whether this is for an open rather than for a stat.

        Raises:
            InvalidName: if a range ends before it starts today.
        """
        now = now_in_ticks()
        kept = _KEPT_FOR_OPEN_TICKS if is_open else _KEPT_TICKS
        found = self._known.get(filters)
        if found is not None and 0 <= now - found[0] <= kept:
            return found[1]
        newest = self._newest() if any(isinstance(each, Newest) for each in filters) else 0
        query = to_query(filters, now, newest)
        self._known.put(filters, (now, query))
        return query

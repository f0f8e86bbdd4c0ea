"""Times in columns: which are in the time range of a query, its gaps aside."""

import numpy as np
from numpy.typing import NDArray

from store.query import Query

__all__ = ["are_inside", "are_within", "may_overlap"]

Flags = NDArray[np.bool_]
Ticks = NDArray[np.int64]


def are_within(ticks: Ticks, query: Query) -> Flags:
    """Return for each of *ticks* whether it is in the time range of *query*."""
    found: Flags = (ticks >= query.start) & (ticks <= query.end)
    for gap in query.gaps:
        found &= (ticks < gap.start) | (ticks > gap.end)
    return found


def are_inside(oldest: Ticks, newest: Ticks, query: Query) -> Flags:
    """Return for each span from *oldest* to *newest* whether all of it is in the time range of *query*."""
    found: Flags = (oldest >= query.start) & (newest <= query.end)
    for gap in query.gaps:
        found &= (newest < gap.start) | (oldest > gap.end)
    return found


def may_overlap(oldest: Ticks, newest: Ticks, query: Query) -> Flags:
    """Return for each span from *oldest* to *newest* whether some of it may be in the time range of *query*."""
    found: Flags = (newest >= query.start) & (oldest <= query.end)
    for gap in query.gaps:
        found &= (oldest < gap.start) | (newest > gap.end)
    return found

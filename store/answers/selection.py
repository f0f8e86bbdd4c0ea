"""Selections: the entries of a minute that answer a query."""

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.version import Minute
from store.index.extents import Layout
from store.index.minute import EntryColumns
from store.index.summary import Total, summarize, total_of
from store.index.times import are_within
from store.query import Query
from store.view import View

__all__ = ["count_selected", "select"]


def select(
    access: Access, query: Query, minute: Minute, layout: Layout, first: int = 0
) -> NDArray[np.bool_]:
    """Return for each entry of *layout* whether it answers *query*.

    Args:
        access: the access to minutes.
        query: the query.
        minute: the minute of the entries.
        layout: the layout of some of its entries, one after the other.
        first: the position of the first of them.

    Raises:
        EventReadException: if the minute is gone, or cannot be read.
    """
    flags: NDArray[np.bool_] = access.matching(query)[layout.streams]
    last = first + len(flags)
    if query.is_bounded:
        flags &= are_within(minute.entries.ticks(first, last), query)
    for each in query.content_filters:
        # What costs nothing may have decided already.
        if flags.any():
            flags &= access.verdicts(each, minute, last)[first:]
    return flags


def count_selected(
    access: Access, query: Query, minute: Minute, first: int, last: int, view: View | None = None
) -> Total:
    """Return the total of the entries of *minute* from *first* to before *last* that answer *query*, their size that in *view*.

    Raises:
        EventReadException: if the minute is gone, or cannot be read.
    """
    columns = minute.entries.columns(first, last)
    if view is not None:
        columns = columns._replace(sizes=access.line_sizes(view, minute, last)[first:])
    if query.is_bounded or query.content_filters:
        chosen = select(access, query, minute, minute.entries.layout(first, last), first)
        streams, sizes, ticks = columns
        columns = EntryColumns(streams[chosen], sizes[chosen], ticks[chosen])
    matching = access.matching(query)
    return total_of(summarize(columns, len(matching)), matching)

"""Selections: the entries of a minute that answer a query."""

import logging
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.version import Minute
from store.errors import MinuteGone
from store.index.extents import Layout
from store.index.minute import DAMAGED, EntryColumns
from store.index.summary import Total, summarize, total_of
from store.index.times import are_within
from store.query import Query
from store.view import View

__all__ = ["batches", "count_all", "count_minute", "count_selected", "select", "select_all"]


log = logging.getLogger(__name__)

Flags = NDArray[np.bool_]

_MINUTES_AT_ONCE, _ENTRIES_AT_ONCE = 512, 1 << 14
"""Most minutes, and most entries unless one minute has more, that are selected from together; it bounds memory."""


def batches(lengths: NDArray[np.int64]) -> Iterator[slice]:
    """Divide minutes with *lengths* entries into runs of those that are selected from together."""
    ends = lengths.cumsum()
    first = 0
    while first < len(lengths):
        limit = (ends[first - 1] if first else 0) + _ENTRIES_AT_ONCE
        last = min(int(ends.searchsorted(limit, "right")), first + _MINUTES_AT_ONCE)
        yield slice(first, max(last, first + 1))
        first = max(last, first + 1)


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


def select_all(
    access: Access,
    query: Query,
    minutes: NDArray[np.int64],
    layouts: Sequence[Layout],
    inside: NDArray[np.bool_],
) -> list[Flags | None]:
    """Return for each entry of *layouts* whether it answers *query*; None for a minute that is gone.

    Args:
        access: the access to minutes.
        query: the query.
        minutes: the ids of the minutes; small ones are read together.
        layouts: the layout of the first entries of each.
        inside: whether all events of each are in the time range of the query.

    Raises:
        EventReadException: if a minute that is there cannot be read.
    """
    matching = access.matching(query)
    found: list[Flags | None] = [matching[each.streams] for each in layouts]
    for place in (~inside).nonzero()[0].tolist():
        try:
            ticks = _ticks(access, int(minutes[place]), len(layouts[place].streams))
        except MinuteGone as error:
            log.info("skipping its events: %s", error)
            found[place] = None
            continue
        found[place] = _both(found[place], are_within(ticks, query))
    for each in query.content_filters:
        # What costs nothing may have decided already.
        places = [place for place, flags in enumerate(found) if flags is not None and flags.any()]
        chosen = [layouts[place] for place in places]
        verdicts = access.verdicts_of_all(each, minutes[places], chosen) if places else []
        for place, verdict in zip(places, verdicts, strict=True):
            found[place] = _both(found[place], verdict)
    return found


def _ticks(access: Access, minute: int, length: int) -> NDArray[np.int64]:
    """Return the times of the first *length* entries of *minute*, in ticks."""
    return access.retried(minute, lambda: access.minute(minute).entries.ticks(0, length))


def _both(first: Flags | None, second: Flags | None) -> Flags | None:
    return None if first is None or second is None else first & second


def count_all(
    access: Access,
    query: Query,
    minutes: NDArray[np.int64],
    lengths: NDArray[np.int64],
    view: View | None = None,
) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Count the first *lengths* entries of *minutes* that answer *query*, which has no time bounds.

    Args:
        access: the access to minutes.
        query: the query.
        minutes: the ids of the minutes; small ones are read together.
        lengths: the number of entries of each.
        view: the view whose lines the sizes are of; None for the records themselves.

    Returns:
        The total of each minute, in three rows as in Total, and whether it could be counted, for it may be gone.

    Raises:
        EventReadException: if a minute that is there cannot be read.
    """
    layouts = access.layouts(minutes, lengths)
    found = select_all(access, query, minutes, layouts, np.ones(len(minutes), np.bool_))
    totals = np.zeros((3, len(minutes)), np.int64)
    is_read = np.zeros(len(minutes), np.bool_)
    chosen: list[tuple[int, Flags]] = []
    for place, (flags, length) in enumerate(zip(found, lengths.tolist(), strict=True)):
        if flags is not None and len(flags) == length:
            is_read[place] = True
            if flags.any():
                chosen.append((place, flags))
    places = [place for place, _ in chosen]
    entries = access.columns(minutes[places], lengths[places]) if places else []
    for (place, flags), columns in zip(chosen, entries, strict=True):
        shown = columns
        if view is not None and columns is not None:
            shown = _shown_in(view, access, int(minutes[place]), columns)
        if shown is None:
            is_read[place] = False
        else:
            streams, sizes, ticks = shown
            events = np.count_nonzero(flags & (streams != DAMAGED))
            totals[:, place] = sizes[flags].sum(), events, ticks[flags].max()
    return totals, is_read


def _shown_in(
    view: View, access: Access, minute: int, columns: EntryColumns
) -> EntryColumns | None:
    """Return *columns*, the first entries of *minute*, with the sizes that they have in *view*; None if it is gone."""
    try:
        sizes = access.line_sizes(view, access.minute(minute), len(columns.sizes))
    except MinuteGone as error:
        log.info("skipping its lines: %s", error)
        return None
    return columns._replace(sizes=sizes)


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


def count_minute(
    access: Access, query: Query, minute: int, first: int, last: int, view: View | None = None
) -> Total:
    """Return the same as :func:`count_selected` of *minute*, by id; retry it if its file may have changed.

    Raises:
        EventReadException: if the minute is gone, or cannot be read.
    """
    return access.retried(
        minute, lambda: count_selected(access, query, access.minute(minute), first, last, view)
    )

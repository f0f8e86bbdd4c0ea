"""Opening the lines of a whole answer over many minutes, of which a program may want only the last few."""

import numpy as np
from numpy.typing import NDArray

from store.answers.lines import WholeLines
from store.engine.lookup import Lookup
from store.errors import MinuteGone
from store.query import Query, Span
from store.view import View

__all__ = ["open_many_lines"]

_FEW = 4096
"""The lines of this many minutes are added up when they are opened, which takes a quarter of a second the first time."""


def open_many_lines(lookup: Lookup, query: Query, view: View) -> WholeLines | None:
    """Open the lines in *view* of the answer to *query* at the cost of what is read of them.

    Of a minute that is removed before that, the size is not known any more: what comes after it can only be read from the end.

    Args:
        lookup: the minutes.
        query: the query.
        view: the view.

    Returns:
        The lines; None if they are those of a few minutes, or their size is not known without reading of each: streams do
        not decide *query*, or events arrive at this moment.
    """
    if query.is_bounded or query.content_filters:
        return None
    totals = lookup.line_totals.of(view)
    totals.sums()
    version = lookup.version(query)
    if len(version.minutes) <= _FEW:
        return None
    size = totals.at(version, lookup.matching(query))
    if version.total is None or size is None or lookup.epoch != version.epoch:
        return None

    def sizes_of(some: slice) -> NDArray[np.int64]:
        minutes, entries = version.minutes[some], version.entries[some]
        found = lookup.series(query, view).totals(minutes, entries)
        with lookup.lock:
            gone = lookup.catalog.gone(minutes[(found[1] == 0) & (entries > 0)])
        if len(gone):
            raise MinuteGone("minutes were removed before they were read; open the file again")
        sizes: NDArray[np.int64] = found[0]
        return sizes

    span = Span("", *version.total._replace(size=size), version.changed)
    return WholeLines(version, view, lookup, span, sizes_of, totals.doubt)

"""Listings: the minutes of an answer with their exact sizes, as of a cursor."""

from collections.abc import Sequence
from typing import overload

import numpy as np

from store.cache import Cache
from store.clickhouse.arrivals import Arrivals, Cursor
from store.clickhouse.compiler import compile_query
from store.clickhouse.reader import Minutes, Reader
from store.clickhouse.tables import Tables
from store.query import Query, Span, joined, minute_at
from store.view import View

__all__ = ["Listing", "Listings"]

_NS_PER_S = 10**9
_ROW_SIZE = 5 * 8
_LISTING_SIZE = 1 << 10


class Listing(Sequence[Span]):
    """The minutes of an answer as of a cursor, as spans that are made when they are asked for.

    Attributes:
        cursor: when this was so.
        minutes: them, in columns.
    """

    def __init__(self, cursor: Cursor, minutes: Minutes) -> None:
        self.cursor = cursor
        self.minutes = minutes

    def __len__(self) -> int:
        return len(self.minutes.starts)

    @overload
    def __getitem__(self, place: int) -> Span: ...

    @overload
    def __getitem__(self, place: slice) -> list[Span]: ...

    def __getitem__(self, place: int | slice) -> Span | list[Span]:
        if isinstance(place, slice):
            return [self[each] for each in range(*place.indices(len(self)))]
        start, size, events, newest, changed = (int(column[place]) for column in self.minutes)
        return Span(minute_at(start), size, events, newest, changed / _NS_PER_S)

    def at(self, start: int) -> Span | None:
        """Return the span of the minute that starts at *start*, in seconds since the epoch; None when it has no event."""
        place = int(np.searchsorted(self.minutes.starts, start))
        return self[place] if place < len(self) and self.minutes.starts[place] == start else None

    def whole(self) -> Span:
        """Return all minutes together, as a span without a name."""
        _, sizes, events, newest, changed = self.minutes
        last = int(changed.max(initial=0)) / _NS_PER_S
        return Span("", int(sizes.sum()), int(events.sum()), int(newest.max(initial=0)), last)

    def extended(self, cursor: Cursor, later: Minutes) -> "Listing":
        """Return the listing as of *cursor*, until which *later* arrived, and nothing was removed."""
        starts, rows = np.unique(
            np.concatenate((self.minutes.starts, later.starts)), return_inverse=True
        )
        columns = [np.zeros(len(starts), np.int64) for _ in range(4)]
        old, new = rows[: len(self)], rows[len(self) :]
        for place, column in enumerate(columns, 1):
            column[old] = self.minutes[place]
            added = later[place]
            column[new] = column[new] + added if place < 3 else np.maximum(column[new], added)
        return Listing(cursor, Minutes(starts, *columns))


class Listings:
    """The listings that were asked for last. Any number of threads may use it.

    Args:
        reader: asks the engine.
        tables: its tables.
        arrivals: the cursor.
        cache: keeps the listings.
    """

    def __init__(self, reader: Reader, tables: Tables, arrivals: Arrivals, cache: Cache) -> None:
        self._reader = reader
        self._shard = tables.shard
        self._arrivals = arrivals
        self._cache = cache

    def of(self, query: Query, view: View | None) -> Listing:
        """Return the listing of the answer to *query* in *view*, as of now.

        Raises:
            EventReadException: if the engine does not answer.
        """
        key = "listing", query, view and view.name
        known: Listing | None = self._cache.get(key)
        now = self._arrivals.now()
        if known is not None:
            now = known.cursor.advanced(now)
            if known.cursor == now:
                return known
        if known is not None and known.cursor.removals == now.removals:
            between = f"{known.cursor.after(self._shard)} AND {now.up_to(self._shard)}"
            later = self._reader.minutes(compile_query(query) & between, view)
            found = known.extended(now, later) if len(later.starts) else Listing(now, known.minutes)
        else:
            found = self._ask(query, view)
        self._cache.put(key, found, _LISTING_SIZE + _ROW_SIZE * len(found))
        return found

    def known(self, query: Query) -> Span:
        """Return all of the answer to *query* as it was when it was asked for last; an empty span if it was not."""
        listing: Listing | None = self._cache.get(("listing", query, None))
        return listing.whole() if listing is not None else joined([])

    def _ask(self, query: Query, view: View | None) -> Listing:
        """Ask for all minutes: by the sums that the engine has, if nothing arrives meanwhile."""
        before = self._arrivals.poll()
        condition = compile_query(query)
        minutes = self._reader.minutes(condition, view)
        after = self._arrivals.poll()
        if after != before or not after.is_last:
            minutes = self._reader.minutes(condition & after.up_to(self._shard), view)
        return Listing(after, minutes)

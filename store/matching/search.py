"""Searches: what the arguments of a search ask for."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

from store.errors import InvalidQuery
from store.format.event import Event
from store.matching.event import content_filter
from store.query import Query
from store.ticks import TICKS_MAX, bound_in_ticks

__all__ = ["Search", "compile_search"]


class Search(NamedTuple):
    """A search.

    Attributes:
        query: what it asks for, contents aside.
        newest_first: whether the newest events come first.
        content_matches: returns whether a content is asked for.
    """

    query: Query
    newest_first: bool
    content_matches: Callable[[str], bool]

    def filtered(self, events: Iterable[Event]) -> Iterator[Event]:
        """Return an iterator over those of *events*, which answer the query, whose contents are asked for."""
        return (event for event in events if self.content_matches(event.content or ""))


def compile_search(
    ts_start: float, ts_end: float | None, flags: list[str] | None, match: str | None, order: str
) -> Search:
    """Compile the arguments of :meth:`store.api.EventStore.search`.

    Raises:
        InvalidQuery: if the *order* is unknown or the expression *match* invalid.
    """
    if order not in ("asc", "desc"):
        raise InvalidQuery(f"order {order!r}: must be 'asc' or 'desc'")
    end = TICKS_MAX if ts_end is None else bound_in_ticks(ts_end)
    query = Query().within(bound_in_ticks(ts_start), end)
    for flag in flags or ():
        query = query.tagged(flag)
    return Search(query, order == "desc", content_filter(match))

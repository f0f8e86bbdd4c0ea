"""Deciding whether an event answers a query."""

import re
from collections.abc import Callable

from store.errors import InvalidQuery
from store.format.event import Event
from store.query import During, Filter, FromSource, HasTag, Not, Query, Untagged

__all__ = ["content_filter", "matches"]


def matches(query: Query, event: Event) -> bool:
    """Return whether *event* answers *query*."""
    return query.includes(event.ticks) and all(_selects(each, event) for each in query.filters)


def _selects(each: Filter, event: Event) -> bool:
    match each:
        case Not(negated):
            return not _selects(negated, event)
        case HasTag(any_of):
            return not any_of.isdisjoint(event.tags)
        case FromSource(any_of):
            return str(event.source) in any_of
        case Untagged():
            return not event.tags
        case During(start, end):
            return start <= event.ticks <= end
    raise InvalidQuery(f"not a filter of this store: {each}")


def content_filter(pattern: str | None) -> Callable[[str], bool]:
    """Compile *pattern*, to be searched anywhere in a content; None and "" are found in all.

    Raises:
        InvalidQuery: if it is not a regular expression.
    """
    if not pattern:
        return lambda _content: True
    try:
        compiled = re.compile(pattern)
    except re.error as error:
        raise InvalidQuery(f"not a regular expression: {pattern!r}: {error}") from error
    return lambda content: compiled.search(content) is not None

"""Deciding whether an event answers a query."""

import re
from collections.abc import Callable, Sequence

from store.errors import InvalidQuery
from store.format.event import Event
from store.query import Query

__all__ = ["admits_tags", "content_filter", "matches"]


def admits_tags(query: Query, tags: Sequence[str]) -> bool:
    """Return whether an event with *tags* may answer *query*."""
    return all(not any_of.isdisjoint(tags) for any_of in query.tags)


def matches(query: Query, event: Event) -> bool:
    """Return whether *event* answers *query*."""
    return query.includes(event.ticks) and admits_tags(query, event.tags)


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

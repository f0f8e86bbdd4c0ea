"""Deciding whether an event answers a query."""

import re
from collections.abc import Callable

import numpy as np

from store.errors import InvalidQuery
from store.format.event import Event
from store.format.levels import LEVELS, level_of
from store.format.record import encode_text
from store.matching.pattern import compile_pattern
from store.query import (
    AtLevel,
    During,
    Filter,
    FromSource,
    HasTag,
    Matches,
    Not,
    Query,
    Untagged,
)

__all__ = ["content_filter", "level_of_event", "matches"]


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
        case AtLevel(any_of):
            level = level_of_event(event)
            return level > 0 and LEVELS[level - 1] in any_of
        case Matches(text):
            content = _content(event)
            return bool(
                compile_pattern(text).search(content, np.array([0]), np.array([len(content)]))[0]
            )
    raise AssertionError(f"no such filter: {each}")


def level_of_event(event: Event) -> int:
    """Return the code of the level of *event*; see :mod:`store.format.levels`."""
    return level_of(encode_text(",".join(event.tags)), _content(event))


def _content(event: Event) -> bytes:
    return encode_text(event.content or "")


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

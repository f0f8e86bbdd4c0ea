"""Additions: what a path says of the events that are appended there."""

from typing import NamedTuple

from store import FromSource, HasTag, Query

__all__ = ["Addition"]


class Addition(NamedTuple):
    """The properties of every event that is appended to a directory: it shows up there.

    Attributes:
        tags: tags that it gets.
        source: its source; None for any.
        query: the query of the directory; the event must be of a time that it asks for.
    """

    tags: list[str]
    source: str | None
    query: Query

    @classmethod
    def of(cls, query: Query) -> "Addition | None":
        """Return the addition of the directory that shows *query*; None where that does not say unambiguously what to add."""
        tags: set[str] = set()
        sources: frozenset[str] | None = None
        for each in query.filters:
            match each:
                case HasTag(any_of):
                    tags |= any_of
                case FromSource(any_of):
                    sources = any_of if sources is None else sources & any_of
                case _:
                    return None
        if sources is None:
            return cls(sorted(tags), None, query)
        return cls(sorted(tags), next(iter(sources)), query) if len(sources) == 1 else None

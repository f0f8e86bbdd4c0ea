"""Additions: what a path says of the events that are appended there."""

import functools
from typing import NamedTuple

from store import AtLevel, Event, FromSource, HasTag, Query
from store.format.levels import LEVELS, level_in_tags
from store.format.record import encode_text

__all__ = ["Addition"]

_ADDITIONS_MAX = 1 << 10
"""Additions that are kept: a shell that appends line by line opens the file for each."""


class Addition(NamedTuple):
    """The properties of every event that is appended to a directory: it shows up there.

    Attributes:
        tags: tags that it gets; one of them says its level, if the directory is of one.
        source: its source; None for any.
        query: the query of the directory; the event must be of a time that it asks for.
    """

    tags: list[str]
    source: str | None
    query: Query

    @property
    def changes_nothing(self) -> bool:
        """Whether every event stays as it is."""
        return not self.tags and self.source is None

    def to(self, source: str, tags: list[str]) -> tuple[str, list[str]]:
        """Return the source and the tags of an event appended with *source* and *tags* of its own."""
        level = _level_of(self.tags)
        kept = [tag for tag in tags if not level or _level_of([tag]) in (0, level)]
        missing = [tag for tag in self.tags if tag not in kept]
        return source if self.source is None else self.source, kept + missing

    def to_event(self, event: Event) -> Event:
        """Return *event*, appended with a source and tags of its own, with those that it gets here."""
        own = str(event.source), list(event.tags or [])
        source, tags = self.to(*own)
        if (source, tags) == own:
            return event
        return Event(event.id, source, None, tags, event.content, ticks=event.ticks)

    @classmethod
    @functools.lru_cache(_ADDITIONS_MAX)
    def of(cls, query: Query) -> "Addition | None":
        """Return the addition of the directory that shows *query*; None where that does not say unambiguously what to add."""
        tags: set[str] = set()
        sources: frozenset[str] | None = None
        levels: frozenset[str] | None = None
        for each in query.filters:
            match each:
                case HasTag(any_of):
                    tags |= any_of
                case FromSource(any_of):
                    sources = any_of if sources is None else sources & any_of
                case AtLevel(any_of):
                    levels = any_of if levels is None else levels & any_of
                case _:
                    return None
        if (sources is not None and len(sources) != 1) or (levels is not None and len(levels) != 1):
            return None
        source = None if sources is None else next(iter(sources))
        if levels is None:
            return cls(sorted(tags), source, query)
        [level] = levels
        tags.add(f"level={level}")
        if any(_level_of([tag]) not in (0, LEVELS.index(level) + 1) for tag in tags):
            return None  # the tags in the path say another one
        return cls(sorted(tags), source, query)


def _level_of(tags: list[str]) -> int:
    return level_in_tags(encode_text(",".join(tags)))

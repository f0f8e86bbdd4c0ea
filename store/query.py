"""Queries and the shape of their answers: plain values, without any knowledge of a store."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from types import UnionType
from typing import NamedTuple

from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = [
    "MINUTE_S",
    "AtLevel",
    "ContentFilter",
    "DiskUsage",
    "During",
    "Filter",
    "FromSource",
    "HasTag",
    "Inodes",
    "Matches",
    "Not",
    "Query",
    "Span",
    "Stream",
    "StreamFilter",
    "Untagged",
    "joined",
    "minute_at",
    "minute_name",
]

MINUTE_S = 60
"""How many seconds a minute spans. In a directory of minute files, it is cut short where the next one starts."""


@dataclass(frozen=True)
class HasTag:
    """At least one of the tags *any_of*."""

    any_of: frozenset[str]


@dataclass(frozen=True)
class FromSource:
    """One of the sources *any_of*."""

    any_of: frozenset[str]


@dataclass(frozen=True)
class Untagged:
    """No tag at all."""


@dataclass(frozen=True)
class AtLevel:
    """One of the levels *any_of*, each a name in :data:`store.format.levels.LEVELS`."""

    any_of: frozenset[str]


@dataclass(frozen=True)
class Matches:
    """A content in which the regular expression *pattern* matches; see :mod:`store.matching.pattern`."""

    pattern: str


@dataclass(frozen=True)
class During:
    """A time from *start* to *end*, both included, in ticks since the epoch."""

    start: int
    end: int


@dataclass(frozen=True)
class Not:
    """The events that *filter* does not select."""

    filter: "Filter"


StreamFilter = HasTag | FromSource | Untagged
"""The filters that the source and the tags of an event decide."""

ContentFilter = AtLevel | Matches
"""The filters that its content may decide."""

Filter = StreamFilter | ContentFilter | During | Not


@dataclass(frozen=True)
class Query:
    """A conjunction of filters; without any, everything that is stored.

    Two queries that ask for the same in another order are equal.

    Attributes:
        filters: the filters, those of :class:`During` aside.
        start: ticks since the epoch; no event is older.
        end: ticks since the epoch; no event is newer.
    """

    filters: frozenset[Filter] = frozenset()
    start: int = 0
    end: int = TICKS_MAX

    def where(self, added: Filter) -> "Query":
        """Ask, besides, for what the filter *added* selects."""
        match added:
            case During(start, end):
                return self.within(start, end)
            case Not(Not(selected)):
                return self.where(selected)
        return replace(self, filters=self.filters | {added})

    def tagged(self, *names: str) -> "Query":
        """Ask, besides, for at least one of the tags *names*."""
        return self.where(HasTag(frozenset(names)))

    def within(self, start: int, end: int) -> "Query":
        """Ask, besides, for a time from *start* to *end*, both included, in ticks since the epoch."""
        return replace(self, start=max(self.start, start), end=min(self.end, end))

    def includes(self, ticks: int) -> bool:
        """Return whether an event of the time *ticks* may answer."""
        return self.start <= ticks <= self.end and not any(
            gap.start <= ticks <= gap.end for gap in self.gaps
        )

    @cached_property
    def gaps(self) -> list[During]:
        """The times that are excluded."""
        return [
            each.filter
            for each in self.filters
            if isinstance(each, Not) and isinstance(each.filter, During)
        ]

    @cached_property
    def is_bounded(self) -> bool:
        """Whether the time of an event matters."""
        return self.start > 0 or self.end < TICKS_MAX or bool(self.gaps)

    @cached_property
    def asks_everything(self) -> bool:
        """Whether there is no filter at all."""
        return not self.filters and not self.is_bounded

    @cached_property
    def at_any_time(self) -> "Query":
        """The same filters without bounds of time."""
        return Query(self.filters.difference(map(Not, self.gaps)))

    @cached_property
    def of_streams(self) -> "Query":
        """The filters that the source and the tags of an event decide."""
        return Query(frozenset(each for each in self.filters if _is(StreamFilter, each)))

    @cached_property
    def without_contents(self) -> "Query":
        """The same query without the filters that the content of an event may decide."""
        found = self.content_filters
        return replace(self, filters=self.filters.difference(found)) if found else self

    @cached_property
    def content_filters(self) -> list["Filter"]:
        """The filters that the content of an event may decide, those that the index may answer first."""
        found = [each for each in self.filters if _is(ContentFilter, each)]
        return sorted(found, key=lambda each: _is(Matches, each))


def _is(kind: UnionType | type, found: Filter) -> bool:
    return isinstance(found.filter if isinstance(found, Not) else found, kind)


class Span(NamedTuple):
    """The part of an answer that lies in one minute, or all of an answer.

    Attributes:
        name: the name of the minute, ``<start>-<end>``; empty for all of an answer.
        size: the exact size of the part, in bytes.
        events: how many it has.
        newest: the time of the newest of them, in ticks since the epoch; 0 when there are none.
        changed: when its bytes last changed, or may have, in seconds since the epoch by the clock of the store, to be shown; 0 if
            it has none.
    """

    name: str
    size: int
    events: int
    newest: int
    changed: float


def joined(spans: Iterable[Span], name: str = "") -> Span:
    """Return the span that *spans* are together, with this *name*."""
    found = list(spans)
    return Span(
        name,
        sum(span.size for span in found),
        sum(span.events for span in found),
        max((span.newest for span in found), default=0),
        max((span.changed for span in found), default=0.0),
    )


def minute_name(ticks: int) -> str:
    """Return the name of the minute of an event at *ticks* since the epoch.

    So it is in every store but a directory of minute files, whose names are those of its files.
    """
    return minute_at(ticks // (MINUTE_S * TICKS_PER_S) * MINUTE_S)


def minute_at(start: int) -> str:
    """Return the name of the minute that starts at *start*, in seconds since the epoch; see :func:`minute_name`."""
    return f"{start}-{start + MINUTE_S}"


class Stream(NamedTuple):
    """The events of an answer that have the same source and tags.

    Attributes:
        source: their source.
        tags: their tags.
        events: how many there are.
    """

    source: str
    tags: tuple[str, ...]
    events: int


class Inodes(NamedTuple):
    """The numbers of inodes that statvfs(3) gives: all, those that are free, and those that are free for users."""

    files: int
    files_free: int
    files_available: int


class DiskUsage(NamedTuple):
    """The usage of the disks that a store is on, as statvfs(3) gives it.

    Attributes:
        block_size: the size of a block, in bytes.
        blocks: how many there are.
        blocks_free: how many of them are free.
        blocks_available: how many of them are free for users.
        inodes: the inodes; None if files do not matter.
    """

    block_size: int
    blocks: int
    blocks_free: int
    blocks_available: int
    inodes: Inodes | None = None

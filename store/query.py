"""Queries and the shape of their answers: plain values, without any knowledge of a store."""

from dataclasses import dataclass, replace
from typing import NamedTuple

from store.ticks import TICKS_MAX

__all__ = ["MINUTE_S", "DiskUsage", "Query", "Span"]

MINUTE_S = 60
"""How many seconds a new minute file spans, unless the next file starts earlier."""


@dataclass(frozen=True)
class Query:
    """A conjunction of filters; without any, everything that is stored.

    Two queries that ask for the same in another order are equal.

    Attributes:
        tags: sets of tags; an event has at least one tag of each set.
        start: ticks since the epoch; no event is older.
        end: ticks since the epoch; no event is newer.
    """

    tags: frozenset[frozenset[str]] = frozenset()
    start: int = 0
    end: int = TICKS_MAX

    def tagged(self, *names: str) -> "Query":
        """Ask, besides, for at least one of the tags *names*."""
        return replace(self, tags=self.tags | {frozenset(names)})

    def within(self, start: int, end: int) -> "Query":
        """Ask, besides, for a time from *start* to *end*, both included, in ticks since the epoch."""
        return replace(self, start=max(self.start, start), end=min(self.end, end))

    def includes(self, ticks: int) -> bool:
        """Return whether an event of the time *ticks* may answer."""
        return self.start <= ticks <= self.end

    @property
    def is_bounded(self) -> bool:
        """Whether the time of an event matters."""
        return self.start > 0 or self.end < TICKS_MAX

    @property
    def asks_everything(self) -> bool:
        """Whether there is no filter at all."""
        return not self.tags and not self.is_bounded

    @property
    def at_any_time(self) -> "Query":
        """The same filters without bounds of time."""
        return replace(self, start=0, end=TICKS_MAX)


class Span(NamedTuple):
    """The part of an answer that lies in one minute file, or all of an answer.

    Attributes:
        name: the name of the minute, ``<start>-<end>``; empty for all of an answer.
        size: the exact size of the part, in bytes.
        events: how many it has.
        newest: the time of the newest of them, in ticks since the epoch; 0 when there are none.
        changed: when the part last grew, in seconds since the epoch; 0 when it has not since the store
            was opened.
    """

    name: str
    size: int
    events: int
    newest: int
    changed: float


class DiskUsage(NamedTuple):
    """The file system under a directory: block size in bytes, and the counts that statvfs(3) gives."""

    block_size: int
    blocks: int
    blocks_free: int
    blocks_available: int
    files: int
    files_free: int
    files_available: int

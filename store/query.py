"""Queries and the shape of their answers: plain values, without any knowledge of a store."""

import math
from dataclasses import dataclass, replace
from typing import NamedTuple

__all__ = ["MINUTE_S", "DiskUsage", "Query", "Span"]

MINUTE_S = 60
"""How many seconds a new minute file spans, unless the next file starts earlier."""


@dataclass(frozen=True)
class Query:
    """A conjunction of filters; without any, everything that is stored.

    Two queries that ask for the same in another order are equal.

    Attributes:
        tags: sets of tags; an event has at least one tag of each set.
        start: seconds since the epoch; no event is older.
        end: seconds since the epoch; no event is newer.
    """

    tags: frozenset[frozenset[str]] = frozenset()
    start: float = -math.inf
    end: float = math.inf

    def tagged(self, *names: str) -> "Query":
        """Ask, besides, for at least one of these tags."""
        return replace(self, tags=self.tags | {frozenset(names)})

    def within(self, start: float, end: float) -> "Query":
        """Ask, besides, for a time from start to end, both included, in seconds since the epoch."""
        return replace(self, start=max(self.start, start), end=min(self.end, end))

    def includes(self, timestamp: float) -> bool:
        """Whether an event of this time, in seconds since the epoch, may answer."""
        return self.start <= timestamp <= self.end

    @property
    def is_bounded(self) -> bool:
        """Whether the time of an event matters."""
        return self.start > -math.inf or self.end < math.inf

    @property
    def asks_everything(self) -> bool:
        """Whether there is no filter at all."""
        return not self.tags and not self.is_bounded


class Span(NamedTuple):
    """The part of an answer that lies in one minute file, or all of an answer.

    Attributes:
        name: the name of the minute, ``<start>-<end>``; empty for all of an answer.
        size: the exact size of the part, in bytes.
        events: how many it has.
        newest: the time of the newest of them, in seconds since the epoch; 0 when there are none.
        changed: when the part last grew, in seconds since the epoch; 0 when it has not since the store
            was opened.
    """

    name: str
    size: int
    events: int
    newest: float
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

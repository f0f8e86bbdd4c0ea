"""Extents: byte ranges of minutes."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Extents", "Layout", "coalesce", "find_extents", "flagged_extents"]


class Layout(NamedTuple):
    """The layout of the first entries of a minute: their streams, and their ends in bytes."""

    streams: NDArray[np.unsignedinteger]
    ends: NDArray[np.unsignedinteger]

    @property
    def memory_size(self) -> int:
        """The memory of the layout, in bytes."""
        return self.streams.nbytes + self.ends.nbytes


class Extents(NamedTuple):
    """Byte ranges of minutes; a row of each column is one of them.

    Attributes:
        minutes: the ids of the minutes.
        starts: the starts in the minutes, in bytes.
        ends: the ends, in bytes.
    """

    minutes: NDArray[np.integer]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]

    @classmethod
    def none(cls) -> "Extents":
        """No extents."""
        return cls(*(np.empty(0, np.int64) for _ in range(3)))


def find_extents(
    minutes: NDArray[np.integer],
    layouts: Sequence[Layout],
    matching: NDArray[np.bool_],
    excluded: Sequence[tuple[int, NDArray[np.intp]]] = (),
) -> Extents:
    """Find the extents of the entries of *minutes* that belong to *matching* streams, neighbours coalesced.

    Args:
        minutes: the ids of the minutes.
        layouts: the layout of each.
        matching: for each stream id, whether its events match.
        excluded: entries to leave out: indexes of *minutes*, each with positions in that minute.
    """
    lengths = np.array([len(each.streams) for each in layouts], np.int64)
    if not lengths.sum():
        return Extents.none()
    ends = np.concatenate([each.ends for each in layouts]).astype(np.int64)
    flags = matching[np.concatenate([each.streams for each in layouts])]
    lasts = lengths.cumsum()
    firsts = lasts - lengths
    for place, positions in excluded:
        flags[firsts[place] + positions] = False
    found = flags.nonzero()[0]
    # An entry starts at the end of the one before it; the first of each minute starts at 0.
    starts = np.empty_like(ends)
    starts[1:] = ends[:-1]
    starts[firsts[lengths > 0]] = 0
    counts = np.diff(found.searchsorted(lasts), prepend=0)
    return coalesce(Extents(minutes.repeat(counts), starts[found], ends[found]))


def flagged_extents(
    minute: int, start: int, ends: NDArray[np.unsignedinteger], flags: NDArray[np.bool_]
) -> Extents:
    """Find the extents of the entries of *minute* that have a flag, neighbours coalesced.

    Args:
        minute: the id of the minute.
        start: where the first of the entries starts, in bytes.
        ends: where each of them ends.
        flags: for each of them, whether it is wanted.
    """
    edges = np.empty(len(ends) + 1, np.int64)
    edges[0] = start
    edges[1:] = ends
    padded = np.zeros(len(flags) + 2, np.bool_)
    padded[1:-1] = flags
    turns = (padded[1:] != padded[:-1]).nonzero()[0]
    starts = edges[turns[::2]]
    return Extents(np.full(len(starts), minute), starts, edges[turns[1::2]])


def coalesce(extents: Extents) -> Extents:
    """Join each of *extents* that starts at the end of the one before it."""
    minutes, starts, ends = extents
    begins = np.ones(len(starts) + 1, np.bool_)
    begins[1:-1] = (starts[1:] != ends[:-1]) | (minutes[1:] != minutes[:-1])
    return Extents(minutes[begins[:-1]], starts[begins[:-1]], ends[begins[1:]])

"""Pieces: where bytes lie that are wanted, in which minute and from where to where."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

__all__ = ["Entries", "Pieces", "find_pieces", "join"]


class Entries(NamedTuple):
    """The entries of a minute, or the first of them: the numbers of their kinds, and where each ends, in bytes."""

    kinds: NDArray[np.unsignedinteger]
    ends: NDArray[np.unsignedinteger]


class Pieces(NamedTuple):
    """Pieces of minutes; a row of each column is one of them.

    Attributes:
        minutes: the numbers of the minutes.
        starts: where each starts there, in bytes.
        ends: where it ends.
    """

    minutes: NDArray[np.integer]
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]


def find_pieces(
    minutes: NDArray[np.integer],
    entries: Sequence[Entries],
    admitted: NDArray[np.bool_],
    excluded: Sequence[tuple[int, NDArray[np.intp]]] = (),
) -> Pieces:
    """Find where the entries of some minutes lie that answer a query, neighbours joined.

    Args:
        minutes: the numbers of the minutes.
        entries: what each of them has.
        admitted: for the number of each kind, whether it may answer.
        excluded: entries that do not answer all the same: places among the minutes, each with positions in it.
    """
    lengths = np.array([len(each.kinds) for each in entries])
    ends = np.concatenate([each.ends for each in entries]).astype("q")
    flags = admitted[np.concatenate([each.kinds for each in entries])]
    firsts = lengths.cumsum() - lengths
    for place, positions in excluded:
        flags[firsts[place] + positions] = False
    found = flags.nonzero()[0]
    # An entry starts where the one before it ends, and the first of each minute at 0.
    starts = np.empty_like(ends)
    starts[1:] = ends[:-1]
    starts[firsts[lengths > 0]] = 0
    return join(Pieces(minutes.repeat(lengths)[found], starts[found], ends[found]))


def join(pieces: Pieces) -> Pieces:
    """Make one of pieces that go on where the one before ends."""
    minutes, starts, ends = pieces
    begins = np.ones(len(starts) + 1, np.bool_)
    begins[1:-1] = (starts[1:] != ends[:-1]) | (minutes[1:] != minutes[:-1])
    return Pieces(minutes[begins[:-1]], starts[begins[:-1]], ends[begins[1:]])

"""Tails that have moved: other programs removed or changed the files of their minutes before they were flushed."""

from typing import NamedTuple

import numpy as np

from store.index.extents import Extents

__all__ = ["Moved", "MovedTails"]

_LENGTH_MAX = 1000
"""Tails whose places are kept for open files; the oldest is forgotten first."""


class Moved(NamedTuple):
    """The place of the tail of a minute that is gone: another program removed or changed its file before it was flushed.

    Attributes:
        start: the start of the tail in the minute that is gone, in bytes.
        position: the position of its first entry there.
        minute: the id of the minute that has it now.
        shift: how many bytes further it is there.
        position_shift: by how many entries its first one comes later there.
    """

    start: int
    position: int
    minute: int
    shift: int
    position_shift: int


class MovedTails:
    """The places of tails that have moved, by the ids of the minutes that are gone. Any number of threads may use it."""

    def __init__(self) -> None:
        self._moved: dict[int, Moved] = {}

    def add(self, minute: int, moved: Moved) -> None:
        """Note that the tail of *minute* has *moved*."""
        self._moved[minute] = moved
        if len(self._moved) > _LENGTH_MAX:
            del self._moved[next(iter(self._moved))]

    def find(self, minute: int) -> Moved | None:
        """Return the place of the tail of *minute*; None if it has not moved."""
        return self._moved.get(minute)

    def follow(self, minute: int, start: int) -> tuple[int, int]:
        """Return the minute that has the byte at *start* of *minute* now, and how many bytes further it is there."""
        shift = 0
        while (moved := self._moved.get(minute)) is not None and start + shift >= moved.start:
            minute, shift = moved.minute, shift + moved.shift
        return minute, shift

    def follow_all(self, extents: Extents) -> Extents:
        """Return *extents*, those in tails that have moved where they are now."""
        if not self._moved:
            return extents
        starts = zip(extents.minutes.tolist(), extents.starts.tolist(), strict=True)
        found = [self.follow(*each) for each in starts]
        minutes, shifts = (np.array(column, np.int64) for column in zip(*found, strict=True))
        return Extents(minutes, extents.starts + shifts, extents.ends + shifts)

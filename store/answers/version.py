"""Versions: the minutes of a store and their arrival order at one moment."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.answers.arrivals import Arrivals
from store.index.minute import MinuteEntries
from store.index.summary import Total
from store.minutes.file import MinuteFile
from store.query import Query

__all__ = ["Minute", "Version"]


class Minute:
    """A minute of the store: its id in the catalog, its name, its bytes, its entries."""

    __slots__ = ("__weakref__", "entries", "file", "id", "name")

    def __init__(self, id: int, name: str, file: MinuteFile, entries: MinuteEntries) -> None:  # noqa: A002
        self.id = id
        self.name = name
        self.file = file
        self.entries = entries


class Version(NamedTuple):
    """Everything that may answer a query at one moment. It never changes.

    The *base* of a minute is its entries before all those in the arrival order.

    Attributes:
        query: the query.
        total: its total, if that follows from the streams alone; None if it depends on minutes.
        changed: when the answer last changed, in seconds since the epoch.
        minutes: the ids of the minutes, in the order of time.
        entries: the number of entries of each.
        base_entries: the number of entries in the base of each.
        base_bytes: the bytes of the base of each.
        oldest: the ticks of the oldest event of each; -1 if there is none.
        newest: the ticks of the newest event of each.
        inside: whether all events of each are in the time range of the query.
        arrivals: the arrival order.
        position: its end at that moment.
        epoch: a number that changes whenever the order of the same events may change.
    """

    query: Query
    total: Total | None
    changed: float
    minutes: NDArray[np.int64]
    entries: NDArray[np.int64]
    base_entries: NDArray[np.int64]
    base_bytes: NDArray[np.int64]
    oldest: NDArray[np.int64]
    newest: NDArray[np.int64]
    inside: NDArray[np.bool_]
    arrivals: Arrivals
    position: tuple[int, int]
    epoch: int

    @property
    def order(self) -> int:
        """A number that tells apart the orders in which the same events can stand in the answer: -1 for that of time."""
        has_arrivals = not np.array_equal(self.base_entries, self.entries)
        return self.epoch if has_arrivals else -1

    def only(self, places: NDArray[np.bool_]) -> "Version":
        """Return this version with only those minutes that are at *places*."""
        return self._replace(
            minutes=self.minutes[places],
            entries=self.entries[places],
            base_entries=self.base_entries[places],
            base_bytes=self.base_bytes[places],
            oldest=self.oldest[places],
            newest=self.newest[places],
            inside=self.inside[places],
        )

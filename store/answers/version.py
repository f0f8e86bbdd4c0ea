"""Versions: the minutes of a store and the order of arrival, as they were at one moment."""

from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from store.answers.arrivals import Arrivals
from store.index.extents import Layout
from store.index.minute import MinuteEntries
from store.index.summary import Total
from store.minutes.file import MinuteFile
from store.query import Query

__all__ = ["Access", "Minute", "Version"]


class Minute:
    """A minute of the store: its id in the catalog, its name, its bytes, its entries."""

    __slots__ = ("__weakref__", "entries", "file", "id", "name")

    def __init__(self, id: int, name: str, file: MinuteFile, entries: MinuteEntries) -> None:  # noqa: A002
        self.id = id
        self.name = name
        self.file = file
        self.entries = entries


class Version(NamedTuple):
    """All that there was at one moment that may answer a query. It never changes.

    The *base* of a minute is what counts as stored before all that is in the arrival order.

    Attributes:
        query: the query.
        total: its total then, where that follows from the streams alone; None where minutes must be asked.
        changed: when the answer last changed, in seconds since the epoch.
        minutes: the ids of the minutes, in the order of time.
        entries: how many entries each of them had.
        base_entries: how many of those were its base.
        base_bytes: the bytes of its base.
        oldest: the ticks of its oldest event; -1 when it had none.
        newest: the ticks of its newest event.
        inside: whether all events of a minute were in the time range of the query.
        arrivals: the order of arrival.
        position: its end then.
        epoch: changes whenever the same events may have another order than before.
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


class Access(Protocol):
    """The way from the ids of minutes to what they have. Each call raises EventReadException for one that is gone."""

    def minute(self, minute: int) -> Minute:
        """Return the minute with the id *minute*."""

    def layouts(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[Layout]:
        """Return the layouts of the first *lengths* entries of *minutes*; an empty one for a minute that is gone."""

    def read(self, minute: int, start: int, end: int) -> bytes:
        """Read the bytes of *minute* from *start* to *end*, all of them."""

    def read_extents(
        self, minute: int, starts: NDArray[np.int64], stops: NDArray[np.int64]
    ) -> bytes:
        """Read the extents of *minute* from *starts* to *stops*, which ascend, and join them."""

    def matching(self, query: Query) -> NDArray[np.bool_]:
        """Return for each stream id whether its events answer *query*, their times aside."""

"""Access to the minutes of a store by their ids: all that answers need of the engine."""

from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.answers.moved import MovedTails
from store.answers.read_ahead import ReadAhead
from store.answers.version import Minute, Version
from store.cache import Cache
from store.index.extents import Extents, Layout
from store.index.minute import EntryColumns
from store.index.summary import Summaries
from store.query import Filter, Query
from store.view import View

__all__ = ["Access"]

_Read = TypeVar("_Read")


class Access(Protocol):
    """Access to minutes by their ids.

    Each call raises MinuteGone for one that is gone, unless it says otherwise, and another EventReadException for one
    that cannot be read.

    Attributes:
        moved: the tails that have moved.
        cache: the memory budget.
    """

    moved: MovedTails
    cache: Cache

    def minute(self, minute: int) -> Minute:
        """Return the minute with the id *minute*."""

    def retried(self, minute: int, read: Callable[[], _Read]) -> _Read:
        """Return the result of *read*, which is of *minute*; retry it once, after a refresh, if the file may have changed."""

    def layout(self, minute: Minute, length: int) -> Layout:
        """Return the layout of the first *length* entries of *minute*."""

    def layouts(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[Layout]:
        """Return the layouts of the first *lengths* entries of *minutes*; an empty one for a minute that is gone."""

    def line_sizes(self, view: View, minute: Minute, length: int) -> NDArray[np.integer]:
        """Return the sizes of the lines in *view* of the first *length* entries of *minute*; 0 for damage."""

    def read(self, minute: int, start: int, end: int) -> bytes:
        """Read the bytes of *minute* from *start* to *end*, all of them."""

    def read_extents(self, extents: Extents) -> bytes:
        """Read *extents*, which ascend within each minute, and join them."""

    def matching(self, query: Query) -> NDArray[np.bool_]:
        """Return for each stream id whether its events may answer *query*, as far as their sources and tags decide."""

    def version(self, query: Query) -> Version:
        """Return the current version for *query*."""

    def summaries(self, minutes: NDArray[np.int64], view: View | None = None) -> Summaries:
        """Return by id the known summaries of *minutes*, each after the number of entries in it; sizes are those in *view*."""

    def following(self, minute: int, window: ReadAhead) -> NDArray[np.int64]:
        """Return the ids of *minute* and, in the order of time, of the next ones in *window*."""

    def minutes_with_id(self, hashed: int) -> Iterator[int]:
        """Yield the ids of the minutes that may have an event whose id has the hash *hashed*; some may be gone."""

    def verdicts(self, each: Filter, minute: Minute, length: int) -> NDArray[np.bool_]:
        """Return for the first *length* entries of *minute* whether the filter *each*, of contents, selects them."""

    def verdicts_of_all(
        self, each: Filter, minutes: NDArray[np.int64], layouts: Sequence[Layout]
    ) -> list[NDArray[np.bool_] | None]:
        """Return for the entries in *layouts* of *minutes* whether the filter *each*, of contents, selects them.

        None for a minute that is gone. Small ones are read together.
        """

    def columns(
        self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> list[EntryColumns | None]:
        """Return the first *lengths* entries of *minutes*; None for a minute that is gone."""

    def level_totals(self, minutes: NDArray[np.int64]) -> Summaries:
        """Return by id the known totals of *minutes* by level, without damage, the code of a level in place of the stream."""

    def find_out_levels(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Find out the levels of *minutes*, which have *lengths* entries, for :meth:`level_totals`, as far as they are at rest."""

    def misses(
        self, query: Query, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return for *minutes* whether it is known that none of their first *lengths* entries answers *query*."""

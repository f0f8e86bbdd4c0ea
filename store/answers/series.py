"""Series: the totals of a filter by minute, independent of the time range of a query."""

import logging
import threading
from functools import partial

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.read_ahead import ReadAhead
from store.answers.selection import batches, count_all, count_minute
from store.errors import MinuteGone
from store.index.levels import decided_levels
from store.index.summary import NOTHING, Total, runs_of_minutes, totals_by_level, totals_of
from store.query import Query
from store.view import View

__all__ = ["Series"]

log = logging.getLogger(__name__)


class Series:
    """The totals of all minutes asked for so far. A minute that has grown is updated when it is asked for.

    Args:
        query: the filter; without time bounds.
        access: the access to minutes.
        view: the view whose lines the sizes are of; None for the records themselves.
    """

    def __init__(self, query: Query, access: Access, view: View | None = None) -> None:
        self._query = query
        self._access = access
        self._view = view
        is_by_level = bool(query.content_filters) and view is None
        self._levels = decided_levels(query) if is_by_level else None
        self._lock = threading.Lock()
        self._read_ahead = ReadAhead()
        # By minute id: the number of entries added up, and their totals in rows as in Total.
        self._counted = np.zeros(0, np.int64)
        self._totals = np.zeros((3, 0), np.int64)

    @property
    def memory_size(self) -> int:
        """The memory of the series, in bytes."""
        return self._counted.nbytes + self._totals.nbytes

    def totals(self, minutes: NDArray[np.int64], entries: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the totals of the first *entries* of *minutes*, in three rows as in Total; zeros for one that is gone.

        Raises:
            EventReadException: if one that is there cannot be read.
        """
        with self._lock:
            self._reserve(int(minutes.max(initial=-1)) + 1)
            missing = minutes[(self._counted[minutes] == 0) & (entries > 0)]
            if len(missing):
                self._read_summaries(missing)
            is_new = (self._counted[minutes] == 0) & (entries > 0)
        if self._query.content_filters and is_new.any():
            self._count_all(minutes[is_new], entries[is_new])
        with self._lock:
            different = (self._counted[minutes] != entries).nonzero()[0]
        for place in different.tolist():
            self._update(int(minutes[place]), int(entries[place]))
        with self._lock:
            totals = self._totals[:, minutes]
            later = different[self._counted[minutes[different]] > entries[different]]
        for place in later.tolist():
            # Another thread has added up a later state of the minute.
            earlier = self._add_up(int(minutes[place]), 0, int(entries[place]))
            totals[:, place] = earlier or NOTHING
        return totals

    def total(self, minute: int, entries: int) -> Total:
        """Return the total of the first *entries* of *minute*; nothing for one that is gone.

        Raises:
            EventReadException: if it cannot be read.
        """
        with self._lock:
            self._reserve(minute + 1)
            if not self._counted[minute] and entries:
                # Programs that list a directory ask for one minute after the other.
                ahead = self._access.following(minute, self._read_ahead)
                self._reserve(int(ahead.max(initial=0)) + 1)
                self._read_summaries(ahead[self._counted[ahead] == 0])
            if self._counted[minute] == entries:
                return Total(*self._totals[:, minute].tolist())
        return Total(*self.totals(np.array([minute]), np.array([entries]))[:, 0].tolist())

    def _reserve(self, length: int) -> None:
        if length > len(self._counted):
            length = max(length, 2 * len(self._counted))
            counted, totals = np.zeros(length, np.int64), np.zeros((3, length), np.int64)
            counted[: len(self._counted)] = self._counted
            totals[:, : len(self._counted)] = self._totals
            self._counted, self._totals = counted, totals

    def _read_summaries(self, minutes: NDArray[np.int64]) -> None:
        if self._query.content_filters and self._levels is None:
            return  # they tell nothing of contents
        for run in runs_of_minutes(len(minutes)):
            some = minutes[run]
            if self._levels is not None:
                found = self._access.level_totals(some)
                add_up = partial(totals_by_level, levels=self._levels)
            else:
                found = self._access.summaries(some, self._view)
                # After them, as they may have streams that are new.
                add_up = partial(totals_of, matching=self._access.matching(self._query))
            if found:
                ids = list(found)
                counts, summaries = zip(*found.values(), strict=True)
                self._totals[:, ids] = add_up(summaries)
                self._counted[ids] = counts

    def _count_all(self, minutes: NDArray[np.int64], entries: NDArray[np.int64]) -> None:
        """Count the first *entries* of *minutes*, none of which is counted, as far as they are there."""
        misses = self._access.misses(self._query, minutes, entries)
        with self._lock:
            is_new = misses & (self._counted[minutes] == 0)  # its totals are zeros
            self._counted[minutes[is_new]] = entries[is_new]
        minutes, entries = minutes[~misses], entries[~misses]
        for some in batches(entries):
            # Without the lock: contents may have to be read, and others ask about other minutes.
            left = self._read_levels(minutes[some], entries[some])
            chosen, lengths = minutes[some][left], entries[some][left]
            totals, is_read = count_all(self._access, self._query, chosen, lengths, self._view)
            self._note(chosen[is_read], lengths[is_read], totals[:, is_read])

    def _read_levels(
        self, minutes: NDArray[np.int64], entries: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Count *minutes* by the totals that the index has once their levels are found out; return those that are left."""
        if self._levels is None:
            return np.ones(len(minutes), np.bool_)
        self._access.find_out_levels(minutes, entries)
        with self._lock:
            self._read_summaries(minutes)
            left: NDArray[np.bool_] = self._counted[minutes] == 0
        return left & (entries > 0)

    def _note(
        self, minutes: NDArray[np.int64], entries: NDArray[np.int64], totals: NDArray[np.int64]
    ) -> None:
        """Note the *totals* of the first *entries* of *minutes*, where nothing is counted."""
        with self._lock:
            is_new = self._counted[minutes] == 0
            self._totals[:, minutes[is_new]] = totals[:, is_new]
            self._counted[minutes[is_new]] = entries[is_new]

    def _update(self, minute: int, entries: int) -> None:
        """Add up the new entries of *minute*, up to the first *entries*, unless it is gone."""
        with self._lock:
            first, total = int(self._counted[minute]), self._totals[:, minute].tolist()
        if first >= entries:
            return
        # Without the lock: contents may have to be read, and others ask about other minutes.
        added = self._add_up(minute, first, entries)
        with self._lock:
            if added is not None and self._counted[minute] == first:
                self._totals[:, minute] = Total(*total).plus(added)
                self._counted[minute] = entries

    def _add_up(self, minute: int, first: int, last: int) -> Total | None:
        """Return the total of the entries of *minute* from *first* to before *last*; None if it is gone."""
        try:
            return count_minute(self._access, self._query, minute, first, last, self._view)
        except MinuteGone as error:
            log.info("not counted: %s", error)
            return None

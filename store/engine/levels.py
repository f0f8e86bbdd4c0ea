"""The levels of events: found out once, when they are asked for, and kept in the index."""

import threading
from collections.abc import Mapping, Sequence
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from store.answers.read_ahead import ReadAhead
from store.answers.version import Minute
from store.cache import Cache
from store.engine.record_judge import RecordJudge, Section
from store.format.level_columns import levels_of
from store.index.database import Database
from store.index.extents import Layout
from store.index.levels import pack_levels
from store.index.minute import EntryColumns
from store.index.row import MinuteRow

__all__ = ["Levels"]

_REST_S = 5.0
"""Levels of a minute that has not changed for this long are saved at once; of another, when the store is closed."""

_COLUMN_SIZE = 500
"""Approximate memory of a column besides its values, in bytes."""

_WAITING_MAX = 1 << 12
"""Most minutes of which levels wait to be saved."""

Codes = NDArray[np.uint8]
"""The codes of the levels of entries, 0 for damage; see :mod:`store.format.levels`."""


class Source(Protocol):
    """The minutes, and what is known of them."""

    def rows(self, minutes: NDArray[np.int64]) -> tuple[dict[int, MinuteRow], int]:
        """Return the rows in the catalog of those of *minutes* that there are, by id, and the number of streams."""

    def columns(
        self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> list[EntryColumns | None]:
        """Return the first *lengths* entries of *minutes*; None for a minute that is gone."""

    def resting(self, minutes: NDArray[np.int64], rest_s: float) -> NDArray[np.bool_]:
        """Return which of *minutes* are wholly in their files, and have not changed for *rest_s* seconds."""

    def following(self, minute: int, window: ReadAhead) -> NDArray[np.int64]:
        """Return the ids of *minute* and, in the order of time, of the next ones in *window*."""


class Levels:
    """The levels of events, by minute. Any number of threads may use it.

    Args:
        cache: keeps them in memory.
        database: the index.
        records: judges records.
        source: what is known of minutes.
    """

    def __init__(
        self, cache: Cache, database: Database, records: RecordJudge, source: Source
    ) -> None:
        self._cache = cache
        self._database = database
        self._records = records
        self._source = source
        self._read_ahead = ReadAhead()
        self._lock = threading.Lock()
        # The ids of minutes whose levels are in memory, to be saved when they have come to rest.
        self._waiting: set[int] = set()

    def of(self, minute: Minute, length: int) -> Codes:
        """Return the codes of the levels of the first *length* entries of *minute*.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        known = self._cached(minute.id)
        if len(known) < length:
            ahead = self._source.following(minute.id, self._read_ahead)
            for each, codes in self._saved(ahead).items():
                self._keep(each, codes)
            known = self._cached(minute.id)
        if len(known) < length:
            added = self._records.judged(levels_of, minute, len(known), length)
            known = np.concatenate((known, added))
            self._keep(minute.id, known)
            self._save_later([minute.id])
        return known[:length]

    def of_all(self, minutes: NDArray[np.int64], layouts: Sequence[Layout]) -> list[Codes | None]:
        """Return the codes of the levels of *minutes*, of the entries in *layouts*; None for one that is gone."""
        saved = self._saved(minutes)
        known = [saved.get(each, self._cached(each)) for each in minutes.tolist()]
        lengths = [len(each.streams) for each in layouts]
        missing = [place for place, codes in enumerate(known) if len(codes) < lengths[place]]
        found: list[Codes | None] = [*known]
        sections = [
            Section.after(len(known[place]), int(minutes[place]), layouts[place])
            for place in missing
        ]
        judged = self._records.judged_all(levels_of, sections)
        for place, added in zip(missing, judged, strict=True):
            found[place] = None if added is None else np.concatenate((known[place], added))
        unsaved = {
            minute: codes
            for minute, codes in zip(minutes.tolist(), found, strict=True)
            if minute not in saved and codes is not None
        }
        self._save(unsaved, _REST_S)
        return [
            None if codes is None else codes[:length]
            for codes, length in zip(found, lengths, strict=True)
        ]

    def save(self) -> None:
        """Save to the index the levels that wait, now that all events are in their files."""
        with self._lock:
            waiting, self._waiting = self._waiting, set()
        self._save({each: self._cached(each) for each in waiting}, 0.0)

    def _cached(self, minute: int) -> Codes:
        known: Codes | None = self._cache.get(("level", minute))
        return np.zeros(0, np.uint8) if known is None else known

    def _keep(self, minute: int, codes: Codes) -> None:
        self._cache.put(("level", minute), codes, _COLUMN_SIZE + codes.nbytes)

    def _saved(self, minutes: NDArray[np.int64]) -> dict[int, Codes]:
        """Return the codes that the index has of *minutes*, by id."""
        rows, _ = self._source.rows(minutes)
        return self._database.find_levels(rows)

    def _save_later(self, minutes: Sequence[int]) -> None:
        """Save the levels in memory of *minutes* when they have come to rest."""
        with self._lock:
            self._waiting.update(minutes)
            while len(self._waiting) > _WAITING_MAX:
                self._waiting.pop()  # they are found out again after a restart

    def _save(self, found: Mapping[int, Codes], rest_s: float) -> None:
        """Save the levels *found*, all of them by minute, to the index; those of minutes that changed within *rest_s*, later."""
        minutes = np.array(list(found), np.int64)
        is_resting = self._source.resting(minutes, rest_s)
        for minute in minutes[~is_resting].tolist():
            self._keep(minute, found[minute])
        self._save_later(minutes[~is_resting].tolist())
        minutes = minutes[is_resting]
        lengths = np.array([len(found[each]) for each in minutes.tolist()], np.int64)
        columns = self._source.columns(minutes, lengths)
        rows, _ = self._source.rows(minutes)
        made = []
        for minute, entries in zip(minutes.tolist(), columns, strict=True):
            row = rows.get(minute)
            # Else it has changed again.
            if row is not None and entries is not None and row.entries == len(found[minute]):
                made.append(pack_levels(row, entries, found[minute]))
        if made:
            self._database.save_levels(made)

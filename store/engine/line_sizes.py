"""The sizes of the lines that events have in views: measured once, and kept in the index.

A minute is measured when its lines are asked for, or after it came to rest; see :mod:`store.engine.measurer`.
"""

import logging
import threading
import time
from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.cache import Cache
from store.columns import narrowed
from store.engine.record_judge import RecordJudge, Section
from store.errors import EventReadException
from store.index.database import Database
from store.index.extents import Layout
from store.index.lines import LineRow, pack_lines
from store.index.minute import EntryColumns
from store.index.row import MinuteRow
from store.view import View

__all__ = ["LineSizes"]

_REST_S = 5.0
"""What is measured of a minute that has not changed for this long is worth keeping."""

_COLUMN_SIZE = 500
"""Approximate memory of a column besides its values, in bytes."""

_UNSAVED_MAX, _UNSAVED_SIZE_MAX = 256, 4 << 20
"""Most minutes, of all views together, and most bytes that are measured between two transactions of the index."""

Sizes = NDArray[np.unsignedinteger]

ColumnsOf = Callable[[NDArray[np.int64], NDArray[np.int64]], Sequence[EntryColumns | None]]

log = logging.getLogger(__name__)


class LineSizes:
    """The sizes of lines, by view and minute. Any number of threads may use it.

    Args:
        cache: keeps them in memory.
        database: the index.
        records: judges records.
        rows: returns the rows of minutes in the catalog, by id, and the number of streams.
        changes: returns when each of the minutes with these ids last changed, in seconds since the epoch.
        following: returns the ids of a minute and of those that are likely to be asked for next.
    """

    def __init__(
        self,
        cache: Cache,
        database: Database,
        records: RecordJudge,
        rows: Callable[[NDArray[np.int64]], tuple[dict[int, MinuteRow], int]],
        changes: Callable[[NDArray[np.int64]], NDArray[np.float64]],
        following: Callable[[int], NDArray[np.int64]],
    ) -> None:
        self._cache = cache
        self._database = database
        self._records = records
        self._rows = rows
        self._changes = changes
        self._following = following
        self._lock = threading.Lock()
        # Measured, and not in the index yet.
        self._unsaved: list[LineRow] = []
        self._unsaved_size = 0

    def of(self, view: View, minute: Minute, length: int) -> Sizes:
        """Return the sizes of the lines in *view* of the first *length* entries of *minute*; 0 for damage.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        key = ("lines", view, minute.id)
        known: Sizes | None = self._cache.get(key)
        if known is None:
            self._load(view, self._following(minute.id).tolist())
            known = self._cache.get(key)
        if known is None:
            known = np.zeros(0, np.uint8)
        if len(known) < length:
            added = self._measured(view, minute, len(known), length)
            known = np.concatenate((known, added)) if len(known) else added
            self._keep(view, minute.id, known)
            if (self.rested_s(minute.id) or 0.0) >= _REST_S:
                columns = minute.entries.columns(0, len(known))
                self._note_measured(view, minute.id, columns, known)
        return known[:length]

    def in_memory(self, view: View, minute: int) -> Sizes | None:
        """Return the sizes of the lines in *view* of the first entries of *minute*, by id, that are in memory."""
        found: Sizes | None = self._cache.get(("lines", view, minute))
        return found

    def _load(self, view: View, minutes: Iterable[int]) -> None:
        """Load from the index what it has of *minutes*, by id, and the memory has not."""
        missing = [each for each in minutes if self._cache.get(("lines", view, each)) is None]
        if missing:
            known, _ = self._rows(np.array(missing, np.int64))
            for minute, sizes in self._database.find_line_sizes(view, known).items():
                self._keep(view, minute, sizes)

    def _keep(self, view: View, minute: int, sizes: Sizes) -> None:
        self._cache.put(("lines", view, minute), sizes, _COLUMN_SIZE + sizes.nbytes)

    def _measured(self, view: View, minute: Minute, first: int, last: int) -> Sizes:
        """Measure the lines of the entries of *minute* from *first* to before *last*."""
        return narrowed(
            self._records.judged(
                lambda data, edges, _: view.sizes(data, edges), minute, first, last
            )
        )

    # Keeping them in the index

    def lacking(self, views: Sequence[View], minutes: Sequence[int]) -> set[int]:
        """Return those of *minutes*, by id, of which the index lacks the lines in some of *views*."""
        known = [self._database.has_lines(view, minutes) for view in views]
        return {each for each in minutes if not all(each in measured for measured in known)}

    def measure_together(
        self,
        views: Sequence[View],
        minutes: NDArray[np.int64],
        entries: NDArray[np.int64],
        columns_of: ColumnsOf,
    ) -> None:
        """Measure the lines of *minutes*, by id, with their numbers of *entries*; one by one if one of them cannot be read.

        Args:
            views: the views.
            minutes: the ids of the minutes.
            entries: the numbers of their entries.
            columns_of: returns the entries of each of some minutes, None for one that is gone.
        """
        try:
            found = zip(minutes.tolist(), columns_of(minutes, entries), strict=True)
            there = {minute: each for minute, each in found if each is not None}
            for view in views:
                self.measure(view, there)
        except EventReadException as error:
            if len(minutes) == 1:
                log.info("not measured: %s", error)
                return
            for place in range(len(minutes)):
                one = slice(place, place + 1)
                self.measure_together(views, minutes[one], entries[one], columns_of)

    def measure(self, view: View, entries: Mapping[int, EntryColumns]) -> None:
        """Measure all lines in *view* of the minutes with *entries*, by id, to be kept in the index.

        Raises:
            EventReadException: if one of them cannot be read.
        """
        missing: list[Section] = []
        for minute, columns in entries.items():
            known = self.in_memory(view, minute)
            if known is not None and len(known) >= len(columns.sizes):
                self._note_measured(view, minute, columns, known)
            else:
                ends = narrowed(columns.sizes.cumsum(dtype=np.int64))
                missing.append(Section(minute, 0, Layout(narrowed(columns.streams), ends)))
        measured = self._records.judged_all(lambda data, edges, _: view.sizes(data, edges), missing)
        for section, sizes in zip(missing, measured, strict=True):
            if sizes is not None:
                columns = entries[section.minute]
                self._note_measured(view, section.minute, columns, narrowed(sizes))

    def rested_s(self, minute: int) -> float | None:
        """Return for how many seconds *minute*, by id, has not changed; None if it is gone, or not all of it in its file."""
        row = self._rows(np.array([minute]))[0].get(minute)
        if row is None or row.bytes != row.size or not row.stamp.is_settled:
            return None
        return time.time() - float(self._changes(np.array([minute]))[0])

    def _note_measured(self, view: View, minute: int, columns: EntryColumns, sizes: Sizes) -> None:
        """Save the *sizes* of the lines of *minute*, by id, all of whose entries are *columns*, perhaps together with later ones."""
        known, stream_count = self._rows(np.array([minute]))
        row = known.get(minute)
        if (
            row is None
            or not row.entries == len(sizes) == len(columns.streams)
            or row.bytes != row.size
        ):
            return  # it has changed again
        packed = pack_lines(view, row, columns, sizes, stream_count)
        with self._lock:
            self._unsaved.append(packed)
            self._unsaved_size += len(packed.sums) + len(packed.sizes)
            is_due = len(self._unsaved) >= _UNSAVED_MAX or self._unsaved_size >= _UNSAVED_SIZE_MAX
        if is_due:
            self.save()

    def save(self) -> None:
        """Save to the index what was measured."""
        with self._lock:
            made, self._unsaved, self._unsaved_size = self._unsaved, [], 0
        if made:
            self._database.save_lines(made)

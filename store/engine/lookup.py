"""Looking up the minutes of a store.

Minutes come from memory, from the index, or from their files; what was found is kept within the memory budget. No lock is held
while files or the index are read. See the protocols in :mod:`store.answers`.
"""

import math
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from weakref import WeakValueDictionary

import numpy as np
from numpy.typing import NDArray

from store.answers.arrivals import Arrivals
from store.answers.moved import MovedTails
from store.answers.read_ahead import ReadAhead
from store.answers.selection import batches
from store.answers.series import Series
from store.answers.version import Minute, Version
from store.cache import Cache
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.disk.pages import Pages
from store.engine.budget import Budget
from store.engine.entry_lookup import EntryLookup
from store.engine.id_hashes import IdHashes
from store.engine.levels import Levels
from store.engine.line_sizes import LineSizes
from store.engine.minute_reader import MinuteReader
from store.engine.newest import Newest
from store.engine.record_judge import RecordJudge
from store.engine.scanner import Scanner
from store.engine.text_filters import TextFilters
from store.engine.verdicts import Verdicts
from store.engine.view_totals import ViewTotals
from store.errors import EventReadException, MinuteGone
from store.filenames import hidden_path
from store.index.catalog import Catalog
from store.index.database import Database
from store.index.extents import Extents, Layout
from store.index.minute import DAMAGED, EntryColumns, MinuteEntries
from store.index.row import MinuteRow
from store.index.stamp import NO_TIME
from store.index.streams import Streams
from store.index.summary import SUMMARY, Summaries, Total, merge_summaries, summarize
from store.index.times import are_inside
from store.locks import new_lock
from store.minutes.file import MinuteFile, StoredFile
from store.query import Filter, Matches, Query
from store.view import View

__all__ = ["Lookup"]

_MINUTE_SIZE = 2 << 10
"""Approximate memory of a minute without its entries, in bytes."""

_ROWS_AT_ONCE = 1000
"""Number of rows of the catalog that are copied under one hold of the lock, so that no save waits long."""

_Read = TypeVar("_Read")


class Lookup:
    """The state of a store, to be read. Any number of threads may use it.

    Only :class:`store.engine.state.State` changes it.

    Args:
        root_dir: the directory of the minute files.
        disk: the disk it is on.
        database: the index.
        open_file: opens the file of a minute.
        memory_size: the memory budget, in bytes; caches get what the catalog and the streams leave of it.
        refresh: rescans the minute file with a name if it changed.

    Attributes:
        lock: the state lock, for all of the following.
        catalog: the minutes.
        streams: the streams.
        arrivals: the order of arrival.
        epoch: a counter of removals of minutes, and of arrivals folded into the bases.
        opened: when that was, in seconds since the epoch.
        moved: the tails that have moved.
        scanner: reads minute files.
        cache: what was found.
        budget: the memory that all of this may take.
        line_totals: the totals of lines.
        levels: the levels of events.
        filters: the filters of texts.
        newest: the newest events of streams.
    """

    def __init__(
        self,
        root_dir: str,
        disk: Disk,
        database: Database,
        open_file: Callable[[str, FileStat | None], MinuteFile],
        memory_size: int,
        refresh: Callable[[str], object],
    ) -> None:
        self.root_dir = root_dir
        self._disk = disk
        self.lock = new_lock("state")
        self.catalog = Catalog()
        self.streams = Streams(memory_size)
        self.arrivals = Arrivals()
        self.epoch = 0
        self.opened = time.time()
        self.moved = MovedTails()
        self._bytes = MinuteReader(self._file, self.catalog.name, refresh, self.moved)
        self.scanner = Scanner(root_dir, disk, self.ids_of)
        self._database = database
        self._open_file = open_file
        self.cache = Cache(memory_size)
        pages = Pages(disk, hidden_path(root_dir))
        self.budget = Budget(memory_size, self.catalog, self.streams, self.cache, pages)
        records = RecordJudge(self.read, self._bytes.refresh)
        self.levels = Levels(self.cache, database, records, self)
        self.filters = TextFilters(self.cache, database, records, self)
        self._verdicts = Verdicts(self.cache, records, self.levels, self.filters)
        ahead = ReadAhead()
        self.lines = LineSizes(
            self.cache,
            database,
            records,
            self.rows,
            self._changes,
            lambda minute: self.following(minute, ahead),
        )
        self.line_totals = ViewTotals(self, self.lines)
        self._ids = IdHashes(self, database, self.rows)
        self._entries = EntryLookup(self.cache, database, self)
        self.newest = Newest(self)
        self._minutes: WeakValueDictionary[int, Minute] = WeakValueDictionary()

    def minute(self, minute: int) -> Minute:
        """Return the minute with the id *minute*.

        Raises:
            MinuteGone: if it is gone.
        """
        with self.lock:
            found = self._minutes.get(minute)
            if found is not None:
                if self.cache.get(minute) is None:
                    self.cache.put(minute, found, _MINUTE_SIZE + found.entries.memory_size)
                return found
            if not self.catalog.has(minute):
                raise self._gone(minute)
            row = self.catalog.row(minute)
            entries = MinuteEntries(
                row.entries, row.bytes, lambda: self._load_entries(minute), bool(row.ends_damaged)
            )
            return self.keep(minute, entries, FileStat(row.name, *row.stamp))

    def summaries(self, minutes: NDArray[np.int64], view: View | None = None) -> Summaries:
        """Return the summaries of *minutes* that the index or the memory has; see :class:`store.answers.access.Access`."""
        known, stream_count = self.rows(minutes)
        found = self._database.find_summaries(known, stream_count)
        if view is not None:
            return self._database.find_line_sums(view, found)
        for minute in known.keys() - found.keys():
            there = self._minutes.get(minute)
            if there is not None and there.entries.is_loaded:
                count = len(there.entries)
                # Some of its streams may be newer than what was looked up.
                columns = there.entries.columns(0, count)
                found[minute] = count, summarize(columns, len(self.streams))
        return found

    def level_totals(self, minutes: NDArray[np.int64]) -> Summaries:
        """Return the totals by level of *minutes* that the index has; see :class:`store.answers.access.Access`."""
        return self._database.find_level_totals(self.rows(minutes)[0])

    def find_out_levels(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> None:
        """Find out the levels of *minutes*; see :class:`store.answers.access.Access`."""
        self.levels.of_all(minutes, self.layouts(minutes, lengths))

    def following(self, minute: int, window: ReadAhead) -> NDArray[np.int64]:
        """Return the ids of *minute* and of the next ones in *window*; see :class:`store.answers.access.Access`."""
        with self.lock:
            position = self.catalog.position(minute)
            return self.catalog.following(position, window.window(position))

    def layout(self, minute: Minute, length: int) -> Layout:
        """Return the layout of the first *length* entries of *minute*; see :class:`store.answers.access.Access`."""
        return self._entries.layout(minute, length)

    def layouts(self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]) -> list[Layout]:
        """Return the layouts of the first *lengths* entries of *minutes*; see :class:`store.answers.access.Access`."""
        return self._entries.layouts(minutes, lengths)

    def columns(
        self, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> list[EntryColumns | None]:
        """Return the first *lengths* entries of *minutes*; see :class:`store.answers.access.Access`."""
        return self._entries.columns(minutes, lengths)

    def resting(self, minutes: NDArray[np.int64], rest_s: float) -> NDArray[np.bool_]:
        """Return which of *minutes* are wholly in their files, and have not changed for *rest_s* seconds."""
        with self.lock:
            size, stored, ctime_ns = (
                self.catalog.values(name, minutes) for name in ("bytes", "size", "ctime_ns")
            )
        changes = self._changes(minutes)
        found: NDArray[np.bool_] = (
            (size == stored) & (ctime_ns != NO_TIME) & (time.time() - changes >= rest_s)
        )
        return found

    def read(self, minute: int, start: int, end: int) -> bytes:
        """Read the bytes of *minute* from *start* to *end*; see :class:`store.answers.access.Access`."""
        return self._bytes.read(minute, start, end)

    def read_extents(self, extents: Extents) -> bytes:
        """Read *extents*; see :class:`store.answers.access.Access`."""
        return self._bytes.read_extents(extents)

    def _file(self, minute: int) -> MinuteFile:
        """Return the file of *minute*, by id; one that is not in memory has no tail, and need not come there to be read."""
        with self.lock:
            if (there := self._minutes.get(minute)) is not None:
                return there.file
            if not self.catalog.has(minute):
                raise self._gone(minute)
            stat = self.catalog.file_stat(minute)
        return StoredFile(stat.name, self.root_dir, self._disk, stat)

    def _gone(self, minute: int) -> MinuteGone:
        return MinuteGone(f"{self.catalog.name(minute)} was removed or replaced")

    def retried(self, minute: int, read: Callable[[], _Read]) -> _Read:
        """Return the result of *read*, which is of *minute*; see :class:`store.answers.access.Access`."""
        return self._bytes.retried(minute, read)

    def matching(self, query: Query) -> NDArray[np.bool_]:
        """Return for each stream id whether its events may answer *query*, as far as their sources and tags decide."""
        with self.lock:
            return self._matching(query)

    def _matching(self, query: Query) -> NDArray[np.bool_]:
        key = ("matching", query.of_streams, query.asks_everything)
        known = self.cache.get(key)
        state = (self.streams.generation, len(self.streams))
        if known is None or known[0] != state:
            known = state, self.streams.matching(query)
            self.cache.put(key, known, known[1].nbytes)
        flags: NDArray[np.bool_] = known[1]
        return flags

    def verdicts(self, each: Filter, minute: Minute, length: int) -> NDArray[np.bool_]:
        """Return what the filter *each* says of *minute*; see :class:`store.answers.access.Access`."""
        return self._verdicts.of(each, minute, length)

    def verdicts_of_all(
        self, each: Filter, minutes: NDArray[np.int64], layouts: Sequence[Layout]
    ) -> list[NDArray[np.bool_] | None]:
        """Return what the filter *each* says of *minutes*; see :class:`store.answers.access.Access`."""
        return self._verdicts.of_all(each, minutes, layouts)

    def misses(
        self, query: Query, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return for *minutes* whether none of them answers *query*; see :class:`store.answers.access.Access`."""
        found = np.zeros(len(minutes), np.bool_)
        for each in query.content_filters:
            if isinstance(each, Matches):
                found |= self._verdicts.misses(each, minutes, lengths)
        return found

    def line_sizes(self, view: View, minute: Minute, length: int) -> NDArray[np.integer]:
        """Return the sizes of lines in *view* of *minute*; see :class:`store.answers.access.Access`."""
        return self.lines.of(view, minute, length)

    def measure_lines(
        self, view: View, minutes: NDArray[np.int64], entries: NDArray[np.int64]
    ) -> None:
        """Measure the lines in *view* of those of *minutes* that the index lacks, and keep them there; see :class:`LineSizes`."""
        at_rest = minutes[self.resting(minutes, -math.inf)]
        chosen = np.isin(minutes, list(self.lines.lacking([view], at_rest.tolist())))
        ids, lengths = minutes[chosen], entries[chosen]
        for some in batches(lengths):
            self.lines.measure_together([view], ids[some], lengths[some], self.columns)
        self.lines.save()

    def line_size(self, query: Query, view: View) -> int:
        """Return the size of the lines in *view* of the answer to *query*, which streams decide, in bytes."""
        return self.line_totals.of(view).size(self.matching(query))

    def total(self, query: Query) -> tuple[Total, float]:
        """Return the total of the answer to *query*, which has no time bounds, and when it last changed."""
        matching = None if query.asks_everything else self.matching(query)
        self.newest.refresh(matching)
        with self.lock:
            return self.streams.total(matching)

    def version(self, query: Query) -> Version:
        """Return the current version for *query*."""
        matching = self.matching(query)
        self.newest.refresh(matching)
        with self.lock:
            catalog, total = self.catalog, None
            if query.is_bounded:
                minutes = catalog.overlapping(query)
                # A file that is open keeps the size of what was removed.
                disturbed = self.streams.changes.disturbances.last(query)
                changed = float(catalog.changes(minutes).max(initial=disturbed))
                if query.content_filters:  # each of them would be read
                    minutes = minutes[np.isin(minutes, self.streams.minutes(self._matching(query)))]
            elif query.asks_everything:
                minutes = catalog.ids()
                total, changed = self.streams.total(None)
            else:
                # The lock was free meanwhile: there may be more streams, or others with the same ids.
                matching = self._matching(query)
                minutes = catalog.in_order(self.streams.minutes(matching))
                of_streams, changed = self.streams.total(matching)
                total = None if query.content_filters else of_streams
            oldest, newest = catalog.times(minutes)
            return Version(
                query,
                total,
                changed,
                minutes,
                catalog.values("entries", minutes),
                *catalog.bases(minutes),
                oldest,
                newest,
                are_inside(oldest, newest, query),
                self.arrivals,
                self.arrivals.position(),
                self.epoch,
            )

    def series(self, query: Query, view: View | None = None) -> Series:
        """Return the totals by minute of the filters of *query*, its time bounds aside, and of lines in *view*."""
        key = ("series", query.at_any_time, view)
        found = self.cache.get(key)
        series: Series = Series(query.at_any_time, self, view) if found is None else found
        self.cache.put(key, series, series.memory_size)
        return series

    def minutes_with_id(self, hashed: int) -> Iterator[int]:
        """Yield the ids of the minutes that may have an event whose id has the hash *hashed*, the newest first."""
        with self.lock:
            minutes = self.catalog.ids()[::-1]
        return self._ids.minutes_with(hashed, minutes)

    def status(self) -> dict[str, int | str]:
        """Return how much there is, and the memory that it takes."""
        with self.lock:
            total, _ = self.streams.total(None)
            damage = self.catalog.values("damage", self.catalog.ids())
            events = self.streams.events(len(self.streams))
            events[DAMAGED] = 0
            return {
                "events": total.events,
                "bytes": total.size,
                "damaged_bytes": int(damage.sum()),
                "minutes": len(self.catalog),
                "streams": int(np.count_nonzero(events)),
                **self.budget.status(),
                "index": self._database.status(),
            }

    def completed(self, minute: int, known: Summaries) -> NDArray[np.void] | None:
        """Return the summary of all entries of *minute*, also those that are not in the index; None if unknown."""
        total = self.catalog.entries(minute)
        count, summary = known.get(minute, (0, np.empty(0, SUMMARY)))
        if count == total:
            return summary
        there = self._minutes.get(minute)
        if there is None or not (there.entries.is_loaded or count >= there.entries.base_count):
            return None
        tail = summarize(there.entries.columns(count, total), len(self.streams))
        return merge_summaries(summary, tail)

    def ids_of(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        """Return the ids of the streams with *keys*; new ones for those that are new."""
        with self.lock:
            return self.streams.ids_of(keys)

    def keep(self, minute: int, entries: MinuteEntries, stat: FileStat | None = None) -> Minute:
        """Cache *minute*, by id, with *entries* and its file, opened with *stat*; the caller holds the lock."""
        name = self.catalog.name(minute)
        kept = Minute(minute, name, self._open_file(name, stat), entries)
        self._minutes[minute] = kept
        self.cache.put(minute, kept, _MINUTE_SIZE + entries.memory_size)
        return kept

    def weigh(self, minute: Minute) -> None:
        """Note that *minute*, which may have grown, is as large in memory as it is now."""
        with self.lock:
            if self._minutes.get(minute.id) is minute:
                self.cache.put(minute.id, minute, _MINUTE_SIZE + minute.entries.memory_size)

    def forget(self, minute: int) -> None:
        """Drop *minute*, by id, from the cache; the caller holds the lock."""
        self._minutes.pop(minute, None)
        self.cache.pop(minute)
        self.cache.pop(("layout", minute))

    def rows(self, minutes: NDArray[np.int64]) -> tuple[dict[int, MinuteRow], int]:
        """Return the rows in the catalog of those of *minutes* that there are, by id, and the number of streams."""
        found: dict[int, MinuteRow] = {}
        for first in range(0, max(len(minutes), 1), _ROWS_AT_ONCE):
            with self.lock:
                found |= self.catalog.rows_of(minutes[first : first + _ROWS_AT_ONCE])
                stream_count = len(self.streams)
        return found, stream_count

    def _changes(self, minutes: NDArray[np.int64]) -> NDArray[np.float64]:
        """Return when each of *minutes* last changed, 0 if that was before the opening."""
        # A clock that was set back would make all changes since then earlier ones.
        self.opened = min(self.opened, time.time())
        with self.lock:
            changes = self.catalog.changes(minutes)
        return np.where(changes > self.opened, changes, 0.0)

    def _load_entries(self, minute: int) -> MinuteEntries:
        """Load the entries of *minute* from the index, else from its file.

        Raises:
            MinuteGone: if it is gone.
            EventReadException: if the file cannot be read, or has changed.
        """
        known, stream_count = self.rows(np.array([minute]))
        if minute not in known:
            raise self._gone(minute)
        row = known[minute]
        found = self._database.find(row, stream_count)
        if found is None:
            scanned = self.scanner.scan(row.name)
            if scanned is None or not (row.stamp.fits(scanned.stat) or self.scanner.continues(row)):
                raise EventReadException(f"{row.name} has changed, and is not rescanned yet")
            found = scanned.entries
        if (there := self._minutes.get(minute)) is not None:
            self.cache.put(minute, there, _MINUTE_SIZE + found.memory_size)
        return found

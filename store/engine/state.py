"""The state of a store: its catalog, streams, arrival order and index, with one method for each kind of change.

It keeps them consistent: :meth:`State.extend` adds entries to a minute, :meth:`State.add` adds minutes, :meth:`State.drop`
removes minutes. Readers use :mod:`store.engine.lookup`.
"""

import itertools
import logging
import time
from collections.abc import Callable, Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.arrivals import Arrivals, Run
from store.answers.moved import Moved
from store.answers.version import Minute
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine.gate import Gate
from store.engine.index_row import index_row
from store.engine.late_arrivals import NO_SPAN, LateArrivals
from store.engine.lookup import Lookup
from store.engine.recounting import recount
from store.engine.scan_workers import ScanWorkers
from store.engine.scanner import Scanned
from store.engine.view_totals import KnownLinesByView
from store.errors import EventReadException
from store.index.catalog import Added
from store.index.database import Database
from store.index.listing import names_in
from store.index.minute import DAMAGED, EntryColumns, MinuteEntries
from store.index.row import MinuteRow
from store.index.rows import IndexRow
from store.index.stamp import Stamp
from store.index.summary import Summaries, summarize
from store.locks import new_lock
from store.minutes.file import MinuteFile
from store.minutes.logged_file import LoggedFile
from store.minutes.names import parse_name
from store.progress import Progress

__all__ = ["State"]

_SAVED_AT_ONCE = 1000
"""Number of minute files read between two transactions of the index."""

_RUNS_MAX = 1024
"""Maximum number of runs in the arrival order before it is folded into the bases; it bounds the cost of opening a file."""

log = logging.getLogger(__name__)


class State:
    """The state of a store. Any number of threads may use it.

    Two locks guard it. A change holds both, the append lock first, so a holder of either may read. No file is read under
    them.

    Args:
        root_dir: the directory of the minute files.
        disk: the disk it is on.
        database: the index.
        open_file: opens the file of a minute.
        memory_size: the memory budget, in bytes; caches get what the catalog and the streams leave of it.

    Attributes:
        append_lock: the lock that every change of the minutes holds.
        gate: makes threads that append wait, without a lock, for a minute that has to be moved.
        lookup: the reading side, which shares the other attributes.
        must_recount: whether the totals of the streams are wrong until :meth:`recount`.
        refresh: rescans the minute file with a name if it changed; the watcher sets it.
        on_saved: is called with the ids of minutes whose entries were saved to the index; the measurer sets it.
    """

    def __init__(
        self,
        root_dir: str,
        disk: Disk,
        database: Database,
        open_file: Callable[[str, FileStat | None], MinuteFile],
        memory_size: int,
    ) -> None:
        self.root_dir = root_dir
        self.append_lock = new_lock("append")
        self.gate = Gate()
        self.database = database
        self.refresh: Callable[[str], object] = lambda _name: None
        self.on_saved: Callable[[list[int]], object] = lambda _minutes: None
        self.lookup = Lookup(root_dir, disk, database, open_file, memory_size, self._refresh)
        self.lock = self.lookup.lock
        self.catalog = self.lookup.catalog
        self.streams = self.lookup.streams
        self.scanner = self.lookup.scanner
        self._disk = disk
        self._open_file = open_file
        self._removed: list[int] = []
        # The ids of minutes whose files are not those of their rows in the index any more.
        self._outdated: set[int] = set()
        self._late = LateArrivals()
        self.must_recount = False

    def _refresh(self, name: str) -> None:
        self.refresh(name)

    # Loading

    def load(
        self, listed: NDArray[np.void], progress: Progress, workers: ScanWorkers | None = None
    ) -> None:
        """Load the minutes of the directory: from the index where it knows the files, else by scanning them.

        Args:
            listed: the minute files; see :mod:`store.index.listing`.
            progress: called with the number of files scanned so far, and the number to scan.
            workers: scan them, if given.
        """
        unknown = self.database.load(listed, self.catalog, self.streams)
        names = list(unknown)
        self._late.note_stored(self._latest_span())
        if workers is None:
            found = self.scanner.scan_all(names)
        else:
            sizes = dict(zip(names_in(listed), listed["size"].tolist(), strict=True))
            found = workers.scan_all(names, [sizes[name] for name in names], self.lookup.ids_of)
        for first in range(0, len(names), _SAVED_AT_ONCE):
            rows = []
            some = itertools.islice(found, _SAVED_AT_ONCE)
            for done, scanned in enumerate(some, first + 1):
                if scanned is not None:
                    with self.append_lock, self.lock:
                        changed = scanned.change_time(unknown[scanned.name])
                        _minute, row, summary = self._add(scanned, False, changed)
                    if row.bytes == row.size:  # else it changed during the scan, and is rescanned
                        packed = scanned.entries.pack(row.entries, row.checksum)
                        rows.append(IndexRow(row, summary, packed))
                progress(done, len(names))
            self._save_rows(rows)
        if not names:
            self.save([])
        with self.lock:
            damaged = len(self.streams.minutes_of(np.array([DAMAGED])))
        if damaged:
            log.warning("%d minute files are damaged; see theiafs check", damaged)
        self.database.note_complete()

    # Changing

    def make(self, start: int, end: int) -> Minute:
        """Make a minute without a file, not shown yet, from *start* to *end*; the caller holds the append lock."""
        with self.lock:
            return self.lookup.keep(self.catalog.add(start, end), MinuteEntries())

    def find_or_make(self, name: str) -> Minute:
        """Find the minute *name*, or make it, without a file; the caller holds the append lock."""
        span = parse_name(name)
        assert span is not None, "it was in the log"
        with self.lock:
            found = self.catalog.find_span(*span)
        return self.make(*span) if found is None else self.lookup.minute(found)

    def undo_make(self, minute: Minute) -> None:
        """Remove *minute*, which was just made; the caller holds the append lock."""
        with self.lock:
            self.lookup.forget(minute.id)
            self.catalog.undo_add(minute.id)

    def extend(self, minute: Minute, added: EntryColumns) -> None:
        """Show the entries *added* to *minute*; the caller holds the append lock."""
        with self.lock:
            first = len(minute.entries)
            self._extend(minute, added)
            self._note_arrival(minute.id, first, len(minute.entries), added.streams)

    def _extend(self, minute: Minute, added: EntryColumns) -> None:
        if not len(added.streams):
            return
        now, entries = time.time(), minute.entries
        is_event = added.streams != DAMAGED
        ticks = added.ticks[is_event]
        events, size = len(ticks), int(added.sizes.sum())
        damage = size - int(added.sizes[is_event].sum()) if events < len(added.streams) else 0
        entries.extend(added)
        self.streams.count(minute.id, summarize(added, len(self.streams)), now)
        times = (int(ticks.min()), int(ticks.max())) if events else (0, 0)
        count, ends_damaged = len(added.streams), entries.ends_damaged
        grown = Added(count, events, size, damage, ends_damaged, *times)
        self.catalog.grow(minute.id, grown, now)

    def append(self, minute: Minute, key: bytes, size: int, ticks: int) -> None:
        """Show one event, of *size* bytes and the stream with *key*, added to *minute*; the caller holds the append lock."""
        now, entries = time.time(), minute.entries
        with self.lock:
            stream = self.streams.id_of(key)
            first = len(entries)
            entries.append(stream, size, ticks)
            self.streams.count_one(minute.id, stream, size, ticks, now)
            self.catalog.grow(minute.id, Added(1, 1, size, 0, False, ticks, ticks), now)
            self._note_arrival(minute.id, first, first + 1, (stream,))

    def add(self, minutes: Iterable[Scanned], has_arrived: bool = False) -> list[Minute]:
        """Show new *minutes*; return them.

        Args:
            minutes: files that were scanned.
            has_arrived: whether their entries count as arrived just now, rather than as stored before.
        """
        made = []
        for scanned in minutes:
            with self.append_lock, self.lock:
                made.append(self._add(scanned, has_arrived, time.time())[0])
        return made

    def drop(self, minutes: Sequence[int], is_wanted: Callable[[int], bool]) -> None:
        """Drop those of *minutes*, by id, that are not wanted: their files are gone."""
        known = self.lookup.summaries(np.array(minutes, np.int64))
        lines = self.lookup.line_totals.lines(minutes)
        with self.append_lock, self.lock:
            gone = [each for each in minutes if self.catalog.has(each) and not is_wanted(each)]
            self.must_recount |= not self._drop(gone, known, lines)
            self.streams.forget_emptied()
        self.save([])

    def replace(
        self,
        minute: Minute,
        known: Summaries,
        lines: KnownLinesByView,
        scanned: Scanned | None,
        tail: EntryColumns,
        file: MinuteFile,
        *,
        has_arrived: bool,
    ) -> Minute | None:
        """Replace the state of *minute*; the caller holds the append lock, and calls :meth:`save` afterwards.

        Args:
            minute: the minute.
            known: its summary, by its id; see :meth:`store.engine.lookup.Lookup.summaries`.
            lines: what is known of its lines; see :meth:`store.engine.view_totals.ViewTotals.lines`.
            scanned: its file now; None if it has none.
            tail: the unflushed entries after that.
            file: the bytes of all of it.
            has_arrived: whether its entries count as arrived just now, rather than as stored before.

        Returns:
            The minute that is shown now; None if there is nothing to show.
        """
        old, stored_size = minute.entries, minute.file.stored_size
        position = old.position_at(stored_size)
        with self.lock:
            self.must_recount |= not self._drop([minute.id], known, lines)
            made = None
            if scanned is not None:
                made, _row, _summary = self._add(scanned, has_arrived, time.time())
            elif len(tail.streams):
                start, end = self.catalog.span(minute.id)
                made = self.lookup.keep(self.catalog.add(start, end), MinuteEntries())
            if made is not None:
                made.file = file
                arrived = len(made.entries) if has_arrived else 0
                self._extend(made, tail)
                self.lookup.line_totals.add(Run(made.id, arrived, len(made.entries)))
                # The tail does not arrive again: open files have it already, or have lost it.
                self._fold()
                self.catalog.extend_bases([made.id])
                if position < len(old):
                    # It has the same end in both.
                    shift, further = made.entries.size - old.size, len(made.entries) - len(old)
                    moved = Moved(stored_size, position, made.id, shift, further)
                    self.lookup.moved.add(minute.id, moved)
            self.streams.forget_emptied()
        return made

    def _add(
        self, scanned: Scanned, has_arrived: bool, changed: float
    ) -> tuple[Minute, MinuteRow, NDArray[np.void]]:
        """Show *scanned*, which *changed* then; return the minute, its row and its summary."""
        span, entries = parse_name(scanned.name), scanned.entries
        assert span is not None, "only minute files are read"
        columns = entries.columns(0, len(entries))
        minute = self.catalog.add(*span)
        row = MinuteRow.of(minute, span, scanned.stamp, scanned.checksum, columns, changed)
        self.catalog.set_row(row)
        summary = summarize(columns, len(self.streams))
        self.streams.count(minute, summary, changed)
        if has_arrived:
            self._note_arrival(minute, 0, len(entries), columns.streams)
        else:
            self._late.note_stored(span)
            self.catalog.set_base(minute, row.entries, row.bytes)
        return self.lookup.keep(minute, entries, scanned.stat), row, summary

    def _drop(self, minutes: Sequence[int], known: Summaries, lines: KnownLinesByView) -> bool:
        """Drop *minutes*, whose summaries are *known*, and those of *lines*; return whether the summaries of all were."""
        now = time.time()
        found = [(each, self.lookup.completed(each, known)) for each in minutes]
        gone = [(each, summary) for each, summary in found if summary is not None]
        self.streams.discount(gone, now)
        if minutes:
            self.lookup.line_totals.discount(minutes, lines)
            self.streams.changes.disturbances.note(*self.catalog.times(np.array(minutes)), now)
            self.catalog.remove(minutes)
            self._late.latest = min(self._late.latest, self._latest_span())
            self.lookup.epoch += 1
        for each in minutes:
            self.lookup.forget(each)
        self._removed += minutes
        return len(gone) == len(minutes)

    def fold_arrivals(self) -> None:
        """Fold all arrivals so far into the bases."""
        with self.append_lock, self.lock:
            self._fold()

    def _note_arrival(
        self, minute: int, first: int, last: int, streams: Sequence[int] | NDArray[np.integer]
    ) -> None:
        if minute != self._late.latest_minute:  # most arrive there
            self._late.note(minute, self.catalog.span(minute), streams)
        self.lookup.arrivals.append(minute, first, last)
        if len(self.lookup.arrivals) > _RUNS_MAX:
            self._fold()

    def _fold(self) -> None:
        self._note_order()
        self._late.clear()
        # Open files keep the order that they began with.
        folded, self.lookup.arrivals = self.lookup.arrivals, Arrivals()
        self.catalog.extend_bases(each for each in folded.minutes() if self.catalog.has(each))
        folded.successor = self.lookup.arrivals
        self.lookup.line_totals.note_fold()
        self.lookup.epoch += 1

    def _note_order(self) -> None:
        """Note what stands elsewhere in the files that are opened next than in those that are open; the caller holds the lock."""
        late = [each for each in self._late.minutes if self.catalog.has(each)]
        if late:
            times = self.catalog.times(np.array(late))
            self.streams.changes.note_reordered(self._late.streams(), *times, time.time())

    def _latest_span(self) -> tuple[int, int]:
        latest = self.catalog.latest()
        return NO_SPAN if latest is None else self.catalog.span(latest)

    def recount(self) -> None:
        """Recount all streams if the summary of a removed minute was unknown."""
        if self.must_recount:
            self.must_recount = False
            recount(self.lookup, self.append_lock)

    # The index

    def save(self, kept: Sequence[Minute]) -> None:
        """Save the stored entries of *kept*, and all removals, to the index; it loses the rows of other files that have changed."""
        rows = []
        for minute in kept:
            row = self._index_row(minute)
            if row is not None:
                rows.append(row)
                self.lookup.weigh(minute)
        self._save_rows(rows)
        self.on_saved([each.row.id for each in rows])

    def set_stamp(self, minute: int, stamp: Stamp, checksum: int) -> None:
        """Set the stamp of the file of *minute*, by id, and its CRC-32; the caller holds both locks, and calls :meth:`save` afterwards.

        It does so before the file is replaced again: the next one may get the inode number that stands in the index.
        """
        self.catalog.set_stamp(minute, stamp, checksum)
        self._outdated.add(minute)

    def _save_rows(self, rows: Sequence[IndexRow]) -> None:
        with self.lock:
            removed = [*self._removed, *self._outdated.difference(each.row.id for each in rows)]
            self._removed, self._outdated = [], set()
            changes = self.streams.take_changes()
            self.lookup.budget.apply()
        self.database.save(rows, removed, dict(changes))

    def _index_row(self, minute: Minute) -> IndexRow | None:
        with self.lock:
            if not self.catalog.has(minute.id):
                return None
            row, stream_count = self.catalog.row(minute.id), len(self.streams)
        return index_row(minute, row, stream_count)

    def close(self, *, is_complete: bool) -> None:
        """Close the index.

        Args:
            is_complete: whether all entries are in files, and saved.
        """
        if is_complete and not self.must_recount:
            self.save([])
            self.lookup.newest.refresh(None)
            self.lookup.levels.save()
            # Nothing else uses the store any more.
            self._note_order()
            is_settled = self.catalog.is_settled()
            sums = self.lookup.line_totals.known()
            self.database.close(self.catalog if is_settled else None, self.streams, sums)
        else:
            self.database.close()

    def is_same(self, minute: Minute, scanned: Scanned) -> bool:
        """Return whether *scanned*, the file of *minute* now, has the same bytes as before."""
        with self.lock:
            row = self.catalog.row(minute.id)
        return (row.size, row.checksum) == (scanned.stat.size, scanned.checksum)

    def accept(self, minute: Minute, scanned: Scanned) -> None:
        """Accept *scanned*, with the same bytes as before, as the file of *minute*."""
        with self.append_lock:
            if isinstance(minute.file, LoggedFile):
                minute.file.accept(scanned.stat)
            else:
                minute.file = self._open_file(minute.name, scanned.stat)
            with self.lock:
                self.set_stamp(minute.id, scanned.stamp, scanned.checksum)
        self.save([minute])

    def continue_minute(self, minute: Minute, scanned: Scanned) -> bool:
        """Show what was appended to the file of *minute*, *scanned* now; return whether it has only grown."""
        with self.lock:
            row = self.catalog.row(minute.id)
        path = f"{self.root_dir}/{minute.name}"
        try:
            known = minute.entries.load()
            count = len(known)
            if scanned.stat.size < row.size or not scanned.entries.equals(known, count):
                return False
            with self._disk.open_to_read(path) as opened:
                if opened.checksum(row.size) != row.checksum:
                    return False
        except EventReadException as error:
            log.info("cannot compare it: %s", error)
            return False
        added = scanned.entries.columns(count, len(scanned.entries))
        file = self._open_file(minute.name, scanned.stat)
        with self.append_lock:
            if len(known) != count or not self.catalog.has(minute.id):
                return False
            minute.file = file
            with self.lock:
                self.set_stamp(minute.id, scanned.stamp, scanned.checksum)
            self.extend(minute, added)
        self.save([minute])
        return True

"""The index on disk: it saves scanning the minute files again.

It is derived from the minute files and never trusted: a row counts only for a file with the same stamp, and only if it
contradicts neither itself nor another row.
"""

import contextlib
import logging
import os
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence, Set
from functools import partial
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.errors import EventStoreException
from store.index.catalog import Catalog
from store.index.complete_mark import CompleteMark
from store.index.database_files import remove_database
from store.index.extents import Layout
from store.index.levels import LevelRow, codes_of, level_totals_of
from store.index.lines import LineRow, sizes_of, sums_of, with_sums
from store.index.listing import differences
from store.index.loading import Loaded, Reading, compare
from store.index.minute import EntryColumns, MinuteEntries, Packed
from store.index.row import MinuteRow
from store.index.rows import (
    CORRUPT,
    IndexRow,
    checked,
    checked_each,
    columns_of,
    counted_summaries,
    entries_of,
    hashes_of,
    layout_of,
)
from store.index.shared import SharedDatabase
from store.index.snapshot import save_snapshot
from store.index.streams import Streams
from store.index.summary import Summaries
from store.index.tables import IDS_AT_ONCE, WITH_ENTRIES, Select, Tables, TablesError, is_busy
from store.index.text_filters import NO_MEMBERS, TextFilter, TextFilterRow, members_of
from store.locks import new_lock
from store.view import View

__all__ = ["Database"]

_FILTERS_AT_ONCE = 64
"""Number of filters of texts that are read by one statement; they take some 10 KiB each, at most 1 MiB."""

_UNUSABLE = (TablesError, *CORRUPT, EventStoreException)
log = logging.getLogger(__name__)

_Value = TypeVar("_Value")


class Database:
    """The index of a store. Any number of threads may use it.

    Everything works without it, but slowly: failures are logged, and queries find nothing.

    Args:
        disk: the disk the store is on.
        path: the database file, made if it is missing. Empty: a private one that ends with this object.
        shared: the index of another process, to be read only.

    Attributes:
        line_totals: by view, its name and version, for each stream id the size of its lines, if that was known after loading.
    """

    def __init__(self, disk: Disk, path: str, shared: SharedDatabase | None = None) -> None:
        self._disk = disk
        self._path = path
        self._shared = shared
        self._mark = CompleteMark(disk, path and f"{path}-complete")
        self._lock = new_lock("index")
        self._tables: Tables | None = None
        self._reading: Reading | None = None
        # Still to be written, perhaps because a transaction failed.
        self._streams: dict[int, bytes | None] = {}
        self._removed: set[int] = set()
        self._has_failed = False
        self.line_totals: dict[tuple[str, int], NDArray[np.int64]] = {}

    def begin_load(self) -> None:
        """Begin to read all that the index knows, in a thread of its own: meanwhile, the caller may list the directory, and then loads it."""
        with self._lock, contextlib.suppress(*_UNUSABLE):  # load() tries again, and says why
            self._tables = self._open()
            if not self._tables.is_empty:
                self._reading = Reading(self._tables)

    def load(
        self, listed: NDArray[np.void], catalog: Catalog, streams: Streams
    ) -> Mapping[str, MinuteRow | None]:
        """Fill the empty *catalog* and *streams* with what the index has of the files *listed*, all of the directory.

        Returns:
            The unknown minute files, as in :class:`store.index.loading.Loaded`.
        """
        with self._lock:
            loaded = self._shared.load(listed) if self._shared is not None else self._load(listed)
        if loaded is None:
            if self._tables is None:
                self.clear()
            # What was removed, and in which order events were shown, is unknown.
            streams.changes.note_unknown(time.time())
        else:
            catalog.adopt(loaded.catalog)
            streams.adopt(loaded.streams)
            self.line_totals = loaded.line_totals
            if self._shared is None:
                self._removed.update(loaded.stale)
            else:
                self.clear()
            return loaded.unknown
        return dict.fromkeys(differences(catalog.files(), listed).new)

    def _load(self, listed: NDArray[np.void]) -> Loaded | None:
        try:
            self._tables = self._tables or self._open()
            if not self._tables.is_empty:
                self._reading = self._reading or Reading(self._tables)
                known, self._reading = self._reading.known(), None
                return compare(self._tables, known, listed)
            self._tables.create()
        except _UNUSABLE as error:
            log.warning("rebuilding the index %s: %s", self._path, error)
            self._close()
        return None

    def clear(self) -> None:
        """Delete everything."""
        with self._lock, self._or_without("create"):
            self._streams.clear()
            self._removed.clear()
            self._close()
            if self._path:
                remove_database(self._disk, self._path)
            self._tables = self._open()
            self._tables.create()
            self._has_failed = False

    def close(
        self,
        catalog: Catalog | None = None,
        streams: Streams | None = None,
        line_totals: Mapping[tuple[str, int], NDArray[np.int64]] | None = None,
    ) -> None:
        """Close the index; save a snapshot of *catalog* and *streams*, if given, all of which was saved, and of *line_totals*."""
        with self._lock, self._or_without("write"):
            if (
                self._tables is not None
                and self._path
                and catalog is not None
                and streams is not None
            ):
                save_snapshot(self._tables, catalog, streams, line_totals or {})
        with self._lock:
            self._close()
        if self._shared is not None:
            self._shared.close()

    def status(self) -> str:
        """Return whether the index works, and whose it is."""
        if self._has_failed or self._tables is None:
            return "failed, will try again"
        if self._shared is not None:
            return "of the writing process, and in memory"
        return "in use" if self._path else "in memory"

    def find(self, known: MinuteRow, stream_count: int) -> MinuteEntries | None:
        """Return the entries of the minute *known*; None if the index does not have those of its file.

        Args:
            known: its row in the catalog.
            stream_count: the number of streams.
        """
        found = self._find(
            [known.id],
            lambda tables, some: tables.select(WITH_ENTRIES, "row, summary, layout, ticks", some),
            lambda _, row, summary, *packed: entries_of(
                Packed(*packed), row, summary, known, stream_count
            ),
        )
        return found.get(known.id)

    def find_columns(
        self, known: Mapping[int, MinuteRow], stream_count: int
    ) -> dict[int, EntryColumns]:
        """Return the entries that the index has of the minutes *known*, by id.

        Args:
            known: their rows in the catalog, by id.
            stream_count: the number of streams.
        """
        return self._find(
            known,
            lambda tables, some: tables.select("entries", "layout, ticks", some),
            lambda minute, *packed: columns_of(Packed(*packed), known[minute], stream_count),
        )

    def find_layouts(self, known: Mapping[int, MinuteRow], stream_count: int) -> dict[int, Layout]:
        """Return the layouts that the index has of the minutes *known*, by id.

        Args:
            known: their rows in the catalog, by id.
            stream_count: the number of streams.
        """
        return self._find(
            known,
            lambda tables, some: tables.select("entries", "layout", some),
            lambda minute, packed: layout_of(packed, known[minute], stream_count),
        )

    def find_summaries(self, known: Mapping[int, MinuteRow], stream_count: int) -> Summaries:
        """Return the summaries that the index has of the minutes *known*, by id, each after the number of entries in it.

        Args:
            known: their rows in the catalog, by id.
            stream_count: the number of streams.
        """
        return self._find_together(
            known,
            lambda tables, some: tables.select("minutes", "row, summary, checksum", some),
            lambda rows: counted_summaries(rows, known, stream_count),
        )

    def find_line_sums(
        self, view: View, summaries: Mapping[int, tuple[int, NDArray[np.void]]]
    ) -> dict[int, tuple[int, NDArray[np.void]]]:
        """Return those of *summaries* for which the index has the sums of lines in *view*, with these as sizes."""
        sums = self._find(
            summaries,
            lambda tables, some: tables.select_lines("sums", view, some),
            lambda minute, packed: sums_of(packed, summaries[minute][1]),
        )
        changed = with_sums([summaries[minute][1] for minute in sums], list(sums.values()))
        if any(each is None for each in changed):
            log.warning("not using rows of the index: sums of lines that cannot be")
        pairs = zip(sums, changed, strict=True)
        return {minute: (summaries[minute][0], each) for minute, each in pairs if each is not None}

    def find_line_sizes(
        self, view: View, known: Mapping[int, MinuteRow]
    ) -> dict[int, NDArray[np.unsignedinteger]]:
        """Return the sizes of lines in *view* that the index has of the minutes *known*, by id."""
        return self._find(
            known,
            lambda tables, some: tables.select_lines("sizes", view, some),
            lambda minute, packed: sizes_of(packed, known[minute]),
        )

    def has_lines(self, view: View, minutes: Iterable[int]) -> Set[int]:
        """Return those of *minutes*, by id, whose sizes of lines in *view* are in the index."""
        return self._find(
            minutes,
            lambda tables, some: tables.select_lines("sums", view, some),
            lambda minute, _packed: minute,
        ).keys()

    def save_lines(self, made: Sequence[LineRow]) -> None:
        """Save the sizes of lines in *made*."""
        with self._lock, self._or_without("write"):
            if self._tables is not None:
                self._tables.save_lines(made)

    def find_level_totals(self, known: Mapping[int, MinuteRow]) -> Summaries:
        """Return the totals by level that the index has of the minutes *known*, by id; see :func:`level_totals_of`."""
        return self._find(
            known,
            lambda tables, some: tables.select_levels("totals", some),
            lambda minute, packed: level_totals_of(packed, known[minute]),
        )

    def find_levels(self, known: Mapping[int, MinuteRow]) -> dict[int, NDArray[np.uint8]]:
        """Return the codes of levels that the index has of the minutes *known*, by id."""
        return self._find(
            known,
            lambda tables, some: tables.select_levels("codes", some),
            lambda minute, packed: codes_of(packed, known[minute]),
        )

    def save_levels(self, made: Sequence[LevelRow]) -> None:
        """Save the levels in *made*."""
        with self._lock, self._or_without("write"):
            if self._tables is not None:
                self._tables.save_levels(made)

    def text_filters(self, first: int, last: int) -> Iterator[TextFilter]:
        """Yield the filters of texts that the index has of minutes that start from *first* to *last*, in seconds."""
        for read in self._readers():
            after, is_more = -1, True
            while is_more:
                rows = read(
                    (),
                    lambda tables, _, after=after: tables.select_text_filters(  # type: ignore[misc]
                        first, last, after, _FILTERS_AT_ONCE
                    ),
                )
                for number, packed, bits in rows:
                    after = number
                    members = checked(members_of, packed, bits)
                    yield TextFilter(number, NO_MEMBERS if members is None else members, bits)
                is_more = len(rows) == _FILTERS_AT_ONCE

    def save_text_filters(self, made: Sequence[TextFilterRow], outdated: Sequence[int]) -> None:
        """Save the filters of texts in *made*, and delete *outdated* ones, by id."""
        with self._lock, self._or_without("write"):
            if self._tables is not None and self._shared is None:
                self._tables.save_text_filters(made, outdated)

    def find_id_hashes(self, known: Mapping[int, MinuteRow]) -> dict[int, NDArray[np.uint32]]:
        """Return the id hashes that the index has of the minutes *known*, by id."""
        return self._find(
            known,
            lambda tables, some: tables.select("ids", "row, hashes", some),
            lambda minute, row, packed: hashes_of(row, packed, known[minute]),
        )

    def save_id_hashes(self, made: Mapping[int, tuple[MinuteRow, NDArray[np.uint32]]]) -> None:
        """Save the id hashes *made* of some minutes, by minute id, with their rows in the catalog."""
        with self._lock, self._or_without("write"):
            if self._tables is not None and made:
                self._tables.save_id_hashes(made)

    def save(
        self,
        kept: Iterable[IndexRow],
        removed: Iterable[int],
        streams: Mapping[int, bytes | None],
    ) -> None:
        """Save *kept* minutes and *streams*, and delete *removed* minutes, in one transaction.

        If that fails, the index is not complete any more.

        Args:
            kept: minutes with all of their stored entries.
            removed: the ids of minutes that are gone.
            streams: the keys of new streams by id; None for forgotten ones.
        """
        with self._lock:
            if self._shared is not None:
                self._shared.forget([*removed, *(each.row.id for each in kept)])
            self._removed.update(removed)
            self._streams.update(streams)
            kept = list(kept)
            if not (kept or self._removed or self._streams):
                return
            is_saved = False
            with self._or_without("write"):
                if self._tables is None:
                    self._reopen()
                if self._tables is not None:
                    if self._path and self._disk.stat(self._path) is None:
                        self._restore(self._tables)
                    self._tables.save(kept, self._removed, self._streams)
                    self._removed.clear()
                    self._streams.clear()
                    is_saved = True
            self._mark.note_saved(is_saved)

    def is_complete(self) -> bool:
        """Return whether it has each minute file that a process of ours has written; see :class:`CompleteMark`."""
        return self._mark.is_set()

    def note_complete(self) -> None:
        """Note that it has each minute file as it is, if it works."""
        if self._tables is not None:
            self._mark.set()

    def _find(
        self, minutes: Iterable[int], select: Select, unpack: Callable[..., _Value]
    ) -> dict[int, _Value]:
        """Return by id the rows of *minutes* that *select* finds, in this index, else in that of the other process.

        Args:
            minutes: the ids of minutes.
            select: selects the rows of some of them, which begin with the id.
            unpack: makes the value of a row, or raises an error that :func:`checked` knows.
        """
        return self._find_together(minutes, select, partial(checked_each, unpack))

    def _find_together(
        self,
        minutes: Iterable[int],
        select: Select,
        unpack: Callable[[Sequence[tuple[Any, ...]]], dict[int, _Value]],
    ) -> dict[int, _Value]:
        """Return by id the rows of *minutes* that *select* finds, as :meth:`_find` does; *unpack* makes the values of all."""
        found: dict[int, _Value] = {}
        for read in self._readers():
            rest = [minute for minute in minutes if minute not in found]
            if rest:
                found |= unpack(read(rest, select))
        return found

    def _readers(self) -> list[Callable[[Sequence[int], Select], list[tuple[Any, ...]]]]:
        return [self._read] if self._shared is None else [self._read, self._shared.read]

    def _read(self, minutes: Sequence[int], select: Select) -> list[tuple[Any, ...]]:
        """Return the rows that *select* finds of *minutes* in this index, the lock held for one statement at a time."""
        rows: list[tuple[Any, ...]] = []
        for first in range(0, max(len(minutes), 1), IDS_AT_ONCE):
            with self._lock, self._or_without("read"):
                if self._tables is not None:
                    rows += select(self._tables, minutes[first : first + IDS_AT_ONCE])
        return rows

    def _open(self) -> Tables:
        if not self._path:
            return Tables.open("")
        shares_memory = self._disk.fills_pages(os.path.dirname(self._path))
        return Tables.open(self._disk.database_path(self._path), shares_memory=shares_memory)

    def _reopen(self) -> None:
        """Reopen the index after a failure. Rows that it missed are outdated by their stamps, or still to be written."""
        if self._has_failed:
            self._tables = self._open()
            self._tables.state()
            self._has_failed = False

    def _restore(self, tables: Tables) -> None:
        """Write the file again from the open *tables*: another program removed it."""
        log.warning("the index %s was removed by another program: writing it again", self._path)
        remove_database(self._disk, self._path)  # the parts that are left of it
        tables.copy_to(self._disk.database_path(self._path))
        self._close()
        self._tables = self._open()

    def _close(self) -> None:
        for each in (self._reading, self._tables):
            if each is not None:
                each.close()
        self._reading = self._tables = None

    @contextlib.contextmanager
    def _or_without(self, verb: str) -> Iterator[None]:
        """Log a failure, and continue without the index; the caller holds the lock."""
        try:
            yield
        except (TablesError, EventStoreException) as error:
            if not self._has_failed:
                log.warning("cannot %s the index %s; will try again: %s", verb, self._path, error)
            if not is_busy(error):
                self._has_failed = True
                self._close()

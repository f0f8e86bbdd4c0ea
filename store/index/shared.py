"""The index of another process, to be read only."""

import logging
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.disk.file import FileStat
from store.index.extents import Layout
from store.index.loading import Loaded, load
from store.index.minute import EntryColumns, MinuteEntries, Packed
from store.index.row import MinuteRow
from store.index.rows import CORRUPT, checked, columns_of, counted_summary, entries_of, layout_of
from store.index.tables import IDS_AT_ONCE, Tables, TablesError
from store.locks import new_lock
from store.view import View

__all__ = ["SharedDatabase"]

_Row = TypeVar("_Row", bound=tuple[Any, ...])

log = logging.getLogger(__name__)


class SharedDatabase:
    """The index of another process as of its opening, without the minutes that changed later.

    Args:
        disk: the disk the store is on.
        path: the database file.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self._path = disk.database_path(path)
        self._lock = new_lock("shared-index")
        self._tables: Tables | None = None
        self._minutes: set[int] = set()

    def load(self, files: Sequence[FileStat]) -> Loaded | None:
        """Return what the index has of *files*, all of the directory; None if there is no usable index."""
        with self._lock:
            try:
                self._tables = Tables.open_to_read(self._path)
                with self._tables.transaction():
                    loaded = load(self._tables, files)
            except (TablesError, *CORRUPT) as error:
                log.info("not using the index %s: %s", self._path, error)
                self._close()
                return None
            self._minutes = set(loaded.catalog.ids().tolist())
            return loaded

    def forget(self, minutes: Iterable[int]) -> None:
        """Drop the rows of *minutes*, whose files have changed."""
        with self._lock:
            self._minutes.difference_update(minutes)

    def find(self, known: MinuteRow, stream_count: int) -> MinuteEntries | None:
        """See :meth:`store.index.database.Database.find`."""
        for _, row, summary, *packed in self._select("row, summary, layout, ticks", [known.id]):
            return checked(entries_of, Packed(*packed), row, summary, known, stream_count)
        return None

    def find_columns(
        self, known: Mapping[int, MinuteRow], stream_count: int
    ) -> dict[int, EntryColumns]:
        """See :meth:`store.index.database.Database.find_columns`."""
        found = {
            minute: checked(columns_of, Packed(*packed), known[minute], stream_count)
            for minute, *packed in self._select("layout, ticks", list(known))
        }
        return {minute: columns for minute, columns in found.items() if columns is not None}

    def find_layouts(self, known: Mapping[int, MinuteRow], stream_count: int) -> dict[int, Layout]:
        """See :meth:`store.index.database.Database.find_layouts`."""
        found = {
            minute: checked(layout_of, packed, known[minute], stream_count)
            for minute, packed in self._select("layout", list(known))
        }
        return {minute: layout for minute, layout in found.items() if layout is not None}

    def find_summaries(
        self, known: Mapping[int, MinuteRow], stream_count: int
    ) -> dict[int, tuple[int, NDArray[np.void]]]:
        """See :meth:`store.index.database.Database.find_summaries`."""
        found = {
            minute: checked(counted_summary, row, summary, checksum, known[minute], stream_count)
            for minute, row, summary, checksum in self._select(
                "row, summary, checksum", list(known)
            )
        }
        return {minute: each for minute, each in found.items() if each is not None}

    def select_lines(
        self, column: str, view: View, minutes: Iterable[int]
    ) -> list[tuple[int, bytes]]:
        """Return the ids and the *column* of the lines in *view* of those of *minutes* that the index has."""
        return self._read(minutes, lambda tables, some: tables.select_lines(column, view, some))

    def select_levels(self, column: str, minutes: Iterable[int]) -> list[tuple[int, bytes]]:
        """Return the ids and the *column* of the levels of those of *minutes* that have not changed."""
        return self._read(minutes, lambda tables, some: tables.select_levels(column, some))

    def select_text_filters(
        self, first: int, last: int, after: int, count: int
    ) -> list[tuple[int, bytes, bytes]]:
        """See :meth:`store.index.tables.Tables.select_text_filters`."""
        return self._read(
            (), lambda tables, _: tables.select_text_filters(first, last, after, count)
        )

    def close(self) -> None:
        """Close the index."""
        with self._lock:
            self._close()

    def _close(self) -> None:
        if self._tables is not None:
            self._tables.close()
            self._tables = None

    def _select(self, columns: str, minutes: Iterable[int]) -> list[tuple[Any, ...]]:
        return self._read(minutes, lambda tables, some: tables.select(columns, some))

    def _read(
        self,
        minutes: Iterable[int],
        read: Callable[[Tables, Sequence[int]], list[_Row]],
    ) -> list[_Row]:
        """Return what *read* finds of those of *minutes* that have not changed."""
        rows: list[_Row] = []
        wanted = list(minutes)
        for first in range(0, max(len(wanted), 1), IDS_AT_ONCE):
            some = wanted[first : first + IDS_AT_ONCE]
            with self._lock:
                if self._tables is None:
                    break
                try:
                    rows += read(self._tables, [each for each in some if each in self._minutes])
                except TablesError as error:
                    log.info("not using the index %s: %s", self._path, error)
                    break
        return rows

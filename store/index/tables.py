"""The tables of the index: the only module that knows SQLite.

SQLite's write-ahead log keeps them consistent across kill -9 and power cuts; the files of lost rows are scanned again.
"""

import contextlib
import sqlite3
import urllib.parse
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.format.levels import LEVEL_RULES_VERSION
from store.index.levels import LevelRow
from store.index.lines import LineRow
from store.index.row import MinuteRow
from store.index.rows import (
    IndexRow,
    check_snapshot,
    checked,
    minutes_of,
    pack_hashes,
    pack_row,
)
from store.index.summary import checksum_of
from store.index.text_filters import TextFilterRow
from store.view import View

__all__ = [
    "HEADER_SIZE",
    "IDS_AT_ONCE",
    "VERSION",
    "WITH_ENTRIES",
    "Select",
    "Tables",
    "TablesError",
    "is_busy",
]

TablesError = sqlite3.Error
"""The error of every failure here."""

VERSION = 9
"""Schema version; an index of any other is rebuilt."""

_SETTINGS_SHARED = """
PRAGMA page_size = 16384;
-- Where there is no shared memory (NFS, 9p), SQLite stays with a rollback journal.
PRAGMA journal_mode = WAL;
-- What was saved is there after a loss of power: the mark of a complete index says so.
PRAGMA synchronous = FULL;
"""

_SETTINGS_UNSHARED = """
-- First, because the database may be in the other mode: what SQLite would share is in the memory of this process then.
PRAGMA locking_mode = EXCLUSIVE;
PRAGMA page_size = 16384;
PRAGMA journal_mode = DELETE;
PRAGMA synchronous = FULL;
PRAGMA locking_mode = NORMAL;
-- The lock is released by the next statement that reads.
SELECT count(*) FROM sqlite_master;
"""

_MODES, _WAL_MODE = slice(18, 20), b"\2\2"
"""Where a database file says whether it has a write-ahead log."""

HEADER_SIZE = 100
"""The size of the header of a database file, in bytes."""

_SCHEMA = """
BEGIN;
-- One row. The generation grows with every transaction that changes a minute or a stream. The digest is one of all
-- streams: a minute does not tell that it is of a stream whose row is lost, or was that of another stream before.
CREATE TABLE state (version INTEGER NOT NULL, generation INTEGER NOT NULL, digest INTEGER NOT NULL);
CREATE TABLE streams (id INTEGER PRIMARY KEY, key BLOB NOT NULL, checksum INTEGER NOT NULL);
CREATE TRIGGER added AFTER INSERT ON streams BEGIN
    UPDATE state SET digest = digest + (NEW.id + 1) * NEW.checksum % 4294967291;
END;
CREATE TRIGGER removed AFTER DELETE ON streams BEGIN
    UPDATE state SET digest = digest - (OLD.id + 1) * OLD.checksum % 4294967291;
END;
-- row: a catalog row; summary: rows of SUMMARY; checksum: of both.
CREATE TABLE minutes (id INTEGER PRIMARY KEY, row BLOB NOT NULL, summary BLOB NOT NULL, checksum INTEGER NOT NULL);
-- Apart from the above, which is read whole when there is no snapshot. The packed entries have checksums of their own.
CREATE TABLE entries (id INTEGER PRIMARY KEY, layout BLOB NOT NULL, ticks BLOB NOT NULL);
-- The sizes of lines in views, of minutes for which they were worked out: their sums by stream and, apart from them, which
-- are read of many minutes at once, the size of each line. Both have checksums of their own.
CREATE TABLE line_sums (id INTEGER, view TEXT, version INTEGER NOT NULL, sums BLOB NOT NULL, PRIMARY KEY (id, view));
CREATE TABLE line_sizes (id INTEGER, view TEXT, version INTEGER NOT NULL, sizes BLOB NOT NULL, PRIMARY KEY (id, view));
-- With a snapshot, the size of the lines of each stream in views.
CREATE TABLE line_totals (generation INTEGER NOT NULL, view TEXT, version INTEGER NOT NULL, sums BLOB NOT NULL, checksum INTEGER NOT NULL);
-- The levels of events, of minutes for which they were found out: the totals by level and, apart from them, the
-- level of each event. Both have checksums of their own.
CREATE TABLE level_totals (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, totals BLOB NOT NULL);
CREATE TABLE levels (id INTEGER PRIMARY KEY, version INTEGER NOT NULL, codes BLOB NOT NULL);
-- Filters of the texts of runs of neighbouring minutes, which start from first to last.
CREATE TABLE text_filters (id INTEGER PRIMARY KEY, first INTEGER NOT NULL, last INTEGER NOT NULL, members BLOB NOT NULL, bits BLOB NOT NULL);
CREATE INDEX text_filter_ends ON text_filters (last);
-- Hashes of the ids of events, for minutes that were searched for one; row: the catalog row they are of.
CREATE TABLE ids (id INTEGER PRIMARY KEY, row BLOB NOT NULL, hashes BLOB NOT NULL);
-- At most one row, written when the index is closed: the whole catalog and the totals of all streams. Without it the rows
-- of all minutes are read, which takes ten seconds for a million.
CREATE TABLE snapshot (generation INTEGER NOT NULL, catalog BLOB NOT NULL, totals BLOB NOT NULL, checksum INTEGER NOT NULL);
-- The rows of minutes that have changed since the snapshot, as they were then; NULL where there was none. A process that is
-- killed takes no snapshot, and the next one counts these for what they are now.
CREATE TABLE former_minutes (id INTEGER PRIMARY KEY, row BLOB, summary BLOB, checksum INTEGER);
"""
_KEEP_FORMER = """
INSERT OR IGNORE INTO former_minutes
SELECT given.id, row, summary, checksum FROM (SELECT ? AS id) AS given LEFT JOIN minutes USING (id)
WHERE EXISTS (SELECT 1 FROM snapshot)
"""
_GENERATION_MAX = 1 << 53
IDS_AT_ONCE = 500
"""Most ids in one statement; SQLite takes 999 parameters in its oldest builds."""

WITH_ENTRIES = "minutes NATURAL JOIN entries"
"""The table of minutes, with their entries."""


class Tables:
    """The tables of an open index. Callers take care that only one thread uses them at a time.

    Every method raises :data:`TablesError` if it failed.

    Args:
        connection: the connection to the database.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    @classmethod
    def open(cls, path: str, *, shares_memory: bool = True) -> "Tables":
        """Open the database file *path*, made if it is missing; an empty *path* is a private one.

        Args:
            path: its path.
            shares_memory: whether to share memory with readers, which SQLite maps from another file; else, it has a rollback
                journal, which is slower.
        """
        connection = sqlite3.connect(path, timeout=1, check_same_thread=False)
        connection.executescript(_SETTINGS_SHARED if shares_memory else _SETTINGS_UNSHARED)
        return cls(connection)

    @staticmethod
    def share_memory(header: bytes) -> bool:
        """Return whether opening the database file with *header*, to read, would map shared memory."""
        return header[_MODES] == _WAL_MODE

    @classmethod
    def open_to_read(cls, path: str) -> "Tables":
        """Open the database file *path*, of another process, read-only."""
        uri = f"file:{urllib.parse.quote(path)}?mode=ro"
        return cls(sqlite3.connect(uri, timeout=1, check_same_thread=False, uri=True))

    def copy_to(self, path: str) -> None:
        """Write a copy of the database to *path*, where nothing is."""
        self._connection.execute("VACUUM INTO ?", (path,))

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    @property
    def is_empty(self) -> bool:
        """Whether there are no tables yet."""
        [(count,)] = self._connection.execute("SELECT count(*) FROM sqlite_master")
        return not count

    def create(self) -> None:
        """Create all tables, empty, in one transaction."""
        self._connection.executescript(_SCHEMA)
        self._connection.execute("INSERT INTO state VALUES (?, 1, 0)", (VERSION,))
        self._connection.commit()

    @contextlib.contextmanager
    def transaction(self) -> Iterator[None]:
        """Read in one transaction, so that ids of minutes and streams are consistent."""
        self._connection.execute("BEGIN")
        try:
            yield
        finally:
            # Also after a failure: until it ends, the log of the writing process cannot be emptied.
            self._connection.rollback()

    def state(self) -> tuple[int, int]:
        """Return the schema version and the generation.

        Raises:
            ValueError: if it is corrupt.
        """
        [(version, generation)] = self._connection.execute("SELECT version, generation FROM state")
        if not isinstance(generation, int) or not 0 < generation < _GENERATION_MAX:
            raise ValueError(f"its generation is {generation!r}")
        return version, generation

    def streams(self) -> Iterator[tuple[int, bytes]]:
        """Yield the ids and the keys of all streams, in the order of their ids.

        Raises:
            ValueError: if a row is corrupt.
        """
        rows = self._connection.execute("SELECT id, key, checksum FROM streams ORDER BY id")
        for stream, key, checksum in rows:
            if checksum != checksum_of(key):
                raise ValueError(f"stream {stream} is not what was written")
            yield stream, key

    def minutes(self) -> tuple[NDArray[np.void], dict[int, bytes]]:
        """Return the rows of all minutes, and their packed summaries by id.

        Raises:
            ValueError: if a row is corrupt.
        """
        return minutes_of(self._connection.execute("SELECT * FROM minutes"))

    def former_minutes(self) -> list[tuple[int, bytes | None, bytes | None, int | None]]:
        """Return the ids of the minutes that have changed since the snapshot, and their rows, summaries and checksums then."""
        return self._connection.execute("SELECT * FROM former_minutes").fetchall()

    def snapshot(self) -> tuple[bytes, bytes] | None:
        """Return the packed catalog and totals of the snapshot; None if it is missing or corrupt.

        Raises:
            ValueError: if the table of streams is corrupt.
        """
        self._check_streams()
        found = self._connection.execute(
            "SELECT rowid, checksum FROM snapshot"
            " WHERE typeof(catalog) = 'blob' AND typeof(totals) = 'blob'"
        ).fetchone()
        if found is None:
            return None
        row, checksum = found
        # In half the time of a SELECT, which has one copy more of what may be a hundred megabytes.
        catalog, totals = (self._read_blob("snapshot", name, row) for name in ("catalog", "totals"))
        if checksum_of(catalog, totals) != checksum:
            return None
        return (catalog, totals) if checked(check_snapshot, catalog, totals) else None

    def _read_blob(self, table: str, column: str, row: int) -> bytes:
        with self._connection.blobopen(table, column, row, readonly=True) as blob:
            return blob.read()

    def _check_streams(self) -> None:
        [(is_right,)] = self._connection.execute(
            "SELECT digest = (SELECT coalesce(sum((id + 1) * checksum % 4294967291), 0) FROM streams)"
            " FROM state"
        )
        if not is_right:
            raise ValueError("streams that are not those that were written")

    def has_snapshot(self, generation: int) -> bool:
        """Return whether there is a snapshot of *generation*."""
        found = self._connection.execute(
            "SELECT 1 FROM snapshot WHERE generation = ?", (generation,)
        )
        return found.fetchone() is not None

    def save_snapshot(self, generation: int, rows: bytes, totals: bytes) -> None:
        """Save the packed *rows* of the catalog and *totals* as the snapshot of *generation*."""
        with self._connection:
            self._connection.execute("DELETE FROM snapshot")
            self._connection.execute("DELETE FROM former_minutes")
            self._connection.execute(
                "INSERT INTO snapshot VALUES (?, ?, ?, ?)",
                (generation, rows, totals, checksum_of(rows, totals)),
            )

    def line_totals(self, generation: int) -> dict[tuple[str, int], bytes]:
        """Return by view, its name and version, the packed totals of lines of *generation*, those that are not corrupt."""
        rows = self._connection.execute(
            "SELECT view, version, sums, checksum FROM line_totals WHERE generation = ?",
            (generation,),
        )
        return {
            (view, version): sums
            for view, version, sums, checksum in rows
            if isinstance(sums, bytes) and checksum_of(sums) == checksum
        }

    def save_line_totals(self, generation: int, totals: Mapping[tuple[str, int], bytes]) -> None:
        """Save the packed *totals* of lines, by view, its name and version, as those of *generation*."""
        with self._connection:
            self._connection.execute("DELETE FROM line_totals")
            self._connection.executemany(
                "INSERT INTO line_totals VALUES (?, ?, ?, ?, ?)",
                [(generation, *view, sums, checksum_of(sums)) for view, sums in totals.items()],
            )

    def select(self, table: str, columns: str, minutes: Sequence[int]) -> list[tuple[Any, ...]]:
        """Return the ids and *columns* of those of *minutes* that are in *table*."""
        return self._select(f"SELECT id, {columns} FROM {table} WHERE true", (), minutes)  # noqa: S608 - ours

    def save(
        self,
        kept: Sequence[IndexRow],
        removed: Iterable[int],
        streams: Mapping[int, bytes | None],
    ) -> None:
        """Save *kept* minutes and *streams*, and delete *removed* minutes, in one transaction; see :class:`Database`."""
        with self._connection:
            self._save(self._connection, kept, removed, streams)

    def _save(
        self,
        connection: sqlite3.Connection,
        kept: Sequence[IndexRow],
        removed: Iterable[int],
        streams: Mapping[int, bytes | None],
    ) -> None:
        connection.execute("UPDATE state SET generation = generation + 1")
        gone = [(each,) for each in removed]
        outdated = [*gone, *((each.row.id,) for each in kept)]
        connection.executemany(_KEEP_FORMER, outdated)
        for table in ("minutes", "entries", "ids"):
            connection.executemany(f"DELETE FROM {table} WHERE id = ?", gone)  # noqa: S608 - ours
        for table in ("line_sums", "line_sizes", "level_totals", "levels"):
            connection.executemany(f"DELETE FROM {table} WHERE id = ?", outdated)  # noqa: S608 - ours
        # Replacing a row runs no trigger.
        connection.executemany("DELETE FROM streams WHERE id = ?", ((each,) for each in streams))
        connection.executemany(
            "INSERT INTO streams VALUES (?, ?, ?)",
            ((each, key, checksum_of(key)) for each, key in streams.items() if key is not None),
        )
        rows = [(each, pack_row(each.row), each.summary.tobytes()) for each in kept]
        connection.executemany(
            "INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?)",
            [(each.row.id, row, summary, checksum_of(row, summary)) for each, row, summary in rows],
        )
        connection.executemany(
            "INSERT OR REPLACE INTO entries VALUES (?, ?, ?)",
            [(each.row.id, *each.packed) for each in kept],
        )

    def save_id_hashes(self, made: Mapping[int, tuple[MinuteRow, NDArray[np.uint32]]]) -> None:
        """Save the hashes of the ids in the minutes *made*, by id, with their rows in the catalog."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO ids VALUES (?, ?, ?)",
                [
                    (minute, pack_row(row), pack_hashes(hashes, row))
                    for minute, (row, hashes) in made.items()
                ],
            )

    def select_lines(
        self, column: str, view: View, minutes: Sequence[int]
    ) -> list[tuple[int, bytes]]:
        """Return the ids and the *column*, sums or sizes, of those of *minutes* whose lines in *view* were measured."""
        chosen = f"SELECT id, {column} FROM line_{column} WHERE view = ? AND version = ?"  # noqa: S608 - ours
        return self._select(chosen, (view.name, view.version), minutes)

    def select_levels(self, column: str, minutes: Sequence[int]) -> list[tuple[int, bytes]]:
        """Return the ids and the *column*, totals or codes, of those of *minutes* whose levels were found out."""
        table = "level_totals" if column == "totals" else "levels"
        chosen = f"SELECT id, {column} FROM {table} WHERE version = ?"  # noqa: S608 - ours
        return self._select(chosen, (LEVEL_RULES_VERSION,), minutes)

    def _select(
        self, statement: str, arguments: tuple[Any, ...], minutes: Sequence[int]
    ) -> list[tuple[Any, ...]]:
        """Return the rows of *statement*, with *arguments*, that are of *minutes*."""
        rows: list[tuple[Any, ...]] = []
        for first in range(0, len(minutes), IDS_AT_ONCE):
            some = minutes[first : first + IDS_AT_ONCE]
            places = ",".join("?" * len(some))
            rows += self._connection.execute(
                f"{statement} AND id IN ({places})", (*arguments, *some)
            )
        return rows

    def save_lines(self, made: Sequence[LineRow]) -> None:
        """Save *made*, in one transaction."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO line_sums VALUES (?, ?, ?, ?)",
                [(each.id, each.view, each.version, each.sums) for each in made],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO line_sizes VALUES (?, ?, ?, ?)",
                [(each.id, each.view, each.version, each.sizes) for each in made],
            )

    def save_levels(self, made: Sequence[LevelRow]) -> None:
        """Save *made*, in one transaction."""
        with self._connection:
            self._connection.executemany(
                "INSERT OR REPLACE INTO level_totals VALUES (?, ?, ?)",
                [(each.id, LEVEL_RULES_VERSION, each.totals) for each in made],
            )
            self._connection.executemany(
                "INSERT OR REPLACE INTO levels VALUES (?, ?, ?)",
                [(each.id, LEVEL_RULES_VERSION, each.codes) for each in made],
            )

    def select_text_filters(
        self, first: int, last: int, after: int, count: int
    ) -> list[tuple[int, bytes, bytes]]:
        """Return the ids, members and bits of the first *count* filters of texts, of those with ids larger than *after*.

        Args:
            first: the start of a minute, in seconds since the epoch.
            last: that of a later one; minutes of each filter may start in between.
            after: an id.
            count: the most filters to return.
        """
        return self._connection.execute(
            "SELECT id, members, bits FROM text_filters WHERE last >= ? AND first <= ? AND id > ?"
            " ORDER BY id LIMIT ?",
            (first, last, after, count),
        ).fetchall()

    def save_text_filters(self, made: Sequence[TextFilterRow], outdated: Sequence[int]) -> None:
        """Save the filters of texts in *made*, and delete *outdated* ones, by id, in one transaction."""
        with self._connection:
            self._connection.executemany(
                "DELETE FROM text_filters WHERE id = ?", ((each,) for each in outdated)
            )
            self._connection.executemany(
                "INSERT INTO text_filters (first, last, members, bits) VALUES (?, ?, ?, ?)", made
            )


Select = Callable[[Tables, Sequence[int]], list[tuple[Any, ...]]]
"""Selects rows of some minutes, which begin with the id."""


def is_busy(error: Exception) -> bool:
    """Return whether *error* says that another connection has locked the database."""
    return getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY

"""The index on disk: what is in the minute files, so that nobody has to read them to find out.

It is derived from the minute files and made anew whenever there is any doubt; so it is never synced while it
is used. What it says of a minute counts only for a file of the same size and mtime. The only module that knows
SQLite.
"""

import contextlib
import logging
import sqlite3
import struct
import threading
import zlib
from collections.abc import Iterable, Iterator

import numpy as np

from store.disk.disk import Disk
from store.errors import EventStoreException
from store.index.catalog import INTEGER_MAX, ROW, MinuteRow, MinuteTable, Stamp
from store.index.extents import Entries
from store.index.minute import MinuteIndex, Packed, unpack_entries
from store.index.streams import KindRow, Kinds, Total

__all__ = ["Index", "remove_index"]

_VERSION = 2
"""Of the format of the index; one of another version is made anew."""

_SCHEMA = """
CREATE TABLE state (version INTEGER NOT NULL, boot_id TEXT NOT NULL, checksum INTEGER NOT NULL);
CREATE TABLE kinds (
    number INTEGER PRIMARY KEY, source BLOB NOT NULL, tags BLOB NOT NULL, checksum INTEGER NOT NULL,
    size INTEGER NOT NULL, events INTEGER NOT NULL, newest REAL NOT NULL, minutes BLOB NOT NULL
);
CREATE TABLE minutes (
    number INTEGER PRIMARY KEY, start INTEGER NOT NULL, end INTEGER NOT NULL,
    size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, entries INTEGER NOT NULL,
    oldest REAL NOT NULL, newest REAL NOT NULL, entries_packed BLOB NOT NULL, times_packed BLOB NOT NULL
);
CREATE TABLE listing (minutes BLOB NOT NULL);
"""
# The listing has all that the rows of the minutes have but for their blobs, as an array: to read a million rows takes
# seconds. It counts only when nothing was changed since the index was closed.
_MINUTES = "SELECT number, start, end, size, mtime_ns, entries, oldest, newest FROM minutes"
_PACKED = (
    "SELECT number, size, mtime_ns, entries_packed, times_packed FROM minutes"
    " WHERE number >= ? AND number < ?"
)
_ENTRIES = "SELECT number, size, mtime_ns, entries_packed FROM minutes WHERE number IN"

_READ_AHEAD = 16
"""How many minutes to read when they are asked for one after the other."""

_SPARE_NUMBERS = 1 << 20
"""There are never so many numbers without a minute unless they are wrong."""

# What Python, numpy and pyroaring raise when what SQLite has is not what was written.
_CORRUPT = (
    sqlite3.Error, ValueError, TypeError, LookupError, OverflowError, struct.error,
)  # fmt: skip

log = logging.getLogger(__name__)


class Index:
    """The index of a store. Any number of threads may use it.

    Without one everything works, but slowly: whatever fails here is logged, and what is asked for is not known.

    Args:
        disk: the disk the store is on.
        path: the file it is in; made when it is not there. Empty for one that lasts as long as this object.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self._disk = disk
        self._path = path
        self._lock = threading.Lock()
        self._connection: sqlite3.Connection | None = None
        self._kinds_saved = 0
        self._removed: set[int] = set()  # numbers whose rows are still to be deleted
        # Rows that nobody has asked for yet, by number, and the number of the last that was read.
        self._read_ahead: dict[int, tuple[int, int, bytes, bytes]] = {}
        self._last_read = -2
        self._is_complete = True  # whatever was to be written is there
        self._is_clean = False  # what is there says that nothing was lost since it was closed

    def load(self, table: MinuteTable) -> tuple[Kinds, bool] | None:
        """Take in what was known when the index was used the last time.

        Args:
            table: an empty table, which is filled.

        Returns:
            The kinds, and whether they are counted; None when nothing is known.
        """
        with self._lock:
            try:
                self._connection = self._connect()
                [(tables,)] = self._connection.execute("SELECT count(*) FROM sqlite_master")
                if tables:
                    return self._load(self._connection, table)
            except (*_CORRUPT, EventStoreException) as error:
                log.warning("the index %s cannot be used, and is made anew: %s", self._path, error)
        self.clear()
        return None

    def clear(self) -> None:
        """Forget everything."""
        with self._lock, self._or_without("make"):
            self._read_ahead = {}
            self._removed.clear()
            if self._connection is not None:
                self._connection.close()
                self._connection = None
            if self._path:
                remove_index(self._disk, self._path)
            self._connection = self._connect()
            self._connection.executescript(_SCHEMA)
            self._connection.execute("INSERT INTO state VALUES (?, '', 0)", (_VERSION,))
            self._connection.commit()
            self._kinds_saved = 0
            self._is_clean = True

    def find(self, number: int, stamp: Stamp, kinds: int) -> MinuteIndex | None:
        """What is in a minute.

        Args:
            number: of the minute.
            stamp: what its file is now.
            kinds: how many kinds there are.

        Returns:
            That; None when it is not known, or of another state of the file.
        """
        with self._lock, self._or_without("read"):
            row = self._read_ahead.pop(number, None) or self._read(number)
            if row is not None and stamp == row[:2]:
                try:
                    return MinuteIndex.unpack(Packed(*row[2:]), stamp.size, kinds)
                except _CORRUPT as error:
                    log.warning("in the index %s: %s", self._path, error)
        return None

    def _read(self, number: int) -> tuple[int, int, bytes, bytes] | None:
        """Read what there is of a minute, and of those behind it when they are asked for in a row."""
        if self._connection is None:
            return None
        count = _READ_AHEAD if number == self._last_read + 1 else 1
        found = self._connection.execute(_PACKED, (number, number + count))
        self._read_ahead = {each: tuple(row) for each, *row in found}
        self._last_read = number + count - 1
        return self._read_ahead.pop(number, None)

    def find_entries(self, stamps: dict[int, Stamp], kinds: int) -> dict[int, Entries]:
        """Where the entries of several minutes lie.

        Args:
            stamps: by the numbers of the minutes, what their files are now.
            kinds: how many kinds there are.

        Returns:
            That, by number, of those of which it is known.
        """
        entries: dict[int, Entries] = {}
        with self._lock, self._or_without("read"):
            if self._connection is not None:
                places = ",".join("?" * len(stamps))
                found = self._connection.execute(f"{_ENTRIES} ({places})", tuple(stamps))
                for number, size, mtime_ns, packed in found:
                    if stamps[number] == (size, mtime_ns):
                        try:
                            entries[number] = unpack_entries(packed, size, kinds)
                        except _CORRUPT as error:
                            log.warning("in the index %s: %s", self._path, error)
        return entries

    def save(
        self, kept: Iterable[tuple[MinuteRow, Packed]], removed: Iterable[int], kinds: Kinds
    ) -> None:
        """Note what is in some minutes now, for :meth:`find` and :meth:`load`.

        Args:
            kept: minutes, with their packed indexes.
            removed: the numbers of minutes that are gone.
            kinds: all kinds.
        """
        with self._lock, self._or_without("write"):
            kept = list(kept)
            self._removed.update(removed)
            if self._connection is None or not (kept or self._removed):
                return
            self._read_ahead = {}
            self._mark_in_use(self._connection)
            with self._connection:
                new = enumerate(kinds.headers(self._kinds_saved), self._kinds_saved)
                self._connection.executemany(
                    "INSERT INTO kinds VALUES (?, ?, ?, ?, 0, 0, 0, x'')",
                    ((number, *header, _checksum(*header)) for number, header in new),
                )
                self._connection.executemany(
                    "DELETE FROM minutes WHERE number = ?", ((number,) for number in self._removed)
                )
                # Minutes too late for 64 bits are looked at again whenever the store is opened.
                self._connection.executemany(
                    "INSERT OR REPLACE INTO minutes VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
                    ((*row, *packed) for row, packed in kept if row.end <= INTEGER_MAX),
                )
            self._kinds_saved = len(kinds)
            self._removed.clear()

    def close(self, counted: tuple[Kinds, MinuteTable] | None = None) -> None:
        """Close the index.

        Args:
            counted: the kinds and the minutes that they are counted in, when all of these were saved.
        """
        with self._lock, self._or_without("write"):
            if self._connection is None:
                return
            if counted is not None and self._path and self._is_complete and not self._is_clean:
                kinds, minutes = counted[0], counted[1].rows().tobytes()
                self._connection.execute("PRAGMA synchronous = FULL")
                with self._connection:
                    self._connection.execute("DELETE FROM kinds")
                    self._connection.executemany(
                        "INSERT INTO kinds VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                        (
                            (
                                number,
                                row.source,
                                row.tags,
                                _checksum(row.source, row.tags),
                                *row.total,
                                row.minutes,
                            )
                            for number, row in enumerate(kinds.rows())
                        ),
                    )
                    self._connection.execute("DELETE FROM listing")
                    self._connection.execute("INSERT INTO listing VALUES (?)", (minutes,))
                    self._connection.execute(
                        "UPDATE state SET boot_id = '', checksum = ?",
                        (_checksum_of_all(kinds, minutes),),
                    )
            self._connection.close()
            self._connection = None

    def _connect(self) -> sqlite3.Connection:
        path = self._disk.database_path(self._path) if self._path else ""
        connection = sqlite3.connect(path, timeout=1, check_same_thread=False)
        # So large that the row of a usual minute is on one page. Only a new file heeds it.
        connection.execute("PRAGMA page_size = 32768")
        connection.execute("PRAGMA journal_mode = TRUNCATE")
        connection.execute("PRAGMA synchronous = OFF")
        return connection

    def _load(
        self, connection: sqlite3.Connection, table: MinuteTable
    ) -> tuple[Kinds, bool] | None:
        [(version, boot_id, checksum)] = connection.execute("SELECT * FROM state")
        if version != _VERSION:
            raise ValueError(f"its version is {version}, not {_VERSION}")
        # What SQLite wrote without a sync is whole as long as the system has not been started anew.
        if boot_id not in ("", self._disk.boot_id()):
            raise ValueError("the system went down while it was used")
        kinds = Kinds.restored(_kind_rows(connection))
        is_clean = not boot_id
        if is_clean:
            [[listing]] = connection.execute("SELECT minutes FROM listing").fetchall() or [[b""]]
            if checksum != _checksum_of_all(kinds, listing):
                raise ValueError("its checksum is wrong")
            minutes = np.frombuffer(listing, ROW)
        else:
            minutes = np.fromiter(connection.execute(_MINUTES), ROW)
        numbers = minutes["number"]
        if len(minutes) and not 0 <= numbers.min() <= numbers.max() < len(minutes) + _SPARE_NUMBERS:
            raise ValueError("it has numbers that cannot be")
        table.restore(minutes)
        self._kinds_saved = len(kinds)
        self._is_clean = is_clean
        return kinds, is_clean

    def _mark_in_use(self, connection: sqlite3.Connection) -> None:
        """Before anything changes, make sure that a loss of power will be noticed."""
        if not self._is_clean:
            return
        connection.execute("PRAGMA synchronous = FULL")
        with connection:
            connection.execute("UPDATE state SET boot_id = ?", (self._disk.boot_id(),))
        connection.execute("PRAGMA synchronous = OFF")
        self._is_clean = False

    @contextlib.contextmanager
    def _or_without(self, verb: str) -> Iterator[None]:
        """Go on without an index when there is something wrong with it; the caller holds the lock."""
        try:
            yield
        except (sqlite3.Error, EventStoreException) as error:
            log.warning("cannot %s the index %s; going on without: %s", verb, self._path, error)
            # What could not be written now is old, and is looked at when the store is opened again.
            self._is_complete = False
            is_busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
            if self._connection is not None and not is_busy:
                self._connection.close()
                self._connection = None


def remove_index(disk: Disk, path: str) -> None:
    """Remove an index that nobody has open; it is no error when there is none.

    Raises:
        EventWriteException: if that failed.
    """
    for name in (path, f"{path}-journal"):
        disk.remove(name)


def _kind_rows(connection: sqlite3.Connection) -> Iterator[KindRow]:
    rows = connection.execute("SELECT * FROM kinds ORDER BY number")
    for wanted, (number, source, tags, checksum, *total, minutes) in enumerate(rows):
        if number != wanted or checksum != _checksum(source, tags):
            raise ValueError(f"kind {number} is not what was written")
        yield KindRow(source, tags, Total(*total), minutes)


def _checksum(*parts: bytes) -> int:
    return zlib.crc32(b"\n".join(parts))


def _checksum_of_all(kinds: Kinds, listing: bytes) -> int:
    """A checksum of everything but what is in each minute, which has one of its own."""
    checksum = zlib.crc32(listing)
    for row in kinds.rows():
        checksum = zlib.crc32(repr(row).encode(), checksum)
    return checksum

"""The tails of minutes, which are in the log, when other programs change the files."""

import contextlib
import functools
from collections.abc import Iterable, Iterator

import numpy as np

from store.answers.version import Minute
from store.checksum import crc32
from store.disk.disk import Disk
from store.engine.flusher import Flusher
from store.engine.scanner import Scanned
from store.engine.state import State
from store.engine.view_totals import KnownLinesByView
from store.errors import EventWriteException
from store.index.minute import DAMAGED, EntryColumns, MinuteEntries
from store.index.summary import Summaries
from store.minutes.logged_file import LoggedFile
from store.wal.log import WriteAheadLog
from store.wal.segment import LogRecord

__all__ = ["LoggedTails"]

_TRIES = 5
"""Number of attempts to move a tail between two saves to its minute, before further saves have to wait."""

_TRIES_MAX = 1000
"""Maximum number of attempts while further saves wait; those that do not wait any more end soon."""


class LoggedTails:
    """The tails of the minutes of a store that writes; see :class:`store.engine.watcher.Tails`.

    Args:
        state: the state of the store.
        write_ahead_log: the log that holds them.
        disk: the disk of the minute files.
        flusher: flushes them.
    """

    def __init__(
        self, state: State, write_ahead_log: WriteAheadLog, disk: Disk, flusher: Flusher
    ) -> None:
        self._state = state
        self._log = write_ahead_log
        self._disk = disk
        self._flusher = flusher

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Keep minutes from being flushed inside the context."""
        with self._flusher.lock:
            yield

    def has_tail(self, minute: int) -> bool:
        """Return whether the minute with the id *minute* has a tail."""
        return self._flusher.grows(minute)

    def note_removed(self, minutes: Iterable[int]) -> None:
        """Void the log's records of *minutes*, by id, so that a copy of the store does not get them back.

        Raises:
            EventWriteException: if that failed.
        """
        with self._state.append_lock:
            names = [self._state.catalog.name(each) for each in minutes if not self.has_tail(each)]
            self._log.reset(dict.fromkeys(names, b""))

    def absorb(self, minute: Minute, scanned: Scanned) -> bool:
        """Append what was added to the file of *minute*, *scanned* now, to its tail; return whether nothing else changed.

        Every event keeps its offset: the next flush writes what was added after the tail.

        Raises:
            EventStoreException: if that was not possible; nothing has changed then.
        """
        file, stat = minute.file, scanned.stat
        assert isinstance(file, LoggedFile), "that is what this store opens"
        if self._is_own_flush(minute, scanned):
            self._flusher.accept(minute, stat, scanned.checksum)
            return True
        known = file.stat
        if known is None or stat.size <= known.size:
            return False
        with self._state.lock:
            checksum = self._state.catalog.checksum(minute.id)
        with self._disk.open_to_read(f"{self._state.root_dir}/{minute.name}") as opened:
            if opened.checksum(known.size) != checksum:
                return False
            added = opened.read(known.size, stat.size - known.size)
        entries = MinuteEntries.of(
            self._state.scanner.entries_of(
                minute.name, lambda at, size: added[at : at + size], len(added)
            )
        )
        columns = entries.columns(0, len(entries))
        if (columns.streams == DAMAGED).any() or crc32(added, checksum) != scanned.checksum:
            return False  # it is incomplete, or changed again
        with self._state.append_lock:
            if not self.has_tail(minute.id):
                return False
            [lsn] = self._log.note([LogRecord(minute.name, minute.entries.size, added)])
            file.extend(len(added), lsn)
            file.accept(stat)
            with self._state.lock:
                self._state.set_stamp(minute.id, scanned.stamp, scanned.checksum)
            self._state.extend(minute, columns)
            self._flusher.note_growth(minute, len(columns.streams), len(added))
        return True

    def rebase(self, minute: Minute, scanned: Scanned | None, *, has_arrived: bool = True) -> None:
        """Rebase the tail of *minute* onto *scanned*, its file now; None for no file.

        Args:
            minute: the minute.
            scanned: its file.
            has_arrived: whether the entries of the file count as arrived just now, rather than as stored before.

        Raises:
            EventStoreException: if that was not possible; nothing has changed then.
        """
        move = functools.partial(self._try_to_move, minute, scanned, has_arrived)
        if not any(move() for _ in range(_TRIES)):
            with self._state.gate.closed():
                if not any(move() for _ in range(_TRIES_MAX)):
                    raise EventWriteException(f"{minute.name} grows too fast; will try again")

    def _try_to_move(self, minute: Minute, scanned: Scanned | None, has_arrived: bool) -> bool:
        """Rebase the tail of *minute* onto *scanned*; return whether nothing was saved to it meanwhile."""
        size = minute.entries.size
        assert isinstance(minute.file, LoggedFile), "that is what this store opens"
        tail = minute.file.tail()
        known = self._state.lookup.summaries(np.array([minute.id]))
        lines = self._state.lookup.line_totals.lines([minute.id])
        with self._state.append_lock:
            if minute.entries.size != size:
                return False
            made = self._move(minute, known, lines, scanned, tail, has_arrived)
        has_tail = made is not None and self.has_tail(made.id)
        self._state.save([] if made is None or has_tail else [made])
        return True

    def _is_own_flush(self, minute: Minute, scanned: Scanned) -> bool:
        """Return whether *scanned* is the file of a flush that failed after replacing it."""
        stored_size = minute.file.stored_size
        added = scanned.stat.size - stored_size
        tail = minute.file.tail()
        if not 0 < added <= len(tail):
            return False
        with self._state.lock:
            checksum = self._state.catalog.checksum(minute.id)
        with self._disk.open_to_read(f"{self._state.root_dir}/{minute.name}") as file:
            return (
                file.checksum(stored_size) == checksum
                and file.read(stored_size, added) == tail[:added]
            )

    def _move(
        self,
        minute: Minute,
        known: Summaries,
        lines: KnownLinesByView,
        scanned: Scanned | None,
        tail: bytes,
        has_arrived: bool,
    ) -> Minute | None:
        entries, stored_size = minute.entries, minute.file.stored_size
        columns = entries.columns(entries.position_at(stored_size), len(entries))
        stat = scanned.stat if scanned is not None else None
        if tail and scanned is not None and scanned.entries.ends_damaged:
            tail = b"\n" + tail
            columns = _joined(EntryColumns.of_damage(1), columns)
        file = LoggedFile(minute.name, self._state.root_dir, self._log, self._disk, stat)
        if tail:
            start = stat.size if stat is not None else 0
            self._flusher.note_moved()
            lsns = self._log.reset({minute.name: tail}, {minute.name: start})
            file.extend(len(tail), lsns[minute.name])
        self._flusher.forget(minute)
        made = self._state.replace(
            minute, known, lines, scanned, columns, file, has_arrived=has_arrived
        )
        if tail and made is not None:
            self._flusher.note_growth(made, len(columns.streams), len(tail))
        return made


def _joined(first: EntryColumns, second: EntryColumns) -> EntryColumns:
    return EntryColumns(*(np.concatenate(both) for both in zip(first, second, strict=True)))

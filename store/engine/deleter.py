"""The deleter: it removes single events from minute files."""

from collections.abc import Sequence

import numpy as np

from store.answers.version import Minute
from store.disk.atomic import prepare
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine.flusher import Flusher
from store.engine.scanner import Scanned
from store.engine.state import State
from store.errors import EventReadException, EventWriteException
from store.index.minute import EntryColumns, MinuteEntries
from store.index.stamp import Stamp
from store.minutes.logged_file import LoggedFile
from store.wal.log import WriteAheadLog

__all__ = ["Deleter"]

_TRIES = 3
"""Maximum number of attempts to change a minute between two saves to it."""


class Deleter:
    """Deletes events. Any number of threads may use it.

    Args:
        state: the state of the store.
        write_ahead_log: the log that holds the unflushed events.
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

    def delete(self, found: Sequence[tuple[str, int]]) -> None:
        """Delete the events *found*, each by the name of its minute and its position there; they ascend in each minute.

        Raises:
            EventWriteException: if that failed: they are still there, or may come back after a loss of power.
        """
        try:
            with self._flusher.lock:
                for name, position in reversed(found):
                    self._remove(name, position)
                # Durable or not, the deletion shows.
                self._disk.sync_directory(self._state.root_dir)
                self._log.sync()
        except EventReadException as error:
            raise EventWriteException(str(error)) from error

    def _remove(self, name: str, position: int) -> None:
        """Remove the entry at *position* of the minute *name*; the caller holds the flush lock."""
        for _ in range(_TRIES):
            with self._state.lock:
                found = self._state.catalog.find(name)
            if found is None:
                return
            self._flusher.flush_one(found)
            minute = self._state.lookup.minute(found)
            with self._state.append_lock:
                if self._flusher.grows(found):
                    continue
                # Void the log's records durably: otherwise the next opening would append what the file lacks of them.
                self._log.reset({name: b""}, {name: minute.entries.size})
            self._log.sync()
            if self._rewrite(minute, position):
                return
        raise EventWriteException(f"{name} grows too fast to remove an event from it; try again")

    def _rewrite(self, minute: Minute, position: int) -> bool:
        """Replace the file of *minute* by one without the entry at *position*; returns whether that was possible."""
        path = f"{self._state.root_dir}/{minute.name}"
        entry, size = minute.entries.entry(position), minute.entries.size
        known = self._state.lookup.summaries(np.array([minute.id]))
        if len(minute.entries) == 1:
            with self._state.append_lock:
                if minute.entries.size != size or self._flusher.grows(minute.id):
                    return False
                self._disk.remove(path)
                file = self._open_file(minute.name)
                nothing = EntryColumns(*(np.empty(0, np.int64) for _ in range(3)))
                self._state.replace(minute, known, None, nothing, file, has_arrived=False)
            self._state.save([])
            return True
        with self._disk.open_to_read(path) as old:
            if old.size() != size:
                return False
            prepared = prepare(self._disk, path, old.chunks(entry.end, size), old, entry.start)
        with self._disk.open_to_read(prepared.temporary) as written:
            checksum = written.checksum(written.size())
        rest = MinuteEntries.of([minute.entries.without(position)])
        with self._state.append_lock:
            if minute.entries.size != size or self._flusher.grows(minute.id):
                prepared.discard()
                return False
            stat = prepared.commit()
            scanned = Scanned(stat, Stamp.exactly(stat), checksum, rest)
            file, nothing = self._open_file(minute.name, stat), rest.columns(0, 0)
            made = self._state.replace(minute, known, scanned, nothing, file, has_arrived=False)
        self._state.save([made] if made is not None else [])
        return True

    def _open_file(self, name: str, stat: FileStat | None = None) -> LoggedFile:
        return LoggedFile(name, self._state.root_dir, self._log, self._disk, stat)

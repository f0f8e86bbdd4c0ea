"""The deleter: it removes single events from minute files."""

from collections.abc import Sequence

from store.answers.version import Minute
from store.disk.atomic import prepare
from store.disk.disk import Disk
from store.engine.flusher import Flusher
from store.engine.scanner import Scanned
from store.engine.state import State
from store.engine.tails import LoggedTails
from store.errors import EventReadException, EventWriteException, FileChanged
from store.index.minute import MinuteEntries
from store.index.stamp import Stamp
from store.wal.log import WriteAheadLog

__all__ = ["Deleter"]


class Deleter:
    """Deletes events. Any number of threads may use it.

    Args:
        state: the state of the store.
        write_ahead_log: the log that holds the unflushed events.
        disk: the disk of the minute files.
        flusher: flushes them.
        tails: the tails of the minutes.
    """

    def __init__(
        self,
        state: State,
        write_ahead_log: WriteAheadLog,
        disk: Disk,
        flusher: Flusher,
        tails: LoggedTails,
    ) -> None:
        self._state = state
        self._log = write_ahead_log
        self._disk = disk
        self._flusher = flusher
        self._tails = tails

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
        with self._state.lock:
            found = self._state.catalog.find(name)
        if found is None:
            return
        self._flusher.flush_one(found)
        minute = self._state.lookup.minute(found)
        with self._state.append_lock:
            is_resting = not self._flusher.grows(found)
            if is_resting:
                # Void the log's records durably: otherwise the next opening would append what the file lacks of them.
                self._log.reset({name: b""}, {name: minute.entries.size})
        if not is_resting:
            self._flusher.flush_one(found)  # with a flush mark, which does that, too
        self._log.sync()
        self._tails.rebase(minute, self._rewrite(minute, position), has_arrived=False)

    def _rewrite(self, minute: Minute, position: int) -> Scanned | None:
        """Replace the file of *minute* by one without the entry at *position*; return that, None if it would be empty."""
        path = f"{self._state.root_dir}/{minute.name}"
        size = minute.file.stored_size
        entry, count = minute.entries.entry(position), minute.entries.position_at(size)
        if count == 1:
            self._disk.remove(path)
            return None
        with self._disk.open_to_read(path) as old:
            if old.size() != size:
                raise FileChanged(f"{path} was changed by another program; try again")
            prepared = prepare(self._disk, path, old.chunks(entry.end, size), old, entry.start)
        with self._disk.open_to_read(prepared.temporary) as written:
            checksum = written.checksum(written.size())
        rest = MinuteEntries.of([minute.entries.without(position, count)])
        stat = prepared.commit()
        return Scanned(stat, Stamp.exactly(stat), checksum, rest)

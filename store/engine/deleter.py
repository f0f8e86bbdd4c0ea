"""The deleter: it removes single events from minute files."""

from collections.abc import Iterator

from store.answers.fetch import positions_of
from store.answers.version import Minute
from store.disk.atomic import prepare
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.engine.flusher import Flusher
from store.engine.scanner import Scanned
from store.engine.state import State
from store.engine.tails import LoggedTails
from store.errors import EventReadException, EventWriteException, FileChanged
from store.format.record import encode_text
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

    def delete(self, event_id: object, name: str) -> bool:
        """Delete the first event with *event_id* from the minute *name*; return whether there was one.

        Raises:
            EventWriteException: if that failed: it is still there, or may come back after a loss of power.
        """
        wanted = encode_text(str(event_id))
        try:
            with self._flusher.lock:
                # The minute may have changed since it was searched, but changes no more now.
                is_deleted = self._delete_from(name, wanted)
                if is_deleted:
                    # Durable or not, the deletion shows.
                    self._disk.sync_directory(self._state.root_dir)
                    self._log.sync()
        except EventReadException as error:
            raise EventWriteException(str(error)) from error
        return is_deleted

    def _delete_from(self, name: str, wanted: bytes) -> bool:
        """Delete the first event with the id *wanted* from the minute *name*; the caller holds the flush lock.

        Returns:
            Whether there was one.
        """
        with self._state.lock:
            found = self._state.catalog.find(name)
        if found is None:
            return False
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
        with self._disk.open_to_read(f"{self._state.root_dir}/{name}") as old:
            position = next(_find(minute, old, wanted), None)
            if position is None:
                return False
            self._state.lookup.line_totals.measure(minute)
            rewritten = self._rewrite(minute, old, position)
        self._tails.rebase(minute, rewritten, has_arrived=False)
        return True

    def _rewrite(self, minute: Minute, old: ReadableFile, position: int) -> Scanned | None:
        """Replace *old*, the file of *minute*, by one without the entry at *position*; None if it would be empty."""
        size = minute.file.stored_size
        count = minute.entries.position_at(size)
        if count == 1:
            self._disk.remove(old.path)
            return None
        deleted = minute.entries.entry(position)
        prepared = prepare(self._disk, old.path, old.chunks(deleted.end, size), old, deleted.start)
        with self._disk.open_to_read(prepared.temporary) as written:
            checksum = written.checksum(written.size())
        rest = MinuteEntries.of([minute.entries.without(position, count)])
        stat = prepared.commit()
        return Scanned(stat, Stamp.exactly(stat), checksum, rest)


def _find(minute: Minute, old: ReadableFile, wanted: bytes) -> Iterator[int]:
    """Find the positions of the events of *minute* with the id *wanted* in *old*, which must be its file."""
    now, stat = minute.file.snapshot(), old.stat()
    if stat.size != now.stored_size or not now.may_be(stat):
        raise FileChanged(f"{old.path} was changed by another program; try again")

    def read(start: int, end: int) -> bytes:
        data = old.read(start, end - start)
        if len(data) < end - start:
            raise FileChanged(f"{old.path} was truncated by another program; try again")
        return data

    return positions_of(read, minute.entries, stat.size, wanted)

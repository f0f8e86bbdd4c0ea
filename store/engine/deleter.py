"""The deleter: it removes events from minute files."""

import itertools
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from store.answers.fetch import positions_of
from store.answers.selection import select
from store.answers.version import Minute
from store.disk.atomic import prepare, remove_known
from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile
from store.engine.flusher import Flusher
from store.engine.scanner import Scanned
from store.engine.state import State
from store.engine.tails import LoggedTails
from store.errors import EventReadException, EventWriteException, FileChanged
from store.format.record import encode_text
from store.index.minute import DAMAGED, MinuteEntries
from store.index.stamp import Stamp
from store.query import Query
from store.wal.log import WriteAheadLog

__all__ = ["Deleter"]

_PIECE_SIZE = 8 << 20
"""About how many bytes of a minute file are in memory while it is rewritten."""

_Positions = NDArray[np.int64]
_Choice = Callable[[Minute, ReadableFile, int], _Positions]
"""Called with a minute, its file and the size of that, in bytes; returns the positions of the entries to be removed, in ascending order."""


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

        def choose(minute: Minute, old: ReadableFile, size: int) -> _Positions:
            found = positions_of(partial(_read, old), minute.entries, size, wanted)
            return np.array([*itertools.islice(found, 1)], np.int64)

        return self._delete(name, choose) > 0

    def remove(self, query: Query, name: str) -> int:
        """Remove the events that answer *query*, which asks for no contents, from the minute *name*; return how many there were.

        Raises:
            EventWriteException: if that failed: they are still there, or may come back after a loss of power.
        """
        # What knows contents may have to wait for a lock that is held here.
        assert not query.content_filters, "sources, tags and times decide"

        def choose(minute: Minute, _old: ReadableFile, size: int) -> _Positions:
            layout = minute.entries.layout(0, minute.entries.position_at(size))
            selected = select(self._state.lookup, query, minute, layout)
            positions: _Positions = (selected & (layout.streams != DAMAGED)).nonzero()[0]
            return positions

        return self._delete(name, choose)

    def _delete(self, name: str, choose: _Choice) -> int:
        """Delete the entries of the minute *name* that *choose* returns, durably; return how many there were."""
        try:
            with self._flusher.lock:
                # The minute may have changed since it was searched, but changes no more now.
                deleted = self._delete_from(name, choose)
                if deleted:
                    # Durable or not, the deletion shows.
                    self._disk.sync_directory(self._state.root_dir)
                    self._log.sync_notes()
        except EventReadException as error:
            raise EventWriteException(str(error)) from error
        return deleted

    def _delete_from(self, name: str, choose: _Choice) -> int:
        """Delete the entries of the minute *name* that *choose* returns; the caller holds the flush lock.

        Returns:
            How many there were.
        """
        with self._state.lock:
            found = self._state.catalog.find(name)
        if found is None:
            return 0
        self._flusher.flush_one(found)
        minute = self._state.lookup.minute(found)
        with self._state.append_lock:
            is_resting = not self._flusher.grows(found)
            if is_resting:
                # Void the log's records durably: otherwise the next opening would append what the file lacks of them.
                self._log.reset({name: b""}, {name: minute.entries.size})
        if not is_resting:
            self._flusher.flush_one(found)  # with a flush mark, which does that, too
        self._log.sync_notes()
        with self._disk.open_to_read(f"{self._state.root_dir}/{name}") as old:
            known = _check(minute, old)
            positions = choose(minute, old, known.size)
            if not len(positions):
                return 0
            self._state.lookup.line_totals.measure(minute)
            rewritten = self._rewrite(minute, old, known, positions)
        self._tails.rebase(minute, rewritten, has_arrived=False)
        return len(positions)

    def _rewrite(
        self, minute: Minute, old: ReadableFile, known: FileStat, positions: _Positions
    ) -> Scanned | None:
        """Replace *old*, the file of *minute* that is *known*, by one without the entries at *positions*; None if it would be empty."""
        count = minute.entries.position_at(minute.file.stored_size)
        if count == len(positions):
            remove_known(self._disk, old.path, known)
            return None
        first = int(positions[0])
        chunks = _without(old, minute, positions, count)
        start = minute.entries.offset(first)
        prepared = prepare(self._disk, old.path, chunks, (old, known), start)
        with self._disk.open_to_read(prepared.temporary) as written:
            checksum = written.checksum(written.size())
        rest = MinuteEntries.of([minute.entries.without(positions, count)])
        stat = prepared.commit()
        return Scanned(stat, Stamp.exactly(stat), checksum, rest)


def _without(
    old: ReadableFile, minute: Minute, positions: _Positions, count: int
) -> Iterator[bytes]:
    """Read *old*, the file of *minute* with *count* entries, from the first of those at *positions* on, without them."""
    is_kept = np.ones(count, np.bool_)
    is_kept[positions] = False
    edges = np.append(minute.entries.offset(0), minute.entries.layout(0, count).ends)
    first = int(positions[0])
    while first < count:
        last = int(edges.searchsorted(edges[first] + _PIECE_SIZE, "right")) - 1
        last = min(max(last, first + 1), count)
        start, end = int(edges[first]), int(edges[last])
        if is_kept[first:last].any():
            sizes = np.diff(edges[first : last + 1])
            data = np.frombuffer(_read(old, start, end), np.uint8)
            yield data[is_kept[first:last].repeat(sizes)].tobytes()
        first = last


def _check(minute: Minute, old: ReadableFile) -> FileStat:
    """Check that *old* is the file of *minute* as it was flushed, and return its FileStat.

    Raises:
        FileChanged: if it is not.
    """
    now, stat = minute.file.snapshot(), old.stat()
    if stat.size != now.stored_size or not now.may_be(stat):
        raise FileChanged(f"{old.path} was changed by another program; try again")
    return stat


def _read(old: ReadableFile, start: int, end: int) -> bytes:
    data = old.read(start, end - start)
    if len(data) < end - start:
        raise FileChanged(f"{old.path} was truncated by another program; try again")
    return data

"""The remover: it removes whole minutes."""

from collections import deque
from collections.abc import Iterable

from store.disk.disk import Disk
from store.engine.flusher import Flusher
from store.engine.state import State
from store.engine.tails import LoggedTails
from store.engine.watcher import Watcher
from store.errors import (
    EventReadException,
    EventStoreException,
    EventWriteException,
    FileChanged,
    MinuteNotFound,
    StoreFull,
)
from store.wal.log import WriteAheadLog

__all__ = ["Remover"]

_REMOVED_AT_ONCE = 256
"""Maximum number of minutes removed with one fsync, so that the flush lock is not held long."""

_TRIES = 3
"""Maximum number of attempts to flush minutes whose files other programs change."""


class _Request:
    """A minute that is to be removed.

    Attributes:
        name: its name.
        error: why it was not removed; None once it was, durably.
        is_served: whether the attempt is over.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.error: EventStoreException | None = EventWriteException(f"{name} was not removed")
        self.is_served = False

    def fail(self, error: EventStoreException) -> None:
        """Note why it was not removed."""
        is_foreign = isinstance(error, EventReadException) and not isinstance(error, MinuteNotFound)
        self.error = EventWriteException(str(error)) if is_foreign else error


class Remover:
    """Removes minutes. Any number of threads may use it.

    A minute file goes at once, so all of its minute goes or nothing: first the minute is flushed, and it is made durable
    that the log has nothing of it to bring back (on a full disk, after the removal, which makes room for that). After that it
    is as if another program had removed the file. Threads that wait for the flush lock share all fsyncs.

    Args:
        state: the state of the store.
        write_ahead_log: the log that holds the unflushed events.
        disk: the disk of the minute files.
        flusher: flushes them.
        tails: the tails of the minutes.
        watcher: shows what was removed.
    """

    def __init__(
        self,
        state: State,
        write_ahead_log: WriteAheadLog,
        disk: Disk,
        flusher: Flusher,
        tails: LoggedTails,
        watcher: Watcher,
    ) -> None:
        self._state = state
        self._log = write_ahead_log
        self._disk = disk
        self._flusher = flusher
        self._tails = tails
        self._watcher = watcher
        self._waiting: deque[_Request] = deque()

    def remove(self, names: Iterable[str]) -> list[EventStoreException | None]:
        """Remove the minutes *names*; see :meth:`store.api.EventStore.remove_minute`.

        Returns:
            For each, why it was not removed; None if it was.
        """
        requests = [_Request(name) for name in names]
        self._waiting.extend(requests)
        for each in requests:
            while not each.is_served:
                with self._flusher.lock:
                    if not each.is_served:
                        self._serve_next()
        return [each.error for each in requests]

    def _serve_next(self) -> None:
        """Serve those that wait, oldest first; the caller holds the flush lock."""
        count = min(len(self._waiting), _REMOVED_AT_ONCE)
        requests = [self._waiting.popleft() for _ in range(count)]
        wanted: dict[str, _Request] = {}
        for each in requests:
            if wanted.setdefault(each.name, each) is not each:
                each.fail(_not_found(each.name))  # it is removed only once
        try:
            self._serve(wanted)
        except EventStoreException as error:
            for each in wanted.values():
                each.fail(error)
        finally:
            for each in requests:
                each.is_served = True

    def _serve(self, wanted: dict[str, _Request]) -> None:
        """Remove the minutes *wanted*, by name; those that fail are taken out."""
        has_room = True
        self._flush(wanted)
        ids = self._find(wanted)
        if not self._log.sync_marks():
            self._tails.note_removed(ids.values())
            self._flush(wanted)  # those that have grown again get flush marks of this process
            try:
                self._log.sync_notes()
            except StoreFull:
                # The removal makes room for them. Until then, the marks of earlier processes keep the minutes away.
                has_room = False
                self._log.sync_earlier()
            ids = self._find(wanted)
        for name in list(wanted):
            try:
                self._disk.remove(f"{self._state.root_dir}/{name}")
            except EventStoreException as error:
                wanted.pop(name).fail(error)
        try:
            self._watcher.show_removed([ids[name] for name in wanted])
        finally:
            # Durable or not, the removal shows.
            self._disk.sync_directory(self._state.root_dir)
        if not has_room:
            self._log.sync_notes()
        for each in wanted.values():
            each.error = None

    def _flush(self, wanted: dict[str, _Request]) -> None:
        """Flush the minutes *wanted*, by name; those for which that is not possible are taken out."""
        for _ in range(_TRIES):
            ids = self._find(wanted)
            with self._state.append_lock:
                growing = {name for name, minute in ids.items() if self._flusher.grows(minute)}
            changed, failure = self._flusher.flush_some(ids.values())
            if not changed:
                break
            self._watcher.show(changed)
        unmarked = self._log.unmarked
        for name in list(wanted):
            if name in changed:
                error: EventStoreException = FileChanged(f"{name} changes all the time; try again")
            elif failure is not None and (name in growing or self._flusher.is_unsynced(name)):
                error = failure
            elif name in unmarked:
                error = EventWriteException(f"{name} was not marked in the log; try again")
            else:
                continue
            wanted.pop(name).fail(error)

    def _find(self, wanted: dict[str, _Request]) -> dict[str, int]:
        """Return the ids of the minutes *wanted*, by name; those that there are not are taken out."""
        with self._state.append_lock:
            found = {name: self._state.catalog.find(name) for name in wanted}
        for name in [name for name, minute in found.items() if minute is None]:
            wanted.pop(name).fail(_not_found(name))
        return {name: minute for name, minute in found.items() if minute is not None}


def _not_found(name: str) -> MinuteNotFound:
    return MinuteNotFound(f"there is no minute {name!r}")

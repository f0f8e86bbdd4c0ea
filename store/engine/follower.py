"""The read-only event store, on a directory of minute files that another process writes."""

import contextlib
import logging
from collections.abc import Callable, Iterable, Iterator
from typing import NoReturn

import numpy as np

from store.answers.version import Minute
from store.backend import MEMORY_SIZE
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine.file_store import FileStore
from store.engine.listing import list_minutes
from store.engine.reading import Reader
from store.engine.scanner import Scanned
from store.engine.settling import Settling
from store.engine.state import State
from store.engine.watcher import Watcher
from store.errors import EventStoreException, StoreReadOnly
from store.filenames import index_path
from store.format.event import Event
from store.index.database import Database
from store.index.minute import EntryColumns
from store.index.shared import SharedDatabase
from store.locks import new_lock
from store.minutes.file import MinuteFile, StoredFile
from store.progress import Progress, show_nothing
from store.query import Query
from store.timer import PeriodicTimer

__all__ = ["FollowingStore"]

log = logging.getLogger(__name__)


class FollowingStore(FileStore):
    """A store that shows what another process, a store of ours or theia's collector, has flushed.

    It takes no lock and writes nothing; it uses the other process's index as of the opening.

    Args:
        root_dir: the directory of the minute files.
        refresh_interval: milliseconds between checks for changes.
        disk: the disk it is on.
        progress: called with the number of minute files read so far, and the number to read.
        memory_size: the memory budget, in bytes; caches get what the catalog and the streams leave of it.

    Raises:
        EventReadException: if the directory cannot be read.
    """

    is_writable = False

    def __init__(
        self,
        root_dir: str,
        refresh_interval: float = 1000,
        disk: Disk | None = None,
        progress: Progress = show_nothing,
        memory_size: int = MEMORY_SIZE,
    ) -> None:
        super().__init__(root_dir, disk or Disk())
        shared = SharedDatabase(self._disk, index_path(self.root_dir))
        database = Database(self._disk, "", shared)
        self._state = State(self.root_dir, self._disk, database, self._open_file, memory_size)
        self._watcher = Watcher(self._state, self._disk, _NoTails(self._state, self._open_file))
        self._reader = Reader(self._state, self._disk, lambda _: False, self._watcher)
        with contextlib.ExitStack() as on_failure:
            on_failure.callback(database.close)
            self._state.refresh = self._watcher.refresh
            self._watcher.begin()
            on_failure.callback(self._watcher.close)
            self._load_names()
            self._state.load(list_minutes(self._disk, self.root_dir), progress)
            on_failure.pop_all()
        self._watcher.start()
        self._settling = Settling()
        self._timer = PeriodicTimer(max(refresh_interval, 1) / 1000, self._refresh)
        self._timer.start()

    def _open_file(self, name: str, stat: FileStat | None) -> StoredFile:
        return StoredFile(name, self.root_dir, self._disk, stat or FileStat(name, 0, 0, 0, 0))

    def _refresh(self) -> None:
        """Apply all changes since the last call."""
        try:
            self._watcher.look()
            self._load_names()
        except EventStoreException as error:
            log.info("will check for changes again: %s", error)

    def save(self, event: Event) -> NoReturn:
        """Refuse; see :meth:`EventStore.save`."""
        self._check_open()

    def delete(self, event_id: object) -> NoReturn:
        """Refuse; see :meth:`EventStore.delete`."""
        self._check_open()

    def remove_minute(self, name: str) -> NoReturn:
        """Refuse; see :meth:`EventStore.remove_minute`."""
        self._check_open()

    def remove_events(self, query: Query, minute: str) -> NoReturn:
        """Refuse; see :meth:`EventStore.remove_events`."""
        self._check_open()

    def _check_open(self) -> NoReturn:
        raise StoreReadOnly(f"{self.root_dir} is open read-only")

    def close(self) -> None:
        """See :meth:`EventStore.close`."""
        self._timer.cancel()
        self._timer.join()
        self._watcher.close()
        self._state.close(is_complete=False)


class _NoTails:
    """Minutes without tails; see :class:`store.engine.watcher.Tails`."""

    def __init__(
        self, state: State, open_file: Callable[[str, FileStat | None], MinuteFile]
    ) -> None:
        self._state = state
        self._open_file = open_file
        self._lock = new_lock("flush")

    @contextlib.contextmanager
    def exclusive(self) -> Iterator[None]:
        """Let one thread at a time compare files."""
        with self._lock:
            yield

    def has_tail(self, minute: int) -> bool:
        """Return False."""
        del minute
        return False

    def note_removed(self, minutes: Iterable[int]) -> None:
        """Do nothing: there is no log."""

    def absorb(self, minute: Minute, scanned: Scanned) -> bool:
        """Return False: there is no tail."""
        del minute, scanned
        return False

    def rebase(self, minute: Minute, scanned: Scanned | None) -> None:
        """Show *scanned* in place of *minute*."""
        known = self._state.lookup.summaries(np.array([minute.id]))
        lines = self._state.lookup.line_totals.lines([minute.id])
        nothing = EntryColumns(*(np.empty(0, np.int64) for _ in range(3)))
        file = self._open_file(minute.name, scanned.stat if scanned is not None else None)
        with self._state.append_lock:
            made = self._state.replace(
                minute, known, lines, scanned, nothing, file, has_arrived=True
            )
        self._state.save([made] if made is not None else [])

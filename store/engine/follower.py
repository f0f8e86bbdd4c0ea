"""An event store on a directory of minute files that another process writes: the side that only reads."""

import logging
import zlib
from typing import NoReturn

from store.answers.version import Minute
from store.api import Progress, show_nothing
from store.columns import Integers
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine.reading import Archive
from store.errors import EventReadException, StoreReadOnly
from store.format.event import Event
from store.index.catalog import Listing, Stamp, is_recent
from store.minutes.file import MemoryFile, RemovedFile
from store.timer import PeriodicTimer

__all__ = ["FollowingStore"]

_PROBE_SIZE = 4096

log = logging.getLogger(__name__)


class FollowingStore(Archive):
    """Shows what another process has flushed: a store like ours, or theia's collector.

    It takes no lock and writes nothing. Both of them replace their files by renaming, so that one look at the
    directory tells whether there is anything new.

    Args:
        root_dir: the directory of the minute files.
        refresh_interval: milliseconds between looks at it.
        disk: the disk it is on.
        progress: is told how far it has come when it looks at the minute files for the first time.

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
    ) -> None:
        super().__init__(root_dir, disk, progress)
        # By the numbers of minutes: checksums of the ends of what is known of their files.
        self._probes = Integers()
        self._directory_mtime_ns = self._disk.modified_ns(self.root_dir)
        self._declared_tags = self._load_declared_tags()
        self._load()
        self._timer = PeriodicTimer(max(refresh_interval, 1) / 1000, self._refresh)
        self._timer.start()

    def _open_file(self, name: str, stored_size: int) -> MemoryFile:
        return MemoryFile(name, self.root_dir, self._disk, stored_size)

    def _is_growing(self, number: int) -> bool:
        return False

    def _refresh(self) -> None:
        """Take in what changed since the last time."""
        mtime_ns = self._disk.modified_ns(self.root_dir)
        if mtime_ns == self._directory_mtime_ns:
            return
        listing = Listing(self._disk.list_files(self.root_dir))
        declared_tags = self._load_declared_tags()
        with self._lock:
            self._declared_tags = declared_tags
            gone, changed, new = self._table.compare(listing)
            for number in gone:
                self._forget(self._minute(number))
            for start, end in sorted([*new, *map(self._table.span, changed)]):
                try:
                    if self._current_number(f"{start}-{end}") is None:
                        self._notice_minute(start, end)
                except EventReadException as error:
                    # It was replaced or removed meanwhile; the directory shows it at the next look.
                    log.info("not read yet: %s", error)
                    mtime_ns = 0
        self._directory_mtime_ns = 0 if is_recent(mtime_ns) else mtime_ns

    def _forget(self, minute: Minute) -> None:
        minute.file = RemovedFile(minute.name, self.root_dir, minute.file.stored_size)
        self._remove_minute(minute)
        self._save_index([], [minute.number])
        self._contents.unreadable.discard(minute)

    def _add_minute(self, start: int, end: int, changed: float = 0.0) -> Minute | None:
        minute = super()._add_minute(start, end, changed)
        if minute is not None:
            self._probe(minute)
        return minute

    def _look_again(self, minute: Minute, file: FileStat) -> int:
        self._contents.unreadable.discard(minute)
        if not self._has_only_grown(minute, file):
            number = super()._look_again(minute, file)
            self._probe(self._minute(number))
            return number
        opened = self._open_file(minute.name, file.size)
        rows = list(self._scan(minute.name, opened.read, opened.size, minute.index.size))
        minute.file = opened
        self._table.set_stamp(minute.number, Stamp.of(file))
        for each in rows:
            self._grow(minute, each)
        self._save_index([minute])
        self._probe(minute)
        return minute.number

    def _has_only_grown(self, minute: Minute, file: FileStat) -> bool:
        return (
            file.size > minute.index.size
            and not minute.index.ends_damaged
            and self._checksum(minute) == self._probes[minute.number]
        )

    def _probe(self, minute: Minute) -> None:
        while len(self._probes) <= minute.number:
            self._probes.append(0)
        self._probes[minute.number] = self._checksum(minute)

    @staticmethod
    def _checksum(minute: Minute) -> int:
        """A checksum of the end of what is known of a file."""
        end = minute.index.size
        start = max(0, end - _PROBE_SIZE)
        return zlib.crc32(minute.file.read(start, end - start))

    def save(self, event: Event) -> NoReturn:
        """Refuse; see :meth:`EventStore.save`."""
        raise StoreReadOnly(f"{self.root_dir} is only followed here")

    def delete(self, event_id: object) -> NoReturn:
        """Refuse; see :meth:`EventStore.delete`."""
        raise StoreReadOnly(f"{self.root_dir} is only followed here")

    def declare_tag(self, tag: str) -> NoReturn:
        """Refuse; see :meth:`EventStore.declare_tag`."""
        raise StoreReadOnly(f"{self.root_dir} is only followed here")

    def close(self) -> None:
        """See :meth:`EventStore.close`."""
        self._timer.cancel()
        self._timer.join()
        self._index.close()

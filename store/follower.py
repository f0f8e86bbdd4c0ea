"""An event store on a directory of minute files that another process writes: the side that only reads."""

import logging
import time
import zlib
from typing import NoReturn

from store.answer import Minute
from store.archive import Archive
from store.disk import Disk, FileStat
from store.errors import EventReadException, StoreReadOnly
from store.event import Event
from store.minutes import FileIndex, MemoryFile, RemovedFile, parse_name
from store.tagindex import MinuteIndex
from store.timer import PeriodicTimer

__all__ = ["FollowingStore"]

_RECENT_NS = 10**9
"""A directory that changed so recently may change again without a later time to show it."""

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

    Raises:
        EventReadException: if the directory cannot be read.
    """

    is_writable = False

    def __init__(
        self, root_dir: str, refresh_interval: float = 1000, disk: Disk | None = None
    ) -> None:
        super().__init__(root_dir, disk)
        self._seen: dict[str, FileStat] = {}
        self._probes: dict[str, int] = {}
        self._directory_mtime_ns = 0
        self._refresh()
        self._timer = PeriodicTimer(max(refresh_interval, 1) / 1000, self._refresh)
        self._timer.start()

    def _open_file(self, name: str) -> MemoryFile:
        return MemoryFile(name, self.root_dir, self._disk)

    def _refresh(self) -> None:
        """Take in what changed since the last time."""
        mtime_ns = self._disk.modified_ns(self.root_dir)
        if mtime_ns == self._directory_mtime_ns:
            return
        files = {
            file.name: file
            for file in self._disk.list_files(self.root_dir)
            if parse_name(file.name)
        }
        declared_tags = self._load_declared_tags()
        if not self._seen:
            # Much faster than to add one after the other.
            self._files = FileIndex(self.root_dir, self._disk, files)
        with self._lock:
            self._declared_tags = declared_tags
            for name in self._seen.keys() - files.keys():
                self._forget(name)
            changed = [file for name, file in files.items() if self._seen.get(name) != file]
            for file in sorted(changed, key=lambda file: parse_name(file.name) or (0, 0)):
                try:
                    self._take_in(file)
                except EventReadException as error:
                    # It was replaced or removed meanwhile; the directory shows it at the next look.
                    log.info("not read yet: %s", error)
                    mtime_ns = 0
        recent = time.time_ns() - mtime_ns < _RECENT_NS
        self._directory_mtime_ns = 0 if recent else mtime_ns

    def _forget(self, name: str) -> None:
        minute = self._minutes[name]
        minute.file = RemovedFile(minute.name, self.root_dir, minute.file.stored_size)
        self._replace(minute, None, self._contents.arrivals.without(minute.number))
        del self._seen[name], self._probes[name]

    def _take_in(self, file: FileStat) -> None:
        minute = self._minutes.get(file.name)
        if minute is None:
            span = parse_name(file.name)
            assert span is not None, "only minute files are taken in"
            minute = self._make_minute(file.name, span[0])
            self._add_minute(minute)
            self._files.add_file(file.name)
        elif self._has_only_grown(minute, file):
            first = len(minute.index)
            minute.file = self._open_file(file.name)
            self._scan(minute)
            minute.changed = time.time()
            self._contents.arrivals.note(minute.number, first, len(minute.index))
        else:
            log.info("%s is another file now", file.name)
            index = MinuteIndex(minute.start)
            new = Minute(minute.number, file.name, minute.start, self._open_file(file.name), index)
            self._scan(new)
            new.changed = time.time()
            arrivals = self._contents.arrivals.without(minute.number)
            arrivals.note(new.number, 0, len(new.index))
            minute.file = RemovedFile(minute.name, self.root_dir, minute.file.stored_size)
            self._replace(minute, new, arrivals)
            minute = new
        self._seen[file.name] = file._replace(size=minute.file.size)
        self._probes[file.name] = self._probe(minute)

    def _has_only_grown(self, minute: Minute, file: FileStat) -> bool:
        return (
            file.size >= minute.index.size
            and not minute.index.ends_damaged
            and self._probe(minute) == self._probes[file.name]
        )

    @staticmethod
    def _probe(minute: Minute) -> int:
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

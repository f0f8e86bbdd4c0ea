"""Minute files: their names, their bytes, and which of them holds a time.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files that theia wrote may overlap and hold the end as well.
"""

import bisect
import io
import itertools
import math
import os
import re
import threading
from typing import NamedTuple

from store.disk import Disk, ReadableFile, replace_file

__all__ = ["MINUTE_S", "DataFile", "FileIndex", "MemoryFile", "parse_name"]

MINUTE_S = 60
"""How many seconds a new minute file spans, unless the next file starts earlier."""

_NAME = re.compile(r"(0|[1-9][0-9]*)-(0|[1-9][0-9]*)")


class DataFile(NamedTuple):
    """A minute file: its path, and the whole seconds it spans."""

    path: str
    start: int
    end: int


def parse_name(name: str) -> tuple[int, int] | None:
    """Read the start and the end in the name of a minute file; None when it is no such name."""
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    start, end = int(match[1]), int(match[2])
    return (start, end) if start <= end else None


class MemoryFile:
    """A file that grows in memory and is replaced on disk, atomically, when it is flushed.

    It continues the file that is there. Only what was not flushed yet is kept in memory. Any number of
    threads may use it.

    Args:
        name: the file's name.
        path: the directory it is in.
        disk: the disk the directory is on.
    """

    def __init__(self, name: str, path: str, disk: Disk | None = None) -> None:
        self.name = name
        self.path = path
        self._disk = disk or Disk()
        self._file_path = os.path.join(path, name)
        self._pinned: ReadableFile | None = None
        self._is_there = self._disk.exists(self._file_path)
        self._stored_size = 0
        if self._is_there:
            with self._disk.open_to_read(self._file_path) as file:
                self._stored_size = file.size()
        self._tail = bytearray()
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many bytes the file has, flushed or not."""
        with self._lock:
            return self._stored_size + len(self._tail)

    def write(self, data: bytes) -> None:
        """Append data."""
        with self._lock:
            self._tail += data

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset, flushed or not; fewer only at the end.

        Raises:
            EventReadException: if the file on disk cannot be read.
        """
        end = offset + size
        with self._lock:
            stored_size = self._stored_size
            tail = bytes(self._tail[max(offset - stored_size, 0) : max(end - stored_size, 0)])
        if offset >= stored_size:
            return tail
        # A flush that comes in between puts a file in place that starts with the same bytes.
        size = min(end, stored_size) - offset
        if self._pinned is not None:
            return self._pinned.read(offset, size) + tail
        with self._disk.open_to_read(self._file_path) as file:
            return file.read(offset, size) + tail

    def stream(self) -> io.BytesIO:
        """Copy the whole file, flushed or not."""
        return io.BytesIO(self.read(0, self.size))

    def flush(self) -> None:
        """Bring the file on disk up to date; it is never there in part, and lasts when this returns.

        Raises:
            EventWriteException: if that fails; nothing is lost then, and a later flush tries again.
        """
        with self._flush_lock:
            with self._lock:
                pending = bytes(self._tail)
                stored_size = self._stored_size
            if self._is_there and not pending:
                return
            if stored_size:
                with self._disk.open_to_read(self._file_path) as old:
                    replace_file(self._disk, self._file_path, [pending], old, stored_size)
            else:
                replace_file(self._disk, self._file_path, [pending])
            with self._lock:
                self._stored_size += len(pending)
                del self._tail[: len(pending)]
                self._is_there = True

    def pin(self) -> None:
        """Keep the flushed bytes readable for those who still read, before the file is replaced."""
        if self._stored_size:
            self._pinned = self._disk.open_to_read(self._file_path)


class FileIndex:
    """The minute files of a directory, by time. Names that are not ``<start>-<end>`` are ignored.

    Args:
        root_dir: the directory.
        disk: the disk it is on.
    """

    def __init__(self, root_dir: str, disk: Disk | None = None) -> None:
        self.root_dir = root_dir
        self._files: list[DataFile] = []
        for file in (disk or Disk()).list_files(root_dir):
            span = parse_name(file.name)
            if span is not None:
                self._files.append(DataFile(os.path.join(root_dir, file.name), *span))
        self._files.sort(key=_by_time)
        # The latest end up to each file: files may overlap, so their ends need not be in order.
        self._latest_ends = list(itertools.accumulate((file.end for file in self._files), max))

    @property
    def files(self) -> list[DataFile]:
        """The files, sorted by start."""
        return list(self._files)

    def find(self, ts_from: float, ts_to: float | None) -> list[DataFile] | None:
        """Find the files that may hold events from one time to another, both included.

        Args:
            ts_from: seconds since the epoch.
            ts_to: seconds since the epoch; open when 0 or None.

        Returns:
            The files sorted by start; None when there are none.
        """
        first = bisect.bisect_left(self._latest_ends, ts_from)
        last = bisect.bisect_right(self._files, ts_to or math.inf, key=_start)
        return [file for file in self._files[first:last] if file.end >= ts_from] or None

    def find_event_file(self, ts: float) -> DataFile | None:
        """Find the first file that ends at or after a time; None outside of the whole span."""
        if not self._files or ts < self._files[0].start:
            return None
        first = bisect.bisect_left(self._latest_ends, ts)
        return self._files[first] if first < len(self._files) else None

    def find_home(self, ts: float) -> DataFile:
        """Find the file a new event of this time belongs in, or say which file to make for it.

        A new file starts at the whole second of the event and spans a minute, cut short where the next
        file starts.
        """
        later = bisect.bisect_right(self._files, ts, key=_start)
        index = later
        while index > 0 and self._latest_ends[index - 1] > ts:
            index -= 1
            if self._files[index].end > ts:
                return self._files[index]
        start = int(ts)
        end = start + MINUTE_S
        if later < len(self._files):
            end = min(end, self._files[later].start)
        return DataFile(os.path.join(self.root_dir, f"{start}-{end}"), start, end)

    def add_file(self, name: str) -> None:
        """Add a file by its name; a name that is not ``<start>-<end>`` is ignored."""
        span = parse_name(name)
        if span is None:
            return
        file = DataFile(os.path.join(self.root_dir, name), *span)
        index = bisect.bisect_left(self._files, _by_time(file), key=_by_time)
        if index < len(self._files) and self._files[index] == file:
            return
        self._files.insert(index, file)
        self._latest_ends.insert(index, 0)
        self._update_latest_ends(index)

    def remove_file(self, name: str) -> None:
        """Forget a file."""
        for index, file in enumerate(self._files):
            if os.path.basename(file.path) == name:
                del self._files[index], self._latest_ends[index]
                self._update_latest_ends(index)
                return

    def _update_latest_ends(self, index: int) -> None:
        """Bring the latest ends up to date after a file came or went at this index."""
        latest = self._latest_ends[index - 1] if index else -1
        for position in range(index, len(self._files)):
            latest = max(latest, self._files[position].end)
            if position > index and self._latest_ends[position] == latest:
                return
            self._latest_ends[position] = latest


def _by_time(file: DataFile) -> tuple[int, int]:
    return file.start, file.end


def _start(file: DataFile) -> int:
    return file.start

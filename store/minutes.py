"""Minute files: their names, their bytes, and which of them holds a time.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files that theia wrote may overlap and hold the end as well.
"""

import io
import math
import os
import re
import threading
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.columns import Integers
from store.disk import Disk, ReadableFile
from store.errors import EventReadException
from store.gathering import Gathering
from store.replacing import replace_file

__all__ = [
    "MINUTE_S",
    "DataFile",
    "FileIndex",
    "GrowingFile",
    "MemoryFile",
    "RemovedFile",
    "parse_name",
]

MINUTE_S = 60
"""How many seconds a new minute file spans, unless the next file starts earlier."""

_CHUNK_SIZE = 1 << 20

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


class GrowingFile(ABC):
    """A file that grows at its end and is replaced on disk, atomically, when it is flushed.

    It continues the file that is there. Its *tail* is what was not flushed yet; where that is meanwhile is for
    subclasses to say. Any number of threads may use it.

    Args:
        name: the file's name.
        path: the directory it is in.
        disk: the disk the directory is on.
        stored_size: the size in bytes of the file that is there; None when that is to be found out.
    """

    def __init__(
        self, name: str, path: str, disk: Disk | None = None, stored_size: int | None = None
    ) -> None:
        self.name = name
        self.path = path
        self._disk = disk or Disk()
        self._file_path = os.path.join(path, name)
        self._pinned: ReadableFile | None = None
        self._is_there = stored_size is not None or self._disk.exists(self._file_path)
        self._stored_size = stored_size or 0
        if self._is_there and stored_size is None:
            with self._disk.open_to_read(self._file_path) as file:
                self._stored_size = file.size()
        self._tail_size = 0
        self._lock = threading.Lock()
        self._flush_lock = threading.Lock()

    @property
    def size(self) -> int:
        """How many bytes the file has, flushed or not."""
        with self._lock:
            return self._stored_size + self._tail_size

    @property
    def stored_size(self) -> int:
        """How many bytes of it are on disk for good."""
        with self._lock:
            return self._stored_size

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset, flushed or not; fewer only at the end.

        Raises:
            EventReadException: if the file on disk, or the tail, cannot be read.
        """
        end = offset + size
        with self._lock:
            stored_size = self._stored_size
            tail_end = min(end, stored_size + self._tail_size)
            tail = b""
            if tail_end > stored_size:
                tail = self._read_tail(max(offset, stored_size), tail_end)
            if offset >= stored_size:
                return tail
            # A flush that comes in between leaves the file that was opened as it is.
            file = self._open()
        return file.read(offset, min(end, stored_size) - offset) + tail

    def gather(self, wanted: Gathering, first: int, last: int) -> None:
        """Read pieces of the file, from a first to before a last, flushed or not.

        Raises:
            EventReadException: if the file on disk, or the tail, cannot be read, or ends before.
        """
        with self._lock:
            stored = first + int(wanted.stops[first:last].searchsorted(self._stored_size, "right"))
            # A flush that comes in between leaves the file that was opened as it is.
            file = self._open() if stored > first else None
        if file is not None:
            file.gather(wanted, first, stored)
        for begin, end in wanted.runs(stored, last) if stored < last else ():
            start, stop = int(wanted.starts[begin]), int(wanted.stops[end - 1])
            data = self.read(start, stop - start)
            if len(data) < stop - start:
                raise EventReadException(f"{self.name} ends before byte {stop}")
            for piece in range(begin, end):
                at = slice(int(wanted.starts[piece]) - start, int(wanted.stops[piece]) - start)
                wanted.part(piece)[:] = data[at]

    def _open(self) -> ReadableFile:
        return self._pinned or self._disk.open_to_read(self._file_path)

    def stream(self) -> io.BytesIO:
        """Copy the whole file, flushed or not."""
        return io.BytesIO(self.read(0, self.size))

    def flush(self) -> None:
        """Bring the file on disk up to date; it is never there in part, and lasts when this returns.

        Raises:
            EventWriteException: if that fails; nothing is lost then, and a later flush tries again.
            EventReadException: the same, if what is to be written cannot be read.
        """
        with self._flush_lock:
            with self._lock:
                stored_size, tail_size = self._stored_size, self._tail_size
            if self._is_there and not tail_size:
                return
            tail = self._tail_in_chunks(stored_size, stored_size + tail_size)
            if stored_size:
                with self._disk.open_to_read(self._file_path) as old:
                    replace_file(self._disk, self._file_path, tail, old, stored_size)
            else:
                replace_file(self._disk, self._file_path, tail)
            with self._lock:
                self._stored_size += tail_size
                self._tail_size -= tail_size
                self._forget_tail(tail_size)
                self._is_there = True

    def pin(self) -> None:
        """Keep the flushed bytes readable for those who still read, before the file is replaced."""
        with self._lock:
            if self._stored_size:
                self._pinned = self._disk.open_to_read(self._file_path)

    def _tail_in_chunks(self, start: int, end: int) -> Iterator[bytes]:
        for offset in range(start, end, _CHUNK_SIZE):
            with self._lock:
                chunk = self._read_tail(offset, min(offset + _CHUNK_SIZE, end))
            yield chunk

    @abstractmethod
    def _read_tail(self, start: int, end: int) -> bytes:
        """Read from a start to an end in the file, both in the tail; the caller holds the lock."""

    @abstractmethod
    def _forget_tail(self, size: int) -> None:
        """Let go of so many bytes, which were flushed; the caller holds the lock."""


class MemoryFile(GrowingFile):
    """A growing file whose tail is in memory."""

    def __init__(
        self, name: str, path: str, disk: Disk | None = None, stored_size: int | None = None
    ) -> None:
        super().__init__(name, path, disk, stored_size)
        self._tail = bytearray()

    def write(self, data: bytes) -> None:
        """Append data."""
        with self._lock:
            self._tail += data
            self._tail_size += len(data)

    def _read_tail(self, start: int, end: int) -> bytes:
        return bytes(self._tail[start - self._stored_size : end - self._stored_size])

    def _forget_tail(self, size: int) -> None:
        del self._tail[:size]


class RemovedFile(MemoryFile):
    """What is left of a file that was removed or replaced, for those who have it open: its tail.

    Args:
        name: the name it had.
        path: the directory it was in.
        stored_size: how many bytes of it are gone.
        tail: what was not flushed to it.
    """

    def __init__(self, name: str, path: str, stored_size: int, tail: bytes = b"") -> None:
        super().__init__(f"{name} (removed)", path, stored_size=stored_size)
        self.write(tail)


class FileIndex:
    """The minute files of a directory, by time. Names that are not ``<start>-<end>`` are ignored.

    Args:
        root_dir: the directory.
        disk: the disk it is on.
        names: the names of the files there; None when that is to be found out.
    """

    def __init__(
        self, root_dir: str, disk: Disk | None = None, names: Iterable[str] | None = None
    ) -> None:
        self.root_dir = root_dir
        # Columns, for there may be a million files. The latest end is the one up to each file: files may
        # overlap, so their ends need not be in order.
        self._starts = Integers()
        self._ends = Integers()
        self._latest_ends = Integers()
        if names is None:
            names = (disk or Disk()).list_names(root_dir)
        for span in sorted(filter(None, map(parse_name, names))):
            self.add(*span)

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, position: int) -> DataFile:
        start, end = self._starts[position], self._ends[position]
        return DataFile(os.path.join(self.root_dir, f"{start}-{end}"), start, end)

    @property
    def files(self) -> list[DataFile]:
        """The files, sorted by start."""
        return [self[position] for position in range(len(self))]

    def find(self, ts_from: float, ts_to: float | None) -> list[DataFile] | None:
        """Find the files that may hold events from one time to another, both included.

        Args:
            ts_from: seconds since the epoch.
            ts_to: seconds since the epoch; open when 0 or None.

        Returns:
            The files sorted by start; None when there are none.
        """
        first = self._latest_ends.find_left(ts_from)
        last = self._starts.find_right(ts_to or math.inf)
        found = [self[position] for position in range(first, last)]
        return [file for file in found if file.end >= ts_from] or None

    def find_event_file(self, ts: float) -> DataFile | None:
        """Find the first file that ends at or after a time; None outside of the whole span."""
        if not len(self) or ts < self._starts[0]:
            return None
        first = self._latest_ends.find_left(ts)
        return self[first] if first < len(self) else None

    def find_home(self, ts: float) -> tuple[int, int]:
        """Find the file a new event of this time belongs in, or say which file to make for it: its start and its end.

        A new file starts at the whole second of the event and spans a minute, cut short where the next
        file starts.
        """
        later = self._starts.find_right(ts)
        position = later
        while position > 0 and self._latest_ends[position - 1] > ts:
            position -= 1
            if self._ends[position] > ts:
                return self._starts[position], self._ends[position]
        start = int(ts)
        end = start + MINUTE_S
        if later < len(self):
            end = min(end, self._starts[later])
        return start, end

    def position(self, start: int, end: int) -> int:
        """Where a file of this span is, or would be."""
        first = self._starts.find_left(start)
        last = self._starts.find_right(start, first)
        return self._ends.find_left(end, first, last)

    def has(self, start: int, end: int) -> bool:
        """Whether there is a file of this span."""
        return self.is_at(self.position(start, end), start, end)

    def is_at(self, position: int, start: int, end: int) -> bool:
        """Whether the file at a position is that of a span."""
        return (
            position < len(self._starts)
            and self._starts[position] == start
            and self._ends[position] == end
        )

    def add_file(self, name: str) -> None:
        """Add a file by its name; a name that is not ``<start>-<end>`` is ignored."""
        span = parse_name(name)
        if span is not None and not self.has(*span):
            self.add(*span)

    def remove_file(self, name: str) -> None:
        """Forget a file."""
        span = parse_name(name)
        if span is not None and self.has(*span):
            self.remove(self.position(*span))

    def remove(self, position: int) -> None:
        """Forget the file at a position."""
        for column in (self._starts, self._ends, self._latest_ends):
            del column[position]
        self._update_latest_ends(position)

    def add(self, start: int, end: int) -> int:
        """Add a file that is not there yet by its span; returns its position."""
        position = self.position(start, end)
        self._starts.insert(position, start)
        self._ends.insert(position, end)
        self._latest_ends.insert(position, -1)
        self._update_latest_ends(position)
        return position

    def fill(self, starts: NDArray[np.int64], ends: NDArray[np.int64]) -> None:
        """Add many files, in order, where there are none yet."""
        self._starts.extend(starts)
        self._ends.extend(ends)
        self._latest_ends.extend(np.maximum.accumulate(ends))

    def _update_latest_ends(self, first: int) -> None:
        """Bring the latest ends up to date after a file came or went at this position."""
        latest = self._latest_ends[first - 1] if first else -1
        for position in range(first, len(self)):
            latest = max(latest, self._ends[position])
            if position > first and self._latest_ends[position] == latest:
                return
            self._latest_ends[position] = latest

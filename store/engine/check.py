"""Auditing a store: finding all damage and leftovers in it, and repairing them on request."""

import contextlib
import math
import os
from collections.abc import Callable, Generator, Iterator
from enum import Enum
from typing import NamedTuple

import numpy as np

from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.engine.duplicates import DuplicateFinder
from store.engine.location import check_location, check_there
from store.engine.naive import NaiveEventStore
from store.errors import EventReadException
from store.filenames import hidden_path, journal_path, lock_path
from store.format.record import Record
from store.format.scan import Block, Damage, scan, scan_blocks
from store.minutes.names import parse_name
from store.ticks import TICKS_PER_S, in_decimal
from store.wal.recovery import is_left_over, quarantine
from store.wal.segment import list_segments, read_records

__all__ = ["Audit", "Defect", "Finding"]

_MEMORY_SIZE = 64 << 20

_RECORD_SIZE_MIN = 40
"""Size of the smallest possible event in bytes, which bounds the number of events in a file."""

_QUARANTINE_SIZE_MAX = 16 << 20
"""Maximum size of one quarantine file in bytes; it is in memory while it is written."""

_HEADER_SIZE = 4 << 10
"""Bytes to read at once where only a header is needed."""


class Defect(Enum):
    """The kinds of defects; the values name several of each."""

    DAMAGED = "places with damaged bytes"
    MISPLACED = "events with a time that is not in the span of their file"
    REPEATED = "events with an id that another one has"
    LEFT_OVER = "files left over from crashes"
    TORN = "places in the log that are no whole record"
    NO_FILE = "names of minutes that are no regular files"
    UNREADABLE = "files that cannot be read"


class Finding(NamedTuple):
    """A defect in a store.

    Attributes:
        kind: of which kind it is.
        path: the file.
        offset: its offset in the file, in bytes.
        what: a description of the defect.
    """

    kind: Defect
    path: str
    offset: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.offset}: {self.what}"


class Audit:
    """An audit of everything in a store, with repairs on request.

    It finds bytes in minute files that are not events, events whose time is not in the span their file is named for
    (theia's may have the end as well), ids that occur more than once, links and directories named like minute files, records of
    the log that are not whole, and files left over from crashes.

    While another process writes the store, its log and temporary files are skipped, because they change.

    Attributes:
        is_in_use: whether another process was writing the store when the audit began.

    Args:
        root_dir: the directory of the minute files.
        to_repair: replay the log, remove files left over from crashes, and move damage to the
            quarantine. Every whole event stays where it is.
        disk: the disk it is on.
        memory_size: memory for the ids of the events, in bytes; ids beyond it go to a temporary file.

    Raises:
        EventStoreException: if there is no readable store.
    """

    def __init__(
        self,
        root_dir: str,
        to_repair: bool = False,
        disk: Disk | None = None,
        memory_size: int = _MEMORY_SIZE,
    ) -> None:
        self._root_dir = root_dir
        self._to_repair = to_repair
        self._disk = disk or Disk()
        self._hidden = hidden_path(root_dir)
        self._journal = journal_path(self._root_dir)
        self._memory_size = memory_size
        self._names: list[str] = []
        self._size = 0
        check_location(self._disk, root_dir)
        check_there(self._disk, root_dir)
        self._find_minutes()
        self._ids = DuplicateFinder(0, 0)
        self.is_in_use = False

    @property
    def size(self) -> int:
        """The total size of the minute files to read, in bytes."""
        return self._size

    def run(self, progress: Callable[[int], object] = lambda _size: None) -> Iterator[Finding]:
        """Audit everything once; yield each finding at once.

        In a large store, events whose id occurred before come last.

        Args:
            progress: called with the number of bytes read since the previous call.

        Raises:
            StoreLocked: if it is to be repaired and another process has it open.
            EventStoreException: if something could not be read or repaired.
        """
        if self._to_repair:
            self._disk.make_directory(self._journal)
            with self._locked():
                yield from self._check_crashes()
            # Opening and closing a store replays its log, and removes the leftovers of a crash.
            NaiveEventStore(self._root_dir, math.inf, self._disk).close()
            with self._locked():
                self._find_minutes()
                yield from self._check_minutes(progress)
        else:
            # An audit without repair needs no right to write.
            self.is_in_use = self._disk.is_store_locked(self._root_dir, lock_path(self._root_dir))
            if not self.is_in_use:
                yield from self._check_crashes()
            yield from self._check_minutes(progress)

    def _locked(self) -> contextlib.AbstractContextManager[object]:
        return contextlib.closing(self._disk.lock_store(self._root_dir, lock_path(self._root_dir)))

    def _check_crashes(self) -> Iterator[Finding]:
        """Check for the leftovers of crashed processes."""
        yield from self._check_left_overs(self._root_dir, is_log=False)
        yield from self._check_left_overs(self._journal, is_log=True)
        yield from self._check_log()

    def _check_minutes(self, progress: Callable[[int], object]) -> Iterator[Finding]:
        yield from self._check_links()
        self._ids = DuplicateFinder(self._memory_size, self._size // _RECORD_SIZE_MIN)
        for number, name in enumerate(self._names):
            try:
                size = yield from self._check_minute(number, name)
            except EventReadException as error:
                # The writer of the store may have removed it; every other file must be readable.
                if self._disk.exists(path := os.path.join(self._root_dir, name)):
                    yield Finding(Defect.UNREADABLE, path, 0, str(error))
            else:
                progress(size)
        for number, offset in self._ids.remaining():
            yield from self._check_duplicate(self._names[number], offset)

    def _find_minutes(self) -> None:
        """List the minute files in the order of their spans."""
        found = []
        self._size = 0
        for file in self._disk.list_files(self._root_dir):
            span = parse_name(file.name)
            if span is not None:
                found.append((span, file.name))
                self._size += file.size
        self._names = [name for _span, name in sorted(found)]

    def _check_links(self) -> Iterator[Finding]:
        for name in sorted(self._disk.list_links(self._root_dir)):
            if parse_name(name) is not None:
                path = os.path.join(self._root_dir, name)
                what = "a symbolic link, which is not served as a minute"
                yield Finding(Defect.NO_FILE, path, 0, what)
        for name in sorted(self._disk.list_others(self._root_dir)):
            if parse_name(name) is not None:
                path = os.path.join(self._root_dir, name)
                what = "no regular file: move it away, so that its minute can be written"
                yield Finding(Defect.NO_FILE, path, 0, what)

    def _check_left_overs(self, directory: str, *, is_log: bool) -> Iterator[Finding]:
        if self._disk.exists(directory):
            for name in self._disk.list_names(directory):
                if is_left_over(name, is_log=is_log):
                    path = os.path.join(directory, name)
                    what = "left over from a crash while it was written"
                    yield Finding(Defect.LEFT_OVER, path, 0, what)

    def _check_log(self) -> Iterator[Finding]:
        """Find incomplete records; complete ones are normal after a crash."""
        for segment in list_segments(self._disk, self._journal):
            with self._disk.open_to_read(segment.path) as file:
                for start, end, record in read_records(file.read, segment.start, segment.end):
                    if record is None:
                        what = f"{end - start} bytes that are no whole record"
                        yield Finding(Defect.TORN, segment.path, start, what)

    def _check_minute(self, number: int, name: str) -> Generator[Finding, None, int]:
        """Check the minute file *name* with the number *number*; return its size."""
        path = os.path.join(self._root_dir, name)
        span = parse_name(name)
        assert span is not None, "only minute files are listed"
        minute = _Minute(number, path, span[0] * TICKS_PER_S, span[1] * TICKS_PER_S)
        damaged: list[tuple[int, int]] = []
        with self._disk.open_to_read(path) as file:
            position, size = 0, file.size()
            for found in scan_blocks(file.read, size):
                if isinstance(found, Block):
                    yield from self._check_block(minute, position, found)
                elif isinstance(found, Damage):
                    if self._to_repair:
                        damaged.append((position, position + found.size))
                    what = f"{found.size} damaged bytes: {found.reason}"
                    yield Finding(Defect.DAMAGED, path, position, what)
                else:
                    header = found.header
                    if not minute.start <= header.ticks <= minute.end:
                        yield minute.misplaced(position, header.id, header.ticks)
                    if self._ids.add(number, np.array([position]), [header.id]):
                        yield minute.repeated(position, header.id)
                position += found.size
            if damaged:
                self._repair(name, file, size, damaged)
        return size

    def _check_block(self, minute: "_Minute", position: int, block: Block) -> Iterator[Finding]:
        data, records = block
        bounds = zip(records.id_starts.tolist(), records.id_ends.tolist(), strict=True)
        ids = [data[start:end] for start, end in bounds]
        offsets = records.starts + position
        is_misplaced = (records.ticks < minute.start) | (records.ticks > minute.end)
        findings = [
            (row, minute.misplaced(int(offsets[row]), ids[row], int(records.ticks[row])))
            for row in is_misplaced.nonzero()[0].tolist()
        ]
        findings += [
            (row, minute.repeated(int(offsets[row]), ids[row]))
            for row in self._ids.add(minute.number, offsets, ids)
        ]
        for _row, finding in sorted(findings, key=lambda each: each[0]):
            yield finding

    def _check_duplicate(self, name: str, offset: int) -> Iterator[Finding]:
        """Report the event at *offset* of the file *name*, whose id occurred before; read the id again."""
        path = os.path.join(self._root_dir, name)
        minute = _Minute(0, path, 0, 0)
        if not self._disk.exists(path):
            return
        with self._disk.open_to_read(path) as file:
            # Only its header is read.
            found = next(
                scan(lambda at, size: file.read(at, min(size, _HEADER_SIZE)), file.size(), offset),
                None,
            )
        if isinstance(found, Record):
            yield minute.repeated(offset, found.header.id)

    def _repair(
        self, name: str, file: ReadableFile, size: int, damaged: list[tuple[int, int]]
    ) -> None:
        """Move the *damaged* ranges of the file *name* to the quarantine, and keep the rest as it is."""
        for piece in _pieces(file, damaged):
            quarantine(self._disk, self._hidden, name, piece, file)
        path = os.path.join(self._root_dir, name)
        edges = [0, *(edge for each in damaged for edge in each), size]
        kept = [
            (start, end) for start, end in zip(edges[::2], edges[1::2], strict=True) if start < end
        ]
        if kept:
            # The new file has the permissions and the owner of the old one.
            chunks = (chunk for start, end in kept for chunk in file.chunks(start, end))
            replace_file(self._disk, path, chunks, file, 0)
        else:
            self._disk.remove(path)
            self._disk.sync_directory(self._root_dir)


class _Minute(NamedTuple):
    """A minute file that is being checked: its number and path, and the ticks its name says, both included."""

    number: int
    path: str
    start: int
    end: int

    def misplaced(self, offset: int, event_id: bytes, ticks: int) -> Finding:
        span = f"from {self.start // TICKS_PER_S} to {self.end // TICKS_PER_S}"
        what = f"event {_shown(event_id)}: its time {in_decimal(ticks)} is not {span}"
        return Finding(Defect.MISPLACED, self.path, offset, what)

    def repeated(self, offset: int, event_id: bytes) -> Finding:
        what = f"event {_shown(event_id)}: there is another one with this id"
        return Finding(Defect.REPEATED, self.path, offset, what)


def _pieces(file: ReadableFile, ranges: list[tuple[int, int]]) -> Iterator[bytes]:
    """Read *ranges* of *file* in pieces that fit in memory."""
    data = b""
    for start, end in ranges:
        for chunk in file.chunks(start, end):
            if data and len(data) + len(chunk) > _QUARANTINE_SIZE_MAX:
                yield data
                data = b""
            data += chunk
    yield data


def _shown(event_id: bytes) -> str:
    return event_id.decode("utf-8", "replace")

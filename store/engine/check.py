"""Auditing a store: finding all damage and leftovers in it, and repairing them on request."""

import contextlib
import math
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from enum import Enum
from typing import NamedTuple, Self

from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.engine.duplicates import DuplicateFinder
from store.engine.examination import EventAt, Examiners, Part, examine
from store.engine.location import check_location, check_there
from store.engine.naive import NaiveEventStore
from store.errors import EventReadException
from store.filenames import hidden_path, journal_path, lock_path
from store.format.record import Record
from store.format.scan import scan
from store.minutes.names import parse_name
from store.ticks import in_decimal
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
        process_count: the number of processes that examine the minute files; 0 if this one does. They end with the context.

    Raises:
        EventStoreException: if there is no readable store, or a process cannot be started.
    """

    def __init__(
        self,
        root_dir: str,
        to_repair: bool = False,
        disk: Disk | None = None,
        memory_size: int = _MEMORY_SIZE,
        process_count: int = 0,
    ) -> None:
        self._root_dir = root_dir
        self._to_repair = to_repair
        self._disk = disk or Disk()
        self._hidden = hidden_path(root_dir)
        self._journal = journal_path(self._root_dir)
        self._memory_size = memory_size
        self._names: list[str] = []
        self._sizes: list[int] = []
        check_location(self._disk, root_dir)
        check_there(self._disk, root_dir)
        self._find_minutes()
        self._ids = DuplicateFinder(0, 0)
        self.is_in_use = False
        self._examiners = Examiners(root_dir, self._disk, process_count)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._examiners.__exit__(*exc_info)

    @property
    def size(self) -> int:
        """The total size of the minute files to read, in bytes."""
        return sum(self._sizes)

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
        self._ids = DuplicateFinder(self._memory_size, self.size // _RECORD_SIZE_MIN)
        examined = self._examiners.examine_all(self._names, self._sizes)
        for number, (name, parts) in enumerate(zip(self._names, examined, strict=True)):
            try:
                size = yield from self._check_minute(number, name, parts)
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
        listed = self._disk.list_files(self._root_dir)
        found = [(span, file) for file in listed if (span := parse_name(file.name)) is not None]
        found.sort()
        self._names = [file.name for _span, file in found]
        self._sizes = [file.size for _span, file in found]

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

    def _check_minute(
        self, number: int, name: str, parts: Iterable[Part]
    ) -> Generator[Finding, None, int]:
        """Check the minute file *name* with the number *number* and *parts*; return its size."""
        path = os.path.join(self._root_dir, name)
        is_damaged, size = False, 0
        for part in parts:
            if part.damage:
                is_damaged = True
                what = f"{part.size} damaged bytes: {part.damage}"
                yield Finding(Defect.DAMAGED, path, part.offset, what)
            else:
                yield from self._check_events(number, name, part)
            size = part.offset + part.size
        if is_damaged and self._to_repair:
            self._repair(name)
        return size

    def _check_events(self, number: int, name: str, part: Part) -> Iterator[Finding]:
        findings = [_misplaced(self._root_dir, name, each) for each in part.misplaced]
        for row in self._ids.add(number, part.offsets, part.hashes):
            findings += self._check_duplicate(name, int(part.offsets[row]))
        findings.sort(key=lambda each: each.offset)
        yield from findings

    def _check_duplicate(self, name: str, offset: int) -> Iterator[Finding]:
        """Report the event at *offset* of the file *name*, whose id occurred before; read the id again."""
        path = os.path.join(self._root_dir, name)
        if not self._disk.exists(path):
            return
        with self._disk.open_to_read(path) as file:
            # Only its header is read.
            found = next(
                scan(lambda at, size: file.read(at, min(size, _HEADER_SIZE)), file.size(), offset),
                None,
            )
        if isinstance(found, Record):
            what = f"event {_shown(found.header.id)}: there is another one with this id"
            yield Finding(Defect.REPEATED, path, offset, what)

    def _repair(self, name: str) -> None:
        """Move the damage in the file *name* to the quarantine, and keep the rest as it is."""
        with self._disk.open_to_read(os.path.join(self._root_dir, name)) as file:
            damaged = [
                (part.offset, part.offset + part.size)
                for part in examine(file, name)
                if part.damage
            ]
            self._remove(name, file, damaged)

    def _remove(self, name: str, file: ReadableFile, damaged: list[tuple[int, int]]) -> None:
        """Move the *damaged* ranges of *file*, that of the minute *name*, to the quarantine."""
        for piece in _pieces(file, damaged):
            quarantine(self._disk, self._hidden, name, piece, file)
        path = os.path.join(self._root_dir, name)
        edges = [0, *(edge for each in damaged for edge in each), file.size()]
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


def _misplaced(root_dir: str, name: str, event: EventAt) -> Finding:
    """Return the finding that *event* is, of the minute file *name* in *root_dir*."""
    start, _, end = name.partition("-")
    what = (
        f"event {_shown(event.id)}: its time {in_decimal(event.ticks)} is not from {start} to {end}"
    )
    return Finding(Defect.MISPLACED, os.path.join(root_dir, name), event.offset, what)


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

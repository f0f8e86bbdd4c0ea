"""Auditing a directory of minute files: is everything in it as it is meant to be?"""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import NamedTuple

from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile
from store.errors import EventReadException
from store.filenames import HIDDEN_DIRECTORY, journal_path, lock_path
from store.format import record as frame
from store.format.scan import Damage, scan
from store.minutes.names import parse_name
from store.wal.recovery import is_left_over, quarantine, recover
from store.wal.segment import list_segments, read_records

__all__ = ["Audit", "Finding"]


class Finding(NamedTuple):
    """Something that is not as it is meant to be.

    Attributes:
        path: the file.
        offset: where in it, in bytes.
        what: what is wrong there.
    """

    path: str
    offset: int
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.offset}: {self.what}"


class Audit:
    """Looks at everything in a store, and mends what can be mended when asked to.

    It looks for bytes in minute files that are no event, for events whose time is not in the span their file
    is named for (theia's may have the end as well), for ids that are there twice, for records of the journal
    that are not whole, and for what crashed flushes left over.

    While another process writes the store, its journal and its temporary files are left alone: they change.

    Attributes:
        is_in_use: whether that was so, when it was run.

    Args:
        root_dir: the directory of the minute files.
        to_repair: mend what is found: replay the journal, remove what crashes left over, and move bytes that
            are no event to the quarantine. Every whole event stays where it is.
        disk: the disk it is on.

    Raises:
        EventStoreException: if there is no store that can be read.
    """

    def __init__(self, root_dir: str, to_repair: bool = False, disk: Disk | None = None) -> None:
        self._root_dir = root_dir
        self._to_repair = to_repair
        self._disk = disk or Disk()
        self._hidden = os.path.join(self._root_dir, HIDDEN_DIRECTORY)
        self._journal = journal_path(self._root_dir)
        self._ids: set[int] = set()
        self._files = self._minute_files()
        self.is_in_use = False

    @property
    def size(self) -> int:
        """How many bytes of minute files there are to look at."""
        return sum(file.size for file in self._files)

    def run(self, progress: Callable[[int], object] = lambda _size: None) -> Iterator[Finding]:
        """Look at everything once, and yield what is found as it is found.

        Args:
            progress: called with the number of bytes that were looked at since it was called before.

        Raises:
            StoreLocked: if it is to be repaired and another process has it open.
            EventStoreException: if something could not be read or mended.
        """
        if self._to_repair:
            # Nobody else may write meanwhile; to look, on the other hand, needs no right to write.
            self._disk.make_directory(self._journal)
            with contextlib.closing(self._disk.lock(lock_path(self._root_dir))):
                yield from self._run(progress)
        else:
            self.is_in_use = self._disk.is_locked(lock_path(self._root_dir))
            yield from self._run(progress)

    def _run(self, progress: Callable[[int], object]) -> Iterator[Finding]:
        if not self.is_in_use:
            yield from self._check_left_overs(self._root_dir)
            yield from self._check_left_overs(self._journal)
            yield from self._check_journal()
        if self._to_repair:
            recover(self._disk, self._root_dir, self._hidden, self._journal)
            self._files = self._minute_files()
        for file in self._files:
            try:
                yield from self._check_minute(file.name)
            except EventReadException as error:
                # Whether it is gone by now, as in a store that is used, or cannot be read, others can.
                if self._disk.exists(path := os.path.join(self._root_dir, file.name)):
                    yield Finding(path, 0, str(error))
            progress(file.size)

    def _minute_files(self) -> list[FileStat]:
        found = [(parse_name(file.name), file) for file in self._disk.list_files(self._root_dir)]
        return [file for _span, file in sorted((span, file) for span, file in found if span)]

    def _check_left_overs(self, directory: str) -> Iterator[Finding]:
        if self._disk.exists(directory):
            for name in self._disk.list_names(directory):
                if is_left_over(name):
                    path = os.path.join(directory, name)
                    yield Finding(path, 0, "left over from a crash while it was written")

    def _check_journal(self) -> Iterator[Finding]:
        """Look for records that are not whole. That there are records is nothing unusual after a crash."""
        for segment in list_segments(self._disk, self._journal):
            with self._disk.open_to_read(segment.path) as file:
                for start, end, record in read_records(file.read, segment.start, segment.end):
                    if record is None:
                        what = f"{end - start} bytes that are no whole record"
                        yield Finding(segment.path, start, what)

    def _check_minute(self, name: str) -> Iterator[Finding]:
        path = os.path.join(self._root_dir, name)
        span = parse_name(name)
        assert span is not None, "only minute files are looked at"
        kept: list[tuple[int, int]] = []
        damaged: list[tuple[int, int]] = []
        with self._disk.open_to_read(path) as file:
            position = 0
            for found in scan(file.read, file.size()):
                end = position + found.size
                if isinstance(found, Damage):
                    _extend(damaged, position, end)
                    yield Finding(path, position, f"{found.size} damaged bytes: {found.reason}")
                else:
                    _extend(kept, position, end)
                    for what in self._check_event(found.header, *span):
                        yield Finding(path, position, what)
                position = end
            if damaged and self._to_repair:
                self._mend(name, file, kept, damaged)

    def _check_event(self, header: frame.Header, start: int, end: int) -> Iterator[str]:
        shown = header.id.decode("utf-8", "replace")
        if not start <= header.timestamp <= end:
            yield f"event {shown}: its time {header.timestamp:.7f} is not from {start} to {end}"
        # Equal numbers of different ids are as likely as damage that no checksum finds.
        number = hash(header.id)
        if number in self._ids:
            yield f"event {shown}: there is another one with this id"
        self._ids.add(number)

    def _mend(
        self,
        name: str,
        file: ReadableFile,
        kept: list[tuple[int, int]],
        damaged: list[tuple[int, int]],
    ) -> None:
        """Move damaged bytes to the quarantine, and leave the rest as it is."""
        data = b"".join(file.read(start, end - start) for start, end in damaged)
        quarantine(self._disk, self._hidden, name, data, file)
        path = os.path.join(self._root_dir, name)
        if kept:
            # Nothing is kept as it is but the permissions and the owner.
            chunks = (chunk for start, end in kept for chunk in file.chunks(start, end))
            replace_file(self._disk, path, chunks, file, 0)
        else:
            self._disk.remove(path)
            self._disk.sync_directory(self._root_dir)


def _extend(ranges: list[tuple[int, int]], start: int, end: int) -> None:
    """Add a range to others, joined to the last one where it continues it."""
    if ranges and ranges[-1][1] == start:
        ranges[-1] = (ranges[-1][0], end)
    else:
        ranges.append((start, end))

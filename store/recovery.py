"""Recovery: what an earlier process left in the journal goes to the minute files.

Every step can be done again: whoever is killed here leaves what the next one needs. That a record is in its
file already, the file itself shows: it has that data at that offset.
"""

import logging
import os
import re
import zlib
from collections.abc import Iterator
from typing import NamedTuple

from store.disk import Disk, replace_file
from store.journal import Record, Segment, list_segments, read_records

__all__ = ["is_left_over", "quarantine", "recover"]

_LEFT_OVER = re.compile(r"\.[0-9]+-[0-9]+\.tmp|[0-9]{12}\.tmp")

log = logging.getLogger(__name__)


def recover(disk: Disk, root_dir: str, hidden_directory: str, journal_directory: str) -> int:
    """Bring the minute files up to date with the journal, and empty it.

    What belongs behind bytes that a minute file does not have (somebody else changed it, or they went with
    the power) goes to the quarantine, for nobody knows any more where it belongs.

    Args:
        disk: where.
        root_dir: the directory of the minute files.
        hidden_directory: the directory that the quarantine is in.
        journal_directory: the directory of the journal.

    Returns:
        The highest number a segment of the journal had; 0 when there was none.

    Raises:
        EventStoreException: if that was not possible; nothing is lost then.
    """
    for directory in (root_dir, journal_directory):
        for file in disk.list_files(directory):
            if is_left_over(file.name):
                log.info("removing what a crash left over: %s", file.name)
                disk.remove(os.path.join(directory, file.name))
    segments = list_segments(disk, journal_directory)
    replay = _Replay(disk, root_dir, hidden_directory)
    for segment in segments:
        replay.take_in(segment)
    replay.write()
    if segments:
        # What was found in the minute files may have got there just before the crash, and not last yet.
        disk.sync_directory(root_dir)
    for segment in segments:
        disk.remove(segment.path)
    disk.sync_directory(journal_directory)
    return max((segment.number for segment in segments), default=0)


def is_left_over(name: str) -> bool:
    """Whether a file of this name was being written when its process ended."""
    return _LEFT_OVER.fullmatch(name) is not None


def quarantine(disk: Disk, hidden_directory: str, name: str, data: bytes) -> str:
    """Put bytes aside that cannot be served and must not be lost; the same bytes only once.

    Args:
        disk: where.
        hidden_directory: the directory that the quarantine is in.
        name: where the bytes come from; becomes part of the file's name.
        data: the bytes.

    Returns:
        The path of the file they are in.

    Raises:
        EventWriteException: if that failed.
    """
    directory = os.path.join(hidden_directory, "quarantine")
    disk.make_directory(directory)
    path = os.path.join(directory, f"{name}.{zlib.crc32(data):08x}")
    replace_file(disk, path, [data])
    return path


class _Run(NamedTuple):
    """Records of one minute that follow each other in a segment: where they start and end in it, in bytes."""

    path: str
    start: int
    end: int


class _Pending:
    """The records of one minute that are not in its file.

    Attributes:
        stored_size: how many bytes the file has.
        end: where the records end in the file, in bytes.
        runs: the records.
    """

    def __init__(self, stored_size: int, start: int) -> None:
        self.stored_size = stored_size
        self.end = start
        self.runs: list[_Run] = []

    def add(self, size: int, run: _Run) -> None:
        self.end += size
        last = self.runs[-1] if self.runs else None
        if last is not None and (last.path, last.end) == (run.path, run.start):
            self.runs[-1] = last._replace(end=run.end)
        else:
            self.runs.append(run)


class _Replay:
    """What of a journal is not in the minute files."""

    def __init__(self, disk: Disk, root_dir: str, hidden_directory: str) -> None:
        self._disk = disk
        self._root_dir = root_dir
        self._hidden_directory = hidden_directory
        self._pending: dict[str, _Pending] = {}
        self._homeless: dict[str, bytearray] = {}

    def take_in(self, segment: Segment) -> None:
        """Look at every record of a segment."""
        position = segment.start
        with self._disk.open_to_read(segment.path) as file:
            for end, record in read_records(file.read, segment.start, segment.end):
                self._take_in(record, _Run(segment.path, position, end))
                position = end
        if position < segment.end:
            log.warning(
                "%s: %d bytes at the end are no whole record, and no event that was synced",
                segment.path,
                segment.end - position,
            )

    def _take_in(self, record: Record, run: _Run) -> None:
        pending = self._pending.get(record.minute)
        if pending is None:
            pending = self._pending[record.minute] = self._look_up(record)
        if record.offset == pending.end:
            pending.add(len(record.data), run)
        elif not self._is_stored(record, pending.stored_size):
            self._homeless.setdefault(record.minute, bytearray()).extend(record.data)

    def _look_up(self, record: Record) -> _Pending:
        path = os.path.join(self._root_dir, record.minute)
        if not self._disk.exists(path):
            # Somebody removed it; what was saved since then is a file of its own.
            return _Pending(0, record.offset)
        with self._disk.open_to_read(path) as file:
            size = file.size()
        return _Pending(size, size)

    def _is_stored(self, record: Record, stored_size: int) -> bool:
        if record.offset + len(record.data) > stored_size:
            return False
        with self._disk.open_to_read(os.path.join(self._root_dir, record.minute)) as file:
            return file.read(record.offset, len(record.data)) == record.data

    def write(self) -> None:
        """Write what is pending to the minute files, and what has no place there to the quarantine."""
        pending = {minute: each for minute, each in self._pending.items() if each.runs}
        for minute, each in pending.items():
            path = os.path.join(self._root_dir, minute)
            chunks = self._read(minute, each.runs)
            if each.stored_size:
                with self._disk.open_to_read(path) as old:
                    replace_file(self._disk, path, chunks, old, each.stored_size)
            else:
                replace_file(self._disk, path, chunks)
        for minute, data in self._homeless.items():
            path = quarantine(self._disk, self._hidden_directory, minute, bytes(data))
            log.error(
                "%d bytes of the journal do not fit into %s, which is not as it was left; see %s",
                len(data), minute, path,
            )  # fmt: skip
        if pending:
            log.info(
                "replayed from the journal: %d bytes in %d minute files",
                sum(run.end - run.start for each in pending.values() for run in each.runs),
                len(pending),
            )

    def _read(self, minute: str, runs: list[_Run]) -> Iterator[bytes]:
        for run in runs:
            with self._disk.open_to_read(run.path) as file:
                for _end, record in read_records(file.read, run.start, run.end):
                    yield record.data

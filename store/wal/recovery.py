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

from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.wal.segment import Record, Segment, list_segments, read_records, replace_segments

__all__ = ["is_left_over", "quarantine", "recover"]

_LEFT_OVER = re.compile(r"\.[0-9]+-[0-9]+\.tmp|\.?[0-9]{12}\.tmp")

log = logging.getLogger(__name__)


def recover(disk: Disk, root_dir: str, hidden_directory: str, journal_directory: str) -> int:
    """Bring the minute files up to date with the journal, and empty it.

    A minute file that somebody changed in the meantime gets what it lacks at its end. Bytes of the journal that
    are no whole record go to the quarantine.

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
        for name in disk.list_names(directory):
            if is_left_over(name):
                log.info("removing what a crash left over: %s", name)
                disk.remove(os.path.join(directory, name))
    while segments := list_segments(disk, journal_directory):
        last_number = segments[-1].number
        replay = _Replay(disk, root_dir, hidden_directory)
        for segment in segments:
            replay.take_in(segment)
        replay.write()
        # What was found in the minute files may have got there just before the crash, and not last yet.
        disk.sync_directory(root_dir)
        moved = replay.moved()
        if moved:
            # A new journal for what has another place now takes the place of the old one at once; then that
            # is what is replayed, so that a crash in between does not do it twice.
            replace_segments(disk, journal_directory, last_number + 1, moved)
        for segment in segments:
            disk.remove(segment.path)
        disk.sync_directory(journal_directory)
        if not moved:
            return last_number
    return 0


def is_left_over(name: str) -> bool:
    """Whether a file of this name was being written when its process ended."""
    return _LEFT_OVER.fullmatch(name) is not None


def quarantine(
    disk: Disk, hidden_directory: str, name: str, data: bytes, source: ReadableFile
) -> str:
    """Put bytes aside that cannot be served and must not be lost; the same bytes only once.

    Args:
        disk: where.
        hidden_directory: the directory that the quarantine is in.
        name: where the bytes come from; becomes part of the file's name.
        data: the bytes.
        source: the file they were in; whoever may read it may read the new one.

    Returns:
        The path of the file they are in.

    Raises:
        EventWriteException: if that failed.
    """
    directory = os.path.join(hidden_directory, "quarantine")
    disk.make_directory(directory)
    path = os.path.join(directory, f"{name}.{zlib.crc32(data):08x}")
    replace_file(disk, path, [data], source, 0)
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
        self._misplaced: dict[str, list[Record]] = {}

    def take_in(self, segment: Segment) -> None:
        """Look at every record of a segment."""
        with self._disk.open_to_read(segment.path) as file:
            for start, end, record in read_records(file.read, segment.start, segment.end):
                if record is not None:
                    self._take_in(record, _Run(segment.path, start, end))
                    continue
                data = file.read(start, end - start)
                name = f"journal-{segment.number}"
                path = quarantine(self._disk, self._hidden_directory, name, data, file)
                log.warning(
                    "%s: %d bytes from %d on are no whole record (after a loss of power that is what was"
                    " not synced); see %s",
                    segment.path, end - start, start, path,
                )  # fmt: skip

    def _take_in(self, record: Record, run: _Run) -> None:
        if record.begins_anew:
            self._pending.pop(record.minute, None)
            self._misplaced.pop(record.minute, None)
        if not record.data:
            return
        pending = self._pending.get(record.minute)
        if pending is None:
            stored_size = self._stored_size(record.minute)
            # When there is no file, somebody removed it; what was saved since then is a file of its own.
            pending = _Pending(
                stored_size or 0, record.offset if stored_size is None else stored_size
            )
            self._pending[record.minute] = pending
        if record.offset == pending.end:
            pending.add(len(record.data), run)
        elif not self._is_stored(record, pending.stored_size):
            self._misplaced.setdefault(record.minute, []).append(record)

    def _stored_size(self, minute: str) -> int | None:
        path = os.path.join(self._root_dir, minute)
        if not self._disk.exists(path):
            return None
        with self._disk.open_to_read(path) as file:
            return file.size()

    def _is_stored(self, record: Record, stored_size: int) -> bool:
        if record.offset + len(record.data) > stored_size:
            return False
        with self._disk.open_to_read(os.path.join(self._root_dir, record.minute)) as file:
            return file.read(record.offset, len(record.data)) == record.data

    def write(self) -> None:
        """Write what is pending to the minute files."""
        pending = {minute: each for minute, each in self._pending.items() if each.runs}
        for minute, each in pending.items():
            path = os.path.join(self._root_dir, minute)
            chunks = self._read(minute, each.runs)
            if each.stored_size:
                with self._disk.open_to_read(path) as old:
                    replace_file(self._disk, path, chunks, old, each.stored_size)
            else:
                replace_file(self._disk, path, chunks)
        if pending:
            log.info(
                "replayed from the journal: %d bytes in %d minute files",
                sum(run.end - run.start for each in pending.values() for run in each.runs),
                len(pending),
            )

    def moved(self) -> list[Record]:
        """What has no place in its minute file where it was to be, with the place behind all that is there."""
        moved = []
        for minute, records in self._misplaced.items():
            path = os.path.join(self._root_dir, minute)
            content = b""
            if self._disk.exists(path):
                with self._disk.open_to_read(path) as file:
                    content = file.read(0, file.size())
            missing = b"".join(record.data for record in records if record.data not in content)
            if missing:
                log.warning("%s is not as it was left; what it lacks goes to its end", path)
                if content and not content.endswith(b"\n"):
                    missing = b"\n" + missing
                moved.append(Record(minute, len(content), missing))
        return moved

    def _read(self, minute: str, runs: list[_Run]) -> Iterator[bytes]:
        for run in runs:
            with self._disk.open_to_read(run.path) as file:
                for found in read_records(file.read, run.start, run.end):
                    assert found.record is not None, "it was whole a moment ago"
                    yield found.record.data

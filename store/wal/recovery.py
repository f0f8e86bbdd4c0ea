"""Recovery: opening a log that an earlier process left, with what of it the minute files lack.

Nothing has to be written for that: the segments stay, and the minutes are read from them until they are flushed. Where the
log was written in this directory, its flush marks say what was flushed before; in a copy of the store, put in place of
it perhaps, which may have got a minute file before a flush and the log after it, each minute file is compared with the log.
"""

import contextlib
import itertools
import logging
import os
import re
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

from store.checksum import crc32
from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile
from store.errors import EventWriteException, StoreFull
from store.wal.comparison import Comparison, Split, unsplit
from store.wal.log import WriteAheadLog
from store.wal.log_segment import LogSegment
from store.wal.replay import Replay
from store.wal.segment import LogRecord, list_segments
from store.wal.tail import Tail

__all__ = ["Recovered", "is_left_over", "open_log", "quarantine"]

_MINUTE_LEFT_OVER = re.compile(r"\.[0-9]+-[0-9]+\.tmp")
_SEGMENT_LEFT_OVER = re.compile(r"\.?[0-9]{12}\.tmp")

log = logging.getLogger(__name__)


class Recovered(NamedTuple):
    """A minute with records in the log that its file lacks.

    Attributes:
        stat: the FileStat of the file; None when there is none.
        tail: the records.
    """

    stat: FileStat | None
    tail: Tail


def open_log(
    disk: Disk,
    root_dir: str,
    hidden_directory: str,
    directory: str,
    keep_s: float = 600,
    keep_size: int = 1 << 30,
    split: Split = unsplit,
    first_number: int = 1,
    names: Iterable[str] | None = None,
) -> tuple[WriteAheadLog, list[Recovered]]:
    """Open the log in *directory*, and find what the minute files lack.

    A minute file that another program changed meanwhile gets what it lacks at its end. Bytes of the log that are no
    whole record go to the quarantine.

    Args:
        disk: the disk it is on.
        root_dir: the directory of the minute files.
        hidden_directory: the directory that the quarantine is in.
        directory: the directory of the log.
        keep_s: see :class:`WriteAheadLog`.
        keep_size: see :class:`WriteAheadLog`.
        split: divides the data of a record into its events, of which a file that was changed may lack some.
        first_number: the number of the first segment of an empty log. It has to be higher than that of any earlier one, which
            a copy of the store may have that this one is copied onto: only then it makes those void.
        names: the names of the files in *root_dir* that begin with a dot, if they were listed a moment ago.

    Raises:
        EventStoreException: if that was not possible, or a segment has an unknown format; nothing is lost then.
    """
    for name in _left_overs(disk.list_names(directory), is_log=True):
        disk.remove(os.path.join(directory, name))
    root_inode = disk.inode(root_dir)
    replay = Replay(disk, root_inode, partial(_put_aside, disk, hidden_directory))
    found = list_segments(disk, directory)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(replay.close)
        replay.read(found)
        # Their writer may have ended before it synced them.
        for each in replay.segments:
            if not each.is_flushed():
                disk.sync_file(each.path)
        is_durable = _is_synced(disk, directory, replay.segments)
        last_number = found[-1].number if found else first_number - 1
        opened = WriteAheadLog(
            disk, directory, last_number, root_inode, keep_s, keep_size, replay.segments
        )
        if not is_durable:
            opened.note_unsynced_directory()
        listed = disk.list_names(root_dir) if names is None else names
        temporary = _TemporaryFiles(disk, root_dir, listed)
        intended = temporary.settle(replay)
        recovered = _Recovery(disk, root_dir, opened, split).recover(replay, intended)
        temporary.remove(opened.unmarked)
        for each in itertools.takewhile(LogSegment.is_flushed, replay.segments):
            each.close()
        on_failure.pop_all()
    return opened, recovered


def _left_overs(names: Iterable[str], *, is_log: bool) -> list[str]:
    """Return those of *names* that are of files which a process that ended was writing; *is_log* as in :func:`is_left_over`."""
    found = [name for name in names if is_left_over(name, is_log=is_log)]
    for name in found:
        log.info("removing what a crash left: %s", name)
    return found


def _is_synced(disk: Disk, directory: str, segments: list[LogSegment]) -> bool:
    """Sync *directory*, in which *segments* are; returns whether that was possible.

    Raises:
        EventWriteException: if it was not, and some of the segments are needed.
    """
    try:
        if segments:
            disk.sync_directory(directory)
    except EventWriteException as error:
        if not all(segment.is_flushed() for segment in segments):
            raise
        log.warning("will try again: %s", error)
        return False
    return True


def is_left_over(name: str, *, is_log: bool) -> bool:
    """Return whether *name* is that of a file which a process that ended was writing.

    Args:
        name: the name.
        is_log: whether the file is in the directory of the log, not in that of the minute files.
    """
    pattern = _SEGMENT_LEFT_OVER if is_log else _MINUTE_LEFT_OVER
    return pattern.fullmatch(name) is not None


def quarantine(
    disk: Disk, hidden_directory: str, name: str, data: bytes, source: ReadableFile
) -> str:
    """Store bytes that cannot be served and must not be lost; the same bytes only once.

    Args:
        disk: the disk it is on.
        hidden_directory: the directory that the quarantine is in.
        name: the origin of the bytes; becomes part of the file's name.
        data: the bytes.
        source: the file they were in, the permissions of which the new one gets.

    Returns:
        The path of the file they are in.

    Raises:
        EventWriteException: if that failed.
    """
    directory = os.path.join(hidden_directory, "quarantine")
    disk.make_directory(directory)
    path = os.path.join(directory, f"{name}.{crc32(data):08x}")
    replace_file(disk, path, [data], source, 0)
    return path


def _put_aside(
    disk: Disk, hidden_directory: str, segment: LogSegment, file: ReadableFile, start: int, end: int
) -> None:
    """Put the bytes of *file*, that of *segment*, from *start* to *end* into the quarantine; see :class:`Replay`."""
    data = file.read(start, end - start)
    try:
        path = quarantine(disk, hidden_directory, f"journal-{segment.number}", data, file)
    except StoreFull as error:
        segment.is_pinned = True
        path = f"there (not quarantined: {error})"
    log.warning(
        "%s: %d bytes at byte %d are no whole record (after a loss of power: not synced before it); see %s",
        segment.path, len(data), start, path,
    )  # fmt: skip


class _TemporaryFiles:
    """The temporary files that flushes left, and what they say about those that were put in place.

    Args:
        disk: the disk they are on.
        root_dir: the directory of the minute files.
        names: the names of the files in it.
    """

    def __init__(self, disk: Disk, root_dir: str, names: Iterable[str]) -> None:
        self._disk = disk
        self._root_dir = root_dir
        self._minutes = {name[1:-4] for name in _left_overs(names, is_log=False)}
        # Those that an intent is about; it has to be ended in the log before they are removed.
        self._intended: set[str] = set()

    def settle(self, replay: Replay) -> dict[str, int]:
        """Find out which intents were carried out, whose records the log must not bring back; *replay* has them.

        Returns:
            For each minute with intents how many bytes of it were put in place, whatever became of them; 0 for none.
        """
        sizes: dict[str, int] = {}
        for minute, intents in replay.intents.items():
            if minute not in replay.tails:
                continue
            self._put_back(minute, intents, replay.tails[minute][0].start)
            there = self._inode(minute)
            prepared = self._inode(f".{minute}.tmp") if minute in self._minutes else 0
            # Where another file is there, it has to be compared.
            placed = [
                each.offset
                for each in intents
                if each.inode == there or (not there and each.inode != prepared)
            ]
            sizes[minute] = max(placed, default=0)
            replay.cover(minute, sizes[minute])
            if prepared and prepared != there and any(each.inode == prepared for each in intents):
                self._intended.add(minute)
                self._disk.create(self._path(minute)).close()  # its room may be needed
        for minute in self._minutes - self._intended:
            self._disk.remove(self._path(minute))
        return sizes

    def _put_back(self, minute: str, intents: Sequence[LogRecord], size: int) -> None:
        """Put back what another program wrote to the file of *minute* just before it was exchanged for the new one.

        A kill may come before that is done. What the new one has after it is in the log.

        Args:
            minute: the name of the minute.
            intents: its intents.
            size: the size of the file that the new one continues, in bytes.
        """
        path, temporary = os.path.join(self._root_dir, minute), self._path(minute)
        written = {each.inode for each in intents}
        if minute not in self._minutes or self._inode(minute) not in written:
            return
        other = self._disk.stat(temporary)
        if other is None or other.inode in written:
            return
        with (
            self._disk.open_to_read(temporary) as replaced,
            self._disk.open_to_read(path) as placed,
        ):
            is_continued = replaced.size() == size and (
                replaced.checksum(size) == placed.checksum(size)
            )
        if not is_continued:
            log.warning("%s was changed by another program, which is put back", path)
            self._disk.rename(temporary, path)

    def remove(self, unmarked: frozenset[str]) -> None:
        """Remove those that were needed; those of the minutes *unmarked* stay."""
        for minute in self._intended - unmarked:
            self._disk.remove(self._path(minute))

    def _inode(self, name: str) -> int:
        stat = self._disk.stat(os.path.join(self._root_dir, name))
        return stat.inode if stat is not None else 0

    def _path(self, minute: str) -> str:
        return os.path.join(self._root_dir, f".{minute}.tmp")


class _Recovery:
    """The recovery of minute files, compared with the log *opened*; *split* as in :func:`open_log`."""

    def __init__(self, disk: Disk, root_dir: str, opened: WriteAheadLog, split: Split) -> None:
        self._disk = disk
        self._root_dir = root_dir
        self._log = opened
        self._comparison = Comparison(opened.read, split)

    def recover(self, replay: Replay, intended: Mapping[str, int]) -> list[Recovered]:
        """Find what the files lack, and mark in the log what they have.

        Args:
            replay: the log.
            intended: for each minute with intents, how many bytes were put in place.
        """
        recovered: list[Recovered] = []
        stored_sizes = dict(intended)
        for minute, tails in replay.tails.items():
            path = os.path.join(self._root_dir, minute)
            stat = self._disk.stat(path)
            if stat is not None and any(tail.start < stat.size for tail in tails):
                stored_sizes[minute] = stat.size
            tail = self._lacking(path, stat, tails)
            if tail is not None:
                recovered.append(Recovered(stat, tail))
        starts = {
            each.tail.minute: each.tail.start
            for each in recovered
            if each.tail is replay.tails[each.tail.minute][0]
        }
        for segment in replay.segments:
            lacking = {
                minute: end
                for minute, end in segment.ends.items()
                if minute in starts and end > starts[minute]
            }
            segment.ends = lacking
        if stored_sizes:
            # They may have been replaced just before a crash, and not durably yet.
            self._disk.sync_directory(self._root_dir)
            self._log.release(stored_sizes)
        if recovered:
            size = sum(each.tail.size for each in recovered)
            log.info("found in the log: %d bytes of %d minutes", size, len(recovered))
        return recovered

    def _lacking(self, path: str, stat: FileStat | None, tails: list[Tail]) -> Tail | None:
        """Return the part of *tails* that the file at *path* lacks, as one tail at its end."""
        if stat is None:
            return self._rest(path, None, 0, tails)
        with self._disk.open_to_read(path) as file:
            return self._rest(path, file, stat.size, tails)

    def _rest(
        self, path: str, file: ReadableFile | None, size: int, tails: list[Tail]
    ) -> Tail | None:
        """Return the part of *tails* that *file*, at *path*, lacks after its *size* bytes; None for no file."""
        if not self._comparison.is_start(file, size, tails):
            content = file.read(0, size) if file is not None else b""
            return self._move(path, content, tails)
        [tail] = tails
        tail.forget(size)
        return tail if tail.end > size else None

    def _move(self, path: str, content: bytes, tails: list[Tail]) -> Tail | None:
        """Append the events of *tails* that the file at *path*, with *content*, lacks to the log again, for its end."""
        missing = self._comparison.missing(content, tails)
        if missing and content:
            log.warning("%s was changed; what it lacks goes to its end", path)
        minute, stored_size = tails[0].minute, len(content)
        lsn = self._log.reset({minute: missing}, {minute: stored_size})[minute]
        if not missing:
            return None
        moved = Tail(minute, stored_size)
        moved.extend(len(missing), lsn)
        return moved

"""The directory of an open log, which other programs may remove, as well as files in it."""

import logging
import os
from collections.abc import Iterable

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.errors import EventReadException, EventWriteException
from store.wal.log_segment import LogSegment, create_segment
from store.wal.segment import FirstLine, segment_path

__all__ = ["LogDirectory"]

log = logging.getLogger(__name__)


class LogDirectory:
    """The directory of the segments of a log.

    Args:
        disk: the disk it is on.
        path: its path.
    """

    def __init__(self, disk: Disk, path: str) -> None:
        self.path = path
        self._disk = disk
        # Changes of names are counted: all, those that are durable, the last one that made the directory again, and the
        # last removal of a segment.
        self._changes = self._synced = self._remade = self._removed = 0

    @property
    def is_synced(self) -> bool:
        """Whether the names of all segments survive a loss of power."""
        return self._synced == self._changes

    def note_unsynced(self) -> None:
        """Note that it could not be synced when it was opened."""
        self._changes += 1

    @property
    def has_removed(self) -> bool:
        """Whether a loss of power may bring back a segment that was removed."""
        return self._removed > self._synced

    def note_removed(self) -> None:
        """Note that a segment was removed."""
        self._changes += 1
        self._removed = self._changes

    def path_of(self, number: int) -> str:
        """Return the path of the segment *number*."""
        return segment_path(self.path, number)

    def create(self, number: int, first: int, line: FirstLine, pieces: list[bytes]) -> LogSegment:
        """Create the segment *number*; see :func:`create_segment`. The directory is made again if it is not there."""
        path = self.path_of(number)
        try:
            created = create_segment(self._disk, number, path, first, line, pieces)
        except EventWriteException:
            if not self._remake():
                raise
            created = create_segment(self._disk, number, path, first, line, pieces)
        self._changes += 1
        return created

    def find_lost(self, held: Iterable[LogSegment]) -> list[LogSegment]:
        """Find the segments of *held* that another program removed; the directory is made again if it is not there.

        Raises:
            EventWriteException: if that is not possible.
        """
        self._remake()
        try:
            lost = [each for each in held if each.is_lost(self._disk)]
        except EventReadException as error:
            raise EventWriteException(str(error)) from error
        if lost:
            log.warning("%s: %d segments were removed; writing them again", self.path, len(lost))
        return lost

    def duplicate(self, segment: LogSegment) -> ReadableFile | None:
        """Open the file of *segment* once more, whether or not it has a name; None if the segment is closed.

        Raises:
            EventWriteException: if that failed.
        """
        try:
            return segment.source.duplicate() if segment.source is not None else None
        except EventReadException as error:
            raise EventWriteException(str(error)) from error

    def write_again(self, segment: LogSegment, source: ReadableFile) -> ReadableFile:
        """Write the file of *segment* again from *source*, and close that; see :meth:`LogSegment.write_again`.

        Raises:
            EventWriteException: if that failed.
        """
        try:
            with source:
                written = segment.write_again(self._disk, source)
        except EventReadException as error:
            raise EventWriteException(str(error)) from error
        self._changes += 1
        return written

    def sync_files(self, segments: Iterable[LogSegment]) -> None:
        """Fsync the files of *segments* that are still there.

        Raises:
            EventWriteException: if that failed.
        """
        for each in segments:
            if self._disk.stat(each.path) is not None:
                self._disk.sync_file(each.path)

    def sync(self) -> None:
        """Make all names durable.

        Raises:
            EventWriteException: if that failed.
        """
        changes = self._changes
        self._disk.sync_directory(self.path)
        if self._remade > self._synced:
            above = os.path.dirname(self.path)
            self._disk.sync_directory(above)
            self._disk.sync_directory(os.path.dirname(above))
        self._synced = changes

    def _remake(self) -> bool:
        if not self._disk.remake_directory(self.path):
            return False
        log.warning("%s was removed while the store is open; made again", self.path)
        self._changes += 1
        self._remade = self._changes
        return True

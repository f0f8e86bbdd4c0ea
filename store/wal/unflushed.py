"""Records of a log that minute files may lack, read while another process may be writing both. Nothing is written."""

import contextlib
from collections.abc import Iterator, Set
from typing import Self

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.errors import EventReadException
from store.wal.comparison import Comparison, Split
from store.wal.log import WriteAheadLog
from store.wal.replay import Replay
from store.wal.segment import list_segments

__all__ = ["UnflushedRecords"]

_TRIES = 10
"""Maximum number of attempts to open the segments, of which the writer removes one now and then."""


class UnflushedRecords:
    """The records that were in the log when this was made, and in no minute file for certain.

    Minute files that are read after that have all other events that were saved before it.

    Args:
        disk: the disk of the store.
        root_dir: the directory of the minute files.
        directory: the directory of the log.
        split: divides the data of a record into its events.

    Raises:
        EventStoreException: if the log cannot be read.
    """

    def __init__(self, disk: Disk, root_dir: str, directory: str, split: Split) -> None:
        root_inode = disk.inode(root_dir)
        for attempt in range(_TRIES):
            try:
                self._replay = _replay(disk, root_inode, directory)
                break
            except EventReadException:
                if attempt == _TRIES - 1:
                    raise
        # Nothing is appended to it: it is only read.
        self._log = WriteAheadLog(disk, directory, 0, root_inode, segments=self._replay.segments)
        self._comparison = Comparison(self._log.read, split)

    @property
    def minutes(self) -> Set[str]:
        """The names of the minutes with such records."""
        return self._replay.tails.keys()

    def missing(self, minute: str, file: ReadableFile | None, size: int) -> Iterator[bytes]:
        """Read what *file*, that of *minute* with *size* bytes, lacks at its end; None for no file.

        Raises:
            EventReadException: if it cannot be read.
        """
        tails = self._replay.tails.get(minute)
        if not tails:
            return
        if self._comparison.is_start(file, size, tails):
            yield from self._comparison.rest(tails[0], size)
        else:
            content = file.read(0, size) if file is not None else b""
            yield self._comparison.missing(content, tails)

    def segment_of(self, minute: str) -> ReadableFile:
        """Return a segment with records of *minute*: as it is the writer's file, so will be that of the minute."""
        return next(
            each.source
            for each in self._replay.segments
            if each.source is not None and minute in each.ends
        )

    def close(self) -> None:
        """Close the segments."""
        self._log.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


def _replay(disk: Disk, root_inode: int, directory: str) -> Replay:
    # The last record may be incomplete, because it is just being written.
    replay = Replay(disk, root_inode, lambda *_: None)
    found = list_segments(disk, directory)
    with contextlib.ExitStack() as on_failure:
        on_failure.callback(replay.close)
        replay.read(found)
        on_failure.pop_all()
    return replay

"""Reading the bytes of minutes, wherever they are now."""

import itertools
from collections.abc import Callable
from typing import TypeVar

from store.answers.moved import MovedTails
from store.disk.vectored import ExtentBuffer
from store.errors import DiskUnreadable, EventReadException
from store.index.extents import Extents
from store.minutes.file import MinuteFile

__all__ = ["MinuteReader"]

_Read = TypeVar("_Read")


class MinuteReader:
    """Reads the bytes of minutes. Any number of threads may use it.

    Args:
        file_of: returns the file of the minute with an id, or raises MinuteGone.
        name_of: returns its name.
        refresh: rescans the minute file with a name if it changed.
        moved: the tails that have moved.
    """

    def __init__(
        self,
        file_of: Callable[[int], MinuteFile],
        name_of: Callable[[int], str],
        refresh: Callable[[str], object],
        moved: MovedTails,
    ) -> None:
        self._file_of = file_of
        self._name_of = name_of
        self._refresh = refresh
        self._moved = moved

    def read(self, minute: int, start: int, end: int) -> bytes:
        """Read the bytes of *minute*, by id, from *start* to *end*.

        Raises:
            MinuteGone: if it is gone.
            EventReadException: if its file cannot be read, is not the one that is known, or ends before.
        """
        minute, shift = self._moved.follow(minute, start)
        data = self.retried(minute, lambda: self._file_of(minute).read(start + shift, end - start))
        if len(data) < end - start:  # fewer bytes would move everything after them
            raise EventReadException(f"{self._name_of(minute)} ends before byte {end}")
        return data

    def read_extents(self, extents: Extents) -> bytes:
        """Read *extents*, which ascend within each minute, and join them.

        Raises:
            EventReadException: as :meth:`read` does.
        """
        minutes, starts, stops = self._moved.follow_all(extents)
        buffer = ExtentBuffer(starts, stops)
        # Where another minute begins, there is another file to read.
        edges = [0, *((minutes[1:] != minutes[:-1]).nonzero()[0] + 1).tolist(), len(minutes)]
        for first, last in itertools.pairwise(edges):
            self._gather(int(minutes[first]), buffer, first, last)
        return buffer.data()

    def _gather(self, minute: int, buffer: ExtentBuffer, first: int, last: int) -> None:
        """Read the extents of *buffer* from *first* to before *last*, which are of *minute*."""
        self.retried(minute, lambda: self._file_of(minute).gather(buffer, first, last))

    def refresh(self, minute: int) -> None:
        """Rescan the file of *minute*, by id, if it changed.

        Raises:
            EventStoreException: if that is not possible.
        """
        self._refresh(self._name_of(minute))

    def retried(self, minute: int, read: Callable[[], _Read]) -> _Read:
        """Return the result of *read*, which is of *minute*, by id; retry it once, after a refresh, if the file may have changed.

        Raises:
            MinuteGone: if it is gone.
            EventReadException: if it cannot be read.
        """
        try:
            return read()
        except DiskUnreadable:
            raise
        except EventReadException:
            # Also of one that is gone: what has replaced it shows at the next opening then.
            self.refresh(minute)
            return read()

"""Minute files whose newest part is in the journal."""

import bisect
from array import array
from collections.abc import Iterator

from store.disk.disk import Disk
from store.errors import EventReadException
from store.minutes.file import GrowingFile
from store.wal.log import Journal

__all__ = ["JournaledFile"]

_SIGNPOST_DISTANCE = 16 << 10
_PASSED_OVER_MAX = 4 << 10
"""How many bytes of other files between two records of one are read rather than remembering where the second is."""


class JournaledFile(GrowingFile):
    """A growing file whose tail is in a journal, so that it costs no memory, however large it becomes.

    Args:
        name: the file's name.
        path: the directory it is in.
        journal: where its tail is.
        disk: the disk the directory is on.
        stored_size: the size in bytes of the file that is there; None when that is to be found out.
        begins_at: where in the file the data lies that the journal says it begins anew with, in bytes.
    """

    def __init__(
        self,
        name: str,
        path: str,
        journal: Journal,
        disk: Disk | None = None,
        stored_size: int | None = None,
        begins_at: int = 0,
    ) -> None:
        super().__init__(name, path, disk, stored_size)
        self._journal = journal
        self._begins_at = begins_at
        # A signpost every now and then, and wherever much of other files stands before a record in the journal: where
        # in the file the record starts, and its address.
        self._offsets = array("Q")
        self._addresses = array("Q")
        self._last_end = 0  # about where in the journal the last record ends

    def extend(self, size: int, address: int) -> None:
        """Note that so many bytes were appended, as the journal's record at an address."""
        with self._lock:
            offset = self._stored_size + self._tail_size
            if (
                not self._offsets
                or offset - self._offsets[-1] >= _SIGNPOST_DISTANCE
                or address - self._last_end >= _PASSED_OVER_MAX
            ):
                self._offsets.append(offset)
                self._addresses.append(address)
            self._tail_size += size
            self._last_end = address + size

    def tail(self) -> bytes:
        """What was not flushed yet.

        Raises:
            EventReadException: if it cannot be read.
        """
        with self._lock:
            start = self._stored_size
            return self._read_tail(start, start + self._tail_size) if self._tail_size else b""

    def _read_tail(self, start: int, end: int) -> bytes:
        pieces: list[bytes] = []
        number = bisect.bisect_right(self._offsets, start) - 1
        position = start
        while position < end:
            # From one signpost to the next, for what lies between may be far apart in the journal.
            stop = min([end, *self._offsets[number + 1 : number + 2]])
            pieces += self._read_records(self._addresses[number], position, stop)
            position, number = stop, number + 1
        return b"".join(pieces)

    def _read_records(self, address: int, start: int, end: int) -> Iterator[bytes]:
        """Read from a start to an end in the file, which stand in the journal from an address on."""
        for number, record in enumerate(self._journal.records(address)):
            # What begins anew behind the first is another file of this name.
            if record.minute != self.name or (record.begins_anew and number):
                continue
            offset = self._begins_at if record.begins_anew else record.offset
            if offset + len(record.data) > start:
                yield record.data[max(start - offset, 0) : max(end - offset, 0)]
                if offset + len(record.data) >= end:
                    return
        raise EventReadException(f"{self.name}: bytes {start} to {end} are not in the journal")

    def _forget_tail(self, size: int) -> None:
        if not self._tail_size:
            del self._offsets[:], self._addresses[:]
            return
        passed = bisect.bisect_right(self._offsets, self._stored_size) - 1
        del self._offsets[:passed], self._addresses[:passed]

"""The comparison of a minute file with the records of its minute in the log: what the file lacks of them."""

from collections.abc import Callable, Iterable, Iterator, Sequence

from store.disk.file import ReadableFile
from store.wal.tail import Tail, read_tail, tail_records

__all__ = ["Comparison", "Split", "unsplit"]

Split = Callable[[bytes], Iterable[bytes]]
"""Divides the data of a record into its events: a file may have some of them only."""

_CHUNK_SIZE = 1 << 20


def unsplit(data: bytes) -> list[bytes]:
    """Return *data*, undivided."""
    return [data]


class Comparison:
    """A comparison of minute files with a log.

    Args:
        read: reads parts of the log, as :meth:`WriteAheadLog.read` does.
        split: divides the data of a record.
    """

    def __init__(
        self,
        read: Callable[[list[int], list[int]], Iterator[bytes | memoryview]],
        split: Split,
    ) -> None:
        self._read = read
        self._split = split

    def is_start(self, file: ReadableFile | None, size: int, tails: Sequence[Tail]) -> bool:
        """Return whether *tails*, those of one minute, go on where *file* ends, which has *size* bytes; None for no file."""
        tail, end = tails[0], min(tails[0].end, size)
        if len(tails) > 1 or tail.start > size:
            return False
        if file is None or tail.start == end:
            return True
        return all(
            file.read(start, len(data)) == data
            for start, data in self._chunks(tail, tail.start, end)
        )

    def rest(self, tail: Tail, size: int) -> Iterator[bytes]:
        """Read what *tail* has after the first *size* bytes of its minute file."""
        for _, data in self._chunks(tail, size, tail.end):
            yield data

    def missing(self, content: bytes, tails: Sequence[Tail]) -> bytes:
        """Return the events of *tails* that *content*, all of a minute file, lacks: they go to its end."""
        lacking: list[bytes] = []
        position = 0  # in most files, events follow each other as they do in the log
        for tail in tails:
            for record in tail_records(self._read, tail.minute, tail.extents(tail.start, tail.end)):
                if content[record.offset : record.end] == record.data:
                    continue
                for data in self._split(record.data):
                    is_next = content.startswith(data, position)
                    found = position if is_next else content.find(data)
                    if found < 0:
                        lacking.append(data)
                    else:
                        position = found + len(data)
        missing = b"".join(lacking)
        is_cut = bool(content) and not content.endswith(b"\n")
        return b"\n" + missing if missing and is_cut else missing

    def _chunks(self, tail: Tail, start: int, end: int) -> Iterator[tuple[int, bytes]]:
        for first in range(start, end, _CHUNK_SIZE):
            extents = tail.extents(first, min(first + _CHUNK_SIZE, end))
            yield first, read_tail(self._read, tail.minute, extents)

"""A window of lines: some that are read ahead, because many together cost less, and the rest of those that were read in part."""

from collections.abc import Callable
from typing import NamedTuple

from store.cache import Cache
from store.errors import EventReadException

__all__ = ["LineBlock", "LineWindow"]

_SIZE_MAX = 512 * 1024
"""Size limit of what is read ahead, in bytes: more costs no less a line, and a reader waits for all of it."""

_KEPT_MAX = 2
"""Number of pieces that are kept: requests that overtake each other where one ends and the next begins need both."""


class LineBlock(NamedTuple):
    """Whole lines, from *start* in the answer, in bytes."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Their end in the answer, in bytes."""
        return self.start + len(self.data)


class LineWindow:
    """A window that doubles as long as one piece after the other is read. Not safe for several threads: callers lock it.

    A line costs the same whatever part of it is wanted. So it is kept whole for a program that reads it in small pieces, forwards
    as cat does or backwards as tail does.

    Args:
        read: reads all lines that have some of the bytes at an offset in the answer, given that and a size in bytes.
        cache: keeps the window.
    """

    def __init__(self, read: Callable[[int, int], LineBlock], cache: Cache) -> None:
        self._read = read
        self._cache = cache
        self._key = object()
        self._end = 0
        self._size = 0

    def read(self, offset: int, size: int, answer_size: int) -> bytes:
        """Read *size* bytes at *offset* of an answer that has *answer_size* bytes now, these among them.

        Raises:
            EventReadException: if the store cannot read them.
        """
        kept: tuple[LineBlock, ...] = self._cache.get(self._key) or ()
        known, texts, position, end = kept, [], offset, offset + size
        while position < end:
            lines = next((each for each in known if each.start <= position < each.end), None)
            if lines is None:
                later = min((each.start for each in known if each.start > position), default=end)
                lines = self._moved(position, min(end, later), answer_size)
                known = (*known[1 - _KEPT_MAX :], lines)
            texts.append(lines.data[position - lines.start : end - lines.start])
            position = lines.end
        # A reader that has come to the end wants nothing more, unless it has begun there.
        if end == answer_size and (known is kept or known[-1].start >= offset):
            self._cache.pop(self._key)
        elif known is not kept:
            self._cache.put(self._key, known, sum(len(each.data) for each in known))
        return b"".join(texts)

    def _moved(self, offset: int, end: int, answer_size: int) -> LineBlock:
        """Read the lines from *offset* to *end*, and more if one piece after the other is read."""
        start, wanted = offset, end
        # The kernel has several requests on their way, which may come in another order.
        if 0 <= offset - self._end <= self._size:
            start = self._end
            wanted = min(max(end, start + min(2 * self._size, _SIZE_MAX)), answer_size)
        try:
            lines = self._read(start, wanted - start)
        except EventReadException:
            if (start, wanted) == (offset, end):
                raise
            # Lines that cannot be read fail alone.
            lines = self._read(offset, end - offset)
        self._end, self._size = lines.end, max(wanted - start, end - offset)
        return lines

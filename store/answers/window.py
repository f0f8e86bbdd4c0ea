"""A window of an answer: some of it that is read ahead, because much together costs less, and the rest of lines that were read in part."""

from collections.abc import Callable
from typing import NamedTuple

from store.cache import Cache
from store.errors import EventReadException

__all__ = ["Block", "Window"]

_SIZE_MAX = 512 * 1024
"""Size limit of what is read ahead, in bytes: more costs no less a byte, and a reader waits for all of it."""

_KEPT_MAX = 2
"""Number of pieces that are kept: requests that overtake each other where one ends and the next begins need both."""


class Block(NamedTuple):
    """A part of an answer, of whole lines if it consists of lines, from *start* in the answer, in bytes."""

    start: int
    data: bytes

    @property
    def end(self) -> int:
        """Its end in the answer, in bytes."""
        return self.start + len(self.data)


class Window:
    """A window that doubles as long as one piece after the other is read. Not safe for several threads: callers lock it.

    The kernel asks for no more than 128 KiB at once, and what has to be done for each piece, such as opening the minutes that it
    is in, is a fifth of the cost of reading records in a row. A line costs the same whatever part of it is wanted: it is kept
    whole for a program that reads it in small pieces, forwards as cat does or backwards as tail does.

    Args:
        read: reads the bytes at an offset in the answer, or all lines that have some of them, given that and a size in bytes.
        cache: keeps the window.
    """

    def __init__(self, read: Callable[[int, int], Block], cache: Cache) -> None:
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
        kept: tuple[Block, ...] = self._cache.get(self._key) or ()
        known, parts, position, end = kept, [], offset, offset + size
        while position < end:
            block = next((each for each in known if each.start <= position < each.end), None)
            if block is None:
                later = min((each.start for each in known if each.start > position), default=end)
                block = self._moved(position, min(end, later), answer_size)
                known = (*known[1 - _KEPT_MAX :], block)
            parts.append(block.data[position - block.start : end - block.start])
            position = block.end
        # A reader that has come to the end wants nothing more, unless it has begun there; nor one of large pieces.
        is_at_end = end == answer_size and (known is kept or known[-1].start >= offset)
        if is_at_end or size > _SIZE_MAX:
            self._cache.pop(self._key)
        elif known is not kept:
            self._cache.put(self._key, known, sum(len(each.data) for each in known))
        return b"".join(parts)

    def _moved(self, offset: int, end: int, answer_size: int) -> Block:
        """Read from *offset* to *end*, and more if one piece after the other is read."""
        start, wanted = offset, end
        # The kernel has several requests on their way, which may come in another order.
        if 0 <= offset - self._end <= self._size:
            start = self._end
            wanted = min(max(end, start + min(2 * self._size, _SIZE_MAX)), answer_size)
        try:
            block = self._read(start, wanted - start)
        except EventReadException:
            if (start, wanted) == (offset, end):
                raise
            # What cannot be read fails alone.
            block = self._read(offset, end - offset)
        self._end, self._size = block.end, max(wanted - start, end - offset)
        return block

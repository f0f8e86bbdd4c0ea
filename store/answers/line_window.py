"""A window of lines: some that are read ahead, because many together cost less."""

from collections.abc import Callable

from store.cache import Cache
from store.errors import EventReadException

__all__ = ["LineWindow"]

_SIZE_MAX = 512 * 1024
"""Size limit of a window, in bytes: larger ones cost no less a line, and a reader waits for all of one."""

_NOTHING = (0, b"")


class LineWindow:
    """A window that doubles as long as one piece after the other is read. Not safe for several threads: callers lock it.

    Args:
        read: reads lines, given an offset in the answer and a size in bytes.
        cache: keeps the window.
    """

    def __init__(self, read: Callable[[int, int], bytes], cache: Cache) -> None:
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
        start, data = self._cache.get(self._key) or _NOTHING
        if offset < start or start + len(data) < offset + size:
            start, data = self._moved(offset, size, answer_size)
        if offset + size == answer_size:
            self._cache.pop(self._key)
        return data[offset - start : offset - start + size]

    def _moved(self, offset: int, size: int, answer_size: int) -> tuple[int, bytes]:
        """Move the window to *offset*; return where it starts now, and the bytes in it."""
        start, window = offset, 0
        # The kernel has several requests on their way, which may come in another order.
        if 0 <= offset - self._end <= self._size:
            start, window = self._end, min(2 * self._size, _SIZE_MAX)
        wanted = min(max(offset + size - start, window), answer_size - start)
        try:
            data = self._read(start, wanted)
        except EventReadException:
            if wanted == size:
                raise
            # Lines that cannot be read fail alone.
            start, data = offset, self._read(offset, size)
        self._end, self._size = start + len(data), max(window, size)
        if len(data) > size:
            self._cache.put(self._key, (start, data), len(data))
        return start, data

"""Scanning a file for records, and for the damage between them."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from store.errors import MalformedEvent
from store.format.record import OPENING, PREAMBLE_SIZE_MAX, Frame, parse

__all__ = ["Damage", "scan"]

_WINDOW_SIZE = 1 << 20


class Damage(NamedTuple):
    """Bytes between two frames (or before the first, or after the last) that are no event.

    Attributes:
        size: how many bytes.
        reason: what is wrong with the first of them.
    """

    size: int
    reason: str


def scan(read: Callable[[int, int], bytes], size: int, start: int = 0) -> Iterator[Frame | Damage]:
    """Find every event in a file, and say what else there is.

    Damage costs the event it hit: the search goes on at what looks like the next line that opens a frame,
    at the start of a line or not, for the newline before it may be what is damaged.

    Args:
        read: returns up to so many bytes from an offset of the file: ``read(offset, size)``.
        size: where to stop, in bytes.
        start: where to begin, in bytes; a frame starts here.

    Yields:
        Frames and damage, in order and without gaps: their sizes add up to ``size - start``.
    """
    window = _Window(read, size, start)
    while window.position < size:
        try:
            yield window.frame()
        except MalformedEvent as error:
            yield Damage(window.skip(), str(error))


class _Window:
    """The part of a file that is being looked at; it moves on and grows as needed."""

    def __init__(self, read: Callable[[int, int], bytes], size: int, position: int) -> None:
        self._read = read
        self._size = size
        self._base = position
        self._buffer = b""
        self.position = position

    def frame(self) -> Frame:
        """Read the frame at the position and move behind it."""
        while True:
            frame = parse(self._buffer, self.position - self._base, self._size - self.position)
            if frame is not None:
                self.position += frame.size
                return frame
            self._fill()

    def skip(self) -> int:
        """Move to what may open the next frame, or to the end; returns how many bytes that was."""
        begin = self.position
        self.position += 1
        while (found := OPENING.search(self._buffer, self.position - self._base)) is None:
            end = self._base + len(self._buffer)
            # It may straddle the end of what was read so far.
            self.position = max(self.position, end - PREAMBLE_SIZE_MAX)
            try:
                self._fill()
            except MalformedEvent:
                self.position = self._size
                return self._size - begin
        self.position = self._base + found.start()
        return self.position - begin

    def _fill(self) -> None:
        """Let go of what lies behind the position and read on, in ever larger steps."""
        self._buffer = self._buffer[self.position - self._base :]
        self._base = self.position
        end = self._base + len(self._buffer)
        more = self._read(end, min(max(_WINDOW_SIZE, len(self._buffer)), self._size - end))
        if not more:
            raise MalformedEvent(f"the file ends at {end}, before its last event does")
        self._buffer += more

"""Blocks: the pieces that a file is read in, divided into whole lines."""

from collections import deque
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from theiafs.importing.compression import DamagedArchive

__all__ = ["Block", "Blocks"]

_NEWLINE = ord("\n")


class Block(NamedTuple):
    r"""A block of whole lines.

    Attributes:
        text: the lines, each with its ``\n``, which the last of a file may lack.
        first_line: the number of the first of them in the file, from 1.
    """

    text: bytes
    first_line: int


class Blocks(Iterator[Block]):
    """The blocks of a file.

    Args:
        pieces: its bytes.
        size: about the size of each block, in bytes.
        line_size_max: size limit of a line without its terminator, in bytes; longer ones are left out.
        too_long: gets the numbers of the lines that were left out.

    Attributes:
        size: as given; another one counts from the next block on.
    """

    def __init__(
        self, pieces: Iterator[bytes], size: int, line_size_max: int, too_long: list[int]
    ) -> None:
        self.size = size
        self._pieces = pieces
        self._line_size_max = line_size_max
        self._too_long = too_long
        self._ready: deque[Block] = deque()
        self._line = 1  # the number of the line that the rest begins
        self._rest = b""
        self._is_skipping = False  # the rest of a line that is too long
        self._is_at_end = False
        self._failure: Exception | None = None

    def __next__(self) -> Block:
        """Return the next block.

        Raises:
            DamagedArchive, OSError: after the last whole line, if the pieces end with that.
        """
        while not self._ready:
            if not self._is_at_end:
                self._divide(self._gather())
            elif self._failure is None:
                raise StopIteration
            else:
                failure, self._failure = self._failure, None
                raise failure
        return self._ready.popleft()

    def _gather(self) -> bytes:
        """Return the rest and about as much more as a block has, but a line at least, if it is not too long."""
        parts, size, has_line = [self._rest], 0, False
        room = self._line_size_max - len(self._rest)
        while (size < self.size or (size <= room and not has_line)) and not self._is_at_end:
            try:
                piece = next(self._pieces, b"")
            except (DamagedArchive, OSError) as error:
                self._failure = error
                piece = b""
            self._is_at_end = not piece
            parts.append(piece)
            size += len(piece)
            has_line = has_line or b"\n" in piece
        return b"".join(parts)

    def _divide(self, text: bytes) -> None:
        """Make blocks of the whole lines of *text*, and keep the rest."""
        start = 0
        if self._is_skipping:
            start = text.find(b"\n") + 1 or len(text)
            self._is_skipping = not text.endswith(b"\n", 0, start)
            self._line += not self._is_skipping
        end = text.rfind(b"\n", start) + 1 or start
        self._rest = text[end:]
        if self._is_at_end:
            # The last line of a file may lack its newline, but one that was cut off is not whole.
            end, self._rest = (len(text) if self._failure is None else end), b""
        self._add_lines(text, start, end)
        if len(self._rest.removesuffix(b"\r")) > self._line_size_max:
            self._too_long.append(self._line)
            self._rest, self._is_skipping = b"", True

    def _add_lines(self, text: bytes, start: int, end: int) -> None:
        """Add the lines of *text* from *start* to *end*, but those that are too long."""
        position = start
        while end - position > self._line_size_max:
            # All lines that end in a window of this size, and begin in it, are short enough.
            window_end = min(position + self._line_size_max + 1, end)
            found = text.rfind(b"\n", position, window_end) + 1
            if not found and text.startswith(b"\r\n", window_end - 1):
                found = window_end + 1
            if not found:
                line_end = text.find(b"\n", position, end) + 1 or end
                content = text[position:line_end].removesuffix(b"\n").removesuffix(b"\r")
                if len(content) > self._line_size_max:
                    self._add_block(text[start:position])
                    self._too_long.append(self._line)
                    self._line += 1
                    start = line_end
                found = line_end
            position = found
        self._add_block(text[start:end])

    def _add_block(self, text: bytes) -> None:
        if text:
            self._ready.append(Block(text, self._line))
            newlines = np.frombuffer(text, np.uint8) == _NEWLINE
            self._line += int(np.count_nonzero(newlines))

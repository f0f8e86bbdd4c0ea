"""Parsing lines: all of a block before the next record at once."""

from typing import NamedTuple

import numpy as np

from store.format.record import OPENING

__all__ = ["BLANK", "Lines", "only_line", "read_line", "read_lines", "unended_size"]

BLANK = b" \t"
"""All that is in a blank line, as POSIX defines it."""

_NEWLINE, _SPACE, _OPENING_BYTE = b"\n e"
_MANY_LINES_SIZE = 2048
"""Minimum size of a block, in bytes, at which parsing all lines together is faster than one by one."""


class Lines(NamedTuple):
    """Consecutive lines of a block.

    Attributes:
        contents: the contents of the non-blank lines, without terminators.
        size_max: the size of the largest content, in bytes; 0 when there is none.
        end: where the last line ends in the block, in bytes.
    """

    contents: list[bytes]
    size_max: int
    end: int


def only_line(block: bytes) -> bytes | None:
    """Return the content of *block* if it is one whole line, neither blank nor the opening of a record; None otherwise."""
    if not block or block.find(b"\n") != len(block) - 1 or block[0] <= _SPACE:
        return None
    return (
        None
        if block[0] == _OPENING_BYTE and OPENING.match(block)
        else block[:-1].removesuffix(b"\r")
    )


def unended_size(line: bytes) -> int:
    """Return the size of the content of *line*, which has no newline yet: a return at its end may be of its terminator."""
    return len(line) - line.endswith(b"\r")


def read_line(block: bytes, start: int) -> Lines:
    """Read the line at *start* of *block*, which must be whole."""
    return _read(block, start, block.index(b"\n", start) + 1)


def read_lines(block: bytes, start: int) -> Lines:
    """Read the lines of *block* from *start* on, in bytes, up to one that opens a record or is not whole."""
    if len(block) - start < _MANY_LINES_SIZE:
        return _read(block, start, _end(block, start))
    text = np.frombuffer(block, np.uint8)
    ends = np.flatnonzero(text[start:] == _NEWLINE) + (start + 1)
    first_bytes = text[ends[:-1]]
    for count in (np.flatnonzero(first_bytes == _OPENING_BYTE) + 1).tolist():
        if OPENING.match(block, int(ends[count - 1])):
            ends = ends[:count]
            break
    if not len(ends):
        return Lines([], 0, start)
    end = int(ends[-1])
    # The usual case: no line begins like a blank one, and each ends with a newline only.
    is_odd = text[start] <= _SPACE or (first_bytes <= _SPACE).any() or b"\r" in block[start:end]
    if is_odd:
        return _read(block, start, end)
    size_max = int(np.diff(ends, prepend=start).max()) - len(b"\n")
    return Lines(block[start:end].split(b"\n")[:-1], size_max, end)


def _end(block: bytes, start: int) -> int:
    """Return where the lines from *start* on end, in bytes: before a record, or with the last whole line."""
    for opening in OPENING.finditer(block, start):
        if block[opening.start() - 1] == _NEWLINE:
            return opening.start()
    return max(block.rfind(b"\n") + 1, start)


def _read(block: bytes, start: int, end: int) -> Lines:
    """Read the lines of *block* from *start* to *end*."""
    text = block[start:end]
    contents = text.split(b"\n")[:-1]
    if b"\r" in text:
        contents = [line.removesuffix(b"\r") for line in contents]
    if not all(map(bytes.strip, contents)):
        contents = [line for line in contents if line.strip(BLANK)]
    return Lines(contents, max(map(len, contents), default=0), end)

"""Pieces: minute files that one process reads before it says what it found."""

import itertools
from collections.abc import Iterator, Sequence

__all__ = ["pieces"]

_FILES_MAX = 256
_SIZE = 4 << 20
"""About how many bytes are in a piece, unless it is a single file. It bounds memory, and how long a process works on after an end."""


def pieces(names: Sequence[str], sizes: Sequence[int]) -> Iterator[Sequence[str]]:
    """Divide the files *names*, of *sizes* in bytes, into pieces."""
    turns = [end // _SIZE for end in itertools.accumulate(sizes)]
    first = 0
    for last in range(1, len(names) + 1):
        if last == len(names) or last - first == _FILES_MAX or turns[last] != turns[first]:
            yield names[first:last]
            first = last

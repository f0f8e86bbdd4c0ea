"""Inputs: the files to import, as blocks of whole lines."""

from collections.abc import Iterator
from typing import NamedTuple

__all__ = ["BLOCK_SIZE", "Block", "Input"]

BLOCK_SIZE = 1 << 20
"""The usual size of a block, in bytes."""


class Block(NamedTuple):
    r"""A block of whole lines.

    Attributes:
        text: the lines, each with its ``\n``, which the last of a file may lack.
        first_line: the number of the first of them in the file, from 1.
    """

    text: bytes
    first_line: int


class Input:
    """One file to import: a regular file, compressed or not, or a pipe, which can be read only once.

    Args:
        name: its path; ``-`` is standard input.
        line_size_max: size limit of a line, in bytes; longer ones are left out.

    Attributes:
        name: as given.
        changed_ticks: when it was last changed, in ticks since the epoch; of a pipe, now.
        source: the default source of its events.
        size: its size on disk, in bytes; None for a pipe.
        identity: equal for two inputs that are one file.
        position: how many of its bytes on disk were read.
        too_long: the numbers of the lines that were left out, so far.

    Raises:
        ImportFailed: if there is no such file, or it cannot be read.
    """

    def __init__(self, name: str, line_size_max: int) -> None:
        self.name = name
        self.changed_ticks = 0
        self.source = name
        self.size: int | None = None
        self.identity = (0, 0)
        self.position = 0
        self.too_long: list[int] = []
        self._line_size_max = line_size_max

    def head(self) -> Block:
        """Read the beginning, some hundred lines; :meth:`blocks` begins with them all the same.

        Raises:
            ImportFailed: if it cannot be read.
        """
        raise NotImplementedError

    def blocks(self, size: int = BLOCK_SIZE) -> Iterator[Block]:
        """Read the lines, from the first on, in blocks of about *size* bytes.

        Raises:
            ImportFailed: after the last whole line, if the rest cannot be read: an archive that is cut short or damaged.
        """
        raise NotImplementedError

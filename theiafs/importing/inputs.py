"""Inputs: the files to import, as blocks of whole lines."""

import os
import stat
import time
from collections.abc import Iterator
from typing import BinaryIO

from store import TICKS_MAX
from theiafs.errors import ImportFailed
from theiafs.importing.blocks import Block, Blocks
from theiafs.importing.compression import DamagedArchive, decompress
from theiafs.importing.lognames import log_name

__all__ = ["BLOCK_SIZE", "Input"]

BLOCK_SIZE = 1 << 20
"""The usual size of a block, in bytes."""
_HEAD_SIZE = 1 << 18
"""The size of the beginning of a file, in bytes: some hundred lines, also of long ones."""
_STANDARD_INPUT = "-"
_DESCRIPTORS = ("/dev/fd/", "/proc/self/fd/", "/dev/stdin")
_TICK_NS = 100


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
        is_descriptor = name == _STANDARD_INPUT or name.startswith(_DESCRIPTORS)
        self.source = "stdin" if is_descriptor else log_name(name)
        self.position = 0
        self.too_long: list[int] = []
        self._line_size_max = line_size_max
        file = self._open()
        found = os.fstat(file.fileno())
        is_regular = stat.S_ISREG(found.st_mode)
        self.identity = (found.st_dev, found.st_ino)
        self.size = found.st_size if is_regular else None
        changed_ns = found.st_mtime_ns if is_regular else time.time_ns()
        self.changed_ticks = min(max(changed_ns // _TICK_NS, 0), TICKS_MAX)
        # Files are opened as they are read: a thousand files of one log would be too many at once.
        self._stream = None if is_regular and not is_descriptor else self._lines(file, _HEAD_SIZE)
        self._begun: Block | None = None  # of a stream
        self._file = file
        if self._stream is None:
            self.close()

    def head(self) -> Block:
        """Read the beginning, some hundred lines; :meth:`blocks` begins with them all the same.

        Raises:
            ImportFailed: if it cannot be read.
        """
        nothing = Block(b"", 1)
        if self._stream is None:
            return next(self.blocks(_HEAD_SIZE), nothing)
        if self._begun is None:
            self._begun = next(self._guarded(self._stream), nothing)
        return self._begun

    def blocks(self, size: int = BLOCK_SIZE) -> Iterator[Block]:
        """Read the lines, from the first on, in blocks of about *size* bytes.

        Raises:
            ImportFailed: after the last whole line, if the rest cannot be read: an archive that is cut short or damaged.
        """
        if self._stream is None:
            self.position = 0
            self.too_long.clear()
            with self._open() as file:
                yield from self._guarded(self._lines(file, size))
            return
        with self._file:
            if self._begun is not None and self._begun.text:
                yield self._begun
            self._stream.size = size
            yield from self._guarded(self._stream)

    def close(self) -> None:
        """Close a pipe that is not to be read to its end."""
        self._file.close()

    def _open(self) -> BinaryIO:
        """Open the file.

        Raises:
            ImportFailed: if that fails.
        """
        try:
            if self.name == _STANDARD_INPUT:
                return open(0, "rb", closefd=False)
            return open(self.name, "rb")
        except IsADirectoryError as error:
            raise ImportFailed(f"{self.name}: a directory; name the files in it") from error
        except OSError as error:
            raise ImportFailed(f"{self.name}: {error.strerror}") from error

    def _lines(self, file: BinaryIO, size: int) -> Blocks:
        def read(count: int) -> bytes:
            data = file.read(count)
            self.position += len(data)
            return data

        return Blocks(decompress(read, size), size, self._line_size_max, self.too_long)

    def _guarded(self, blocks: Blocks) -> Iterator[Block]:
        """Yield *blocks*; a failure names the file."""
        try:
            yield from blocks
        except DamagedArchive as error:
            raise ImportFailed(
                f"{self.name}: {error}; what is whole of it is imported; give a whole file for the rest"
            ) from error
        except OSError as error:
            raise ImportFailed(
                f"{self.name}: {error.strerror}; what came before is imported: import it again to add the rest"
            ) from error

"""Scanning in several processes: what a scanner does, on all cores."""

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine.pieces import pieces
from store.engine.scanner import Scanned, Scanner
from store.index.minute import DAMAGED, EntryColumns, MinuteEntries
from store.index.stamp import Stamp
from store.workers import Workers

__all__ = ["ScanWorkers"]

IdsOf = Callable[[Sequence[bytes]], NDArray[np.int64]]


class ScanWorkers:
    """Processes that scan minute files; to be started before this process has threads and locks.

    Args:
        root_dir: the directory of the minute files.
        count: the number of processes.

    Raises:
        WorkerEnded: if they cannot be started.
    """

    def __init__(self, root_dir: str, count: int) -> None:
        self._workers = Workers(_Work(root_dir), count, "reads minute files")

    def scan_all(
        self, names: Sequence[str], sizes: Sequence[int], ids_of: IdsOf
    ) -> Iterator[Scanned | None]:
        """Scan the minute files *names*, of *sizes* in bytes, as :meth:`Scanner.scan_all` does; *ids_of* returns the ids of streams.

        Raises:
            WorkerEnded: if a process has ended.
        """
        for found in self._workers.map(pieces(names, sizes)):
            yield from found.scanned(ids_of)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._workers.__exit__(*exc_info)


class _Work:
    """The work of one of the processes.

    Args:
        root_dir: the directory of the minute files.
    """

    def __init__(self, root_dir: str) -> None:
        self._scanner = Scanner(root_dir, Disk(), self._numbers_of)
        self._numbers: dict[bytes, int] = {}

    def _numbers_of(self, keys: Sequence[bytes]) -> NDArray[np.int64]:
        numbers = self._numbers
        return np.array([numbers.setdefault(key, 1 + len(numbers)) for key in keys], np.int64)

    def __call__(self, names: Sequence[str]) -> "_Found":
        """Scan the minute files *names*."""
        self._numbers.clear()
        files: list[_File | None] = []
        columns = [EntryColumns(*np.zeros((3, 0), np.int64))]
        for scanned in self._scanner.scan_all(names):
            if scanned is None:
                files.append(None)
                continue
            stat, stamp, checksum, entries = scanned
            files.append(_File(stat, stamp, checksum, len(entries)))
            columns.append(entries.columns(0, len(entries)))
        joined = EntryColumns(*map(np.concatenate, zip(*columns, strict=True)))
        return _Found(files, list(self._numbers), joined)


class _File(NamedTuple):
    """A file that was scanned: its FileStat, stamp, CRC-32 and number of entries."""

    stat: FileStat
    stamp: Stamp
    checksum: int
    length: int


class _Found(NamedTuple):
    """The findings in some files.

    Attributes:
        files: the files; None for one that does not exist or cannot be read.
        keys: the stream keys in them.
        entries: the entries of all of them; their streams are the places of their keys, counted from 1, or damage.
    """

    files: list[_File | None]
    keys: list[bytes]
    entries: EntryColumns

    def scanned(self, ids_of: IdsOf) -> Iterator[Scanned | None]:
        """Yield the files with their entries; *ids_of* returns the ids of streams."""
        ids = np.concatenate(([DAMAGED], ids_of(self.keys)))
        places, sizes, ticks = self.entries
        streams = ids[places]
        counts = (0 if each is None else each.length for each in self.files)
        edges = itertools.pairwise(itertools.accumulate(counts, initial=0))
        for file, (first, last) in zip(self.files, edges, strict=True):
            if file is None:
                yield None
            else:
                rows = slice(first, last)
                some = EntryColumns(streams[rows], sizes[rows], ticks[rows])
                yield Scanned(file.stat, file.stamp, file.checksum, MinuteEntries.of([some]))

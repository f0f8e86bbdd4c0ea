"""Examining minute files: what an audit has to know of each, found out of its bytes alone, in several processes."""

import os
from collections.abc import Iterator, Sequence
from typing import NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.engine.pieces import pieces
from store.errors import EventReadException
from store.format.record import Record
from store.format.scan import Block, Damage, scan_blocks
from store.minutes.names import parse_name
from store.ticks import TICKS_PER_S
from store.workers import Workers

__all__ = ["EventAt", "Examiners", "Part", "examine"]

_SIZE_MAX = 16 << 20
"""A larger file is examined by the process that asks, part by part: all of its parts could be too much memory."""

_NONE = np.zeros(0, np.int64)


class EventAt(NamedTuple):
    """An event in a file: its offset in bytes, its id, its time in ticks."""

    offset: int
    id: bytes
    ticks: int


class Part(NamedTuple):
    """A part of a file: events, or damage.

    Attributes:
        offset: its offset in the file, in bytes.
        size: its size.
        damage: what is wrong with it; empty for events.
        misplaced: those of the events whose time is not in the span of the file.
        offsets: the offset of each event.
        hashes: the hash of the id of each.
    """

    offset: int
    size: int
    damage: str = ""
    misplaced: Sequence[EventAt] = ()
    offsets: NDArray[np.int64] = _NONE
    hashes: NDArray[np.int64] = _NONE


def examine(file: ReadableFile, name: str) -> Iterator[Part]:
    """Yield the parts of *file*, that of the minute *name*, one after the other.

    Raises:
        EventReadException: if it cannot be read.
    """
    span = parse_name(name)
    assert span is not None, "only minute files are examined"
    first, last = (each * TICKS_PER_S for each in span)  # theia's may have the end as well
    position, size = 0, file.size()
    single: list[EventAt] = []  # those that come one by one

    def joined() -> Iterator[Part]:
        if single:
            misplaced = [each for each in single if not first <= each.ticks <= last]
            offsets = np.array([each.offset for each in single], np.int64)
            hashes = np.array([hash(each.id) for each in single], np.int64)
            yield Part(
                single[0].offset, position - single[0].offset, "", misplaced, offsets, hashes
            )
            single.clear()

    for found in scan_blocks(file.read, size):
        if isinstance(found, Record):
            single.append(EventAt(position, found.header.id, found.header.ticks))
        else:
            yield from joined()
            if isinstance(found, Damage):
                yield Part(position, found.size, found.reason)
            else:
                yield _examine_block(found, position, first, last)
        position += found.size
    yield from joined()


def _examine_block(block: Block, position: int, first: int, last: int) -> Part:
    """Return the part that *block* at *position* is, of a file whose events are from *first* to *last*, in ticks."""
    data, records = block
    bounds = zip(records.id_starts.tolist(), records.id_ends.tolist(), strict=True)
    ids = [data[start:end] for start, end in bounds]
    offsets = records.starts.astype(np.int64) + position
    rows = ((records.ticks < first) | (records.ticks > last)).nonzero()[0].tolist()
    misplaced = [EventAt(int(offsets[row]), ids[row], int(records.ticks[row])) for row in rows]
    hashes = np.fromiter(map(hash, ids), np.int64, len(ids))
    return Part(position, block.size, "", misplaced, offsets, hashes)


class Examiners:
    """Processes that examine minute files; to be started before this process has threads and locks.

    Args:
        root_dir: the directory of the minute files.
        disk: the disk it is on.
        count: the number of processes; 0 if this one is to do it.

    Raises:
        WorkerEnded: if they cannot be started.
    """

    def __init__(self, root_dir: str, disk: Disk, count: int) -> None:
        self._root_dir = root_dir
        self._disk = disk
        self._workers = Workers(self._examine_small, count, "examines minute files")
        self._has_workers = count > 0

    def examine_all(self, names: Sequence[str], sizes: Sequence[int]) -> Iterator[Iterator[Part]]:
        """Yield for each of the minute files *names*, of *sizes* in bytes, its parts; iterating over these raises EventReadException if it cannot be read.

        Raises:
            WorkerEnded: if a process has ended.
        """
        if not self._has_workers:
            yield from map(self._parts, names)
            return
        divided = list(pieces(names, sizes))
        for some, found in zip(divided, self._workers.map(divided), strict=True):
            for name, parts in zip(some, found.parts(), strict=True):
                yield self._parts(name) if parts is None else parts

    def _examine_small(self, names: Sequence[str]) -> "_Found":
        """Examine the minute files *names*."""
        return _Found.of([self._examine_one(name) for name in names])

    def _examine_one(self, name: str) -> list[Part] | EventReadException | None:
        """Return the parts of the minute file *name*, why it cannot be read, or None if it is large."""
        try:
            with self._disk.open_to_read(os.path.join(self._root_dir, name)) as file:
                return list(examine(file, name)) if file.size() <= _SIZE_MAX else None
        except EventReadException as error:
            return error

    def _parts(self, name: str) -> Iterator[Part]:
        with self._disk.open_to_read(os.path.join(self._root_dir, name)) as file:
            yield from examine(file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc_info: object) -> None:
        self._workers.__exit__(*exc_info)


class _Found(NamedTuple):
    """The parts of some files, as one process sends them to another: arrays one by one would take longer than all the rest.

    Attributes:
        files: for each file its parts without arrays, and with the number of their events; else why there are none.
        offsets: the offsets of the events of all of them.
        hashes: their hashes.
    """

    files: list[list[tuple[Part, int]] | EventReadException | None]
    offsets: NDArray[np.int64]
    hashes: NDArray[np.int64]

    @classmethod
    def of(cls, files: list[list[Part] | EventReadException | None]) -> "_Found":
        """Make this of *files*."""
        parts = [part for parts in files if isinstance(parts, list) for part in parts]
        return cls(
            [
                [(part._replace(offsets=_NONE, hashes=_NONE), len(part.offsets)) for part in each]
                if isinstance(each, list)
                else each
                for each in files
            ],
            np.concatenate([_NONE, *(part.offsets for part in parts)]),
            np.concatenate([_NONE, *(part.hashes for part in parts)]),
        )

    def parts(self) -> Iterator[Iterator[Part] | None]:
        """Yield the parts of each file; None for one that was not examined."""
        first = 0
        for each in self.files:
            if not isinstance(each, list):
                yield None if each is None else _raising(each)
                continue
            parts = []
            for part, count in each:
                rows = slice(first, first + count)
                parts.append(part._replace(offsets=self.offsets[rows], hashes=self.hashes[rows]))
                first += count
            yield iter(parts)


def _raising(error: EventReadException) -> Iterator[Part]:
    raise error
    yield  # so that this is an iterator

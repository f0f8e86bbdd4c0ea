"""Records: those of a minute file or of an ``events`` file, in pieces as they are read."""

from collections.abc import Generator, Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import Event, MalformedEvent
from store.format.block import RecordBlock, read_block
from store.format.event import decode_event, encode_event
from store.format.record import OPENING, PREAMBLE_SIZE_MAX, parse

__all__ = ["Damage", "Records", "read_records"]

_FEW = 64
"""How many records to parse one by one before the next block is tried; doubled each time that a block has fewer than that."""


class Records(NamedTuple):
    """Canonical records that follow each other.

    Attributes:
        data: bytes with these records in them.
        block: the records.
    """

    data: bytes
    block: RecordBlock

    @property
    def ids(self) -> list[bytes]:
        """Their ids."""
        edges = zip(self.block.id_starts.tolist(), self.block.id_ends.tolist(), strict=True)
        return [self.data[start:end] for start, end in edges]

    def events(self) -> Iterator[Event]:
        """Yield their events."""
        for start in self.block.starts.tolist():
            record = parse(self.data, start, len(self.data) - start)
            assert record is not None, "it was parsed before"
            yield decode_event(self.data, record, start)

    def runs(self, flags: npt.NDArray[np.bool_]) -> "Iterator[Records]":
        """Yield the records whose *flags* are true, those together that follow each other."""
        edges = np.flatnonzero(np.diff(np.concatenate(([0], flags, [0]))))
        for first, last in zip(edges[0::2].tolist(), edges[1::2].tolist(), strict=True):
            yield Records(self.data, self.block.part(first, last))


class Damage(NamedTuple):
    """Bytes that are not a record.

    Attributes:
        size: how many.
    """

    size: int


def read_records(pieces: Iterable[bytes]) -> Iterator[Records | Damage]:
    """Read the records in *pieces*, which follow each other and are cut anywhere.

    Damage costs the record that it hit, and may be told in several pieces. A record that is not canonical becomes so.
    """
    # Most minutes are one piece: to know that it is the last saves a second search for its last record.
    buffer, ahead = b"", b""
    for piece in pieces:
        buffer += ahead
        end = yield from _read(buffer, is_all=False)
        buffer, ahead = buffer[end:], piece
    yield from _read(buffer + ahead, is_all=True)


def _read(buffer: bytes, is_all: bool) -> Generator[Records | Damage, None, int]:
    """Read the records in *buffer*, and return where the rest begins: none if it *is_all* there is."""
    position, few = 0, _FEW
    while position < len(buffer):
        block = read_block(buffer, position)
        # Whether the last record has a closing depends on the bytes after it.
        block = block.first(max(len(block.ends) - (not is_all), 0))
        if len(block.ends):
            yield Records(buffer, block)
            position = int(block.ends[-1])
        if len(block.ends) >= few:
            few = _FEW
            continue
        few *= 2
        for _ in range(few):
            found = _read_one(buffer, position, is_all)
            if found is None:
                return position
            size, record = found
            yield record
            position += size
    return position


def _read_one(buffer: bytes, position: int, is_all: bool) -> tuple[int, Records | Damage] | None:
    """Read the record at *position* of *buffer*, or the damage; None if the bytes after the buffer say which, or there are none."""
    available = len(buffer) - position
    if not available:
        return None
    try:
        found = parse(buffer, position, available if is_all else None)
    except MalformedEvent:
        opening = OPENING.search(buffer, position + 1)
        if opening is not None:
            size = opening.start() - position
        else:
            # An opening may begin in this buffer and end in the next.
            size = available if is_all else max(available - PREAMBLE_SIZE_MAX, 0)
        return (size, Damage(size)) if size else None
    # If no bytes follow, the next may be the closing of this record, or of none.
    if found is None or (found.size >= available and not is_all):
        return None
    record, _key = encode_event(decode_event(buffer, found, position))
    return found.size, Records(record, read_block(record))

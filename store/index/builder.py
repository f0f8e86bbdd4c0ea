"""Building entries from a minute file."""

from array import array
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.format.record import stream_key
from store.format.scan import Block, Damage, Read, scan_blocks
from store.index.minute import DAMAGED, DAMAGED_TICKS, EntryColumns

__all__ = ["DamageAt", "build_entries"]

_PORTION = 1 << 12
"""Number of entries parsed one by one before they are put into columns."""


class DamageAt(NamedTuple):
    """Damage: its offset in the file, and the reason."""

    offset: int
    reason: str


def build_entries(
    read: Read,
    size: int,
    start: int,
    ids_of: Callable[[Sequence[bytes]], NDArray[np.int64]],
    report: Callable[[DamageAt], object],
) -> Iterator[EntryColumns]:
    """Build the entries of a minute file of *size* bytes from the byte *start* on, where a record starts.

    Args:
        read: ``read(offset, size)`` returns up to *size* bytes at *offset* of the file.
        size: where to stop, in bytes.
        start: where to begin, in bytes.
        ids_of: returns the ids of the streams with some keys.
        report: called with all damage found.

    Yields:
        Entries, in order and without gaps.
    """
    position = start
    keys: list[bytes] = []
    sizes, ticks = array("q"), array("q")
    for found in scan_blocks(read, size, start):
        if isinstance(found, Block):
            if keys:
                yield _columns(keys, sizes, ticks, ids_of)
                keys, sizes, ticks = [], array("q"), array("q")
            records = found.records
            yield EntryColumns(ids_of(records.keys), records.ends - records.starts, records.ticks)
        else:
            if isinstance(found, Damage):
                report(DamageAt(position, found.reason))
                keys.append(b"")
                ticks.append(DAMAGED_TICKS)
            else:
                keys.append(stream_key(found.header.source, found.header.tags))
                ticks.append(found.header.ticks)
            sizes.append(found.size)
            if len(keys) == _PORTION:
                yield _columns(keys, sizes, ticks, ids_of)
                keys, sizes, ticks = [], array("q"), array("q")
        position += found.size
    if keys:
        yield _columns(keys, sizes, ticks, ids_of)


def _columns(
    keys: list[bytes],
    sizes: "array[int]",
    ticks: "array[int]",
    ids_of: Callable[[Sequence[bytes]], NDArray[np.int64]],
) -> EntryColumns:
    times = np.frombuffer(ticks, np.int64)
    is_event = times != DAMAGED_TICKS
    streams = np.full(len(keys), DAMAGED, np.int64)
    streams[is_event] = ids_of([key for key in keys if key])
    return EntryColumns(streams, np.frombuffer(sizes, np.int64), times)

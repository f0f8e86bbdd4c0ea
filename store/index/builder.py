"""Scanning minute files: from their bytes to the rows of an index."""

import math
from array import array
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np

from store.format.block import read_frames
from store.format.record import label
from store.format.scan import Damage, scan
from store.index.minute import Rows
from store.index.streams import DAMAGED, Kinds

__all__ = ["DamageAt", "Read", "scan_rows"]

_BLOCK_SIZE = 1 << 20
_MANY_SIZE = 16 << 10
"""In fewer bytes there are so few events that it costs less to read them one by one."""

_FEW = 64
"""How many events to read one by one, where many at once did not work, before that is tried again: twice as many
each time that it did not."""

Read = Callable[[int, int], bytes]
"""Returns up to so many bytes from an offset of a file."""


class DamageAt(NamedTuple):
    """Bytes that are no event: their offset in the file, and what is wrong there."""

    offset: int
    reason: str


def scan_rows(
    read: Read, size: int, start: int, kinds: Kinds, report: Callable[[DamageAt], object]
) -> Iterator[Rows]:
    """Find what is in a minute file, as :func:`store.frame.scan` does, but many events at once.

    Args:
        read: returns up to so many bytes from an offset of the file: ``read(offset, size)``.
        size: where to stop, in bytes.
        start: where to begin, in bytes; a frame starts here.
        kinds: numbers what is found.
        report: is told of damage.

    Yields:
        Rows, in order and without gaps.
    """
    position, few_max = start, _FEW
    while position < size:
        if size - position >= _MANY_SIZE:
            block = read(position, min(_BLOCK_SIZE, size - position))
            frames = read_frames(block)
            # Where the last one of a block ends depends on what comes behind it.
            frames = frames.first(len(frames.starts) - (position + len(block) < size))
            if len(frames.starts):
                sizes = frames.ends - frames.starts
                yield Rows(kinds.numbers(frames.labels), sizes, frames.times)
                position += int(frames.ends[-1])
                few_max = _FEW
                continue
        few = _few(read, size, position, kinds, report, few_max)
        few_max *= 2
        yield few
        position += int(few.sizes.sum())


def _few(
    read: Read,
    size: int,
    position: int,
    kinds: Kinds,
    report: Callable[[DamageAt], object],
    few_max: int,
) -> Rows:
    numbers, sizes, times = array("q"), array("q"), array("d")
    for found in scan(read, size, position):
        if isinstance(found, Damage):
            report(DamageAt(position + sum(sizes), found.reason))
            numbers.append(DAMAGED)
            times.append(math.nan)
        else:
            numbers.append(kinds.number(label(found.header.source, found.header.tags)))
            times.append(found.header.timestamp)
        sizes.append(found.size)
        if len(sizes) == few_max:
            break
    return Rows(np.frombuffer(numbers, "q"), np.frombuffer(sizes, "q"), np.frombuffer(times, "d"))

"""The levels of the events of a minute, as the index keeps them: the code of each, and the totals by level.

They are those of the entries that a minute has in its file. Damage has no level: its code is 0, and it is in no total.
"""

from itertools import pairwise
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.format.levels import LEVELS
from store.index.minute import DAMAGED, EntryColumns
from store.index.row import MinuteRow
from store.index.sealed import seal, unseal
from store.index.summary import SUMMARY, summarize
from store.query import AtLevel, Filter, Not, Query

__all__ = [
    "LEVEL_COUNT",
    "LevelRow",
    "codes_of",
    "decided_levels",
    "level_totals_of",
    "pack_levels",
    "selected_levels",
]

LEVEL_COUNT = len(LEVELS) + 1
"""The number of codes of levels: that of no level, 0, included."""

_BITS, _LOW = 4, 0x0F
"""A code takes four bits, the first of two the lower ones."""

_COUNT_SIZE = 8


class LevelRow(NamedTuple):
    """The levels of a minute as the index keeps them.

    Attributes:
        id: the id of the minute.
        totals: the totals of its events by level, packed.
        codes: the code of the level of each entry, packed.
    """

    id: int
    totals: bytes
    codes: bytes


def selected_levels(each: Filter) -> NDArray[np.bool_] | None:
    """Return for each code of a level whether the filter *each* selects events of it; None if more than the level decides."""
    match each:
        case AtLevel(any_of):
            return np.array([False, *(name in any_of for name in LEVELS)])
        case Not(negated):
            selected = selected_levels(negated)
            return None if selected is None else ~selected
    return None


def decided_levels(query: Query) -> NDArray[np.bool_] | None:
    """Return for each code of a level whether its events answer *query* at any time; None if more than the level decides."""
    levels = np.ones(LEVEL_COUNT, np.bool_)
    for each in query.at_any_time.filters:
        selected = selected_levels(each)
        if selected is None:
            return None
        levels &= selected
    return levels


def pack_levels(row: MinuteRow, columns: EntryColumns, codes: NDArray[np.uint8]) -> LevelRow:
    """Pack the *codes* of the levels of a minute, for :func:`level_totals_of` and :func:`codes_of`.

    Args:
        row: the row of the minute in the catalog.
        columns: its entries, all of them in its file.
        codes: the code of the level of each entry.
    """
    sound = columns.streams != DAMAGED
    levels = EntryColumns(codes[sound], columns.sizes[sound], columns.ticks[sound])
    padded = np.zeros(len(codes) + len(codes) % 2, np.uint8)
    padded[: len(codes)] = codes
    halves = padded[::2] | padded[1::2] << _BITS
    count = len(codes).to_bytes(_COUNT_SIZE, "little")
    return LevelRow(
        row.id,
        seal(count + summarize(levels, LEVEL_COUNT).tobytes(), row.checksum),
        seal(count + halves.tobytes(), row.checksum),
    )


def level_totals_of(packed: bytes, known: MinuteRow) -> tuple[int, NDArray[np.void]]:
    """Unpack the totals by level of the minute *known*.

    Returns:
        The number of its entries that are in its file, and rows of the type ``SUMMARY``, the code of a level in place of
        the stream.

    Raises:
        OutdatedError: if they are those of another file.
        ValueError: if they cannot be; or another one of ``CORRUPT``.
    """
    count, data = _counted(packed, known)
    totals = np.frombuffer(data, SUMMARY)
    # They are few: numpy takes longer.
    levels, events, sizes, _ = tuple(zip(*totals.tolist(), strict=True)) or ((),) * 4
    if (
        any(second <= first for first, second in pairwise(levels))
        or max(levels, default=0) >= LEVEL_COUNT
        or any(size < count for size, count in zip(sizes, events, strict=True))
        or (
            known.bytes == known.size
            and (sum(events), sum(sizes)) != (known.events, known.bytes - known.damage)
        )
    ):
        raise ValueError(f"{known.name} has other events than its levels say")
    return count, totals


def codes_of(packed: bytes, known: MinuteRow) -> NDArray[np.uint8]:
    """Unpack the code of the level of each entry that the minute *known* has in its file.

    Raises:
        OutdatedError: if they are those of another file.
        ValueError: if they cannot be; or another one of ``CORRUPT``.
    """
    count, data = _counted(packed, known)
    halves = np.frombuffer(data, np.uint8)
    if len(halves) != (count + 1) // 2:
        raise ValueError("levels of another number of events")
    codes = np.empty(2 * len(halves), np.uint8)
    codes[::2] = halves & _LOW
    codes[1::2] = halves >> _BITS
    if int(codes.max(initial=0)) >= LEVEL_COUNT:
        raise ValueError("levels that there are not")
    return codes[:count]


def _counted(packed: bytes, known: MinuteRow) -> tuple[int, bytes]:
    """Unseal *packed*, which is of the minute *known*, and return the number of entries that it is of, and the rest."""
    data = unseal(packed, known.checksum)
    count = int.from_bytes(data[:_COUNT_SIZE], "little")
    # What arrived later is not in the file.
    if count > known.entries or (known.bytes == known.size and count != known.entries):
        raise ValueError(f"{known.name} has {known.entries} entries, not {count}")
    return count, data[_COUNT_SIZE:]

"""The sizes of the lines that the events of a minute have in a view, as the index keeps them.

They are those of the entries that a minute has in its file. Damage has no line: its size is 0.
"""

import struct
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.checksum import crc32
from store.columns import WIDTHS, narrowed
from store.index.minute import DAMAGED, EntryColumns, OutdatedError
from store.index.row import MinuteRow
from store.index.summary import checksum_of, join_summaries, summarize
from store.view import View

__all__ = ["LineRow", "pack_lines", "sizes_of", "sums_of", "unpack_line_totals", "with_sums"]

_HEADER = struct.Struct("<IIQs7x")
"""The header of packed numbers: checksum of the rest, CRC-32 of what they belong to, their number, their width."""

_CHECKSUM_SIZE = 4
_TYPES = {width.encode(): np.dtype(width) for width in WIDTHS}

_SUM_MAX = 1 << 40
"""Larger sums mean corruption; those of all minutes that there can be fit into 64 bits."""


_TOTAL_MAX = 1 << 50
"""Larger totals of streams mean corruption."""


class LineRow(NamedTuple):
    """The sizes of lines of a minute as the index keeps them.

    Attributes:
        id: the id of the minute.
        view: the name of the view.
        version: its version.
        sums: for each stream in the summary of the minute the sum of the sizes, packed.
        sizes: the size of each line, packed.
    """

    id: int
    view: str
    version: int
    sums: bytes
    sizes: bytes


def pack_lines(
    view: View,
    row: MinuteRow,
    columns: EntryColumns,
    sizes: NDArray[np.integer],
    stream_count: int,
) -> LineRow:
    """Pack the *sizes* of the lines in *view* of a minute, for :func:`sums_of` and :func:`sizes_of`.

    Args:
        view: the view.
        row: the row of the minute in the catalog.
        columns: its entries, all of them in its file.
        sizes: the size of the line of each entry.
        stream_count: the number of streams.
    """
    summary = summarize(columns, stream_count)
    sums = summarize(EntryColumns(columns.streams, sizes, columns.ticks), stream_count)["size"]
    return LineRow(
        row.id,
        view.name,
        view.version,
        _packed(sums, checksum_of(summary.tobytes())),
        _packed(sizes, row.checksum),
    )


def sums_of(packed: bytes, summary: NDArray[np.void]) -> NDArray[np.unsignedinteger]:
    """Unpack the sums of the sizes of lines of a minute with *summary*, for :func:`with_sums`.

    Raises:
        OutdatedError: if they are those of another summary.
        ValueError: if they are not as many; or another one of ``CORRUPT``.
    """
    sums = _unpacked(packed, checksum_of(summary.tobytes()))
    if len(sums) != len(summary):
        raise ValueError("sums of lines of another number")
    return sums


def with_sums(
    summaries: Sequence[NDArray[np.void]], sums: Sequence[NDArray[np.unsignedinteger]]
) -> list[NDArray[np.void] | None]:
    """Return each of *summaries* with its *sums* of the sizes of lines as sizes; None for those that cannot be."""
    if not summaries:
        return []
    # All together: one by one, the checks would cost more than all the rest.
    joined, sizes = join_summaries(summaries), np.concatenate(sums)
    is_damage = joined["stream"] == DAMAGED
    are_wrong = (sizes > _SUM_MAX) | (sizes < np.where(is_damage, 0, joined["events"]))
    are_wrong |= (sizes > 0) & is_damage
    joined["size"] = sizes
    edges = np.cumsum([0, *map(len, summaries)]).tolist()
    wrong = set(np.searchsorted(edges, are_wrong.nonzero()[0], "right").tolist())
    return [
        None if last in wrong else joined[edges[last - 1] : edges[last]]
        for last in range(1, len(edges))
    ]


def sizes_of(packed: bytes, known: MinuteRow) -> NDArray[np.unsignedinteger]:
    """Unpack the size of each line of the minute *known*, those of the entries in its file.

    Raises:
        OutdatedError: if they are those of another file.
        ValueError: if they cannot be; or another one of ``CORRUPT``.
    """
    sizes = _unpacked(packed, known.checksum)
    # What arrived later is not in the file.
    if len(sizes) > known.entries or (known.bytes == known.size and len(sizes) != known.entries):
        raise ValueError(f"{known.name} has {known.entries} entries, not {len(sizes)}")
    if int(sizes.max(initial=0)) > _SUM_MAX:
        raise ValueError("sizes of lines that cannot be")
    return sizes


def unpack_line_totals(packed: bytes, stream_count: int) -> NDArray[np.int64]:
    """Unpack for each of at most *stream_count* streams the size of its lines, or raise one of ``CORRUPT``."""
    sums = np.frombuffer(packed, np.int64)
    if len(sums) > stream_count or (sums < 0).any() or (sums > _TOTAL_MAX).any():
        raise ValueError("totals of lines that cannot be")
    return sums


def _packed(numbers: NDArray[np.integer], checksum: int) -> bytes:
    """Pack *numbers* of something that has a *checksum*."""
    narrow = narrowed(numbers)
    header = _HEADER.pack(0, checksum, len(narrow), narrow.dtype.char.encode())
    rest = header[_CHECKSUM_SIZE:] + narrow.tobytes()
    return crc32(rest).to_bytes(_CHECKSUM_SIZE, "little") + rest


def _unpacked(packed: bytes, checksum: int) -> NDArray[np.unsignedinteger]:
    """Unpack the numbers of something that has a *checksum*."""
    sealed, owner, count, width = _HEADER.unpack_from(packed)
    if crc32(memoryview(packed)[_CHECKSUM_SIZE:]) != sealed:
        raise ValueError("sizes of lines whose checksum is wrong")
    if owner != checksum:
        raise OutdatedError("sizes of other lines")
    kind = _TYPES[width]
    if len(packed) != _HEADER.size + count * kind.itemsize:
        raise ValueError("sizes of lines of another number")
    return np.frombuffer(packed, kind, count, _HEADER.size)

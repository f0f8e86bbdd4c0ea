"""The rows of the index on disk: packed to be written, and checked when they are read."""

import logging
import struct
from collections.abc import Callable
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.index.extents import Layout
from store.index.minute import MinuteEntries, Packed, unpack_layout
from store.index.row import ROW, MinuteRow
from store.index.streams import StreamTotals
from store.index.summary import SUMMARY, checksum_of

__all__ = [
    "CORRUPT",
    "IndexRow",
    "checked",
    "counted_summary",
    "entries_of",
    "hashes_of",
    "layout_of",
    "pack_row",
    "pack_totals",
    "summary_of",
    "unpack_totals",
]

CORRUPT = (ValueError, TypeError, LookupError, OverflowError, struct.error)
"""The errors of Python and numpy when a row is not the one that was written."""

_TOTALS_HEADER = struct.Struct("<QQ")  # the number of streams, and of postings

log = logging.getLogger(__name__)


class _Outdated(ValueError):
    """A row of another state of its file: nothing unusual."""


class IndexRow(NamedTuple):
    """A minute as the index keeps it.

    Attributes:
        row: its row in the catalog, restricted to what is in its file.
        summary: the summary of those entries.
        packed: those entries.
    """

    row: MinuteRow
    summary: NDArray[np.void]
    packed: Packed


_Value = TypeVar("_Value")


def checked(unpack: Callable[..., _Value], *arguments: object) -> _Value | None:
    """Return *unpack* of *arguments*; None if they are of another state of the file or, with a warning, corrupt."""
    try:
        return unpack(*arguments)
    except _Outdated:
        return None
    except CORRUPT as error:
        log.warning("not using a row of the index: %s", error)
        return None


def pack_totals(totals: StreamTotals) -> bytes:
    """Pack *totals*, for :func:`unpack_totals`."""
    packed = _TOTALS_HEADER.pack(len(totals.events), len(totals.postings))
    return packed + b"".join(column.tobytes() for column in totals)


def unpack_totals(packed: bytes, stream_count: int) -> StreamTotals:
    """Unpack the totals of *stream_count* streams, or raise one of ``CORRUPT``."""
    count, postings = _TOTALS_HEADER.unpack_from(packed)
    if count != stream_count or len(packed) != _TOTALS_HEADER.size + 4 * 8 * count + 4 * postings:
        raise ValueError("totals of other streams")
    columns = np.frombuffer(packed, np.int64, 4 * count, _TOTALS_HEADER.size).reshape(4, count)
    if (columns[3] < 0).any() or int(columns[3].sum()) != postings:
        raise ValueError("posting lists that cannot be")
    minutes = np.frombuffer(packed, np.uint32, postings, _TOTALS_HEADER.size + columns.nbytes)
    events, sizes, newest, lengths = columns
    return StreamTotals(events, sizes, newest, lengths, minutes)


def pack_row(row: MinuteRow) -> bytes:
    """Pack *row*."""
    return np.array([tuple(row)], ROW).tobytes()


def _row_of(packed: bytes, known: MinuteRow) -> MinuteRow:
    """Read a row, which must be that of the minute *known* and of its file as it is."""
    [values] = np.frombuffer(packed, ROW).tolist()
    row = MinuteRow(*values)
    if (row.id, row.name, row.stamp) != (known.id, known.name, known.stamp):
        raise _Outdated(f"{known.name} is not what it was")
    return row


def hashes_of(row: bytes, packed: bytes, known: MinuteRow) -> NDArray[np.uint32]:
    """Unpack the hashes of the ids in the minute *known*, whose packed row is *row*."""
    _row_of(row, known)
    return np.frombuffer(packed, np.uint32)


def layout_of(packed: bytes, row: bytes, known: MinuteRow, stream_count: int) -> Layout:
    """Unpack the layout of the minute *known*, whose packed row is *row*."""
    return unpack_layout(packed, _row_of(row, known).bytes, stream_count)


def entries_of(
    packed: Packed, packed_row: bytes, known: MinuteRow, stream_count: int
) -> MinuteEntries:
    """Unpack the entries of the minute *known*, whose row is *packed_row*."""
    row = _row_of(packed_row, known)
    entries = MinuteEntries.unpack(packed, row.bytes, stream_count)
    if len(entries) != row.entries:
        raise ValueError(f"{row.name} has {row.entries} entries, not {len(entries)}")
    return entries


def counted_summary(
    row: bytes, summary: bytes, checksum: int, known: MinuteRow, stream_count: int
) -> tuple[int, NDArray[np.void]]:
    """Return the number of entries of the minute *known*, and its *summary*, whose *checksum* must be right."""
    if checksum_of(row, summary) != checksum:
        raise ValueError(f"{known.name} is not what was written")
    return _row_of(row, known).entries, summary_of(summary, stream_count)


def summary_of(packed: bytes, stream_count: int) -> NDArray[np.void]:
    """Unpack the summary of a minute, which must be of the first *stream_count* streams."""
    summary = np.frombuffer(packed, SUMMARY)
    streams = summary["stream"]
    if len(summary) and (
        int(streams.max()) >= stream_count or not (streams[1:] > streams[:-1]).all()
    ):
        raise ValueError("a summary of streams that cannot be")
    return summary

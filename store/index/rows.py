"""The rows of the index on disk: packing, and unpacking with checks."""

import contextlib
import itertools
import logging
import struct
from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import repeat
from typing import Any, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from store.checksum import crc32
from store.index.disturbances import DISTURBANCE
from store.index.extents import Layout
from store.index.minute import (
    DAMAGED,
    EntryColumns,
    MinuteEntries,
    OutdatedError,
    Packed,
    unpack_layout,
)
from store.index.row import ROW, MinuteRow, check_rows
from store.index.stream_totals import StreamTotals
from store.index.summary import SUMMARY, checksum_of, summarize
from store.ticks import TICKS_MAX

__all__ = [
    "CORRUPT",
    "IndexRow",
    "check_snapshot",
    "checked",
    "checked_each",
    "columns_of",
    "counted_summaries",
    "counted_summary",
    "entries_of",
    "hashes_of",
    "layout_of",
    "minutes_of",
    "pack_hashes",
    "pack_row",
    "pack_totals",
    "summary_of",
    "unpack_totals",
]

CORRUPT = (ValueError, TypeError, LookupError, OverflowError, struct.error)
"""The errors of Python and numpy for a corrupt row."""

_FEW = 4
"""Up to this many summaries are checked one by one in less time than together."""

_ROW = struct.Struct(f"<{len(MinuteRow._fields) - 1}qd")  # as of the type ROW
_TOTALS_HEADER = struct.Struct("<QQQd")
"""The number of streams, that of postings, that of disturbances, and when streams that there are no more last changed."""
_HASHES_HEADER = struct.Struct("<II")  # a checksum of the hashes, and that of the file

log = logging.getLogger(__name__)


class IndexRow(NamedTuple):
    """A minute as the index keeps it.

    Attributes:
        row: its row in the catalog, restricted to the stored entries.
        summary: the summary of those entries.
        packed: those entries, packed.
    """

    row: MinuteRow
    summary: NDArray[np.void]
    packed: Packed


_Value = TypeVar("_Value")


def checked(unpack: Callable[..., _Value], *arguments: object) -> _Value | None:
    """Return *unpack* of *arguments*; None if they are outdated or, with a warning, corrupt."""
    try:
        return unpack(*arguments)
    except OutdatedError:
        return None
    except CORRUPT as error:
        log.warning("not using a row of the index: %s", error)
        return None


def checked_each(
    unpack: Callable[..., _Value], rows: Iterable[tuple[Any, ...]]
) -> dict[int, _Value]:
    """Return :func:`checked` of each of *rows*, which begin with an id, by id, as far as there is a value."""
    values = ((row[0], checked(unpack, *row)) for row in rows)
    return {minute: value for minute, value in values if value is not None}


def pack_totals(totals: StreamTotals) -> bytes:
    """Pack *totals*, for :func:`unpack_totals`."""
    *columns, forgotten, disturbances = totals
    packed = _TOTALS_HEADER.pack(
        len(totals.events), len(totals.postings), len(disturbances), forgotten
    )
    columns.append(disturbances)
    return packed + b"".join(np.asarray(column).tobytes() for column in columns)


def unpack_totals(packed: bytes) -> StreamTotals:
    """Unpack the totals of all streams, or raise one of ``CORRUPT``."""
    count, postings, disturbed, forgotten = _TOTALS_HEADER.unpack_from(packed)
    first = _TOTALS_HEADER.size + 5 * 8 * count
    last = first + 4 * postings
    if len(packed) != last + disturbed * DISTURBANCE.itemsize:
        raise ValueError("totals of other streams")
    columns = np.frombuffer(packed, np.int64, 4 * count, _TOTALS_HEADER.size).reshape(4, count)
    if (columns[3] < 0).any() or int(columns[3].sum()) != postings:
        raise ValueError("posting lists that cannot be")
    changed = np.frombuffer(packed, np.float64, count, _TOTALS_HEADER.size + columns.nbytes)
    disturbances = np.frombuffer(packed, DISTURBANCE, offset=last)
    if not _are_times(np.concatenate([changed, disturbances["time"], [forgotten]])):
        raise ValueError("times that cannot be")
    minutes = np.frombuffer(packed, np.uint32, postings, first)
    events, sizes, newest, lengths = columns
    return StreamTotals(events, sizes, newest, lengths, changed, minutes, forgotten, disturbances)


def _are_times(times: NDArray[np.float64]) -> bool:
    return bool((np.isfinite(times) & (times >= 0)).all())


def pack_row(row: MinuteRow) -> bytes:
    """Pack *row*."""
    return _ROW.pack(*row)


def _row_of(packed: bytes, known: MinuteRow) -> MinuteRow:
    """Unpack the row of the minute *known*, which must be of its file as it is."""
    values = _ROW.unpack(packed)
    is_same = values == known
    row = known if is_same else MinuteRow(*values)
    if not is_same and (row.id, row.name, row.stamp) != (known.id, known.name, known.stamp):
        raise OutdatedError(f"{known.name} is not what it was")
    # If nothing has arrived since, it is the row in the catalog.
    if row.bytes != row.size or (known.bytes == known.size and not is_same):
        raise ValueError(f"{known.name} contradicts the catalog")
    return row


def pack_hashes(hashes: NDArray[np.uint32], row: MinuteRow) -> bytes:
    """Pack the sorted *hashes* of the ids in the minute with *row*, for :func:`hashes_of`."""
    packed = hashes.tobytes()
    return _HASHES_HEADER.pack(crc32(packed), row.checksum) + packed


def hashes_of(row: bytes, packed: bytes, known: MinuteRow) -> NDArray[np.uint32]:
    """Unpack the hashes of the ids in the minute *known*, whose packed row is *row*."""
    checksum, file_checksum = _HASHES_HEADER.unpack_from(packed)
    hashes = np.frombuffer(packed, np.uint32, offset=_HASHES_HEADER.size)
    if (
        crc32(hashes.tobytes()) != checksum
        or _row_of(row, known).checksum != file_checksum
        or not (hashes[1:] > hashes[:-1]).all()
    ):
        raise ValueError(f"{known.name} has ids that are not those of its file")
    return hashes


def layout_of(packed: bytes, known: MinuteRow, stream_count: int) -> Layout:
    """Unpack the layout of the minute *known*."""
    layout = unpack_layout(packed, known.size, known.checksum, stream_count)
    if known.bytes == known.size and len(layout.ends) != known.entries:
        raise ValueError(f"{known.name} has {known.entries} entries, not {len(layout.ends)}")
    return layout


def entries_of(
    packed: Packed, packed_row: bytes, summary: bytes, known: MinuteRow, stream_count: int
) -> MinuteEntries:
    """Unpack the entries of the minute *known*, whose row is *packed_row*; they must fit its *summary*."""
    row = _row_of(packed_row, known)
    entries = MinuteEntries.unpack(packed, row.size, row.checksum, stream_count)
    columns = entries.columns(0, len(entries))
    if (
        MinuteRow.of(row.id, (row.start, row.end), row.stamp, row.checksum, columns, row.changed)
        != row
        or summarize(columns, stream_count).tobytes() != summary
    ):
        raise ValueError(f"{row.name} has other entries than its summary says")
    return entries


def columns_of(packed: Packed, known: MinuteRow, stream_count: int) -> EntryColumns:
    """Unpack the entries that the minute *known* has in its file."""
    entries = MinuteEntries.unpack(packed, known.size, known.checksum, stream_count)
    if known.bytes == known.size and len(entries) != known.entries:
        raise ValueError(f"{known.name} has {known.entries} entries, not {len(entries)}")
    return entries.columns(0, len(entries))


def counted_summary(
    row: bytes, summary: bytes, checksum: int, known: MinuteRow, stream_count: int
) -> tuple[int, NDArray[np.void]]:
    """Return the number of entries of the minute *known*, and its *summary*, whose *checksum* must be right."""
    found = _summed_row_of(row, summary, checksum, known)
    return found.entries, _summary_in(found, summary, stream_count)


def counted_summaries(
    packed: Iterable[tuple[int, bytes, bytes, int]],
    known: Mapping[int, MinuteRow],
    stream_count: int,
) -> dict[int, tuple[int, NDArray[np.void]]]:
    """Return by id what :func:`counted_summary` does; minutes that are outdated or, with a warning, corrupt are left out.

    Of many, that takes half the time of checking one after the other.

    Args:
        packed: the ids of minutes, their rows, their summaries, and checksums of both.
        known: their rows in the catalog, by id.
        stream_count: the number of streams.
    """
    rows: list[MinuteRow] = []
    summaries: list[bytes] = []
    for minute, row, summary, checksum in packed:
        found = checked(_summed_row_of, row, summary, checksum, known[minute])
        if found is not None:
            rows.append(found)
            summaries.append(summary)
    parts: Sequence[NDArray[np.void] | None] = []
    if len(rows) > _FEW:
        with contextlib.suppress(*CORRUPT):
            parts = _summaries_in(rows, summaries, stream_count)
    if not parts:
        # Few, or one of them is wrong: which, each by itself tells.
        each = zip(rows, summaries, repeat(stream_count))
        parts = [checked(_summary_in, *arguments) for arguments in each]
    return {
        row.id: (row.entries, part)
        for row, part in zip(rows, parts, strict=True)
        if part is not None
    }


def _summed_row_of(row: bytes, summary: bytes, checksum: int, known: MinuteRow) -> MinuteRow:
    """Unpack the *row* of the minute *known*; *checksum* must be that of it and its *summary*."""
    if checksum_of(row, summary) != checksum:
        raise ValueError(f"{known.name} is not what was written")
    return _row_of(row, known)


def _summary_in(row: MinuteRow, packed: bytes, stream_count: int) -> NDArray[np.void]:
    """Unpack the summary of the minute with *row*, whose entries it must sum up."""
    summary = summary_of(packed, stream_count)
    if (
        int(summary["size"].sum()) != row.size
        or int(summary["events"].sum(dtype=np.int64)) != row.entries
    ):
        raise ValueError(f"{row.name} has other entries than its summary says")
    return summary


def _summaries_in(
    rows: Sequence[MinuteRow], packed: Sequence[bytes], stream_count: int
) -> list[NDArray[np.void]]:
    """Unpack the summaries of the minutes with *rows*, as :func:`_summary_in` does; one that is wrong is an error for all."""
    joined = np.frombuffer(b"".join(packed), SUMMARY)
    lengths, rests = np.divmod([len(each) for each in packed], SUMMARY.itemsize)
    ends = lengths.cumsum()
    streams = joined["stream"]
    ascend = streams[1:] > streams[:-1]
    ascend[ends[(ends > 0) & (ends < len(joined))] - 1] = True  # another minute follows
    if rests.any() or not ascend.all() or (len(joined) and int(streams.max()) >= stream_count):
        raise ValueError("a summary of streams that cannot be")
    for name, wanted in (
        ("size", [row.size for row in rows]),
        ("events", [row.entries for row in rows]),
    ):
        sums = np.concatenate(([0], joined[name].cumsum(dtype=np.int64)))
        if (sums[ends] - sums[ends - lengths] != wanted).any():
            raise ValueError("a summary of other entries")
    edges = [0, *ends.tolist()]
    return [joined[first:last] for first, last in itertools.pairwise(edges)]


def summary_of(packed: bytes, stream_count: int) -> NDArray[np.void]:
    """Unpack the summary of a minute, which must be of the first *stream_count* streams."""
    summary = np.frombuffer(packed, SUMMARY)
    streams = summary["stream"]
    if len(summary) and (
        int(streams.max()) >= stream_count or not (streams[1:] > streams[:-1]).all()
    ):
        raise ValueError("a summary of streams that cannot be")
    return summary


def minutes_of(
    packed: Iterable[tuple[int, bytes, bytes, int]], minutes: int = 0
) -> tuple[NDArray[np.void], dict[int, bytes]]:
    """Unpack the rows of minutes, and return their packed summaries by id.

    Args:
        packed: their ids, their rows, their summaries, and checksums of both.
        minutes: the number of all minutes, if there are more than these.

    Raises:
        ValueError: if one is not what was written, or contradicts itself or another one.
    """
    rows: list[bytes] = []
    summaries: dict[int, bytes] = {}
    for minute, row, summary, checksum in packed:
        if checksum_of(row, summary) != checksum or len(row) != ROW.itemsize:
            raise ValueError(f"minute {minute} is not what was written")
        rows.append(row)
        summaries[minute] = summary
    found = np.frombuffer(b"".join(rows), ROW)
    if found["id"].tolist() != list(summaries):
        raise ValueError("ids of minutes that are not those of their rows")
    check_rows(found, max(len(found), minutes))
    check_summaries(found, list(summaries.values()))
    return found, summaries


def check_summaries(rows: NDArray[np.void], packed: Sequence[bytes]) -> None:
    """Check that the *packed* summaries of minutes add up to their *rows*, of the type ``ROW``.

    Raises:
        ValueError: if one does not.
    """
    summaries = np.frombuffer(b"".join(packed), SUMMARY)
    lengths = [len(each) // SUMMARY.itemsize for each in packed]
    if any(len(each) % SUMMARY.itemsize for each in packed):
        raise ValueError("a summary that is cut short")
    owners = np.arange(len(rows)).repeat(lengths)
    events, sizes = summaries["events"].astype(np.int64), summaries["size"]
    is_damage = summaries["stream"] == DAMAGED
    newest = np.where(rows["events"] > 0, 0, -1)
    np.maximum.at(newest, owners[~is_damage], summaries["newest"][~is_damage])
    if (
        # No sum of sizes overflows if each is at most that of its file.
        (sizes < events).any()
        or (sizes > rows["size"][owners]).any()
        or (events == 0).any()
        or (summaries["newest"] < 0).any()
        or not np.array_equal(newest, rows["newest"])
        or not np.array_equal(_sums(owners, sizes, len(rows)), rows["size"])
        or not np.array_equal(_sums(owners, events, len(rows)), rows["entries"])
        or not np.array_equal(_sums(owners, sizes * is_damage, len(rows)), rows["damage"])
        or not np.array_equal(_sums(owners, events * ~is_damage, len(rows)), rows["events"])
    ):
        raise ValueError("summaries that are not those of their minutes")


def _sums(owners: NDArray[np.intp], values: NDArray[np.int64], count: int) -> NDArray[np.int64]:
    """Add up *values* by their *owners*, of which there are *count*."""
    sums = np.zeros(count, np.int64)
    np.add.at(sums, owners, values)
    return sums


def check_snapshot(catalog: bytes, totals: bytes) -> bool:
    """Check that the packed *totals* of all streams are those of the packed *catalog*; return True.

    Raises:
        ValueError: if they contradict each other; or another one of ``CORRUPT``.
    """
    rows = np.frombuffer(catalog, ROW)
    check_rows(rows, len(rows))
    events, sizes, newest, lengths, _, postings, *_ = unpack_totals(totals)
    size = int(rows["size"].sum())
    if (
        (events < 0).any()
        or (sizes < events).any()
        or (sizes > size).any()
        or (newest < 0).any()
        or (newest > TICKS_MAX).any()
        or ((lengths > 0) != (events > 0)).any()
        or int(newest.max(initial=0)) != int(rows["newest"].max(initial=0))
        or int(sizes.sum()) != size
        or int(events.sum()) != int(rows["entries"].sum())
        or int(events[DAMAGED]) != int((rows["entries"] - rows["events"]).sum())
        or int(sizes[DAMAGED]) != int(rows["damage"].sum())
        or not _are_distinct_values(rows["id"][rows["entries"] > 0], postings)
    ):
        raise ValueError("totals that are not those of the minutes")
    return True


def _are_distinct_values(distinct: NDArray[np.int64], values: NDArray[np.uint32]) -> bool:
    """Return whether *distinct* numbers are all that occur in *values*, without sorting those."""
    largest = int(distinct.max(initial=0))
    if int(values.max(initial=0)) > largest:
        return False
    occurs, may_occur = np.zeros(largest + 1, np.bool_), np.zeros(largest + 1, np.bool_)
    occurs[values] = True
    may_occur[distinct] = True
    return np.array_equal(occurs, may_occur)

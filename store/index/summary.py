"""Summaries: for each stream in a minute, its events, their bytes, and the newest time."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.checksum import crc32
from store.index.minute import DAMAGED, EntryColumns

__all__ = [
    "NOTHING",
    "SUMMARY",
    "Summaries",
    "Total",
    "checksum_of",
    "join_summaries",
    "merge_summaries",
    "runs_of_minutes",
    "summarize",
    "total_of",
    "totals_by_level",
    "totals_of",
]

SUMMARY = np.dtype([("stream", "<u4"), ("events", "<u4"), ("size", "<i8"), ("newest", "<i8")])
"""A row of a summary: the stream's id, its events, their bytes, the ticks of the newest; rows ascend by stream."""

_MINUTES_AT_ONCE = 1000
"""Number of minutes whose summaries are in memory together."""

_FEW_ENTRIES = 32
"""Up to this many entries are cheaper to sum up one by one: ten in a third of the time."""

_DENSE_STREAMS_MAX = 8
"""With more streams per entry than this, np.unique is cheaper than counting all streams."""


Summaries = dict[int, tuple[int, NDArray[np.void]]]
"""The summaries of minutes, by id, each after the number of entries in it."""


class Total(NamedTuple):
    """The total of some events: bytes, number, and ticks of the newest; 0 if there are none."""

    size: int
    events: int
    newest: int

    def plus(self, other: "Total") -> "Total":
        """Add *other*."""
        return Total(
            self.size + other.size, self.events + other.events, max(self.newest, other.newest)
        )


NOTHING = Total(0, 0, 0)
"""No events."""


def runs_of_minutes(count: int) -> Iterator[slice]:
    """Yield slices of *count* minutes, each of so few that their summaries can be in memory together."""
    return (slice(first, first + _MINUTES_AT_ONCE) for first in range(0, count, _MINUTES_AT_ONCE))


def summarize(entries: EntryColumns, stream_count: int) -> NDArray[np.void]:
    """Sum *entries* up by stream.

    Args:
        entries: the entries.
        stream_count: the number of streams; no entry has a larger id.

    Returns:
        Rows of type ``SUMMARY``, including damage.
    """
    streams, sizes, ticks = entries
    if len(streams) <= _FEW_ENTRIES:
        return _summarize_few(entries)
    if stream_count <= _DENSE_STREAMS_MAX * len(streams):
        ids, rows = np.arange(stream_count), streams
    else:
        ids, rows = np.unique(streams, return_inverse=True)
    events = np.bincount(rows, minlength=len(ids))
    found = events.nonzero()[0]
    newest = np.zeros(len(ids), np.int64)
    np.maximum.at(newest, rows, ticks)
    summary = np.empty(len(found), SUMMARY)
    summary["stream"] = ids[found]
    summary["events"] = events[found]
    # Exact: bincount adds in floating point, whose 53 bits no minute file exceeds.
    summary["size"] = np.bincount(rows, sizes, len(ids))[found]
    summary["newest"] = newest[found]
    return summary


def _summarize_few(entries: EntryColumns) -> NDArray[np.void]:
    """Sum *entries* up without arrays."""
    found: dict[int, tuple[int, int, int, int]] = {}
    for stream, size, ticks in zip(*(column.tolist() for column in entries), strict=True):
        _, events, total, newest = found.get(stream, (0, 0, 0, 0))
        found[stream] = stream, events + 1, total + size, max(newest, ticks)
    return np.array(sorted(found.values()), SUMMARY)


def merge_summaries(first: NDArray[np.void], second: NDArray[np.void]) -> NDArray[np.void]:
    """Add *first* and *second* up by stream."""
    if not len(first) or not len(second):
        return first if len(first) else second
    ids, rows = np.unique(np.concatenate((first["stream"], second["stream"])), return_inverse=True)
    merged = np.zeros(len(ids), SUMMARY)
    merged["stream"] = ids
    both = np.concatenate((first, second))
    np.add.at(merged["events"], rows, both["events"])
    np.add.at(merged["size"], rows, both["size"])
    np.maximum.at(merged["newest"], rows, both["newest"])
    return merged


def total_of(summary: NDArray[np.void], matching: NDArray[np.bool_]) -> Total:
    """Sum up the rows of *summary* with *matching* streams; damage has bytes but no events."""
    rows = summary[matching[summary["stream"]]]
    events = rows["events"][rows["stream"] != DAMAGED]
    return Total(
        int(rows["size"].sum()), int(events.sum(dtype=np.int64)), int(rows["newest"].max(initial=0))
    )


def join_summaries(summaries: Sequence[NDArray[np.void]]) -> NDArray[np.void]:
    """Join *summaries*, one after the other."""
    # For each array of a structured type, concatenate takes its time to find out that it is of the same type as the others.
    return np.frombuffer(bytearray().join([each.tobytes() for each in summaries]), SUMMARY)


def totals_of(
    summaries: Sequence[NDArray[np.void]], matching: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the total of each of *summaries*, as :func:`total_of` does, in three rows as in Total."""
    rows = join_summaries(summaries)
    events = rows["events"].astype(np.int64)
    events[rows["stream"] == DAMAGED] = 0
    return _added_up(rows, events, matching[rows["stream"]], summaries)


def totals_by_level(
    summaries: Sequence[NDArray[np.void]], levels: NDArray[np.bool_]
) -> NDArray[np.int64]:
    """Return the total of each of *summaries*, which are by level and without damage, in *levels*, in three rows as in Total."""
    rows = join_summaries(summaries)
    return _added_up(rows, rows["events"].astype(np.int64), levels[rows["stream"]], summaries)


def _added_up(
    rows: NDArray[np.void],
    events: NDArray[np.int64],
    found: NDArray[np.bool_],
    summaries: Sequence[NDArray[np.void]],
) -> NDArray[np.int64]:
    """Return the total of each of *summaries*, of which *rows* are the rows, in those that are *found*, each with its *events*."""
    totals = np.zeros((3, len(summaries)), np.int64)
    lengths = np.array([len(each) for each in summaries], np.int64)
    there = lengths.nonzero()[0]
    if len(there):
        firsts = (lengths.cumsum() - lengths)[there]
        totals[0, there] = np.add.reduceat(rows["size"] * found, firsts)
        totals[1, there] = np.add.reduceat(events * found, firsts)
        totals[2, there] = np.maximum.reduceat(np.where(found, rows["newest"], 0), firsts).clip(0)
    return totals


def checksum_of(*parts: bytes) -> int:
    """Return the CRC-32 of *parts*, one after the other."""
    checksum = 0
    for part in parts:
        checksum = crc32(part, checksum)
    return checksum

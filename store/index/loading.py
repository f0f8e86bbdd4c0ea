"""Loading the index: all that it knows of the files of a directory, when a store is opened."""

import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.index.catalog import Catalog
from store.index.lines import unpack_line_totals
from store.index.listing import differences
from store.index.row import MinuteRow
from store.index.rows import checked, counted_summary, summary_of
from store.index.snapshot import IndexSnapshot, read_snapshot
from store.index.streams import Streams
from store.index.tables import VERSION, Tables
from store.minutes.names import parse_name

__all__ = ["Loaded", "Reading", "compare", "read_known"]

_DISCOUNTED_MAX = 1000
"""Stale minutes up to this number are subtracted from the totals; for more, all are counted from their summaries."""


class Loaded(NamedTuple):
    """The part of an index that is of the files that are there.

    Attributes:
        catalog: the minutes whose files have not changed.
        streams: the streams, counted in them.
        stale: the ids of the others.
        unknown: the names of the other files, in the order of time; and their rows of before they changed, None for new ones.
        line_totals: by view, its name and version, for each stream id the size of its lines, if all of this is known.
    """

    catalog: Catalog
    streams: Streams
    stale: list[int]
    unknown: dict[str, MinuteRow | None]
    line_totals: dict[tuple[str, int], NDArray[np.int64]]


class Known(NamedTuple):
    """All that an index knows, whatever has become of the files.

    Attributes:
        generation: that of the index.
        catalog: all minutes.
        streams: the streams, not counted yet.
        snapshot: what they are counted from; None if there is none that is of use.
        summaries: else, the packed summaries of the minutes.
    """

    generation: int
    catalog: Catalog
    streams: Streams
    snapshot: IndexSnapshot | None
    summaries: Mapping[int, bytes]


def read_known(tables: Tables) -> Known:
    """Read from *tables* all that is known.

    Raises:
        ValueError: if there is a row that is not what was written; or another one of ``CORRUPT``.
        TablesError: if they cannot be read.
    """
    version, generation = tables.state()
    if version != VERSION:
        raise ValueError(f"its version is {version}, not {VERSION}")
    catalog, streams = Catalog(), Streams()
    streams.restore_keys(tables.streams())
    snapshot = read_snapshot(tables, len(streams))
    rows, summaries = (snapshot.rows, {}) if snapshot is not None else tables.minutes()
    catalog.restore(rows)
    return Known(generation, catalog, streams, snapshot, summaries)


class Reading:
    """The reading of all that an index knows, in a thread of its own.

    Args:
        tables: those of the index; to be closed after this object.
    """

    def __init__(self, tables: Tables) -> None:
        executor = ThreadPoolExecutor(1, "index")
        self._known = executor.submit(read_known, tables)
        executor.shutdown(wait=False)

    def known(self) -> Known:
        """Return what the index knows, once it is read.

        Raises:
            ValueError: if there is a row that is not what was written; or another one of ``CORRUPT``.
            TablesError: if they cannot be read.
        """
        try:
            return self._known.result()
        finally:
            del self  # else an error would keep all of this, and the tables open: its traceback has this frame

    def close(self) -> None:
        """Wait until nothing is read any more."""
        wait([self._known])


def compare(tables: Tables, known: Known, listed: NDArray[np.void]) -> Loaded:
    """Compare what is *known*, just read from *tables*, with the files *listed*, all of the directory; see :mod:`store.index.listing`.

    What is known must not be used afterwards.

    Raises:
        ValueError: if there is a row that is not what was written; or another one of ``CORRUPT``.
        TablesError: if they cannot be read.
    """
    generation, catalog, streams, snapshot, summaries = known
    gone, changed, new = differences(catalog.files(), listed)
    stale = [*gone, *changed]
    former = {catalog.name(minute): catalog.row(minute) for minute in changed}
    unknown = {name: former.get(name) for name in sorted([*new, *former], key=_span)}
    before = {minute: catalog.row(minute) for minute in stale[: _DISCOUNTED_MAX + 1]}
    times, now = catalog.times(np.array(stale, np.int64)), time.time()
    if stale:
        catalog.remove(stale)
    if snapshot is not None and len(stale) <= _DISCOUNTED_MAX:
        snapshot.restore(streams, now)
        found = []
        for minute, row, summary, checksum in tables.select(
            "minutes", "row, summary, checksum", stale
        ):
            counted = counted_summary(row, summary, checksum, before[minute], len(streams))
            found.append((minute, counted[1]))
        if len(found) < len(stale):
            raise ValueError("minutes without summaries")
        streams.discount(found, now)
        streams.forget_emptied()
        streams.changes.disturbances.note(*times, now)
    else:
        if snapshot is not None:
            _, summaries = tables.minutes()
        # Without a snapshot, in which order events were shown is unknown; else, which of the streams have lost some.
        streams.changes.note_unknown(now)
        kept = catalog.ids().tolist()
        parts = [summary_of(summaries[minute], len(streams)) for minute in kept]
        if parts:
            lengths = [len(each) for each in parts]
            minutes = np.repeat(np.array(kept, np.int64), lengths)
            streams.recount(np.concatenate(parts), minutes, catalog.changes(minutes))
        streams.forget_empty()
    is_current = snapshot is not None and not stale and not unknown
    line_totals = _line_totals(tables, generation, len(streams)) if is_current else {}
    return Loaded(catalog, streams, stale, unknown, line_totals)


def _line_totals(
    tables: Tables, generation: int, stream_count: int
) -> dict[tuple[str, int], NDArray[np.int64]]:
    """Return the totals of lines of *generation*, of at most *stream_count* streams, by view."""
    packed = tables.line_totals(generation)
    found = {view: checked(unpack_line_totals, each, stream_count) for view, each in packed.items()}
    return {view: sums for view, sums in found.items() if sums is not None}


def _span(name: str) -> tuple[int, int]:
    return parse_name(name) or (0, 0)

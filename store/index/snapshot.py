"""Snapshots: the catalog and the totals of all streams as an index was closed with them, and what has changed since.

A process that ends well takes one. One that is killed leaves that of before, and its index has the former rows of what it
changed: they are subtracted, and what is there now is added, at the cost of the changes rather than that of all minutes.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.index.catalog import Catalog
from store.index.row import FREE_IDS_MAX, ROW, check_rows
from store.index.rows import checked, minutes_of, pack_totals, summary_of, unpack_totals
from store.index.stream_totals import StreamTotals
from store.index.streams import Streams
from store.index.tables import Tables

__all__ = ["IndexSnapshot", "read_snapshot", "save_snapshot"]

_BYTES = np.dtype((np.void, ROW.itemsize))
"""A row as it is in memory: these are selected and joined in a tenth of the time, for numpy copies other rows field by field."""

_CHANGED_SHARE, _CHANGED_MIN = 4, 1000
"""Where more than _CHANGED_MIN minutes and one in _CHANGED_SHARE have changed, counting all of them takes less time."""


class IndexSnapshot(NamedTuple):
    """A snapshot, and what has changed since.

    Attributes:
        rows: rows of type ``ROW``, of all minutes as they are now.
        totals: the totals of all streams, as they were then.
        former: of the minutes that have changed since, their ids and the summaries that are in *totals*.
        current: of those that are there now, their ids and summaries.
    """

    rows: NDArray[np.void]
    totals: StreamTotals
    former: Sequence[tuple[int, NDArray[np.void]]] = ()
    current: Sequence[tuple[int, NDArray[np.void]]] = ()

    def restore(self, streams: Streams, now: float) -> None:
        """Count everything for *streams*, which have their keys already.

        Args:
            streams: the streams.
            now: the time, in seconds since the epoch; what has changed since counts as changed now.

        Raises:
            ValueError: if a stream has lost more than it had.
        """
        count = len(streams)
        streams.restore(self.totals.of_first(count))
        if not self.former and not self.current:
            return
        # Streams beyond were forgotten since.
        former = [(minute, each[each["stream"] < count]) for minute, each in self.former]
        streams.discount(former, now)
        for minute, summary in self.current:
            streams.count(minute, summary, now)
        size = streams.total(None)[0].size
        if (streams.events(count) < 0).any() or size != int(self.rows["size"].sum()):
            raise ValueError("former minutes that cannot be")
        streams.forget_empty()
        # In which order events were shown is unknown.
        streams.changes.note_unknown(now)


def read_snapshot(tables: Tables, stream_count: int) -> IndexSnapshot | None:
    """Read the snapshot of *tables*, which have *stream_count* streams; None if there is none that is of use.

    Raises:
        ValueError: if the table of streams is corrupt.
        TablesError: if it cannot be read.
    """
    kept = tables.snapshot()
    if kept is None:
        return None
    catalog, totals = kept
    former = tables.former_minutes()
    if len(former) > max(_CHANGED_MIN, len(catalog) // ROW.itemsize // _CHANGED_SHARE):
        return None
    current = tables.select("minutes", "row, summary, checksum", [each[0] for each in former])
    return checked(_unpack, catalog, totals, former, current, stream_count)


def _unpack(
    catalog: bytes,
    packed_totals: bytes,
    former: Sequence[tuple[int, bytes | None, bytes | None, int | None]],
    current: Sequence[tuple[int, bytes, bytes, int]],
    stream_count: int,
) -> IndexSnapshot:
    """Unpack a snapshot, or raise one of ``CORRUPT``."""
    rows, totals = np.frombuffer(catalog, ROW), unpack_totals(packed_totals)
    if (totals.postings >= len(rows) + FREE_IDS_MAX).any():
        raise ValueError("minutes of streams that cannot be")
    if not former:
        return IndexSnapshot(rows, totals)
    is_changed = np.isin(rows["id"], [each[0] for each in former])
    changed = (each for each in former if each[1:] != (None, None, None))
    former_rows, before = minutes_of(changed, len(rows))  # type: ignore[arg-type]
    if not np.array_equal(np.sort(rows[is_changed], order="id"), np.sort(former_rows, order="id")):
        raise ValueError("former minutes of another snapshot")
    current_rows, after = minutes_of(current, len(rows))
    # The others were checked together, and have none of these ids: no two rows may have one name.
    alike = rows[np.isin(rows["start"], current_rows["start"]) & ~is_changed]
    rows = _replaced(rows, is_changed, current_rows)
    check_rows(np.concatenate((alike, current_rows)), len(rows))
    former_count = max(len(totals.events), stream_count)
    return IndexSnapshot(
        rows, totals, _summaries(before, former_count), _summaries(after, stream_count)
    )


def _replaced(
    rows: NDArray[np.void], is_changed: NDArray[np.bool_], current: NDArray[np.void]
) -> NDArray[np.void]:
    """Return *rows* with *current* ones, at the end, in place of those that have changed."""
    kept = (~is_changed).nonzero()[0]
    joined = np.empty(len(kept) + len(current), ROW)
    rows.view(_BYTES).take(kept, out=joined[: len(kept)].view(_BYTES), mode="clip")  # each is there
    joined[len(kept) :] = current
    return joined


def _summaries(
    packed: Mapping[int, bytes], stream_count: int
) -> list[tuple[int, NDArray[np.void]]]:
    return [(minute, summary_of(each, stream_count)) for minute, each in packed.items()]


def save_snapshot(
    tables: Tables,
    catalog: Catalog,
    streams: Streams,
    line_totals: Mapping[tuple[str, int], NDArray[np.int64]],
) -> None:
    """Save *catalog*, *streams* and *line_totals* whole to *tables*, so that the next process need not add them up."""
    _, generation = tables.state()
    if not tables.has_snapshot(generation):
        rows = catalog.rows().tobytes()
        tables.save_snapshot(generation, rows, pack_totals(streams.export()))
    tables.save_line_totals(
        generation, {view: sums[: streams.end].tobytes() for view, sums in line_totals.items()}
    )

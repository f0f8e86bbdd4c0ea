"""The row of a minute in the catalog."""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.index.minute import DAMAGED, EntryColumns
from store.index.stamp import Stamp
from store.query import MINUTE_S
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["COLUMNS", "FREE_IDS_MAX", "ROW", "MinuteRow", "check_rows", "in_cache"]

_END_MAX = TICKS_MAX // TICKS_PER_S + MINUTE_S

FREE_IDS_MAX = 1 << 20
"""More ids without a minute than this mean corruption: tables by id take memory for all of them."""

_ROWS_AT_ONCE = 1 << 12

COLUMNS = (
    "start", "end", "size", "mtime_ns", "ctime_ns", "inode", "checksum", "bytes", "entries", "events", "damage", "ends_damaged", "oldest", "newest", "changed",
)  # fmt: skip
ROW = np.dtype([(name, "<f8" if name == "changed" else "<i8") for name in ("id", *COLUMNS)])
"""A row of the catalog, for many rows at once; the fields are those of :class:`MinuteRow`."""


class MinuteRow(NamedTuple):
    """The row of a minute in the catalog.

    Attributes:
        id: its id while the store is open.
        start: the whole second at which it starts.
        end: the whole second at which it ends.
        size: the size of its file when last read or written, in bytes.
        mtime_ns: the mtime of its file then.
        ctime_ns: the ctime of its file then; -1 if it must be read again.
        inode: the inode number of its file then.
        checksum: the CRC-32 of its file then.
        bytes: the bytes of all its entries, flushed or not.
        entries: the number of its entries.
        events: the number of its entries that are events.
        damage: the bytes of its entries that are damage.
        ends_damaged: 1 if its last entry is damage, else 0.
        oldest: the ticks of its oldest event; -1 if there is none.
        newest: the ticks of its newest event; -1 if there is none.
        changed: when it last changed, in seconds since the epoch.
    """

    id: int
    start: int
    end: int
    size: int = 0
    mtime_ns: int = 0
    ctime_ns: int = 0
    inode: int = 0
    checksum: int = 0
    bytes: int = 0
    entries: int = 0
    events: int = 0
    damage: int = 0
    ends_damaged: int = 0
    oldest: int = -1
    newest: int = -1
    changed: float = 0.0

    @classmethod
    def of(
        cls,
        minute: int,
        span: tuple[int, int],
        stamp: Stamp,
        checksum: int,
        columns: EntryColumns,
        changed: float,
    ) -> "MinuteRow":
        """Make the row of a minute that last *changed* then, and has the entries in *columns*, all of them in its file."""
        is_event = columns.streams != DAMAGED
        sizes, ticks = columns.sizes, columns.ticks[is_event]
        return cls(
            minute,
            *span,
            *stamp,
            checksum,
            int(sizes.sum()),
            len(sizes),
            len(ticks),
            int(sizes[~is_event].sum()),
            int(len(sizes) > 0 and not is_event[-1]),
            int(ticks.min()) if len(ticks) else -1,
            int(ticks.max()) if len(ticks) else -1,
            changed,
        )

    @property
    def name(self) -> str:
        """The name of the minute."""
        return f"{self.start}-{self.end}"

    @property
    def stamp(self) -> Stamp:
        """The stamp of its file."""
        return Stamp(self.size, self.mtime_ns, self.ctime_ns, self.inode)


def check_rows(rows: NDArray[np.void], minutes: int) -> None:
    """Check *rows* of the type ``ROW``, of minutes whose entries are all in their files.

    Args:
        rows: all rows, or some.
        minutes: the number of all.

    Raises:
        ValueError: if two of them have one name or one id, or one contradicts itself.
    """
    order = np.lexsort((rows["end"], rows["start"]))
    starts, ends = rows["start"][order], rows["end"][order]
    id_max = minutes + FREE_IDS_MAX - 1
    if (
        not all(_can_be(some, id_max) for some in in_cache(rows))
        or ((starts[1:] == starts[:-1]) & (ends[1:] == ends[:-1])).any()
        or not np.diff(np.sort(rows["id"])).all()
    ):
        raise ValueError("minutes that cannot be")


def in_cache(rows: NDArray[np.void]) -> Iterator[NDArray[np.void]]:
    """Yield *rows*, as many at once as stay in the cache of a processor while one of their columns after the other is read."""
    for first in range(0, len(rows), _ROWS_AT_ONCE):
        yield rows[first : first + _ROWS_AT_ONCE]


def _can_be(rows: NDArray[np.void], id_max: int) -> bool:
    """Return whether no row contradicts itself, and none has an id above *id_max*."""
    has_events = rows["events"] > 0
    damaged = rows["entries"] - rows["events"]
    can_be = (
        (rows["id"] >= 0)
        & (rows["id"] <= id_max)
        & (rows["start"] >= 0)
        & (rows["end"] >= rows["start"])
        & (rows["end"] <= _END_MAX)
        & (rows["checksum"] >= 0)
        & (rows["checksum"] < 1 << 32)
        & (rows["bytes"] == rows["size"])
        & (rows["events"] >= 0)
        & (damaged >= 0)
        & (rows["entries"] <= rows["bytes"])
        & ((rows["entries"] > 0) == (rows["bytes"] > 0))
        & (rows["damage"] >= damaged)
        & (rows["bytes"] - rows["damage"] >= rows["events"])
        & ((rows["damage"] > 0) == (damaged > 0))
        & (has_events == (rows["damage"] < rows["bytes"]))
        & (rows["ends_damaged"] >= 0)
        & (rows["ends_damaged"] <= (damaged > 0))
        & (rows["ends_damaged"] >= ((rows["entries"] > 0) & ~has_events))
        & (rows["oldest"] >= np.where(has_events, 0, -1))
        & (rows["newest"] >= rows["oldest"])
        & (rows["newest"] <= np.where(has_events, TICKS_MAX, -1))
        & (rows["changed"] >= 0)
        & np.isfinite(rows["changed"])
    )
    return bool(can_be.all())

"""The row of a minute in the catalog: everything that is known of it, its entries aside."""

from typing import NamedTuple

import numpy as np

from store.index.stamp import Stamp

__all__ = ["COLUMNS", "ROW", "MinuteRow"]

COLUMNS = (
    "start", "end", "size", "mtime_ns", "ctime_ns", "inode", "checksum", "bytes", "entries", "events", "damage", "ends_damaged", "oldest", "newest",
)  # fmt: skip
ROW = np.dtype([(name, "<i8") for name in ("id", *COLUMNS)])
"""A row of the catalog, for many rows at once; the fields are those of :class:`MinuteRow`."""


class MinuteRow(NamedTuple):
    """The row of a minute in the catalog.

    Attributes:
        id: its id, as long as the store is open.
        start: the whole second it starts at.
        end: the whole second it ends at.
        size: of its file when that was last read or written, in bytes.
        mtime_ns: of its file then.
        ctime_ns: of its file then; -1 for one that must be read again.
        inode: of its file then.
        checksum: the CRC-32 of its file then.
        bytes: of all its entries, flushed or not.
        entries: their number.
        events: the number of those that are no damage.
        damage: the bytes of those that are.
        ends_damaged: 1 if the last of them is damage, else 0.
        oldest: the ticks of the oldest event; -1 when there is none.
        newest: the ticks of the newest event; -1 when there is none.
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

    @property
    def name(self) -> str:
        """The name of the minute."""
        return f"{self.start}-{self.end}"

    @property
    def stamp(self) -> Stamp:
        """The stamp of its file."""
        return Stamp(self.size, self.mtime_ns, self.ctime_ns, self.inode)

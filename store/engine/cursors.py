"""Cursors: which minutes a directory had, and how much of each, so that it can be told later which of them have changed."""

import zlib

import numpy as np
from numpy.typing import NDArray

from store.engine.lookup import Lookup
from store.minutes.names import make_names
from store.snapshot import Changes

__all__ = ["changes_since"]

_FORMAT = b"minutes 1\n"
"""Begins a cursor; one of anything else says nothing of minutes."""

_ROW = np.dtype([("start", "<i8"), ("end", "<i8"), ("bytes", "<i8"), ("checksum", "<u4")])
"""What a cursor has of a minute, sorted by start and end. The bytes tell that it has grown, and the checksum that it was replaced."""

_SMALL_LEVEL = 1
"""The level of compression: what differs from minute to minute are the checksums, which no level makes smaller."""


def changes_since(lookup: Lookup, cursor: bytes) -> Changes:
    """Return what has changed since *cursor* in the minutes of *lookup*."""
    with lookup.lock:
        minutes = lookup.catalog.ids()
        now = np.empty(len(minutes), _ROW)
        for name in _ROW.names or ():
            now[name] = lookup.catalog.values(name, minutes)
    changed = now[~_are_in(now, _unpack(cursor))]
    return Changes(_pack(now), make_names(changed["start"], changed["end"]))


def _are_in(rows: NDArray[np.void], before: NDArray[np.void]) -> NDArray[np.bool_]:
    """Return for each of *rows* whether it is known to be among those *before*."""
    found = np.zeros(len(rows), np.bool_)
    # Of several that start together, as theia makes them, the first is found: the others count as changed.
    places = before["start"].searchsorted(rows["start"])
    can_be = places < len(before)
    found[can_be] = before[places[can_be]] == rows[can_be]
    return found


def _pack(rows: NDArray[np.void]) -> bytes:
    columns = (np.diff(rows["start"], prepend=0), rows["end"] - rows["start"], rows["bytes"])
    data = b"".join([*(column.tobytes() for column in columns), rows["checksum"].tobytes()])
    return _FORMAT + zlib.compress(data, _SMALL_LEVEL)


def _unpack(cursor: bytes) -> NDArray[np.void]:
    """Return the rows of *cursor*; none if it is not one of a directory."""
    nothing = np.empty(0, _ROW)
    if not cursor.startswith(_FORMAT):
        return nothing
    try:
        data = zlib.decompress(cursor[len(_FORMAT) :])
    except zlib.error:
        return nothing
    length = len(data) // _ROW.itemsize
    rows = np.empty(length, _ROW)
    starts, lengths, sizes = np.frombuffer(data, "<i8", 3 * length).reshape(3, length)
    rows["start"] = starts.cumsum()
    rows["end"] = rows["start"] + lengths
    rows["bytes"] = sizes
    rows["checksum"] = np.frombuffer(data, "<u4", length, 24 * length)
    return rows

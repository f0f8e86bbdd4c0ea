"""Known ids: those of the events that the destination has already."""

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from store import TICKS_MAX, TICKS_PER_S
from theiafs.importing.destination import Destination
from theiafs.importing.records import Damage, read_records

__all__ = ["KnownIds", "hashes_of"]

Hashes = npt.NDArray[np.uint64]

_DAY_S = 24 * 60 * 60
_DAY = _DAY_S * TICKS_PER_S
_KEPT_MAX = 4 << 20
"""Maximum number of ids that are kept: 32 MiB."""
_NO_HASHES = np.zeros(0, np.uint64)


def hashes_of(ids: Sequence[bytes]) -> Hashes:
    """Return the hash of each of *ids*, which is of this process."""
    return np.fromiter(map(hash, ids), np.int64, len(ids)).view(np.uint64)


class KnownIds:
    """The ids of a destination, looked up by minute: those that no imported event is in are not read.

    A minute is listed when the first event of its day comes, and read when the first of its own comes, so that most minutes that
    the import makes itself are never read.

    Args:
        destination: the destination.
    """

    def __init__(self, destination: Destination) -> None:
        self._destination = destination
        self._days: dict[int, frozenset[str]] = {}
        self._minutes: OrderedDict[str, Hashes] = OrderedDict()
        self._kept = 0

    def include(self, ids: Sequence[bytes], ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Return whether the destination has each of *ids*, of events of the times *ticks*."""
        known = [self._read(minute) for minute in self._touched(ticks)]
        if not known:
            return np.zeros(len(ids), np.bool_)
        return np.isin(hashes_of(ids), np.concatenate(known))

    def _touched(self, ticks: npt.NDArray[np.int64]) -> list[str]:
        """Return the minutes that may have events of the times *ticks*."""
        days = np.unique(ticks // _DAY).tolist()
        names = list(frozenset().union(*map(self._listed, days)))
        if not names:
            return []
        # The files of theia include their ends.
        edges = np.array([name.split("-") for name in names], np.int64) * TICKS_PER_S
        ordered = np.sort(ticks)
        first = np.searchsorted(ordered, edges[:, 0], "left")
        last = np.searchsorted(ordered, edges[:, 1], "right")
        rows = np.flatnonzero(first < last)
        # The last ones, which the next lines touch too, are kept longest.
        return [names[row] for row in rows[np.argsort(edges[rows, 0])].tolist()]

    def _listed(self, day: int) -> frozenset[str]:
        """Return the minutes of the *day*, counted from the epoch, that were there when it was listed first."""
        if day not in self._days:
            start = day * _DAY_S
            end = min(start + _DAY_S, TICKS_MAX // TICKS_PER_S)
            self._days[day] = frozenset(self._destination.minutes(start, end))
        return self._days[day]

    def _read(self, minute: str) -> Hashes:
        """Return the hashes of the ids in *minute*."""
        hashes = self._minutes.pop(minute, None)
        if hashes is None:
            found = [
                hashes_of(each.ids)
                for each in read_records(self._destination.read(minute))
                if not isinstance(each, Damage)
            ]
            hashes = np.concatenate([_NO_HASHES, *found])
            self._kept += len(hashes)
        self._minutes[minute] = hashes
        while self._kept > _KEPT_MAX and len(self._minutes) > 1:
            self._kept -= len(self._minutes.popitem(last=False)[1])
        return hashes

"""Known records: those that the destination has already."""

from collections import OrderedDict
from collections.abc import Callable, Sequence

import numpy as np
import numpy.typing as npt

from store import TICKS_MAX, TICKS_PER_S
from theiafs.importing.destination import Destination
from theiafs.importing.records import Damage, Records, read_records

__all__ = ["Hashes", "Known", "hashes_of"]

Hashes = npt.NDArray[np.uint64]

_DAY_S = 24 * 60 * 60
_DAY = _DAY_S * TICKS_PER_S
_KEPT_MAX = 4 << 20
"""Maximum number of hashes that are kept: 32 MiB."""
_NO_HASHES = np.zeros(0, np.uint64)


def hashes_of(values: Sequence[bytes]) -> Hashes:
    """Return the hash of each of *values*, which is of this process."""
    return np.fromiter(map(hash, values), np.int64, len(values)).view(np.uint64)


class Known:
    """The records of a destination, looked up by minute: those that no new event is in are not read.

    A minute is listed when the first event of its day comes, and read when the first of its own comes, so that most minutes that
    are made meanwhile are never read.

    Args:
        destination: the destination.
        hashes: returns a hash of each of some records, of whatever they are to be known by.
    """

    def __init__(self, destination: Destination, hashes: Callable[[Records], Hashes]) -> None:
        self._destination = destination
        self._hashes = hashes
        self._days: dict[int, frozenset[str]] = {}
        self._minutes: OrderedDict[str, Hashes] = OrderedDict()
        self._kept = 0

    def near(self, ticks: npt.NDArray[np.int64]) -> Hashes:
        """Return the hashes, sorted, of the records in the minutes that may have events of the times *ticks*."""
        known = [self._read(minute) for minute in self._touched(ticks)]
        # This sort merges what is sorted already.
        return np.sort(np.concatenate(known), kind="stable") if known else _NO_HASHES

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
        """Return the hashes of the records in *minute*, sorted."""
        hashes = self._minutes.pop(minute, None)
        if hashes is None:
            found = [
                self._hashes(each)
                for each in read_records(self._destination.read(minute))
                if not isinstance(each, Damage)
            ]
            hashes = np.sort(np.concatenate([_NO_HASHES, *found]))
            self._kept += len(hashes)
        self._minutes[minute] = hashes
        while self._kept > _KEPT_MAX and len(self._minutes) > 1:
            self._kept -= len(self._minutes.popitem(last=False)[1])
        return hashes

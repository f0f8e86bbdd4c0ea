"""Places among equals: how many equal hashes came before each."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Places", "occurrences"]

Hashes = npt.NDArray[np.uint64]


class _Run(NamedTuple):
    """Hashes that came one after the other.

    Attributes:
        hashes: the hashes, sorted.
        oldest: the earliest of their times, in ticks since the epoch.
        newest: the latest.
    """

    hashes: Hashes
    oldest: int
    newest: int


class Places:
    """All hashes that came so far, in 8 bytes each. Equal hashes have equal times.

    They are kept in runs, each at least twice as long as the next, so that a look-up searches few of them; and none, usually,
    because a log goes on where it was.
    """

    def __init__(self) -> None:
        self._runs: list[_Run] = []

    def count(self, hashes: Hashes, ticks: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
        """Return how many hashes equal to each of *hashes*, of the times *ticks*, came before it; from now on they are among them."""
        if not len(hashes):
            return np.zeros(0, np.int64)
        order = np.argsort(hashes, kind="stable")
        ordered = hashes[order]
        rows = np.arange(len(hashes))
        begins = np.concatenate(([True], ordered[1:] != ordered[:-1]))
        places = np.empty(len(hashes), np.int64)
        places[order] = rows - np.maximum.accumulate(np.where(begins, rows, 0))
        for run in self._runs:
            some = np.flatnonzero((ticks >= run.oldest) & (ticks <= run.newest))
            if len(some):
                places[some] += occurrences(run.hashes, hashes[some])
        self._add(_Run(ordered, int(ticks.min()), int(ticks.max())))
        return places

    def _add(self, run: _Run) -> None:
        while self._runs and len(self._runs[-1].hashes) < 2 * len(run.hashes):
            hashes, oldest, newest = self._runs.pop()
            # This sort merges what is sorted already.
            merged = np.sort(np.concatenate((hashes, run.hashes)), kind="stable")
            run = _Run(merged, min(oldest, run.oldest), max(newest, run.newest))
        self._runs.append(run)


def occurrences(ordered: Hashes, wanted: Hashes) -> npt.NDArray[np.int64]:
    """Return how often each of *wanted* is in *ordered*, which is sorted."""
    ends = np.searchsorted(ordered, wanted, "right")
    return ends - np.searchsorted(ordered, wanted, "left")

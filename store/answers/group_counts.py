"""The numbers of events by group, a stream or a level: added up from columns, however many minutes there are."""

import threading
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from store.index.summary import Summaries, runs_of_minutes

__all__ = ["GroupCounts"]

_ROW = np.dtype([("minute", np.uint32), ("group", np.uint32), ("events", np.int64)])

_Counts = tuple[NDArray[np.int64], NDArray[np.bool_]]


class GroupCounts:
    """The numbers of events by group of all minutes asked for so far. Any number of threads may use it.

    Args:
        read: returns by id the known summaries of minutes, each after the number of entries in it, the group in place of the
            stream.
    """

    def __init__(self, read: Callable[[NDArray[np.int64]], Summaries]) -> None:
        self._read = read
        self._lock = threading.Lock()
        # By minute id, the number of entries that are in the rows.
        self._entries = np.zeros(0, np.int64)
        self._rows = np.empty(0, _ROW)

    @property
    def memory_size(self) -> int:
        """The memory of the counts, in bytes."""
        return self._entries.nbytes + self._rows.nbytes

    def of(
        self, minutes: NDArray[np.int64], entries: NDArray[np.int64], group_count: int
    ) -> _Counts:
        """Return how many events the first *entries* of *minutes* have in each of *group_count* groups.

        Returns:
            The numbers by group, and for each minute whether it is in them; it is not if its summary is of other entries.
        """
        with self._lock:
            self._reserve(int(minutes.max(initial=-1)) + 1)
            missing = minutes[self._entries[minutes] != entries]
            if len(missing):
                self._add(missing)
            is_there = self._entries[minutes] == entries
            is_wanted = np.zeros(len(self._entries), np.bool_)
            is_wanted[minutes[is_there]] = True
            rows = self._rows[is_wanted[self._rows["minute"]]]
        rows = rows[rows["group"] < group_count]
        counts = np.zeros(group_count, np.int64)
        np.add.at(counts, rows["group"], rows["events"])
        return counts, is_there

    def _reserve(self, length: int) -> None:
        if length > len(self._entries):
            grown = np.zeros(max(length, 2 * len(self._entries)), np.int64)
            grown[: len(self._entries)] = self._entries
            self._entries = grown

    def _add(self, minutes: NDArray[np.int64]) -> None:
        """Add *minutes*, in place of what is known of them, as far as there are summaries."""
        is_old = np.zeros(len(self._entries), np.bool_)
        is_old[minutes] = True
        parts = [self._rows[~is_old[self._rows["minute"]]]]
        self._entries[minutes] = 0
        for run in runs_of_minutes(len(minutes)):
            found = self._read(minutes[run])
            if not found:
                continue
            counts, summaries = zip(*found.values(), strict=True)
            ids = np.fromiter(found, np.int64, len(found))
            joined = np.concatenate(summaries)
            rows = np.empty(len(joined), _ROW)
            rows["minute"] = ids.repeat([len(each) for each in summaries])
            rows["group"], rows["events"] = joined["stream"], joined["events"]
            parts.append(rows)
            self._entries[ids] = counts
        self._rows = np.concatenate(parts)

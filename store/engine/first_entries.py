"""Counts of the first entries of minutes of which the same is known: that a filter selects none of them, for one."""

import threading

import numpy as np
from numpy.typing import NDArray

__all__ = ["FirstEntries"]


class FirstEntries:
    """For each minute the number of its first entries of which something is known. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._counts = np.zeros(0, np.int64)  # by minute id

    @property
    def memory_size(self) -> int:
        """The memory of the numbers, in bytes."""
        return self._counts.nbytes

    def count(self, minute: int) -> int:
        """Return the number for *minute*, by id."""
        counts = self._counts
        return int(counts[minute]) if minute < len(counts) else 0

    def counts(self, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return the number for each of *minutes*."""
        with self._lock:
            self._reserve(minutes)
            return self._counts[minutes]

    def note(self, minutes: NDArray[np.int64], counts: NDArray[np.int64]) -> None:
        """Note that it is known of the first *counts* entries of *minutes*, or of more."""
        with self._lock:
            self._reserve(minutes)
            self._counts[minutes] = np.maximum(self._counts[minutes], counts)

    def _reserve(self, minutes: NDArray[np.int64]) -> None:
        length = int(minutes.max(initial=-1)) + 1
        if length > len(self._counts):
            counts = np.zeros(max(length, 2 * len(self._counts)), np.int64)
            counts[: len(self._counts)] = self._counts
            self._counts = counts

"""Late arrivals: what arrived after entries of later minutes, and stands before them once the order of arrival is folded."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

__all__ = ["NO_SPAN", "LateArrivals"]

NO_SPAN = -1, -1
"""The span that is before all others."""


class LateArrivals:
    """The late arrivals since the last fold. Not safe for several threads: callers hold the store's state lock.

    Attributes:
        latest: the span of the latest minute with entries: the whole seconds that it starts and ends at.
        latest_minute: its id if something arrived there last; -1 if it has got its entries otherwise.
        minutes: the ids of the minutes with late arrivals.
    """

    def __init__(self) -> None:
        self.latest = NO_SPAN
        self.latest_minute = -1
        self.minutes: set[int] = set()
        self._is_late = bytearray()  # by stream: of those, there may be millions

    def note(
        self, minute: int, span: tuple[int, int], streams: Sequence[int] | NDArray[np.integer]
    ) -> None:
        """Note that entries of *streams* arrive in *minute*, both by id, which has this *span*."""
        if span >= self.latest:
            self.latest, self.latest_minute = span, minute
            return
        self.minutes.add(minute)
        ids = np.asarray(streams, np.int64)
        lacking = int(ids.max(initial=-1)) + 1 - len(self._is_late)
        self._is_late.extend(bytes(max(lacking, 0)))
        np.frombuffer(self._is_late, np.bool_)[ids] = True

    def note_stored(self, span: tuple[int, int]) -> None:
        """Note that a minute with this *span* has entries that count as stored before all that arrives."""
        if span > self.latest:
            self.latest, self.latest_minute = span, -1

    def streams(self) -> NDArray[np.int64]:
        """Return the ids of the streams with late arrivals."""
        return np.frombuffer(self._is_late, np.bool_).nonzero()[0]

    def clear(self) -> None:
        """Forget them, after a fold."""
        self.minutes.clear()
        self._is_late.clear()

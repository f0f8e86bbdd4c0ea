"""Change times: when answers to queries last changed, by the streams and the times that they are about."""

import numpy as np
from numpy.typing import NDArray

from store.columns import Reals, Zeros
from store.index.disturbances import Disturbances

__all__ = ["ChangeTimes"]


class ChangeTimes:
    """When the streams of a store last changed, in seconds since the epoch.

    Not safe for several threads: callers hold the store's state lock.

    Attributes:
        disturbances: which times events were removed from, or got another place in.
    """

    def __init__(self) -> None:
        self._changed = Reals()  # by stream
        # Of all streams, kept apart because it is asked for all the time.
        self._last = 0.0
        # Of the streams that there are no more: answers that had them have not changed before that.
        self._forgotten = 0.0
        self.disturbances = Disturbances()

    def __len__(self) -> int:
        return len(self._changed)

    @property
    def size(self) -> int:
        """The memory of all of them, in bytes, about."""
        return self._changed.size

    def page(self, zeros: Zeros) -> None:
        """Move them as :meth:`store.columns.Column.page` does."""
        self._changed.page(zeros)

    def resize(self, count: int) -> None:
        """Make room for *count* streams, which have not changed yet."""
        self._changed.resize(count)

    def note_one(self, stream: int, changed: float) -> None:
        """Note that *stream* *changed* then; without arrays, which would cost more than all the rest."""
        self._changed[stream] = changed
        self._last = max(self._last, changed)

    def note(self, streams: NDArray[np.int64], changed: float) -> None:
        """Note that *streams* *changed* then."""
        if len(streams):
            self._changed.slice(0, len(self))[streams] = changed
            self._last = max(self._last, changed)

    def note_arrived(self, streams: NDArray[np.int64], changed: float) -> None:
        """Note that something was added to *streams*, which may have been long before this is known: *changed* is when."""
        if len(streams):
            self._changed.put(streams, np.maximum(self._changed.take(streams), changed))
            self._last = max(self._last, changed)

    def note_reordered(
        self,
        streams: NDArray[np.int64],
        oldest: NDArray[np.int64],
        newest: NDArray[np.int64],
        changed: float,
    ) -> None:
        """Note that events of *streams* got another place in answers.

        Args:
            streams: their ids.
            oldest: the times of the oldest events in the minutes of these events, in ticks.
            newest: the times of the newest ones.
            changed: when that was.
        """
        self.note(streams, changed)
        self.disturbances.note(oldest, newest, changed)

    def note_unknown(self, changed: float) -> None:
        """Note that any answer may have changed until *changed*."""
        self._forgotten = changed
        self.disturbances.note_all(changed)

    def forget(self, streams: NDArray[np.int64]) -> None:
        """Forget *streams*, whose ids others may get; answers that had them have changed all the same."""
        self._forgotten = max(self._forgotten, float(self._changed.take(streams).max(initial=0)))
        self._changed.put(streams, 0)

    def last(self, streams: NDArray[np.int64] | None) -> float:
        """Return when answers of *streams* last changed; None for all."""
        if streams is None:
            return max(self._last, self._forgotten)
        return float(self._changed.take(streams).max(initial=self._forgotten))

    # Keeping

    def export(self, count: int) -> tuple[NDArray[np.float64], float, NDArray[np.void]]:
        """Return the times of the first *count* streams and of those that there are no more, and the disturbances."""
        return self._changed.slice(0, count).copy(), self._forgotten, self.disturbances.export()

    def restore(
        self, changed: NDArray[np.float64], forgotten: float, disturbances: NDArray[np.void]
    ) -> None:
        """Set everything to what :meth:`export` returned."""
        self.set_all(changed)
        self._forgotten = forgotten
        self.disturbances.restore(disturbances)

    def set_all(self, changed: NDArray[np.float64]) -> None:
        """Set the times of all streams to *changed*."""
        self._changed.put(np.arange(len(changed)), changed)
        self._last = float(changed.max(initial=0.0))

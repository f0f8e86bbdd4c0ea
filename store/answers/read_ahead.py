"""Read-ahead: what is read together with what is asked for, because it will be asked for next."""

__all__ = ["ReadAhead"]

_WINDOW_MAX = 64
"""Most rows of the index that are read at once: enough that the overhead of a statement does not show."""


class ReadAhead:
    """A window that doubles as long as one position after the other is asked for, and is 1 after any other.

    Not safe for several threads: callers see to that.
    """

    def __init__(self) -> None:
        self._end = -1
        self._window = 1

    def window(self, position: int) -> int:
        """Return how many rows to read from *position* on, which was not among those read before."""
        # Some may be skipped: those that do not answer are not asked for.
        if 0 <= position - self._end <= 2 * self._window:
            self._window = min(2 * self._window, _WINDOW_MAX)
        else:
            self._window = 1
        self._end = position + self._window
        return self._window

"""Settling: which answers have not changed for a while, by the clock by which their changes were noted."""

import math
import time

__all__ = ["ClockSteps", "Settling"]

_STEP_S = 0.5
"""By less than this, the clock may drift, or the thread wait between reading two clocks."""


class ClockSteps:
    """The steps of the clock, noticed by comparing it with the monotonic one. Any number of threads may use it.

    Across a step, the times of two events do not tell how long ago the first one was.
    """

    def __init__(self) -> None:
        self._ahead_s = time.time() - time.monotonic()
        self._noticed_s = -math.inf

    def is_recent(self, within_s: float) -> bool:
        """Return whether the clock was stepped since the last call, or a call noticed that within the last *within_s* seconds."""
        now_s = time.monotonic()
        ahead_s = time.time() - now_s
        if abs(ahead_s - self._ahead_s) > _STEP_S:
            self._noticed_s = now_s
        self._ahead_s = ahead_s
        return now_s - self._noticed_s < within_s


class Settling:
    """Tells what has settled since it was made, which is when the store was opened. Any number of threads may use it."""

    def __init__(self) -> None:
        self._began = time.time()
        self._steps = ClockSteps()

    def has_settled(self, changed: float, rest_s: float) -> bool:
        """Return whether what *changed* then, in seconds since the epoch, has been the same for *rest_s* seconds, or all the time."""
        # After a step of the clock, what has just grown looks as if it had rested for long.
        if self._steps.is_recent(rest_s):
            return False
        now = time.time()
        # A clock that was set back says nothing of what was before.
        return changed < now - rest_s or changed < self._began <= now

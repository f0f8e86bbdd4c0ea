"""Steps of the clock: across one, the times of two events do not tell how long ago the first one was."""

import math
import time

__all__ = ["ClockSteps"]

_STEP_S = 0.5
"""By less than this, the clock may drift, or the thread wait between reading two clocks."""


class ClockSteps:
    """The steps of the clock, noticed by comparing it with the monotonic one. Any number of threads may use it."""

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

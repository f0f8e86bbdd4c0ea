"""A thread that repeats an action."""

import logging
import threading
from collections.abc import Callable

__all__ = ["PeriodicTimer"]

log = logging.getLogger(__name__)


class PeriodicTimer(threading.Thread):
    """Waits, acts, and waits again, until it is cancelled.

    An action that fails is logged, and the timer goes on.

    Args:
        interval: seconds to wait before each action.
        action: called without arguments.

    Attributes:
        interval: the same.
        action: the same.
    """

    def __init__(self, interval: float, action: Callable[[], object]) -> None:
        super().__init__(name=f"every {interval} s", daemon=True)
        self.interval = interval
        self.action = action
        self._cancelled = threading.Event()

    @property
    def is_running(self) -> bool:
        """Whether it was started and not cancelled since."""
        return self.is_alive() and not self._cancelled.is_set()

    def run(self) -> None:
        """Act until cancelled; runs in the timer's own thread."""
        while not self._cancelled.wait(self.interval):
            try:
                self.action()
            except Exception:  # the timer goes on whatever fails
                log.exception("%s failed", self.action)

    def cancel(self) -> None:
        """End the timer: at once while it waits, after the action while it acts."""
        self._cancelled.set()

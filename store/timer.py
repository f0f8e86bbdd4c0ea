"""A thread that does something again and again."""

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
        action: what to do; called without arguments.
    """

    def __init__(self, interval: float, action: Callable[[], object]) -> None:
        super().__init__(name=f"every {interval} s", daemon=True)
        self.interval = interval
        self.action = action
        self._cancelled = threading.Event()

    def run(self) -> None:
        """Act until cancelled; runs in the timer's own thread."""
        while not self._cancelled.wait(self.interval):
            try:
                self.action()
            except Exception:  # whatever it is, the next turn may go better
                log.exception("%s failed", self.action)

    def cancel(self) -> None:
        """End the timer: at once when it waits, after the action when it acts."""
        self._cancelled.set()

"""Waiting for something to become true, without hoping that some time is enough."""

import threading
import time
from collections.abc import Callable

__all__ = ["eventually"]

_PAUSE_S = 0.02


def eventually(condition: Callable[[], object], deadline_s: float = 20) -> None:
    """Return as soon as a condition holds; fail when it does not before a deadline."""
    end = time.monotonic() + deadline_s
    pause = threading.Event()
    while not condition():
        assert time.monotonic() < end, f"not within {deadline_s} s: {condition}"
        pause.wait(_PAUSE_S)

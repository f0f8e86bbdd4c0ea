"""The gate: threads that append events go through it, and wait while it is closed."""

import contextlib
import threading
from collections.abc import Iterator

__all__ = ["Gate"]


class Gate:
    """A gate that is closed for a moment when a minute grows too fast to be read between two appends to it.

    Nothing is locked meanwhile: threads that went through before still append. One thread at a time may close it.
    """

    def __init__(self) -> None:
        self._opening = threading.Event()
        self._opening.set()

    def go_through(self) -> None:
        """Wait until the gate is open."""
        if not self._opening.is_set():  # to wait would take a lock
            self._opening.wait()

    @contextlib.contextmanager
    def closed(self) -> Iterator[None]:
        """Keep the gate closed inside the context."""
        self._opening.clear()
        try:
            yield
        finally:
            self._opening.set()

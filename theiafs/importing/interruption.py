"""Interruptions by Ctrl-C, at moments at which nothing is half done."""

import contextlib
import signal
from collections.abc import Iterator
from types import FrameType
from typing import Self

__all__ = ["Interruption"]


class Interruption:
    """The handling of SIGINT while this is entered: a KeyboardInterrupt, but not within what is deferred.

    Where SIGINT is ignored, as in a background job of a shell, it stays so.
    """

    def __init__(self) -> None:
        self._is_deferred = False
        self._is_pending = False

    @contextlib.contextmanager
    def deferred(self) -> Iterator[None]:
        """Put off an interruption to the end of the context."""
        self._is_deferred = True
        try:
            yield
        finally:
            self._is_deferred = False
        if self._is_pending:
            self._is_pending = False
            raise KeyboardInterrupt

    def __enter__(self) -> Self:
        self._before = signal.getsignal(signal.SIGINT)
        if self._before is signal.default_int_handler:
            signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        signal.signal(signal.SIGINT, self._before)

    def _handle(self, _number: int, _frame: FrameType | None) -> None:
        if not self._is_deferred:
            raise KeyboardInterrupt
        self._is_pending = True

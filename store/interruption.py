"""Interruption: a reader that goes away ends what is done for it alone."""

from collections.abc import Callable
from contextvars import ContextVar

from store.errors import ReaderGone

__all__ = ["check_reader", "is_reader_gone"]


def _never() -> bool:
    return False


is_reader_gone: ContextVar[Callable[[], bool]] = ContextVar("is_reader_gone", default=_never)
"""Returns whether the reader that the current call is for has gone away, and waits for no answer.

Its user sets it; it is asked between minutes, in the thread of the call.
"""


def check_reader() -> None:
    """Check that the reader waits for an answer.

    Raises:
        ReaderGone: if it does not.
    """
    if is_reader_gone.get()():
        raise ReaderGone("its reader has gone away")

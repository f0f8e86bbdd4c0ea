"""The locks of the store, by name, so that tests can put locks in their place that check how they are used.

A thread that holds one may only take those after it in ``ORDER``. No lock in ``SHORT`` is held during an fsync, a read
of a file, or a loop over the store that numpy does not do.
"""

import threading
from collections.abc import Callable

__all__ = ["ORDER", "SHORT", "new_lock"]

ORDER = (
    "views",
    "declared",
    "pass",
    "flush",
    "append",
    "state",
    "log-sync",
    "log",
    "file",
    "index",
    "shared-index",
)
"""Outermost first."""

SHORT = frozenset({"append", "state", "log", "file"})


def _plain(_name: str) -> threading.Lock:
    return threading.Lock()


_factory: Callable[[str], threading.Lock] = _plain


def new_lock(name: str) -> threading.Lock:
    """Make the lock called *name*, one of ``ORDER``."""
    return _factory(name)

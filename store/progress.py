"""Progress of long work on a store."""

from collections.abc import Callable

__all__ = ["Progress", "show_nothing"]

Progress = Callable[[int, int], object]
"""Called with the number of parts of the work that are done, such as minute files that were read, and of all of them."""


def show_nothing(_done: int, _total: int) -> None:
    """Ignore any progress."""

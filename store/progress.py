"""Progress: how far the reading of minute files is."""

from collections.abc import Callable

__all__ = ["Progress", "show_nothing"]

Progress = Callable[[int, int], object]
"""Called with the number of minute files that were read so far, and the number of those to be read."""


def show_nothing(_done: int, _total: int) -> None:
    """Ignore any progress."""

"""Telling how far the work on a store has come."""

from collections.abc import Callable

__all__ = ["Progress", "show_nothing"]

Progress = Callable[[int, int], object]
"""Is told how many minute files were looked at by now, and how many there are to look at."""


def show_nothing(_done: int, _total: int) -> None:
    """Tell nobody of any progress."""

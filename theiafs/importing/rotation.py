"""Rotation: the names that old logs get, and the order of the files of one log."""

from collections.abc import Callable, Sequence

from theiafs.importing.inputs import Input

__all__ = ["in_order"]


def in_order(inputs: Sequence[Input], first_time: Callable[[Input], int | None]) -> list[Input]:
    """Return *inputs* in the order of their times; one file that is given twice counts once.

    Args:
        inputs: the files, as given.
        first_time: returns the time of the first event of a file, in ticks since the epoch; None if it says none.
    """
    raise NotImplementedError

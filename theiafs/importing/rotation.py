"""Rotation: the order of the files of logs."""

from collections.abc import Callable, Sequence

from theiafs.importing.inputs import Input
from theiafs.importing.lognames import rotation_key

__all__ = ["in_order"]


def in_order(inputs: Sequence[Input], first_time: Callable[[Input], int | None]) -> list[Input]:
    """Return *inputs* in the order of their times; one file that is given twice counts once.

    Those of equal times are ordered as their names say, then as given. Those without a time come last.

    Args:
        inputs: the files, as given.
        first_time: returns the time of the first event of a file, in ticks since the epoch; None if it says none.
    """
    once = {each.identity: each for each in reversed(inputs)}
    distinct = [each for each in inputs if once[each.identity] is each]

    def key(each: Input) -> tuple[bool, int, tuple[str, int]]:
        ticks = first_time(each)
        return ticks is None, ticks or 0, rotation_key(each.name)

    return sorted(distinct, key=key)

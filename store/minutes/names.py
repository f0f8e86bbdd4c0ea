"""The names of minute files.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files of theia may overlap, and include their ends.
"""

import re

from store.query import MINUTE_S
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["parse_name"]

_NAME = re.compile(r"(0|[1-9][0-9]{0,11})-(0|[1-9][0-9]{0,11})")
_END_MAX = TICKS_MAX // TICKS_PER_S + MINUTE_S


def parse_name(name: str) -> tuple[int, int] | None:
    """Parse the *name* of a minute file.

    Returns:
        Its start and its end; None if *name* is no name of a minute file.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        return None
    start, end = int(match[1]), int(match[2])
    return (start, end) if start <= end <= _END_MAX else None

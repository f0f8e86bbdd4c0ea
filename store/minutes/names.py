"""The names of minute files.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files of theia may overlap, and include their ends.
"""

import re

import numpy as np
from numpy.typing import NDArray

from store.query import MINUTE_S
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["parse_name", "parse_names"]

_DIGITS_MAX = 12
_NAME = re.compile(rf"(0|[1-9][0-9]{{0,{_DIGITS_MAX - 1}}})-(0|[1-9][0-9]{{0,{_DIGITS_MAX - 1}}})")
_HYPHEN, _NAME_SIZE_MAX = ord("-"), 256
_NO_NUMBER = -1
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


def parse_names(names: NDArray[np.bytes_]) -> tuple[NDArray[np.bool_], NDArray[np.int64]]:
    """Parse *names* all at once, which takes a third of the time of :func:`parse_name` for each.

    Returns:
        Whether each is the name of a minute file; and of those that are, a row each with its start and its end.
    """
    text = names.view(np.uint8).reshape(len(names), names.itemsize)
    # Where each ends, and has its first hyphen. Those of one shape have their digits in the same places: usually, all.
    shapes = (text != 0).sum(1) * _NAME_SIZE_MAX + (text == _HYPHEN).argmax(1)
    spans = np.full((len(names), 2), _NO_NUMBER, np.int64)
    for shape in np.unique(shapes).tolist():
        rows = np.flatnonzero(shapes == shape)
        size, hyphen = divmod(shape, _NAME_SIZE_MAX)
        spans[rows, 0] = _numbers(text[rows, :hyphen])
        spans[rows, 1] = _numbers(text[rows, hyphen + 1 : size])
    starts, ends = spans.T
    is_minute = (starts != _NO_NUMBER) & (starts <= ends) & (ends <= _END_MAX)
    return is_minute, spans[is_minute]


def _numbers(text: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number that each row of *text* is; *_NO_NUMBER* for one that is none."""
    width = text.shape[1]
    if not 0 < width <= _DIGITS_MAX:
        return np.full(len(text), _NO_NUMBER, np.int64)
    digits = text.astype(np.int64) - ord("0")
    numbers = digits @ 10 ** np.arange(width - 1, -1, -1)
    are_numbers = ((digits >= 0) & (digits <= 9)).all(1) & ((digits[:, 0] > 0) | (width == 1))
    return np.where(are_numbers, numbers, _NO_NUMBER)

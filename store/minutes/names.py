"""The names of minute files.

A minute file is named ``<start>-<end>``, whole seconds since the epoch, and holds the events with
``start <= time < end``. Files of theia may overlap, and include their ends.
"""

import re
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from store.query import MINUTE_S
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["make_names", "parse_name", "parse_names"]

_DIGITS_MAX = 12
_NAME = re.compile(rf"(0|[1-9][0-9]{{0,{_DIGITS_MAX - 1}}})-(0|[1-9][0-9]{{0,{_DIGITS_MAX - 1}}})")
_HYPHEN, _NEWLINE = b"-\n"
_NAME_SIZE_MAX = 256
_NO_NUMBER = -1
_END_MAX = TICKS_MAX // TICKS_PER_S + MINUTE_S

_FEW = 32
"""Number of names up to which making one after the other is faster than making all at once."""
_GROUP = 10_000
_GROUP_DIGITS = (
    (np.arange(_GROUP)[:, np.newaxis] // [1000, 100, 10, 1] % 10 + ord("0"))
    .astype(np.uint8)
    .view(np.uint32)[:, 0]
)
"""The digits of each number below *_GROUP*, four bytes."""
_GROUPS = np.array([_GROUP**2, _GROUP, 1])
"""What the groups of digits of a number stand for, *_DIGITS_MAX* digits in all."""


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
    # A row for each place in a name: numpy adds up long rows several times as fast as many short ones.
    text = np.ascontiguousarray(names.view(np.uint8).reshape(len(names), names.itemsize).T)
    spans = np.full((len(names), 2), _NO_NUMBER, np.int64)
    for rows, size, hyphen in _shapes(names, text):
        alike = text if rows is None else text.take(rows, axis=1)
        chosen = slice(None) if rows is None else rows
        spans[chosen, 0] = _numbers(alike[:hyphen])
        spans[chosen, 1] = _numbers(alike[hyphen + 1 : size])
    starts, ends = spans.T
    is_minute = (starts != _NO_NUMBER) & (starts <= ends) & (ends <= _END_MAX)
    return is_minute, spans.compress(is_minute, axis=0)


def make_names(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[str]:
    """Make the names of the minute files from *starts* to *ends*, in seconds since the epoch, all at once.

    Of hundreds, that takes half the time of making one after the other.
    """
    numbers = np.stack((starts, ends), axis=1)
    width = len(str(numbers.max(initial=0)))
    # Those of 2001 to 2286 are equally long, so that usually all are.
    if len(numbers) <= _FEW or numbers.min() < 10 ** (width - 1):
        return [f"{start}-{end}" for start, end in numbers.tolist()]
    digits = _GROUP_DIGITS[numbers[:, :, np.newaxis] // _GROUPS % _GROUP].view(np.uint8)
    text = np.empty((len(numbers), 2, width + 1), np.uint8)
    text[:, :, :width] = digits[:, :, -width:]
    text[:, :, width] = [_HYPHEN, _NEWLINE]
    return text.tobytes().decode("ascii").split("\n")[:-1]


def _shapes(
    names: NDArray[np.bytes_], text: NDArray[np.uint8]
) -> Iterator[tuple[NDArray[np.intp] | None, int, int]]:
    """Divide *names*, in the columns of *text*, into those that have their digits in the same places, if they have nothing else.

    Yields:
        The rows of some, None for all; how long they are, and where they have their first hyphen.
    """
    if not len(names):
        return
    first = bytes(names[0])
    size, hyphen = len(first), first.find(b"-")
    # Usually all are like the first. One with a hyphen before has other places, but is no name of a minute file.
    if (
        hyphen > 0
        and (text[hyphen] == _HYPHEN).all()
        and text[size - 1].all()
        and not text[size:].any()
    ):
        yield None, size, hyphen
        return
    shapes = (text != 0).sum(0) * _NAME_SIZE_MAX + (text == _HYPHEN).argmax(0)
    for shape in np.unique(shapes).tolist():
        yield (shapes == shape).nonzero()[0], *divmod(shape, _NAME_SIZE_MAX)


def _numbers(text: NDArray[np.uint8]) -> NDArray[np.int64]:
    """Return the number that each column of *text* is; *_NO_NUMBER* for one that is none."""
    width, count = text.shape
    if not 0 < width <= _DIGITS_MAX:
        return np.full(count, _NO_NUMBER, np.int64)
    digits = text - np.uint8(ord("0"))  # what is before "0" becomes large
    numbers = np.zeros(count, np.int64)
    for each in digits:
        numbers *= 10
        numbers += each
    are_numbers = (digits.max(0) <= 9) & ((digits[0] > 0) | (width == 1))
    return np.where(are_numbers, numbers, _NO_NUMBER)

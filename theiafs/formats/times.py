"""Reading times: texts and numbers to ticks.

A text is matched as one of the forms of ``timeforms``. Where many texts have the same shape, all are read at once: the first says
where the digits of each field lie, and the others are those that have digits there and the same bytes elsewhere.

An offset in a text counts; a text without one is of the zone of the rules, see ``localtimes``. A year that is missing is the last one that
puts the time at most a day after now. The second 60 is the last tick of the second before. A time before 1970 or after the last
tick is none.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from store import TICKS_MAX, TICKS_PER_S
from theiafs.formats.fields import NO_TIME, Rules
from theiafs.formats.localtimes import LocalTime, to_ticks
from theiafs.formats.timeforms import SIZE_MAX, TICK_DIGITS, find_form, full_year
from theiafs.formats.timeshapes import Shape

__all__ = ["epoch_ticks", "read_times"]

Ticks = npt.NDArray[np.int64]

_MANY = 12
"""Minimum number of texts of one size that are read together: fewer are read faster one by one."""
_SHAPES_MAX = 24
"""Maximum number of shapes that texts of one size are compared with; the rest is read one by one."""
_UNIT_LIMITS = np.array([10**11, 10**14, 10**17])
"""From each of these numbers on, a unit is a thousandth of that before it: s, ms, µs, ns."""
_FACTORS = np.array([10**7, 10**4, 10, 1])
_DIVISORS = np.array([1, 1, 1, 100])
"""By what numbers in each unit are multiplied, then divided, to be ticks."""


def read_times(texts: Sequence[bytes | None], rules: Rules) -> Ticks:
    """Read the times *texts* by *rules*.

    Returns:
        Their ticks since the epoch; ``NO_TIME`` for None and for each text that is no time.
    """
    present = cast("Sequence[bytes]", texts)
    if not all(texts):
        present = [text or b"" for text in texts]
    if len(present) < _MANY:
        return np.array([_read_one(text, rules) for text in present], np.int64)
    if len(set(map(len, present))) == 1 and 0 < len(present[0]) <= SIZE_MAX:
        return _read_equally_long(present, rules)
    ticks = np.full(len(texts), NO_TIME)
    sizes = np.fromiter(map(len, present), np.int64, len(present))
    for size in np.unique(sizes).tolist():
        if not 0 < size <= SIZE_MAX:
            continue
        rows = np.flatnonzero(sizes == size)
        ticks[rows] = _read_equally_long([present[row] for row in rows.tolist()], rules)
    return ticks


def epoch_ticks(numbers: npt.NDArray[np.int64 | np.float64] | Sequence[int | float]) -> Ticks:
    """Return the ticks of *numbers*: Unix times in s, ms, µs or ns, by their magnitude.

    A whole number is rounded down to a tick, what is after the point to the nearest. ``NO_TIME`` stands for one that is
    negative, too large, or not a number.
    """
    if isinstance(numbers, np.ndarray):
        return _ticks_of_numbers(numbers)
    kinds = set(map(type, numbers))
    if kinds == {float}:
        return _ticks_of_numbers(np.array(numbers, np.float64))
    if kinds == {int} and max(numbers) <= TICKS_MAX and min(numbers) >= 0:
        return _ticks_of_numbers(np.array(numbers, np.int64))
    return np.array([_ticks_of_number(number) for number in numbers], np.int64)


def _ticks_of_number(number: float) -> int:
    if not 0 <= number <= TICKS_MAX:
        return NO_TIME
    kind = np.int64 if isinstance(number, int) else np.float64
    return int(_ticks_of_numbers(np.array([number], kind))[0])


def _ticks_of_numbers(numbers: npt.NDArray[np.int64 | np.float64]) -> Ticks:
    is_float = numbers.dtype.kind == "f"
    is_time = numbers >= 0
    if is_float:
        is_time &= numbers < float(TICKS_MAX)
    numbers = np.where(is_time, numbers, 0)
    units = np.searchsorted(_UNIT_LIMITS, numbers, side="right")
    factors = _FACTORS[units]
    whole = numbers.astype(np.int64)
    ticks = whole * factors // _DIVISORS[units]
    if is_float:
        # A float of nanoseconds has no decimals.
        ticks += np.rint((numbers - whole) * factors).astype(np.int64)
    return np.where(is_time, ticks, NO_TIME)


def _read_equally_long(texts: Sequence[bytes], rules: Rules) -> Ticks:
    """Read *texts*, all of the same size."""
    ticks = np.full(len(texts), NO_TIME)
    rows = np.arange(len(texts))
    alone: list[int] = []
    matrix = np.frombuffer(b"".join(texts), np.uint8).reshape(len(texts), -1)
    for _ in range(_SHAPES_MAX):
        if len(rows) < _MANY:
            break
        first = int(rows[0])
        form = find_form(texts[first])
        if form is None:
            rows, matrix = rows[1:], matrix[1:]
            continue
        shape = Shape.of(texts[first], form)
        digits = matrix - shape.lows
        is_in_span = digits <= shape.spans
        # The usual case is several times as fast as one check for each row, and needs no copies.
        if is_in_span.all():
            found, is_odd = shape.read(digits, rules)
            ticks[rows] = found
            alone += rows[is_odd].tolist()
            rows = rows[:0]
            break
        fits: npt.NDArray[np.bool_] = np.all(is_in_span, axis=1)
        if fits.any():
            found, is_odd = shape.read(digits[fits], rules)
            ticks[rows[fits]] = found
            alone += rows[fits][is_odd].tolist()
        if not fits[0]:
            # It has a leap second, or is no time.
            alone.append(first)
            fits[0] = True
        rows, matrix = rows[~fits], matrix[~fits]
    for row in [*alone, *rows.tolist()]:
        ticks[row] = _read_one(texts[row], rules)
    return ticks


def _read_one(text: bytes, rules: Rules) -> int:
    """Read the time *text* by *rules*; ``NO_TIME`` if it is none."""
    form = find_form(text)
    if form is None:
        return NO_TIME
    fields = {
        name: text[places[0] : places[-1] + 1] for name, places in form.digits.items() if places
    }
    # The decimals of a Unix time may stand on both sides of the point.
    decimals = fields.pop("fraction", b"").replace(b".", b"")
    fraction = int(decimals[:TICK_DIGITS].ljust(TICK_DIGITS, b"0"))
    numbers = {name: int(digits) for name, digits in fields.items()}
    if "unix" in numbers:
        return numbers["unix"] * TICKS_PER_S + fraction
    time = LocalTime(
        full_year(form, numbers.get("year", numbers.get("short_year", 0))),
        form.month or numbers["month"],
        numbers["day"],
        numbers.get("hour", 0),
        numbers.get("minute", 0),
        numbers.get("second", 0),
        form.offset,
    )
    return to_ticks(time, fraction, rules)

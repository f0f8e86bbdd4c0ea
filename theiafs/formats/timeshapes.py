"""Shapes of times: many texts of one size read at once, in columns."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import TICKS_PER_S
from theiafs.formats.fields import NO_TIME, Rules
from theiafs.formats.localtimes import LocalTime, to_ticks
from theiafs.formats.timeforms import TICK_DIGITS, Form, full_year

__all__ = ["Shape"]

Ticks = npt.NDArray[np.int64]
Digits = npt.NDArray[np.uint8]

_ZERO = ord("0")
_LARGEST_DIGIT = 9
_LARGEST_TENS = 5
"""The largest first digit of a minute or a second; a leap second is read alone."""
_TICKS_PER_HOUR = 3600 * TICKS_PER_S
_HOURS = 24
_NONE = -(1 << 62)
"""In place of the start of a day that does not exist."""
_MIXED = _NONE - 1
"""In place of the start of a day from which not all of its times follow."""
_WEIGHTS = {
    "unix": (0, 1),
    "year": (0, 10**4),
    "short_year": (0, 10**4),
    "month": (0, 10**2),
    "day": (0, 1),
    "hour": (1, _TICKS_PER_HOUR),
    "minute": (1, 60 * TICKS_PER_S),
    "second": (1, TICKS_PER_S),
}
"""The column that each field adds to, and the weight of its last digit."""


class Shape(NamedTuple):
    """A shape of texts: where the digits of their fields lie, and which bytes are the same in all of them.

    Their times have two columns. The first is the day, as a number whose digits are year, month and day, and the second the
    ticks since its start. Of a Unix time, the first is the seconds, and the second the ticks since theirs.

    Attributes:
        form: the form of them all.
        lows: for each byte, the least that it may be.
        spans: for each byte, by how much it may be larger.
        weights: for each byte less its least, how much it adds to each column.
        base: what is added to the first column.
    """

    form: Form
    lows: Digits
    spans: Digits
    weights: npt.NDArray[np.float64]
    base: int

    @classmethod
    def of(cls, text: bytes, form: Form) -> "Shape":
        """Return the shape of *text*, which has *form*."""
        lows = np.frombuffer(text, np.uint8).copy()
        spans = np.zeros(len(text), np.uint8)
        weights = np.zeros((len(text), 2))
        base = 0
        for name, places in form.digits.items():
            for place in places:
                lows[place], spans[place] = _ZERO, _LARGEST_DIGIT
            if name == "fraction":
                column, weight = 1, 10 ** (TICK_DIGITS - 1)
                for place in places[:TICK_DIGITS]:
                    weights[place, column] = weight
                    weight //= 10
            else:
                column, weight = _WEIGHTS[name]
                for place in reversed(places):
                    weights[place, column] = weight
                    weight *= 10
            if name in ("minute", "second"):
                spans[places[0]] = _LARGEST_TENS
            if name in ("year", "unix"):
                # Digits alone are of one form or of another by the first two: those are the same in all.
                for place in places[:2]:
                    base += int(weights[place, 0]) * (text[place] - _ZERO)
                    lows[place], spans[place] = text[place], 0
        return cls(form, lows, spans, weights, base)

    def read(self, digits: Digits, rules: Rules) -> tuple[Ticks, npt.NDArray[np.bool_]]:
        """Read the times of texts of this shape by *rules*.

        Args:
            digits: a row of bytes for each text, less the least that they may be.
            rules: the zone, and the current time.

        Returns:
            The times, and whether each text must be read alone instead.
        """
        first, second = np.ascontiguousarray((digits @ self.weights).T).astype(np.int64)
        first += self.base
        if "unix" in self.form.digits:
            return first * TICKS_PER_S + second, np.zeros(len(digits), np.bool_)
        starts = self._starts(first, 0, _HOURS - 1, rules)
        is_mixed = starts == _MIXED
        if is_mixed.any():
            for hour in np.unique(second[is_mixed] // _TICKS_PER_HOUR).tolist():
                is_of_hour = is_mixed & (second // _TICKS_PER_HOUR == hour)
                starts[is_of_hour] = self._starts(first[is_of_hour], hour, hour, rules)
            is_mixed = starts == _MIXED
        is_time = (starts != _NONE) & (second < _HOURS * _TICKS_PER_HOUR)
        return np.where(is_time, starts + second, NO_TIME), is_mixed

    def _starts(self, days: Ticks, first_hour: int, last_hour: int, rules: Rules) -> Ticks:
        """Return the ticks at which *days* start; those between *first_hour* and *last_hour* count from there."""
        if (days == days[0]).all():
            start = self._start_of(int(days[0]), first_hour, last_hour, rules)
            return np.full(len(days), start)
        distinct, places = np.unique(days, return_inverse=True)
        starts = [self._start_of(day, first_hour, last_hour, rules) for day in distinct.tolist()]
        return np.array(starts, np.int64)[places]

    def _start_of(self, day: int, first_hour: int, last_hour: int, rules: Rules) -> int:
        """Return the ticks at which a *day* starts for times between *first_hour* and *last_hour*.

        Returns:
            ``_NONE`` if there is no such day; ``_MIXED`` if not all of these times follow from one start, because clocks change
            or because a year that is missing does.
        """
        rest, day_of_month = divmod(day, 100)
        year, month = divmod(rest, 100)
        at = LocalTime(
            full_year(self.form, year),
            self.form.month or month,
            day_of_month,
            first_hour,
            0,
            0,
            self.form.offset,
        )
        first = to_ticks(at, 0, rules)
        last = to_ticks(at._replace(hour=last_hour, minute=59, second=59), 0, rules)
        if first == last == NO_TIME:
            return _NONE
        if last - first != (last_hour + 1 - first_hour) * _TICKS_PER_HOUR - TICKS_PER_S:
            return _MIXED
        return first - first_hour * _TICKS_PER_HOUR

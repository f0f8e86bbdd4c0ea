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
_LAST_SECOND = 3599
_MIXED = NO_TIME - 1
"""In place of the start of an hour from which not all of its times follow."""
_WEIGHTS = {
    "unix": (0, 1),
    "year": (0, 10**6),
    "short_year": (0, 10**6),
    "month": (0, 10**4),
    "day": (0, 10**2),
    "hour": (0, 1),
    "minute": (1, 60 * TICKS_PER_S),
    "second": (1, TICKS_PER_S),
}
"""The column that each field adds to, and the weight of its last digit."""


class Shape(NamedTuple):
    """A shape of texts: where the digits of their fields lie, and which bytes are the same in all of them.

    Their times have two columns. The first is the hour, as a number whose digits are year, month, day and hour, and the second the
    ticks since its start. Of a Unix time, the first is the seconds, and the second the ticks since theirs.

    Attributes:
        form: the form of them all.
        lows: for each byte, the least that it may be.
        spans: for each byte, by how much it may be larger.
        weights: for each byte less its least, how much it adds to each column.
    """

    form: Form
    lows: Digits
    spans: Digits
    weights: npt.NDArray[np.float64]

    @classmethod
    def of(cls, text: bytes, form: Form) -> "Shape":
        """Return the shape of *text*, which has *form*."""
        lows = np.frombuffer(text, np.uint8).copy()
        spans = np.zeros(len(text), np.uint8)
        weights = np.zeros((len(text), 2))
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
        return cls(form, lows, spans, weights)

    def read(self, digits: Digits, rules: Rules) -> tuple[Ticks, npt.NDArray[np.bool_]]:
        """Read the times of texts of this shape by *rules*.

        Args:
            digits: a row of bytes for each text, less the least that they may be.
            rules: the zone, and the current time.

        Returns:
            The times, and whether each text must be read alone instead.
        """
        first, second = np.ascontiguousarray((digits @ self.weights).T).astype(np.int64)
        if "unix" in self.form.digits:
            return first * TICKS_PER_S + second, np.zeros(len(digits), np.bool_)
        if (first == first[0]).all():
            hours, places = first[:1], np.zeros(len(digits), np.intp)
        else:
            hours, places = np.unique(first, return_inverse=True)
        starts = np.array([self._start_of(hour, rules) for hour in hours.tolist()], np.int64)[
            places
        ]
        return np.where(starts < 0, NO_TIME, starts + second), starts == _MIXED

    def _start_of(self, hour: int, rules: Rules) -> int:
        """Return the ticks at which the *hour* of the first column starts.

        Returns:
            ``NO_TIME`` if there is no such hour; ``_MIXED`` if not all of its times follow from its start, because clocks
            change or because a year that is missing does.
        """
        rest, of_day = divmod(hour, 100)
        rest, day = divmod(rest, 100)
        year, month = divmod(rest, 100)
        at = LocalTime(
            full_year(self.form, year),
            self.form.month or month,
            day,
            of_day,
            0,
            0,
            self.form.offset,
        )
        start = to_ticks(at, 0, rules)
        last = to_ticks(at._replace(minute=59, second=59), 0, rules)
        if start == last == NO_TIME:
            return NO_TIME
        return start if last - start == _LAST_SECOND * TICKS_PER_S else _MIXED

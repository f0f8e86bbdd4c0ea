"""Shapes of times: many texts of one size read at once, in columns."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import TICKS_MAX, TICKS_PER_S
from theiafs.formats.fields import NO_TIME, Rules
from theiafs.formats.localtimes import (
    AHEAD_TICKS,
    TWO_DIGITS_FROM,
    YEAR_MAX,
    YEAR_MIN,
    candidate_years,
    to_utc,
)
from theiafs.formats.timeforms import TICK_DIGITS, find_form

__all__ = ["Shape"]

Ticks = npt.NDArray[np.int64]
Digits = npt.NDArray[np.uint8]

_FIELDS = ("year", "month", "day", "hour", "minute", "second", "fraction")
_SECONDS_PER_DAY = 86_400
_ZERO = ord("0")


class Shape(NamedTuple):
    """A shape of texts: where the digits of their fields lie, and which bytes are the same in all of them.

    Attributes:
        lows: for each byte, the least that it may be.
        spans: for each byte, by how much it may be larger.
        weights: for each byte less its least, how much of it each of ``_FIELDS`` has.
        month: the number of the month that is the same in all of them; 0 if its digits are a field.
        offset: their offset from UTC, in seconds; None for that of the zone.
        is_unix: whether the seconds are since the epoch.
        has_year: whether there is a year.
        is_short: whether it has two digits.
    """

    lows: Digits
    spans: Digits
    weights: npt.NDArray[np.float64]
    month: int
    offset: int | None
    is_unix: bool
    has_year: bool
    is_short: bool

    @classmethod
    def of(cls, text: bytes) -> "Shape | None":
        """Return the shape of *text*; None if it is no time."""
        form = find_form(text)
        if form is None:
            return None
        lows = np.frombuffer(text, np.uint8).copy()
        spans = np.zeros(len(text), np.uint8)
        weights = np.zeros((len(text), len(_FIELDS)))
        for name, places in form.digits.items():
            field = "second" if name == "unix" else name.removeprefix("short_")
            digits = TICK_DIGITS if field == "fraction" else len(places)
            for power, place in zip(range(digits - 1, -1, -1), places, strict=False):
                weights[place, _FIELDS.index(field)] = 10**power
            for place in places:
                lows[place], spans[place] = _ZERO, 9
        return cls(
            lows,
            spans,
            weights,
            form.month,
            form.offset,
            is_unix="unix" in form.digits,
            has_year="year" in form.digits or "short_year" in form.digits,
            is_short="short_year" in form.digits,
        )

    def read(self, digits: Digits, rules: Rules) -> Ticks:
        """Read the times of texts of this shape by *rules*.

        Args:
            digits: a row of bytes for each text, less the least that they may be.
            rules: the zone, and the current time.
        """
        fields = (digits.astype(np.float64) @ self.weights).astype(np.int64).T
        years, months, days, hours, minutes, seconds, fractions = fields
        if self.is_unix:
            moments: Ticks = seconds * TICKS_PER_S + fractions
            return moments
        if self.month:
            months = np.full_like(months, self.month)
        if self.is_short:
            years = years + np.where(years < TWO_DIGITS_FROM, 2000, 1900)
        is_leap = seconds == 60
        of_day = hours * 3600 + minutes * 60 + np.where(is_leap, 59, seconds)
        fractions = np.where(is_leap, TICKS_PER_S - 1, fractions)
        is_clock = (hours < 24) & (minutes < 60) & (seconds <= 60)
        latest = TICKS_MAX if self.has_year else rules.now + AHEAD_TICKS
        ticks = np.full(len(digits), NO_TIME)
        rows = np.arange(len(digits))
        for each in [years] if self.has_year else candidate_years(rules.now):
            day_numbers, is_date = _count_days(each, months[rows], days[rows])
            local = np.where(is_date, day_numbers, 0) * _SECONDS_PER_DAY + of_day[rows]
            utc = to_utc(local, rules.zone) if self.offset is None else local - self.offset
            found = utc * TICKS_PER_S + fractions[rows]
            is_right = is_date & is_clock[rows] & (found >= 0) & (found <= latest)
            ticks[rows[is_right]] = found[is_right]
            rows = rows[~is_right]
            if not len(rows):
                break
        return ticks


def _count_days(
    years: Ticks | int, months: Ticks, days: Ticks
) -> tuple[Ticks, npt.NDArray[np.bool_]]:
    """Count the days from the epoch to dates.

    Returns:
        The days, and whether each date exists and lies in the years that a local time may have.
    """
    since_epoch = (years - 1970) * 12 + (months - 1)
    first_days, next_months = (
        each.astype("M8[M]").astype("M8[D]").astype(np.int64)
        for each in (since_epoch, since_epoch + 1)
    )
    day_numbers = first_days + (days - 1)
    is_year = (years >= YEAR_MIN) & (years <= YEAR_MAX)
    is_date = is_year & (months >= 1) & (months <= 12) & (days >= 1) & (day_numbers < next_months)
    return day_numbers, is_date

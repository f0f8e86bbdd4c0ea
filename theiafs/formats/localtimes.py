"""Times of local clocks, to ticks.

When clocks are set back, an hour of local times comes twice: such a time is always the first of the two, so that the time of a line does
not depend on the lines around it. When they are set forward, an hour of them is left out: such a time is what a clock that was not
set would have shown, so 02:30 is 03:30. That is ``fold=0`` of Python's datetime.

A year that is missing is the last one in which the time is at most a day after now. The second 60 is the last tick of the one before it.
"""

from datetime import UTC, datetime, timedelta, timezone
from typing import NamedTuple

from store import TICKS_MAX, TICKS_PER_S
from theiafs.formats.fields import NO_TIME, Rules

__all__ = ["LocalTime", "to_ticks"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_SECOND = timedelta(seconds=1)
_TICKS_PER_DAY = 86_400 * TICKS_PER_S
_DAYS_MAX = (datetime.max.replace(tzinfo=UTC) - _EPOCH).days - 1
_YEARS_BACK = 9
"""How far a time without a year may go back: between two leap years there are up to eight."""
_LEAP_SECOND = 60


class LocalTime(NamedTuple):
    """A date and a time of day of a clock.

    Attributes:
        year: the year; None if it is missing.
        month: the month, from 1 on.
        day: the day, from 1 on.
        hour: the hour.
        minute: the minute.
        second: the second, up to 60.
        offset: the offset of the clock from UTC, in seconds; None for that of the zone.
    """

    year: int | None
    month: int
    day: int
    hour: int
    minute: int
    second: int
    offset: int | None


def to_ticks(time: LocalTime, fraction: int, rules: Rules) -> int:
    """Return the ticks of *time* and a *fraction* of a second, in ticks, by *rules*; ``NO_TIME`` if there is no such time."""
    year, month, day, hour, minute, second, offset = time
    if second == _LEAP_SECOND:
        second, fraction = _LEAP_SECOND - 1, TICKS_PER_S - 1
    zone = rules.zone if offset is None else timezone(timedelta(seconds=offset))
    latest = TICKS_MAX if year is not None else rules.now + _TICKS_PER_DAY
    for each in [year] if year is not None else _candidate_years(rules.now):
        try:
            moment = datetime(each, month, day, hour, minute, second, tzinfo=zone)
        except ValueError:
            # In another year, there may be such a day.
            continue
        ticks = (moment - _EPOCH) // _SECOND * TICKS_PER_S + fraction
        if 0 <= ticks <= latest:
            return ticks
    return NO_TIME


def _candidate_years(now: int) -> range:
    """Return the years that a time without one may be of, the last first, when the current time is *now*, in ticks."""
    days = min(now // _TICKS_PER_DAY + 1, _DAYS_MAX)
    # One more, for clocks ahead of UTC.
    last = (_EPOCH + timedelta(days=days)).year + 1
    return range(last, last - _YEARS_BACK - 2, -1)

"""Times of local clocks, as seconds of UTC.

When clocks are set back, an hour of local times comes twice: such a time is always the first of the two, so that the time of a line does
not depend on the lines around it. When they are set forward, an hour of them is left out: such a time is what a clock that was not
set would have shown, so 02:30 is 03:30. That is ``fold=0`` of Python's datetime.

A year that is missing is the last one in which the time is at most a day after now.
"""

from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from store import TICKS_PER_S

__all__ = [
    "AHEAD_TICKS",
    "TWO_DIGITS_FROM",
    "YEAR_MAX",
    "YEAR_MIN",
    "candidate_years",
    "offset_at",
    "to_utc",
]

YEAR_MIN, YEAR_MAX = 1969, 9999
"""The first year in which a local time may be of 1970 in UTC, and the last of a datetime."""
TWO_DIGITS_FROM = 69
"""The first year of two digits that is one of the 1900s, as in POSIX."""
AHEAD_TICKS = 86_400 * TICKS_PER_S
"""By how much a time without a year may be ahead of now."""
_YEARS_BACK = 9
"""How far a time without a year may go back: between two leap years there are up to eight."""

_EPOCH = datetime(1970, 1, 1)
_SECOND = timedelta(seconds=1)
_SECONDS_PER_HOUR = 3600
_HOURS_KEPT = 4096
_MIXED = 1 << 40
"""In place of the offset of an hour that has several: larger than any."""


def to_utc(seconds: npt.NDArray[np.int64], zone: tzinfo) -> npt.NDArray[np.int64]:
    """Return the times of UTC at which clocks of *zone* show *seconds*, counted from a midnight of 1970-01-01 on both.

    Args:
        seconds: local times of the years 1969 to 9999.
        zone: their time zone.
    """
    if zone is UTC or not len(seconds):
        return seconds
    hours = seconds // _SECONDS_PER_HOUR
    if hours[0] == hours[-1] and (hours == hours[0]).all():
        distinct, places = hours[:1], np.zeros(len(hours), np.intp)
    else:
        distinct, places = np.unique(hours, return_inverse=True)
    by_hour = np.array([_offset_of_hour(hour, zone) for hour in distinct.tolist()])
    offsets = by_hour[places]
    for row in np.flatnonzero(offsets == _MIXED).tolist():
        offsets[row] = offset_at(int(seconds[row]), zone)
    found: npt.NDArray[np.int64] = seconds - offsets
    return found


def offset_at(second: int, zone: tzinfo) -> int:
    """Return the offset from UTC, in seconds, of clocks of *zone* that show *second*."""
    offset = (_EPOCH + timedelta(seconds=second)).replace(tzinfo=zone).utcoffset()
    return 0 if offset is None else offset // _SECOND


@lru_cache(_HOURS_KEPT)
def _offset_of_hour(hour: int, zone: tzinfo) -> int:
    """Return the offset of all seconds of the local *hour*, or ``_MIXED``."""
    first = hour * _SECONDS_PER_HOUR
    offset = offset_at(first, zone)
    return offset if offset == offset_at(first + _SECONDS_PER_HOUR - 1, zone) else _MIXED


def candidate_years(now: int) -> range:
    """Return the years that a time without one may be of, the last first, when the current time is *now*, in ticks."""
    days = (now + AHEAD_TICKS) // AHEAD_TICKS
    last = min(int(np.datetime64(days, "D").astype("M8[Y]").astype(int)) + 1970 + 1, YEAR_MAX)
    return range(last, last - 1 - _YEARS_BACK, -1)

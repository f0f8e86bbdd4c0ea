"""The names of time ranges: ``range/<name>``.

======================================  =========================================================
name                                    range; both ends are included
======================================  =========================================================
``1763800000-1763803600.5``             epoch seconds
``20261123T101500Z-20261123T102000Z``   ISO 8601 basic format, UTC; fractions of a second are fine
``1763800000-``, ``-20261123T101500Z``  either end may be left out
``2026``, ``2026-11``, ``2026-11-23``   a year, a month, a day, in UTC
``2026-11-23T10``, ``2026-11-23T10:15``  an hour, a minute; seconds may follow
``last-15m``                            the last 15 minutes (s, m, h, d); it moves with the clock
======================================  =========================================================

A calendar name is never taken for two epoch seconds: a year is later than any month or day it could be
the first of.
"""

import math
import re
from datetime import UTC, datetime, timedelta
from typing import NamedTuple

from theiafs.errors import InvalidName

__all__ = ["Last", "Range", "parse_range"]


class Range(NamedTuple):
    """From a start to an end, both included, in seconds since the epoch."""

    start: float
    end: float


class Last(NamedTuple):
    """So many seconds up to whenever it is asked for.

    There is no end: an event that arrives while somebody reads belongs to it, whatever its clock says.
    """

    seconds: int


_LAST = re.compile(r"last-([1-9][0-9]{0,8})([smhd])")
_SECONDS_BY_UNIT = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_CALENDAR = re.compile(
    r"(\d{4})(?:-(\d{2})(?:-(\d{2})(?:T(\d{2})(?::(\d{2})(?::(\d{2}))?)?)?)?)?", re.ASCII
)
_EPOCH = re.compile(r"\d{1,400}(?:\.\d{0,400})?", re.ASCII)
_BASIC = re.compile(r"(\d{8}T\d{6})(\.\d{1,9})?Z", re.ASCII)


def parse_range(name: str) -> Range | Last:
    """Read the name of a range.

    Raises:
        InvalidName: if it is none, or ends before it starts.
    """
    last = _LAST.fullmatch(name)
    if last is not None:
        return Last(int(last[1]) * _SECONDS_BY_UNIT[last[2]])
    calendar = _CALENDAR.fullmatch(name)
    if calendar is not None:
        return _calendar_range(name, [int(part) for part in calendar.groups() if part])
    start, dash, end = name.partition("-")
    if not dash:
        raise InvalidName(f"not a time range: {name!r}")
    found = Range(
        _instant(name, start) if start else -math.inf, _instant(name, end) if end else math.inf
    )
    if found.start > found.end:
        raise InvalidName(f"a time range that ends before it starts: {name!r}")
    return found


def _instant(name: str, text: str) -> float:
    if _EPOCH.fullmatch(text):
        return float(text)
    basic = _BASIC.fullmatch(text)
    if basic is None:
        raise InvalidName(f"not a time range: {name!r}: {text!r} is no time")
    try:
        moment = datetime.strptime(basic[1], "%Y%m%dT%H%M%S").replace(tzinfo=UTC)
    except ValueError as error:
        raise InvalidName(f"not a time range: {name!r}: {error}") from error
    # The fraction is read together with the seconds, for a sum of two floats would be off by a bit.
    return float(f"{int(moment.timestamp())}{basic[2] or ''}")


def _calendar_range(name: str, fields: list[int]) -> Range:
    try:
        start = datetime(*(fields + [1, 1][len(fields) - 1 :]), tzinfo=UTC)  # type: ignore[misc,arg-type]
        match len(fields):
            case 1:
                end = start.replace(year=start.year + 1)
            case 2:
                end = (start + timedelta(days=31)).replace(day=1)
            case _:
                unit = ("days", "hours", "minutes", "seconds")[len(fields) - 3]
                end = start + timedelta(**{unit: 1})
    except (ValueError, OverflowError) as error:
        raise InvalidName(f"not a time range: {name!r}: {error}") from error
    return Range(start.timestamp(), math.nextafter(end.timestamp(), -math.inf))

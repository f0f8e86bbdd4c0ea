"""Day names: the days that have events, as ``by-date`` lists them."""

from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta, tzinfo

from store import TICKS_PER_S, EventStore, Query
from theiafs.timerange import TICKS_PER_DAY, YEAR_MIN

__all__ = ["day_names"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS_PER_QUARTER = TICKS_PER_DAY // 96
_CALENDAR_CYCLE = 400
"""The number of years after which the days of the calendar, and the clocks of all zones, are the same again."""

_CYCLE = timedelta(days=146_097)
_LAST = (date.max - date(1970, 1, 1)).days * TICKS_PER_DAY
"""The start of the last day that has a name in UTC, in ticks since the epoch."""


def day_names(store: EventStore, query: Query, zone: tzinfo) -> list[str]:
    """Return the names of the days of *zone* that those events in *store* are on that answer *query*: dates."""
    days = {_day(ticks, zone) for ticks in _moments(store, query, zone)}
    # West of Greenwich, the first hours of 1970 are on a day before it, which is no name.
    return [day.isoformat() for day in sorted(filter(None, days)) if day.year >= YEAR_MIN]


def _moments(store: EventStore, query: Query, zone: tzinfo) -> Iterator[int]:
    """Yield a time on each day of *zone* that has events, and perhaps more of them, in ticks since the epoch."""
    width = TICKS_PER_DAY if zone is UTC else _TICKS_PER_QUARTER
    for bucket in store.histogram(query, width):
        first, last = bucket * width, (bucket + 1) * width - 1
        if _day(first, zone) == _day(last, zone):
            yield first
        else:
            # Some clocks were wrong by minutes and seconds still: those of Liberia until 1972, of Kiribati until 1979.
            seconds = store.histogram(query.within(first, last), TICKS_PER_S)
            yield from (second * TICKS_PER_S for second in seconds)


def _day(ticks: int, zone: tzinfo) -> date | None:
    """Return the day of *zone* at *ticks* since the epoch; None after the last one that has a name."""
    seconds = ticks // TICKS_PER_S
    if ticks < _LAST:
        return (_EPOCH + timedelta(seconds=seconds)).astimezone(zone).date()
    if ticks >= _LAST + 2 * TICKS_PER_DAY:
        return None
    # Its clocks may be past the end of the calendar, or the last day there may end later than in UTC.
    earlier = (_EPOCH - _CYCLE + timedelta(seconds=seconds)).astimezone(zone).date()
    year = earlier.year + _CALENDAR_CYCLE
    return earlier.replace(year=year) if year <= date.max.year else None

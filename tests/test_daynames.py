"""The days that are listed are those that have events, on the clocks of any zone."""

from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import TICKS_MAX, TICKS_PER_S, Event, Query
from tests.doubles import ListStore
from theiafs.daynames import day_names
from theiafs.timerange import parse_date

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY_S = 86_400
LAST_S = 253_402_214_400
"""The start of the last day of the calendar in UTC."""

ZONES = [
    "America/Los_Angeles", "America/New_York", "Europe/Berlin", "Asia/Kathmandu", "Australia/Lord_Howe",
    "Africa/Monrovia", "Pacific/Kiritimati", "Pacific/Apia",
    # Its clocks were put back at a minute past midnight, to the day before.
    "America/St_Johns",
]  # fmt: skip
zones: st.SearchStrategy[tzinfo] = st.sampled_from([UTC, *map(ZoneInfo, ZONES)])
seconds = st.one_of(
    st.integers(0, 3 * DAY_S),
    st.integers(0, 2**31),
    st.integers(LAST_S - DAY_S, LAST_S + 2 * DAY_S),
    # A midnight in Liberia, when its clocks were late by more than 44 minutes, and one in Kiribati.
    st.integers(2_670 + 30 * DAY_S - 900, 2_670 + 30 * DAY_S + 900),
    st.integers(38_400 + 30 * DAY_S - 900, 38_400 + 30 * DAY_S + 900),
    st.integers(
        1_162_087_200 - 4000, 1_162_087_200 + 4000
    ),  # and when those of St. John's were put back
)


def names_of(moments: list[int], zone: tzinfo) -> list[str]:
    """Return the days that are listed for events at *moments*, in seconds since the epoch."""
    store = ListStore()
    for number, moment in enumerate(moments):
        store.save(Event(str(number), "s", moment))
    return day_names(store, Query(), zone)


@given(st.lists(seconds, max_size=8), zones)
def test_each_day_that_has_events_is_listed(moments: list[int], zone: tzinfo) -> None:
    """And resolves to a range that has them."""
    names = names_of(moments, zone)
    ends = [parse_date(name, zone) for name in ("1970-01-01", "9999-12-31")]
    expected = {
        (EPOCH + timedelta(seconds=moment)).astimezone(zone).date().isoformat()
        for moment in moments
        if ends[0].start <= moment * TICKS_PER_S < (LAST_S - DAY_S) * TICKS_PER_S  # type: ignore[union-attr]
    }
    assert expected <= set(names)
    assert names == sorted(names)
    ranges = [parse_date(name, zone) for name in names]
    for moment in moments:
        ticks = moment * TICKS_PER_S
        if ends[0].start <= ticks <= ends[1].end:  # type: ignore[union-attr]
            assert any(each.start <= ticks <= each.end for each in ranges)  # type: ignore[union-attr]
    for each in ranges:
        assert any(each.start <= moment * TICKS_PER_S <= each.end for moment in moments)  # type: ignore[union-attr]


@pytest.mark.parametrize(
    ("zone", "moments", "names"),
    [
        (UTC, [0, LAST_S + DAY_S - 1, LAST_S + DAY_S], ["1970-01-01", "9999-12-31"]),
        (ZoneInfo("America/New_York"), [0, LAST_S + DAY_S // 2], ["9999-12-31"]),
        (ZoneInfo("America/New_York"), [LAST_S + DAY_S], ["9999-12-31"]),
        (ZoneInfo("America/New_York"), [LAST_S + DAY_S + 5 * 3600], []),
        (ZoneInfo("Europe/Berlin"), [LAST_S + 22 * 3600, LAST_S + 23 * 3600], ["9999-12-31"]),
        (ZoneInfo("Europe/Berlin"), [LAST_S + 23 * 3600], []),
        (ZoneInfo("Europe/Berlin"), [1_727_992_799, 1_727_992_800], ["2024-10-03", "2024-10-04"]),
        (ZoneInfo("Africa/Monrovia"), [2669], []),
        (ZoneInfo("Africa/Monrovia"), [2669, 2670], ["1970-01-01"]),
        (ZoneInfo("Africa/Monrovia"), [2670 + DAY_S - 1], ["1970-01-01"]),
        (ZoneInfo("Africa/Monrovia"), [2670 + DAY_S], ["1970-01-02"]),
    ],
)
def test_days_at_their_ends(zone: tzinfo, moments: list[int], names: list[str]) -> None:
    assert names_of(moments, zone) == names


def test_what_is_after_the_calendar_is_on_no_day() -> None:
    store = ListStore()
    store.save(Event("1", "s", TICKS_MAX // TICKS_PER_S))
    assert day_names(store, Query(), UTC) == day_names(store, Query(), ZoneInfo("Asia/Tokyo")) == []


def test_few_histograms() -> None:
    """One is asked for, whatever the number of days, where clocks are right to a quarter of an hour."""
    store = ListStore()
    for day in range(100):
        store.save(Event(str(day), "s", day * DAY_S))
    asked: list[int] = []
    histogram = store.histogram

    def count(query: Query, width: int) -> dict[int, int]:
        asked.append(width)
        return histogram(query, width)

    store.histogram = count  # type: ignore[method-assign]
    assert len(day_names(store, Query(), ZoneInfo("America/New_York"))) == 99
    assert len(asked) == 1

"""Times in logs: every form, at the changes of clocks of three zones, against datetime and zoneinfo."""

import calendar
from collections.abc import Callable
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from decimal import Decimal
from zoneinfo import ZoneInfo

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import TICKS_MAX, TICKS_PER_S
from theiafs.formats.fields import NO_TIME, Rules
from theiafs.formats.times import epoch_ticks, read_times

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
MANY = 40
"""Enough equal texts to be read together."""


def ticks_of(moment: datetime) -> int:
    """Ticks of a moment that has a zone."""
    return (moment - EPOCH) // timedelta(microseconds=1) * 10


def rules_at(now: datetime, zone: tzinfo = UTC) -> Rules:
    return Rules(zone, ticks_of(now))


NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)
RULES = rules_at(NOW)


def read(text: str | bytes, rules: Rules = RULES) -> int:
    """The time of a text, read alone and among others like it."""
    data = text.encode() if isinstance(text, str) else text
    (alone,) = read_times([data], rules).tolist()
    assert read_times([data] * MANY, rules).tolist() == [alone] * MANY
    return int(alone)


LOCAL_FORMS: dict[str, Callable[[datetime], str]] = {
    "iso": lambda each: each.isoformat(),
    "blank": lambda each: each.isoformat(" ", "seconds"),
    "comma": lambda each: each.isoformat(" ", "milliseconds").replace(".", ","),
    "slashes": lambda each: each.strftime("%Y/%m/%d %H:%M:%S"),
    "minute": lambda each: each.strftime("%Y-%m-%dT%H:%M"),
    "basic": lambda each: each.strftime("%Y%m%dT%H%M%S"),
    "digits": lambda each: each.strftime("%Y%m%d%H%M%S"),
    "fix": lambda each: each.strftime("%Y%m%d-%H:%M:%S"),
    "hadoop": lambda each: each.strftime("%y%m%d %H%M%S"),
    "spark": lambda each: each.strftime("%y/%m/%d %H:%M:%S"),
    "access": lambda each: each.strftime("%d/%b/%Y:%H:%M:%S"),
    "tomcat": lambda each: each.strftime("%d-%b-%Y %H:%M:%S.%f"),
    "mail": lambda each: each.strftime("%a, %d %b %Y %H:%M:%S"),
    "ctime": lambda each: each.ctime(),
    "apache": lambda each: each.strftime("%a %b %d %H:%M:%S.%f %Y"),
    "cisco": lambda each: each.strftime("%b %d %Y %H:%M:%S"),
    "syslog": lambda each: each.strftime("%b %e %H:%M:%S"),
    "klog": lambda each: each.strftime("I%m%d %H:%M:%S.%f"),
}
# Each: a zone, and the local times around which its clocks change.
CHANGES = [
    ("Europe/Berlin", datetime(2026, 3, 29, 2)),
    ("Europe/Berlin", datetime(2026, 10, 25, 2)),
    ("America/St_Johns", datetime(2026, 3, 8, 2)),
    ("America/St_Johns", datetime(2026, 11, 1, 1)),
    ("Australia/Lord_Howe", datetime(2026, 4, 5, 1, 30)),
    ("Australia/Lord_Howe", datetime(2026, 10, 4, 2)),
]


@pytest.mark.parametrize(("zone", "change"), CHANGES)
@pytest.mark.parametrize("form", LOCAL_FORMS)
def test_local_times_are_those_of_the_zone(form: str, zone: str, change: datetime) -> None:
    """Every minute from two hours before a change of the clocks to two hours after it."""
    write = LOCAL_FORMS[form]
    times = [change + timedelta(minutes=minute) for minute in range(-120, 180)]
    texts = [write(each).encode() for each in times]
    expected = [ticks_of(each.replace(tzinfo=ZoneInfo(zone))) for each in times]
    rules = rules_at(NOW, ZoneInfo(zone))
    assert read_times(texts, rules).tolist() == expected
    assert [read_times([each], rules).tolist() for each in texts[::7]] == [
        [each] for each in expected[::7]
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2016-12-31T23:59:60Z", ticks_of(datetime(2017, 1, 1, tzinfo=UTC)) - 1),
        ("2016-12-31T23:59:60.5Z", ticks_of(datetime(2017, 1, 1, tzinfo=UTC)) - 1),
        ("2017-01-01 00:59:60+01:00", ticks_of(datetime(2017, 1, 1, tzinfo=UTC)) - 1),
        ("1970-01-01T00:00:00Z", 0),
        ("1970-01-01T00:30:00+01:00", NO_TIME),
        ("1969-12-31T23:30:00-01:00", 30 * 60 * TICKS_PER_S),
        ("2026-11-23T10:15:00.12345678999Z", ticks_of(datetime(2026, 11, 23, 10, 15, tzinfo=UTC)) + 1234567),
        ("2026-02-29T00:00:00Z", NO_TIME),
        ("2026-13-01T00:00:00Z", NO_TIME),
        ("2026-11-23T24:00:00Z", NO_TIME),
        ("2026-11-23T10:60:00Z", NO_TIME),
        ("2026-11-23T10:15:61Z", NO_TIME),
        ("2026-11-23T10:15:00+24:00", NO_TIME),
        ("0000-00-00 00:00:00", NO_TIME),
        ("1", TICKS_PER_S),
        ("1234", NO_TIME),
        ("17954289001234567890", NO_TIME),
        ("1795428900.12345678", 17954289001234567),
        ("1795428900123.4567", 17954289001234567),
        ("1795428900123456.78", 17954289001234567),
        ("1795428900123456789", 17954289001234567),
        ("", NO_TIME),
        ("yesterday", NO_TIME),
    ],
)  # fmt: skip
def test_edges(text: str, expected: int) -> None:
    """Leap seconds, the epoch, fractions, dates that do not exist, Unix times by magnitude."""
    assert read(text) == expected


@pytest.mark.parametrize(
    ("now", "text", "year"),
    [
        (datetime(2027, 1, 1, 0, 5, tzinfo=UTC), "Dec 31 23:59:59", 2026),
        (datetime(2026, 12, 31, 23, 55, tzinfo=UTC), "Jan  1 00:00:01", 2027),
        (datetime(2026, 12, 31, 23, 55, tzinfo=UTC), "Jan  1 23:55:00", 2027),
        (datetime(2026, 12, 31, 23, 55, tzinfo=UTC), "Jan  1 23:55:01", 2026),
        (datetime(2026, 12, 31, 23, 55, tzinfo=UTC), "Jan  2 00:00:01", 2026),
        (datetime(2027, 3, 1, tzinfo=UTC), "Feb 29 12:00:00", 2024),
        (datetime(2103, 3, 1, tzinfo=UTC), "Feb 29 12:00:00", 2096),
        (datetime(2026, 7, 1, tzinfo=UTC), "Jul  2 00:00:00", 2026),
        (datetime(2026, 7, 1, tzinfo=UTC), "Jul  2 00:00:01", 2025),
    ],
)
def test_a_missing_year_is_the_nearest(now: datetime, text: str, year: int) -> None:
    """At most a day ahead."""
    expected = datetime.strptime(f"{year} {text}", "%Y %b %d %H:%M:%S").replace(tzinfo=UTC)
    assert read(text, rules_at(now)) == ticks_of(expected)


@given(
    st.datetimes(datetime(1980, 1, 1), datetime(2200, 1, 1)),
    st.lists(st.dates().filter(lambda each: each.year % 4 == 0), min_size=1, max_size=MANY),
    st.times(),
    st.sampled_from(["UTC", "Pacific/Auckland", "America/Los_Angeles"]),
)
def test_a_missing_year_is_the_last_that_fits(
    now: datetime, dates: list[date], clock: time, zone: str
) -> None:
    """Compared with all years, one after the other."""
    rules = rules_at(now.replace(tzinfo=UTC), ZoneInfo(zone))
    latest = rules.now + 86_400 * TICKS_PER_S
    clock = clock.replace(microsecond=0, fold=0)
    expected = []
    for each in dates:
        years = [
            year
            for year in range(1971, 2202)
            if each.day < 29 or each.month != 2 or calendar.isleap(year)
        ]
        moments = (
            datetime.combine(each.replace(year=year), clock, ZoneInfo(zone)) for year in years
        )
        expected.append(max(ticks for moment in moments if (ticks := ticks_of(moment)) <= latest))
    texts = [f"{datetime.combine(each, clock):%b %e %H:%M:%S}".encode() for each in dates]
    assert read_times(texts * 3, rules).tolist() == expected * 3


@given(st.integers(0, TICKS_MAX))
def test_whole_numbers_are_exact(number: int) -> None:
    digits = next(each for each in (11, 14, 17, 19) if number < 10**each)
    expected = number * TICKS_PER_S // 10 ** {11: 0, 14: 3, 17: 6, 19: 9}[digits]
    assert epoch_ticks([number]).tolist() == [expected]
    assert epoch_ticks(np.array([number])).tolist() == [expected]


@given(st.floats(0, 1e18))
def test_decimals_are_rounded_to_the_nearest_tick(number: float) -> None:
    unit = next(each for each in (0, 3, 6, 9) if number < 10 ** (11 + each) or each == 9)
    exact = Decimal(number).scaleb(7 - unit)
    (found,) = epoch_ticks([number]).tolist()
    # Nanoseconds are rounded down, as whole numbers are.
    assert abs(found - exact) < (1 if unit == 9 else Decimal("0.5001"))


@pytest.mark.parametrize(
    "number", [-1, -0.5, float("nan"), float("inf"), 1 << 63, 10**400, -(10**400)]
)
def test_numbers_that_are_no_times(number: float) -> None:
    assert epoch_ticks([number, 0, 1.5]).tolist() == [NO_TIME, 0, 15 * TICKS_PER_S // 10]


SHAPED = st.from_regex(
    r"\A(\d{4}[-/]\d\d[-/]\d\d([T ]\d\d:\d\d(:\d\d([.,]\d{1,9})?)?(Z|[+-]\d\d:?\d\d)?)?"
    r"|(Mon |Tue )?(Jan|Feb|Dec) [ \d]\d( \d{4})? \d\d:\d\d:\d\d( \d{4})?|\d{1,20}(\.\d{1,12})?"
    r"|\d\d/(Jan|Feb|Dec)/\d{4}:\d\d:\d\d:\d\d [+-]\d{4}|\d{6} \d{6})\Z",
    alphabet=st.characters(codec="ascii"),
)


@given(
    st.lists(st.none() | SHAPED.map(str.encode) | st.binary(), max_size=8),
    st.sampled_from(["UTC", "Europe/Berlin"]),
)
def test_a_text_alone_is_read_as_among_others(texts: list[bytes | None], zone: str) -> None:
    """And no text raises."""
    rules = rules_at(NOW, ZoneInfo(zone))
    alone = [read_times([each], rules).tolist()[0] for each in texts]
    together = read_times(texts * MANY, rules)
    assert together.tolist() == alone * MANY
    assert together.dtype == np.int64
    assert all(each == NO_TIME or 0 <= each <= TICKS_MAX for each in alone)


@pytest.mark.parametrize("size", [8, 10, 14, 17, 19])
@given(st.data())
def test_digits_alone_are_read_one_by_one_or_together(size: int, data: st.DataObject) -> None:
    """A date, a date and a time, or a Unix time, by their number and the first two of them."""
    starts = st.sampled_from(["19", "20", "17", "99", "00"])
    digits = st.tuples(starts, st.integers(0, 10**18)).map(
        lambda each: f"{each[0]}{each[1]:018}"[:size].encode()
    )
    texts = data.draw(st.lists(digits, min_size=1, max_size=6))
    alone = [read_times([each], RULES).tolist()[0] for each in texts]
    assert read_times(texts * MANY, RULES).tolist() == alone * MANY


def test_months_have_their_days() -> None:
    """Every day of a leap year and of a year that is none, and the day after each month."""
    for year in (2023, 2024):
        for month in range(1, 13):
            last = calendar.monthrange(year, month)[1]
            texts = [f"{year}-{month:02}-{day:02}".encode() for day in range(33)]
            found = read_times(texts, RULES)
            assert (found != NO_TIME).tolist() == [0 < day <= last for day in range(33)]

"""Names of time ranges mean what the calendar and the clock say."""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from fractions import Fraction
from typing import NamedTuple
from zoneinfo import ZoneInfo

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from store import TICKS_MAX, TICKS_PER_S, During
from theiafs.errors import InvalidName
from theiafs.timerange import Days, Last, Newest, parse_date, parse_range

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def ticks(*fields: int, zone: tzinfo = UTC) -> int:
    """Return the ticks of a date and time."""
    return (datetime(*fields, tzinfo=zone) - EPOCH) // timedelta(seconds=1) * TICKS_PER_S  # type: ignore[misc,arg-type]


def parse(name: str) -> During:
    found = parse_range(name)
    assert isinstance(found, During)
    return found


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("1763800000-1763803600", 17638000000000000, 17638036000000000),
        ("1763800000..1763803600", 17638000000000000, 17638036000000000),
        ("1763800000.25-1763803600.5", 17638000002500000, 17638036005000000),
        ("1763799999.9999999..1763800000", 17637999999999999, 17638000000000000),
        ("1763800000.12345679..1763800001", 17638000001234567, 17638000010000000),
        ("0-0", 0, 0),
        ("1763800000-", 17638000000000000, TICKS_MAX),
        ("-1763800000", 0, 17638000000000000),
        ("..1763800000", 0, 17638000000000000),
        ("-", 0, TICKS_MAX),
        ("1-999", TICKS_PER_S, 999 * TICKS_PER_S),
        ("12345..1234567", 12345 * TICKS_PER_S, 1234567 * TICKS_PER_S),
        ("123456789..99999999999", 123456789 * TICKS_PER_S, 99999999999 * TICKS_PER_S),
        ("100000000000..99999999999999", 10**15, 99999999999999 * 10**4),
        ("1763800000123-1763800000123.4567", 17638000001230000, 17638000001234567),
        ("100000000000000..99999999999999999", 10**15, 99999999999999999 * 10),
        ("100000000000000000..1763800000123456789", 10**15, 17638000001234567),
        ("@20261123..@202611230000", 20261123 * TICKS_PER_S, 202611230000 * TICKS_PER_S),
        ("@0.00000019..@1", 1, TICKS_PER_S),
    ],
)  # fmt: skip
def test_a_number_says_its_unit_by_its_digits(name: str, start: int, end: int) -> None:
    """They count before the point; numbers are points, rounded down to a tick, and either end may be left out."""
    assert parse(name) == During(start, end)


@pytest.mark.parametrize(
    ("name", "start", "after"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-11", (2026, 11, 1), (2026, 12, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        ("20240229", (2024, 2, 29), (2024, 3, 1)),
        ("2026-11-23T10", (2026, 11, 23, 10), (2026, 11, 23, 11)),
        ("20261123T10", (2026, 11, 23, 10), (2026, 11, 23, 11)),
        ("2026-11-23T10:15", (2026, 11, 23, 10, 15), (2026, 11, 23, 10, 16)),
        ("20261123T1015", (2026, 11, 23, 10, 15), (2026, 11, 23, 10, 16)),
        ("2026-11-23T10:15:59", (2026, 11, 23, 10, 15, 59), (2026, 11, 23, 10, 16)),
        ("20261123T101559Z", (2026, 11, 23, 10, 15, 59), (2026, 11, 23, 10, 16)),
        ("2026-11-23T10:15Z", (2026, 11, 23, 10, 15), (2026, 11, 23, 10, 16)),
        ("2026-11-23T10:15+05:30", (2026, 11, 23, 4, 45), (2026, 11, 23, 4, 46)),
        ("2026-11-23T10:15+0530", (2026, 11, 23, 4, 45), (2026, 11, 23, 4, 46)),
        ("2026-11-23T10+05", (2026, 11, 23, 5), (2026, 11, 23, 6)),
        ("20261123-20261124", (2026, 11, 23), (2026, 11, 25)),
        ("2026-11-23-2026-11-24", (2026, 11, 23), (2026, 11, 25)),
        ("2026-2027", (2026, 1, 1), (2028, 1, 1)),
        ("2026-11-2026-12", (2026, 11, 1), (2027, 1, 1)),
        ("2026-11..2027", (2026, 11, 1), (2028, 1, 1)),
        ("20261123T101500Z-20261123T102000Z", (2026, 11, 23, 10, 15), (2026, 11, 23, 10, 20, 1)),
        ("2026-11-23T10:00:00..2026-11-23T10:59:59", (2026, 11, 23, 10), (2026, 11, 23, 11)),
        ("2026-11-23T10:15-05:00..2026-11-23T11:15-05:00", (2026, 11, 23, 15, 15), (2026, 11, 23, 16, 16)),
        ("2026-11-23T10:15-05:00-2026-11-23T11:15-05:00", (2026, 11, 23, 15, 15), (2026, 11, 23, 16, 16)),
        ("2026-11-23T10-05..2026-11-23T16Z", (2026, 11, 23, 15), (2026, 11, 23, 17)),
        ("20261123T101500-2026", (2026, 11, 23, 10, 15), (2027, 1, 1)),
        ("2026-11-23T10:12:41~30s", (2026, 11, 23, 10, 12, 11), (2026, 11, 23, 10, 13, 12)),
        ("2026-11-23T10:12-05:00~1m", (2026, 11, 23, 15, 11), (2026, 11, 23, 15, 14)),
        ("2026~1w", (2025, 12, 25), (2027, 1, 8)),
    ],
)  # fmt: skip
def test_a_calendar_time_is_the_whole_of_what_it_names(
    name: str, start: tuple[int, ...], after: tuple[int, ...]
) -> None:
    """From its first tick, as a start, to its last, as an end."""
    assert parse(name) == During(ticks(*start), ticks(*after) - 1)


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("2026-11-23T10:15:00.5", 5_000_000, 5_999_999),
        ("20261123T101500,25Z", 2_500_000, 2_599_999),
        ("2026-11-23T10:15:00.1234567", 1_234_567, 1_234_567),
        ("2026-11-23T10:15:00.123456789", 1_234_567, 1_234_567),
    ],
)
def test_a_fraction_of_a_second_names_its_last_digit(name: str, start: int, end: int) -> None:
    """A tenth of a second is a tenth long; what is shorter than a tick is that tick."""
    second = ticks(2026, 11, 23, 10, 15)
    assert parse(name) == During(second + start, second + end)


def test_the_year_9999_has_an_end() -> None:
    """The calendar of Python ends there, that of ticks does not."""
    last = ticks(9999, 12, 31, 23, 59, 59) + TICKS_PER_S - 1
    for name in ("9999-12", "9999-12-31", "9999-12-31T23:59:59"):
        assert parse(name).end == last


@pytest.mark.parametrize(
    ("name", "seconds"),
    [("1s", 1), ("15m", 900), ("2h", 7200), ("3d", 259200), ("2w", 1209600), ("999999999w", 999999999 * 604800)],
)  # fmt: skip
def test_a_duration_moves(name: str, seconds: int) -> None:
    """With the clock, or with the newest event; nothing is before the epoch."""
    assert parse_range(name) == parse_range(f"last-{name}") == Last(seconds * TICKS_PER_S)
    assert parse_range(f"newest-{name}") == Newest(seconds * TICKS_PER_S)
    now = 2 * seconds * TICKS_PER_S
    assert Last(seconds * TICKS_PER_S).at(now) == During(now // 2, TICKS_MAX)
    assert Newest(seconds * TICKS_PER_S).at(5) == During(0, TICKS_MAX)


@pytest.mark.parametrize(
    ("name", "first_day", "day_after"),
    [
        ("today", 24, 25),
        ("yesterday", 23, 24),
        ("yesterday-today", 23, 25),
        ("yesterday..2026-11-26", 23, 27),
        ("20261101..yesterday", 1, 24),
        ("2026-11-01-today", 1, 25),
    ],
)
def test_today_and_yesterday_move_at_midnight(name: str, first_day: int, day_after: int) -> None:
    """They are days of the zone that the range is read in."""
    for zone in (UTC, timezone(timedelta(hours=9)), timezone(timedelta(hours=-8))):
        found = parse_range(name, zone)
        assert isinstance(found, Days)
        day = During(
            ticks(2026, 11, first_day, zone=zone), ticks(2026, 11, day_after, zone=zone) - 1
        )
        assert found.at(ticks(2026, 11, 24, zone=zone)) == day
        assert found.at(ticks(2026, 11, 25, zone=zone) - 1) == day
        if "2026" not in name:
            assert found.at(ticks(2026, 11, 25, zone=zone)).start > day.start


def test_a_time_without_an_offset_is_of_the_zone() -> None:
    """An hour that clocks show twice covers both; the day without an hour in spring is shorter."""
    zone = ZoneInfo("Europe/Berlin")
    assert parse_range("2026-07-01T12", zone) == parse("2026-07-01T12+02:00")
    assert parse_range("2026-07-01T12Z", zone) == parse("2026-07-01T12")
    for day, hours in (("2026-03-29", 23), ("2026-10-25", 25), ("2026-11-23", 24)):
        found = parse_range(day, zone)
        assert isinstance(found, During)
        assert found.end + 1 - found.start == hours * 3600 * TICKS_PER_S
    assert parse_range("2026-10-25T02", zone) == parse(
        "2026-10-25T02:00:00+02:00..2026-10-25T02:59:59+01:00"
    )
    assert parse_range("1970", zone) == During(0, ticks(1970, 12, 31, 23) - 1)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no time"), ("x", "no time"), ("..x", "'x' is no time"), ("2026..x", "'x' is no time"),
        ("1763800000", "the one moment 2025-11-22T08:26:40"), ("1763800000", "1763800000~30s"), ("@5", "@5.."),
        ("20-10", "to 1970-01-01T00:00:10.0000000Z, which ends before it starts"), ("2027..2026", "ends before it starts"),
        ("last-", "no time"), ("last-0m", "no time"), ("last-15", "'last'"), ("last-1.5h", "'last'"), ("last-15y", "'last'"),
        ("newest-", "no time"), ("0m", "no time"), ("15M", "no time"), ("15m-", "'15m' is no time"), ("1e3-2e3", "no time"),
        ("2026-13", "month"), ("2026-02-30", "day"), ("2026-11-23T25", "hour"), ("2026-11-23T10:60..", "minute"),
        ("20261123T101560-", "second"), ("20261323T101500Z-", "month"), ("20261323..", "month"),
        ("500..1000", "4 digits: that is a year from 1970 to 2999; @1000"), ("3000..", "a year"), ("2026.5..", "a year"),
        ("20261123.5..", "a date"), ("99999999999999999999..", "20 digits"), ("1960..", "a year"), ("1969-12-31..", "before 1970"),
        ("1969-12-31T23:59:59..", "before 1970"), ("@922337203686..", "31197"),
        ("--", "nor two times"), ("1-2-3", "nor two times"), ("1..2..3", "'2..3' is no time"), ("1...2", "'.2' is no time"),
        ("nan-", "no time"), ("inf-", "no time"), ("-inf", "no time"), ("1.-2", "no time"), ("1.5.5..", "no time"),
        (" 1-2", "no time"), ("1-2 ", "no time"), ("1-2\n", "no time"), ("2026\n", "no time"),
        ("\u0661-\u0662", "no time"), ("\u0662\u0660\u0662\u0666", "no time"), ("0000-01", "year"), ("+5..", "no time"),
        ("2026~", "'' is no duration"), ("2026~30", "no duration"), ("~30s", "'' is no time"), ("1..2~3s", "'1..2' is no time"),
        ("2026-11-23T10:15-05:00", "2026-11-23T10:15-05:00..2026-11-23T10:15-05:00 for the first"),
        ("2026-11-23T10:15-10:30", "2026-11-23T10:15..2026-11-23T10:30 for the second"),
        ("20261123T1015-1030", "20261123T1015..20261123T1030 for the second"),
        ("2026-11-23T10-12", "offset"), ("2026-11-23-05:00", "offset"), ("20261123T101500-05", "offset"),
        ("2026-11-23 10:15", "no time"), ("2026-11-23T10:15+15:00", "no time"), ("2026-11-23T1015", "no time"),
        ("20261123T10:15", "no time"), ("2026-11-23T10:15:00.", "no time"), ("2026-11-23T10.5", "no time"),
        ("today-1h", "no time"), ("todays", "no time"), ("Today", "no time"), ("today~", "no duration"),
    ],
)  # fmt: skip
def test_a_name_that_is_no_range_is_refused(name: str, reason: str) -> None:
    """The message says how it was understood, and which forms there are."""
    with pytest.raises(InvalidName, match=re.escape(reason)) as caught:
        parse_range(name)
    assert repr(name) in str(caught.value)
    assert "a range is <from>..<to>" in str(caught.value)


@pytest.mark.parametrize(
    ("name", "position"),
    [
        ("x", None), ("20-10", None), ("2026-13", 0), ("x..", 0), ("..x", 2), ("2026..x", 6), ("2026-11-23..2026-1", 12),
        ("2026..1960", 6), ("1..99999999999999999999", 3), ("1969-12-31..", 0), ("1763800000", None), ("2026~30", 5),
        ("~30s", 0), ("2026-11-23T10:15-05:00", 16), ("500-2026x", 4), ("today-1h", 6), ("today..x", 7),
    ],
)  # fmt: skip
def test_where_a_name_is_wrong(name: str, position: int | None) -> None:
    """As far as one place is to blame."""
    with pytest.raises(InvalidName) as caught:
        parse_range(name)
    assert (caught.value.name, caught.value.position) == (name, position)


# An oracle that never parses: it writes times whose meaning it knows.


class Time(NamedTuple):
    """A time as it is written, and its first and last tick.

    Attributes:
        text: how it is written.
        first: its first tick.
        last: its last tick.
        is_calendar: whether it is a range by itself.
        has_negative_offset: whether its offset from UTC is negative.
    """

    text: str
    first: int
    last: int
    is_calendar: bool = False
    has_negative_offset: bool = False


def floor(seconds: Fraction) -> int:
    return int(seconds * TICKS_PER_S // 1)


@st.composite
def numbers(draw: st.DrawFn) -> Time:
    digits, unit = draw(
        st.sampled_from(
            [(count, 1) for count in (1, 2, 3, 5, 6, 7, 9, 10, 11)]
            + [(count, 1000) for count in (12, 13, 14)]
            + [(count, 10**6) for count in (15, 16, 17)]
            + [(count, 10**9) for count in (18, 19)]
        )
    )
    whole = draw(st.integers(0 if digits == 1 else 10 ** (digits - 1), 10**digits - 1))
    decimals = draw(st.just("") | st.text("0123456789", min_size=1, max_size=12))
    tick = floor((whole + Fraction(int(decimals or 0), 10 ** len(decimals))) / unit)
    return Time(f"{whole}.{decimals}" if decimals else f"{whole}", tick, tick)


@st.composite
def epoch_seconds(draw: st.DrawFn) -> Time:
    whole = draw(st.integers(0, TICKS_MAX // TICKS_PER_S - 1))
    decimals = draw(st.just("") | st.text("0123456789", min_size=1, max_size=9))
    tick = floor(whole + Fraction(int(decimals or 0), 10 ** len(decimals)))
    return Time(f"@{whole}.{decimals}" if decimals else f"@{whole}", tick, tick)


def after(moment: datetime, precision: int) -> datetime:
    """Return the next year, month, day, hour, minute or second."""
    if precision == 1:
        return moment.replace(year=moment.year + 1)
    if precision == 2:
        return (moment.replace(day=1) + timedelta(days=31)).replace(day=1)
    unit = ["days", "hours", "minutes", "seconds"][precision - 3]
    return moment + timedelta(**{unit: 1})


@st.composite
def calendar_times(draw: st.DrawFn) -> Time:
    precision = draw(st.integers(1, 7))
    moment = draw(st.datetimes(datetime(1971, 1, 1), datetime(2998, 1, 1)))
    fields = list(moment.timetuple()[: min(precision, 6)])
    moment = datetime(*(fields + [1, 1, 0, 0, 0][max(precision - 1, 0) :]))  # type: ignore[arg-type]
    # The basic format has no months: six digits are a number.
    is_basic = draw(st.booleans()) and precision != 2
    date_format = "%Y%m%d" if is_basic else "%Y-%m-%d"
    time_format = "T%H%M%S" if is_basic else "T%H:%M:%S"
    text = moment.strftime(date_format)[: {1: 4, 2: 7}.get(precision, 10)]
    if precision > 3:
        text += moment.strftime(time_format)[
            : [3, 5, 7, 7][precision - 4] if is_basic else [3, 6, 9, 9][precision - 4]
        ]
    first = Fraction((moment - datetime(1970, 1, 1)) // timedelta(seconds=1))
    end = Fraction(
        (after(moment, min(precision, 6)) - datetime(1970, 1, 1)) // timedelta(seconds=1)
    )
    if precision == 7:
        digits = draw(st.text("0123456789", min_size=1, max_size=10))
        text += draw(st.sampled_from(".,")) + digits
        first += Fraction(int(digits), 10 ** len(digits))
        end = first + Fraction(1, 10 ** len(digits))
    offset = draw(
        st.sampled_from(["", "Z", "+00", "+05:30", "+0530", "-08:00", "-0800", "-03", "+14:00"])
        if precision > 3
        else st.sampled_from(["", "", "Z", "+05:30"])
    )
    shift = 0
    if offset and offset != "Z":
        plain = offset[1:].replace(":", "").ljust(4, "0")
        shift = (int(plain[:2]) * 3600 + int(plain[2:]) * 60) * (-1 if offset[0] == "-" else 1)
    # The last tick that begins before the end, but never one before the first.
    last = -(-(end - shift) * TICKS_PER_S // 1) - 1
    return Time(
        text + offset,
        floor(first - shift),
        max(int(last), floor(first - shift)),
        True,
        offset.startswith("-"),
    )


times = numbers() | epoch_seconds() | calendar_times()
separators = st.sampled_from(["-", ".."])


@given(times, separators, times)
def test_two_times_are_a_range_with_both_ends_included(
    one: Time, separator: str, other: Time
) -> None:
    """Whatever the kinds of the two."""
    # "2026-11" is a month.
    assume(separator == ".." or not one.is_calendar or len(other.text) > 2)
    name = f"{one.text}{separator}{other.text}"
    if one.first > other.last:
        with pytest.raises(InvalidName):
            parse_range(name)
        return
    assert parse_range(name) == During(one.first, other.last), name


@given(times, separators)
def test_either_end_may_be_left_out(time: Time, separator: str) -> None:
    """Then there is no start or no end."""
    assert parse_range(f"{time.text}{separator}") == During(time.first, TICKS_MAX)
    assert parse_range(f"{separator}{time.text}") == During(0, time.last)


@given(times, st.integers(1, 10**6), st.sampled_from([("s", 1), ("m", 60), ("h", 3600), ("d", 86400), ("w", 604800)]))  # fmt: skip
def test_a_margin_widens_a_time_at_both_ends(time: Time, count: int, unit: tuple[str, int]) -> None:
    """As far as there are times."""
    margin = count * unit[1] * TICKS_PER_S
    expected = During(max(time.first - margin, 0), min(time.last + margin, TICKS_MAX))
    assert parse_range(f"{time.text}~{count}{unit[0]}") == expected


@given(times)
def test_only_a_calendar_time_is_a_range_by_itself(time: Time) -> None:
    """A number is a moment; a negative offset might be a second end."""
    if time.is_calendar and not time.has_negative_offset:
        assert parse_range(time.text) == During(time.first, time.last)
    else:
        with pytest.raises(InvalidName):
            parse_range(time.text)


@given(st.text("0123456789-.~:TZ@+smhdw", max_size=24) | st.text(max_size=12))
def test_any_name_is_a_range_or_refused(name: str) -> None:
    """A range never ends before it starts, and lies within the times that events can have."""
    try:
        found = parse_range(name)
    except InvalidName:
        return
    if isinstance(found, During):
        assert 0 <= found.start <= found.end <= TICKS_MAX


def test_a_date_is_one_calendar_time() -> None:
    """Days are listed; months, hours and the like are understood."""
    assert parse_date("2024-10-04") == parse_range("2024-10-04")
    for name in ("2026", "2026-11", "2026-11-23T10", "20261123", "2026-11-23T10:15Z"):
        assert parse_date(name) == parse_range(name)
    assert parse_date("yesterday") == Days("yesterday", UTC)
    for name in (
        "2026-13-01",
        "2026-02-30",
        "x",
        "1-2",
        "..2026",
        "last-1d",
        "2026-11-23..2026-11-24",
    ):
        with pytest.raises(InvalidName):
            parse_date(name)

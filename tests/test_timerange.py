"""Names of time ranges mean what the calendar and the clock say."""

import math
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from theiafs.errors import InvalidName
from theiafs.timerange import Last, Range, parse_range


def epoch(*fields: int) -> float:
    return datetime(*fields, tzinfo=UTC).timestamp()  # type: ignore[misc,arg-type]


@pytest.mark.parametrize(
    ("name", "start", "end"),
    [
        ("1763800000-1763803600", 1763800000, 1763803600),
        ("1763800000.25-1763803600.5", 1763800000.25, 1763803600.5),
        ("0-0", 0, 0),
        ("1763800000-", 1763800000, math.inf),
        ("-1763800000", -math.inf, 1763800000),
        ("-", -math.inf, math.inf),
        (
            "20261123T101500Z-20261123T102000Z",
            epoch(2026, 11, 23, 10, 15),
            epoch(2026, 11, 23, 10, 20),
        ),
        ("20261123T101500.5Z-", epoch(2026, 11, 23, 10, 15) + 0.5, math.inf),
        ("1763800000-20261123T102000Z", 1763800000, epoch(2026, 11, 23, 10, 20)),
    ],
)
def test_two_instants_are_a_range_with_both_ends_included(
    name: str, start: float, end: float
) -> None:
    """Epoch seconds and ISO 8601 basic format may be mixed, and either end left out."""
    assert parse_range(name) == Range(start, end)


@pytest.mark.parametrize(
    ("name", "start", "next_start"),
    [
        ("2026", (2026, 1, 1), (2027, 1, 1)),
        ("2026-11", (2026, 11, 1), (2026, 12, 1)),
        ("2026-12", (2026, 12, 1), (2027, 1, 1)),
        ("2024-02", (2024, 2, 1), (2024, 3, 1)),
        ("2024-02-29", (2024, 2, 29), (2024, 3, 1)),
        ("2026-11-23T10", (2026, 11, 23, 10), (2026, 11, 23, 11)),
        ("2026-11-23T10:15", (2026, 11, 23, 10, 15), (2026, 11, 23, 10, 16)),
        ("2026-11-23T10:15:59", (2026, 11, 23, 10, 15, 59), (2026, 11, 23, 10, 16)),
    ],
)
def test_a_calendar_name_ends_just_before_the_next(
    name: str, start: tuple[int, ...], next_start: tuple[int, ...]
) -> None:
    """The last instant of a day is in it, the first of the next day is not."""
    found = parse_range(name)
    assert isinstance(found, Range)
    assert found.start == epoch(*start)
    assert found.end < epoch(*next_start) == math.nextafter(found.end, math.inf)


@pytest.mark.parametrize(
    ("name", "seconds"), [("last-15m", 900), ("last-1s", 1), ("last-2h", 7200), ("last-3d", 259200)]
)
def test_a_relative_name_is_so_many_seconds(name: str, seconds: int) -> None:
    """Seconds, minutes, hours and days are known."""
    assert parse_range(name) == Last(seconds)


@pytest.mark.parametrize(
    "name",
    [
        "", "x", "1763800000", "20-10", "last-", "last-0m", "last-15", "last-15w", "last-1.5h", "1e3-2e3",
        "2026-13", "2026-02-30", "2026-11-23T25", "20261123T101500-", "20261323T101500Z-", "--", "1-2-3",
        "nan-", "inf-", "-inf", " 1-2", "1-2 ", "1-2\n", "\u0661-\u0662", "0000-01",
    ],
)  # fmt: skip
def test_what_is_no_range_is_refused(name: str) -> None:
    """A typo is told apart from an empty answer."""
    with pytest.raises(InvalidName):
        parse_range(name)


@given(
    st.integers(0, 10**10),
    st.integers(0, 10**10),
    st.integers(0, 10**7 - 1),
    st.integers(0, 10**7 - 1),
)
def test_a_fraction_is_read_like_the_same_number_in_a_frame(
    start: int, more: int, start_fraction: int, end_fraction: int
) -> None:
    """A bound written with the digits of an event's timestamp includes that event."""
    low, high = f"{start}.{start_fraction:07d}", f"{start + 1 + more}.{end_fraction:07d}"
    assert parse_range(f"{low}-{high}") == Range(float(low), float(high))


@given(st.datetimes(datetime(1970, 1, 2), datetime(9998, 1, 1)), st.integers(0, 10**7 - 1))
def test_iso_and_epoch_names_of_an_instant_are_the_same(moment: datetime, fraction: int) -> None:
    """The two ways to write an instant give the same float, fraction included."""
    whole = moment.replace(microsecond=0, tzinfo=UTC)
    iso = f"{whole:%Y%m%dT%H%M%S}.{fraction:07d}Z"
    seconds = (whole - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(seconds=1)
    assert parse_range(f"{iso}-") == parse_range(f"{seconds}.{fraction:07d}-")

"""Histograms of events over time."""

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store.ticks import TICKS_MAX, TICKS_PER_S
from theiafs.rendering.histogram import COLUMNS_MAX, ROWS_MAX, Histogram

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400
MOMENT = "2026-11-23T10:15:07"

ticks_lists = st.lists(
    st.one_of(st.integers(0, TICKS_MAX), st.integers(17 * 10**15, 17 * 10**15 + 10**12)),
    min_size=1,
    max_size=30,
)


def in_ticks(time: str) -> int:
    return int(np.datetime64(time, "s").astype(int)) * TICKS_PER_S


def histogram_of(*ticks: int) -> Histogram:
    histogram = Histogram(min(ticks), max(ticks))
    histogram.add(np.array(ticks, np.int64), np.ones(len(ticks), np.int64))
    return histogram


@given(ticks_lists)
@example([0, TICKS_MAX])
@example([TICKS_MAX])
@example([0])
def test_any_times(ticks: list[int]) -> None:
    """Each is in the bucket that starts last before it, and what is shown fits a screen."""
    histogram = histogram_of(*ticks)
    starts = histogram.starts.tolist()
    assert starts == sorted(set(starts))
    assert starts[0] <= min(ticks)
    counts = [0] * len(starts)
    for tick in ticks:
        counts[max(bucket for bucket, start in enumerate(starts) if start <= tick)] += 1
    assert histogram.counts.tolist() == counts
    assert counts[0]
    assert counts[-1]
    rows = histogram.render().decode().split("\n")[:-1]
    assert 1 <= len(rows) <= ROWS_MAX
    for row, count in zip(rows, counts, strict=True):
        assert len(row) <= COLUMNS_MAX
        assert row.split()[1] == str(count)
        assert len(row.split()) == 2 + (count > 0)
        assert row == row.rstrip()


@pytest.mark.parametrize(
    ("length_s", "starts"),
    [
        (0, ["10:15:07"]),
        (10, ["10:15:07", "10:15:08"]),
        (MINUTE_S, ["10:15:06", "10:15:08"]),
        (5 * MINUTE_S, ["10:15:00", "10:15:10"]),
        (HOUR_S - 8, ["10:15", "10:16"]),
        (2 * HOUR_S - 5 * MINUTE_S, ["10:14", "10:16"]),
        (DAY_S - HOUR_S, ["10:00", "10:30"]),
        (7 * DAY_S, ["09:00", "12:00"]),
        (29 * DAY_S, ["00:00", "12:00"]),
    ],
)
def test_widths_within_days(length_s: int, starts: list[str]) -> None:
    first = in_ticks(MOMENT)
    rows = histogram_of(first, first + length_s * TICKS_PER_S).render().decode().splitlines()
    assert [row.split()[0] for row in rows[: len(starts)]] == [
        f"2026-11-23T{start}Z" for start in starts
    ]


@pytest.mark.parametrize(
    ("last", "starts"),
    [
        ("2027-01-10", ["2026-11-23", "2026-11-24"]),
        ("2027-11-23", ["2026-11-23", "2026-11-30"]),
        ("2029-11-23", ["2026-11-01", "2026-12-01"]),
        ("2036-11-23", ["2026-10-01", "2027-01-01"]),
        ("2076-11-23", ["2026-01-01", "2027-01-01"]),
        ("2300-01-01", ["2025-01-01", "2030-01-01"]),
        ("31000-01-01", ["2000-01-01", "2500-01-01"]),
    ],
)
def test_widths_of_days_and_more(last: str, starts: list[str]) -> None:
    """Weeks start on Mondays; years where their numbers are round."""
    rows = histogram_of(in_ticks(MOMENT), in_ticks(last)).render().decode().splitlines()
    assert [row.split()[0] for row in rows[:2]] == [f"{start}T00:00Z" for start in starts]


def test_what_it_shows() -> None:
    first = in_ticks("2026-11-23T10:00:00")
    minutes = [0] * 100 + [1] * 50 + [2] * 1 + [4] * 3
    ticks = [first + minute * MINUTE_S * TICKS_PER_S for minute in minutes]
    ticks.append(first + 50 * MINUTE_S * TICKS_PER_S)
    lines = histogram_of(*ticks).render().decode().splitlines()
    assert lines[:5] == [
        "2026-11-23T10:00Z 100 " + "█" * 58,
        "2026-11-23T10:01Z  50 " + "█" * 29,
        "2026-11-23T10:02Z   1 ▌",
        "2026-11-23T10:03Z   0",
        "2026-11-23T10:04Z   3 █▋",
    ]


def test_a_bucket_with_few_events_has_a_bar() -> None:
    histogram = Histogram(0, 10 * TICKS_PER_S)
    histogram.add(np.array([0, 0]), np.array([60_000, 40_000]))
    histogram.add(np.array([10 * TICKS_PER_S]), np.array([1]))
    assert histogram.render().decode().splitlines()[-1].endswith(" 1 ▏")


def test_other_times_are_left_out() -> None:
    """Those of events that came after the first and last were found out."""
    histogram = Histogram(100, 200)
    histogram.add(np.array([99, 100, 200, 201]), np.ones(4, np.int64))
    assert histogram.counts.tolist() == [2]
    assert Histogram(100, 200).render() == b"1970-01-01T00:00:00Z 0\n"

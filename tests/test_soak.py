"""The parts of the soak: its clock, its counts, and its verdict."""

import io
import itertools
import math
import time
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.soak.clock import ZONE, MovedClock, moves
from tests.soak.readers import Failures
from tests.soak.report import Report
from tests.soak.resources import Resources, middles
from tests.soak.run import _ClockHand
from tests.soak.tally import Tally

NS_PER_S = 10**9
NOON_S = 2_000_000_000


def test_the_clock_is_that_of_the_system_until_it_is_moved(tmp_path: Path) -> None:
    clock = MovedClock(tmp_path / "clock")
    before = time.time_ns()
    assert before <= clock.now_ns() <= time.time_ns()
    assert clock.shown_ns(before) == before


def test_all_that_share_a_clock_see_its_steps(tmp_path: Path) -> None:
    """It goes on from there, also back."""
    clock, other = (MovedClock(tmp_path / "clock") for _ in range(2))
    for time_s in (NOON_S, NOON_S - 90):
        clock.move(time_s)
        first, second = clock.now_ns(), other.now_ns()
        assert time_s * NS_PER_S <= first <= second < (time_s + 60) * NS_PER_S


def test_times_of_files_stay_as_the_clock_was_when_they_were_set(tmp_path: Path) -> None:
    """A later step does not move them."""
    clock = MovedClock(tmp_path / "clock")
    clock.move(NOON_S)
    (tmp_path / "a").touch()
    changed_ns = (tmp_path / "a").stat().st_mtime_ns
    shown_ns = clock.shown_ns(changed_ns)
    # The kernel's own clock for files is some milliseconds old.
    assert abs(shown_ns - NOON_S * NS_PER_S) < 60 * NS_PER_S
    clock.move(NOON_S + 10**6)
    assert clock.shown_ns(changed_ns) == shown_ns
    now_ns = clock.now_ns()
    assert clock.shown_ns(clock.system_ns(now_ns)) == now_ns


def test_moves_cross_both_changes_of_summer_time_each_year() -> None:
    """They are where the offset from UTC changes, and each year has both."""
    some = list(itertools.islice(moves(), 60))
    changes = [each.time_s for each in some if each.what == "summer time"]
    for time_s in changes:
        moment = datetime.fromtimestamp(time_s, UTC)
        before = (moment - timedelta(seconds=1)).astimezone(ZONE)
        assert before.utcoffset() != moment.astimezone(ZONE).utcoffset()
    years = Counter(datetime.fromtimestamp(time_s, UTC).year for time_s in changes)
    assert set(years.values()) == {2}
    ahead = [each.time_s for each in some if each.what != "back"]
    assert ahead == sorted(ahead)


@pytest.mark.parametrize("days", [1e-4, 1, 30, 36_500])
def test_a_soak_of_any_length_and_longer(tmp_path: Path, days: float) -> None:
    """The clock has room for all of its steps in twice the time, and the calendar for their years."""
    clock = MovedClock(tmp_path / "clock")
    hand = _ClockHand(clock, days * 86_400)
    steps = 2 * math.ceil(days * 86_400 / hand._interval_s)
    for _ in range(steps - 1):
        hand.step()
    assert sum(hand.crossed.values()) == steps
    assert clock.now_ns() > hand._recent[-1] * NS_PER_S - 2 * days * 86_400 * NS_PER_S


def test_a_tally_knows_events_in_frames_and_on_lines() -> None:
    tally = Tally()
    tally.add_file(
        io.BytesIO(
            b"event: 1 1 1\nid:w00-7\n\nw00-0 INFO x\n"
            b"2026-06-01T00:00:00.0Z writer [a,b] w00-1 INFO y\n  at w00-2 z\n"
            b"changer-0 xxx\n"
        )
    )
    assert len(tally) == 3
    assert tally.compare({"w00": 2, "changer": 1}) == ([], [])
    assert not tally.add(b"w00-8\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"w00-0 \nw00-1 \n", ([], [])),
        (b"w00-0 \n", (["w00-1"], [])),
        (b"w00-1 \nw00-0 \nw00-1 \n", ([], ["w00-1"])),
        (b"", (["w00-0", "w00-1"], [])),
        (b"w00-0 \nw00-1 \nw00-2 \n", ([], [])),
    ],
)
def test_lost_and_doubled_are_counted(text: bytes, expected: tuple[list[str], list[str]]) -> None:
    """An event whose writer was cut off may be there; and what was removed is neither lost, nor there as well."""
    found, removed, none = Tally(), Tally(), Tally()
    found.add(text)
    assert found.compare({"w00": 2}) == expected
    removed.add(text)
    assert none.compare({"w00": 2}, removed) == expected
    if text:
        assert found.compare({"w00": 2}, removed)[1]
        assert found.compare({"w00": 2}, removed, again=removed) == expected


def report(**changed: object) -> Report:
    resources = [Resources(100, 20, 10)] * 3
    numbers = dict.fromkeys(
        ("acknowledged", "found", "removed", "lost", "doubled", "removals", "changes", "runs"), 0
    )
    values = {
        "fuse": "",
        "duration_s": 1.0,
        "crossed": Counter(),
        "resources": resources,
        "failures": Failures(),
    }
    return Report(**{**values, **numbers, **changed})  # type: ignore[arg-type]


def test_the_verdict_is_bad_if_anything_is() -> None:
    failures = Failures()
    failures.add("grep: status 2")
    grown = [Resources(50, 20, 10), Resources(100, 20, 10)]
    assert report().is_good
    assert report(resources=[*grown, Resources(101, 21, 90)]).is_good
    assert not report(resources=[*grown, Resources(140, 20, 10)]).is_good
    assert not report(resources=[*grown, Resources(100, 60, 10)]).is_good
    assert not report(lost=1).is_good
    assert not report(doubled=1).is_good
    assert not report(failures=failures).is_good
    assert "grep: status 2" in str(report(failures=failures))
    assert "grown" in str(report(resources=[*grown, Resources(140, 20, 10)]))
    assert "grown" not in str(report())


def test_samples_become_their_medians_at_the_start_in_the_middle_and_at_the_end() -> None:
    samples = [Resources(each, 0, 0) for each in range(15)]
    assert [each.memory_mib for each in middles(samples)] == [1, 7, 13]
    assert middles(samples[:1]) == [Resources(0, 0, 0)] * 3

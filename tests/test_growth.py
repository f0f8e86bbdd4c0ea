"""Attributes that were given out of files that grow are invalidated when they grow: once, and no others."""

import os
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import TICKS_PER_S, NaiveEventStore
from tests.waiting import eventually
from theiafs import growth as growth_module
from theiafs.config import Settings
from theiafs.growth import Growth
from theiafs.operations import Operations

LIFETIME_S = 1000.0


class Kernel:
    """A kernel that notes what is invalidated.

    Attributes:
        invalidated: the paths, in their order.
        is_free: whether it answers now.
    """

    def __init__(self) -> None:
        self.invalidated: list[str] = []
        self.is_free = threading.Event()
        self.is_free.set()

    def invalidate(self, path: str) -> None:
        self.is_free.wait()
        self.invalidated.append(path)

    def take(self) -> list[str]:
        """Return what was invalidated since the last call, sorted."""
        found, self.invalidated = self.invalidated, []
        return sorted(found)


@pytest.fixture
def kernel() -> Kernel:
    return Kernel()


@pytest.fixture
def growth(kernel: Kernel) -> Iterator[Growth]:
    made = Growth(kernel.invalidate, LIFETIME_S)
    yield made
    kernel.is_free.set()
    made.close()


def ticks(*seconds: float) -> list[int]:
    return [int(each * TICKS_PER_S) for each in seconds]


def test_what_grows_is_invalidated_once(kernel: Kernel, growth: Growth) -> None:
    """Files of all minutes, and those of the minutes that the events may be in."""
    growth.note_saved(ticks(100))
    assert kernel.take() == []
    for path, minute in (("all", ""), ("first", "30-90"), ("second", "90-150"), ("far", "900-960")):
        growth.note(path, minute)
        growth.note(path, minute)
    growth.note_saved(ticks(100))
    assert kernel.take() == ["all", "first", "second"]
    growth.note_saved(ticks(100, 149, 91))
    assert kernel.take() == []
    growth.note("all", "")
    growth.note_saved(ticks(10, 20, 5000))
    assert kernel.take() == ["all", "far"]


def test_no_minute_that_grows_is_missed(kernel: Kernel, growth: Growth) -> None:
    """At any place of a minute of sixty seconds, also next to others."""
    for start in range(130):
        for second in (start, start + 59):
            growth.note("minute", f"{start}-{start + 60}")
            growth.note_saved(ticks(second))
            assert kernel.take() == ["minute"]


def test_a_long_minute_of_another_program(kernel: Kernel, growth: Growth) -> None:
    """It may grow with events that are far from its start."""
    for second in (0, 1800, 3599):
        growth.note("hour", "0-3600")
        growth.note_saved(ticks(second))
        assert kernel.take() == ["hour"]


def test_attributes_that_the_kernel_has_dropped_are_forgotten(
    kernel: Kernel, growth: Growth, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They cost nothing when events are saved later; those that it still has are invalidated."""
    now = growth._born
    monkeypatch.setattr(time, "monotonic", lambda: now)
    growth.note("old", "")
    now += LIFETIME_S + 1
    growth.note("young", "")
    growth.note_saved(ticks(1))
    assert kernel.take() == ["old", "young"]
    growth.note("old", "")
    now += 2 * LIFETIME_S + 1
    growth.note_saved(ticks(1))
    assert kernel.take() == []


def test_memory_is_bounded(kernel: Kernel, growth: Growth, monkeypatch: pytest.MonkeyPatch) -> None:
    """Paths above the limit age by themselves; there is room for others when some were invalidated."""
    monkeypatch.setattr(growth_module, "_PATHS_MAX", 3)
    for _ in range(2):
        for path in "abcde":
            growth.note(path, "")
        growth.note_saved(ticks(1))
        assert kernel.take() == ["a", "b", "c"]


def test_a_kernel_that_does_not_answer_stops_no_writer(kernel: Kernel, growth: Growth) -> None:
    """The first waits for a moment, the others not at all; later, it catches up."""
    kernel.is_free.clear()
    for number in range(100):
        growth.note(str(number), "")
        growth.note_saved(ticks(1))
    assert kernel.invalidated == []
    kernel.is_free.set()
    eventually(lambda: len(kernel.invalidated) == 100)
    assert kernel.take() == sorted(map(str, range(100)))


def test_at_the_end_nothing_more_is_invalidated(kernel: Kernel, growth: Growth) -> None:
    """Libfuse may have closed what it would write to; and a kernel that does not answer is not waited for."""
    kernel.is_free.clear()
    for number in range(5):
        growth.note(str(number), "")
        growth.note_saved(ticks(1))
    growth.close()
    kernel.is_free.set()
    growth._thread.join()
    assert len(kernel.take()) <= 1


def test_what_shows_something_else_is_invalidated_by_that(kernel: Kernel, growth: Growth) -> None:
    """A removal may be in any file."""
    for path, grows_with in (("all", ""), ("minute", "30-90"), ("log", "errors")):
        growth.note(path, grows_with)
    growth.note_changed("errors")
    assert kernel.take() == ["log"]
    growth.note_changed("errors")
    growth.note_saved(ticks(5000))
    assert kernel.take() == ["all"]
    growth.note("all", "")
    growth.note_removed()
    assert kernel.take() == ["all", "minute"]


def test_events_of_all_times_invalidate_everything(kernel: Kernel, growth: Growth) -> None:
    """To find out which minutes they are of would cost more."""
    growth.note("minute", "30-90")
    growth.note_saved(ticks(0, 10**9))
    assert kernel.take() == ["minute"]


@pytest.mark.parametrize(("timeout_s", "expected"), [(1.0, ["/count", "/events"]), (0.0, [])])
def test_an_append_invalidates_what_was_asked_for(
    tmp_path: Path, kernel: Kernel, timeout_s: float, expected: list[str]
) -> None:
    """Nothing where nothing was, nor what does not grow, nor anything if the kernel keeps no attributes."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    operations = Operations(store, Settings(attr_timeout_s=timeout_s), lambda: None)
    operations.note_invalidation(kernel.invalidate)
    number = operations.open("/ingest", os.O_WRONLY, os.getpid()).number
    for paths, wanted in (((), []), (("/", "/README", "/events", "/count"), expected), ((), [])):
        for path in paths:
            operations.getattr(path)
        operations.write(number, b"line\n", os.getpid())
        assert kernel.take() == wanted
    operations.destroy("/")
    store.close()

"""Steps of the clock, which make files that have just grown look as if they had long rested."""

import os
from pathlib import Path

import pytest

from store import NaiveEventStore
from store.engine.settling import ClockSteps
from theiafs.config import Settings
from theiafs.operations import Operations


class TwoClocks:
    """Takes the place of the module time: the clock can be stepped, and the monotonic one only goes on."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.ahead_s = 0.0

    def time(self) -> float:
        return self.now_s + self.ahead_s

    def monotonic(self) -> float:
        return self.now_s


@pytest.mark.parametrize("step_s", [3600, -3600, 1])
def test_a_step_is_noticed_and_then_passes(monkeypatch: pytest.MonkeyPatch, step_s: float) -> None:
    """Also if no call came for long; drift is no step."""
    clocks = TwoClocks()
    monkeypatch.setattr("store.engine.settling.time", clocks)
    steps = ClockSteps()
    assert not steps.is_recent(2)
    clocks.now_s += 100
    clocks.ahead_s += 0.1
    assert not steps.is_recent(2)
    clocks.now_s += 100
    clocks.ahead_s += step_s
    assert steps.is_recent(2)
    clocks.now_s += 1.9
    assert steps.is_recent(2)
    clocks.now_s += 0.2
    assert not steps.is_recent(2)


def is_direct(operations: Operations) -> bool:
    """Open a growing file, close it again, and return whether the kernel was not to cache it."""
    opened = operations.open("/events.log", os.O_RDONLY, 1)
    operations.release(opened.number)
    return opened.is_direct


def test_after_a_step_a_file_that_has_just_grown_is_not_cached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The kernel may still have its old size, and would fill the rest of a page with zeros."""
    clocks = TwoClocks()
    monkeypatch.setattr("store.engine.settling.time", clocks)
    monkeypatch.setattr("store.engine.state.time", clocks)
    monkeypatch.setattr("store.index.database.time", clocks)
    store = NaiveEventStore(str(tmp_path), 3_600_000)
    operations = Operations(store, Settings(), lambda: None)
    try:
        ingest = operations.open("/ingest", os.O_WRONLY, 1)
        operations.write(ingest.number, b"line\n", 1)
        operations.release(ingest.number)
        assert is_direct(operations)
        clocks.ahead_s += 3600
        assert is_direct(operations)
        clocks.now_s += 3
        assert not is_direct(operations)
        clocks.ahead_s -= 7200
        assert is_direct(operations)
        clocks.now_s += 3
        ingest = operations.open("/ingest", os.O_WRONLY, 1)
        operations.write(ingest.number, b"line\n", 1)
        operations.release(ingest.number)
        assert is_direct(operations)
    finally:
        operations.destroy("/")
        store.close()

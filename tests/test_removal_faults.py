"""A minute is removed while the disk fails, the process is killed, or the power goes, at every single operation.

All of it is removed or nothing; once the removal has returned, it stays removed; and nothing else is lost or doubled.
"""

import contextlib
import errno
import functools
from collections.abc import Callable, Iterator

import pytest

from store import EventStoreException, MinuteNotFound, NaiveEventStore
from tests.faults import FaultyDisk
from tests.survivors import NEVER_MS, ROOT, Promises, Survivors
from tests.test_faults import (
    Cut,
    Runs,
    Workload,
    always_the_same,
    cuts_of,
    naming,
)
from tests.volatile import Fate

__all__ = ["always_the_same"]

pytestmark = pytest.mark.timeout(900)
FATES = [("kept", 0), ("dropped", 0), ("torn", 1), ("torn", 2), ("torn", 3)]


class Removal(Workload):
    """Remove minutes in all states: in the log alone, in part, flushed just now, or by an earlier process, and again.

    Attributes:
        removals: the events of each minute that was removed, if all of them were synced before.
    """

    def __init__(self, disk: FaultyDisk, flush_interval_ms: float = NEVER_MS) -> None:
        super().__init__(disk, flush_interval_ms)
        self.removals: list[frozenset[object]] = []

    def run(self) -> None:
        steps: list[Callable[[], object]] = [
            lambda: self.save(("a1", 10.0), ("b1", 75.0), ("c1", 200.0)),
            self.sync,
            lambda: self.remove("10-70"),  # it is in the log alone
            lambda: self.save(("a2", 11.0), ("a3", 12.0), ("d1", 300.0)),
            self.tick,
            lambda: self.save(("a4", 12.5), ("b2", 76.0)),
            self.sync,
            lambda: self.remove("11-71"),  # in part, and so is another
            lambda: self.remove("200-260"),  # flushed, and its records are still in the log
            lambda: self.save(("c2", 201.0)),
            self.forget_store,  # as a kill
            lambda: self.remove("75-135"),
            lambda: self.remove("300-360"),  # marked by an earlier process
            lambda: self.save(("d2", 301.0), ("b3", 77.0)),
            self.sync,
            lambda: self.delete("d2"),
            self.close,
            lambda: self.remove("201-261"),  # nothing of it is in the log
            lambda: self.save(("c3", 202.0)),
            self.sync,
            self.tick,
        ]
        try:
            for step in steps:
                with contextlib.suppress(EventStoreException):
                    step()
        finally:
            self.forget_store()

    def remove(self, name: str) -> None:
        store = self.store
        start, end = map(int, name.split("-"))
        there = frozenset(event.id for event in store.search(start, end - 1e-7))
        self.promises.maybe_deleted |= there
        if there <= self.promises.synced:
            self.removals.append(there)
        with contextlib.suppress(MinuteNotFound):
            store.remove_minute(name)
            self.promises.deleted |= there


@pytest.fixture(scope="module")
def survivors() -> Iterator[Survivors]:
    """Return those of all tests; segments are short, so that their ends are met, too."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 250)
        yield Survivors()


@functools.cache
def removal_cuts(flush_interval_ms: float) -> tuple[list[Cut], list[frozenset[object]]]:
    removal = Removal(FaultyDisk(), flush_interval_ms)
    cuts = list(cuts_of(removal.disk, removal.promises, removal.run).values())
    assert {"a1", "a2", "b1", "b2", "c1", "c2", "d1", "d2"} <= removal.promises.deleted
    return cuts, removal.removals


@pytest.mark.parametrize("flush_interval_ms", [NEVER_MS, 0])
@pytest.mark.parametrize(("fate", "seed"), FATES)
def test_a_crash_anywhere(
    survivors: Survivors, flush_interval_ms: float, fate: str, seed: int
) -> None:
    """Before, in the middle of and after every operation; what was not synced is kept, dropped or torn."""
    cuts, removals = removal_cuts(flush_interval_ms)
    for cut in cuts:
        with naming(cut.cut_at, cut.phase, fate, seed):
            survived = cut.disk.after_a_power_cut(Fate(fate, seed + cut.cut_at * 7))
            found = survivors.check_promises(survived, cut.promises, fate != "kept")
            for removed in removals:
                if removed <= cut.promises.synced:
                    assert removed <= found or not removed & found, "in part"


@pytest.mark.parametrize(("fate", "seed"), [("kept", 0), ("torn", 4)])
def test_a_second_crash_during_recovery(survivors: Survivors, fate: str, seed: int) -> None:
    """At every third operation of the recovery after a crash at every operation."""
    recoveries: dict[bytes, list[Cut]] = {}
    for first in removal_cuts(NEVER_MS)[0]:
        if first.phase != "after":
            continue
        survived = first.disk.after_a_power_cut(Fate(fate, seed + first.cut_at * 7))
        fingerprint = survived.fingerprint()
        if fingerprint not in recoveries:
            opening = functools.partial(NaiveEventStore, ROOT, NEVER_MS, survived)
            recoveries[fingerprint] = list(cuts_of(survived, Promises(), opening).values())
        for second in recoveries[fingerprint][first.cut_at % 3 :: 3]:
            with naming(first.cut_at, second.cut_at, second.phase, fate, seed):
                again = second.disk.after_a_power_cut(Fate(fate, seed + second.cut_at))
                survivors.check_promises(again, first.promises, is_power_cut=fate != "kept")


@pytest.mark.parametrize(
    ("error_number", "length"),
    [(errno.EIO, 1), (errno.EIO, 3), (errno.ENOSPC, 1), (errno.ENOSPC, 40)],
)
def test_an_error_anywhere(survivors: Survivors, error_number: int, length: int) -> None:
    """A removal that has returned is durable, whatever failed before; one that failed may be tried again."""

    def run(failing: range) -> Removal:
        disk = FaultyDisk()
        disk.failing, disk.error_number = failing, error_number
        removal = Removal(disk)
        removal.run()
        return removal

    runs = Runs(run)
    for first in range(1, runs.undisturbed.disk.operations + 1):
        failing = range(first, first + length)
        removal = runs.with_failing(failing)
        for fate in (Fate("kept"), Fate("dropped"), Fate("torn", first)):
            with naming(failing, error_number, fate.name):
                survived = removal.disk.after_a_power_cut(fate)
                survivors.check_promises(survived, removal.promises, fate.name != "kept")

"""Another program removes or changes a minute file while it is flushed, and the process is killed, or the power goes.

What was removed stays removed, what the other program wrote stays there, and nothing else is lost or doubled.
"""

import contextlib
import errno
import functools
from collections.abc import Callable

import pytest

from store import Event, EventSerializer, EventStoreException, NaiveEventStore
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
from tests.volatile import Change, Fate, Inode

__all__ = ["always_the_same"]

OLD, NEW = "10-70", "200-260"
FATES = [("dropped", 0), ("torn", 1), ("torn", 2)]
OTHER = {
    minute: Event(f"other in {minute}", "s", time, ["t"], "by another program")
    for minute, time in ((OLD, 12.0), (NEW, 203.0))
}


class SharedDisk(FaultyDisk):
    """A disk on which another program changes a minute file while that is put in place.

    Args:
        minute: the name of the file.
        change: "removed after" it was put in place, "removed before" that, or "changed before" that.
    """

    def __init__(self, minute: str, change: str) -> None:
        super().__init__()
        self.path = f"{ROOT}/{minute}"
        self.change = change
        self.promises = Promises()
        self.is_armed = False

    def rename(self, old: str, new: str) -> None:
        super().rename(old, new)
        self._after(new)

    def rename_noreplace(self, old: str, new: str) -> None:
        self._before(new)
        super().rename_noreplace(old, new)

    def exchange(self, first: str, second: str) -> bool:
        self._before(second)
        done = super().exchange(first, second)
        self._after(second)
        return done

    def _before(self, path: str) -> None:
        if self._is_time(path, "before"):
            directory, name = self._split(path)
            if self.change == "removed before":
                self._remove(path)
            else:
                content = directory.seen[name].seen if name in directory.seen else b""
                self._last_inode += 1
                changed = Inode(number=self._last_inode)
                changed.write(content + EventSerializer().serialize(OTHER[name]) + b"\n")
                changed.sync()
                directory.change(Change(name, changed))
                self.promises.tried[OTHER[name].id] = OTHER[name]
                self.promises.saved.add(OTHER[name].id)

    def _after(self, path: str) -> None:
        if self._is_time(path, "after"):
            self._remove(path)

    def _is_time(self, path: str, time: str) -> bool:
        if not self.is_armed or path != self.path or time not in self.change:
            return False
        self.is_armed = False
        return True

    def _remove(self, path: str) -> None:
        directory, name = self._split(path)
        if name not in directory.seen:
            return
        content = self.content(path)
        directory.change(Change(name, None))
        gone = {each for each in self.promises.tried if f"id:{each}\n".encode() in content}
        self.promises.maybe_deleted |= gone
        self.promises.deleted |= gone


class Flush(Workload):
    """Flush several minutes at once, with files already or not, and go on after that."""

    def __init__(self, disk: SharedDisk) -> None:
        super().__init__(disk)
        self.promises = disk.promises
        self.shared = disk

    def run(self) -> None:
        steps: list[Callable[[], object]] = [
            lambda: self.save(("a1", 10.0), ("b1", 75.0)),
            self.tick,
            lambda: self.save(("a2", 11.0), ("b2", 76.0), ("c1", 200.0), ("d1", 300.0)),
            self.sync,
            lambda: self.save(("a3", 13.0), ("c2", 201.0)),
            self.arm,
            self.tick,
            lambda: self.save(("a4", 14.0), ("c3", 202.0), ("b3", 77.0)),
            self.sync,
            self.tick,
        ]
        try:
            for step in steps:
                with contextlib.suppress(EventStoreException):
                    step()
        finally:
            self.forget_store()

    def arm(self) -> None:
        self.shared.is_armed = True


@pytest.fixture(params=["removed after", "removed before", "changed before"])
def change(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=[OLD, NEW])
def minute(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(scope="module")
def survivors() -> Survivors:
    """Return those of all tests: most disks are left by several of them."""
    return Survivors()


@functools.cache
def flush_cuts(minute: str, change: str) -> list[Cut]:
    disk = SharedDisk(minute, change)
    flush = Flush(disk)
    cuts = cuts_of(disk, flush.promises, flush.run)
    assert not disk.is_armed
    return list(cuts.values())


def test_a_kill_anywhere(survivors: Survivors, minute: str, change: str) -> None:
    """Everything that was saved is there once, but for what was removed."""
    cuts = flush_cuts(minute, change)
    for cut in cuts:
        with naming(cut.cut_at, cut.phase):
            survived = cut.disk.after_a_power_cut(Fate("kept"))
            survivors.check_promises(survived, cut.promises, is_power_cut=False)
    if change == "removed after":
        assert any(cut.promises.deleted for cut in cuts)


def test_a_loss_of_power_anywhere(survivors: Survivors, minute: str, change: str) -> None:
    """Everything that was synced is there once; names that were removed may be back."""
    for cut in flush_cuts(minute, change):
        promises = cut.promises.copy()
        promises.deleted.clear()
        for fate, seed in FATES:
            with naming(cut.cut_at, cut.phase, fate, seed):
                survived = cut.disk.after_a_power_cut(Fate(fate, seed + cut.cut_at * 7))
                survivors.check_promises(survived, promises, is_power_cut=True)


def test_a_second_kill_during_recovery(survivors: Survivors, minute: str, change: str) -> None:
    """At every third operation of the recovery after a kill at every operation, so at all of them after three kills."""
    recoveries: dict[bytes, dict[tuple[int, str], Cut]] = {}
    for first in flush_cuts(minute, change):
        if first.phase != "after":
            continue
        survived = first.disk.after_a_power_cut(Fate("kept"))
        fingerprint = survived.fingerprint()
        if fingerprint not in recoveries:
            recoveries[fingerprint] = cuts_of(
                survived, Promises(), functools.partial(NaiveEventStore, ROOT, NEVER_MS, survived)
            )
        for second in list(recoveries[fingerprint].values())[first.cut_at % 3 :: 3]:
            with naming(first.cut_at, second.cut_at, second.phase):
                again = second.disk.after_a_power_cut(Fate("kept"))
                survivors.check_promises(again, first.promises, is_power_cut=False)


@pytest.mark.parametrize(
    ("error_number", "length"), [(errno.EIO, 1), (errno.EIO, 3), (errno.ENOSPC, 40)]
)
def test_errors_and_a_kill(
    survivors: Survivors, minute: str, change: str, error_number: int, length: int
) -> None:
    """Nothing is lost or doubled, and nothing that was removed comes back, although the log cannot be written."""

    def run(failing: range) -> Flush:
        disk = SharedDisk(minute, change)
        disk.failing, disk.error_number = failing, error_number
        flush = Flush(disk)
        flush.run()
        return flush

    runs = Runs(run)
    for first in range(1, runs.undisturbed.disk.operations + 1):
        flush = runs.with_failing(range(first, first + length))
        with naming(first, length, error_number):
            survived = flush.disk.after_a_power_cut(Fate("kept"))
            survivors.check_promises(survived, flush.promises, is_power_cut=False)

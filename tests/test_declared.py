"""Declared tags and sources of a store on a disk: they last until they are taken back, whenever the power goes."""

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from store import Event, EventStoreException, NaiveEventStore, NameInUse, StoreReadOnly
from store.disk.disk import Disk
from store.engine.declared import DeclaredNames
from store.engine.follower import FollowingStore
from tests.counting import Cost, assert_constant, cost_of
from tests.faults import FaultyDisk
from tests.volatile import Fate

DIRECTORY = "/s/declared"
LONG = "long/" * 100
FATES = [("kept", 0), ("dropped", 0), ("torn", 1), ("torn", 2), ("torn", 3)]


def test_what_is_taken_back_is_gone(tmp_path: Path) -> None:
    """After a restart as well, and where the store is only read; others stay, also longer names that begin alike."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    for name in ("a", "", "b", LONG, LONG + "x"):
        store.declare_source(name)
        if name:
            store.declare_tag(name)
    follower = FollowingStore(str(tmp_path), 1e9)
    for name in ("a", "", LONG):
        store.undeclare_source(name)
        store.undeclare_tag(name)
    left = {"b", LONG + "x"}
    assert store.sources() == store.tags() == left
    follower._refresh()
    assert follower.sources() == follower.tags() == left
    with pytest.raises(StoreReadOnly):
        follower.undeclare_tag("b")
    follower.close()
    store.close()
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert again.sources() == again.tags() == left
    again.declare_tag("a")
    again.undeclare_tag("b")
    again.close()
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert again.tags() == {"a", LONG + "x"}
    again.close()


def test_what_events_have_stays(tmp_path: Path) -> None:
    """Flushed or not; when they are gone, it can be taken back."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    store.declare_tag("web")
    store.save(Event("one", "nginx", 100, ["web"], "x"))
    for _ in range(2):
        with pytest.raises(NameInUse):
            store.undeclare_tag("web")
        with pytest.raises(NameInUse):
            store.undeclare_source("nginx")
        store._tick()
    store.delete("one")
    assert store.tags() == {"web"}
    store.undeclare_tag("web")
    assert store.tags() == set()
    store.close()


def test_a_tag_that_an_earlier_release_declared(tmp_path: Path) -> None:
    """It was a line of a file, and does not come back."""
    (tmp_path / ".theiafs").mkdir()
    (tmp_path / ".theiafs" / "tags").write_text("one\ntwo\n")
    for expected in ({"one", "two"}, {"two"}):
        store = NaiveEventStore(str(tmp_path), 1e9)
        assert store.tags() == expected
        store.undeclare_tag("one")
        store.close()


def test_what_others_remove_can_be_taken_back(tmp_path: Path) -> None:
    """It is not restored after that."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    store.declare_tag("a")
    store.declare_tag("b")
    shutil.rmtree(tmp_path / ".theiafs" / "declared")
    store.undeclare_tag("a")
    store._tick()
    store.close()
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert again.tags() == {"b"}
    again.close()


def test_taking_one_back_costs_the_same_however_many_there_are(tmp_path: Path) -> None:
    def measure(count: int) -> Cost:
        names = DeclaredNames(Disk(), str(tmp_path / str(count)))
        for number in range(count):
            names.add(f"name {number:06}")
        return cost_of(lambda: names.remove("name 000000"))

    assert_constant(measure, 20)


class Step(NamedTuple):
    """A change, and the names after it."""

    change: Callable[[DeclaredNames], object]
    after: set[str]


STEPS = [
    Step(lambda names: names.add("a"), {"a"}),
    Step(lambda names: names.add(LONG), {"a", LONG}),
    Step(lambda names: names.remove("a"), {LONG}),
    Step(lambda names: names.add("b"), {LONG, "b"}),
    Step(lambda names: names.remove(LONG), {"b"}),
    Step(lambda names: names.add("a"), {"a", "b"}),
    Step(lambda names: names.remove("b"), {"a"}),
]


def load(disk: FaultyDisk) -> frozenset[str]:
    names = DeclaredNames(disk, DIRECTORY)
    names.load()
    return names.names()


def test_a_loss_of_power_anywhere() -> None:
    """Changes that returned are there; one during which the power went is there, or is not."""
    disk = FaultyDisk()
    names = DeclaredNames(disk, DIRECTORY)
    cuts: list[tuple[int, FaultyDisk]] = []
    for done, step in enumerate(STEPS):
        disk.on_cut = lambda _phase, left, done=done: cuts.append((done, left))
        step.change(names)
    assert len(cuts) >= 2 * 2 * 3
    states = [set(), *(step.after for step in STEPS)]
    for done, left in cuts:
        for name, seed in FATES:
            found = load(left.after_a_power_cut(Fate(name, seed)))
            assert found in states[done : done + 2], (done, name, seed)
    assert load(disk.after_a_power_cut(Fate("dropped", 0))) == STEPS[-1].after


def test_a_failure_of_the_disk_anywhere() -> None:
    """The names that are shown are those on the disk, whether the change is said to have failed or not."""
    disk = FaultyDisk()
    names = DeclaredNames(disk, DIRECTORY)
    for step in STEPS:
        step.change(names)
    for failing in range(1, disk.operations + 1):
        disk = FaultyDisk()
        disk.failing = range(failing, failing + 1)
        names = DeclaredNames(disk, DIRECTORY)
        failures = 0
        for step in STEPS:
            try:
                step.change(names)
            except EventStoreException:
                failures += 1
            assert load(disk) == names.names(), failing
        assert failures == disk.failures == 1
        assert names.names() >= STEPS[-1].after

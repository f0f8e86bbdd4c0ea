"""Saved views of a store on a disk: they last, also when the power goes and when cleaners remove them."""

import os
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import pytest

from store import InvalidQuery, NaiveEventStore, StoreReadOnly, ViewExists, ViewNotFound
from store.disk.disk import Disk
from store.engine.follower import FollowingStore
from store.engine.saved_views import SavedViews
from store.errors import EventWriteException
from tests.counting import Cost, assert_constant, cost_of
from tests.faults import FaultyDisk
from tests.volatile import Fate

ROOT = "/s"
FATES = [("kept", 0), ("dropped", 0), ("torn", 1), ("torn", 2), ("torn", 3)]


def links(path: Path) -> dict[str, str]:
    directory = path / ".theiafs" / "views"
    return {name: os.readlink(directory / name) for name in os.listdir(directory)}


def test_they_are_links(tmp_path: Path) -> None:
    """That survive a restart, and that a store which is only read shows."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    store.save_view("a", "../by-tag/web")
    store.save_view(".b\n%", "../range/last-1h")
    store.rename_view("a", "c")
    store.save_view("a", "nowhere")
    follower = FollowingStore(str(tmp_path), 1e9)
    store.remove_view("a")
    store.close()
    left = {"c": "../by-tag/web", ".b\n%": "../range/last-1h"}
    assert links(tmp_path) == left
    assert follower.views() == {**left, "a": "nowhere"}
    follower._refresh()
    assert follower.views() == left
    with pytest.raises(StoreReadOnly):
        follower.save_view("x", "y")
    with pytest.raises(StoreReadOnly):
        follower.remove_view("c")
    with pytest.raises(StoreReadOnly):
        follower.rename_view("c", "d")
    follower.close()
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert again.views() == left
    again.close()


def test_what_others_remove_is_restored(tmp_path: Path) -> None:
    """When the directory is gone, as declared tags are; every change works without it."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    store.save_view("a", "x")
    store.save_view("b", "y")
    shutil.rmtree(tmp_path / ".theiafs" / "views")
    store._tick()
    assert links(tmp_path) == {"a": "x", "b": "y"}
    shutil.rmtree(tmp_path / ".theiafs" / "views")
    store.rename_view("b", "c")
    shutil.rmtree(tmp_path / ".theiafs" / "views")
    store.remove_view("c")
    store._tick()
    assert links(tmp_path) == {"a": "x"}
    store.close()


def test_what_is_no_link_is_no_view(tmp_path: Path) -> None:
    """Nor is one that is not UTF-8."""
    directory = tmp_path / ".theiafs" / "views"
    (directory / "d").mkdir(parents=True)
    (directory / "f").write_text("x")
    (directory / os.fsdecode(b"\xff")).symlink_to("x")
    (directory / "bytes").symlink_to(os.fsdecode(b"\xff"))
    (directory / "l").symlink_to("x")
    store = NaiveEventStore(str(tmp_path), 1e9)
    assert store.views() == {"l": "x"}
    with pytest.raises(ViewExists):
        store.save_view("f", "y")
    store.close()


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "../../x", "a\0b", "\udcff"])
def test_a_view_is_called_as_a_file(tmp_path: Path, name: str) -> None:
    """Anything else is refused before it reaches the disk."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    store.save_view("a", "x")
    with pytest.raises(InvalidQuery):
        store.save_view(name, "x")
    with pytest.raises(InvalidQuery):
        store.rename_view("a", name)
    with pytest.raises(ViewNotFound):
        store.remove_view(name)
    store.close()


def test_saving_one_costs_the_same_however_many_there_are(tmp_path: Path) -> None:
    """On the disk; in memory, a dictionary is copied."""

    def measure(count: int) -> Cost:
        root = tmp_path / str(count)
        root.mkdir()
        views = SavedViews(Disk(), str(root))
        for number in range(count):
            views.add(f"view {number:06}", "x")
        return cost_of(lambda: views.add("view 999999", "x"))

    assert_constant(measure, 20)


class Step(NamedTuple):
    """A change, and the views after it."""

    change: Callable[[SavedViews], object]
    after: Mapping[str, str]


STEPS = [
    Step(lambda views: views.add("a", "x"), {"a": "x"}),
    Step(lambda views: views.add("b", "y"), {"a": "x", "b": "y"}),
    Step(lambda views: views.rename("a", "c", replaces=False), {"c": "x", "b": "y"}),
    Step(lambda views: views.rename("c", "b", replaces=True), {"b": "x"}),
    Step(lambda views: views.add("c", "z"), {"b": "x", "c": "z"}),
    Step(lambda views: views.remove("b"), {"c": "z"}),
]


def load(disk: FaultyDisk) -> Mapping[str, str]:
    views = SavedViews(disk, ROOT)
    views.load()
    return views.targets()


def links_of(disk: FaultyDisk) -> Mapping[str, str | None]:
    directory = f"{ROOT}/.theiafs/views"
    names = disk.names(directory) if disk.list_directories(f"{ROOT}/.theiafs") else []
    return {name: disk.read_link(f"{directory}/{name}") for name in names}


def test_a_loss_of_power_anywhere() -> None:
    """Changes that returned are there; one during which the power went is there, or is not."""
    disk = FaultyDisk()
    views = SavedViews(disk, ROOT)
    cuts: list[tuple[int, FaultyDisk]] = []
    for done, step in enumerate(STEPS):
        disk.on_cut = lambda _phase, left, done=done: cuts.append((done, left))
        step.change(views)
    assert len(cuts) >= 3 * 2 * len(STEPS)
    states = [{}, *(step.after for step in STEPS)]
    for done, left in cuts:
        for name, seed in FATES:
            found = load(left.after_a_power_cut(Fate(name, seed)))
            assert found in states[done : done + 2], (done, name, seed)


def test_a_failure_of_the_disk_anywhere() -> None:
    """A change that fails has not happened, or happens all the same; what is shown is on the disk."""
    disk = FaultyDisk()
    views = SavedViews(disk, ROOT)
    for step in STEPS:
        step.change(views)
    for failing in range(1, disk.operations + 1):
        disk = FaultyDisk()
        disk.failing = range(failing, failing + 1)
        views = SavedViews(disk, ROOT)
        for step in STEPS:
            before = dict(views.targets())
            try:
                step.change(views)
            except (ViewExists, ViewNotFound):
                assert views.targets() == before
            except EventWriteException:
                assert disk.failures == 1
            else:
                assert views.targets() != before
            assert links_of(disk) == views.targets(), failing

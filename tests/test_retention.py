"""``find STORE -type f -mtime +30 -delete``: it takes old minutes, and nothing that theiafs needs."""

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Audit, Event, NaiveEventStore, Query
from store.engine import upkeep
from tests.endings import end_process

NEVER_MS = 1e9
DAY_S = 86_400
OLD_S = 40 * DAY_S


class Clock:
    """A clock in place of the module time, which is moved."""

    def __init__(self) -> None:
        self.now = time.time()

    def time(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    found = Clock()
    monkeypatch.setattr(upkeep, "time", found)
    return found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    """Yield an open store with all that a store can have, in minutes that are to stay and in others."""
    opened = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    opened.save_all(Event(f"{time}", "s", time, ["t"], "x") for time in (0, 100, 200))
    opened.declare_tag("declared")
    opened.declare_source("declared")
    opened.save_view("v", "../by-tag/t")
    opened.write_state("errors", b"line\n")
    opened._flush_all()
    (tmp_path / "store/.theiafs/quarantine").mkdir()
    (tmp_path / "store/.theiafs/quarantine/0-60.0123abcd").write_bytes(b"damage")
    opened._tick()
    yield opened
    opened.close()


def age(root: Path, *kept: str) -> None:
    """Make all files in *root* old but those that are called *kept*."""
    then = time.time() - OLD_S
    for path in root.rglob("*"):
        if path.name not in kept and not path.is_symlink():
            os.utime(path, (then, then))


def clean(root: Path) -> None:
    subprocess.run(["find", root, "-type", "f", "-mtime", "+30", "-delete"], check=True, timeout=60)


def check(root: Path, *ids: str) -> None:
    """Open *root*: it has the events with these *ids* and all that is no event, and it is sound."""
    for _ in range(2):
        store = NaiveEventStore(str(root), NEVER_MS)
        assert [str(event.id) for event in store.search(0)] == list(ids)
        assert store.whole(Query().tagged("t")).events == len(ids)
        assert store.tags() >= {"declared"}
        assert store.sources() >= {"declared"}
        assert store.views() == {"v": "../by-tag/t"}
        store.close()
        assert (root / ".theiafs/index.sqlite").exists()
        assert [str(finding) for finding in Audit(str(root)).run()] == []


def test_while_the_store_is_open(store: NaiveEventStore, tmp_path: Path, clock: Clock) -> None:
    """With one look a day, nothing is lost but minutes, which are gone at once."""
    root = tmp_path / "store"
    files = {path for path in root.rglob("*") if path.is_file() and path.parent != root}
    assert {path.name for path in files} >= {"lock", "errors", "index.sqlite", "0-60.0123abcd"}
    inodes = {path: path.stat().st_ino for path in files}
    age(root, "100-160")
    clock.now += DAY_S
    store._tick()
    clean(root)
    store._tick()
    assert {path: path.stat().st_ino for path in files} == inodes
    assert [str(event.id) for event in store.search(0)] == ["100"]
    store.close()
    check(root, "100")
    assert (root / ".theiafs/state/errors").read_bytes() == b"line\n"


def test_once_a_day(store: NaiveEventStore, tmp_path: Path, clock: Clock) -> None:
    """Neither more often, nor only as long as the clock is not set."""
    lock = tmp_path / "store/.theiafs/lock"

    def is_touched_after(seconds: float) -> bool:
        os.utime(lock, (0, 0))
        clock.now += seconds
        store._tick()
        return lock.stat().st_mtime > 0

    store._tick()
    assert not is_touched_after(DAY_S - 1)
    assert is_touched_after(1)
    assert not is_touched_after(10)
    assert is_touched_after(-2 * DAY_S)


def test_a_store_that_is_cleaned_of_everything(tmp_path: Path) -> None:
    """Open, and nothing was touched: the log, the lock and the index are made again, and no second process gets in."""
    root = tmp_path / "store"
    store = NaiveEventStore(str(root), NEVER_MS)
    store.declare_tag("declared")
    store.declare_source("declared")
    store.save_view("v", "../by-tag/t")
    store.save_all(Event(f"{time}", "s", time, ["t"], "x") for time in (0, 100))
    store._flush_all()
    store.save(Event("200", "s", 200, ["t"], "x"))
    age(root)
    clean(root)
    store.save(Event("201", "s", 201, ["t"], "x"))
    store.sync()
    store._tick()
    assert (root / ".theiafs/lock").exists()
    end_process(store)
    check(root, "200", "201")


@pytest.mark.parametrize("is_killed", [False, True])
def test_while_the_store_is_not_open(
    store: NaiveEventStore, tmp_path: Path, is_killed: bool
) -> None:
    """The index is rebuilt; what a killed process left in the log is as old as its files."""
    root = tmp_path / "store"
    store.save(Event("201", "s", 201, ["t"], "x"))
    if is_killed:
        end_process(store)
        store._closed = True  # the test does not close it
    else:
        store.close()
    age(root, "200-260", *(path.name for path in (root / ".theiafs/journal").iterdir()))
    clean(root)
    check(root, "200", "201")

"""Removal of minutes: its cost, and what happens at the same time."""

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, EventWriteException, MinuteNotFound, NaiveEventStore, Query, StoreReadOnly
from store.disk.disk import Disk
from store.engine.follower import FollowingStore
from tests.counting import Cost, NewDirectory, assert_constant, cost_of, only
from tests.endings import end_process
from tests.test_cost import (
    event_at,
    name_of,
    opened,
    opened_with,
    write_minutes,
)
from tests.waiting import eventually

SYNCS = ("fsync", "fsync directory")


def ids(store: NaiveEventStore) -> list[str]:
    return sorted(str(event.id) for event in store.search(0))


@pytest.mark.parametrize("what", ["minutes", "open files", "events"])
def test_a_removal_costs_the_same_in_any_store(new_directory: NewDirectory, what: str) -> None:
    """However many minutes and open files there are, and however large the minute is: one fsync, not under a short lock."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n if what == "minutes" else 100) as store:
            if what == "events":
                store.save_all(event_at(50, f"more {number}") for number in range(n))
            store._tick()
            store.sync()
            answers = [store.answer(Query()) for _ in range(n if what == "open files" else 0)]
            for answer in answers:
                answer.read(0, 1 << 16)
            cost = cost_of(lambda: store.remove_minute(name_of(50)))
            assert sum(only(cost, *SYNCS).values()) == 1
            assert not any("short lock" in kind and "fsync" in kind for kind in cost)
            return cost

    assert_constant(measure, 100)


def test_a_removal_of_what_is_in_the_log(new_directory: NewDirectory) -> None:
    """The minute is flushed first, because it can only go as a whole; its file, two directories and the log are synced."""
    with opened_with(new_directory(), 100) as store:
        store.save_all(event_at(50, f"more {number}") for number in range(9))
        cost = cost_of(lambda: store.remove_minute(name_of(50)))
        assert sum(only(cost, *SYNCS).values()) <= 6
        assert store.span(Query(), name_of(50)) is None


def test_removals_at_once_share_fsyncs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those that wait while others are removed are removed together."""
    count = 40
    write_minutes(tmp_path, range(count))
    with opened(tmp_path) as store:
        threads = [
            threading.Thread(target=store.remove_minute, args=(name_of(minute),))
            for minute in range(count)
        ]
        synced: list[str] = []
        sync_directory = Disk.sync_directory

        def slow(disk: Disk, path: str) -> None:
            if not synced:
                eventually(lambda: len(store._remover._waiting) == count - 1)
            synced.append(path)
            sync_directory(disk, path)

        monkeypatch.setattr(Disk, "sync_directory", slow)
        threads[0].start()
        for thread in threads[1:]:
            thread.start()
        for thread in threads:
            thread.join()
        assert synced == [store.root_dir] * 2
        assert ids(store) == []


def test_one_minute_is_removed_once(tmp_path: Path) -> None:
    """One of several threads that remove the same minute succeeds."""
    write_minutes(tmp_path, range(3))
    with opened(tmp_path) as store:
        results: list[str] = []

        def remove() -> None:
            try:
                store.remove_minute(name_of(1))
                results.append("removed")
            except MinuteNotFound:
                results.append("not found")

        threads = [threading.Thread(target=remove) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert sorted(results) == ["not found"] * 7 + ["removed"]
        assert len(ids(store)) == 4


@contextlib.contextmanager
def written_all_the_time(store: NaiveEventStore) -> Iterator[Callable[[], int]]:
    """Save one event after the other, from ``e000000`` on, inside the context; yield a function that returns how many there are."""
    saved = 0
    done = threading.Event()

    def save() -> None:
        nonlocal saved
        while not done.is_set():
            store.save(Event(f"e{saved:06}", "s", 10.0, ["t"], "x" * 50))
            saved += 1

    writer = threading.Thread(target=save)
    writer.start()
    try:
        yield lambda: saved
    finally:
        done.set()
        writer.join()


@pytest.mark.parametrize("flush_interval_ms", [0, 5, 1e9])
def test_a_minute_that_is_written_all_the_time(tmp_path: Path, flush_interval_ms: float) -> None:
    """Earlier events go with a removal, later ones stay, and none is there twice; also after a kill."""
    store = NaiveEventStore(str(tmp_path), flush_interval_ms)
    with written_all_the_time(store) as saved:
        before = after = 0
        for _ in range(20):
            eventually(lambda: saved() > after + 20)  # noqa: B023 - it is called before the next round
            before = saved()
            store.remove_minute("10-70")
            after = saved()
    found = ids(store)
    assert found == sorted(set(found))
    assert not found or found[0] >= f"e{before:06}"
    assert set(found) >= {f"e{number:06}" for number in range(after + 1, saved())}
    assert store.whole(Query().tagged("t")).events == len(found)
    store.sync()
    end_process(store)
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert ids(again) == found
    again.close()


@pytest.mark.parametrize("flush_interval_ms", [0, 5, 1e9])
def test_an_event_of_a_minute_that_is_written_all_the_time(
    tmp_path: Path, flush_interval_ms: float
) -> None:
    """It goes, and no other; also after a kill."""
    store = NaiveEventStore(str(tmp_path), flush_interval_ms)
    with written_all_the_time(store) as saved:
        for number in range(10):
            eventually(lambda: saved() > 30 * number + 30)  # noqa: B023 - it is called before the next round
            store.delete(f"e{30 * number:06}")
    expected = [f"e{number:06}" for number in range(saved()) if number >= 300 or number % 30]
    assert ids(store) == expected
    store.sync()
    end_process(store)
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert ids(again) == expected
    again.close()


def changed(path: Path) -> None:
    with path.open("ab") as file:
        file.write(path.read_bytes().replace(b"\nid:", b"\nid:other "))


@pytest.mark.parametrize("change", [changed, Path.unlink])
def test_a_minute_that_another_program_changes(
    tmp_path: Path, change: Callable[[Path], object]
) -> None:
    """It goes with all that is in it; one that is gone already is removed from what is shown, or was never there."""
    with opened(tmp_path) as store:
        store.save_all([Event("a", "s", 10.0), Event("b", "s", 200.0)])
        store._flush_all()
        store.save(Event("c", "s", 11.0))
        change(tmp_path / "10-70")
        store.remove_minute("10-70")
        assert not (tmp_path / "10-70").exists()
        assert ids(store) == ["b"]
        store._tick()
        assert ids(store) == ["b"]


def test_a_removal_that_fails(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The minute is there as before, and can be removed later."""
    write_minutes(tmp_path, range(2))
    with opened(tmp_path) as store:
        with monkeypatch.context() as broken:

            def refuse(_disk: Disk, path: str) -> None:
                raise EventWriteException(f"cannot remove {path}")

            broken.setattr(Disk, "remove", refuse)
            with pytest.raises(EventWriteException, match="cannot remove"):
                store.remove_minute(name_of(0))
        assert len(ids(store)) == 4
        store.save(event_at(0, "more"))
        store.remove_minute(name_of(0))
        assert ids(store) == ["1/0", "1/1"]
    with pytest.raises(EventWriteException, match="closed"):
        store.remove_minute(name_of(1))


def test_a_store_that_is_only_read(tmp_path: Path) -> None:
    """Nothing is removed from it."""
    write_minutes(tmp_path, range(2))
    reading = FollowingStore(str(tmp_path))
    with pytest.raises(StoreReadOnly):
        reading.remove_minute(name_of(0))
    reading.close()
    assert (tmp_path / name_of(0)).exists()

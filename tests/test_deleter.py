"""Deletion of single events, while others delete, save and remove."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from store import Event, EventNotFound, EventWriteException, NaiveEventStore
from store.answers.access import Access
from store.answers.fetch import id_hashes
from store.answers.version import Minute
from tests.counting import Cost, NewDirectory, assert_constant, cost_of, only
from tests.test_cost import opened
from tests.waiting import eventually

MINUTE = "10-70"


def event(event_id: object, content: str = "x") -> Event:
    return Event(event_id, "s", 10.0, ["t"], content)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    with opened(tmp_path) as store:
        store.save_all(event(f"e{number}", "x" * number) for number in range(6))
        yield store


def ids(store: NaiveEventStore) -> list[object]:
    return [each.id for each in store.search(0)]


def between(store: NaiveEventStore, meanwhile: Callable[[], object]) -> None:
    """Let *meanwhile* happen once after the next event to be deleted was found, and before it is deleted."""
    delete = store._deleter.delete

    def delayed(*found: object) -> object:
        store._deleter.delete = delete  # type: ignore[method-assign]
        meanwhile()
        return delete(*found)  # type: ignore[arg-type]

    store._deleter.delete = delayed  # type: ignore[method-assign,assignment]


@pytest.mark.parametrize("is_flushed", [False, True])
@pytest.mark.parametrize("other", [0, 1, 3, 5])
def test_another_event_of_the_minute_goes_meanwhile(
    store: NaiveEventStore, other: int, is_flushed: bool
) -> None:
    """Both go and no other, wherever in the minute they are."""
    if is_flushed:
        store._flush_all()
    between(store, lambda: store.delete(f"e{other}"))
    store.delete("e2")
    assert ids(store) == [f"e{number}" for number in range(6) if number not in (2, other)]


def test_the_event_goes_meanwhile(store: NaiveEventStore) -> None:
    """It is deleted once."""
    between(store, lambda: store.delete("e2"))
    with pytest.raises(EventNotFound):
        store.delete("e2")
    assert ids(store) == ["e0", "e1", "e3", "e4", "e5"]


def test_the_last_one_goes_although_those_before_it_went(store: NaiveEventStore) -> None:
    """Its position in the minute is not that at which it was found."""

    def delete_others() -> None:
        for number in range(5):
            store.delete(f"e{number}")

    between(store, delete_others)
    store.delete("e5")
    assert ids(store) == []


def test_the_minute_is_replaced_meanwhile(store: NaiveEventStore) -> None:
    """The events of the new one stay."""

    def replace() -> None:
        store.remove_minute(MINUTE)
        store.save_all(event(f"new{number}") for number in range(6))

    between(store, replace)
    with pytest.raises(EventNotFound):
        store.delete("e1")
    assert ids(store) == [f"new{number}" for number in range(6)]


def test_another_program_rewrites_the_minute_meanwhile(
    store: NaiveEventStore, tmp_path: Path
) -> None:
    """Nothing but the event goes, whether the rewriting was noticed or not."""
    store._flush_all()
    path = tmp_path / MINUTE

    def rewrite() -> None:
        records = path.read_bytes().split(b"event: ")
        path.write_bytes(b"event: ".join(records[:1] + records[2:]))

    between(store, rewrite)
    with pytest.raises(EventWriteException, match="changed"):
        store.delete("e4")
    store._tick()
    assert ids(store) == ["e1", "e2", "e3", "e4", "e5"]

    def rewrite_noticed() -> None:
        rewrite()
        store._tick()

    between(store, rewrite_noticed)
    store.delete("e4")
    assert ids(store) == ["e2", "e3", "e5"]


def test_deletions_at_once(tmp_path: Path) -> None:
    """Threads that delete different events of a minute delete those, and each finds its own."""
    with opened(tmp_path) as store:
        for turn in range(20):
            store.save_all(event(f"{turn}/{number}", "x" * number) for number in range(8))
            begin = threading.Barrier(4)

            def delete(name: str, begin: threading.Barrier = begin) -> None:
                begin.wait()
                store.delete(name)
                assert store.get(f"{name[:-1]}7").content == "x" * 7

            with ThreadPoolExecutor(4) as threads:
                list(threads.map(delete, [f"{turn}/{number}" for number in range(1, 5)]))
            assert ids(store)[-4:] == [f"{turn}/{number}" for number in (0, 5, 6, 7)]


@pytest.mark.parametrize("what", ["get", "delete"])
@pytest.mark.parametrize("is_flushed", [False, True])
def test_an_event_is_found_while_its_minute_is_replaced(
    store: NaiveEventStore, what: str, is_flushed: bool
) -> None:
    """Another event of it was just deleted."""
    if is_flushed:
        store._flush_all()
    lookup = store._state.lookup
    search = lookup.minutes_with_id

    def delayed(hashed: int) -> Iterator[int]:
        lookup.minutes_with_id = search  # type: ignore[method-assign]
        found = list(search(hashed))
        store.delete("e2")
        yield from found

    lookup.minutes_with_id = delayed  # type: ignore[method-assign]
    if what == "get":
        assert store.get("e4").content == "xxxx"
    else:
        store.delete("e4")
        assert ids(store) == ["e0", "e1", "e3", "e5"]


@pytest.mark.parametrize("count", [1, 6])
def test_what_another_program_appends_meanwhile_stays(
    store: NaiveEventStore, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    """Even where the deletion would leave an empty file: it fails, and can be tried again."""
    for number in range(count, 6):
        store.delete(f"e{number}")
    store._flush_all()
    path = tmp_path / MINUTE
    foreign = path.read_bytes().replace(b"e0", b"by")
    totals = store._state.lookup.line_totals
    measure = totals.measure

    def delayed(minute: Minute) -> None:
        measure(minute)
        with path.open("ab") as file:
            file.write(foreign)

    monkeypatch.setattr(totals, "measure", delayed)
    with pytest.raises(EventWriteException, match="changed by another program"):
        store.delete("e0")
    monkeypatch.undo()
    store._watcher.look()
    store.delete("e0")
    assert path.read_bytes().count(foreign) == 1


def test_the_newest_minutes_are_searched_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Contents of no more minutes are read than it takes to find an event, whose id does not tell its time."""
    with opened(tmp_path) as store:
        for number in range(200):
            store.save(Event(f"n{number}", "s", 100.0 * number, [], "x"))
        store._flush_all()
        eventually(lambda: is_settled(store))
        read = []

        def counted(access: Access, minute: int, size: int) -> NDArray[np.uint32]:
            read.append(minute)
            return id_hashes(access, minute, size)

        monkeypatch.setattr("store.engine.id_hashes.id_hashes", counted)
        assert store.get("n199").content == "x"
        assert len(read) == 1
        assert store.get("n190").content == "x"
        assert len(read) == 10


def is_settled(store: NaiveEventStore) -> bool:
    """Return whether all files are old enough for their stamps to tell every change."""
    lookup = store._state.lookup
    rows, _ = lookup.rows(lookup.catalog.ids())
    return all(row.stamp.is_settled for row in rows.values())


def test_a_minute_that_goes_while_ids_are_looked_up(store: NaiveEventStore) -> None:
    """The search finds it under the id that it has now."""
    lookup = store._state.lookup
    rows = lookup._ids._rows

    def delayed(minutes: NDArray[np.int64]) -> object:
        lookup._ids._rows = rows
        store.delete("e2")
        return rows(minutes)

    lookup._ids._rows = delayed  # type: ignore[assignment]
    assert store.get("e4").content == "xxxx"


def test_of_events_with_one_id_goes_the_one_that_is_found(tmp_path: Path) -> None:
    """Then the next one is found, in whatever minutes they are, and the others stay."""
    with opened(tmp_path) as store:
        for number in range(12):
            store.save(Event("twin", "s", float(number % 3 * 100), ["t"], f"{number}"))
            store.save(Event(number, "s", float(number % 3 * 100), ["t"], "x"))
            if number == 6:
                store._flush_all()
        left = {f"{number}" for number in range(12)}
        while left:
            shown = store.get("twin").content
            assert shown == store.get("twin").content
            store.delete("twin")
            left.remove(str(shown))
            assert {each.content for each in store.search(0) if each.id == "twin"} == left
        with pytest.raises(EventNotFound):
            store.delete("twin")
        assert {str(each) for each in ids(store)} == {f"{number}" for number in range(12)}


def test_a_deletion_among_events_of_one_id(new_directory: NewDirectory) -> None:
    """It costs the same however many there are in other minutes."""

    def measure(n: int) -> Cost:
        with opened(new_directory()) as store:
            store.save_all(Event("twin", "s", 100.0 * number, ["t"], "x") for number in range(n))
            store._flush_all()
            store.get("twin")
            cost = cost_of(lambda: store.delete("twin"))
            return only(cost, "rename", "fsync", "fsync directory")

    assert_constant(measure, 40)

"""The totals of lines while minutes and events are removed: exact at every moment, and not added up again."""

import random
from collections.abc import Callable
from pathlib import Path

import pytest

from store import EventNotFound, NaiveEventStore, Query
from tests.counting import Cost, NewDirectory, assert_constant, cost_of, only
from tests.test_lines import LOG, READS, event_at, fill, measure, opened, read_all
from theiafs.lineviews import LINE_VIEWS

pytestmark = pytest.mark.usefixtures("settled")


def shown(store: NaiveEventStore) -> int:
    return store.whole(Query(), LOG).size


def held(store: NaiveEventStore) -> int:
    return sum(each.size for each in store.snapshot(Query(), LOG).spans)


@pytest.mark.parametrize("is_before", [True, False])
@pytest.mark.parametrize("how", ["removed", "deleted", "changed"])
def test_a_minute_goes_while_all_are_added_up(tmp_path: Path, is_before: bool, how: str) -> None:
    """Before or after its lines were looked up: the size is right at once, and nothing waits for the minute after that."""
    fill(tmp_path, 5)
    measure(tmp_path)
    with opened(tmp_path) as store:
        lookup = store._state.lookup
        totals = lookup.line_totals.of(LOG)
        totals._state = None
        summaries = lookup.summaries

        def go() -> None:
            lookup.summaries = summaries  # type: ignore[method-assign]
            if how == "removed":
                store.remove_minute("120-180")
            elif how == "deleted":
                store.delete("2/1")
            else:
                path = tmp_path / "120-180"
                path.write_bytes(path.read_bytes().replace(b"content", b"other"))
                store._tick()

        def delayed(*args: object) -> object:
            if is_before:
                go()
            found = summaries(*args)  # type: ignore[arg-type]
            if not is_before:
                go()
            return found

        lookup.summaries = delayed  # type: ignore[method-assign,assignment]
        assert shown(store) == held(store)
        with store._state.lock:
            assert totals.known() is not None


def delete_measured(store: NaiveEventStore, _directory: Path) -> None:
    store.delete("7/0")


def delete_new(store: NaiveEventStore, _directory: Path) -> None:
    """Delete an event of a minute whose lines the index lacks."""
    store.save_all(event_at(7, number) for number in range(2, 9))
    shown(store)
    store.delete("7/5")


def delete_unseen(store: NaiveEventStore, _directory: Path) -> None:
    """Delete an event after others were saved of which no size was asked for."""
    store.save_all(event_at(7, number) for number in range(2, 9))
    store.delete("7/5")


def delete_all(store: NaiveEventStore, _directory: Path) -> None:
    for number in range(2):
        store.delete(f"7/{number}")


def change(store: NaiveEventStore, directory: Path) -> None:
    path = directory / "420-480"
    path.write_bytes(path.read_bytes().replace(b"content", b"another"))
    store._tick()


def remove_new(store: NaiveEventStore, _directory: Path) -> None:
    """Remove a minute whose lines the index lacks."""
    store.save_all(event_at(7, number) for number in range(2, 9))
    shown(store)
    store.remove_minute("420-480")


@pytest.mark.parametrize(
    "go", [delete_measured, delete_new, delete_unseen, delete_all, change, remove_new]
)
def test_a_size_after_events_were_removed(
    new_directory: NewDirectory, go: Callable[[NaiveEventStore, Path], None]
) -> None:
    """Only the minute that they were in is measured, however many others there are."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n)
        measure(directory)
        with opened(directory) as store:
            shown(store)
            go(store, directory)
            found = cost_of(lambda: shown(store))
            assert shown(store) == held(store) == len(read_all(store))
            assert sum(only(found, *READS).values()) <= 2 * 4096
            return found

    assert_constant(cost, 60)


@pytest.mark.parametrize("seed", range(12))
def test_any_order(tmp_path: Path, seed: int) -> None:
    """After saves, sizes, flushes, removals, changes by other programs and restarts, each size is exact."""
    chance = random.Random(seed)
    number = 10

    def save(store: NaiveEventStore) -> None:
        nonlocal number
        number += 1
        store.save_all([event_at(chance.randrange(6), number), event_at(1, number + 1000)])

    def delete(store: NaiveEventStore) -> None:
        for minute in range(6):
            try:
                store.delete(f"{minute}/{chance.randrange(number + 1)}")
            except EventNotFound:
                continue

    def remove(store: NaiveEventStore) -> None:
        names = list(store.minutes(Query()))
        if names:
            store.remove_minute(chance.choice(names))

    def change(store: NaiveEventStore) -> None:
        for path in sorted(tmp_path.glob("[0-9]*-*"))[:2]:
            path.write_bytes(path.read_bytes().replace(b"content", b"c" * (1 + number % 9)))
        store._tick()

    def look(store: NaiveEventStore) -> None:
        assert shown(store) == held(store) == len(read_all(store))

    fill(tmp_path, 6)
    actions: list[Callable[[NaiveEventStore], object]] = [
        save, delete, remove, change, look, NaiveEventStore._flush_all, NaiveEventStore._tick,
    ]  # fmt: skip
    for _ in range(3):
        store = NaiveEventStore(str(tmp_path), 1e9, measured_views=LINE_VIEWS)
        look(store)
        for _ in range(15):
            chance.choice(actions)(store)
            if chance.random() < 0.3:
                store._measurer.measure_all()
        look(store)
        store.close()

"""The cost of what counts over all minutes: asked for again it is that of numpy, and no lock is held for long meanwhile."""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from store import Event, NaiveEventStore, Query
from store.index.catalog import Catalog
from store.index.tables import Tables
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from tests.counting import Cost, NewDirectory, assert_constant, cost_of
from tests.debug_locks import held_short_locks
from tests.test_cost import event_at, name_of, opened, opened_with, write_minutes

pytestmark = pytest.mark.usefixtures("settled")

MOST = 50
"""The most minutes that are looked up under one hold of a lock here."""


def most_of(minutes: int) -> Query:
    """Return a range of all of the first *minutes* but half of the first one and of the last one."""
    return Query().within(30 * TICKS_PER_S, (minutes * MINUTE_S - 30) * TICKS_PER_S)


def levels(store: NaiveEventStore, _minutes: int) -> object:
    return store.levels(Query())


def levels_of_a_range(store: NaiveEventStore, minutes: int) -> object:
    return store.levels(most_of(minutes))


def tags_of_a_range(store: NaiveEventStore, minutes: int) -> object:
    return list(store.streams(most_of(minutes)))


QUESTIONS = [levels, levels_of_a_range, tags_of_a_range]


@pytest.mark.parametrize("ask", QUESTIONS)
def test_asked_again(
    new_directory: NewDirectory,
    monkeypatch: pytest.MonkeyPatch,
    ask: Callable[[NaiveEventStore, int], object],
) -> None:
    """It costs the same in a store of any size."""
    monkeypatch.setattr("store.engine.levels._REST_S", -3600)

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            store._flush_all()
            for _ in range(
                2
            ):  # the first time, levels are found out, and the second time their totals are read
                ask(store, n)
            return cost_of(lambda: ask(store, n))

    assert_constant(measure, 60)


@pytest.mark.parametrize("ask", QUESTIONS)
def test_changes_are_counted_again(tmp_path: Path, ask: Callable[..., object]) -> None:
    """After events were saved and deleted, and minutes removed and changed by another program."""
    directory = tmp_path / "store"
    directory.mkdir()
    write_minutes(directory, range(9))
    with opened(directory) as store:
        changes: list[Callable[[], object]] = [
            lambda: store.save(Event("new", "app", 4 * MINUTE_S + 7, ["new"], "ERROR new")),
            lambda: store.delete("3/1"),
            store._flush_all,
            lambda: store.remove_minute(name_of(5)),
            lambda: write_minutes(directory, [6], 5),
            lambda: store.save(Event("last", "other", 4 * MINUTE_S + 8, [], "ERROR last")),
        ]
        for number, change in enumerate(changes):
            ask(store, 9)
            change()
            store._tick()
            found = ask(store, 9)
            with opened_copy(store, tmp_path / str(number)) as fresh:
                assert as_counts(ask(fresh, 9)) == as_counts(found)


@contextlib.contextmanager
def opened_copy(store: NaiveEventStore, directory: Path) -> Iterator[NaiveEventStore]:
    """Open a store in *directory* with the events of *store* that has counted nothing."""
    directory.mkdir()
    with opened(directory) as copy:
        copy.save_all(list(store.search(0)))
        yield copy


def as_counts(found: object) -> dict[object, int]:
    return dict(found) if isinstance(found, dict) else {each[:2]: each[2] for each in found}  # type: ignore[attr-defined]


def stat_after_a_removal(store: NaiveEventStore, minutes: int) -> object:
    """Remove the newest event of all streams, so that it is looked for."""
    store.remove_minute(name_of(minutes - 1))
    return store.whole(Query())


def recount(store: NaiveEventStore, _minutes: int) -> object:
    before = store.whole(Query())
    store._state.must_recount = True
    store._state.recount()
    assert store.whole(Query())[:3] == before[:3]
    return before


@pytest.mark.parametrize("ask", [*QUESTIONS, stat_after_a_removal, recount])
def test_no_lock_is_held_for_many_minutes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ask: Callable[[NaiveEventStore, int], object]
) -> None:
    """Neither that of the state, which every save needs, nor that of the index."""
    count = 4 * MOST
    monkeypatch.setattr("store.engine.lookup._ROWS_AT_ONCE", MOST)
    for module in ("database", "shared", "tables"):
        monkeypatch.setattr(f"store.index.{module}.IDS_AT_ONCE", MOST)
    copied: list[int] = []
    rows_of = Catalog.rows_of

    def counted(self: Catalog, minutes: Any) -> Any:
        assert held_short_locks()
        copied.append(len(minutes))
        return rows_of(self, minutes)

    selected: list[int] = []

    def counting(select: Callable[..., Any]) -> Callable[..., Any]:
        def counted(self: Tables, *arguments: Any) -> Any:
            selected.append(len(arguments[-1]))
            return select(self, *arguments)

        return counted

    write_minutes(tmp_path, range(count))
    with opened(tmp_path) as store:
        store.save(event_at(count - 1, "newest"))
        store._tick()
        monkeypatch.setattr(Catalog, "rows_of", counted)
        for name in ("select", "select_levels"):
            monkeypatch.setattr(Tables, name, counting(getattr(Tables, name)))
        ask(store, count)
    assert len(copied) >= 4
    assert max(copied) <= MOST
    assert max(selected) <= MOST


def test_a_recount_while_much_changes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes that have grown, come or gone meanwhile are counted as they are in the end."""
    monkeypatch.setattr("store.index.summary._MINUTES_AT_ONCE", 3)
    write_minutes(tmp_path, range(9))
    with opened(tmp_path) as store:
        lookup = store._state.lookup
        summaries = lookup.summaries

        def delayed(*minutes: Any) -> Any:
            found = summaries(*minutes)
            lookup.summaries = summaries  # type: ignore[method-assign]
            store.save_all([event_at(1), event_at(7), event_at(20, "ERROR")])
            store.remove_minute(name_of(2))
            store.delete("8/1")
            return found

        lookup.summaries = delayed  # type: ignore[method-assign,assignment]
        store._state.must_recount = True
        store._state.recount()
        store._state.fold_arrivals()
        events = list(store.search(0))
        found = store.whole(Query())
        assert len(events) == found.events == 2 * 9 + 3 - 2 - 1
        assert (
            sum(each.events for each in store.snapshot(Query().tagged("t")).spans) == found.events
        )
        assert store.whole(Query().tagged("t")) == found
        assert [each.events for each in store.streams(Query())] == [found.events]

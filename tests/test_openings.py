"""Openings of one path: those with the same version have the same bytes, so that the kernel may keep its cache."""

import itertools
import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore, Query
from tests.test_cost import opened
from theiafs.config import parse_options
from theiafs.operations import Operations

WEB_S, OTHER_S = 6000.0, 60_000.0
PATHS = [
    "/events",
    "/events.log",
    "/by-tag/web/events",
    "/by-tag/web/events.log",
    "/by-tag/web/events.jsonl",
    "/by-source/app/events",
    "/match/first/events.log",
    "/range/@1000-@9000/events",
]


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[NaiveEventStore]:
    """Return a store in which two events have arrived out of order, and which counts as settled."""
    monkeypatch.setattr("theiafs.nodes.REST_S", -3600)
    with opened(tmp_path) as store:
        store.save(Event("later", "app", WEB_S + 300, ["web"], "arrived first"))
        store.save(Event("earlier", "app", WEB_S, ["web"], "arrived after the first"))
        store.save_all(Event(f"o{number}", "o", OTHER_S, ["db"], "other") for number in range(3))
        yield store


def look(operations: Operations, path: str) -> tuple[bool, bytes]:
    """Return whether the kernel may keep its cache of *path*, and the bytes at it."""
    found = operations.open(path, os.O_RDONLY, os.getpid())
    data = operations.read(found.number, 1 << 20, 0)
    operations.release(found.number)
    return found.is_cached, data


def fold(store: NaiveEventStore) -> None:
    """Let events arrive in turn in two minutes until the order of arrival is folded."""
    folded = store._state.lookup.arrivals
    for number in itertools.count():
        store.save(Event(f"f{number}", "o", OTHER_S + 600 * (number % 2), ["db"], "other"))
        if store._state.lookup.arrivals is not folded:
            return


def delete_elsewhere(store: NaiveEventStore) -> None:
    store.delete("o1")


def remove_elsewhere(store: NaiveEventStore) -> None:
    store.remove_minute(list(store.minutes(Query()))[-1])


def delete_and_save(store: NaiveEventStore) -> None:
    """Replace an event by one of the same size at another place."""
    store.delete("later")
    store.save(Event("later", "app", WEB_S + 300, ["web"], "arrived again"))


@pytest.mark.parametrize("change", [fold, delete_elsewhere, remove_elsewhere, delete_and_save])
@pytest.mark.parametrize("path", PATHS)
def test_a_kept_cache_is_right(
    store: NaiveEventStore, path: str, change: Callable[[NaiveEventStore], None]
) -> None:
    """Whatever has changed the order of the same events, in whatever they are shown."""
    operations = Operations(store, parse_options(""), lambda: None)
    _, before = look(operations, path)
    change(store)
    is_kept, after = look(operations, path)
    assert not is_kept or before == after


@pytest.mark.parametrize("path", PATHS)
def test_a_cache_is_kept(store: NaiveEventStore, path: str) -> None:
    """From one opening to the next, also when events elsewhere were removed, if all are in the order of time."""
    store._state.fold_arrivals()
    operations = Operations(store, parse_options(""), lambda: None)
    assert not look(operations, path)[0]
    assert look(operations, path)[0]
    delete_elsewhere(store)
    is_kept, _ = look(operations, path)
    assert is_kept == (path.startswith(("/by-tag/", "/by-source/", "/range/")))

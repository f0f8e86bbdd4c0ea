"""The disk fails at every single read of a scan: the answer is whole, or the request fails; no answer is shorter.

A file that another program removes meanwhile is left out.
"""

import contextlib
import logging
from collections.abc import Callable, Iterator

import pytest

from store import (
    AtLevel,
    Event,
    EventSerializer,
    FromSource,
    HasTag,
    Matches,
    NaiveEventStore,
    Not,
    Query,
)
from store.engine.watcher import Watcher
from store.errors import DiskUnreadable
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from tests.faults import FaultyDisk
from tests.survivors import NEVER_MS, ROOT
from tests.volatile import Fate
from theiafs.rendering.log import LogView

MINUTES, EVENTS = 4, 6

ERRORS = Query().where(AtLevel(frozenset({"err"})))
WORD = Query().where(Matches("needle"))
PATTERN = Query().where(Matches("n.edle"))
ODD = HasTag(frozenset({"odd"}))
INSIDE = (3 * TICKS_PER_S, (3 * MINUTE_S + 2) * TICKS_PER_S)
QUERIES = {
    "match": WORD,
    "by-level": ERRORS,
    "not by-level": Query().where(Not(AtLevel(frozenset({"err"})))),
    "by-tag match": PATTERN.where(ODD),
    "match by-level range": PATTERN.where(AtLevel(frozenset({"err"}))).within(*INSIDE),
    "by-source range": Query().where(FromSource(frozenset({"app"}))).within(*INSIDE),
}


def _lines(store: NaiveEventStore, query: Query) -> bytes:
    answer = store.answer(query, view=LogView())
    return answer.read(0, answer.size())


def _bytes(store: NaiveEventStore, query: Query) -> bytes:
    answer = store.answer(query)
    return answer.read(0, answer.size())


def _by_minute(store: NaiveEventStore, query: Query) -> list[bytes]:
    answers = [store.answer(query, name) for name in sorted(store.minutes(query))]
    return [answer.read(0, answer.size()) for answer in answers]


Ask = Callable[[NaiveEventStore, Query], object]
QUESTIONS: dict[str, Ask] = {
    "count": lambda store, query: store.whole(query).events,
    "events": _bytes,
    "events.log": _lines,
    "minutes": lambda store, query: [each[:4] for each in store.snapshot(query).spans],
    "events of minutes": _by_minute,
    "levels": lambda store, query: store.levels(query),
    "tags": lambda store, query: sorted(store.streams(query)),
    "histogram": lambda store, query: store.histogram(query, 20 * TICKS_PER_S),
    "records": lambda store, query: b"".join(data for data, _ in store.records(query)),
    "select": lambda store, query: [str(each.id) for each in store.select(query)],
    "by-id": lambda store, query: store.get(f"{MINUTES - 1}/{EVENTS - 1}").content,
}


def asking(asked: str, named: str) -> Callable[[NaiveEventStore], object]:
    """Return what asks a store the question *asked*, of the query *named*."""
    return lambda store: QUESTIONS[asked](store, QUERIES[named])


@pytest.fixture(scope="module", autouse=True)
def quietly() -> Iterator[None]:
    """Log nothing, for what goes wrong is meant to; notice no changes but where the store is read."""
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
        yield
    logging.disable(logging.NOTSET)


def event(minute: int, number: int) -> Event:
    level, word = ("ERROR" if number % 2 else "info"), ("needle" if number % 3 else "straw")
    tags = ["odd"] if number % 2 else []
    content = f"{level}: a {word} of {minute}\non two lines"
    return Event(f"{minute}/{number}", "app", MINUTE_S * minute + number, tags, content)


@pytest.fixture(scope="module")
def disk() -> FaultyDisk:
    """Return a disk with a store that was closed, with what is in its index; of one minute, part arrives later."""
    disk = FaultyDisk(keeps_databases=True)
    with contextlib.closing(NaiveEventStore(ROOT, NEVER_MS, disk)) as store:
        store.save_all(
            event(minute, number) for minute in range(MINUTES) for number in range(EVENTS)
        )
    return disk


@contextlib.contextmanager
def opened(disk: FaultyDisk) -> Iterator[tuple[NaiveEventStore, FaultyDisk]]:
    """Open the store on a copy of *disk*; an event has arrived that is not in a file yet, in a minute that has one."""
    copy = disk.after_a_power_cut(Fate("kept"))
    with contextlib.closing(NaiveEventStore(ROOT, NEVER_MS, copy)) as store:
        store.save(event(1, EVENTS + 1))
        yield store, copy
        copy.failing = range(0)


@pytest.mark.parametrize("named", QUERIES)
@pytest.mark.parametrize("asked", QUESTIONS)
def test_a_disk_that_fails(disk: FaultyDisk, asked: str, named: str) -> None:
    """No answer is shorter; when the disk reads again, the same question is answered in full."""
    ask = asking(asked, named)
    with opened(disk) as (store, copy):
        before = copy.operations
        expected = ask(store)
        reads = copy.operations - before
    failed = 0
    for read in range(reads):
        with opened(disk) as (store, copy):
            first = copy.operations + 1 + read
            copy.failing = range(first, first + 1)
            try:
                assert ask(store) == expected, read
            except DiskUnreadable:
                failed += 1
            copy.failing = range(0)
            assert ask(store) == expected, read
    assert failed == reads


@pytest.mark.parametrize("named", QUERIES)
@pytest.mark.parametrize("asked", ["count", "minutes", "levels", "tags", "histogram", "records"])
def test_a_file_that_is_removed(disk: FaultyDisk, asked: str, named: str) -> None:
    """Its events are left out as soon as they would be read, and nothing else is."""
    ask = asking(asked, named)
    path = f"{ROOT}/{2 * MINUTE_S}-{3 * MINUTE_S}"
    with opened(disk) as (store, copy):
        before = ask(store)
        copy.lose(path)
        store._watcher.look()
        expected = ask(store)
    with opened(disk) as (store, copy):
        copy.lose(path)
        found = ask(store)
        store._watcher.look()
        assert ask(store) == expected
    # What the index tells is not read, and is noticed later.
    assert found in (before, expected)
    if asked == "records" or named.startswith("match"):
        assert found == expected


@pytest.mark.parametrize("named", ["match", "by-tag match", "by-level"])
def test_a_file_that_is_changed(disk: FaultyDisk, named: str) -> None:
    """A scan of a file that another program appends to meanwhile does not fail."""
    query = QUERIES[named]
    with opened(disk) as (store, copy):
        expected = store.whole(query).events
    with opened(disk) as (store, copy):
        file = copy._inode(f"{ROOT}/{2 * MINUTE_S}-{3 * MINUTE_S}")
        file.write(EventSerializer().serialize(event(2, EVENTS + 1)) + b"\n")
        assert store.whole(query).events == expected
        assert store.whole(query).events == expected + 1

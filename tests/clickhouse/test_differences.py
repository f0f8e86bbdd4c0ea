"""The store on ClickHouse and the one on minute files show the same events, byte for byte."""

import random
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import (
    AtLevel,
    During,
    Event,
    EventStore,
    Filter,
    FromSource,
    HasTag,
    Matches,
    NaiveEventStore,
    Not,
    Query,
    Untagged,
)
from store.format.levels import LEVELS
from tests.oracle import CONTENTS, SOURCES, TAGS
from theiafs.lineviews import LINE_VIEWS
from theiafs.summaries import SUMMARIES

SEED = 20251125
MINUTES, EVENTS_A_MINUTE = 30, 40
_TICKS_PER_MINUTE = 600_000_000
READ_SIZE = 1 << 16


def make_events() -> Iterator[Event]:
    """Yield events in order of their times, the first of each minute at its start, as the files then begin there too."""
    chance = random.Random(SEED)
    for minute in range(MINUTES):
        ticks = sorted(chance.sample(range(1, _TICKS_PER_MINUTE), EVENTS_A_MINUTE - 1))
        for number, within in enumerate([0, *ticks]):
            yield Event(
                f"{minute}-{number}",
                chance.choice(SOURCES),
                ticks=(1000 + minute) * _TICKS_PER_MINUTE + within,
                tags=chance.sample(TAGS, chance.randrange(4)),
                content=chance.choice(CONTENTS)
                + chance.choice(["", " GET /", "\n\tat line 3", "\udcff", '{"a":1}']),
            )


FIRST, LAST = 1000 * _TICKS_PER_MINUTE, 1005 * _TICKS_PER_MINUTE
FILTERS: list[Filter] = [
    HasTag(frozenset({"web"})),
    HasTag(frozenset({"web", "db"})),
    HasTag(frozenset({"\udcff\udc80"})),
    FromSource(frozenset({"s:\r"})),
    FromSource(frozenset({"nginx", ""})),
    Untagged(),
    AtLevel(frozenset(LEVELS[:4])),
    AtLevel(frozenset({"debug"})),
    Matches("ERROR|^<3>"),
    Matches(r"line \d$"),
    During(FIRST, LAST - 1),
    During(FIRST + 77, LAST + 12_345),
]
QUERIES = [
    Query(),
    *(Query().where(each) for each in FILTERS),
    *(Query().where(Not(each)) for each in FILTERS),
    *(
        Query().where(first).where(Not(second))
        for first, second in zip(FILTERS, reversed(FILTERS), strict=True)
    ),
]


@pytest.fixture(scope="module")
def on_files(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EventStore]:
    store = NaiveEventStore(str(tmp_path_factory.mktemp("files")), 1e9)
    store.save_all(make_events())
    yield store
    store.close()


@pytest.fixture
def on_engine(open_at: Callable[..., EventStore]) -> EventStore:
    store = open_at()
    events = list(make_events())
    # Several INSERTs, which divide minutes.
    for first in range(0, len(events), 333):
        store.save_all(events[first : first + 333])
    return store


def read(store: EventStore, *arguments: object) -> bytes:
    """Read all of an answer, which has the size that it says."""
    answer = store.answer(*arguments)  # type: ignore[arg-type]
    data = b""
    while piece := answer.read(len(data), READ_SIZE):
        data += piece
    assert len(data) == answer.size()
    return data


def test_every_answer_is_the_same(on_files: EventStore, on_engine: EventStore) -> None:
    """Listings, sizes, times, and the bytes of every leaf, of every query."""
    compared = 0
    for query in QUERIES:
        for view in (None, *LINE_VIEWS):
            wanted, found = (store.snapshot(query, view) for store in (on_files, on_engine))
            assert [span[:4] for span in found.spans] == [span[:4] for span in wanted.spans], query
            assert found.whole[:4] == wanted.whole[:4]
            for minute in (None, *(span.name for span in wanted.spans)):
                assert read(on_engine, query, minute, view) == read(
                    on_files, query, minute, view
                ), (query, minute)
                compared += 1
        for kind, summary in SUMMARIES.items():
            assert summary(on_engine, query) == summary(on_files, query), (kind, query)
            compared += 1
        assert on_engine.tags(query) == on_files.tags(query)
        assert on_engine.sources(query) == on_files.sources(query)
    print(f"{compared} files of {len(QUERIES)} queries are the same")


def test_events_are_found_in_the_same_order(on_files: EventStore, on_engine: EventStore) -> None:
    """By time, either way; with the same times, by arrival."""
    for order in ("asc", "desc"):
        wanted, found = (
            [event.id for event in store.search(0, flags=["web"], match="a", order=order)]
            for store in (on_files, on_engine)
        )
        assert found == wanted


def test_following_says_the_same(tmp_path: Path, open_at: Callable[..., EventStore]) -> None:
    """The minutes in which something has arrived, since the beginning or a cursor, after a restart too."""
    files, engine = NaiveEventStore(str(tmp_path), 0), open_at()
    events = list(make_events())[::20]
    for store in (files, engine):
        store.save_all(events[:30])
    cursors = [store.follow() for store in (files, engine)]
    assert cursors[0].minutes == cursors[1].minutes
    for store in (files, engine):
        store.save_all(events[30:])
    files.close()
    again = NaiveEventStore(str(tmp_path), 0)
    since = [
        store.follow(changes.cursor)
        for store, changes in zip((again, open_at()), cursors, strict=True)
    ]
    assert set(since[1].minutes) <= set(since[0].minutes)
    assert since[1].minutes == sorted(
        {
            f"{event.ticks // 600_000_000 * 60}-{event.ticks // 600_000_000 * 60 + 60}"
            for event in events[30:]
        },
        key=lambda name: int(name.partition("-")[0]),
    )
    again.close()

"""Scans of contents: what they read, what of it is kept, and what they need not read. All by counting."""

import contextlib
import itertools
import math
import os
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest

from store import (
    AtLevel,
    Event,
    EventSerializer,
    HasTag,
    Matches,
    NaiveEventStore,
    Not,
    Opening,
    Query,
    ReaderGone,
    is_reader_gone,
    open_store,
    reindex,
)
from store.engine.record_judge import Judge, RecordJudge, Section
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from tests.counting import Cost, NewDirectory, assert_constant, cost_of, only

READS = ("open", "read", "read bytes")
ERRORS = Query().where(AtLevel(frozenset({"err"})))
RARE = Query().where(Matches("needle"))
TAGGED = HasTag(frozenset({"odd"}))
EVENTS = 10
"""Events in each minute: a filter covers the texts of a hundred of them."""

pytestmark = pytest.mark.usefixtures("settled")


def name_of(minute: int) -> str:
    return f"{minute * MINUTE_S}-{(minute + 1) * MINUTE_S}"


def write_minute(directory: Path, minute: int, word: str = "straw") -> None:
    """Write a minute file, as another program does, with *word* in its last event; every fifth is an error."""
    serializer = EventSerializer()
    records = []
    for number in range(EVENTS):
        level = "ERROR" if number % 5 == 0 else "info"
        last = word if number == EVENTS - 1 else "straw"
        event = Event(
            f"{minute}/{number}",
            "app",
            minute * MINUTE_S + number,
            ["odd"] if number % 2 else [],
            f"{level} of {minute} in a {last} stack, and more that makes it long",
        )
        records.append(serializer.serialize(event) + b"\n")
    (directory / name_of(minute)).write_bytes(b"".join(records))


def fill(directory: Path, minutes: int, needle: int | None = None) -> None:
    for minute in range(minutes):
        write_minute(directory, minute, "needle" if minute == needle else "straw")


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[NaiveEventStore]:
    """Open a store that does nothing in the background."""
    with contextlib.closing(NaiveEventStore(str(directory), math.inf)) as store:
        yield store


def searched(directory: Path, *queries: Query) -> None:
    """Count what answers *queries*, and close the store again."""
    with opened(directory) as store:
        for query in queries:
            store.whole(query)


def reads_of(found: Cost) -> Cost:
    return +only(found, *READS)


# Levels


@pytest.mark.parametrize("ending", ["closed", "read only", "killed"])
def test_levels_are_found_out_once(new_directory: NewDirectory, ending: str) -> None:
    """After a restart no minute is read for them: not to count, to list, to select, nor for a tag or a time of a minute."""
    directory = new_directory()
    fill(directory, 300)
    if ending == "killed":
        child = os.fork()
        if not child:
            NaiveEventStore(str(directory), math.inf).whole(ERRORS)
            os._exit(0)
        os.waitpid(child, 0)
    else:
        searched(directory, ERRORS)
    store = open_store(str(directory), Opening(ending == "read only", 1e9))
    range_of_half = (150 * MINUTE_S * TICKS_PER_S, (150 * MINUTE_S + 4) * TICKS_PER_S)
    with contextlib.closing(store):
        for query, expected in [
            (ERRORS, 600),
            (Query().where(Not(AtLevel(frozenset({"err"})))), 2400),
            (ERRORS.where(TAGGED), 300),
            (ERRORS.where(Not(TAGGED)), 300),
            (ERRORS.within(*range_of_half), 1),
        ]:
            cost = cost_of(partial(store.whole, query))
            assert not reads_of(cost), query
            assert store.whole(query).events == expected
            assert not reads_of(cost_of(lambda query=query: list(store.minutes(query))))  # type: ignore[misc]
        assert not reads_of(cost_of(lambda: store.levels(Query())))
        assert store.levels(Query()) == {"err": 600}
        assert store.levels(Query().where(TAGGED)) == {"err": 300}


def test_levels_of_what_was_just_saved_are_kept(new_directory: NewDirectory) -> None:
    """Asked for before it was flushed, and flushed at the end; of as many minutes as a copied log may have."""
    directory = new_directory()
    with opened(directory) as store:
        store.save_all(Event(str(each), "app", each * MINUTE_S, [], "ERROR") for each in range(300))
        assert store.whole(ERRORS).events == 300
        store.save(Event("later", "app", 300 * MINUTE_S, [], "no level"))
        assert store.whole(ERRORS).events == 300
        assert store.whole(ERRORS.where(Not(TAGGED))).events == 300
    with opened(directory) as store:
        assert not reads_of(cost_of(lambda: store.whole(ERRORS)))
        assert store.whole(ERRORS).events == 300


def test_levels_of_a_minute_that_changed_are_found_out_again(new_directory: NewDirectory) -> None:
    """Only of that one."""
    directory = new_directory()
    fill(directory, 200)
    searched(directory, ERRORS)
    path = directory / name_of(7)
    path.write_bytes(path.read_bytes().replace(b"ERROR", b"Error"))
    (directory / name_of(8)).unlink()
    with opened(directory) as store:
        cost = cost_of(lambda: store.whole(ERRORS))
        assert cost["open"] == 1
        assert store.whole(ERRORS).events == 198 * 2


def test_levels_of_other_rules_do_not_count(
    new_directory: NewDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are found out again."""
    directory = new_directory()
    fill(directory, 50)
    searched(directory, ERRORS)
    monkeypatch.setattr("store.index.tables.LEVEL_RULES_VERSION", 1000)
    with opened(directory) as store:
        assert cost_of(lambda: store.whole(ERRORS))["open"] == 50
        assert store.whole(ERRORS).events == 100


# Filters of texts


def test_a_rare_word_costs_what_its_minutes_cost(new_directory: NewDirectory) -> None:
    """In a store of any size: after a search for another word, it reads the minutes that one filter covers, and no others."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n, needle=150)
        searched(directory, Query().where(Matches("haystack")))
        with opened(directory) as store:
            found = cost_of(lambda: store.whole(RARE))
            assert store.whole(RARE).events == 1
            assert not reads_of(cost_of(lambda: store.whole(RARE)))
            assert found["open"] <= 110
            # To read the answer is to read the one minute.
            answer = store.answer(RARE)
            reading = cost_of(lambda: answer.read(0, 1 << 20))
            assert b"needle" in answer.read(0, 1 << 20)
            assert reading["open"] <= 2
        return only(found, *READS)

    assert_constant(cost, 300)


@pytest.mark.parametrize("way", ["searched", "reindexed"])
def test_a_word_that_is_nowhere_reads_nothing(new_directory: NewDirectory, way: str) -> None:
    """After the first scan, or `theiafs reindex`; also below a tag, negated, and in a store that is only read."""
    directory = new_directory()
    fill(directory, 300)
    if way == "searched":
        searched(directory, Query().where(Matches("haystack")))
    else:
        reindex(str(directory))
    for is_read_only in (False, True):
        store = open_store(str(directory), Opening(is_read_only, 1e9))
        with contextlib.closing(store):
            for query, expected in [
                (RARE, 0),
                (RARE.where(TAGGED), 0),
                (Query().where(Not(Matches("needle"))), 3000),
                (Query().where(Matches("needle|[Pp]ins?")), 0),
                (Query().where(Matches("(?i)(NEEDLE|kiosk) of")), 0),
            ]:
                assert not reads_of(cost_of(partial(store.whole, query))), query
                assert store.whole(query).events == expected
            # No filter tells of a word of two letters.
            either = Query().where(Matches("needle|pi"))
            assert reads_of(cost_of(partial(store.whole, either)))


def test_of_minutes_that_share_a_filter_those_without_the_word_are_not_judged(
    new_directory: NewDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their bytes tell. A common word is judged at once, so that no minute is read twice."""
    directory = new_directory()
    fill(directory, 600, needle=123)
    searched(directory, Query().where(Matches("haystack")))
    judged: list[int] = []
    judged_all = RecordJudge.judged_all

    def noted(self: RecordJudge, judge: Judge, sections: Sequence[Section]) -> object:
        judged.extend(each.minute for each in sections)
        return judged_all(self, judge, sections)

    monkeypatch.setattr(RecordJudge, "judged_all", noted)
    with opened(directory) as store:
        for query in (RARE, Query().where(Matches("(?i)A Ne+DLE s.*long"))):
            judged.clear()
            assert store.whole(query).events == 1
            assert len(judged) == 1, query
        common = Query().where(Matches("stac.*long"))
        assert cost_of(lambda: store.whole(common))["open"] <= 600
        assert store.whole(common).events == 600 * EVENTS


def test_a_large_minute_is_not_read_whole_to_look_for_a_word(
    new_directory: NewDirectory,
) -> None:
    """It has few events, and more bytes than are to be in memory at once; it is judged as others are."""
    directory = new_directory()
    fill(directory, 300, needle=7)
    write_minute(directory, 8, "straw" * 100_000)
    searched(directory, Query().where(Matches("haystack")))
    sizes: list[int] = []
    with opened(directory) as store:
        lookup = store._state.lookup
        read = lookup.read
        lookup.read = lambda *place: sizes.append(place[2] - place[1]) or read(*place)  # type: ignore[method-assign, func-returns-value]
        assert store.whole(RARE).events == 1
    assert 0 < len(sizes) <= 110
    assert max(sizes) <= 1 << 18


def test_a_filter_counts_for_minutes_that_have_not_changed(new_directory: NewDirectory) -> None:
    """A word that comes into a minute is found; the others are still not read."""
    directory = new_directory()
    fill(directory, 300)
    searched(directory, Query().where(Matches("haystack")))
    write_minute(directory, 3, "needle")
    (directory / name_of(4)).unlink()
    write_minute(directory, 999, "needle")
    path = directory / name_of(5)
    path.write_bytes(path.read_bytes() + path.read_bytes().replace(b" straw", b"needle"))
    with opened(directory) as store:
        cost = cost_of(lambda: store.whole(RARE))
        assert store.whole(RARE).events == 2 + EVENTS
        assert cost["open"] <= 4
        store.save(Event("n", "app", 7 * MINUTE_S, [], "a needle"))
        assert store.whole(RARE).events == 3 + EVENTS
        assert [event.content for event in store.select(RARE)].count("a needle") == 1


def test_filters_of_minutes_that_are_gone_are_deleted(new_directory: NewDirectory) -> None:
    """By the next search, wherever they were."""
    directory = new_directory()
    fill(directory, 400)
    searched(directory, Query().where(Matches("haystack")))
    for minute in range(200):
        (directory / name_of(minute)).unlink()
    with opened(directory) as store:
        database = store._state.database
        before = len(list(database.text_filters(0, 1 << 40)))
        assert store.whole(RARE).events == 0
        assert 0 < len(list(database.text_filters(0, 1 << 40))) <= before - 1


def test_first_searches_at_once_build_filters_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Both have found that there are none before either has built one."""
    fill(tmp_path, 50)
    begun = threading.Barrier(2)
    judged_all = RecordJudge.judged_all
    waiting = threading.local()

    def delayed(self: RecordJudge, *arguments: object) -> object:
        if not hasattr(waiting, "is_over"):
            waiting.is_over = True
            begun.wait()
        return judged_all(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordJudge, "judged_all", delayed)
    with opened(tmp_path) as store:
        with ThreadPoolExecutor(2) as threads:
            queries = [Query().where(Matches(word)) for word in ("needle", "haystack")]
            assert [each.events for each in threads.map(store.whole, queries)] == [0, 0]
        filters = list(store._state.database.text_filters(0, 1 << 40))
        members = [minute for each in filters for minute in each.members["id"].tolist()]
        assert len(members) == len(set(members)) == 50


# Reading


def test_small_minutes_are_scanned_together(
    new_directory: NewDirectory, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In pieces of hundreds of kilobytes, whatever is asked."""
    directory = new_directory()
    fill(directory, 500)
    pieces = []
    judge = RecordJudge._judge

    def counted(self: RecordJudge, *arguments: object) -> object:
        pieces.append(arguments)
        return judge(self, *arguments)  # type: ignore[arg-type]

    monkeypatch.setattr(RecordJudge, "_judge", counted)
    with opened(directory) as store:
        for query in (ERRORS, Query().where(Matches("stra."))):
            pieces.clear()
            assert store.whole(query).events > 0
            assert len(pieces) <= 6


def test_only_the_minutes_of_a_range_are_read(new_directory: NewDirectory) -> None:
    """However many others there are, for each filter of contents and each leaf."""
    directory = new_directory()
    fill(directory, 200)
    bounds = (100 * MINUTE_S * TICKS_PER_S, 105 * MINUTE_S * TICKS_PER_S - 1)
    for filters in ([Matches("straw")], [Not(Matches("x"))], [AtLevel(frozenset({"err"}))]):
        query = Query().within(*bounds)
        for each in filters:
            query = query.where(each)
        with opened(directory) as store:
            for ask in (
                lambda store, query: store.whole(query),
                lambda store, query: store.answer(query).read(0, 1 << 20),
                lambda store, query: list(store.streams(query)),
                lambda store, query: store.levels(query),
                lambda store, query: store.histogram(query, TICKS_PER_S),
                lambda store, query: list(store.records(query)),
            ):
                cost = cost_of(lambda ask=ask, query=query: ask(store, query))  # type: ignore[misc]
                assert cost["open"] <= 5 * 2


@pytest.mark.parametrize("asked", ["counts", "records"])
def test_a_minute_that_cannot_be_read_spoils_no_other(tmp_path: Path, asked: str) -> None:
    """Those that are scanned with it are counted, and nothing else is taken for its records."""
    directory = tmp_path
    fill(directory, 100)
    with opened(directory):
        pass
    with opened(directory) as store:
        # Its records are not where they were, which does not show before it is read.
        stat = (directory / name_of(50)).stat()
        path = directory / name_of(50)
        data = path.read_bytes()
        with path.open("r+b") as file:
            file.write(b"x" * len(data))
        os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
        if asked == "records":
            found = b"".join(data for data, _ in store.records(Query()))
            assert found.count(b"straw") == 990
            assert b"xx" not in found
            return
        assert store.whole(Query().where(Matches("straw"))).events in (990, 1000)
        assert store.whole(ERRORS).events in (198, 200)


def test_a_scan_ends_when_its_reader_is_gone(new_directory: NewDirectory) -> None:
    """Before the next piece is read; what was found until then is not read again."""
    directory = new_directory()
    fill(directory, 1000)
    asked = itertools.count()
    query = Query().where(Matches("stra."))
    with opened(directory) as store:
        token = is_reader_gone.set(lambda: next(asked) >= 7)
        try:
            with pytest.raises(ReaderGone):
                store.whole(query)
        finally:
            is_reader_gone.reset(token)
        assert next(asked) == 8
        cost = cost_of(lambda: store.whole(query))
        assert 0 < cost["open"] < 1000
        assert store.whole(query).events == 10_000

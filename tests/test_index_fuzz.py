"""An index whose rows were changed, and whose checksums were then made right, harms nothing.

This much is promised, whatever the rows say and however their checksums were made:

- a store opens, and answers or raises an EventStoreException; nothing is read or written outside of a buffer;
- the size that an answer shows is the size of what is read of it, or reading it fails;
- all bytes of all minutes, and their names, are those of the files, and so is every event that is returned as such;
- an answer by tags has only whole events of the files, and one in a view only whole lines of them;
- nothing that is saved or deleted meanwhile costs another event;
- an index that is built again is right.

A row that contradicts its file, another row or itself does not count. One that could be right is believed: streams with
other names than they have, events of equal size with each other's streams, times or ends of events that other events have,
hashes of ids that lack one, levels of events with the same totals, filters that deny a text. So these may be wrong: the
names of tags and what has them, the time of the newest event, what is in a range of time, has a level or matches.
"""

import contextlib
import math
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import (
    Answer,
    AtLevel,
    Event,
    EventStore,
    EventStoreException,
    HasTag,
    Matches,
    NaiveEventStore,
    Query,
    View,
)
from store.engine.follower import FollowingStore
from store.engine.watcher import Watcher
from store.errors import EventNotFound
from store.filenames import index_path
from store.format.scan import scan
from store.index.database_files import remove_database
from tests.faults import FaultyDisk
from tests.index_mutations import Mutation, mutate, mutations
from tests.renderings import in_columns
from tests.test_index import QUERIES
from tests.volatile import Fate
from theiafs.lineviews import LINE_VIEWS

ROOT = "/s"
INDEX = "index.sqlite"
NEVER_MS = 1e9
CHANGING = ("state", "streams", "minutes", "snapshot", "former_minutes")
FOR_LEVEL = Query().where(AtLevel(frozenset({"err"})))
FOR_WORD = Query().where(Matches("977")).where(HasTag(frozenset({"db"})))
ALL_QUERIES = [*QUERIES, FOR_LEVEL, FOR_WORD]


def events() -> list[Event]:
    tags = [["web"], ["db", "web"], [], ["db"], ["web", "rare"]]
    words = ["content", "ERROR 1"]
    return [
        Event(
            f"id{n}", f"app{n % 3}", 7.5 * n, tags[n % len(tags)], f"{words[n % 4 == 0]} {n * 977}"
        )
        for n in range(60)
    ]


@pytest.fixture(scope="module")
def disk() -> Iterator[FaultyDisk]:
    """A store of some minutes, one of them damaged, whose index has rows of all kinds."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
        monkeypatch.setattr("store.engine.text_filters._EVENTS", 16)
        monkeypatch.setattr("store.engine.text_filters._REST_S", 0.0)
        made = FaultyDisk(keeps_databases=True)
        store = NaiveEventStore(ROOT, NEVER_MS, made)
        store.save_all(events())
        store.close()
        file = made._inode(f"{ROOT}/120-180")
        data = file.seen
        file.truncate(0)
        file.write(data[:80] + data[89:])
        file.sync()
        store = NaiveEventStore(ROOT, math.inf, made, measured_views=LINE_VIEWS)
        store.get("id59")
        store.whole(FOR_LEVEL)
        store.whole(FOR_WORD)
        store._measurer.measure_all()
        store.close()
        yield made.after_a_power_cut(Fate("kept"))


@pytest.fixture(scope="module")
def killed(disk: FaultyDisk) -> FaultyDisk:
    """The same store after a process was killed that had changed minutes and streams; its index has former rows."""
    copy = disk.after_a_power_cut(Fate("kept"))
    store = NaiveEventStore(ROOT, NEVER_MS, copy)
    store.save_all(
        Event(f"later{n}", f"app{n % 4}", 50.0 * n, ["web", "later"], "later") for n in range(15)
    )
    for number in (3, 4, 30, 40):
        store.delete(f"id{number}")
    store._flush_all()
    with contextlib.closing(sqlite3.connect(copy.database_path(index_path(ROOT)))) as connection:
        [(former,)] = connection.execute("SELECT count(*) FROM former_minutes")
    assert former > 5
    return copy.after_a_power_cut(Fate("kept"))


def asked(store: EventStore) -> dict[str, object]:
    """Ask *store* for everything; an answer is an EventStoreException if there is no other."""
    found: dict[str, object] = {}

    def ask(name: str, function: Callable[..., object], *arguments: object) -> None:
        try:
            answer = function(*arguments)
            found[name] = list(answer) if isinstance(answer, Iterator) else answer
        except EventStoreException as error:
            found[name] = error

    names = list(store.minutes(Query()))
    for number, query in enumerate(ALL_QUERIES):
        ask(f"{number} minutes", lambda query: list(store.minutes(query)), query)
        ask(f"{number} listed", listed, store, query)
        ask(
            f"{number} spans",
            lambda query: [each[:3] for each in store.snapshot(query).spans],
            query,
        )
        ask(f"{number} whole", lambda query: store.whole(query)[:3], query)
        ask(f"{number} tags", store.tags, query)
        ask(f"{number} events", store.select, query)
        for view in (None, *LINE_VIEWS):
            what = "bytes" if view is None else view.name
            ask(f"{number} {what}", read, store, query, None, view)
            for name in names:
                ask(f"{number} {what} of {name}", read, store, query, name, view)
    ask("search", store.search, 20, 200, ["web"], "content", "desc")
    for event_id in ("id0", "id30", "id59", "none"):
        ask(f"get {event_id}", store.get, event_id)
    ask("latest", store.latest)
    return found


def listed(store: EventStore, query: Query) -> list[tuple[object, ...]]:
    """List the minutes with what they hold."""
    minutes = store.minutes(query)
    return [each[:3] for each in minutes.spans(0, len(minutes))]


def read(store: EventStore, query: Query, name: str | None, view: View | None) -> bytes:
    """Read an answer in pieces; its size is that of what is read, and what was shown of it before."""
    answer: Answer = store.answer(query, name, view)
    size, data = answer.size(), b""
    while piece := answer.read(len(data), 333):
        data += piece
    assert len(data) == size
    shown = store.whole(query, view) if name is None else store.span(query, name, view)
    assert size == (shown.size if shown is not None else 0)
    return data


def opened(disk: FaultyDisk, kind: Callable[..., EventStore]) -> EventStore:
    """Open the store on *disk*; if it writes, it keeps the totals of lines."""
    if kind is FollowingStore:
        return kind(ROOT, NEVER_MS, disk)
    return kind(ROOT, math.inf, disk, measured_views=LINE_VIEWS)


def asked_of(disk: FaultyDisk, kind: Callable[..., EventStore]) -> dict[str, object]:
    """Open the store on *disk* and ask it for everything; where it follows another, all lines are rendered in columns."""
    rendering = in_columns() if kind is FollowingStore else contextlib.nullcontext()
    with rendering, contextlib.closing(opened(disk, kind)) as store:
        return asked(store)


def rebuilt(disk: FaultyDisk) -> dict[str, object]:
    """Ask the store on *disk* for everything, without its index."""
    remove_database(disk, index_path(ROOT))
    return asked_of(disk, NaiveEventStore)


def records_in(data: bytes) -> list[bytes]:
    """Return the records of *data*, and what is damaged."""
    found, offset = [], 0
    for each in scan(lambda at, size: data[at : at + size], len(data)):
        found.append(data[offset : offset + each.size])
        offset += each.size
    return found


def records_of(disk: FaultyDisk) -> list[bytes]:
    """Return the records of all minute files, and what is damaged there."""
    names = [each for each in disk.names(ROOT) if each[0].isdigit()]
    return sorted(one for name in names for one in records_in(disk.content(f"{ROOT}/{name}")))


class Truth(dict[str, object]):
    """All answers, from the files; shown in few words where a test fails."""

    def __repr__(self) -> str:
        return f"{len(self)} answers"


def copy_with(disk: FaultyDisk, mutation: Mutation) -> FaultyDisk:
    """Return a copy of *disk* whose index was changed."""
    copy = disk.after_a_power_cut(Fate("kept"))
    mutate(Path(copy.database_path(index_path(ROOT))), mutation)
    return copy


@pytest.fixture(scope="module")
def truth(disk: FaultyDisk) -> Truth:
    """Return all answers, from the files."""
    return Truth(rebuilt(disk.after_a_power_cut(Fate("kept"))))


@pytest.fixture(scope="module")
def truth_of_killed(killed: FaultyDisk) -> Truth:
    """Return all answers of the store whose process was killed, from the files."""
    return Truth(rebuilt(killed.after_a_power_cut(Fate("kept"))))


def is_right(found: object, right: object) -> bool:
    """Return whether an answer is what it should be, or there is none."""
    return isinstance(found, EventStoreException) or found == right


CONTRADICTIONS = {
    "a stream is lost": ("streams", "digest", "delete", 0, 0, 1),
    "a generation that is none": ("state", "generation", "type", 1, 0, 1),
    "more entries than there are": ("minutes", "row", "add", 9, 1, 8),
    "fewer bytes than the file has": ("minutes", "row", "add", 8, -1, 8),
    "bytes of no stream": ("minutes", "summary", "add", 1, 1, 8),
    "a summary that is newer": ("minutes", "summary", "add", 2, 2**40, 8),
    "the summary of another minute": ("minutes", "summary", "other", 4, 0, 1),
    "ends that do not ascend": ("entries", "layout", "swap", 15, 0, 2),
    "the layout of another minute": ("entries", "layout", "other", 4, 0, 1),
    "the times of another minute": ("entries", "ticks", "other", 4, 0, 1),
    "the ids of another minute": ("ids", "hashes", "other", 4, 0, 1),
    "ids that do not ascend": ("ids", "hashes", "swap", 3, 0, 4),
    "a minute that is none": ("snapshot", "totals", "set", -1, 2**20, 4),
    "the size of a stream": ("snapshot", "totals", "add", 23, 1, 8),
    "the sums of lines of another minute": ("line_sums", "sums", "other", 4, 0, 1),
    "a sum of lines": ("line_sums", "sums", "add", 12, 1, 2),
    "the lines of another minute": ("line_sizes", "sizes", "other", 4, 0, 1),
    "the size of a line": ("line_sizes", "sizes", "add", 25, 1, 1),
    "lines that are swapped": ("line_sizes", "sizes", "swap", 25, 0, 1),
    "a total of lines": ("line_totals", "sums", "add", 1, 1, 8),
    "totals of another view": ("line_totals", "sums", "other", 1, 0, 1),
    "the levels of another minute": ("levels", "codes", "other", 4, 0, 1),
    "a level that is none": ("levels", "codes", "set", 17, 255, 1),
    "the totals by level of another minute": ("level_totals", "totals", "other", 4, 0, 1),
    "a number of events of a level": ("level_totals", "totals", "add", 5, 1, 4),
    "members of another filter": ("text_filters", "members", "other", 2, 0, 1),
    "members that have changed": ("text_filters", "members", "add", 3, 1, 4),
    "entries of the catalog": ("snapshot", "catalog", "add", 9, 1, 8),
}


@pytest.mark.parametrize("has_snapshot", [True, False])
@pytest.mark.parametrize("contradiction", CONTRADICTIONS)
def test_a_contradiction(
    disk: FaultyDisk, truth: dict[str, object], contradiction: str, has_snapshot: bool
) -> None:
    """It is found, and does not change any answer."""
    table, column, how, place, number, width = CONTRADICTIONS[contradiction]
    mutation = Mutation(table, column, 2, how, place, number, width, has_snapshot)
    for kind in (NaiveEventStore, FollowingStore):
        found = asked_of(copy_with(disk, mutation), kind)
        assert found.keys() == truth.keys()
        assert [name for name in found if not is_right(found[name], truth[name])] == []


CONTRADICTIONS_AFTER_A_KILL = {
    "a former minute is lost": ("former_minutes", "row", "delete", 0, 0, 1),
    "the former summary of another minute": ("former_minutes", "summary", "other", 4, 0, 1),
    "a minute that was not there has been": ("former_minutes", "row", "type", 0, 0, 1),
    "more entries than there were": ("former_minutes", "row", "add", 9, 1, 8),
    "former minutes of a snapshot that is lost": ("snapshot", "totals", "delete", 0, 0, 1),
}


@pytest.mark.parametrize("contradiction", CONTRADICTIONS_AFTER_A_KILL)
def test_a_contradiction_after_a_kill(
    killed: FaultyDisk, truth_of_killed: dict[str, object], contradiction: str
) -> None:
    """It is found, and does not change any answer."""
    table, column, how, place, number, width = CONTRADICTIONS_AFTER_A_KILL[contradiction]
    mutation = Mutation(table, column, 1, how, place, number, width, has_snapshot=True)
    for kind in (NaiveEventStore, FollowingStore):
        found = asked_of(copy_with(killed, mutation), kind)
        assert found.keys() == truth_of_killed.keys()
        wrong = [name for name in found if not is_right(found[name], truth_of_killed[name])]
        assert wrong == []


@pytest.mark.parametrize("kind", [NaiveEventStore, FollowingStore])
@settings(max_examples=60)
@given(mutation=mutations())
def test_a_row_that_was_changed(
    disk: FaultyDisk,
    truth: dict[str, object],
    kind: Callable[..., EventStore],
    mutation: Mutation,
) -> None:
    """Answers keep what is promised above."""
    check_promises(disk, truth, mutation, kind)


@pytest.mark.parametrize("kind", [NaiveEventStore, FollowingStore])
@settings(max_examples=60)
@given(mutation=mutations(CHANGING))
def test_a_row_that_was_changed_after_a_kill(
    killed: FaultyDisk,
    truth_of_killed: dict[str, object],
    kind: Callable[..., EventStore],
    mutation: Mutation,
) -> None:
    """The same holds where former minutes are subtracted."""
    check_promises(killed, truth_of_killed, mutation, kind)


def check_promises(
    disk: FaultyDisk,
    truth: dict[str, object],
    mutation: Mutation,
    kind: Callable[..., EventStore],
) -> None:
    """Check that answers, if the index on *disk* is changed by *mutation*, keep what is promised above."""
    found = asked_of(copy_with(disk, mutation), kind)
    there = records_of(disk)
    assert found.keys() == truth.keys()
    for name, answer in found.items():
        number, _, what = name.partition(" ")
        if what.startswith("bytes") and isinstance(answer, bytes) and number in "123678":
            assert all(each in there for each in records_in(answer)), name
        elif what.startswith(("log", "jsonl")) and isinstance(answer, bytes) and number in "123678":
            known = truth[f"0 {what.split()[0]}"]
            assert isinstance(known, bytes)
            assert set(answer.splitlines()) <= set(known.splitlines()), name
        elif what == "events" and isinstance(answer, list):
            assert all(each in truth["0 events"] for each in answer), name  # type: ignore[operator]
        elif (number == "0" and what != "tags") or number in ("get", "latest"):
            assert is_right(answer, truth[name]), name


@settings(max_examples=40)
@given(mutation=mutations(), time=st.integers(0, 500), event_id=st.integers(0, 59))
def test_writing_with_rows_that_were_changed(
    disk: FaultyDisk, mutation: Mutation, time: int, event_id: int
) -> None:
    """The files have all that they had, what was saved, and not what was deleted; an index built again is right."""
    copy = copy_with(disk, mutation)
    wanted = records_of(copy)
    with contextlib.closing(opened(copy, NaiveEventStore)) as store:
        store.save(Event("new", "new", time, ["new"], "new"))
        with contextlib.suppress(EventNotFound):
            store.delete(f"id{event_id}")
            wanted = [each for each in wanted if b"\nid:id%d\n" % event_id not in each]
    wanted += [each for each in records_of(copy) if b"\nid:new\n" in each]
    assert records_of(copy) == sorted(wanted)
    found = rebuilt(copy)
    assert all(
        name.startswith("get") for name in found if isinstance(found[name], EventStoreException)
    )

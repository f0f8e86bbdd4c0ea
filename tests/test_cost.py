"""Cost follows the result: what a user does costs no more because there is more of something else.

Each test names what it costs, and counts it for n and 2n of everything else: see :mod:`tests.counting`.
"""

import contextlib
import math
import mmap
import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

import pytest

from store import (
    Audit,
    Event,
    EventSerializer,
    NaiveEventStore,
    Opening,
    Query,
    new_event_id,
    open_store,
)
from store.disk.disk import Disk
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from tests.counting import Cost, NewDirectory, assert_constant, assert_linear, cost_of, only

NEVER_MS = math.inf
READS = ("open", "read", "read bytes")
SYNCS = ("fsync", "fsync directory")

pytestmark = pytest.mark.usefixtures("settled")


class RebootedDisk(Disk):
    """The disk after the system was started again."""

    def boot_id(self) -> str:
        return "another"


def name_of(minute: int) -> str:
    return f"{minute * MINUTE_S}-{(minute + 1) * MINUTE_S}"


def write_minutes(directory: Path, minutes: Iterable[int], events: int = 2) -> None:
    """Write minute files with *events* events each, of the tag "t", as another program does."""
    serializer = EventSerializer()
    for minute in minutes:
        records = b"".join(
            serializer.serialize(
                Event(
                    f"{minute}/{number}",
                    "app",
                    minute * MINUTE_S + number % MINUTE_S,
                    ["t"],
                    "content",
                )
            )
            + b"\n"
            for number in range(events)
        )
        (directory / name_of(minute)).write_bytes(records)


def remove_minutes(directory: Path, minutes: Iterable[int]) -> None:
    for minute in minutes:
        os.unlink(os.path.join(directory, name_of(minute)))  # pathlib would intern the name


@contextlib.contextmanager
def opened(directory: Path, disk: Disk | None = None) -> Iterator[NaiveEventStore]:
    """Open a store that flushes, and notices changes, only when it is told to."""
    with contextlib.closing(NaiveEventStore(str(directory), NEVER_MS, disk)) as store:
        yield store


@contextlib.contextmanager
def opened_with(directory: Path, minutes: int) -> Iterator[NaiveEventStore]:
    """Open a store of old minutes that has its index, and one minute with room for more."""
    write_minutes(directory, range(minutes))
    with opened(directory):
        pass
    with opened(directory) as store:
        store.save(event_at(minutes))
        store._tick()
        yield store


def event_at(minute: int, name: str = "new") -> Event:
    return Event(name, "app", minute * MINUTE_S, ["t"], "content")


def killed_after(directory: Path, saves: Callable[[NaiveEventStore], object]) -> None:
    """Save events in a process that is killed, so that nothing is flushed or closed."""
    child = os.fork()
    if not child:
        try:
            saves(NaiveEventStore(str(directory), NEVER_MS))
        finally:
            os._exit(0)
    os.waitpid(child, 0)


# Saving


def test_a_save(new_directory: NewDirectory) -> None:
    """It costs the same in a store of any size."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            return cost_of(lambda: store.save(event_at(n)))

    assert_constant(measure, 100)


def test_a_save_to_a_new_minute(new_directory: NewDirectory) -> None:
    """To find its place takes no walk over the others; only their number of digits may show."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            return cost_of(lambda: store.save(event_at(n + 9)))

    assert_constant(measure, 100)


@pytest.mark.parametrize("minutes", [1, 20])
def test_a_flush(new_directory: NewDirectory, minutes: int) -> None:
    """A flush of k minutes takes k + 1 fsyncs in a store of any size, and lists nothing."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            for number in range(minutes):
                store.save(event_at(n + number))
            store.sync()
            cost = cost_of(store._tick)
        assert only(cost, *SYNCS) == {"fsync": minutes, "fsync directory": 1}
        assert cost["listed"] == 0
        return cost

    assert_constant(measure, 100)


def test_a_backfill(new_directory: NewDirectory) -> None:
    """Ten times the events cost ten times as much, in minutes that were not there before."""

    def measure(n: int) -> Cost:
        with opened(new_directory()) as store:

            def backfill() -> None:
                for first in range(0, n, 100):
                    some = range(first, first + 100)
                    store.save_all(event_at(each // 10, f"{each}") for each in some)
                    store._tick()

            return cost_of(backfill)

    assert_linear(measure, 1000)


def test_ingest_of_tags_of_their_own(new_directory: NewDirectory) -> None:
    """Events of as many streams cost in proportion to their number."""

    def measure(n: int) -> Cost:
        events = [Event(f"{each}", "app", 10, [f"tag {each}"], "content") for each in range(n)]
        with opened(new_directory()) as store:

            def ingest() -> None:
                for first in range(0, n, 100):
                    store.save_all(events[first : first + 100])

            return cost_of(ingest)

    assert_linear(measure, 1000)


@pytest.mark.parametrize("kind", ["tag", "source"])
def test_declaring_a_tag(new_directory: NewDirectory, kind: str) -> None:
    """It costs the same, however many are declared; sources, too."""

    def measure(n: int) -> Cost:
        with opened(new_directory()) as store:
            declare = getattr(store, f"declare_{kind}")
            for number in range(n):
                declare(f"{number:06}")
            return cost_of(lambda: declare("999999"))

    assert_constant(measure, 50)


# Opening


@pytest.mark.parametrize("ending", ["closed", "killed", "power cut", "read only"])
def test_opening(new_directory: NewDirectory, ending: str) -> None:
    """Only what changed since the index was written is read, however the store was left."""

    def measure(n: int) -> Cost:
        directory = new_directory()
        with opened_with(directory, n):
            pass
        if ending != "closed":
            killed_after(directory, lambda store: store.save(event_at(n + 1)))
        if ending == "power cut":
            for wal in (directory / ".theiafs").glob("*-wal"):
                os.truncate(wal, wal.stat().st_size // 2)
        found: list[int] = []

        def open_it() -> None:
            if ending == "read only":
                store = open_store(str(directory), Opening(is_read_only=True))
            else:
                disk = RebootedDisk() if ending == "power cut" else None
                store = NaiveEventStore(str(directory), NEVER_MS, disk)
            with contextlib.closing(store):
                found.append(store.whole(Query().tagged("t")).events)

        cost = cost_of(open_it)
        assert found[0] == 2 * n + 1 + (ending in ("killed", "power cut"))
        return only(cost, *READS)

    assert_constant(measure, 100)


def test_replay_of_single_events(new_directory: NewDirectory) -> None:
    """It is one pass over the log, which is opened once, not for each of them."""

    def measure(n: int) -> Cost:
        directory = new_directory()

        def save(store: NaiveEventStore) -> None:
            for number in range(n):
                store.save(event_at(1, f"{number}"))

        killed_after(directory, save)
        found: list[int] = []

        def replay() -> None:
            with opened(directory) as store:
                found.append(store.whole(Query()).events)

        cost = cost_of(replay)
        assert found == [n]
        opens.append(cost["open"])
        return cost

    opens: list[int] = []
    assert_linear(measure, 300)
    assert opens[0] == opens[1]


# What other programs do


def test_removal_of_old_minutes(new_directory: NewDirectory) -> None:
    """Each costs the same, and no fsync, while events are saved."""

    def measure(n: int) -> Cost:
        directory = new_directory()
        with opened_with(directory, n) as store:
            remove_minutes(directory, range(0, n, 2))
            store.save(event_at(n, "while they go"))
            remove_minutes(directory, range(1, n, 2))
            cost = cost_of(store._tick)
            assert store.whole(Query()).events == 2
        assert sum(only(cost, *SYNCS).values()) <= 4
        return cost

    assert_linear(measure, 200)


@pytest.mark.parametrize("what", ["nothing", "files"])
def test_one_minute_is_removed(new_directory: NewDirectory, what: str) -> None:
    """It costs the same whatever is open, and whatever else there is."""

    def measure(n: int) -> Cost:
        directory = new_directory()
        with opened_with(directory, 100 if what == "files" else n) as store:
            answers = [
                store.answer(Query().tagged("t")) for _ in range(n if what == "files" else 0)
            ]
            for answer in answers:
                answer.read(0, 1 << 16)
            remove_minutes(directory, [50])
            return cost_of(store._tick)

    assert_constant(measure, 20 if what == "files" else 100)


# Looking


@pytest.mark.parametrize("filters", ["all", "tagged"])
def test_a_piece_of_a_listing(new_directory: NewDirectory, filters: str) -> None:
    """Its names and attributes cost the same however long the listing is, and read no minute."""

    def measure(n: int) -> Cost:
        directory = new_directory()
        with opened_with(directory, n):
            pass
        with opened(directory) as store:
            minutes = store.minutes(Query() if filters == "all" else Query().tagged("t"))
            cost = cost_of(
                lambda: (minutes[n // 2 : n // 2 + 20], minutes.spans(n // 2, n // 2 + 20))
            )
        assert not +only(cost, *READS)
        return cost

    assert_constant(measure, 100)


@pytest.mark.parametrize("filters", ["all", "tagged"])
@pytest.mark.parametrize("what", ["stat", "ls", "ls -l", "count", "events"])
def test_a_range(new_directory: NewDirectory, what: str, filters: str) -> None:
    """It costs the same whatever lies outside it."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            query = range_of(10 * MINUTE_S + 1, 30 * MINUTE_S)
            return cost_of(
                lambda: LOOKS[what](store, query.tagged("t") if filters == "tagged" else query)
            )

    assert_constant(measure, 200)


@pytest.mark.parametrize("what", ["stat", "count"])
def test_a_long_range(new_directory: NewDirectory, what: str) -> None:
    """Only the minutes at its two ends are read."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            query = range_of(10 * MINUTE_S + 1, (n - 10) * MINUTE_S)
            return cost_of(lambda: LOOKS[what](store, query))

    assert_constant(measure, 200)


@pytest.mark.parametrize("filters", ["all", "tagged", "in a range"])
def test_the_end_of_an_answer(new_directory: NewDirectory, filters: str) -> None:
    """The kernel needs it when the file grows: it costs the same, however much comes before it."""

    def measure(n: int) -> Cost:
        query = {"all": Query(), "tagged": Query().tagged("t")}.get(filters)
        with opened_with(new_directory(), n) as store:
            answer = store.answer(query or range_of(MINUTE_S + 1, n * MINUTE_S).tagged("t"))
            return cost_of(lambda: answer.read_last(mmap.PAGESIZE))

    assert_constant(measure, 100)


def test_a_range_that_moves(new_directory: NewDirectory) -> None:
    """The next second of it costs the same, however many sources there are elsewhere."""

    def measure(n: int) -> Cost:
        with opened(new_directory()) as store:
            store.save_all(Event(f"{each}", f"source {each}", 10, ["t"]) for each in range(n))
            store.save_all(event_at(minute) for minute in range(10, 20))
            store._tick()
            queries = [range_of(start, start + 300).tagged("t") for start in (600, 601)]
            store.whole(queries[0])
            return cost_of(lambda: store.whole(queries[1]))

    assert_constant(measure, 500)


def test_a_tag_among_many(new_directory: NewDirectory) -> None:
    """A path with ``by-tag/x`` in it costs the same, however many tags there are."""

    def measure(n: int) -> Cost:
        with opened(new_directory()) as store:
            store.save_all(Event(f"{each}", "app", 10, [f"tag {each}"]) for each in range(n))
            store.save(Event("x", "app", 10, ["x"]))

            def look() -> None:
                assert store.has_tag("x")
                # Where a tag is looked for depends on its hash; on average, the cost does not.
                assert not any(store.has_tag(f"y{number}") for number in range(100))

            return cost_of(look)

    assert_constant(measure, 500)


# Events by id


@pytest.mark.parametrize("is_uuid", [True, False], ids=["a UUIDv7", "any id"])
@pytest.mark.parametrize("what", ["get", "delete"])
def test_an_event_by_id(new_directory: NewDirectory, what: str, is_uuid: bool) -> None:
    """Nothing is read but the minute it is in, wherever that lies."""

    def measure(n: int) -> Cost:
        with opened_with(new_directory(), n) as store:
            minute = n // 2
            at = minute * MINUTE_S + 1.5
            wanted = [new_event_id(int(at * TICKS_PER_S)) if is_uuid else name for name in "ab"]
            store.save_all(Event(each, "app", at, ["t"], "content") for each in wanted)
            store._tick()
            look = store.get if what == "get" else store.delete
            look(wanted[0])  # the first of all may make an index of ids
            cost = cost_of(lambda: look(wanted[1]))
        return only(cost, *READS, *SYNCS)

    assert_constant(measure, 100)


# Everything


def test_check(new_directory: NewDirectory) -> None:
    """It reads everything once."""

    def measure(n: int) -> Cost:
        directory = new_directory()
        write_minutes(directory, range(n), events=20)
        with opened(directory):
            pass
        size = sum(path.stat().st_size for path in directory.iterdir() if path.is_file())
        cost = cost_of(lambda: list(Audit(str(directory)).run()))
        assert cost["read bytes"] <= 1.1 * size
        return cost

    assert_linear(measure, 50)


def range_of(start_s: float, end_s: float) -> Query:
    return Query().within(int(start_s * TICKS_PER_S), int(end_s * TICKS_PER_S))


def _read_all(store: NaiveEventStore, query: Query) -> None:
    answer = store.answer(query)
    assert answer.size() == len(answer.read(0, 1 << 20)) > 0


LOOKS: dict[str, Callable[[NaiveEventStore, Query], object]] = {
    "stat": lambda store, query: store.whole(query),
    "ls": lambda store, query: list(store.minutes(query)),
    "ls -l": lambda store, query: store.minutes(query).spans(0, 1 << 20),
    "count": lambda store, query: store.whole(query).events,
    "events": _read_all,
}

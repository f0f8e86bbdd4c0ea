"""Copies from store to store: everything arrives, once, as it was, however often they are made."""

import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import Batch, Event, EventStore, MinuteGone, NaiveEventStore, Query, View
from store.query import MINUTE_S
from store.snapshot import Answer
from store.ticks import TICKS_PER_S
from tests.contract_answers import mixed_events
from tests.copying import copy, record_of, records_in
from tests.counting import Cost, assert_constant, memory
from tests.doubles import ListStore
from theiafs.copying import copier as copier_module
from theiafs.copying.position import Position, minute_key

EVERYTHING = 1 << 24

events = st.builds(
    Event,
    st.sampled_from("abc"),
    st.sampled_from(["/s/1", ""]),
    st.sampled_from([0, 10, 10.5, 75, 500]),
    st.sampled_from([[], ["web"], ["web", "db"]]),
    st.sampled_from(["", "x", "two\nlines\n", "event: 1 2 3\n", "bytes \udcff\udc80\0"]),
)
steps = st.lists(
    st.tuples(st.sampled_from(["arrive", "arrive", "other", "copy", "restart"]), events),
    max_size=30,
)


class Stores:
    """A source and a destination, in memory or in directories."""

    def __init__(self, directory: Path | None) -> None:
        self._directory = directory
        self.source = self._open("source")
        self.destination = self._open("destination")

    def _open(self, name: str) -> EventStore:
        if self._directory is None:
            return ListStore()
        return NaiveEventStore(str(self._directory / name), 1e9)

    def restart(self) -> None:
        """Close and open both."""
        if self._directory is not None:
            self.close()
            self.source, self.destination = self._open("source"), self._open("destination")

    def close(self) -> None:
        self.source.close()
        self.destination.close()


def check_copies(stores: Stores, given_steps: list[tuple[str, Event]]) -> None:
    """The destination has each record as often as the source, or more often if it had it from elsewhere."""
    wanted: Counter[bytes] = Counter()
    for step, event in [*given_steps, ("copy", Event("", "", 0)), ("restart", Event("", "", 0))]:
        if step == "arrive":
            stores.source.save(event)
        elif step == "other":
            stores.destination.save(event)
            wanted[record_of(event)] += 1
        elif step == "restart":
            stores.restart()
        else:
            before = wanted.copy()
            wanted |= records_in(stores.source)
            made = copy(stores.source, stores.destination)
            assert made.copied == sum((wanted - before).values())
            assert made.copied_size == sum(
                len(record) * count for record, count in (wanted - before).items()
            )
            for compares_all in (False, True):
                again = copy(stores.source, stores.destination, compares_all=compares_all)
                assert again.copied == 0
        assert records_in(stores.destination) == wanted


@given(steps)
def test_copies_of_any_events(given_steps: list[tuple[str, Event]]) -> None:
    """Equal ones and those with equal ids too; the stores are in memory."""
    check_copies(Stores(None), given_steps)


@settings(max_examples=30)
@given(steps)
def test_copies_of_directories(given_steps: list[tuple[str, Event]]) -> None:
    """Closed and opened between copies."""
    with tempfile.TemporaryDirectory() as directory:
        stores = Stores(Path(directory))
        try:
            check_copies(stores, given_steps)
        finally:
            stores.close()


@pytest.fixture
def stores(tmp_path: Path) -> Iterator[Stores]:
    made = Stores(tmp_path)
    yield made
    made.close()


@pytest.mark.parametrize("seed", range(3))
def test_each_minute_keeps_its_order(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Byte for byte, also where it is copied in several parts, and grows between copies."""
    monkeypatch.setattr(copier_module, "_PIECE_SIZE", 1000)
    monkeypatch.setattr(copier_module, "_BATCH_SIZE", 500)
    source, destination = ListStore(), ListStore()
    arriving = mixed_events(seed)
    for first in range(0, len(arriving), 40):
        source.save_all(arriving[first : first + 40])
        copy(source, destination)
        for minute in source.minutes(Query()):
            data = source.answer(Query(), minute).read(0, EVERYTHING)
            assert destination.answer(Query(), minute).read(0, EVERYTHING) == data


def test_files_of_a_copy_are_those_of_the_source(stores: Stores, tmp_path: Path) -> None:
    """If the events of each minute have arrived in the order of time."""
    ordered = sorted(mixed_events(0), key=lambda event: event.ticks)
    stores.source.save_all(ordered)
    copy(stores.source, stores.destination)
    stores.close()
    names = [path.name for path in (tmp_path / "source").iterdir() if path.is_file()]
    assert len(names) == 5
    for name in names:
        data = (tmp_path / "source" / name).read_bytes()
        assert (tmp_path / "destination" / name).read_bytes() == data


def test_only_what_has_changed_is_compared(stores: Stores) -> None:
    """The other minutes are not even read, and what was removed from them is not copied again, unless all is compared."""
    stores.source.save_all(sorted(mixed_events(0), key=lambda event: event.ticks))
    stores.restart()  # what is in memory only has no checksum that lasts
    copy(stores.source, stores.destination)
    stores.restart()
    first, *_, last = stores.source.minutes(Query())
    stores.destination.remove_minute(first)
    stores.source.save(Event("new", "s", int(last.partition("-")[0]) + 1))
    reached: list[tuple[int, int]] = []
    made = copy(stores.source, stores.destination, lambda *counts: reached.append(counts))
    assert reached == [(1, 1)]
    assert made.copied == 1
    assert first not in stores.destination.minutes(Query())
    assert copy(stores.source, stores.destination, compares_all=True).copied > 0
    assert records_in(stores.destination) == records_in(stores.source)


def test_damage_is_left_out_and_counted(stores: Stores, tmp_path: Path) -> None:
    stores.source.save_all([Event("a", "s", 10), Event("b", "s", 11)])
    stores.source.close()
    [path] = (path for path in (tmp_path / "source").iterdir() if path.is_file())
    path.write_bytes(path.read_bytes() + b"no event\n")
    stores.restart()
    made = copy(stores.source, stores.destination)
    assert (made.copied, made.damaged_size) == (2, 9)


class Replaced(ListStore):
    """A store that another program changes when some bytes of its answers were read."""

    def __init__(self, reads: int, change: str) -> None:
        super().__init__()
        self.reads_left = reads
        self.change = change

    def answer(self, query: Query, minute: str | None = None, view: View | None = None) -> Answer:
        answer = super().answer(query, minute, view)
        read = answer.read

        def failing(offset: int, size: int) -> bytes:
            self.reads_left -= 1
            if not self.reads_left:
                if self.change == "removed":
                    self.remove_minute(str(minute))
                raise MinuteGone(str(minute))
            return read(offset, size)

        answer.read = failing  # type: ignore[method-assign]
        return answer


@pytest.mark.parametrize("change", ["removed", "replaced"])
@pytest.mark.parametrize("reads", range(1, 30, 3))
def test_minutes_that_others_change_meanwhile(
    reads: int, change: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that is replaced is read again, and copied once; of one that is removed, there is what was read before."""
    monkeypatch.setattr(copier_module, "_PIECE_SIZE", 400)
    source, destination = Replaced(reads, change), ListStore()
    source.save_all(mixed_events(0))
    before = records_in(source)
    made = copy(source, destination)
    assert source.reads_left < 1
    found = records_in(destination)
    assert (made.copied, made.known, made.damaged_size) == (found.total(), 0, 0)
    assert records_in(source) <= found <= before
    if change == "replaced":
        assert found == before


def test_a_minute_that_is_always_replaced_fails() -> None:
    """The next copy knows what was copied before."""
    source, destination = Replaced(3, "replaced"), ListStore()
    source.save_all(mixed_events(0))
    with pytest.MonkeyPatch.context() as context:
        context.setattr(copier_module, "_TRIES", 1)
        with pytest.raises(MinuteGone):
            copy(source, destination)
    copy(source, destination)
    assert records_in(destination) == records_in(source)


@given(st.binary(max_size=40), st.binary(max_size=40), st.sampled_from(["", "0-60", "120-175"]))
def test_positions_are_what_was_packed(before: bytes, after: bytes, reached: str) -> None:
    position = Position(before, after, reached)
    assert Position.unpack(position.pack()) == position


@given(st.binary() | st.text("copied1\nAQ=-2").map(lambda text: f"copied 1\n{text}x".encode()))
def test_a_position_that_is_none_is_the_beginning(data: bytes) -> None:
    """The copy compares everything then."""
    assert Position.unpack(data) == Position()


def test_a_copy_goes_on_where_it_was_interrupted(monkeypatch: pytest.MonkeyPatch) -> None:
    """At the minute after the one that was noted last; those before it are read only if they have changed since."""
    monkeypatch.setattr(copier_module, "_NOTED_EVERY_S", 0)
    source, destination = ListStore(), ListStore()
    source.save_all(mixed_events(0))
    minutes = list(source.minutes(Query()))

    def interrupt(done: int, _total: int) -> None:
        if done == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        copy(source, destination, interrupt)
    source.save(Event("late", "s", minute_key(minutes[1])[0]))
    read: list[str | None] = []
    answer = source.answer

    def noting(query: Query, minute: str | None = None) -> Answer:
        read.append(minute)
        return answer(query, minute)

    monkeypatch.setattr(source, "answer", noting)
    copy(source, destination)
    assert read == [minutes[1], *minutes[3:]]
    assert records_in(destination) == records_in(source)


@pytest.mark.parametrize("compares_all", [False, True])
def test_memory_does_not_grow_with_the_store(tmp_path: Path, compares_all: bool) -> None:
    """It holds what is compared of one minute, and the events that are saved together."""

    def measure(n: int) -> Cost:
        with ExitStack() as stack:
            source, destination = (
                stack.enter_context(closing(NaiveEventStore(str(tmp_path / f"{name}-{n}"), 1e9)))
                for name in ("source", "destination")
            )
            for minute in range(n):
                batch = Batch()
                batch.add_lines([b"x" * 500] * 1000, minute * MINUTE_S * TICKS_PER_S, "s", ["t"])
                source.save_batch(batch)
            if compares_all:
                copy(source, destination)
            most, _ = memory(lambda: copy(source, destination, compares_all=compares_all))
            assert records_in(destination) == records_in(source)
        return Counter({"bytes": max(most, 1 << 20)})

    assert_constant(measure, 20)

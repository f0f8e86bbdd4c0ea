"""The lines of answers: what it costs to measure and to read them, and what is kept of it."""

import contextlib
import math
import os
import sqlite3
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from store import (
    Event,
    EventReadException,
    EventSerializer,
    EventStore,
    NaiveEventStore,
    Opening,
    Query,
    View,
    open_store,
)
from store.engine.record_judge import RecordJudge
from store.errors import DiskUnreadable
from store.minutes.file import MinuteFile
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from tests.counting import Cost, NewDirectory, assert_constant, assert_linear, cost_of, only
from tests.renderings import log_line
from theiafs.lineviews import LINE_VIEWS

READS = ("open", "read", "read bytes")
LOG, JSONL = LINE_VIEWS
TAGGED = Query().tagged("web")

pytestmark = pytest.mark.usefixtures("settled")


def event_at(minute: int, number: int = 0) -> Event:
    tags = ["web"] if number % 2 else []
    return Event(f"{minute}/{number}", "app", minute * MINUTE_S + number % 60, tags, "content\n")


def line_at(minute: int, number: int = 0) -> bytes:
    return log_line(EventSerializer().serialize(event_at(minute, number)) + b"\n").encode()


@contextlib.contextmanager
def opened(directory: Path) -> Iterator[NaiveEventStore]:
    """Open a store that does nothing in the background."""
    store = NaiveEventStore(str(directory), math.inf, measured_views=LINE_VIEWS)
    with contextlib.closing(store):
        yield store


def fill(directory: Path, minutes: int, events: int = 2) -> None:
    """Make a store of *minutes* with *events* each in which no line is measured."""
    with contextlib.closing(NaiveEventStore(str(directory), math.inf)) as store:
        for minute in range(minutes):
            store.save_all(event_at(minute, number) for number in range(events))


def measure(directory: Path) -> None:
    """Measure all lines of the store, as is done in the background."""
    with opened(directory) as store:
        store._measurer.measure_all()


def read_all(store: EventStore, query: Query = Query(), name: str | None = None) -> bytes:  # noqa: B008
    answer = store.answer(query, name, LOG)
    size = answer.size()
    data = answer.read(0, size + 1)
    assert len(data) == size
    shown = store.whole(query, LOG) if name is None else store.span(query, name, LOG)
    assert shown is not None
    assert shown.size == size
    return data


# Cost


@pytest.mark.parametrize("query", [Query(), TAGGED], ids=["all", "tagged"])
@pytest.mark.parametrize("ending", ["closed", "read only"])
def test_a_size_of_a_measured_store(new_directory: NewDirectory, query: Query, ending: str) -> None:
    """It reads no minute, also after a restart; for the store that writes, it costs the same in a store of any size."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n)
        measure(directory)
        if ending == "read only":
            store = open_store(str(directory), Opening(is_read_only=True))
        else:
            store = NaiveEventStore(str(directory), math.inf, measured_views=LINE_VIEWS)
        with contextlib.closing(store):
            found = cost_of(lambda: store.whole(query, LOG))
            assert store.whole(query, LOG).size == store.answer(query, None, LOG).size()
        assert not +only(found, *READS)
        return found if ending == "closed" else Cost()

    assert_constant(cost, 200)


def test_a_size_while_events_arrive(new_directory: NewDirectory) -> None:
    """Only what has arrived is measured."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n)
        measure(directory)
        with opened(directory) as store:
            store.whole(Query(), LOG)
            store.save(event_at(n))
            return cost_of(lambda: store.whole(Query(), LOG))

    assert_constant(cost, 200)


@pytest.mark.parametrize("removed", [1, 20])
def test_a_size_after_minutes_were_removed(new_directory: NewDirectory, removed: int) -> None:
    """The lines that they had are subtracted."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n)
        measure(directory)
        with opened(directory) as store:
            store.whole(Query(), LOG)
            for minute in range(removed):
                os.unlink(directory / f"{minute * MINUTE_S}-{(minute + 1) * MINUTE_S}")
            store._tick()
            found = cost_of(lambda: store.whole(Query(), LOG))
            assert store.whole(Query(), LOG).size == len(read_all(store))
        assert not +only(found, *READS)
        return found

    assert_constant(cost, 200)


def test_a_range_of_lines(new_directory: NewDirectory) -> None:
    """It costs the same whatever lies outside it."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n)
        measure(directory)
        with opened(directory) as store:
            query = Query().within(10 * MINUTE_S * TICKS_PER_S, 30 * MINUTE_S * TICKS_PER_S - 1)
            return cost_of(lambda: read_all(store, query))

    assert_constant(cost, 200)


def test_a_piece_of_a_large_minute(new_directory: NewDirectory) -> None:
    """Its records alone are read and rendered."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, 1, n)
        measure(directory)
        with opened(directory) as store:
            answer = store.answer(Query(), None, LOG)
            answer.size()
            return only(cost_of(lambda: answer.read(answer.size() // 2, 4096)), *READS)

    assert_constant(cost, 2000)


@pytest.mark.parametrize("view", LINE_VIEWS, ids=["log", "jsonl"])
@pytest.mark.parametrize("piece_size", [8192, 128 * 1024])
@pytest.mark.parametrize("is_backwards", [False, True], ids=["cat", "tail"])
def test_long_lines(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    view: View,
    piece_size: int,
    is_backwards: bool,
) -> None:
    """Each is rendered about once, in however many pieces it is read."""
    rendered: list[int] = []

    def count(found: View, data: bytes, edges: NDArray[np.int64]) -> bytes:
        rendered.append(len(data))
        return render(found, data, edges)

    render = type(view).render
    monkeypatch.setattr(type(view), "render", count)
    contents = ["\0" * 300_000, "short", "Z" * 300_000, "\n" * 300_000]
    events = [Event(str(number), "app", number, [], each) for number, each in enumerate(contents)]
    with opened(tmp_path) as store:
        store.save_all(events)
        answer = store.answer(Query(), None, view)
        starts = list(range(0, answer.size(), piece_size))
        order = starts[::-1] if is_backwards else starts
        pieces = {start: answer.read(start, piece_size) for start in order}
        lines = b"".join(map(pieces.__getitem__, starts))
        stored = store.whole(Query()).size
    assert lines.count(b"\n") == len(contents)
    assert len(lines) == answer.size()
    assert sum(rendered) <= 1.5 * stored


def test_measuring(new_directory: NewDirectory) -> None:
    """It reads each minute once for each view, and nothing of it when all is known."""

    def cost(n: int) -> Cost:
        directory = new_directory()
        fill(directory, n, events=20)
        size = sum(path.stat().st_size for path in directory.glob("*-*"))
        with opened(directory) as store:
            found = only(cost_of(store._measurer.measure_all), *READS)
        assert found["read bytes"] <= len(LINE_VIEWS) * size
        with opened(directory) as store:
            assert not +only(cost_of(store._measurer.measure_all), *READS)
        return found

    assert_linear(cost, 50)


def test_small_minutes_are_measured_together(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hundreds at once, those after one that cannot be read as well, and one that is not at rest later."""
    pieces = []
    judge, read = RecordJudge._judge, MinuteFile.read

    def counted(self: RecordJudge, *arguments: object) -> object:
        pieces.append(arguments)
        return judge(self, *arguments)  # type: ignore[arg-type]

    def failing(self: MinuteFile, offset: int, size: int) -> bytes:
        if self.name == "120-180":
            raise DiskUnreadable("cannot read it")
        return read(self, offset, size)

    fill(tmp_path, 300)
    monkeypatch.setattr(RecordJudge, "_judge", counted)
    with opened(tmp_path) as store:
        store.save(event_at(7, 2))
        store._flush_all()
        store._measurer.measure_all()
        assert len(pieces) <= 3 * len(LINE_VIEWS)
        assert rows_of(tmp_path)[0] == 299
        monkeypatch.setattr("store.engine.measurer._REST_S", -3600)
        monkeypatch.setattr("store.engine.measurer._LONG_REST_S", -3600)
        store._measurer.measure_all()
        assert rows_of(tmp_path)[0] == 300
    for path in (tmp_path / ".theiafs").glob("index*"):
        path.unlink()
    monkeypatch.setattr(MinuteFile, "read", failing)
    measure(tmp_path)
    assert rows_of(tmp_path)[0] == 299


# Keeping


def rows_of(directory: Path) -> tuple[int, int]:
    """Return how many minutes were measured in the log, and how many in all views, of those in the index."""
    with contextlib.closing(sqlite3.connect(directory / ".theiafs" / "index.sqlite")) as index:
        [(log,)] = index.execute("SELECT count(*) FROM line_sizes WHERE view = 'log'")
        [(sums,)] = index.execute("SELECT count(*) FROM line_sums")
    return log, sums


def test_a_minute_that_grows_is_not_measured_before_it_rests(tmp_path: Path) -> None:
    """And after it has grown again, it is measured again."""
    fill(tmp_path, 3)
    measure(tmp_path)
    assert rows_of(tmp_path) == (3, 6)
    with opened(tmp_path) as store:
        store.save(event_at(1, 2))
        assert len(read_all(store)) > 0
        store._flush_all()
        store._measurer.measure_all()
    assert rows_of(tmp_path) == (2, 4)
    measure(tmp_path)
    assert rows_of(tmp_path) == (3, 6)
    with opened(tmp_path) as store:
        lines = [line_at(minute, number) for minute in range(3) for number in range(2)]
        assert read_all(store) == b"".join([*lines[:4], line_at(1, 2), *lines[4:]])


@pytest.mark.parametrize("lost", ["all", "line_sums", "line_sizes", "line_totals", "snapshot"])
def test_what_is_lost_is_measured_again(tmp_path: Path, lost: str) -> None:
    fill(tmp_path, 3)
    measure(tmp_path)
    path = tmp_path / ".theiafs" / "index.sqlite"
    if lost == "all":
        path.unlink()
    else:
        with contextlib.closing(sqlite3.connect(path)) as index:
            index.execute(f"DELETE FROM {lost}")
            index.commit()
    with opened(tmp_path) as store:
        expected = b"".join(line_at(minute, number) for minute in range(3) for number in range(2))
        assert store.whole(Query(), LOG).size == len(expected)
        assert read_all(store) == expected
    if lost not in ("line_sizes",):
        measure(tmp_path)
        assert rows_of(tmp_path)[1] == 6


def test_another_version_of_a_view(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Sizes that an earlier one measured do not count."""
    monkeypatch.setattr(type(LOG), "version", 0)
    monkeypatch.setattr(type(LOG), "sizes", lambda _view, _data, edges: edges[1:] - edges[:-1])
    fill(tmp_path, 3)
    measure(tmp_path)
    monkeypatch.undo()
    with opened(tmp_path) as store:
        assert read_all(store) == b"".join(
            line_at(minute, number) for minute in range(3) for number in range(2)
        )
    measure(tmp_path)
    assert rows_of(tmp_path) == (3, 6)


def test_a_process_that_is_killed_while_lines_are_saved(tmp_path: Path) -> None:
    """The next one measures what is missing."""
    fill(tmp_path, 40)
    child = os.fork()
    if not child:
        store = NaiveEventStore(str(tmp_path), math.inf, measured_views=LINE_VIEWS)
        save = store._state.database.save_lines

        def save_some(made: list[object]) -> None:
            save(made[:7])  # type: ignore[arg-type]
            os._exit(0)

        store._state.database.save_lines = save_some  # type: ignore[method-assign,assignment]
        store._measurer.measure_all()
        os._exit(1)
    assert os.waitpid(child, 0)[1] == 0
    expected = b"".join(line_at(minute, number) for minute in range(40) for number in range(2))
    with opened(tmp_path) as store:
        assert read_all(store) == expected
    measure(tmp_path)
    assert rows_of(tmp_path) == (40, 80)
    with opened(tmp_path) as store:
        assert read_all(store) == expected


def test_a_minute_that_another_program_changed(tmp_path: Path) -> None:
    """Its lines are those of the file as it is now, although those of another were measured."""
    fill(tmp_path, 3)
    measure(tmp_path)
    record = EventSerializer().serialize(event_at(1, 5)) + b"\n"
    with opened(tmp_path) as store:
        assert store.whole(Query(), LOG).size
        (tmp_path / "60-120").write_bytes(record)
        store._tick()
        assert read_all(store, name="60-120") == line_at(1, 5)
        assert sorted(read_all(store).splitlines(keepends=True)) == sorted(
            [*(line_at(minute, number) for minute in (0, 2) for number in range(2)), line_at(1, 5)]
        )


def test_a_minute_that_grows_while_it_is_measured(tmp_path: Path) -> None:
    """By another program, after its entries were looked up, and all its lines are read: it is measured later."""
    fill(tmp_path, 1)
    numbers = [0, 1, 5]
    with opened(tmp_path) as store:
        lookup = store._state.lookup
        columns = lookup.columns

        def grown(minutes: NDArray[np.int64], entries: NDArray[np.int64]) -> object:
            lookup.columns = columns  # type: ignore[method-assign]
            found = columns(minutes, entries)
            with open(tmp_path / "0-60", "ab") as file:
                file.write(EventSerializer().serialize(event_at(0, 5)) + b"\n")
            store._tick()
            assert read_all(store) == b"".join(line_at(0, number) for number in numbers)
            return found

        lookup.columns = grown  # type: ignore[method-assign,assignment]
        store._measurer.measure_all()
    measure(tmp_path)
    assert rows_of(tmp_path) == (1, 2)
    with opened(tmp_path) as store:
        assert read_all(store) == b"".join(line_at(0, number) for number in numbers)


def test_what_is_gone_fails_alone(tmp_path: Path) -> None:
    """The size of an open answer stays, and all other lines can be read."""
    fill(tmp_path, 3)
    measure(tmp_path)
    with opened(tmp_path) as store:
        answer = store.answer(Query(), None, LOG)
        size, minute = answer.size(), len(line_at(0) + line_at(0, 1))
        (tmp_path / "60-120").unlink()
        store._tick()
        assert answer.size() == size
        assert answer.read(0, minute) == line_at(0) + line_at(0, 1)
        assert answer.read(2 * minute, minute) == line_at(2) + line_at(2, 1)
        with pytest.raises(EventReadException):
            answer.read(minute, 1)
        store.save(event_at(0, 3))
        assert answer.read(size, 100) == line_at(0, 3)


def test_damage_has_no_line(tmp_path: Path) -> None:
    """A minute of nothing else is empty, and there all the same."""
    fill(tmp_path, 2)
    with (tmp_path / "0-60").open("ab") as file:
        file.write(b"damage\n")
    (tmp_path / "180-240").write_bytes(b"damage\n")
    with opened(tmp_path) as store:
        assert read_all(store, name="0-60") == line_at(0) + line_at(0, 1)
        assert read_all(store, name="180-240") == b""
        assert read_all(store) == b"".join(
            line_at(minute, number) for minute in range(2) for number in range(2)
        )

"""Looking things up while others change them, or while they cannot be read."""

import errno
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from store import Answer, Event, EventReadException, NaiveEventStore, Query
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.disk.os_errors import reading
from store.errors import DiskUnreadable
from store.format.record import stream_key
from store.ticks import TICKS_PER_S
from tests.counting import disk_operations

NEVER_MS = 1e9
TAGGED = Query().tagged("t")


class FailingDisk(Disk):
    """A disk that opens no file to read while it is failing.

    Attributes:
        failures: how often it has failed.
    """

    is_failing = False
    failures = 0

    def open_to_read(self, path: str) -> ReadableFile:
        if self.is_failing:
            self.failures += 1
            with reading("open", path):
                raise OSError(errno.EMFILE, "Too many open files")
        return super().open_to_read(path)


@pytest.fixture
def disk() -> FailingDisk:
    return FailingDisk()


@pytest.fixture
def store(tmp_path: Path, disk: FailingDisk) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), NEVER_MS, disk)
    yield opened
    opened.close()


def event(number: int, time: float, tag: str = "t", source: str = "s") -> Event:
    return Event(f"id{number}", source, time, [tag], f"content {number}")


def meanwhile(owner: Any, name: str, action: Callable[[], object]) -> None:
    """Let *action* happen once, right after the method *name* of *owner* returned."""
    original = getattr(owner, name)

    def followed(*arguments: Any) -> Any:
        setattr(owner, name, original)
        result = original(*arguments)
        action()
        return result

    setattr(owner, name, followed)


def newest(store: NaiveEventStore) -> set[int]:
    return {store.whole(TAGGED).newest, store.whole(Query()).newest}


@pytest.mark.parametrize("when", ["before", "meanwhile", "removed meanwhile"])
def test_the_newest_event_after_a_removal(
    store: NaiveEventStore, tmp_path: Path, when: str
) -> None:
    """Also of what is not flushed, and of what arrives or goes while it is looked up."""
    store.save_all([event(1, 10), event(2, 100), event(3, 1000)])
    store._flush_all()
    os.remove(tmp_path / "1000-1060")
    store._watcher.look()

    def remove() -> None:
        os.remove(tmp_path / "100-160")
        store._watcher.look()

    expected = 120
    if when == "before":
        store.save(event(4, 120))
    elif when == "meanwhile":
        meanwhile(store._state.lookup, "summaries", lambda: store.save(event(4, 120)))
    else:
        meanwhile(store._state.lookup, "summaries", remove)
        newest(store)
        expected = 10
    assert newest(store) == {expected * TICKS_PER_S}
    store.save(event(5, 5))
    assert newest(store) == {expected * TICKS_PER_S}


def test_many_streams_lose_their_newest_events(store: NaiveEventStore, tmp_path: Path) -> None:
    """One statement of the index finds them, whatever their number."""
    for time in (10, 1000):
        store.save_all(event(each, time, source=f"s{each}") for each in range(500))
    store._flush_all()
    os.remove(tmp_path / "1000-1060")
    store._watcher.look()
    calls = []
    database = store._state.database
    original = database.find_summaries
    database.find_summaries = lambda *known: calls.append(known) or original(*known)  # type: ignore[method-assign,func-returns-value]
    assert newest(store) == {10 * TICKS_PER_S}
    assert len(calls) == 1


@pytest.mark.parametrize("count", [3, 40])
def test_a_new_stream_while_summaries_are_read(store: NaiveEventStore, count: int) -> None:
    """It is counted or not, and nothing fails."""
    store.save_all(event(each, 10) for each in range(count))
    new = event(99, 12, source="another")
    meanwhile(store._state.database, "find_summaries", lambda: store.save(new))
    assert [span.events for span in store.snapshot(TAGGED).spans] in ([count], [count + 1])
    assert [span.events for span in store.snapshot(TAGGED).spans] == [count + 1]


def test_what_could_not_be_read_is_counted_later(
    store: NaiveEventStore, disk: FailingDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failure that passes leaves nothing wrong."""
    store.save_all(event(each, 10) for each in range(5))
    store._flush_all()
    lookup = store._state.lookup
    lookup._minutes.clear()
    lookup.cache.limit(0)
    with monkeypatch.context() as context:
        context.setattr(store._state.database, "_read", lambda *_arguments: [])
        disk.is_failing = True
        with pytest.raises(DiskUnreadable):
            store.snapshot(TAGGED)
        disk.is_failing = False
    assert [span.events for span in store.snapshot(TAGGED).spans] == [5]
    assert store.answer(TAGGED, "10-70").read(0, 1 << 16).count(b"event: ") == 5


def test_tags_of_many_streams_need_no_lock(store: NaiveEventStore) -> None:
    """Only their keys are copied under it."""
    store.save_all(Event(f"id{each}", "s", 10.0, ["t", f"tag {each}"], "x") for each in range(100))
    with store._state.lookup.lock:
        streams = store._state.lookup.streams
        keys = streams.keys_of(streams.matching(TAGGED).nonzero()[0])
    store.save(event(200, 10, "other", "s2"))
    assert set(keys) == {stream_key(b"s", b"t,tag %d" % each) for each in range(100)}
    assert store.tags(TAGGED) == {"t", *(f"tag {each}" for each in range(100))}


def read_all(answer: Answer, removed: int) -> bytes:
    """Read what *answer* has after the first *removed* bytes, which are gone."""
    with pytest.raises(EventReadException):
        answer.read(0, removed)
    return answer.read(removed, 1 << 16)


@pytest.mark.parametrize("is_read", [True, False])
@pytest.mark.parametrize("change", ["removed", "removed twice", "replaced"])
def test_a_minute_goes_with_a_tail(
    store: NaiveEventStore, tmp_path: Path, change: str, is_read: bool
) -> None:
    """Open files have what was not flushed at its place, whether or not they were read before."""
    store.save(event(1, 10))
    store._flush_all()
    size = store.whole(TAGGED).size
    answer = store.answer(TAGGED)
    if is_read:
        assert answer.read(0, 1 << 16).count(b"event: ") == 1
    expected = []
    for number in (2, 3) if change == "removed twice" else (2,):
        store.save(event(number, 10 + number))
        expected.append(number)
        if change == "replaced":
            path = tmp_path / "10-70"
            path.write_bytes(path.read_bytes().replace(b"content 1", b"another"))
            os.truncate(path, 30)
        else:
            os.remove(tmp_path / "10-70")
        store._watcher.look()
        if change == "removed twice" and number == 2:
            assert answer.size() == 2 * size
            store._flush_all()
    store.save(event(9, 20))
    expected.append(9)
    if change == "removed twice":
        expected.remove(2)  # it was flushed, and removed
        size *= 2
    rest = read_all(answer, size)
    assert [f"content {each}".encode() in rest for each in (1, 2, 3, 9)] == [
        each in expected for each in (1, 2, 3, 9)
    ]
    assert rest.count(b"event: ") == len(expected)
    assert answer.size() == size + len(rest)


@pytest.mark.parametrize("query", [TAGGED, Query()])
def test_what_has_arrived_and_is_gone_is_not_needed_before_it(
    store: NaiveEventStore, tmp_path: Path, query: Query
) -> None:
    """The bytes before it are read as ever."""
    store.save(event(1, 10))
    store._flush_all()
    store._state.fold_arrivals()
    answer = store.answer(query)
    store.save(event(2, 1000))
    store._flush_all()
    data = answer.read(0, 1 << 16)
    assert data.count(b"event: ") == 2
    os.remove(tmp_path / "1000-1060")
    store._watcher.look()
    first = data.index(b"event: ", 1)
    assert answer.read(0, first) == data[:first]
    assert answer.read_last(1 << 16) == data[:first]


@pytest.mark.parametrize("query", [TAGGED, Query()])
def test_the_end_of_an_answer_is_no_other_when_it_is_gone(
    store: NaiveEventStore, tmp_path: Path, query: Query
) -> None:
    """The bytes before it never take its place."""
    store.save_all([event(1, 10), event(2, 1000)])
    store._flush_all()
    store._state.fold_arrivals()
    answer = store.answer(query)
    os.remove(tmp_path / "1000-1060")
    store._watcher.look()
    with pytest.raises(EventReadException):
        answer.read_last(20)


@pytest.mark.parametrize("query", [TAGGED, Query()])
def test_what_the_disk_refuses_is_not_tried_again(
    store: NaiveEventStore, disk: FailingDisk, query: Query
) -> None:
    """No change of the file explains it, so the file is not compared either."""
    store.save_all([event(1, 10), event(2, 11, "other")])
    store._flush_all()
    answer = store.answer(query)
    data = answer.read(0, 1 << 16)
    disk.is_failing = True
    with pytest.raises(DiskUnreadable), disk_operations() as cost:
        answer.read(0, 1 << 16)
    assert (disk.failures, cost["stat"]) == (1, 0)
    disk.is_failing = False
    assert answer.read(0, 1 << 16) == data

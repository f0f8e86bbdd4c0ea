"""The state of a store under concurrent changes."""

import gc
import os
import resource
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NoReturn

import pytest

from store import Event, NaiveEventStore, Query
from store.cache import Cache
from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile, WritableFile
from store.engine.watcher import Watcher
from store.errors import EventReadException, FileChanged, StoreFull
from store.format.batch import Batch
from store.ticks import TICKS_PER_S
from tests.waiting import eventually

NEVER_MS = 1e9


def event(number: int, time: float) -> Event:
    return Event(f"id{number}", "s", time, ["web"], f"content {number}")


def filled(root: Path, disk: Disk | None = None) -> NaiveEventStore:
    """A store with six minutes, all of which are flushed."""
    store = NaiveEventStore(str(root), NEVER_MS, disk)
    store.save_all(event(number, 1000.0 * number) for number in range(6))
    store._flush_all()
    return store


def test_an_open_file_is_read_again_after_a_removal(tmp_path: Path) -> None:
    """Its offsets stay: what was removed is an error, and what stands before and after it is there."""
    store = filled(tmp_path)
    answer = store.answer(Query())
    before = answer.read(0, 1 << 20)
    end = before.index(b"event: ", 1)
    after = before.index(b"event: ", end + 1)
    store.delete("id1")
    assert answer.read(0, end) == before[:end]
    assert answer.read(after, 1 << 20) == before[after:]
    with pytest.raises(EventReadException):
        answer.read(end, 10)
    store.close()


def test_the_first_load_of_a_minute_while_it_grows(tmp_path: Path) -> None:
    """It waits for what is being saved, and does not overwrite it with what was there before."""
    filled(tmp_path).close()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    minute = store._state.lookup.minute(0)
    loading = threading.Thread(target=minute.entries.load)
    loading.start()
    store.save(event(6, 1.0))
    loading.join()
    store.save(event(7, 2.0))
    assert [each.id for each in store.search(0, 10)] == ["id0", "id6", "id7"]
    store.close()
    assert (tmp_path / "0-60").read_bytes().count(b"event: ") == 3


def test_files_that_are_removed_when_nothing_is_known_of_them(tmp_path: Path) -> None:
    """Without an index their events are unknown, so the remaining minutes are counted again."""
    store = filled(tmp_path)
    store._state.database.close()
    store._state.lookup.cache = Cache(1)
    gc.collect()
    for name in ("2000-2060", "3000-3060"):
        os.remove(tmp_path / name)
    for _ in range(3):
        store._watcher.look()
    assert store.whole(Query()).events == 4
    assert store.answer(Query()).size() == store.whole(Query()).size
    assert [each.id for each in store.search(0)] == ["id0", "id1", "id4", "id5"]
    store.close()


def test_a_minute_that_cannot_be_read_for_a_moment_does_not_change_the_newest_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a removal, for which all minutes of a stream are asked."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save_all(Event(f"e{number}", "s", 100.0 * number, ["t"], "x") for number in range(4))
    store._flush_all()
    store.delete("e3")
    query = Query().tagged("t")
    with monkeypatch.context() as patched:
        patched.setattr(store._state.lookup.newest, "_completed", fail)
        store.whole(query)
    assert store.whole(query).newest == 200 * TICKS_PER_S
    store.close()


def fail(*_arguments: object) -> NoReturn:
    raise EventReadException("a disk that fails for a moment")


def test_the_newest_minute_of_a_tag_is_removed_before_the_end(tmp_path: Path) -> None:
    """The next opening, which counts nothing again, shows the time of the newest event that is left."""
    query = Query().tagged("web")
    store = filled(tmp_path)
    store.flush_interval = 0
    store.save(event(8, 1e6))
    before = [store.whole(query).newest, store.whole(Query()).newest]
    store.save(Event("other", "other", 2e6, ["other"]))
    os.remove(tmp_path / "1000000-1000060")
    store._watcher.look()
    store.close()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert before == [int(1e6 * TICKS_PER_S)] * 2
    newest = max(each.ticks for each in store.select(query))
    assert store.whole(query).newest == newest < before[0]
    store.close()


def test_a_file_that_is_changed_in_place_while_it_is_read(tmp_path: Path) -> None:
    """An open answer raises an error rather than returning other bytes; a new one returns the new bytes."""
    filled(tmp_path).close()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    query = Query().tagged("web")
    answer = store.answer(query)
    assert answer.read(0, 50)
    path = tmp_path / "3000-3060"
    path.write_bytes(path.read_bytes().replace(b"content 3", b"CONTENT!3"))
    with pytest.raises(EventReadException, match="3000-3060"):
        answer.read(0, 1 << 20)
    assert b"CONTENT!3" in store.answer(query).read(0, 1 << 20)
    store.close()


@pytest.mark.parametrize("query", [Query(), Query().tagged("web")])
def test_an_answer_over_more_minutes_than_files_may_be_open(tmp_path: Path, query: Query) -> None:
    """It is read few at a time."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save_all(event(number, 60.0 * number) for number in range(300))
    wanted = store.answer(query).read(0, 1 << 20)
    store.close()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    answer = store.answer(query)
    limits = resource.getrlimit(resource.RLIMIT_NOFILE)
    # What is open already has higher numbers, perhaps, and stays open.
    is_open = len(os.listdir("/proc/self/fd"))
    resource.setrlimit(resource.RLIMIT_NOFILE, (is_open + 40, limits[1]))
    try:
        assert answer.read(0, 1 << 20) == wanted
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
    store.close()


def test_a_file_of_the_far_future(tmp_path: Path) -> None:
    """Its time does not fit into 64 bits, in nanoseconds; it is shown all the same."""
    filled(tmp_path).close()
    path = tmp_path / "0-60"
    os.utime(path, (1.1e10, 1.1e10))
    if path.stat().st_mtime_ns < 1 << 63:  # the disk under the tests may have no such times
        return
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    span = store.span(Query(), "0-60")
    assert span is not None
    assert span.events == 1
    store.close()


def test_refused_writes_leave_no_minute(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However often a writer tries again."""
    store = filled(tmp_path)

    def refuse(_records: object) -> list[int]:
        raise StoreFull("full")

    with monkeypatch.context() as patch:
        patch.setattr(store._log, "append", refuse)
        for number in range(10):
            with pytest.raises(StoreFull):
                store.save(event(number, 10_000.0 + 100 * number))
    assert len(store._state.catalog) == 6
    with store._state.append_lock:
        assert store._state.make(20_000, 20_060).id == 6
    store.close()


def test_a_minute_that_another_process_adds_counts_as_changed(tmp_path: Path) -> None:
    """So that the kernel drops its cached pages."""
    filled(tmp_path).close()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    before = store.whole(Query()).changed
    shutil.copy(tmp_path / "0-60", tmp_path / "7000-7060")
    store._watcher.look()
    assert store.whole(Query()).events == 7
    assert store.whole(Query()).changed > before
    store.close()


class SlowListing(Disk):
    """Something happens to the directory just after it was listed."""

    def __init__(self) -> None:
        self.then: Callable[[], object] = lambda: None

    def watch(self, directory: str) -> None:
        """inotify does not work here."""

    def list_files(self, directory: str) -> Iterator[FileStat]:
        files = list(super().list_files(directory))
        self.then()
        return iter(files)


def test_what_changes_while_the_directory_is_listed(tmp_path: Path) -> None:
    """It is seen the next time."""
    disk = SlowListing()
    store = filled(tmp_path, disk)
    disk.then = lambda: shutil.copy(tmp_path / "0-60", tmp_path / "7000-7060")
    store._watcher.look()
    disk.then = lambda: None

    def is_seen() -> bool:
        store._watcher.look()
        return "7000-7060" in store.minutes(Query())

    eventually(is_seen)
    store.close()


def test_a_store_in_which_nothing_changes_leaves_its_index_alone(tmp_path: Path) -> None:
    """So that a loss of power does not cost it."""
    filled(tmp_path).close()
    before = (tmp_path / ".theiafs" / "index.sqlite").read_bytes()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store._watcher.look()
    list(store.search(0))
    assert (tmp_path / ".theiafs" / "index.sqlite").read_bytes() == before
    store.close()


def test_a_minute_that_others_change_while_it_grows(tmp_path: Path) -> None:
    """The external change stays and saved events are appended to it, also after a crash before the flush."""
    store = filled(tmp_path / "store")
    store.save(event(6, 1.0))
    path = tmp_path / "store" / "0-60"
    other = Event("foreign", "s", 2, ["web"], "longer than anything that was there before")
    store.save(Event("elsewhere", "s", 1001, [], ""))
    (tmp_path / "store" / "new").write_bytes(Batch.of([other]).data + path.read_bytes())
    (tmp_path / "store" / "new").rename(path)
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "store", crashed)
    store._flush_all()
    store.save(event(7, 3.0))
    store.close()
    after_crash = NaiveEventStore(str(crashed), NEVER_MS)
    assert {each.id for each in after_crash.search(0, 59)} == {"foreign", "id0", "id6"}
    after_crash.close()
    again = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    data = path.read_bytes()
    assert [line for line in data.split(b"\n") if line.startswith(b"id:")] == [
        b"id:foreign",
        b"id:id0",
        b"id:id6",
        b"id:id7",
    ]
    assert again.answer(Query(), "0-60").read(0, 1 << 20) == data
    assert again.whole(Query().within(0, 59 * TICKS_PER_S)).events == 4
    again.close()


def test_others_make_the_file_of_a_new_minute(tmp_path: Path) -> None:
    """Between the first event that was saved in it and its first flush."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(event(0, 5.0))
    foreign = Event("foreign", "s", 6, ["web"], "x")
    (tmp_path / "5-65").write_bytes(Batch.of([foreign]).data)
    store._watcher.look()
    store._flush_all()
    assert {each.id for each in store.search(0)} == {"foreign", "id0"}
    store.close()
    assert (tmp_path / "5-65").read_bytes().count(b"event: ") == 2


def test_others_append_to_a_minute_that_grows(tmp_path: Path) -> None:
    """Open answers see every event once, at its place; the file has all of them, also after a crash before the flush."""
    store = filled(tmp_path / "store")
    store.save(event(6, 1.0))
    answers = [store.answer(Query()), store.answer(Query().tagged("web"), "0-60")]
    before = [answer.read(0, 1 << 20) for answer in answers]
    path = tmp_path / "store" / "0-60"
    for number in range(2):
        other = Event(f"foreign{number}", "s", 2, ["web"], "appended")
        with path.open("ab") as file:
            file.write(Batch.of([other]).data)
        store._watcher.look()
        store.save(event(10 + number, 3.0))
    added = [b"id:foreign0", b"id:id10", b"id:foreign1", b"id:id11"]
    for answer, seen in zip(answers, before, strict=True):
        assert answer.read(0, len(seen)) == seen
        new = answer.read(len(seen), 1 << 20)
        assert [line for line in new.split(b"\n") if line.startswith(b"id:")] == added
    assert store.whole(Query()).events == 11
    crashed = tmp_path / "crashed"
    shutil.copytree(tmp_path / "store", crashed)
    store._flush_all()
    assert [
        answer.read(0, len(seen)) for answer, seen in zip(answers, before, strict=True)
    ] == before
    store.close()
    ids = ["foreign0", "foreign1", "id0", "id10", "id11", "id6"]
    for root in (tmp_path / "store", crashed):
        again = NaiveEventStore(str(root), NEVER_MS)
        assert sorted(str(each.id) for each in again.search(0, 59)) == ids
        again.close()


class ForeignAppends(Disk):
    """Another program appends to a minute file each of the next *count* times that it is to be replaced."""

    count = 0

    def create(self, path: str) -> WritableFile:
        if self.count and path.endswith("/.0-60.tmp"):
            self.count -= 1
            with open(path.replace("/.0-60.tmp", "/0-60"), "ab") as file:
                file.write(Batch.of([event(100 + self.count, 2.0)]).data)
        return super().create(path)


def ids_after_reopening(root: Path) -> list[str]:
    store = NaiveEventStore(str(root), NEVER_MS)
    found = sorted(str(each.id) for each in store.search(0, 59))
    store.close()
    return found


def test_a_file_that_is_changed_while_the_store_is_closed(tmp_path: Path) -> None:
    """The change is noticed, and what is unflushed follows it in the file."""
    disk = ForeignAppends()
    store = filled(tmp_path, disk)
    store.save(event(6, 1.0))
    disk.count = 1
    store.close()
    assert b"id:id6\n" in (tmp_path / "0-60").read_bytes()
    assert ids_after_reopening(tmp_path) == ["id0", "id100", "id6"]


def test_a_file_that_is_changed_all_the_time_while_the_store_is_closed(tmp_path: Path) -> None:
    """Closing raises an error; what is unflushed is durable in the log, and flushed after the next opening."""
    disk = ForeignAppends()
    store = filled(tmp_path, disk)
    store.save(event(6, 1.0))
    synced: list[None] = []
    sync = store._log.sync
    store._log.sync = lambda: synced.append(sync())  # type: ignore[method-assign]
    disk.count = 3
    with pytest.raises(FileChanged, match="0-60"):
        store.close()
    assert synced
    assert b"id:id6\n" not in (tmp_path / "0-60").read_bytes()
    assert ids_after_reopening(tmp_path) == ["id0", "id100", "id101", "id102", "id6"]
    assert b"id:id6\n" in (tmp_path / "0-60").read_bytes()


class UnreadableFile(Disk):
    """A disk that cannot read the minute file at *path*, nor list any if *is_listing_broken*."""

    path = ""
    is_listing_broken = False

    def watch(self, directory: str) -> None:
        """inotify does not work here."""

    def open_to_read(self, path: str) -> ReadableFile:
        if path == self.path:
            raise EventReadException(f"cannot read {path}: Input/output error")
        return super().open_to_read(path)

    def list_files(self, directory: str) -> Iterator[FileStat]:
        if self.is_listing_broken:
            raise EventReadException(f"cannot list {directory}: Input/output error")
        return super().list_files(directory)


@pytest.fixture
def no_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let only the test look for changes."""
    monkeypatch.setattr(Watcher, "start", lambda _watcher: None)


@pytest.mark.usefixtures("no_thread")
def test_a_changed_file_that_cannot_be_read(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """It is logged once, other changes show, and it shows as soon as it can be read."""
    disk = UnreadableFile()
    store = filled(tmp_path, disk)
    path = tmp_path / "0-60"
    disk.path = str(path)
    with path.open("ab") as file:
        file.write(Batch.of([event(6, 1.0)]).data)
    (tmp_path / "1000-1060").unlink()
    (tmp_path / "2000-2060").unlink()
    shutil.copy(tmp_path / "3000-3060", tmp_path / "7000-7060")
    for _ in range(3):
        store._watcher.look()
    assert list(store.minutes(Query())) == [
        "0-60",
        "3000-3060",
        "4000-4060",
        "5000-5060",
        "7000-7060",
    ]
    assert caplog.text.count("Input/output error") == 1
    disk.path = ""
    store._watcher.look()
    assert {each.id for each in store.search(0, 59)} == {"id0", "id6"}
    disk.path = str(path)
    path.touch()
    store._watcher.look()
    assert caplog.text.count("Input/output error") == 2
    store.close()


@pytest.mark.usefixtures("no_thread")
def test_a_directory_that_cannot_be_listed(tmp_path: Path) -> None:
    """The events that are saved are flushed all the same."""
    disk = UnreadableFile()
    store = filled(tmp_path, disk)
    disk.is_listing_broken = True
    store.save(event(6, 1.0))
    store._tick()
    assert b"id:id6\n" in (tmp_path / "0-60").read_bytes()
    disk.is_listing_broken = False
    store.close()

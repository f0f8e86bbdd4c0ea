"""Each way in which theia's original store loses data, and that this one does not."""

import io
import logging
import os
import re
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store import (
    Event,
    EventParser,
    EventWriteException,
    InvalidEvent,
    MemoryFile,
    NaiveEventStore,
    PeriodicTimer,
    SequentialEventReader,
    StoreFull,
)
from store.disk.disk import Disk
from store.disk.file import WritableFile
from tests.waiting import eventually

NEVER_MS = 1e9


def ids(store: NaiveEventStore) -> list[object]:
    return [event.id for event in store.search(0)]


def on_disk(directory: Path) -> bytes:
    return b"".join(path.read_bytes() for path in sorted(directory.glob("[0-9]*-[0-9]*")))


class RecordingDisk(Disk):
    """Notes what is done, in order."""

    def __init__(self) -> None:
        self.done: list[str] = []

    def create(self, path: str) -> WritableFile:
        done = self.done
        made = super().create(path)

        class Recording(WritableFile):
            def write(self, *pieces: bytes) -> None:
                done.append(f"write {os.path.basename(path)}")
                super().write(*pieces)

            def sync(self) -> None:
                done.append(f"sync {os.path.basename(path)}")
                super().sync()

        return Recording(path, os.dup(made._descriptor))

    def rename(self, old: str, new: str) -> None:
        self.done.append(f"rename {os.path.basename(old)} {os.path.basename(new)}")
        super().rename(old, new)

    def sync_directory(self, path: str) -> None:
        self.done.append("sync directory")
        super().sync_directory(path)


class FullDisk(Disk):
    """Has no room for minute files while it is full."""

    is_full = False

    def create(self, path: str) -> WritableFile:
        if self.is_full and re.search(r"\d-\d+\.tmp", path):
            raise StoreFull(f"cannot create {path}: No space left on device")
        return super().create(path)


def test_reopening_a_minute_keeps_what_was_in_it(tmp_path: Path) -> None:
    """After a restart, the next flush adds to the file instead of replacing it."""
    for number in range(3):
        store = NaiveEventStore(str(tmp_path), NEVER_MS)
        store.save(Event(f"id{number}", "s", 10 + number))
        store.close()
    assert on_disk(tmp_path).count(b"event: ") == 3
    store = NaiveEventStore(str(tmp_path))
    assert ids(store) == ["id0", "id1", "id2"]
    store.close()


def test_a_flush_is_synced_before_and_after_the_rename(tmp_path: Path) -> None:
    """The file's bytes first, then its name, then the directory that has the name."""
    disk = RecordingDisk()
    file = MemoryFile("10-70", str(tmp_path), disk)
    file.write(b"data")
    file.flush()
    assert disk.done == [
        "write .10-70.tmp",
        "sync .10-70.tmp",
        "rename .10-70.tmp 10-70",
        "sync directory",
    ]


def test_a_failed_flush_is_told_and_loses_nothing(tmp_path: Path) -> None:
    """The caller of the flush gets the error, and a later flush writes the same from the log, once."""
    disk = FullDisk()
    store = NaiveEventStore(str(tmp_path), NEVER_MS, disk)
    store.save(Event("a", "s", 10))
    disk.is_full = True
    with pytest.raises(EventWriteException, match="No space left"):
        store.close()
    assert on_disk(tmp_path) == b""
    disk.is_full = False
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert ids(again) == ["a"]
    again.close()
    assert on_disk(tmp_path).count(b"id:a\n") == 1


def test_a_failing_timer_says_so_and_goes_on(caplog: pytest.LogCaptureFixture) -> None:
    """The original swallowed every failure of a flush."""
    calls: list[int] = []

    def fail() -> None:
        calls.append(1)
        raise ValueError("the reason")

    timer = PeriodicTimer(0.001, fail)
    with caplog.at_level(logging.ERROR):
        timer.start()
        eventually(lambda: len(calls) > 3)
        timer.cancel()
        timer.join(10)
    assert not timer.is_alive()
    assert "the reason" in caplog.text


def test_a_cancelled_timer_ends_promptly() -> None:
    """It does not sit out its interval."""
    timer = PeriodicTimer(3600, lambda: None)
    timer.start()
    timer.cancel()
    timer.join(10)
    assert not timer.is_alive()


@pytest.mark.parametrize(
    "event",
    [
        Event("a", "s", 1, ["x,y"]),
        Event("a", "s", 1, ["x\ny"]),
        Event("a", "s\ntags:evil", 1),
        Event("a\nb", "s", 1),
    ],
)
def test_what_would_break_the_header_is_refused(tmp_path: Path, event: Event) -> None:
    """Commas in tags and newlines in ids, sources and tags: nothing is stored, and nothing is damaged."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    with pytest.raises(InvalidEvent):
        store.save_all([Event("good", "s", 1), event])
    assert ids(store) == []
    store.close()
    assert on_disk(tmp_path) == b""


def test_one_bad_record_does_not_hide_the_rest(tmp_path: Path) -> None:
    """Neither from the store nor from a reader of the file."""
    store = NaiveEventStore(str(tmp_path))
    store.save_all([Event(f"id{number}", "s", 10 + number, ["t"], "text") for number in range(5)])
    store.close()
    path = tmp_path / "10-70"
    path.write_bytes(path.read_bytes().replace(b"id:id2\ntimestamp", b"id:id2\ntimes?amp"))
    again = NaiveEventStore(str(tmp_path))
    assert ids(again) == ["id0", "id1", "id3", "id4"]
    again.close()
    with SequentialEventReader(io.BytesIO(path.read_bytes()), EventParser()) as reader:
        assert [event.id for event in reader.events()] == ["id0", "id1", "id3", "id4"]


def test_stray_names_do_not_stop_the_store(tmp_path: Path) -> None:
    """A file whose name is not that of a minute is ignored."""
    for name in (
        "1-2.bak",
        "1-2~",
        "README",
        "-",
        "1-",
        "-2",
        "01-2",
        "1-2-3",
        ".1-2.swp",
        "9-1",
        "1\u0662-20",
    ):
        (tmp_path / name).write_text("stray")
    (tmp_path / "5-65").mkdir()
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("a", "s", 100))
    assert ids(store) == ["a"]
    store.close()
    assert (tmp_path / "1-2.bak").read_text() == "stray"


def test_search_sees_what_is_not_flushed(tmp_path: Path) -> None:
    """At once, while nothing is in the minute files yet."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("a", "s", 10))
    assert ids(store) == ["a"]
    assert on_disk(tmp_path) == b""
    store.close()


def test_no_tags_are_no_tags(tmp_path: Path) -> None:
    """The original read back one empty tag."""
    for _ in range(2):
        store = NaiveEventStore(str(tmp_path))
        if not ids(store):
            store.save(Event("a", "s", 10))
        assert store.get("a").tags == []
        store.close()


def test_saving_while_flushing_and_searching(tmp_path: Path) -> None:
    """Threads do not get in each other's way: every event is there, once."""
    store = NaiveEventStore(str(tmp_path), 1)
    stop = threading.Event()

    def save(writer: int) -> None:
        for number in range(150):
            store.save(Event(f"{writer}-{number}", "s", (writer * 37 + number * 61) % 2000))

    def search() -> None:
        while not stop.is_set():
            found = ids(store)
            assert len(found) == len(set(found))
            store.sync()

    with ThreadPoolExecutor() as pool:
        searching = pool.submit(search)
        for saving in [pool.submit(save, writer) for writer in range(4)]:
            saving.result()
        stop.set()
        searching.result()
    store.close()
    expected = {f"id:{writer}-{number}".encode() for writer in range(4) for number in range(150)}
    lines = [line for line in on_disk(tmp_path).split(b"\n") if line.startswith(b"id:")]
    assert len(lines) == 600
    assert set(lines) == expected


def test_get_and_delete_work(tmp_path: Path) -> None:
    """The original refused them."""
    store = NaiveEventStore(str(tmp_path))
    store.save(Event("a", "s", 10, ["t"], "content"))
    assert store.get("a").content == "content"
    store.delete("a")
    assert ids(store) == []
    store.close()
    assert list(tmp_path.glob("*-*")) == []

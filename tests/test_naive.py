"""How the store keeps its files: when it flushes, what it costs, and what it does about files that go."""

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest

from store import (
    Batch,
    Event,
    EventReadException,
    EventSerializer,
    EventWriteException,
    NaiveEventStore,
    Query,
    StoreFull,
)
from store.disk.disk import Disk
from store.disk.file import FileStat, WritableFile
from store.engine import flusher as flushing_module
from store.ticks import TICKS_PER_S
from store.wal.segment import LogRecord
from tests.doubles import Clock
from tests.endings import end_process
from tests.waiting import eventually

NEVER_MS = 1e9


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(flushing_module, "time", clock)
    return clock


def flushed(root: Path) -> int:
    return sum(path.stat().st_size for path in root.glob("[0-9]*-[0-9]*"))


def test_a_small_minute_is_flushed_every_interval(tmp_path: Path) -> None:
    """And the log is not needed for what is flushed."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    for number in range(3):
        store.save(Event(f"id{number}", "s", 10, [], "x"))
        store._tick()
        assert flushed(tmp_path) == store.whole(Query()).size
        assert not any(segment.ends for segment in store._log._segments)
    store.close()


def test_a_large_minute_is_flushed_less_often(tmp_path: Path, clock: Clock) -> None:
    """However steadily it grows, what is written stays within twice its size; in the end it is all there."""
    store = NaiveEventStore(str(tmp_path), 1000)
    assert store._timer is not None
    store._timer.cancel()
    store._timer.join()
    written = before = 0
    for number in range(100):
        store.save(Event(f"id{number}", "s", 10, [], "x" * 200_000))
        clock.now += 1
        store._tick()
        now = flushed(tmp_path)
        if now != before:
            written += now
            before = now
        assert store.answer(Query()).read(0, 1 << 30).count(b"\nid:id") == number + 1
    size = store.whole(Query()).size
    assert before < size
    clock.now += 61
    store._tick()
    assert flushed(tmp_path) == size
    assert written + size <= 2 * size
    store.close()


def test_what_is_not_flushed_is_read_from_the_log(tmp_path: Path) -> None:
    """Any piece of it, also where several minutes take turns."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    for number in range(400):
        store.save(
            Event(
                f"id{number}",
                "s",
                10 + 60 * (number % 3),
                ["t"],
                f"{number} " + "x" * (number * 7 % 900),
            )
        )
        if number == 100:
            store._tick()
        if number == 200:
            store.sync()
    for query in (Query(), Query().within(10, 10), Query().tagged("t")):
        answer = store.answer(query)
        data = answer.read(0, 1 << 30)
        assert len(data) == answer.size()
        for offset in range(0, len(data), 7919):
            assert answer.read(offset, 4096) == data[offset : offset + 4096]
    store.close()
    assert flushed(tmp_path) == len(content_of(tmp_path))


def content_of(root: Path) -> bytes:
    store = NaiveEventStore(str(root))
    data = store.answer(Query()).read(0, 1 << 30)
    store.close()
    return data


def test_a_minute_file_that_is_removed(tmp_path: Path) -> None:
    """Its events are gone, as was intended; nothing else is."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save_all(Event(f"id{time}", "s", time, ["t"], "x") for time in (10, 100, 1000))
    store._tick()
    answer = store.answer(Query())
    (tmp_path / "100-160").unlink()
    with pytest.raises(EventReadException):
        answer.read(0, 1 << 20)
    store._tick()
    assert [event.id for event in store.search(0)] == ["id10", "id1000"]
    assert [span.name for span in store.snapshot(Query()).spans] == ["10-70", "1000-1060"]
    assert store.answer(Query().tagged("t")).read(0, 1 << 20).count(b"event: ") == 2
    store.save(Event("again", "s", 101, ["t"], "x"))
    store.close()
    again = NaiveEventStore(str(tmp_path))
    assert [event.id for event in again.search(0)] == ["id10", "again", "id1000"]
    again.close()


def test_a_minute_file_that_is_removed_while_it_grows(tmp_path: Path) -> None:
    """Events saved after that are kept, and so are those of other minutes."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("old", "s", 10, [], "x"))
    store._tick()
    (tmp_path / "10-70").unlink()
    store.save(Event("new", "s", 11, [], "x"))
    store.save(Event("other", "s", 100, [], "x"))
    store._tick()
    store._tick()
    assert [event.id for event in store.search(0)] == ["new", "other"]
    assert not any(segment.ends for segment in store._log._segments)
    store.save(Event("newer", "s", 12, [], "x"))
    store.close()
    again = NaiveEventStore(str(tmp_path))
    assert [event.id for event in again.search(0)] == ["new", "newer", "other"]
    again.close()


def test_a_minute_file_that_is_removed_before_a_replay(tmp_path: Path) -> None:
    """Its records in the journal make a new file."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("old", "s", 10, [], "x"))
    store._tick()
    store.save(Event("new", "s", 11, [], "x"))
    end_process(store)
    (tmp_path / "10-70").unlink()
    again = NaiveEventStore(str(tmp_path))
    assert [event.id for event in again.search(0)] == ["new"]
    again.close()


@pytest.mark.parametrize("change", ["truncated", "emptied", "appended to"])
def test_a_minute_file_that_was_changed_before_a_replay(tmp_path: Path, change: str) -> None:
    """It gets at its end what it lacks, once, however often the replay is done."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("old", "s", 10, [], "x"))
    store._tick()
    store.save(Event("new", "s", 11, [], "x"))
    store.save(Event("newer", "s", 12, [], "x"))
    end_process(store)
    path = tmp_path / "10-70"
    data = path.read_bytes()
    other = EventSerializer().serialize(Event("other", "s", 13, [], "x")) + b"\n"
    path.write_bytes({"truncated": data[:-5], "emptied": b"", "appended to": data + other}[change])
    expected = {"truncated": [], "emptied": [], "appended to": ["old"]}[change] + ["new", "newer"]
    expected += ["other"] if change == "appended to" else []
    for _ in range(2):
        again = NaiveEventStore(str(tmp_path), NEVER_MS)
        assert [event.id for event in again.search(0)] == expected
        end_process(again)


def test_the_lives_of_a_minute_file_are_told_apart(tmp_path: Path) -> None:
    """One that was removed and made again, after a crash: nothing comes back, is doubled or lost."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("big", "s", 1000, [], "x" * 200_000))
    store.save(Event("a1", "s", 10, [], "x"))
    store._tick()
    assert not (tmp_path / "1000-1060").exists()
    for number in range(2, 5):
        (tmp_path / "10-70").unlink()
        store._tick()
        store.save(Event(f"a{number}", "s", 10, [], "x"))
        store._tick()
    store.save(Event("a5", "s", 11, [], "x"))
    end_process(store)
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert [event.id for event in again.search(0)] == ["a4", "a5", "big"]
    again.close()


def test_the_log_stays_small(tmp_path: Path, clock: Clock) -> None:
    """Also when there is always some minute that is too large to be flushed yet."""
    store = NaiveEventStore(str(tmp_path), 1000, log_keep_size=1 << 20)
    assert store._timer is not None
    store._timer.cancel()
    store._timer.join()
    largest = 0
    opened_before = len(os.listdir("/proc/self/fd"))
    for second in range(300):
        clock.now += 1
        store.save(Event(f"id{second}", "s", second, [], "x" * 300_000))
        store._tick()
        journal = tmp_path / ".theiafs" / "journal"
        largest = max(largest, sum(path.stat().st_size for path in journal.iterdir()))
        assert len(os.listdir("/proc/self/fd")) < opened_before + 50
    # Besides what is not flushed, what may be kept, and a segment that is not full yet.
    assert largest < 60 * 300_000 * 3 + (1 << 20) + (8 << 20)
    store.close()


def test_what_was_open_when_a_file_was_removed(tmp_path: Path) -> None:
    """Reading the removed bytes is an error, never the bytes of another file; what was not flushed is at its place."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("old", "s", 10, [], "x"))
    store._tick()
    store.save(Event("tail", "s", 11, [], "x"))
    answer = store.answer(Query())
    size = answer.size()
    first = size - len(answer.read(0, size).rpartition(b"event: ")[2]) - len(b"event: ")
    (tmp_path / "10-70").unlink()
    store._tick()
    store.save(Event("new", "s", 12, [], "x"))
    store._tick()
    for offset in (0, first - 1):
        with pytest.raises(EventReadException):
            answer.read(offset, 10)
    assert re.findall(rb"id:(\w+)", answer.read(first, 1 << 20)) == [b"tail", b"new"]
    assert re.findall(rb"id:(\w+)", answer.read(size, 1 << 20)) == [b"new"]
    assert re.findall(rb"id:(\w+)", store.answer(Query()).read(0, 1 << 20)) == [b"tail", b"new"]
    store.close()


@pytest.mark.usefixtures("unlockable")
def test_a_cleaner_removes_the_lock_where_only_its_file_can_be_locked(tmp_path: Path) -> None:
    """The file is made again; where another process was faster, this one writes no more, and loses nothing."""
    lock = tmp_path / ".theiafs" / "lock"
    first = NaiveEventStore(str(tmp_path), NEVER_MS)
    lock.unlink()
    first.save(Event("1", "s", 10, [], "x"))
    assert lock.exists()
    lock.unlink()
    second = NaiveEventStore(str(tmp_path), NEVER_MS)
    writes: list[Callable[[], object]] = [
        lambda: first.save(Event("2", "s", 20, [], "x")),
        first.sync,
        first._tick,
        lambda: first.delete("1"),
        lambda: first.declare_tag("t"),
        first.close,
    ]
    for write in writes:
        with pytest.raises(EventWriteException, match="lost its lock"):
            write()
    second.save(Event("3", "s", 30, [], "x"))
    assert [each.id for each in second.search(0)] == ["1", "3"]
    second.close()
    assert b"".join(path.read_bytes() for path in tmp_path.glob("[0-9]*")).count(b"event: ") == 2


class UnreadableDisk(Disk):
    """A disk that cannot tell anything of one file."""

    def stat(self, path: str) -> FileStat | None:
        if path.endswith("10-70"):
            raise EventReadException("cannot stat 10-70: Input/output error")
        return super().stat(path)


def test_a_file_that_cannot_be_examined_is_not_taken_for_removed(tmp_path: Path) -> None:
    """The store does not open, rather than write over it."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("old", "s", 10, [], "x"))
    store._tick()
    store.save(Event("new", "s", 11, [], "x"))
    end_process(store)
    with pytest.raises(EventReadException):
        NaiveEventStore(str(tmp_path), NEVER_MS, UnreadableDisk())
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert [event.id for event in again.search(0)] == ["old", "new"]
    again.close()


class UnwritableDisk(Disk):
    """A disk that cannot make the new file of every third minute."""

    def create(self, path: str) -> WritableFile:
        minute = re.search(r"/\.?(\d+)-\d+[^/]*$", path)
        if minute and int(minute[1]) // 100 % 3 == 1:
            raise EventWriteException(f"cannot create {path}: Input/output error")
        return super().create(path)


def test_many_minutes_are_flushed_together(tmp_path: Path) -> None:
    """Those that cannot be, and those that another program changed, do not hinder the others, and lose nothing."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save_all([Event(f"old{number}", "s", 100 * number) for number in range(100)])
    store.close()

    store = NaiveEventStore(str(tmp_path), NEVER_MS, UnwritableDisk())
    store.save_all([Event(f"new{number}", "s", 100 * number + 1) for number in range(100)])
    changed = range(0, 100, 7)
    for number in changed:
        with (tmp_path / f"{100 * number}-{100 * number + 60}").open("ab") as file:
            other = Event(f"other{number}", "s", 100 * number + 2)
            file.write(EventSerializer().serialize(other) + b"\n")
    with pytest.raises(EventWriteException, match="Input/output error"):
        store._flush_all()
    with pytest.raises(EventWriteException, match="Input/output error"):
        store._flush_all()
    unwritable = [number for number in range(100) if number % 3 == 1]
    assert store.status()["unflushed_minutes"] == len(unwritable)
    end_process(store)

    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    stored = [f"{age}{number}" for number in range(100) for age in ("old", "new")]
    others = [f"other{number}" for number in changed]
    assert sorted(str(event.id) for event in again.search(0)) == sorted(stored + others)
    again.close()


def test_damage_in_the_log_costs_what_it_hit(tmp_path: Path) -> None:
    """And that is set aside, not thrown away."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    for number in range(5):
        store.save(Event(f"id{number}", "s", 10, [], f"content {number}"))
    store.sync()
    end_process(store)
    [segment] = (tmp_path / ".theiafs" / "journal").iterdir()
    segment.write_bytes(
        segment.read_bytes().replace(b"content 2", b"c0ntent 2").replace(b"theiafs", b"th3iafs")
    )
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert [event.id for event in again.search(0)] == ["id0", "id1", "id3", "id4"]
    again.close()
    aside = b"".join(path.read_bytes() for path in (tmp_path / ".theiafs" / "quarantine").iterdir())
    assert b"c0ntent 2" in aside
    assert b"th3iafs" in aside


def test_permissions_stay(tmp_path: Path) -> None:
    """A flush keeps the permissions of a minute file."""
    store = NaiveEventStore(str(tmp_path), 0)
    store.save(Event("a", "s", 10))
    (tmp_path / "10-70").chmod(0o600)
    store.save(Event("b", "s", 11))
    store.close()
    assert (tmp_path / "10-70").stat().st_mode & 0o777 == 0o600


def test_a_minute_file_that_turns_up(tmp_path: Path) -> None:
    """When it is where an event belongs, the event joins what is in it."""
    other = NaiveEventStore(str(tmp_path / "other"), 0)
    other.save(Event("a", "s", 10, ["t"], "x"))
    other.close()
    store = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    (tmp_path / "other" / "10-70").rename(tmp_path / "store" / "10-70")
    store.save(Event("b", "s", 10, ["t"], "x"))
    eventually(lambda: store.whole(Query()).events == 2)
    assert store.answer(Query().tagged("t")).size() == store.whole(Query().tagged("t")).size
    store.close()
    assert flushed(tmp_path / "store") == len(content_of(tmp_path / "store"))


def test_a_batch_is_one_append_to_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many minutes it has events of; all are found, also after the process ended."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    appended: list[list[str]] = []
    append = store._log.append

    def note(records: list[LogRecord]) -> list[int]:
        appended.append([record.minute for record in records])
        return append(records)

    monkeypatch.setattr(store._log, "append", note)
    times = [10, 20, 500, 15, 1000, 30, 501]
    store.save_batch(
        Batch.of(Event(f"id{number}", "s", time, ["t"], "x") for number, time in enumerate(times))
    )
    assert appended == [["10-70", "500-560", "10-70", "1000-1060", "10-70", "500-560"]]
    arrived = [event.timestamp for event in store.select(Query())]
    data = store.answer(Query().tagged("t")).read(0, 1 << 20)
    assert re.findall(rb"\nid:id(\d)", data) == [b"%d" % number for number in range(len(times))]
    end_process(store)
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert sorted(event.timestamp for event in again.select(Query())) == sorted(times)
    assert sorted(arrived) == sorted(times)
    again.close()


def test_a_batch_that_cannot_be_written_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither events, nor minutes, nor tags."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    store.save(Event("before", "s", 10, ["old"], "x"))

    def fail(_records: list[LogRecord]) -> list[int]:
        raise StoreFull("full")

    batch = Batch.of(Event(f"id{time}", "s", time, ["new"], "x") for time in (10, 500))
    with monkeypatch.context() as patch:
        patch.setattr(store._log, "append", fail)
        with pytest.raises(StoreFull):
            store.save_batch(batch)
    assert store.whole(Query()).events == 1
    assert store.tags() == {"old"}
    assert [span.name for span in store.snapshot(Query()).spans] == ["10-70"]
    store.save_batch(batch)
    assert store.whole(Query()).events == 3
    store.close()


def test_a_large_batch_is_many_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """None of the journal's records is so large that to read a little of it costs a lot."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    sizes: list[int] = []
    append = store._log.append

    def note(records: list[LogRecord]) -> list[int]:
        sizes.extend(len(record.data) for record in records)
        return append(records)

    monkeypatch.setattr(store._log, "append", note)
    batch = Batch()
    batch.add_lines([b"x" * 1000] * 5000, 10 * TICKS_PER_S, "s", [])
    store.save_batch(batch)
    assert max(sizes) <= 1 << 20
    assert sum(sizes) == len(batch.data)
    assert store.answer(Query()).read(0, 1 << 30) == batch.data
    store.close()

"""The write-ahead log: reading it back, releasing it, and failures of the disk."""

import errno
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.disk.disk import Disk
from store.errors import EventReadException, EventWriteException, StoreFull
from store.wal.log import WriteAheadLog
from store.wal.segment import LogRecord, list_segments, read_records, reader_of
from store.wal.tail import Tail, read_tail
from tests.faults import Fate, FaultyDisk
from tests.waiting import eventually

DIRECTORY = "/j"

# What records are made of: minute, offset, size. Some are larger than what is read at once.
parts = st.tuples(
    st.sampled_from(["0-60", "60-120", "1763800000-1763800060"]),
    st.integers(0, 10**15),
    st.integers(0, 300) | st.just(400_000),
)
Parts = tuple[str, int, int]


def made_of(each: Parts) -> LogRecord:
    minute, offset, size = each
    return LogRecord(minute, offset, (b"data of %d\n" % offset * (size // 8 + 1))[:size])


@pytest.fixture
def disk() -> FaultyDisk:
    made = FaultyDisk()
    made.make_directory(DIRECTORY)
    return made


def log_on(disk: Disk, directory: str = DIRECTORY, keep_s: float = 0) -> WriteAheadLog:
    """Begin a log that keeps nothing by default."""
    return WriteAheadLog(disk, directory, 0, 1, keep_s)


def found(disk: Disk, directory: str = DIRECTORY) -> list[LogRecord]:
    """Read all records that the next process finds, flush marks aside."""
    result = []
    for segment in list_segments(disk, directory):
        with disk.open_to_read(segment.path) as file:
            result += [
                each.record
                for each in read_records(file.read, segment.start, segment.end)
                if each.record and not each.record.is_mark
            ]
    return result


def records(log: WriteAheadLog, lsn: int) -> Iterator[LogRecord]:
    """Read all records from an LSN on that are still there."""
    first = log._segments[0].first if log._segments else 0
    for data in log.read([max(lsn, first)], [1 << 62]):
        for _, _, record in read_records(reader_of(data), 0, len(data)):
            assert record is not None
            yield record


def sync_and_remove(log: WriteAheadLog) -> None:
    """Make the log durable, and remove what is released."""
    log.rotate()
    log.sync()
    log.release({})


def record(number: int, minute: str = "0-60") -> LogRecord:
    return LogRecord(minute, number * 10, b"data %05d" % number)


@settings(deadline=None)
@given(st.lists(st.lists(parts, min_size=1, max_size=4), max_size=6), st.integers(0, 20))
def test_what_was_appended_is_found(given_parts: list[list[Parts]], every: int) -> None:
    """By the next process, and by this one from any lsn; wherever segments end."""
    disk = FaultyDisk()
    disk.make_directory(DIRECTORY)
    log = log_on(disk)
    lsns: list[int] = []
    batches = [[made_of(each) for each in batch] for batch in given_parts]
    for number, batch in enumerate(batches):
        lsns += log.append(batch)
        if every and number % every == 0:
            log.rotate()
    appended = [each for batch in batches for each in batch]
    assert found(disk) == appended
    for index, lsn in enumerate(lsns):
        assert list(records(log, lsn)) == appended[index:]


def test_segments_and_open_files_stay_few(disk: FaultyDisk) -> None:
    """However often it is rotated, cannot be synced, or is pinned by another minute."""
    log = log_on(disk)
    log.append([record(0, "60-120")])
    for number in range(50):
        log.append([record(number)])
        disk.failing = range(disk.operations + 1, disk.operations + 2)
        with pytest.raises(EventWriteException):
            log.sync()
        log.release({"0-60": number * 10 + 10})
    assert len(disk.names(DIRECTORY)) <= 2
    assert len(log._segments) <= 2
    log.release({"60-120": 10})
    sync_and_remove(log)
    assert disk.names(DIRECTORY) == []


def test_a_reset(disk: FaultyDisk) -> None:
    """The records before it are void, and keep no segment."""
    log = log_on(disk)
    log.append([record(0), record(1), record(0, "60-120")])
    log.rotate()
    lsns = log.reset({"0-60": b"data", "60-120": b"", "120-180": b"more"}, {"120-180": 7})
    expected = [
        LogRecord("0-60", 0, b"data", resets=True),
        LogRecord("60-120", 0, b"", resets=True),
        LogRecord("120-180", 7, b"more", resets=True),
    ]
    assert list(records(log, lsns["0-60"])) == expected
    assert next(records(log, lsns["120-180"])) == expected[2]
    assert len(disk.names(DIRECTORY)) == 2
    sync_and_remove(log)
    assert found(disk) == expected


def test_a_reset_of_an_empty_log_to_nothing_writes_nothing(disk: FaultyDisk) -> None:
    log = log_on(disk)
    assert log.reset({"0-60": b""}) == {"0-60": 0}
    assert disk.operations == 0


def test_a_part_that_was_removed(disk: FaultyDisk) -> None:
    """It is an error, and not the part that is there instead."""
    log = log_on(disk)
    log.append([record(0)])
    log.rotate()
    log.append([record(1)])
    log.release({"0-60": 10})
    sync_and_remove(log)
    with pytest.raises(EventReadException, match="0 was removed"):
        list(log.read([0], [10]))


def test_what_makes_records_void_is_durable_before_they_are_removed(disk: FaultyDisk) -> None:
    """A reset that a power cut takes back leaves the records before it."""
    log = log_on(disk)
    log.append([record(0)])
    log.sync()
    log.rotate()
    log.reset({"0-60": b"data"})
    log.release({})
    assert found(disk.after_a_power_cut(Fate("dropped"))) == [record(0)]
    assert len(disk.names(DIRECTORY)) == 2
    log.sync()
    log.release({})
    reset = LogRecord("0-60", 0, b"data", resets=True)
    assert found(disk) == [reset]
    assert found(disk.after_a_power_cut(Fate("dropped")))[-1] == reset


def test_release(disk: FaultyDisk) -> None:
    """A segment is removed when all of its minutes are flushed, and all segments before it are removed."""
    log = log_on(disk)
    log.append([record(0), record(0, "60-120")])
    log.rotate()
    log.append([record(1)])
    log.release({"0-60": 20})
    assert disk.names(DIRECTORY) == ["000000000001", "000000000002"]
    log.rotate()
    log.release({"60-120": 9})
    sync_and_remove(log)
    assert found(disk) == [record(0), record(0, "60-120"), record(1)]
    log.release({"60-120": 10})
    sync_and_remove(log)
    assert disk.names(DIRECTORY) == []
    assert list(records(log, 0)) == []


def test_release_marks_many_minutes_by_few_writes(disk: FaultyDisk) -> None:
    """One write for up to 500, and no fsync."""
    log = log_on(disk)
    minutes = [f"{start}-{start + 60}" for start in range(0, 60 * 1000, 60)]
    log.append([record(0, minute) for minute in minutes])
    before = disk.operations
    log.release(dict.fromkeys(minutes, 10))
    assert disk.operations == before + 2
    marks = [each for each in records(log, 0) if each.is_mark]
    assert marks == [LogRecord(minute, 10, b"", is_mark=True) for minute in minutes]


def test_released_segments_are_kept(disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch) -> None:
    """For some time, and up to some size; also when the current one is not rotated for that."""
    now = 0.0
    monkeypatch.setattr("store.wal.segment_list.time.monotonic", lambda: now)
    log = WriteAheadLog(disk, DIRECTORY, 0, 1, keep_s=600, keep_size=2000)
    for number in range(4):
        log.append([record(number)])
        log.rotate()
        assert len(disk.names(DIRECTORY)) == number + 1  # it is old enough each time
        log.release({"0-60": number * 10 + 10})
        log.sync()
        now += 100
        log.rotate()
    assert log.usage().window_s == 400
    assert 0 < log.usage().kept_size < 2000
    assert found(disk) == [record(number) for number in range(4)]
    now += 300
    log.release({})
    assert found(disk) == [record(number) for number in range(1, 4)]
    large = LogRecord("60-120", 0, bytes(3000))
    log.append([large])
    log.release({"60-120": 3000})
    sync_and_remove(log)
    now += 60
    sync_and_remove(log)
    assert large not in found(disk)
    assert log.usage().kept_size < 2000


def test_a_full_disk_takes_what_is_only_kept(disk: FaultyDisk) -> None:
    """New records are worth more."""
    log = log_on(disk, keep_s=600)
    log.append([record(0)])
    log._segments.current = None
    log.release({"0-60": 10})
    log.sync()
    disk.error_number = errno.ENOSPC
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    log.append([record(1)])
    assert found(disk) == [record(1)]
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    with pytest.raises(StoreFull):
        log.append([record(2)])


def test_marks_that_cannot_be_written_are_written_later(disk: FaultyDisk) -> None:
    """The release counts all the same."""
    log = log_on(disk)
    log.append([record(0), record(0, "60-120")])
    disk.failing = range(disk.operations + 1, disk.operations + 3)
    log.release({"0-60": 10})
    log.release({"60-120": 10})
    marks = [each.minute for each in records(log, 0) if each.is_mark]
    assert marks == ["0-60", "60-120"]
    sync_and_remove(log)
    assert disk.names(DIRECTORY) == []


def test_what_is_not_flushed_is_not_removed(disk: FaultyDisk) -> None:
    """Emptying the log is an error then."""
    log = log_on(disk)
    log.append([record(0)])
    with pytest.raises(EventWriteException, match="not flushed"):
        log.empty()
    assert found(disk) == [record(0)]


def test_a_write_that_failed_does_not_count(disk: FaultyDisk) -> None:
    """Even if all of it got to the disk: the next segment says so."""
    log = log_on(disk)
    log.append([record(0)])
    size = len(disk.content(f"{DIRECTORY}/000000000001"))
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    with pytest.raises(EventWriteException):
        log.append([LogRecord("0-60", 10, b"never acknowledged")])
    inode = disk._inode(f"{DIRECTORY}/000000000001")
    inode.seen = inode.seen[:size]
    inode.write(b"".join(LogRecord("0-60", 10, b"never acknowledged").encode()))
    log.append([record(1)])
    assert found(disk) == [record(0), record(1)]
    assert list(records(log, 0)) == [record(0), record(1)]


def test_a_failed_sync_is_told_and_not_tried_again_on_that_file(disk: FaultyDisk) -> None:
    """Its records are written to a new file, and the next sync makes them durable there."""
    log = log_on(disk)
    log.append([record(0)])
    log.sync()
    lsns = log.append([record(1)])
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    with pytest.raises(EventWriteException):
        log.sync()
    log.append([record(2)])
    assert found(disk) == [record(0), record(1), record(2)]
    assert list(records(log, lsns[0])) == [record(1), record(2)]
    log.sync()
    assert found(disk.after_a_power_cut(Fate("dropped"))) == [record(0), record(1), record(2)]


def test_what_could_not_be_rewritten_holds_up_what_comes_after(disk: FaultyDisk) -> None:
    """Until it can be: nothing is acknowledged that follows something that may be lost."""
    log = log_on(disk)
    log.append([record(0)])
    disk.failing = range(disk.operations + 1, 10**9)
    for _ in range(3):
        with pytest.raises(EventWriteException):
            log.sync()
        with pytest.raises(EventWriteException):
            log.append([record(1)])
    disk.failing = range(0)
    assert found(disk) == [record(0)]
    log.append([record(1)])
    log.sync()
    assert found(disk.after_a_power_cut(Fate("dropped"))) == [record(0), record(1)]


class CountingDisk(Disk):
    """Counts the syncs of files, each of which waits until it is let on."""

    def __init__(self) -> None:
        self.syncs = 0
        self.begun = threading.Event()
        self.may_end = threading.Event()

    def note(self) -> None:
        self.syncs += 1
        self.begun.set()
        assert self.may_end.wait(20)


def test_one_sync_serves_all_waiting_callers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Callers that arrive while a sync is running share the next one."""
    disk = CountingDisk()
    log = log_on(disk, str(tmp_path))
    log.append([record(0)])
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        disk.note()
        fsync(descriptor)

    monkeypatch.setattr("store.disk.file.os.fsync", counted)
    with ThreadPoolExecutor(max_workers=20) as pool:
        first = pool.submit(log.sync)
        assert disk.begun.wait(20)
        waiting = []
        for number in range(1, 17):
            log.append([record(number)])
            waiting.append(pool.submit(log.sync))
        disk.may_end.set()
        for each in [first, *waiting]:
            each.result(20)
    # Two files' worth: the one under way, with the directory, and one for all the others (or two, for those
    # that had not begun to wait when the second began).
    assert disk.syncs <= 4
    log.close()
    assert found(disk, str(tmp_path)) == [record(number) for number in range(17)]


def test_threads(tmp_path: Path) -> None:
    """Appending, syncing, rotating, reading and releasing at once."""
    log = log_on(Disk(), str(tmp_path))

    def write(minute: str) -> None:
        for number in range(200):
            lsn = log.append([record(number, minute)])[0]
            assert next(records(log, lsn)) == record(number, minute)
            if number % 10 == 0:
                log.sync()
            if number % 25 == 0:
                log.rotate()
                log.release({minute: number * 10 + 10})

    with ThreadPoolExecutor() as pool:
        for each in [pool.submit(write, f"{start}-{start + 1}") for start in range(4)]:
            each.result()
    for start in range(4):
        log.release({f"{start}-{start + 1}": 2000})
    log.empty()
    assert list(tmp_path.iterdir()) == []


def test_damage_under_a_running_process(disk: FaultyDisk) -> None:
    """It is an error, not something else."""
    log = log_on(disk)
    lsn = log.append([record(0)])[0]
    disk._inode(f"{DIRECTORY}/000000000001").flip(-1)
    tail = Tail("0-60", 0)
    tail.extend(10, lsn)
    with pytest.raises(EventReadException, match="0-60: bytes 0 to 10 are not in the log"):
        read_tail(log.read, "0-60", tail.extents(0, 10))


class SlowlySynced(FaultyDisk):
    """Nothing is synced before it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.make_directory(DIRECTORY)
        self.may_go_on = threading.Event()

    def sync_directory(self, path: str) -> None:
        assert self.may_go_on.wait(10)
        super().sync_directory(path)


def test_a_large_unsynced_part_is_synced_in_the_background(monkeypatch: pytest.MonkeyPatch) -> None:
    """No writer blocks before the limit."""
    monkeypatch.setattr("store.wal.log._SYNC_IN_BACKGROUND_SIZE", 200)
    disk = SlowlySynced()
    log = log_on(disk)
    records = [record(number) for number in range(50)]
    for each in records:
        log.append([each])
        log.limit_unsynced()
    disk.may_go_on.set()
    log.close()
    assert found(disk) == records
    survived = found(disk.after_a_power_cut(Fate("dropped")))
    assert records[0] in survived
    assert survived == records[: len(survived)]


def test_a_background_sync_that_fails_is_logged_and_made_up_for(
    disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Its records are written again, and the next sync makes them durable."""
    monkeypatch.setattr("store.wal.log._SYNC_IN_BACKGROUND_SIZE", 10)
    log = log_on(disk)
    log.append([record(1)])
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    log.limit_unsynced()
    eventually(lambda: "not synced" in caplog.text)
    log.append([record(2)])
    log.sync()
    log.close()
    assert found(disk.after_a_power_cut(Fate("dropped"))) == [record(1), record(2)]

"""The journal: what it gives back, what it lets go of, and what it does when the disk fails."""

import os
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import EventReadException, EventWriteException
from store.disk.disk import Disk
from store.wal.log import Journal
from store.wal.segment import Record, list_segments, read_records
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


def made_of(each: Parts) -> Record:
    minute, offset, size = each
    return Record(minute, offset, (b"data of %d\n" % offset * (size // 8 + 1))[:size])


@pytest.fixture
def disk() -> FaultyDisk:
    made = FaultyDisk()
    made.make_directory(DIRECTORY)
    return made


def found(disk: Disk, directory: str = DIRECTORY) -> list[Record]:
    """What the next process finds."""
    result = []
    for segment in list_segments(disk, directory):
        with disk.open_to_read(segment.path) as file:
            result += [
                each.record
                for each in read_records(file.read, segment.start, segment.end)
                if each.record
            ]
    return result


def record(number: int, minute: str = "0-60") -> Record:
    return Record(minute, number * 10, b"data %05d" % number)


@given(st.lists(st.lists(parts, min_size=1, max_size=4), max_size=6), st.integers(0, 20))
def test_what_was_appended_is_found(given_parts: list[list[Parts]], every: int) -> None:
    """By the next process, and by this one from any address; wherever segments end."""
    disk = FaultyDisk()
    disk.make_directory(DIRECTORY)
    journal = Journal(disk, DIRECTORY, 0)
    addresses: list[int] = []
    batches = [[made_of(each) for each in batch] for batch in given_parts]
    for number, batch in enumerate(batches):
        addresses += journal.append(batch)
        if every and number % every == 0:
            journal.rotate()
    appended = [each for batch in batches for each in batch]
    assert found(disk) == appended
    for index, address in enumerate(addresses):
        assert list(journal.records(address)) == appended[index:]


@given(st.lists(parts, min_size=1, max_size=4), st.data())
def test_damage_costs_the_record_it_hit(given_parts: list[Parts], data: st.DataObject) -> None:
    """Every other record is found, nothing that was not there, and what is damaged is told exactly."""
    disk = FaultyDisk()
    disk.make_directory(DIRECTORY)
    journal = Journal(disk, DIRECTORY, 0)
    batch = [made_of(each) for each in given_parts]
    ends = [journal.append([each])[0] + sum(map(len, each.encode())) for each in batch]
    content = bytearray(disk.content(f"{DIRECTORY}/000000000001"))
    start = len(content) - ends[-1]
    place = data.draw(st.integers(start, len(content) - 1))
    hit = next(number for number, end in enumerate(ends) if place < start + end)
    if data.draw(st.booleans()):
        content[place] ^= data.draw(st.integers(1, 255))
        whole = batch[:hit] + batch[hit + 1 :]
    else:
        del content[place:]
        whole = batch[:hit]
    read = list(read_records(lambda at, size: bytes(content[at : at + size]), start, len(content)))
    assert [each.record for each in read if each.record is not None] == whole
    edges = [start, *(each.end for each in read)]
    assert [each.start for each in read] == edges[:-1]
    assert edges[-1] == len(content)


def test_damage_in_the_first_line_costs_no_record(disk: FaultyDisk) -> None:
    """The records behind it are found all the same."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0), record(1)])
    disk._inode(f"{DIRECTORY}/000000000001").seen[3] ^= 1
    assert found(disk) == [record(0), record(1)]


def test_segments_and_open_files_stay_few(disk: FaultyDisk) -> None:
    """However often it is rotated, cannot be synced, or cannot let go."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0, "60-120")])
    for number in range(50):
        journal.append([record(number)])
        disk.failing = range(disk.operations + 1, disk.operations + 2)
        with pytest.raises(EventWriteException):
            journal.sync()
        journal.let_go("0-60", number * 10 + 10)
    assert len(disk.names(DIRECTORY)) <= 2
    assert len(journal._segments) <= 2
    journal.let_go("60-120", 10)
    journal.rotate()
    journal.let_go("60-120", 10)
    assert disk.names(DIRECTORY) == []


def test_a_file_that_begins_anew(disk: FaultyDisk) -> None:
    """What was there before does not count, and holds on to nothing."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0), record(1), record(0, "60-120")])
    address = journal.begin_anew("0-60", b"data")
    assert next(journal.records(address)) == Record("0-60", 0, b"data", begins_anew=True)
    assert len(disk.names(DIRECTORY)) == 2
    journal.let_go("60-120", 10)
    assert found(disk) == [Record("0-60", 0, b"data", begins_anew=True)]


def test_it_lets_go_of_what_is_stored(disk: FaultyDisk) -> None:
    """A segment goes when all of its minutes are stored, and all segments before it are gone."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0), record(0, "60-120")])
    journal.rotate()
    journal.append([record(1)])
    journal.let_go("0-60", 20)
    assert disk.names(DIRECTORY) == ["000000000001", "000000000002"]
    journal.rotate()
    journal.let_go("60-120", 9)
    assert len(disk.names(DIRECTORY)) == 2
    journal.let_go("60-120", 10)
    assert disk.names(DIRECTORY) == []
    assert list(journal.records(0)) == []


def test_a_write_that_failed_does_not_count(disk: FaultyDisk) -> None:
    """Even if all of it got to the disk: the next segment says so."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0)])
    size = len(disk.content(f"{DIRECTORY}/000000000001"))
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    with pytest.raises(EventWriteException):
        journal.append([Record("0-60", 10, b"never acknowledged")])
    inode = disk._inode(f"{DIRECTORY}/000000000001")
    del inode.seen[size:]
    inode.write(b"".join(Record("0-60", 10, b"never acknowledged").encode()))
    journal.append([record(1)])
    assert found(disk) == [record(0), record(1)]
    assert list(journal.records(0)) == [record(0), record(1)]


def test_a_failed_sync_is_told_and_not_tried_again_on_that_file(disk: FaultyDisk) -> None:
    """What it was to save is written to a new file, and the next sync saves it there."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0)])
    journal.sync()
    addresses = journal.append([record(1)])
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    with pytest.raises(EventWriteException):
        journal.sync()
    journal.append([record(2)])
    assert found(disk) == [record(0), record(1), record(2)]
    assert list(journal.records(addresses[0])) == [record(1), record(2)]
    journal.sync()
    assert found(disk.after_a_power_cut(Fate("dropped"))) == [record(0), record(1), record(2)]


def test_what_could_not_be_rewritten_holds_up_what_comes_after(disk: FaultyDisk) -> None:
    """Until it can be: nothing is acknowledged behind something that may be lost."""
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(0)])
    disk.failing = range(disk.operations + 1, 10**9)
    for _ in range(3):
        with pytest.raises(EventWriteException):
            journal.sync()
        with pytest.raises(EventWriteException):
            journal.append([record(1)])
    disk.failing = range(0)
    assert found(disk) == [record(0)]
    journal.append([record(1)])
    journal.sync()
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


def test_one_sync_serves_all_who_wait(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those who come while one is under way share the next one."""
    disk = CountingDisk()
    journal = Journal(disk, str(tmp_path), 0)
    journal.append([record(0)])
    fsync = os.fsync

    def counted(descriptor: int) -> None:
        disk.note()
        fsync(descriptor)

    monkeypatch.setattr("store.disk.disk.os.fsync", counted)
    with ThreadPoolExecutor(max_workers=20) as pool:
        first = pool.submit(journal.sync)
        assert disk.begun.wait(20)
        waiting = []
        for number in range(1, 17):
            journal.append([record(number)])
            waiting.append(pool.submit(journal.sync))
        disk.may_end.set()
        for each in [first, *waiting]:
            each.result(20)
    # Two files' worth: the one under way, with the directory, and one for all the others (or two, for those
    # that had not begun to wait when the second began).
    assert disk.syncs <= 4
    journal.close()
    assert found(disk, str(tmp_path)) == [record(number) for number in range(17)]


def test_threads(tmp_path: Path) -> None:
    """Appending, syncing, rotating, reading and letting go at once."""
    journal = Journal(Disk(), str(tmp_path), 0)

    def write(minute: str) -> None:
        for number in range(200):
            address = journal.append([record(number, minute)])[0]
            assert next(journal.records(address)) == record(number, minute)
            if number % 10 == 0:
                journal.sync()
            if number % 25 == 0:
                journal.rotate()
                journal.let_go(minute, number * 10 + 10)

    with ThreadPoolExecutor() as pool:
        for each in [pool.submit(write, f"{start}-{start + 1}") for start in range(4)]:
            each.result()
    for start in range(4):
        journal.let_go(f"{start}-{start + 1}", 2000)
    journal.empty()
    assert list(tmp_path.iterdir()) == []


def test_damage_under_a_running_process(disk: FaultyDisk) -> None:
    """It is an error, not something else."""
    journal = Journal(disk, DIRECTORY, 0)
    address = journal.append([record(0)])[0]
    disk._inode(f"{DIRECTORY}/000000000001").seen[-1] ^= 1
    with pytest.raises(EventReadException, match="damaged"):
        list(journal.records(address))


class SlowlySynced(FaultyDisk):
    """Nothing is synced before it is let go on."""

    def __init__(self) -> None:
        super().__init__()
        self.make_directory(DIRECTORY)
        self.may_go_on = threading.Event()

    def sync_directory(self, path: str) -> None:
        assert self.may_go_on.wait(10)
        super().sync_directory(path)


def test_much_is_synced_beside_what_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for it, unless it is too much."""
    monkeypatch.setattr("store.wal.log._SYNCED_BESIDE_SIZE", 200)
    disk = SlowlySynced()
    journal = Journal(disk, DIRECTORY, 0)
    records = [record(number) for number in range(50)]
    for each in records:
        journal.append([each])
        journal.limit_unsynced()
    disk.may_go_on.set()
    journal.close()
    assert found(disk) == records
    survived = found(disk.after_a_power_cut(Fate("dropped")))
    assert records[0] in survived
    assert survived == records[: len(survived)]


def test_a_sync_beside_that_fails_is_told_and_made_up_for(
    disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What it was to save is written again."""
    monkeypatch.setattr("store.wal.log._SYNCED_BESIDE_SIZE", 10)
    journal = Journal(disk, DIRECTORY, 0)
    journal.append([record(1)])
    disk.failing = range(disk.operations + 1, disk.operations + 2)
    journal.limit_unsynced()
    eventually(lambda: "not synced" in caplog.text)
    journal.append([record(2)])
    journal.sync()
    journal.close()
    assert found(disk.after_a_power_cut(Fate("dropped"))) == [record(1), record(2)]


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_pieces_are_written_one_behind_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Also more of them than the system takes at once, and when it takes fewer bytes than it was given."""
    write = os.writev

    def write_less(descriptor: int, pieces: list[memoryview]) -> int:
        return write(descriptor, [b"".join(pieces)[:at_once]])

    monkeypatch.setattr(os, "writev", write_less)
    pieces = [b"%d," % number * (number % 3) for number in range(2000)]
    with Disk().create(str(tmp_path / "file")) as file:
        file.write(*pieces)
        file.write()
        file.write(b"last")
    assert (tmp_path / "file").read_bytes() == b"".join([*pieces, b"last"])

"""Another program removes the hidden directory, the log, or a segment of it while the store is open.

Nothing that was acknowledged is lost: the log notices at the next sync, and writes again what is not flushed.
"""

import errno
import logging
import math
import shutil
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, EventWriteException, NaiveEventStore
from store.disk.disk import Disk
from store.disk.file import FileStat, WritableFile
from store.wal.log import WriteAheadLog
from store.wal.segment import LogRecord
from tests.endings import end_process
from tests.faults import Fate, FaultyDisk
from tests.test_wal import DIRECTORY, disk, found, log_on, record

__all__ = ["disk"]

NEVER_MS = math.inf


def remove_hidden(root: Path) -> None:
    shutil.rmtree(root / ".theiafs", ignore_errors=True)


def remove_journal(root: Path) -> None:
    shutil.rmtree(root / ".theiafs" / "journal", ignore_errors=True)


def remove_oldest(root: Path) -> None:
    min((root / ".theiafs" / "journal").iterdir()).unlink()


def remove_newest(root: Path) -> None:
    max((root / ".theiafs" / "journal").iterdir()).unlink()


def move_hidden(root: Path) -> None:
    """Rename it: every file has its name still, elsewhere."""
    shutil.rmtree(root / ".moved", ignore_errors=True)
    (root / ".theiafs").rename(root / ".moved")


REMOVALS = [remove_hidden, remove_journal, remove_oldest, remove_newest, move_hidden]
Removal = Callable[[Path], None]


@pytest.fixture(autouse=True)
def small_segments(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let a few events fill a segment."""
    monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 500)


class Program:
    """A program that saves events, and is closed or killed."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.saved: list[str] = []
        self.store = NaiveEventStore(str(root), NEVER_MS)

    def save(self, count: int = 10) -> None:
        for _ in range(count):
            name = f"e{len(self.saved)}"
            self.store.save(
                Event(name, "s", 100.0 + 13 * len(self.saved), ["t"], f"content {name}")
            )
            self.saved.append(name)

    def kill(self) -> None:
        """Do what the end of the process does; open the store again before the test ends."""
        end_process(self.store)

    def check(self) -> None:
        """Everything that was saved is there once."""
        found = [event.id for event in self.store.search(0)]
        assert sorted(map(str, found)) == sorted(self.saved)

    def check_again(self) -> None:
        """Open the store twice, and check it each time."""
        for _ in range(2):
            self.store = NaiveEventStore(str(self.root), NEVER_MS)
            self.check()
            self.store.close()


@pytest.fixture
def program(tmp_path: Path) -> Iterator[Program]:
    started = Program(tmp_path / "store")
    yield started
    started.store.close()


def nothing(_program: Program) -> None:
    """Remove it before anything was saved."""


def unsynced(program: Program) -> None:
    program.save()


def synced(program: Program) -> None:
    program.save()
    program.store.sync()


def partly_flushed(program: Program) -> None:
    """Some are flushed, some synced in several segments, some in the last one not even that."""
    program.save()
    program.store._tick()
    program.save()
    program.store.sync()
    program.save()


BEFORE = [nothing, unsynced, synced, partly_flushed]
Before = Callable[[Program], None]


@pytest.mark.parametrize("before", BEFORE)
@pytest.mark.parametrize("removal", REMOVALS)
@pytest.mark.parametrize("saves", [0, 7])
class TestAllRemovals:
    """Each removal, at each moment, and with or without events that are saved after it."""

    @pytest.fixture(autouse=True)
    def removed(self, program: Program, before: Before, removal: Removal, saves: int) -> None:
        before(program)
        if program.saved or removal not in (remove_oldest, remove_newest):
            removal(program.root)
        program.save(saves)

    def test_what_is_shown(self, program: Program) -> None:
        """It is read from the files that have no name any more."""
        program.check()

    def test_close(self, program: Program) -> None:
        """Everything is flushed, as always."""
        program.store.close()
        program.check_again()

    def test_a_kill_after_a_sync(self, program: Program) -> None:
        """Sync does not return before everything is at its path."""
        program.store.sync()
        program.kill()
        program.check_again()

    def test_a_kill_after_a_tick(self, program: Program) -> None:
        """And flushing goes on."""
        program.store._tick()
        assert not program.store._flusher._growths
        program.kill()
        program.check_again()

    def test_a_kill_after_more(self, program: Program) -> None:
        """Later saves, syncs and flushes are as safe as ever."""
        program.store._tick()
        program.save()
        program.store.sync()
        program.save()
        program.kill()
        program.check_again()


@pytest.mark.parametrize("removal", REMOVALS)
def test_during_appends(program: Program, removal: Removal) -> None:
    """However often, while events are saved and synced."""
    done = threading.Event()

    def save() -> None:
        for number in range(300):
            name = f"t{number}"
            try:
                program.store.save(Event(name, "s", 100.0 + number, [], "x" * 100))
                program.saved.append(name)
                if number % 20 == 19:
                    program.store.sync()
            except EventWriteException:
                continue  # the directory was removed at that very moment: it is not acknowledged
        done.set()

    thread = threading.Thread(target=save)
    thread.start()
    while not done.wait(0.01):
        try:
            removal(program.root)
        except (FileNotFoundError, ValueError):
            continue  # it is not there again yet
    thread.join()
    assert len(program.saved) > 100
    program.store.sync()
    program.kill()
    program.check_again()


def test_it_is_told(program: Program, caplog: pytest.LogCaptureFixture) -> None:
    """In the log of the mount, once."""
    caplog.set_level(logging.WARNING)
    program.save()
    remove_journal(program.root)
    program.store.sync()
    program.store.sync()
    text = caplog.text
    assert text.count("was removed while the store is open; made again") == 1
    assert text.count("segments were removed; writing them again") == 1


def test_it_is_durable(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    """With the directories that were made again."""
    program.save(1)
    program.store.sync()
    remove_hidden(program.root)
    synced: list[str] = []
    monkeypatch.setattr(Disk, "sync_directory", lambda _disk, path: synced.append(path))
    program.save(20)  # another segment makes the directory again, and must not sync anything
    assert synced == []
    program.store.sync()
    hidden = program.root / ".theiafs"
    assert synced == [str(hidden / "journal"), str(hidden), str(program.root)]


def test_a_sync_that_cannot_be(program: Program) -> None:
    """It fails, and does so until it can be; nothing is lost meanwhile."""
    program.save()
    program.store.sync()
    remove_hidden(program.root)
    (program.root / ".theiafs").write_text("in the way")
    for _ in range(3):
        with pytest.raises(EventWriteException):
            program.store.sync()
    program.check()
    (program.root / ".theiafs").unlink()
    program.store.sync()
    program.kill()
    program.check_again()


def test_a_store_that_is_removed_is_not_made_again(tmp_path: Path) -> None:
    """Only what is in it: a sync fails."""
    program = Program(tmp_path / "store")
    program.save()
    shutil.rmtree(program.root)
    with pytest.raises(EventWriteException):
        program.store.sync()
    assert not program.root.exists()
    program.kill()


def test_declared_names_and_the_lock(program: Program) -> None:
    """They are made again, too."""
    program.store.declare_tag("declared")
    program.store.declare_tag("also/declared")
    program.store.declare_source("declared too")
    remove_hidden(program.root)
    program.store._tick()
    assert (program.root / ".theiafs" / "lock").read_text().strip().isdigit()
    program.kill()
    program.store = NaiveEventStore(str(program.root), NEVER_MS)
    assert program.store.tags() == {"declared", "also/declared"}
    assert "declared too" in program.store.sources()


@pytest.mark.parametrize("length", [1, 2, 100])
def test_errors_while_it_is_written_again(length: int) -> None:
    """A sync that says success after a removal has made everything durable."""
    outcomes = set()
    for first in range(1, 40):
        disk = FaultyDisk()
        disk.make_directory(DIRECTORY)
        log = log_on(disk)
        records = [record(number) for number in range(20)]
        for each in records[:15]:
            log.append([each])
        log.sync()
        for each in records[15:]:
            log.append([each])
        for name in disk.names(DIRECTORY)[::2]:
            disk.lose(f"{DIRECTORY}/{name}")
        disk.failing = range(disk.operations + first, disk.operations + first + length)
        is_synced = True
        try:
            log.sync()
        except EventWriteException:
            is_synced = False
        disk.failing = range(0)
        if not is_synced:
            log.sync()
        outcomes.add(is_synced)
        assert [each for each in found(disk) if each in records] == records
        for fate in ("dropped", "torn"):
            assert found(disk.after_a_power_cut(Fate(fate, first))) == records
    assert outcomes == {True, False}


def test_segments_that_are_held_open_stay_few(
    disk: FaultyDisk, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However much is not flushed: the more there is, the larger they become."""
    monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 100)
    monkeypatch.setattr("store.wal.segment_list._HELD_MAX", 4)

    def held(count: int) -> int:
        made = FaultyDisk()
        made.make_directory(DIRECTORY)
        log: WriteAheadLog = log_on(made)
        for number in range(count):
            log.append([LogRecord("0-60", number * 10, b"data %05d" % number)])
            log.rotate()
        return len(log._segments.held())

    assert 4 <= held(500) <= held(5000) <= held(500) + 4 * 4
    assert held(5000) < 40


def test_flushed_segments_are_not_held_open(disk: FaultyDisk) -> None:
    """They are kept on the disk, and only there."""
    log = log_on(disk, keep_s=600)
    for number in range(100):
        log.append([record(number)])
    log.sync()
    assert len(log._segments.held()) > 3
    log.release({"0-60": 1000})
    log.sync()
    log.release({})
    assert len(log._segments) > 3
    assert len(log._segments.held()) <= 1


class FullMeanwhile(FaultyDisk):
    """Another thread appends to a full disk, before the call *moment* on a path of the log."""

    moment = ""

    def __init__(self) -> None:
        super().__init__()
        self.then: Callable[[], object] = lambda: None

    def _reach(self, moment: str, path: str) -> None:
        if moment == self.moment and path.startswith(DIRECTORY):
            self.moment = ""
            thread = threading.Thread(target=self.then)
            thread.start()
            thread.join()

    def stat(self, path: str) -> FileStat | None:
        found = super().stat(path)
        self._reach("stat", path)
        return found

    def remake_directory(self, path: str) -> bool:
        self._reach("find", path)
        return super().remake_directory(path)

    def create(self, path: str) -> WritableFile:
        self._reach("create", path)
        return super().create(path)


@pytest.mark.parametrize(
    ("moment", "is_removed"),
    [("find", False), ("find", True), ("stat", False), ("stat", True), ("create", True)],
)
def test_a_full_disk_takes_a_segment_while_lost_ones_are_looked_for(
    moment: str, *, is_removed: bool
) -> None:
    """It was only kept, so it does not come back."""
    disk = FullMeanwhile()
    disk.make_directory(DIRECTORY)
    log = log_on(disk, keep_s=600)
    log.append([record(0)])
    log._segments.current = None
    log.release({"0-60": 10})
    log.sync()
    first = log._segments[0]
    assert first.released is not None
    assert first.source is not None

    def append() -> None:
        disk.error_number = errno.ENOSPC
        disk.failing = range(disk.operations + 1, disk.operations + 2)
        log.append([record(1)])
        assert first not in log._segments

    if is_removed:
        disk.lose(first.path)
    disk.then, disk.moment = append, moment
    log.sync()
    assert not disk.moment
    assert [f"{DIRECTORY}/{name}" for name in disk.names(DIRECTORY)] == [
        each.path for each in log._segments
    ]
    log.sync()
    assert found(disk.after_a_power_cut(Fate("dropped", 0))) == [record(1)]

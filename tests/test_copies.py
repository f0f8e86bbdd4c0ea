"""Copies of a store that is being written, made by the tools for it: they have all that was synced before they began, once."""

import random
import shutil
import subprocess
import threading
from pathlib import Path

from store import Audit, Event, NaiveEventStore
from store.wal.segment import list_segments, segment_path
from tests.minutes import FilesOnDisk
from tests.waiting import eventually

MINUTES = 6


class Writers:
    """Threads that save events in several minutes and sync them, and remember which.

    Attributes:
        tried: all events, by id; those that were not saved yet, too.
        synced: the ids of those that are durable.
    """

    def __init__(self, root: Path, threads: int = 3) -> None:
        self.store = NaiveEventStore(str(root), flush_interval=20)
        self.tried: dict[str, Event] = {}
        self.synced: set[str] = set()
        self._ends = threading.Event()
        self._threads = [
            threading.Thread(target=self._write, args=[number]) for number in range(threads)
        ]
        for each in self._threads:
            each.start()

    def _write(self, number: int) -> None:
        chance = random.Random(number)
        count = 0
        while not self._ends.is_set():
            saved = []
            for _ in range(chance.randrange(1, 20)):
                event_id = f"{number}-{count}"
                count += 1
                time = chance.randrange(MINUTES * 60)
                event = Event(event_id, "s", time, ["t"], f"{event_id} " * chance.randrange(1, 40))
                self.tried[event_id] = event
                self.store.save(event)
                saved.append(event_id)
            self.store.sync()
            self.synced.update(saved)
            self._ends.wait(0.002)

    def wait_for(self, more: int) -> set[str]:
        """Wait until *more* events are durable; return all that are."""
        enough = len(self.synced) + more
        eventually(lambda: len(self.synced) >= enough)
        return self.synced.copy()

    def close(self) -> None:
        self._ends.set()
        for each in self._threads:
            each.join()
        self.store.close()


def run(*command: str | Path) -> None:
    """Run a copying *command*, to which files that vanish or change are no failure."""
    done = subprocess.run(list(map(str, command)), capture_output=True, check=False)
    assert done.returncode in (0, 1, 24), done.stderr


def rsync(source: Path, target: Path) -> None:
    run("rsync", "-a", f"{source}/", target)


def cp(source: Path, target: Path) -> None:
    run("cp", "-a", source, target)


def tar(source: Path, target: Path) -> None:
    archive = target.with_suffix(".tar")
    run("tar", "-C", source, "-cf", archive, ".")
    target.mkdir()
    run("tar", "-C", target, "-xf", archive)


def in_any_order(source: Path, target: Path) -> None:
    """Copy in an order that changes with each call, in pieces, and nothing that was begun after the files were listed."""
    files = [path for path in source.rglob("*") if path.is_file()]
    random.Random(len(files)).shuffle(files)
    for path in files:
        copied = target / path.relative_to(source)
        copied.parent.mkdir(parents=True, exist_ok=True)
        try:
            with path.open("rb") as from_file, copied.open("wb") as to_file:
                shutil.copyfileobj(from_file, to_file, 1 << 10)
        except FileNotFoundError:
            continue


def check(root: Path, writers: Writers, before: set[str]) -> None:
    """Open *root*: it has what was synced *before*, and nothing twice or torn, now and after it was flushed."""
    for _ in range(2):
        store = NaiveEventStore(str(root))
        found = [(str(event.id), event) for event in store.search(0)]
        store.close()
        assert len(found) == len(dict(found)), "doubled"
        assert before <= dict(found).keys(), f"lost: {before - dict(found).keys()}"
        assert all(writers.tried[event_id] == event for event_id, event in found)
        assert [str(finding) for finding in Audit(str(root)).run()] == []


def test_copies_that_are_made_while_writers_write(tmp_path: Path) -> None:
    """Also one that is put in place of another, with inode numbers of it perhaps."""
    writers = Writers(tmp_path / "store")
    made: dict[Path, set[str]] = {}
    try:
        for copy in (rsync, cp, tar, in_any_order, in_any_order):
            before = writers.wait_for(100)
            target = tmp_path / f"copy-{len(made)}"
            copy(tmp_path / "store", target)
            made[target] = before
    finally:
        writers.close()
    restored = tmp_path / "restored"
    for target, before in made.items():
        run("cp", "-a", target, restored)
        check(target, writers, before)
        check(restored, writers, before)
        shutil.rmtree(restored)


def empty(directory: Path) -> None:
    """Remove all that is in *directory*, which stays."""
    for path in directory.iterdir():
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def test_a_copy_that_is_put_back_into_the_same_directory(tmp_path: Path) -> None:
    """All that was flushed while it was copied is there: a log is that of its directory only if it is no copy."""
    source, copied = tmp_path / "source", tmp_path / "copied"
    source.mkdir()
    with FilesOnDisk(str(source)) as files:
        files.write(files.open("0-60"), b"first\n")
        files.flush(files.open("0-60"))
        shutil.copytree(source, copied, ignore=shutil.ignore_patterns("journal"))
        files.write(files.open("0-60"), b"second\n")
        files.write(files.open("60-120"), b"third\n")
        files.log.sync()
        files.flush(*files.files.values())
        shutil.copytree(source / ".theiafs/journal", copied / ".theiafs/journal")
    inode = source.stat().st_ino
    empty(source)
    shutil.copytree(copied, source, dirs_exist_ok=True)
    assert source.stat().st_ino == inode
    with FilesOnDisk(str(source)) as files:
        assert files.content("0-60") == b"first\nsecond\n"
        assert files.content("60-120") == b"third\n"


def test_a_segment_that_is_written_again_is_no_copy(tmp_path: Path) -> None:
    """Unless the one that was removed was: what is said to be flushed then may not be."""
    journal = tmp_path / ".theiafs" / "journal"

    def remove_and_sync(files: FilesOnDisk) -> list[bool]:
        for path in journal.iterdir():
            path.unlink()
        files.log.sync()
        return [each.is_copy for each in list_segments(files.disk, str(journal))]

    with FilesOnDisk(str(tmp_path)) as files:
        files.write(files.open("0-60"), b"first\n")
        assert remove_and_sync(files) == [False]
    path = Path(segment_path(str(journal), 1))
    path.write_bytes(path.rename(tmp_path / "moved").read_bytes())
    with FilesOnDisk(str(tmp_path)) as files:
        assert files.content("0-60") == b"first\n"
        assert remove_and_sync(files) == [True]


def test_format_2_is_read(tmp_path: Path) -> None:
    """Its segments say nothing of their files: they are of their directory, as they were."""
    with FilesOnDisk(str(tmp_path)) as files:
        files.write(files.open("0-60"), b"first\n")
        files.flush(files.open("0-60"))
    path = Path(segment_path(str(tmp_path / ".theiafs" / "journal"), 1))
    line, _, records = path.read_bytes().partition(b"\n")
    words = line.replace(b"journal 3", b"journal 2").split(b" ")
    at = words.index(b"file")
    path.write_bytes(b" ".join([*words[:at], *words[at + 2 :]]) + b"\n" + records)
    (tmp_path / "0-60").unlink()
    with FilesOnDisk(str(tmp_path)) as files:
        assert not files.files


def test_an_event_that_was_deleted_while_a_copy_was_made(tmp_path: Path) -> None:
    """The others of its record, which was copied before that, are there once."""
    source, copied = tmp_path / "source", tmp_path / "copied"
    store = NaiveEventStore(str(source), flush_interval=1e9)
    events = [Event(f"{number}", "s", number, ["t"], f"event {number}") for number in range(5)]
    store.save_all(events)
    store.sync()
    shutil.copytree(source / ".theiafs/journal", copied / ".theiafs/journal")
    store.delete("2")
    shutil.copy2(source / "0-60", copied)
    store.close()
    store = NaiveEventStore(str(copied))
    assert sorted(str(event.id) for event in store.search(0)) == ["0", "1", "2", "3", "4"]
    store.close()


def test_a_copy_onto_an_older_one(tmp_path: Path) -> None:
    """Without --delete, segments of the older one are left: they are void, and make none of the newer one void."""
    source, copied = tmp_path / "source", tmp_path / "copied"
    for number in range(2):
        store = NaiveEventStore(str(source), flush_interval=1e9)
        store.save_all(
            Event(f"{number}-{each}", "s", each, ["t"], "x") for each in range(3 + number)
        )
        if not number:
            store._log._segments.current = None  # the next one is another segment
            store.save(Event("gone", "s", 100, ["t"], "x"))
        store.sync()
        rsync(source, copied)
        if not number:
            store.delete("gone")
        store.close()
    for root in (source, copied):
        store = NaiveEventStore(str(root))
        found = {str(event.id) for event in store.search(0)}
        assert {"1-0", "1-1", "1-2", "1-3"} <= found
        assert "gone" not in found
        store.close()

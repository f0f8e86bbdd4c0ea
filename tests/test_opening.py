"""Opening a store costs what has changed since it was closed, whether that was well or not."""

import gc
import logging
import os
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from store import Event, EventReadException, NaiveEventStore, Query
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine import listing, watcher
from store.engine.watcher import Watcher
from store.filenames import index_path
from store.format.batch import Batch
from store.index.database import Database
from store.index.row import ROW
from store.index.snapshot import read_snapshot
from store.index.summary import checksum_of
from store.index.tables import Tables
from tests.endings import end_process
from tests.test_index import NEVER_MS, events, expected, looks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with a few minutes that was closed in order."""
    store = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    store.save_all(events(0, 60))
    store.close()
    return tmp_path / "store"


def test_opening_after_a_kill_costs_what_has_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of the other minutes are not read one by one: they are in the snapshot of the last end."""
    store = NaiveEventStore(str(root), NEVER_MS)
    store.save_all(events(55, 80))
    store.delete("id30")
    store._flush_all()
    end_process(store)
    wanted = expected(root)

    def refuse(_tables: object) -> None:
        raise AssertionError("the rows of all minutes were read")

    monkeypatch.setattr(Tables, "minutes", refuse)
    for _ in range(2):
        again = NaiveEventStore(str(root), NEVER_MS)
        assert looks(again) == wanted
        assert not again._state.streams.stale
        end_process(again)


@pytest.mark.parametrize("is_killed", [False, True])
@pytest.mark.parametrize("left", [0, 2])
def test_more_files_have_changed_than_are_subtracted(
    root: Path, left: int, is_killed: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """All streams are counted again then, from what is left; also if nothing is, as in a copy of a store."""
    monkeypatch.setattr("store.index.loading._DISCOUNTED_MAX", 2)
    store = NaiveEventStore(str(root), NEVER_MS)
    # Of enough streams that they are not added to the posting lists one by one.
    store.save_all(Event(f"new{n}", f"source{n}", 60 * (n % 3), ["web"]) for n in range(100))
    store._flush_all()
    if is_killed:
        end_process(store)
    else:
        store.close()
    first, *rest = sorted(path for path in root.iterdir() if path.is_file())
    first.unlink()
    for path in rest[: len(rest) - left]:
        os.utime(path)
    with closing(opened(root, Disk())) as store:
        assert looks(store) == expected(root)


def test_a_row_that_has_got_the_name_of_another(root: Path) -> None:
    """A changed minute is put in the place of its row in the snapshot: the index is not used if there is one like it already."""
    store = NaiveEventStore(str(root), NEVER_MS)
    store.save_all(events(55, 80))
    store._flush_all()
    end_process(store)
    with closing(sqlite3.connect(index_path(str(root)))) as index:
        [(minute, packed, summary)] = index.execute(
            "SELECT id, row, summary FROM minutes WHERE id IN (SELECT id FROM former_minutes) LIMIT 1"
        )
        [(other,)] = index.execute(
            "SELECT row FROM minutes WHERE id NOT IN (SELECT id FROM former_minutes) LIMIT 1"
        )
        row, like = np.frombuffer(packed, ROW).copy(), np.frombuffer(other, ROW)
        row["start"], row["end"] = like["start"], like["end"]
        index.execute(
            "UPDATE minutes SET row = ?, checksum = ? WHERE id = ?",
            (row.tobytes(), checksum_of(row.tobytes(), summary), minute),
        )
        index.commit()
    tables = Tables.open_to_read(index_path(str(root)))
    streams = [stream for stream, _ in tables.streams()]
    assert read_snapshot(tables, max(streams) + 1) is None
    tables.close()
    with closing(opened(root, Disk())) as store:
        assert looks(store) == expected(root)


class Unlistable(Disk):
    """A disk whose directories cannot be listed; it says so while the index is read.

    Args:
        is_listing: is set when a directory is listed.
        is_reading: is waited for then.
    """

    def __init__(self, is_listing: threading.Event, is_reading: threading.Event) -> None:
        self._is_listing, self._is_reading = is_listing, is_reading

    def list_inodes(self, directory: str) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        self._is_listing.set()
        assert self._is_reading.wait(10), "the directory is listed before the index is read"
        raise EventReadException(f"cannot list {directory}")


def test_the_index_is_read_while_the_directory_is_listed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """If that fails, the index is closed after it was read."""
    is_listing, is_reading = threading.Event(), threading.Event()
    done: list[str] = []
    snapshot, close = Tables.snapshot, Tables.close

    def read(tables: Tables) -> tuple[bytes, bytes] | None:
        assert is_listing.wait(10), "the index is read before the directory is listed"
        is_reading.set()
        found = snapshot(tables)
        done.append("read")
        return found

    def note_close(tables: Tables) -> None:
        done.append("closed")
        close(tables)

    monkeypatch.setattr(Tables, "snapshot", read)
    monkeypatch.setattr(Tables, "close", note_close)
    with pytest.raises(EventReadException, match="cannot list"):
        NaiveEventStore(str(root), NEVER_MS, Unlistable(is_listing, is_reading))
    assert done == ["read", "closed"]


def test_a_damaged_index_is_closed_before_it_is_removed(root: Path) -> None:
    """Nothing keeps its room on the disk, whenever garbage is collected."""
    with closing(sqlite3.connect(index_path(str(root)))) as index, index:
        index.execute("UPDATE streams SET checksum = checksum + 1")
    gc.collect()
    gc.disable()
    logging.disable()  # pytest keeps the error with the message
    try:
        with closing(NaiveEventStore(str(root), NEVER_MS)):
            links = [path for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
            opened = [os.readlink(path) for path in links]
            assert [each for each in opened if str(root) in each and "(deleted)" in each] == []
    finally:
        logging.disable(logging.NOTSET)
        gc.enable()


class WithoutStamps(Disk):
    """A disk that counts listings of all stamps."""

    def __init__(self) -> None:
        self.listings = 0

    def list_files(self, directory: str) -> Iterator[FileStat]:
        self.listings += not directory.endswith("journal")
        return super().list_files(directory)


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> WithoutStamps:
    """The disk of a store that counts as large however few its files are, and in which only the test looks for changes."""
    monkeypatch.setattr(listing, "_FEW", 0)
    monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
    return WithoutStamps()


def opened(root: Path, disk: Disk) -> NaiveEventStore:
    return NaiveEventStore(str(root), NEVER_MS, disk)


@pytest.mark.parametrize("is_killed", [False, True])
def test_a_large_store_answers_before_all_files_are_compared(
    root: Path, disk: WithoutStamps, is_killed: bool
) -> None:
    """No file needs a stat; then a pass compares them, and the status says so until it has."""
    with closing(opened(root, disk)) as store:
        store.save_all(events(55, 80))
        store._flush_all()
        if is_killed:
            end_process(store)
    wanted, disk.listings = expected(root), 0
    with closing(opened(root, disk)) as store:
        assert looks(store) == wanted
        assert (disk.listings, store.status()["watch"]) == (0, "inotify, a pass is due")
        store._watcher.look()
        assert (disk.listings, store.status()["watch"]) == (1, "inotify")
        assert looks(store) == wanted


def rename_onto(path: Path) -> None:
    """Replace the file at *path*, with the size and the times that it has."""
    status = path.stat()
    path.with_name("new").write_bytes(path.read_bytes().replace(b"content", b"CONTENT"))
    path.with_name("new").rename(path)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


OF_NAMES: dict[str, Callable[[Path], object]] = {
    "replaced": rename_onto,
    "removed": Path.unlink,
    "renamed": lambda path: path.rename(path.with_name("5000-5060")),
    "copied": lambda path: path.with_name("5000-5060").write_bytes(path.read_bytes()),
}


@pytest.mark.parametrize("change", OF_NAMES)
def test_names_and_inode_numbers_that_changed_meanwhile(
    root: Path, disk: WithoutStamps, change: str
) -> None:
    """They show at once."""
    OF_NAMES[change](root / "60-120")
    wanted = expected(root)
    with closing(opened(root, disk)) as store:
        assert looks(store) == wanted
        assert not disk.listings


def test_a_file_that_changed_in_its_place_meanwhile(root: Path, disk: WithoutStamps) -> None:
    """It shows at once to those that open it by its name, and to all after the pass."""
    with (root / "60-120").open("ab") as file:
        file.write(Batch.of([Event("late", "s", 70, ["web"], "late")]).data)
    wanted = expected(root, in_order=False)
    with closing(opened(root, disk)) as store:
        size = (root / "60-120").stat().st_size
        assert store.answer(Query(), "60-120", None).size() == size
    with closing(opened(root, disk)) as store:
        store._watcher.look()
        assert looks(store, in_order=False) == wanted


def test_a_file_that_changed_in_its_place_and_has_a_tail(root: Path, disk: WithoutStamps) -> None:
    """The tail goes to its end, as it is."""
    store = opened(root, disk)
    store.save(Event("tail", "s", 61, ["web"], "tail"))
    end_process(store)
    with (root / "60-120").open("ab") as file:
        file.write(Batch.of([Event("late", "s", 70, ["web"], "late")]).data)
    with closing(opened(root, disk)) as store:
        found = [each.id for each in store.select(Query())]
        assert {"tail", "late"} <= set(found)
        assert len(found) == len(set(found)) == 62
        assert looks(store, in_order=False) == expected(root, in_order=False)


def test_a_minute_that_the_index_missed(
    root: Path, disk: WithoutStamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a kill between a flush and the index, it has another inode number; after a failure, everything is compared."""
    store = opened(root, disk)
    store.save(Event("new", "s", 61, ["web"], "new"))
    with monkeypatch.context() as patch:
        patch.setattr(Database, "save", lambda *_args: None)
        store._flush_all()
    end_process(store)
    wanted = expected(root)
    with closing(opened(root, disk)) as store:
        assert looks(store) == wanted
        assert not disk.listings
    store = opened(root, disk)
    store.save(Event("newer", "s", 61, ["web"], "newer"))
    with monkeypatch.context() as patch:
        patch.setattr(Tables, "save", fail)
        store._flush_all()
    end_process(store)
    wanted = expected(root)
    for listings in (1, 0):
        disk.listings = 0
        with closing(opened(root, disk)) as store:
            assert looks(store) == wanted
            assert disk.listings == listings


def fail(*_args: object) -> None:
    raise sqlite3.OperationalError("disk I/O error")


def test_a_copy_is_compared_whole(root: Path, disk: WithoutStamps, tmp_path: Path) -> None:
    """Its files have inode numbers of their own, which may be those of other files of the original."""
    opened(root, disk).close()
    shutil.copytree(root, tmp_path / "copy")
    disk.listings = 0
    with closing(opened(tmp_path / "copy", disk)) as store:
        assert looks(store) == expected(tmp_path / "copy")
        assert disk.listings == 1


def test_a_pass_that_is_under_way_ends_with_the_store(
    root: Path, disk: WithoutStamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Closing a large store does not wait until all of its files are compared."""
    begun = threading.Event()

    def endless(_disk: Disk, _directory: str) -> Iterator[FileStat]:
        begun.set()
        while True:
            yield FileStat("none", 0, 0, 0, 0)

    store = opened(root, disk)
    monkeypatch.setattr(WithoutStamps, "list_files", endless)
    looking = store._watcher._thread = threading.Thread(target=store._watcher.look)
    looking.start()
    assert begun.wait(20)
    store.close()
    assert not looking.is_alive()


def test_no_pass_begins_once_the_store_is_closed(root: Path, disk: WithoutStamps) -> None:
    """Not even where a file with a tail was changed, which is compared before the last flush."""
    store = opened(root, disk)
    store.save(Event("tail", "s", 61, ["web"], "tail"))
    with (root / "60-120").open("ab") as file:
        file.write(Batch.of([Event("late", "s", 70, ["web"], "late")]).data)
    disk.listings = 0
    store.close()
    assert disk.listings == 0


def test_a_pass_leaves_time_to_others(
    root: Path, disk: WithoutStamps, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It rests between files after the store was opened; when reports are lost, it does not, and listings compare each file."""
    monkeypatch.setattr(watcher, "_FILES_AT_ONCE", 1)
    with closing(opened(root, disk)) as store:
        looking, rests = store._watcher, list[float]()
        monkeypatch.setattr(looking._cancelled, "wait", rests.append)
        assert looking.hears_all
        looking.look()
        assert len(rests) == len(list(Disk().list_files(str(root))))
        rests.clear()
        assert looking._watch is not None
        reports = iter([None])
        told: list[bool] = []

        def lost() -> set[str] | None:
            told.append(looking.hears_all)
            return next(reports, set())

        monkeypatch.setattr(looking._watch, "changes", lost)
        looking.look()
        assert told == [True, False]
        assert not rests
        assert looking.hears_all
        assert disk.listings == 2


def test_a_pass_that_rests_holds_up_no_flush(root: Path, disk: WithoutStamps) -> None:
    """It is left to the watcher's thread, so that the one that syncs and flushes every second goes on."""
    with closing(opened(root, disk)) as store:
        store.save(Event("new", "s", 61, ["web"], "new"))
        store._watcher._thread = threading.Thread()  # it is at something else
        disk.listings = 0
        store._tick()
        assert (disk.listings, store.status()["watch"]) == (0, "inotify, a pass is due")
        store._watcher._thread = None
        store._tick()
        assert (disk.listings, store.status()["watch"]) == (1, "inotify")

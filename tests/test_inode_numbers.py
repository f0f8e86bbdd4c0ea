"""An inode number stands for what we wrote, however often it is given to another file of the same name."""

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from store import Event, NaiveEventStore, Query
from store.disk.dirents import DT_REG, Dirents
from store.disk.disk import Disk
from store.disk.file import FileStat
from store.engine import listing
from store.engine.watcher import Watcher
from store.format.batch import Batch
from store.index import stamp
from store.index.database import Database
from store.index.listing import differences, list_stamps
from tests.endings import end_process
from tests.test_index import NEVER_MS, events, expected, looks

MINUTE = "60-120"


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store with a few minutes that was closed in order, of a kind whose files are not compared whole when it is opened."""
    monkeypatch.setattr(listing, "_FEW", 0)
    monkeypatch.setattr(stamp, "_RECENT_NS", 0)
    monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
    store = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    store.save_all(events(0, 60))
    store.close()
    return tmp_path / "store"


def opened(root: Path, disk: Disk | None = None) -> NaiveEventStore:
    return NaiveEventStore(str(root), NEVER_MS, disk)


def event(name: str) -> Event:
    return Event(name, "s", 61, ["web"], name)


def check(root: Path) -> None:
    """Check what the next process shows before it has made a pass."""
    wanted = expected(root, in_order=False)
    with closing(opened(root)) as store:
        assert store.status()["watch"] == "inotify, a pass is due"
        assert looks(store, in_order=False) == wanted


@pytest.mark.parametrize("is_killed", [True, False])
def test_a_minute_that_ended_in_an_unfinished_record(root: Path, is_killed: bool) -> None:
    """Its row is not saved after that, so it is deleted."""
    with (root / MINUTE).open("ab") as file:
        file.write(b"unfinished")
    with closing(opened(root)) as store:
        store._watcher.look()
    numbers = [(root / MINUTE).stat().st_ino]
    store = opened(root)
    for number in range(2):
        store.save(event(f"new{number}"))
        store._flush_all()
        numbers.append((root / MINUTE).stat().st_ino)
    (end_process if is_killed else NaiveEventStore.close)(store)
    check(root)


def test_a_file_that_was_replaced_while_its_minute_had_a_tail(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The number that it had is free, and the next flush may get it."""
    store = opened(root)
    store.save(event("tail"))
    (root / "new").write_bytes((root / MINUTE).read_bytes() + Batch.of([event("other")]).data)
    (root / "new").rename(root / MINUTE)
    store._watcher.look()
    with monkeypatch.context() as patch:
        patch.setattr(Database, "save", lambda *_args: None)
        store._flush_all()
    end_process(store)
    check(root)


def test_an_index_that_is_locked_while_the_store_is_opened(root: Path) -> None:
    """It lacks what was scanned then, and is not complete until all files were compared."""
    mark = root / ".theiafs" / "index.sqlite-complete"
    assert mark.exists()
    (root / "5000-5060").write_bytes((root / MINUTE).read_bytes())
    with sqlite3.connect(root / ".theiafs" / "index.sqlite") as other:
        other.execute("BEGIN IMMEDIATE")
        store = opened(root)
        assert not mark.exists()
        other.rollback()
    store.save(event("new"))
    store._flush_all()
    assert not mark.exists()
    store.close()
    opened(root).close()
    assert mark.exists()
    check(root)


def test_numbers_that_need_64_bits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are kept in 63, the same from a listing and from a stat."""
    large = (1 << 63) + 5
    listed = Dirents(
        np.array([MINUTE], np.bytes_), np.array([large], np.uint64), np.array([DT_REG], np.uint8)
    )
    monkeypatch.setattr("store.disk.disk.read_dirents", lambda _directory: [listed])
    ((names, inodes),) = Disk().list_inodes(str(tmp_path))
    assert (names.tolist(), inodes.tolist()) == ([MINUTE.encode()], [5])


class OtherNumbers(Disk):
    """A disk whose directories have other inode numbers than their files, as those of some file systems do."""

    def __init__(self) -> None:
        self.listings = 0

    def list_inodes(self, directory: str) -> Iterator[tuple[NDArray[np.bytes_], NDArray[np.int64]]]:
        return ((names, inodes + 1) for names, inodes in super().list_inodes(directory))

    def list_files(self, directory: str) -> Iterator[FileStat]:
        self.listings += not directory.endswith("journal")
        return super().list_files(directory)


def test_directories_with_other_numbers_than_their_files(root: Path) -> None:
    """All files are compared when the store is opened, and none is scanned for it."""
    disk, wanted = OtherNumbers(), expected(root)
    with closing(opened(root, disk)) as store:
        assert (disk.listings, store.status()["watch"]) == (1, "inotify")
        assert looks(store) == wanted


def test_a_name_that_is_listed_twice() -> None:
    """A file system may do that to a name that is replaced meanwhile: it is compared once, and not new."""
    columns = np.dtype([(each, np.int64) for each in ("id", "start", "end", *listing_columns())])
    known = np.array([(7, 60, 120, 1, 2, 3, 4)], columns)
    files = [FileStat("60-120", 1, 2, 3, 4), FileStat("60-120", 1, 2, 3, 5)]
    for both in (files, files * 2):
        found = differences(known, list_stamps(both))
        assert (found.gone, found.changed, found.new) == ([], [], [])
    assert differences(known[:0], list_stamps(files)).new == ["60-120"]


def listing_columns() -> tuple[str, ...]:
    names = list_stamps([]).dtype.names
    assert names is not None
    return names[2:]


def test_a_stream_that_was_forgotten_at_the_end(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The snapshot knows more streams than there are; what has changed is subtracted all the same."""
    with closing(opened(root)) as store:
        store.save(Event("last", "z", 61, ["z"], ""))
    store = opened(root)
    store.delete("last")
    end_process(store)
    wanted = expected(root)

    def refuse(_tables: object) -> None:
        raise AssertionError("the rows of all minutes were read")

    monkeypatch.setattr("store.index.tables.Tables.minutes", refuse)
    with closing(opened(root)) as store:
        assert looks(store) == wanted
        assert store.whole(Query()).events == 60

"""Real file systems that are full: the store opens, serves everything, and minutes can be removed."""

import contextlib
import os
import shutil
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore, Opening, Query, StoreFull, open_store
from store.filenames import index_path, lock_path
from tests.endings import end_process
from tests.small_disks import SmallDisk, small_disk
from tests.survivors import NEVER_MS
from tests.waiting import eventually


@pytest.fixture(params=["tmpfs", "ext4"])
def disk(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[SmallDisk]:
    with small_disk(request.param, tmp_path) as made:
        yield made


def opened(disk: SmallDisk) -> NaiveEventStore:
    return NaiveEventStore(str(disk.path / "events"), NEVER_MS)


def ids(store: NaiveEventStore) -> list[object]:
    return [event.id for event in store.search(0)]


def left_by_a_kill(disk: SmallDisk) -> list[object]:
    """Leave a store whose process was killed on a full disk: the ids of ten minutes, of which the last is in the log alone."""
    store = opened(disk)
    for number in range(9):
        store.save(Event(f"{number}", "s", 100.0 * number, ["t"], "content"))
    store._flush_all()
    store.save(Event("9", "s", 900.0, ["t"], "content"))
    end_process(store)
    disk.fill()
    return [f"{number}" for number in range(10)]


@pytest.mark.parametrize("has_lock_file", [True, False])
def test_a_store_opens(disk: SmallDisk, has_lock_file: bool) -> None:
    """Everything is there, nothing new is taken until there is room, and what others remove is gone."""
    expected = left_by_a_kill(disk)
    for number in range(3):
        if not has_lock_file:
            os.unlink(lock_path(str(disk.path / "events")))
            disk.fill()
        store = opened(disk)
        assert ids(store) == expected
        with pytest.raises(StoreFull):
            store.save(Event("refused", "s", 2000.0, ["t"], "x" * 8192))
        os.unlink(disk.path / "events" / f"{number * 100}-{number * 100 + 60}")
        disk.fill()
        store._watcher.look()
        del expected[0]
        assert ids(store) == expected
        end_process(store)
    disk.make_room()
    store = opened(disk)
    store.save(Event("new", "s", 2000.0, ["t"], "x" * 8192))
    assert ids(store) == [*expected, "new"]
    store.close()


def test_a_minute_can_be_removed(disk: SmallDisk) -> None:
    """Each that has a file, and it stays removed: so there is a way to make room through the mount."""
    expected = left_by_a_kill(disk)
    for number in range(9):
        store = opened(disk)
        store.remove_minute(f"{number * 100}-{number * 100 + 60}")
        del expected[0]
        assert ids(store) == expected
        end_process(store)
        disk.fill()
        store = opened(disk)
        assert ids(store) == expected
        end_process(store)
    disk.make_room()
    store = opened(disk)
    store.remove_minute("900-960")
    assert not ids(store)
    store.close()


def test_room_that_removals_make(disk: SmallDisk) -> None:
    """They are noted in the log with it: a copy of the store does not get the minutes back."""
    expected = left_by_a_kill(disk)
    store = opened(disk)
    assert store.remove_minutes(f"{number * 100}-{number * 100 + 60}" for number in range(8)) == 8
    end_process(store)
    copy = disk.path / "copy"
    disk.make_room()
    shutil.copytree(disk.path / "events", copy)
    copied = NaiveEventStore(str(copy), NEVER_MS)
    assert ids(copied) == expected[8:]
    copied.close()


# Each prints the number of events.
READER = """
from store import Opening, Query, open_store
print(open_store(sys.argv[1], Opening(is_read_only=True)).whole(Query()).events)
"""
WRITER = """
from store import Opening, Query, open_store
print(open_store(sys.argv[1], Opening(flush_interval_ms=math.inf)).whole(Query()).events)
"""
PAGES = """
from store.disk.disk import Disk
mapped = Disk().map_unnamed(sys.argv[1], 256 << 10)
with open(os.path.dirname(sys.argv[1]) + "/filler", "ab", buffering=0) as file:
    while True:
        try:
            file.write(bytes(1024))
            os.fsync(file.fileno())
        except OSError:
            break
mapped[:] = b"x" * len(mapped)
mapped.flush()
print(len(mapped))
"""


def output_of(script: str, disk: SmallDisk) -> str:
    """Run *script* in a process of its own, which a page without room would end, and return what it prints."""
    command = [
        sys.executable,
        "-c",
        f"import math, os, sys\n{script}\nsys.stdout.flush(); os._exit(0)",
    ]
    return subprocess.run(
        [*command, str(disk.path / "events")], check=True, capture_output=True, text=True
    ).stdout.strip()


def test_no_process_ends_when_the_disk_is_nearly_full(tmp_path: Path) -> None:
    """Not even where the index is in the mode in which SQLite shares memory, because it was copied from another disk.

    Of a page in shared memory, SQLite writes one byte to the file, which is one block of four here; to touch the others while there
    is no room for them ends the process.
    """
    with small_disk("ext4", tmp_path) as disk:
        store = opened(disk)
        store.save_all(Event(f"{n}", "s", 60.0 * n, ["t"], "content") for n in range(200))
        store._flush_all()
        end_process(store)
        index = Path(index_path(store.root_dir))
        with contextlib.closing(sqlite3.connect(index)) as connection:
            assert connection.execute("PRAGMA journal_mode = WAL").fetchone() == ("wal",)
        copied = index.read_bytes()
        for free in range(4, 16):
            for script in (READER, WRITER):
                for each in index.parent.glob(f"{index.name}*"):
                    each.unlink()
                index.write_bytes(copied)
                disk.fill(free << 10)
                assert output_of(script, disk) == "200"
                disk.make_room()


def test_pages_of_memory_keep_their_room(disk: SmallDisk) -> None:
    """They are written to long after they were made, when the disk may be full."""
    opened(disk).close()
    assert output_of(PAGES, disk) == str(256 << 10)


def test_the_index_of_a_small_disk_is_shared(disk: SmallDisk) -> None:
    """A process that only reads uses it while another one writes."""
    store = opened(disk)
    store.save_all(Event(f"{n}", "s", 60.0 * n, ["t"], "content") for n in range(20))
    store._flush_all()
    with contextlib.closing(open_store(store.root_dir, Opening(is_read_only=True))) as reader:
        assert reader.status()["index"] == "of the writing process, and in memory"
        store.save(Event("new", "s", 60.0, ["t"], "content"))
        store._flush_all()
        eventually(lambda: reader.whole(Query()).events == 21)
    store.close()

"""Real file systems that are full: the store opens, serves everything, and minutes can be removed."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore, StoreFull
from store.filenames import lock_path
from tests.endings import end_process
from tests.small_disks import SmallDisk, small_disk
from tests.survivors import NEVER_MS


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

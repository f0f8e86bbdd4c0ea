"""The status: stable keys, true numbers, and cheap however much there is."""

import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, EventStore, NaiveEventStore, Opening, open_store
from tests.counting import Cost, assert_constant, cost_of
from tests.doubles import ListStore
from theiafs.config import Settings, parse_options
from theiafs.doors import Doors
from theiafs.operations import Operations
from theiafs.tree import Tree

NEVER_MS = 1e9
MOUNT_KEYS = [
    "version", "process", "mounted_since", "fuse", "options", "time_zone", "open_files", "errors", "errors_only_counted",
]  # fmt: skip
STORE_KEYS = [
    "store", "lock_holder", "events", "bytes", "damaged_bytes", "minutes", "streams", "memory_budget_bytes",
    "memory_used_bytes", "memory_paged_bytes", "index", "watch", "disk_free_bytes",
]  # fmt: skip
WRITER_KEYS = [
    "unflushed_minutes", "unflushed_events", "unflushed_bytes", "last_flush", "log_bytes", "log_kept_bytes", "log_window_s",
]  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), NEVER_MS)
    yield opened
    opened.close()


def save(store: EventStore, count: int, start: float = 0, tag: str = "t") -> None:
    events = [Event(f"{tag}{start}-{n}", "s", start + n, [tag], "x") for n in range(count)]
    store.save_all(events)


def read_status(store: EventStore) -> dict[str, str]:
    data = Tree(store, Doors(1 << 20)).open("/status", to_write=False).read(0, 1 << 20)
    assert re.fullmatch(rb"([a-z_]+: [^\n]+\n)+", data)
    return dict(line.split(": ", 1) for line in data.decode().splitlines())


def test_its_keys_are_stable(store: NaiveEventStore) -> None:
    """Programs rely on them; a store that is only read has nothing to flush."""
    assert list(read_status(store)) == [*STORE_KEYS, *WRITER_KEYS]
    follower = open_store(store.root_dir, Opening(is_read_only=True))
    assert list(read_status(follower)) == STORE_KEYS
    follower.close()
    assert list(read_status(ListStore())) == ["events", "bytes"]
    operations = Operations(store, Settings(), lambda: None)
    opened = operations.open("/status", os.O_RDONLY, os.getpid())
    assert opened.is_direct
    keys = [
        line.split(":")[0] for line in operations.read(opened.number, 4096, 0).decode().splitlines()
    ]
    assert keys == [*MOUNT_KEYS, *STORE_KEYS, *WRITER_KEYS]


@pytest.mark.parametrize("zone", ["UTC", "Europe/Berlin"])
def test_its_time_zone_is_that_of_the_mount(store: NaiveEventStore, zone: str) -> None:
    operations = Operations(store, parse_options(f"tz={zone}"), lambda: None)
    opened = operations.open("/status", os.O_RDONLY, os.getpid())
    assert f"\ntime_zone: {zone}\n" in operations.read(opened.number, 4096, 0).decode()


def test_what_is_not_flushed(store: NaiveEventStore) -> None:
    """It is counted while it is in the log only, and after a restart."""
    assert read_status(store)["last_flush"] == "none yet"
    save(store, 100)
    store.save(Event("one", "s", 5, ["t"], "x"))
    status = read_status(store)
    assert status["events"] == status["unflushed_events"] == "101"
    assert status["bytes"] == status["unflushed_bytes"]
    assert status["minutes"] == status["unflushed_minutes"] == "2"
    assert int(status["log_bytes"]) > int(status["bytes"])
    store._flush_all()
    status = read_status(store)
    assert [status[f"unflushed_{each}"] for each in ("minutes", "events", "bytes")] == ["0"] * 3
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", status["last_flush"])
    save(store, 3, start=10, tag="u")
    assert read_status(store)["unflushed_events"] == "3"
    assert read_status(store)["streams"] == "2"
    store._log.sync()
    store._flusher.flush()
    assert read_status(store)["unflushed_bytes"] == "0"


def test_what_arrives_during_a_flush_is_not_flushed(
    store: NaiveEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rest of the minute is counted still."""
    save(store, 10)
    commit = store._disk.rename

    def save_more(*paths: str) -> None:
        monkeypatch.undo()
        save(store, 4, start=20, tag="late")
        commit(*paths)

    for name in ("rename", "rename_noreplace"):
        monkeypatch.setattr(store._disk, name, save_more)
    store._flusher.flush()
    status = read_status(store)
    size = sum(path.stat().st_size for path in Path(store.root_dir).glob("*-*"))
    assert status["unflushed_events"] == "4"
    assert int(status["unflushed_bytes"]) == int(status["bytes"]) - size


def test_the_lock_and_the_changes_of_others(
    store: NaiveEventStore, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """The process that writes the store, and how it is watched."""
    save(store, 1)
    status = read_status(store)
    assert status["lock_holder"] == f"process {os.getpid()}"
    assert status["watch"] == "inotify"
    assert status["index"] == "in use"
    store._watcher._watch, watch = None, store._watcher._watch
    assert read_status(store)["watch"] == "passes of stat"
    store._watcher._watch = watch
    other = NaiveEventStore(str(tmp_path_factory.mktemp("other")), NEVER_MS)
    other.close()
    follower = open_store(other.root_dir, Opening(is_read_only=True))
    assert read_status(follower)["lock_holder"] == "none"
    follower.close()


def test_a_name_does_not_forge_a_line(tmp_path: Path) -> None:
    """Nor does it steer a terminal."""
    opened = NaiveEventStore(str(tmp_path / "a\nevents: 9\x1b[2J"), NEVER_MS)
    status = read_status(opened)
    assert status["store"].endswith(r"a\nevents: 9\x1b[2J")
    assert status["events"] == "0"
    opened.close()


def test_its_options_can_be_given_again() -> None:
    """They say all of how it is mounted."""
    text = "uid=1,gid=2,umask=077,flush=5,max_event=64K,memory=1M,log_keep=2M,sync,ro,allow_other"
    settings = parse_options(text)
    assert parse_options(settings.options) == settings
    assert "max_event=65536" in settings.options


def test_reading_it_costs_the_same_however_much_there_is(tmp_path: Path) -> None:
    """Every second: no minute file is opened, and what grows is summed up by numpy."""
    directories = map(str, itertools.count())

    def measure(minutes: int) -> Cost:
        store = NaiveEventStore(str(tmp_path / next(directories)), NEVER_MS)
        for minute in range(minutes):
            store.save(Event(f"{minute}", f"s{minute}", minute * 60, ["t"], "x"))
        store._flush_all()
        store._watcher.stop()  # it compares in its own time what was just flushed
        for minute in range(minutes):
            store.save(Event(f"u{minute}", f"s{minute}", minute * 60 + 1, ["t"], "x"))
        read_status(store)
        cost = cost_of(lambda: read_status(store))
        store.close()
        return cost

    assert_constant(measure, 100)
    assert measure(10)["read bytes"] < 100

"""``theiafs copy`` and mounts: from what a mount has flushed, and into a store through its mount."""

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from store import Event, NaiveEventStore, Query, Turn
from tests.contract_answers import mixed_events
from tests.copying import records_at, records_in
from tests.mount.conftest import Mount, theiafs
from tests.waiting import eventually


def test_a_mounted_store_is_copied(mounted: Mount, tmp_path: Path) -> None:
    """By its directory or by its mountpoint; what is flushed, while it goes on being written."""
    destination = tmp_path / "copied"
    (mounted.path / "by-tag/new").mkdir()
    for number, source in enumerate((mounted.path, mounted.store_path, mounted.path)):
        with (mounted.path / "by-tag/new/ingest").open("ab") as ingest:
            ingest.write(b"one\ntwo\n\xff\xfe\0\n")

        def has_all(source: Path = source, wanted: int = 3 * (number + 1)) -> bool:
            theiafs("copy", source, destination)
            return sum(records_at(destination).values()) == wanted

        eventually(has_all)
    with closing(NaiveEventStore(str(destination))) as store:
        found = sorted(mounted.events().split(b"event: "))
        assert sorted(store.answer(Query()).read(0, 1 << 20).split(b"event: ")) == found


def test_a_copy_into_a_mounted_store_goes_through_its_mount(
    make_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    """It shows there at once; a second copy compares everything, and adds nothing."""
    source = tmp_path / "source"
    with closing(NaiveEventStore(str(source), 1e9)) as store:
        store.save_all(mixed_events(0))
        wanted = records_in(store)
    mount = make_mount()
    for destination, text in [
        (mount.store_path, "200 events copied"),
        (mount.path, "0 events copied (0 bytes), 200 there already"),
    ]:
        done = theiafs("copy", source, destination)
        assert done.stdout.startswith(f"{destination}: {text}")
        assert (mount.path / "count").read_bytes() == b"200\n"
    with closing(NaiveEventStore(str(source), 1e9)) as store:
        store.save(Event("001", "s", 1, [], "again"))
        wanted = records_in(store)
    assert "1 event copied" in theiafs("copy", source, mount.path).stdout
    mount.umount()
    assert records_at(mount.store_path) == wanted


def test_a_copy_into_a_mount_waits_for_its_turn(
    make_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    """An import, or another copy, may be adding what it would find missing."""
    source = tmp_path / "source"
    with closing(NaiveEventStore(str(source), 1e9)) as store:
        store.save_all(mixed_events(0))
    mount = make_mount()
    turn = Turn(str(mount.path), lambda _process: None)
    with subprocess.Popen(
        [sys.executable, "-m", "theiafs", "copy", source, mount.path],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        assert f"until process {os.getpid()} has imported" in process.stderr.readline()
        turn.close()
        assert "200 events copied" in process.stdout.read()
    assert process.returncode == 0


def test_what_is_refused(make_mount: Callable[..., Mount], tmp_path: Path) -> None:
    """A mount that cannot be appended to, or that of the source."""
    source = tmp_path / "source"
    with closing(NaiveEventStore(str(source), 1e9)) as store:
        store.save_all(mixed_events(0))
    mount = make_mount()
    for given, wanted in [
        ((mount.path, mount.store_path), "are one store"),
        ((source, mount.path / "by-tag"), "within a mount"),
    ]:
        done = theiafs("copy", *given, check=False)
        assert done.returncode == 1
        assert wanted in done.stderr
    mount.umount()
    theiafs("mount", mount.store_path, mount.path, "-o", f"ro,log={mount.log_path}")
    done = theiafs("copy", source, mount.path, check=False)
    assert done.returncode == 1
    assert "is mounted read-only" in done.stderr

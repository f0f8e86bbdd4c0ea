"""A mount whose process has ended is found out, and the next mount takes its place."""

import os
import signal
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store import backend_of
from store.disk.disk import Disk
from store.filenames import lock_path
from tests.mount.conftest import Mount, is_mounted
from tests.waiting import eventually
from theiafs import cli
from theiafs.unmounting import is_stale


@pytest.mark.parametrize("unmounts_first", [False, True])
def test_a_stale_mount_is_cleared(make_mount: Callable[..., Mount], unmounts_first: bool) -> None:
    """After its process was killed, the next mount on the same place removes what is left, as umount does."""
    mount = make_mount()
    mount.shell("echo before >> ingest")
    eventually(
        lambda: (
            b"before" in b"".join(path.read_bytes() for path in mount.store_path.glob("[0-9]*-*"))
        )
    )
    process_id = mount.process_id
    os.kill(process_id, signal.SIGKILL)
    eventually(lambda: not os.path.exists(f"/proc/{process_id}"))
    with pytest.raises(OSError, match="not connected"):
        os.listdir(mount.path)
    if unmounts_first:
        mount.umount()
    mount.mount()
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    assert sum(line.split(" ")[1] == str(mount.path) for line in mounts) == 1
    assert mount.contents() == [b"before"]


def test_a_mount_whose_process_ends_while_it_is_asked_is_stale(
    make_mount: Callable[..., Mount],
) -> None:
    """The kernel ends a request that waits with another error than those that come later."""
    mount = make_mount()
    process_id = mount.process_id
    os.kill(process_id, signal.SIGSTOP)
    with ThreadPoolExecutor(1) as asking:
        found = asking.submit(is_stale, str(mount.path))
        eventually(is_waiting_for_a_mount)
        os.kill(process_id, signal.SIGKILL)
        assert found.result()
    mount.mount()
    assert mount.events("count") == b"0\n"


def test_an_import_says_how_to_remove_a_stale_mount(
    make_mount: Callable[..., Mount], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whichever of the mount and its store it was given."""
    mount = make_mount()
    os.kill(mount.process_id, signal.SIGKILL)
    eventually(lambda: is_stale(str(mount.path)))
    log = tmp_path / "app.log"
    log.write_text("2026-01-01T00:00:00Z web: ready\n")
    for address in (mount.path, mount.store_path):
        assert cli.main(["import", str(address), str(log)]) == 1
        assert f"run theiafs umount {mount.path}" in capsys.readouterr().err
    mount.umount()
    assert cli.main(["import", str(mount.store_path), str(log)]) == 0


def test_a_process_that_has_the_store_for_another_moment_is_waited_for(
    make_mount: Callable[..., Mount],
) -> None:
    """The kernel ends the mount of a process that was killed before it closes all of its files."""
    mount = make_mount()
    os.kill(mount.process_id, signal.SIGKILL)
    store = str(mount.store_path)
    backend_of(store).wait_until_closed()
    lock = Disk().lock_store(store, lock_path(store))
    with ThreadPoolExecutor(1) as mounting:
        mounted = mounting.submit(mount.mount)
        eventually(lambda: not is_mounted(mount.path))
        lock.close()
        mounted.result()
    assert mount.events("count") == b"0\n"


def is_waiting_for_a_mount() -> bool:
    """Return whether a thread of this process waits for the answer of a filesystem."""
    tasks = Path("/proc/self/task").glob("*/wchan")
    return any(task.read_text() == "request_wait_answer" for task in tasks)

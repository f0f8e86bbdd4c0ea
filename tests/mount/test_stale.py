"""A mount whose process has ended is found out, and the next mount takes its place."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from store import backend_of
from store.disk.disk import Disk
from store.filenames import lock_path
from tests.mount.conftest import COMMAND_LINE, ENVIRONMENT, NO_LOG, Mount, theiafs
from tests.stopping import stop_process
from tests.waiting import eventually
from theiafs import cli
from theiafs.errors import MountError
from theiafs.mountpoint import BareDirectory
from theiafs.unmounting import is_stale


@pytest.mark.parametrize("unmounts_first", [False, True])
def test_a_stale_mount_is_cleared(make_mount: Callable[..., Mount], unmounts_first: bool) -> None:
    """After its process was killed, the next mount on the same place removes what is left, as umount does, also if it is in use."""
    mount = make_mount()
    mount.shell("echo before >> ingest")
    eventually(
        lambda: (
            b"before" in b"".join(path.read_bytes() for path in mount.store_path.glob("[0-9]*-*"))
        )
    )
    process_id = mount.process_id
    with (mount.path / "ingest").open("a"):
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


def test_a_stale_mount_stays_until_the_next_one_is_ready(make_mount: Callable[..., Mount]) -> None:
    """A program that tries again and again creates no file in the directory while the store is opened."""
    mount = make_mount()
    os.kill(mount.process_id, signal.SIGKILL)
    eventually(lambda: is_stale(str(mount.path)))
    other = make_mount(name="other")
    done = theiafs("mount", other.store_path, mount.path, check=False)
    assert "is in use" in done.stderr
    assert is_stale(str(mount.path)), "the directory was bare while the store was opened"
    mount.mount()
    assert mount.events("count") == b"0\n"


def test_what_is_written_in_the_bare_directory_is_reported(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """A file that is created in the moment before the mount is hidden by it, and the log names it."""
    BareDirectory(str(tmp_path)).close()
    assert not caplog.messages
    bare = BareDirectory(str(tmp_path))
    for number in range(7):
        (tmp_path / f"ingest.{number}").touch()
    bare.close()
    (message,) = caplog.messages
    assert (
        "hidden now: 'ingest.0', 'ingest.1', 'ingest.2', 'ingest.3', 'ingest.4' and 2 more"
        in message
    )
    assert str(tmp_path) in message
    with pytest.raises(MountError, match="not empty"):
        BareDirectory(str(tmp_path))


def test_a_program_that_writes_all_the_time_hinders_no_mount(
    make_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    """Whatever it creates in the moment between two mounts is named in the log."""
    mount = make_mount()
    mount.umount()
    script = f"while :; do echo x >> {mount.path}/ingest; done 2> {tmp_path}/said"
    for _ in range(4):
        mount.log_path.write_text("")
        mount.mount()
        os.kill(mount.process_id, signal.SIGKILL)
        eventually(lambda: is_stale(str(mount.path)))
        with subprocess.Popen(["bash", "-c", f"exec 2>&-; {script}"]) as writer:
            mount.mount()
            writer.kill()
        mount.umount()
        hidden = os.listdir(mount.path)
        assert ("hidden now: 'ingest'" in mount.log()) == (hidden == ["ingest"])
        for name in hidden:
            (mount.path / name).unlink()


def test_a_mount_whose_process_ends_while_it_is_asked_is_stale(
    make_mount: Callable[..., Mount],
) -> None:
    """The kernel ends a request that waits with another error than those that come later."""
    mount = make_mount()
    process_id = mount.process_id
    stop_process(process_id)
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
    command = [sys.executable, *COMMAND_LINE, "mount", *NO_LOG, store, str(mount.path)]
    with subprocess.Popen(command, env=ENVIRONMENT, stderr=subprocess.PIPE) as mounting:
        assert mounting.stderr is not None
        assert b"is replaced" in mounting.stderr.readline()
        eventually(lambda: "futex" in Path(f"/proc/{mounting.pid}/wchan").read_text())
        lock.close()
        assert mounting.wait(60) == 0
    assert mount.events("count") == b"0\n"


def is_waiting_for_a_mount() -> bool:
    """Return whether a thread of this process waits for the answer of a filesystem."""
    tasks = Path("/proc/self/task").glob("*/wchan")
    return any(task.read_text() == "request_wait_answer" for task in tasks)

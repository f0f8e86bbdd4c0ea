"""The command line says in one line what is wrong, and leaves nothing behind."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from store import NaiveEventStore, wait_until_closed
from tests.mount.conftest import ENVIRONMENT, Mount, is_mounted, theiafs
from tests.waiting import eventually
from theiafs import __version__


def refused(*arguments: str | Path, **options: object) -> str:
    """The one line on stderr of a command that must fail."""
    done = theiafs(*arguments, check=False, **options)
    assert done.returncode == 1
    assert done.stdout == ""
    assert done.stderr.count("\n") == 1, done.stderr
    return done.stderr


def is_running(process_id: int) -> bool:
    return os.path.exists(f"/proc/{process_id}")


@pytest.fixture
def mountpoint(tmp_path: Path) -> Path:
    path = tmp_path / "mnt"
    path.mkdir()
    return path


def test_version() -> None:
    """It is the package's."""
    assert theiafs("--version").stdout == f"theiafs {__version__}\n"


def test_a_mountpoint_that_is_none(tmp_path: Path, mountpoint: Path) -> None:
    """Missing, a file, or not empty."""
    store = tmp_path / "events"
    assert "does not exist" in refused("mount", store, tmp_path / "missing")
    file = tmp_path / "file"
    file.touch()
    assert "is not a directory" in refused("mount", store, file)
    (mountpoint / "file").touch()
    assert "is not empty" in refused("mount", store, mountpoint)
    assert not store.exists()


def test_a_store_that_is_none(tmp_path: Path, mountpoint: Path) -> None:
    """A file, or a directory this user may not write."""
    file = tmp_path / "file"
    file.touch()
    assert "is not a directory" in refused("mount", file, mountpoint)
    assert refused("mount", file / "below", mountpoint).endswith(": Not a directory\n")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    # Without its capabilities, root may do no more than the permissions say.
    command = [
        "setpriv",
        "--bounding-set=-all",
        sys.executable,
        "-m",
        "theiafs",
        "mount",
        str(closed),
        str(mountpoint),
    ]
    done = subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT)
    assert (done.returncode, done.stderr) == (1, f"theiafs: store {closed} is not writable\n")


def test_a_device_that_cannot_be_opened(tmp_path: Path, mountpoint: Path) -> None:
    """A namespace without /dev/fuse stands in for a system without it."""
    command = f"mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && {sys.executable} -m theiafs mount {tmp_path}/events {mountpoint}"
    done = subprocess.run(
        ["unshare", "--mount", "sh", "-c", command],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
    )
    assert done.returncode == 1
    assert (
        done.stderr
        == "theiafs: /dev/fuse is not there: load the kernel's fuse module (modprobe fuse)\n"
    )


def test_no_libfuse(tmp_path: Path, mountpoint: Path) -> None:
    """The message says what to install."""
    said = refused(
        "mount", tmp_path / "events", mountpoint,
        env={"FUSE_LIBRARY_PATH": "/nonexistent/libfuse.so", "THEIAFS_BINDING": "fusepy"},
    )  # fmt: skip
    assert "install libfuse2" in said


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("nonsense", "unknown option 'nonsense'"),
        ("uid=nobody-at-all", "not a value for uid"),
        ("umask=9", "not a value for umask"),
        ("max_event=lots", "not a value for max_event"),
        ("max_event=0", "not a value for max_event"),
        ("flush=-1", "not a value for flush"),
        ("log=/dev/null/log", "choose another: -o log=FILE"),
    ],
)
def test_options_that_are_none(tmp_path: Path, mountpoint: Path, options: str, said: str) -> None:
    """A typo in an option is not ignored."""
    assert said in refused("mount", tmp_path / "events", mountpoint, "-o", options)
    assert not (tmp_path / "events").exists()


def test_mounted_already(mounted: Mount, tmp_path: Path, mountpoint: Path) -> None:
    """The same store twice, by us or by another program, and two stores in one place."""
    told = refused("mount", mounted.store_path, mountpoint)
    assert f"process {mounted.process_id} holds" in told
    assert f"mounted on {mounted.path}" in told
    assert "already mounted" in refused("mount", tmp_path / "other", mounted.path)
    other = tmp_path / "held"
    store = NaiveEventStore(str(other))
    assert f"in use: process {os.getpid()} " in refused("mount", other, mountpoint)
    store.close()


def test_a_stale_mount_is_named_and_cleared(make_mount: Callable[..., Mount]) -> None:
    """After its process was killed, mounting says what to do, and doing so helps."""
    mount = make_mount()
    mount.shell("echo before >> ingest")
    eventually(
        lambda: b"before" in b"".join(path.read_bytes() for path in mount.store_path.glob("*-*"))
    )
    process_id = mount.process_id
    os.kill(process_id, signal.SIGKILL)
    eventually(lambda: not is_running(process_id))
    with pytest.raises(OSError, match="not connected"):
        os.listdir(mount.path)
    assert f"theiafs umount {mount.path}" in refused("mount", mount.store_path, mount.path)
    mount.umount()
    mount.mount()
    assert mount.contents() == [b"before"]


def test_a_mount_that_is_busy_or_none(mounted: Mount, tmp_path: Path) -> None:
    """Unmounting says so, and works when nobody is in it any more."""
    assert "is not a theiafs mount" in refused("umount", tmp_path)
    with (mounted.path / "README").open("rb"):
        assert "busy" in refused("umount", mounted.path)
    mounted.umount()


@pytest.mark.parametrize("how", ["umount", "SIGTERM", "SIGHUP"])
def test_the_end_flushes_and_leaves_nothing(make_mount: Callable[..., Mount], how: str) -> None:
    """No mount, no process, no lock, and everything in the minute files when umount has returned."""
    mount = make_mount("flush=3600000")
    mount.shell("seq 100 >> ingest")
    assert not list(mount.store_path.glob("*-*"))
    process_id = mount.process_id
    if how == "umount":
        mount.umount()
    else:
        os.kill(process_id, signal.Signals[how])
        eventually(lambda: not is_running(process_id))
    assert sum(path.read_bytes().count(b"event: ") for path in mount.store_path.glob("*-*")) == 100
    eventually(lambda: not is_running(process_id))
    assert not is_mounted(mount.path)
    mount.check_store()
    NaiveEventStore(str(mount.store_path)).close()


def test_in_the_foreground(tmp_path: Path, mountpoint: Path) -> None:
    """It logs to stderr, and an interrupt ends it in order."""
    command = [
        sys.executable,
        "-m",
        "theiafs",
        "mount",
        f"{tmp_path}/events",
        str(mountpoint),
        "-f",
    ]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=ENVIRONMENT) as process:
        assert process.stderr is not None
        assert f"mounted on {mountpoint}" in process.stderr.readline()
        (mountpoint / "ingest").write_text("line\n")
        process.send_signal(signal.SIGINT)
        assert f"unmounted from {mountpoint}" in process.stderr.read()
    assert process.returncode == 0
    assert not is_mounted(mountpoint)


@pytest.mark.parametrize("name", ["with space", "a,b", "größe", "back\\slash"])
def test_any_path_can_be_mounted(tmp_path: Path, name: str) -> None:
    """Paths are relative to where one stands, may hold anything, and be given through links."""
    (tmp_path / name).mkdir()
    (tmp_path / "link").symlink_to(name)
    store = f"store {name}"
    theiafs("mount", store, "link/", "-o", f"log={tmp_path}/log", cwd=tmp_path)
    try:
        (tmp_path / name / "ingest").write_text("line\n")
        assert (tmp_path / name / "count").read_text() == "1\n"
    finally:
        theiafs("umount", "link", cwd=tmp_path)
    assert not is_mounted(tmp_path / name)
    assert (tmp_path / store).is_dir()


def test_paths_that_cannot_be_mounted(tmp_path: Path, mountpoint: Path) -> None:
    """Empty ones, as from a variable that is not set, and those that are not UTF-8."""
    assert "is empty" in refused("mount", "", mountpoint, cwd=tmp_path)
    assert "is empty" in refused("mount", tmp_path / "events", "", cwd=tmp_path)
    odd = tmp_path / "bad\udcff"
    odd.mkdir()
    assert "not a name that can be mounted" in refused("mount", tmp_path / "events", odd)
    assert "not a name that can be mounted" in refused("mount", odd, mountpoint)
    assert sorted(os.listdir(tmp_path)) == sorted([mountpoint.name, odd.name])


def test_a_line_that_was_not_ended_when_the_mount_ends(make_mount: Callable[..., Mount]) -> None:
    """It is stored as if the file had been closed."""
    mount = make_mount()
    ingest = os.open(mount.path / "ingest", os.O_WRONLY)
    os.write(ingest, b"partial")
    os.kill(mount.process_id, signal.SIGTERM)
    wait_until_closed(str(mount.store_path))
    with pytest.raises(OSError, match="not connected"):
        os.close(ingest)
    mount.clean_up()
    mount.mount()
    assert mount.contents() == [b"partial"]


def test_a_store_that_was_removed(make_mount: Callable[..., Mount]) -> None:
    """Unmounting goes on as if nothing was."""
    mount = make_mount()
    shutil.rmtree(mount.store_path)
    theiafs("umount", mount.path)
    assert not is_mounted(mount.path)


def test_the_list_of_mounts_names_the_store_and_the_type(mounted: Mount) -> None:
    """Indexers can be told to keep out by type."""
    line = next(
        line
        for line in Path("/proc/self/mounts").read_text().splitlines()
        if str(mounted.path) in line
    )
    assert re.match(rf"{mounted.store_path} {mounted.path} fuse\.theiafs rw,", line)

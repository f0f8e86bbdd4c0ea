"""The command line reports an error in one line, and leaves nothing mounted or running."""

import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store import NaiveEventStore, backend_of
from tests.mount.conftest import COMMAND_LINE, ENVIRONMENT, NO_LOG, Mount, is_mounted, theiafs
from tests.namespaces import WITHOUT_COPIES
from tests.waiting import eventually
from theiafs import __version__
from theiafs.cli import make_parser


def refused(*arguments: str | Path, **options: Any) -> str:
    """Run a command that must fail with one line on stderr, and return that line."""
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
    """The version is that of the package."""
    assert theiafs("--version", program=COMMAND_LINE).stdout == f"theiafs {__version__}\n"


@pytest.mark.parametrize(
    ("word", "near"),
    [("unmount", ", perhaps umount;"), ("chekc", ", perhaps check;"), ("mnout", ", perhaps mount;"), ("xyz", "xyz;")],
)  # fmt: skip
def test_a_mistyped_command_makes_no_store(
    tmp_path: Path, mountpoint: Path, word: str, near: str
) -> None:
    """The error tells what could be meant, another command or a store of that name, and every command."""
    done = theiafs(word, mountpoint, check=False, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (2, "")
    message = done.stderr.splitlines()[-1]
    assert message.startswith(f"theiafs: error: unknown command {word}")
    assert near in message
    assert message.endswith(f"(to mount a store of that name: theiafs mount ./{word} MOUNTPOINT)")
    assert all(f" {each}" in message for each in make_parser()[1])
    assert not (tmp_path / word).exists()
    assert not is_mounted(mountpoint)


def test_the_short_form_of_mount(tmp_path: Path, mountpoint: Path) -> None:
    """As mount(8) runs it: of a store that is there, by its name, and of a new one, by a path."""
    for store in ("./unmount", "unmount"):
        theiafs(store, mountpoint, "-o", f"log={tmp_path}/log", cwd=tmp_path)
        assert (tmp_path / "unmount").is_dir()
        theiafs("umount", mountpoint)


def test_invalid_mountpoints(tmp_path: Path, mountpoint: Path) -> None:
    """A mountpoint must exist, be a directory, and be empty."""
    store = tmp_path / "events"
    assert "does not exist" in refused("mount", store, tmp_path / "missing")
    file = tmp_path / "file"
    file.touch()
    assert "is not a directory" in refused("mount", store, file)
    (mountpoint / "file").touch()
    assert "is not empty" in refused("mount", store, mountpoint)
    assert not store.exists()


def test_invalid_stores(tmp_path: Path, mountpoint: Path) -> None:
    """A store is a directory, and one that this user may write."""
    file = tmp_path / "file"
    file.touch()
    assert "is not a directory" in refused("mount", file, mountpoint)
    assert refused("mount", file / "below", mountpoint).endswith(": Not a directory\n")
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o555)
    # Without its capabilities, root is subject to the permissions.
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
    assert (done.returncode, done.stderr) == (
        1,
        f"theiafs: store {closed} is not writable: mount it with -o ro, or as a user that may write to it\n",
    )


def test_a_device_that_cannot_be_opened(tmp_path: Path, mountpoint: Path) -> None:
    """A namespace without /dev/fuse stands in for a system without it."""
    command = f"{WITHOUT_COPIES}mount -t tmpfs none /dev && mknod -m 666 /dev/null c 1 3 && {sys.executable} -m theiafs mount {tmp_path}/events {mountpoint}"
    without = ["unshare", "--mount", "sh", "-c", command]
    done = subprocess.run(without, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert (
        done.stderr
        == "theiafs: /dev/fuse does not exist: load the kernel's fuse module (modprobe fuse)\n"
    )


def test_no_libfuse(tmp_path: Path, mountpoint: Path) -> None:
    """The message says what to install."""
    said = refused(
        "mount", tmp_path / "events", mountpoint,
        env={"FUSE_LIBRARY_PATH": "/nonexistent/libfuse.so"},
    )  # fmt: skip
    assert "install fuse3 or libfuse2" in said


def test_an_unknown_binding(tmp_path: Path, mountpoint: Path) -> None:
    """The bindings that exist are named."""
    store = tmp_path / "events"
    said = "theiafs: unknown binding 'pyfuse'; there are fusepy, mfusepy\n"
    assert refused("mount", store, mountpoint, "-o", "binding=pyfuse") == said
    assert refused("mount", store, mountpoint, env={"THEIAFS_BINDING": "pyfuse"}) == said
    assert not store.exists()


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("nonsense", "unknown option 'nonsense'"),
        ("uid=no-such-user", "invalid value for uid"),
        ("umask=9", "invalid value for umask"),
        ("max_event=lots", "invalid value for max_event"),
        ("max_event=0", "invalid value for max_event"),
        ("memory=0", "invalid value for memory"),
        ("flush=-1", "invalid value for flush"),
        ("log=/dev/null/log", "choose another: -o log=FILE"),
    ],
)
def test_invalid_options(tmp_path: Path, mountpoint: Path, options: str, said: str) -> None:
    """A typo in an option is not ignored."""
    assert said in refused("mount", tmp_path / "events", mountpoint, "-o", options)
    assert not (tmp_path / "events").exists()


def test_mounted_already(mounted: Mount, tmp_path: Path, mountpoint: Path) -> None:
    """A store has one writer, ours or another program, and a mountpoint one store."""
    told = refused("mount", mounted.store_path, mountpoint)
    assert f"process {mounted.process_id} holds" in told
    assert f"mounted on {mounted.path}" in told
    assert "already mounted" in refused("mount", tmp_path / "other", mounted.path)
    other = tmp_path / "held"
    store = NaiveEventStore(str(other))
    assert f"in use: process {os.getpid()} " in refused("mount", other, mountpoint)
    store.close()


def test_umount_of_what_is_busy_or_not_mounted(mounted: Mount, tmp_path: Path) -> None:
    """Unmounting says so, and works as soon as the mount is not in use."""
    assert "is not a theiafs mount" in refused("umount", tmp_path)
    with (mounted.path / "README").open("rb"):
        assert "busy" in refused("umount", mounted.path)
    mounted.umount()


@pytest.mark.parametrize("how", ["umount", "SIGTERM", "SIGINT", "SIGHUP"])
def test_the_end_flushes_and_leaves_nothing(make_mount: Callable[..., Mount], how: str) -> None:
    """No mount, process or lock is left, and everything is in the minute files when umount has returned."""
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


def ignore_signals() -> None:
    """Ignore and block signals, as the child of a careless parent."""
    for number in (signal.SIGHUP, signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGHUP, signal.SIGINT, signal.SIGTERM])


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT", "SIGHUP"])
def test_what_the_caller_ignores_ends_a_mount_in_the_background(
    tmp_path: Path, mountpoint: Path, name: str
) -> None:
    """Started under nohup(1) or by a shell in the background, it ends as any other."""
    store, log = tmp_path / "events", tmp_path / "log"
    theiafs(
        "mount",
        store,
        mountpoint,
        "-o",
        f"log={log}",
        program=COMMAND_LINE,
        preexec_fn=ignore_signals,
    )
    process_id = int((store / ".theiafs" / "lock").read_text())
    os.kill(process_id, signal.Signals[name])
    eventually(lambda: not is_running(process_id))
    assert not is_mounted(mountpoint)
    assert f"unmounted from {mountpoint}\n" in log.read_text()
    assert "ERROR" not in log.read_text()


@pytest.mark.parametrize("name", ["SIGTERM", "SIGINT"])
def test_in_the_foreground(tmp_path: Path, mountpoint: Path, name: str) -> None:
    """It logs to stderr, and a signal ends it in order, with 0."""
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
        try:
            assert f"mounted on {mountpoint}" in process.stderr.readline()
            (mountpoint / "ingest").write_text("line\n")
        finally:
            process.send_signal(signal.Signals[name])
        logged = process.stderr.read()
    assert f"unmounted from {mountpoint}" in logged
    assert "could not" not in logged
    assert process.returncode == 0
    assert not is_mounted(mountpoint)


def test_a_mount_that_the_kernel_refuses(tmp_path: Path, mountpoint: Path) -> None:
    """A mount that fails is an error, unlike one that a signal ends."""
    # Without this capability, root may open /dev/fuse, but mount nothing.
    command = ["setpriv", "--bounding-set=-sys_admin", sys.executable, "-m", "theiafs", "mount"]
    for flags in (NO_LOG, ["-f"]):
        done = subprocess.run(
            [*command, str(tmp_path / "events"), str(mountpoint), *flags],
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=60,
        )
        assert done.returncode == 1
        assert done.stderr.endswith(f"libfuse could not mount on {mountpoint}\n")
    assert not is_mounted(mountpoint)


def test_store_and_mountpoint_one_in_the_other(tmp_path: Path) -> None:
    """Refused before anything is made: the mount would hide the store, also under another name."""
    directory = tmp_path / "directory"
    inner = directory / "a" / "b"
    inner.mkdir(parents=True)
    link = tmp_path / "link"
    link.symlink_to(directory)
    bind = tmp_path / "bind"
    bind.mkdir()
    subprocess.run(["mount", "--bind", directory, bind], check=True)
    try:
        for store, path in [
            (directory, directory), (directory / "a", directory), (directory / "new" / "x", directory),
            (directory, inner), (link, directory), (directory, link), (link / "a", directory),
            (directory, link / "a" / "b"), (bind / "new", directory), (directory, bind / "a"),
        ]:  # fmt: skip
            assert "are the same directory, or one is inside the other" in refused(
                "mount", store, path
            )
    finally:
        subprocess.run(["umount", bind], check=True)
    assert [str(each.relative_to(directory)) for each in directory.rglob("*")] == ["a", "a/b"]
    assert not is_mounted(directory)


def test_names_that_begin_alike_are_not_inside_each_other(tmp_path: Path) -> None:
    """The store "mnt-events" is not inside the mountpoint "mnt"."""
    (tmp_path / "mnt").mkdir()
    theiafs("mount", tmp_path / "mnt-events", tmp_path / "mnt", "-o", f"log={tmp_path}/log")
    theiafs("umount", tmp_path / "mnt")


def test_umount_under_another_filesystem(mounted: Mount) -> None:
    """A filesystem mounted on top of a mount is named in the message; both stay mounted."""
    subprocess.run(["mount", "-t", "tmpfs", "on-top", mounted.path], check=True)
    try:
        (mounted.path / "file").touch()
        told = refused("umount", mounted.path)
        assert f"on-top (tmpfs) is mounted on top of the theiafs mount {mounted.path}" in told
        assert (mounted.path / "file").exists()
    finally:
        subprocess.run(["umount", mounted.path], check=True)
    assert (mounted.path / "count").read_text() == "0\n"
    mounted.umount()


@pytest.mark.parametrize("below", ["", "minutes"])
@pytest.mark.parametrize("is_first", [True, False])
def test_umount_of_a_bind_mount(mounted: Mount, tmp_path: Path, below: str, is_first: bool) -> None:
    """Unmounting a mount or its bind mount names the other; the process ends with the last."""
    bind = tmp_path / "bind"
    bind.mkdir()
    subprocess.run(["mount", "--bind", mounted.path / below, bind], check=True)
    first, second = (bind, mounted.path) if is_first else (mounted.path, bind)
    process_id = mounted.process_id
    try:
        told = refused("umount", first)
        assert not is_mounted(first)
        assert (
            f"{first} is unmounted, but {mounted.store_path} is still mounted on {second}," in told
        )
        assert is_running(process_id)
    finally:
        theiafs("umount", second)
    assert not is_mounted(second)
    eventually(lambda: not is_running(process_id))


def test_umount_of_a_mount_that_another_namespace_has(mounted: Mount) -> None:
    """A process of another mount namespace keeps a copy: it is named, and unmounting does not wait for it."""
    # Of this mount alone: tests that run at the same time could not unmount theirs.
    script = """
        grep fuse.theiafs /proc/self/mounts | while read -r _ path _; do
            [ "$path" = "$1" ] || umount -l "$path"
        done
        echo; exec cat
    """
    command = ["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh"]
    with subprocess.Popen(
        [*command, mounted.path], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdout.readline()
        told = refused("umount", mounted.path)
        assert f"in the mount namespace of process {process.pid}" in told
        process.stdin.close()
    backend_of(str(mounted.store_path)).wait_until_closed()


def test_umount_of_a_stale_mount_whose_store_is_mounted_again(
    make_mount: Callable[..., Mount], tmp_path: Path, mountpoint: Path
) -> None:
    """It does not wait for the process that serves the store now."""
    mount = make_mount()
    os.kill(mount.process_id, signal.SIGKILL)
    backend_of(str(mount.store_path)).wait_until_closed()
    theiafs("mount", mount.store_path, mountpoint, "-o", f"log={tmp_path}/log")
    theiafs("umount", mount.path)
    assert not is_mounted(mount.path)
    assert (mountpoint / "count").read_text() == "0\n"
    theiafs("umount", mountpoint)


def test_a_stale_mount_elsewhere_is_no_hindrance(
    make_mount: Callable[..., Mount], mounted: Mount, mountpoint: Path
) -> None:
    """Every command works while another mount is dead."""
    other = make_mount(name="stale")
    os.kill(other.process_id, signal.SIGKILL)
    backend_of(str(other.store_path)).wait_until_closed()
    mounted.shell("echo line >> ingest")
    mounted.remount()
    assert mounted.contents() == [b"line"]
    assert "in use" in refused("mount", mounted.store_path, mountpoint)


@pytest.mark.parametrize("name", ["with space", "a,b", "größe", "back\\slash"])
def test_any_path_can_be_mounted(tmp_path: Path, name: str) -> None:
    """Paths may be relative, lead through links, and consist of any characters."""
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
    """Refused are empty paths, as from a variable that is not set, and those that are not UTF-8."""
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
    backend_of(str(mount.store_path)).wait_until_closed()
    with pytest.raises(OSError, match="not connected"):
        os.close(ingest)
    mount.clean_up()
    mount.mount()
    assert mount.contents() == [b"partial"]


def test_a_store_that_was_removed(make_mount: Callable[..., Mount]) -> None:
    """Unmounting works all the same."""
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

"""The commands in the surroundings that scripts, services and people leave them in."""

import fcntl
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from store import Event, EventSerializer, StoreLocked, backend_of
from tests.mount.conftest import ENVIRONMENT, Mount, is_mounted
from tests.stopping import stop_process
from tests.waiting import eventually

COMMAND = [sys.executable, "-m", "theiafs"]
INTERRUPTED = 128 + signal.SIGINT
DEFAULT_SIGNALS = ["env", "--default-signal=INT"]
"""What begins a command that Ctrl-C is to reach, also where the tests run in the background."""


def run(*arguments: str | Path, **options: Any) -> subprocess.CompletedProcess[str]:
    """Run a command of theiafs in a process of its own, as subprocess.run() does with *options*."""
    return subprocess.run(
        [*COMMAND, *map(str, arguments)],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
        check=False,
        **options,
    )


@pytest.fixture
def unmounted(make_mount: Callable[..., Mount]) -> Iterator[Mount]:
    """Make a mount that is not mounted yet, and unmount it at the end."""
    mount = make_mount()
    mount.umount()
    yield mount
    mount.clean_up()


def mounting(mount: Mount, *flags: str) -> tuple[str | Path, ...]:
    """Return the arguments of the command that mounts *mount* with some *flags*."""
    return ("mount", mount.store_path, mount.path, "-o", mount.options, *flags)


def test_no_descriptor_is_inherited_by_the_background(unmounted: Mount, tmp_path: Path) -> None:
    """A lock that the calling script holds is free when the script has ended, and so is the end of a pipe."""
    reader, writer = os.pipe()
    lock = os.open(tmp_path / "lock", os.O_CREAT | os.O_RDWR)
    fcntl.flock(lock, fcntl.LOCK_EX)
    done = run(*mounting(unmounted), pass_fds=[lock, writer])
    os.close(lock)
    os.close(writer)
    assert done.returncode == 0, done.stderr
    with open(reader, "rb") as pipe:
        assert pipe.read() == b""  # which ends when all writers have
    with (tmp_path / "lock").open("rb") as again:
        fcntl.flock(again, fcntl.LOCK_EX | fcntl.LOCK_NB)


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_closed_standard_streams(unmounted: Mount, closed: tuple[int, ...]) -> None:
    """Without stdin, stdout or stderr, a store is mounted and unmounted, and no message goes into its files."""

    def close() -> None:
        for descriptor in closed:
            os.close(descriptor)

    def run_closed(*arguments: str | Path) -> None:
        command = [*COMMAND, *map(str, arguments)]
        done = subprocess.run(command, env=ENVIRONMENT, timeout=60, preexec_fn=close, check=False)
        assert done.returncode == 0

    run_closed(*mounting(unmounted))
    unmounted.shell("echo line >> ingest")
    assert unmounted.contents() == [b"line"]
    run_closed("umount", unmounted.path)
    unmounted.check_store()


@pytest.mark.one_binding
def test_a_working_directory_that_is_gone(unmounted: Mount, tmp_path: Path) -> None:
    """A relative path is refused in one line; whole paths are mounted."""
    gone = tmp_path / "gone"
    gone.mkdir()

    def enter() -> None:
        os.chdir(gone)
        gone.rmdir()

    done = run("mount", unmounted.store_path, "mnt", preexec_fn=enter)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "working directory" in done.stderr
    gone.mkdir()
    assert run(*mounting(unmounted), preexec_fn=enter).returncode == 0
    gone.mkdir()
    assert run("umount", unmounted.path, preexec_fn=enter).returncode == 0


@pytest.mark.one_binding
@pytest.mark.parametrize("flags", [(), ("-f",)])
@pytest.mark.parametrize(
    "stage", ["when it imports", "when it opens the store", "when it reads minutes"]
)
def test_interrupted_while_it_starts(unmounted: Mount, flags: tuple[str, ...], stage: str) -> None:
    """Whenever Ctrl-C comes, nothing is left: no mount, no process, no traceback; and the store is whole."""
    for minute in range(2000):
        frame = EventSerializer().serialize(Event(f"{minute}", "s", 60 * minute, ["web"], "x"))
        (unmounted.store_path / f"{60 * minute}-{60 * minute + 60}").write_bytes(frame + b"\n")
    lock, index = (unmounted.store_path / ".theiafs" / name for name in ("lock", "index.sqlite"))
    lock.unlink()
    index.unlink()
    process = subprocess.Popen(
        [*DEFAULT_SIGNALS, *COMMAND, *map(str, mounting(unmounted, *flags))],
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
        start_new_session=True,
    )
    reached = {
        "when it imports": lambda: "numpy" in Path(f"/proc/{process.pid}/maps").read_text(),
        "when it opens the store": lock.exists,
        "when it reads minutes": index.exists,
    }
    eventually(reached[stage])
    os.killpg(process.pid, signal.SIGINT)
    _, said = process.communicate(timeout=60)
    assert "Traceback" not in said
    assert process.returncode in (INTERRUPTED, -signal.SIGINT)
    backend_of(str(unmounted.store_path)).wait_until_closed()
    assert not is_mounted(unmounted.path)
    unmounted.mount()
    assert (unmounted.path / "count").read_text() == "2000\n"


@pytest.mark.one_binding
def test_umount_of_a_mount_that_does_not_answer(unmounted: Mount) -> None:
    """If its process is stopped, the command says so and ends; --lazy takes the mount away, and nothing is lost."""
    unmounted.mount()
    process_id = unmounted.process_id
    unmounted.shell("echo line >> ingest")
    stop_process(process_id)
    try:
        done = run("umount", "--timeout", "1", unmounted.path)
        assert (done.returncode, done.stderr.count("\n")) == (1, 1)
        assert "does not answer" in done.stderr
        assert is_mounted(unmounted.path)
        assert run("umount", "--lazy", unmounted.path).returncode == 0
        assert not is_mounted(unmounted.path)
    finally:
        os.kill(process_id, signal.SIGCONT)
    backend_of(str(unmounted.store_path)).wait_until_closed()
    unmounted.mount()
    assert unmounted.contents() == [b"line"]


def test_umount_of_what_is_in_use(mounted: Mount) -> None:
    """With --lazy, a mount that is in use is gone at once; its files can be read to their end."""
    mounted.shell("seq 1000 >> ingest")
    with (mounted.path / "events").open("rb") as file:
        first = file.read(100)
        assert run("umount", mounted.path).returncode == 1
        assert run("umount", "--lazy", mounted.path).returncode == 0
        assert not is_mounted(mounted.path)
        assert (first + file.read()).count(b"event: ") == 1000
    backend_of(str(mounted.store_path)).wait_until_closed()
    mounted.check_store()


@pytest.mark.one_binding
def test_a_time_limit_of_umount(unmounted: Mount) -> None:
    """When the process does not end in time, umount says which one it is, and ends."""
    unmounted.mount()
    with subprocess.Popen(["tail", "-f", "/dev/null"], cwd=unmounted.path) as tail:
        run("umount", "--lazy", unmounted.path)
        # Mounted again, read-only, it is a mount of the same store that ends without waiting.
        holder = unmounted.process_id
        try:
            with pytest.raises(StoreLocked, match=f"process {holder} "):
                backend_of(str(unmounted.store_path)).wait_until_closed(0.1)
        finally:
            tail.terminate()
    backend_of(str(unmounted.store_path)).wait_until_closed()


@pytest.mark.one_binding
@pytest.mark.parametrize("command", ["check", "ls"])
def test_output_that_cannot_be_written(unmounted: Mount, command: str) -> None:
    """A full disk is one line; a reader that has gone away, as head(1) does, ends the command silently."""
    words: list[str | Path] = [command, unmounted.store_path]
    if command == "check":
        (unmounted.store_path / "0-60").write_bytes(b"junk\n")
    with open("/dev/full", "wb") as full:
        done = run(*words, stdout=full)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1), done.stderr
    assert "No space left on device" in done.stderr
    reader, writer = os.pipe()
    os.close(reader)
    done = run(*words, stdout=writer)
    os.close(writer)
    assert (done.returncode, done.stderr) == (-signal.SIGPIPE, "")

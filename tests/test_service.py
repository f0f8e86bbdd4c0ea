"""The protocol of systemd, sd_notify(3), spoken with a mount in the foreground."""

import os
import re
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[1]
MOUNT = ["-m", "theiafs"]
HANGING = """
import os, sys, threading
from theiafs import cli
from theiafs.operations import Operations

answer = Operations.getattr

def hang(self, *arguments):
    # Rarely: to write down where a thread is while it runs may crash.
    while os.path.exists(os.environ["HANG"]):
        threading.Event().wait(0.3)
    return answer(self, *arguments)

Operations.getattr = hang
sys.exit(cli.main())
"""
"""The program, but its mount does not answer while a file exists."""

WATCHDOG_US = 100_000
SILENCE_S = 10 * WATCHDOG_US / 1_000_000
ANSWER_S = 20.0


class Manager:
    """A stand-in for systemd, which makes the socket, starts the service, and listens.

    Attributes:
        mountpoint: where the service mounts.
        store: what it mounts.
        process: the service.
    """

    def __init__(self, base: Path, address: str) -> None:
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.bind(address.replace("@", "\0"))
        self.address = address
        self.mountpoint = base / "mnt"
        self.mountpoint.mkdir()
        self.store = base / "events"
        self.hang = base / "hang"
        self.log = base / "log"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self, program: list[str], **variables: str) -> None:
        environment = {
            **os.environ,
            "PYTHONPATH": str(REPOSITORY),
            "NOTIFY_SOCKET": self.address,
            "HANG": str(self.hang),
            **variables,
        }
        # As systemd does, its own process becomes the service, whose number is known before.
        script = f"export WATCHDOG_PID=${{OTHER:-$$}}; exec {shlex.join([sys.executable, *program])} mount -f events mnt"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["sh", "-c", script], env=environment, stderr=log, cwd=self.mountpoint.parent
            )

    def told(self, timeout_s: float = ANSWER_S) -> list[str]:
        """Return what the service said."""
        self.socket.settimeout(timeout_s)
        return self.socket.recv(1 << 16).decode().splitlines()

    def is_silent(self) -> bool:
        """Return whether the service says nothing for a while."""
        try:
            self.told(SILENCE_S)
        except TimeoutError:
            return True
        return False

    def is_mounted(self) -> bool:
        return f" {self.mountpoint} " in Path("/proc/self/mounts").read_text()

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def wait(self) -> int:
        """Return the exit status of the service."""
        assert self.process is not None
        return self.process.wait(ANSWER_S)

    def clean_up(self) -> None:
        self.hang.unlink(missing_ok=True)
        if self.process is not None:
            self.process.kill()
            self.process.wait()
        if self.is_mounted():
            subprocess.run(["umount", "-l", str(self.mountpoint)], check=True)
        self.socket.close()


@pytest.fixture
def make_manager(tmp_path: Path) -> Iterator[Callable[[str], Manager]]:
    """Return a function that makes a manager with a socket at an address, by default a path."""
    made = []

    def make(address: str = "") -> Manager:
        made.append(Manager(tmp_path, address or str(tmp_path / "notify")))
        return made[0]

    yield make
    made[0].clean_up()


@pytest.mark.parametrize("kind", ["path", "abstract"])
def test_ready_when_it_answers_and_stopping_when_it_ends(
    make_manager: Callable[..., Manager], kind: str, tmp_path: Path
) -> None:
    """All that was appended until then is written; without a watchdog, nothing else is said."""
    manager = make_manager(f"@{tmp_path}" if kind == "abstract" else "")
    manager.start(MOUNT)
    assert manager.told() == ["READY=1", f"STATUS=mounted on {manager.mountpoint}"]
    (manager.mountpoint / "ingest").write_text("line\n")
    manager.signal(signal.SIGTERM)
    assert manager.told()[0] == "STOPPING=1"
    assert manager.wait() == 0
    assert not manager.is_mounted()
    assert [each.name for each in manager.store.iterdir() if each.is_file()]
    assert manager.is_silent()


def test_an_unmount_is_an_end(make_manager: Callable[..., Manager]) -> None:
    """The service then ends well, and is not started again."""
    manager = make_manager()
    manager.start(MOUNT)
    assert "READY=1" in manager.told()
    subprocess.run(["umount", str(manager.mountpoint)], check=True)
    assert manager.told()[0] == "STOPPING=1"
    assert manager.wait() == 0


def test_the_watchdog_hears_of_a_mount_only_while_it_answers(
    make_manager: Callable[..., Manager],
) -> None:
    """Although the process as such is alive all the time; and its last words are where its threads are."""
    manager = make_manager()
    manager.start(["-c", HANGING], WATCHDOG_USEC=str(WATCHDOG_US))
    assert "READY=1" in manager.told()
    for _ in range(3):
        assert manager.told() == ["WATCHDOG=1"]
    manager.hang.touch()
    # The answer to a question that was asked before, and those that had been sent.
    eventually(manager.is_silent)
    assert manager.is_silent()
    manager.hang.unlink()
    assert manager.told() == ["WATCHDOG=1"]
    manager.hang.touch()
    eventually(manager.is_silent)
    manager.signal(signal.SIGABRT)
    assert manager.wait() == -signal.SIGABRT
    assert re.search(r"line \d+ in hang\n", manager.log.read_text())


def test_a_mount_that_is_taken_away_does_not_hang(make_manager: Callable[..., Manager]) -> None:
    """The process serves the files that are still open, and ends after them."""
    manager = make_manager()
    manager.start(MOUNT, WATCHDOG_USEC=str(WATCHDOG_US))
    assert "READY=1" in manager.told()
    with (manager.mountpoint / "ingest").open("w") as file:
        subprocess.run(["umount", "-l", str(manager.mountpoint)], check=True)
        eventually(lambda: not manager.is_mounted())
        for _ in range(3):
            assert manager.told() == ["WATCHDOG=1"]
        file.write("line\n")
    eventually(lambda: manager.told()[0] == "STOPPING=1")
    assert manager.wait() == 0


def test_only_what_is_left_of_a_crash_is_removed(make_manager: Callable[..., Manager]) -> None:
    """A mount that answers stays, and where there is none is nothing to do: both without a word."""
    manager = make_manager()
    command = [sys.executable, *MOUNT, "umount", "--stale", str(manager.mountpoint)]
    for was_killed, stays in ((False, True), (True, False), (True, False)):
        if not was_killed:
            manager.start(MOUNT)
            assert "READY=1" in manager.told()
        elif manager.is_mounted():
            manager.signal(signal.SIGKILL)
            manager.wait()
        done = subprocess.run(command, cwd=REPOSITORY, capture_output=True)
        assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")
        assert manager.is_mounted() is stays


def test_the_watchdog_of_another_process(make_manager: Callable[..., Manager]) -> None:
    """The variables are inherited; they say for which process they are meant."""
    manager = make_manager()
    manager.start(MOUNT, WATCHDOG_USEC=str(WATCHDOG_US), OTHER=str(os.getpid()))
    assert "READY=1" in manager.told()
    assert manager.is_silent()


def test_a_manager_that_is_gone(make_manager: Callable[..., Manager]) -> None:
    """The mount goes on, and the log says why nothing is heard of it."""
    manager = make_manager()
    Path(manager.address).unlink()
    manager.start(MOUNT)
    eventually(lambda: "cannot tell" in manager.log.read_text())
    manager.signal(signal.SIGTERM)
    assert manager.wait() == 0
    assert f"cannot tell {manager.address} READY=1: No such file" in manager.log.read_text()

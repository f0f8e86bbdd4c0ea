"""Mounts for tests, made with the command line, and unmounted in any case."""

import contextlib
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from store.format.record import Record
from store.format.scan import scan
from tests.mount.commands import command_server
from tests.waiting import eventually

ENVIRONMENT = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
COMMAND_LINE = ("-m", "theiafs")
"""The arguments of Python that start the command line."""
SYSTEM_LOG = Path("/var/log/theiafs.log")
"""Where root's mounts log unless they are told otherwise: those of tests are."""
NO_LOG = ("-o", "log=/dev/null")


def libfuse_of(process_id: int) -> set[str]:
    """Return the names, without versions, of the libfuse that a process has mapped."""
    maps = Path(f"/proc/{process_id}/maps").read_text()
    return {
        name.partition(".")[0] for name in re.findall(r"/(libfuse[^/\s]*)$", maps, re.MULTILINE)
    }


def theiafs(
    *arguments: str | Path,
    check: bool = True,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    program: Sequence[str] = (),
    **options: Any,
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own. A mount that is not told where to log does so nowhere.

    Args:
        arguments: of the command.
        check: whether it must succeed.
        env: variables to set.
        cwd: its working directory.
        program: arguments of Python, to start that with instead of forking, such as ``COMMAND_LINE``.
        options: of :func:`subprocess.run`, for a *program*.
    """
    assert program or not options, "these need a program"
    environment = {**ENVIRONMENT, **(env or {})}
    words = list(map(str, arguments))
    if words[:1] == ["mount"]:
        words[1:1] = NO_LOG  # of several, the last one counts
    if program:
        command = [sys.executable, *program, *words]
        done = subprocess.run(
            command, capture_output=True, text=True, env=environment, cwd=cwd, timeout=60, **options
        )
    else:
        done = command_server().run(words, environment, cwd)
    assert done.returncode == 0 or not check, done.stderr
    return done


def is_mounted(path: Path) -> bool:
    """Return whether something is mounted at *path*, served by a process or dead."""
    quoted = str(path).replace("\\", "\\134").replace(" ", "\\040")
    return any(
        line.split(" ")[1] == quoted for line in Path("/proc/self/mounts").read_text().splitlines()
    )


class Mount:
    """A store mounted on a directory.

    Attributes:
        path: the mountpoint.
        store_path: the directory of the store.
        log_path: where the mount logs.
    """

    def __init__(self, base: Path, options: str = "") -> None:
        self.path = base / "mnt"
        self.store_path = base / "events"
        self.log_path = base / "log"
        self.options = ",".join(filter(None, [f"log={self.log_path}", options]))
        self.path.mkdir(exist_ok=True)

    def mount(self) -> None:
        """Mount in the background."""
        theiafs("mount", self.store_path, self.path, "-o", self.options)

    def umount(self) -> None:
        """Unmount, and check that the store consists of whole events."""
        theiafs("umount", self.path)
        assert not is_mounted(self.path)
        self.check_store()

    def remount(self) -> None:
        """Unmount and mount again."""
        self.umount()
        self.mount()

    def check_store(self) -> None:
        """Check that every minute file is a whole number of events."""
        for path in self.store_path.iterdir():
            if path.name == ".theiafs":
                continue
            data = path.read_bytes()
            found = scan(lambda offset, size, data=data: data[offset : offset + size], len(data))  # type: ignore[misc]
            assert all(isinstance(each, Record) for each in found), path

    @property
    def process_id(self) -> int:
        """The process that serves the mount."""
        return int((self.store_path / ".theiafs" / "lock").read_text())

    def clean_up(self) -> None:
        """Remove the mount, and with it its process."""
        if is_mounted(self.path):
            theiafs("umount", self.path, check=False)
        if is_mounted(self.path):
            subprocess.run(["umount", "-l", str(self.path)], check=True)

    def events(self, path: str = "events") -> bytes:
        """Return the bytes of the file at *path* in the mount."""
        return (self.path / path).read_bytes()

    def contents(self, path: str = "events") -> list[bytes]:
        """Return the contents of the events in the file at *path* in the mount."""
        data = self.events(path)
        contents = []
        position = 0
        for each in scan(lambda offset, size: data[offset : offset + size], len(data)):
            assert isinstance(each, Record)
            start = position + each.content_start
            contents.append(data[start : start + each.content_size])
            position += each.size
        return contents

    def shell(self, script: str, check: bool = True) -> str:
        """Run a shell *script* in the root of the mount, and return its output."""
        done = subprocess.run(
            ["bash", "-c", f"set -o pipefail; {script}"],
            cwd=self.path,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            timeout=100,
            check=False,
        )
        assert done.returncode == 0 or not check, done.stderr
        return done.stdout if check else done.stdout + done.stderr

    def log(self) -> str:
        """Return the log of the mount."""
        return self.log_path.read_text()


@pytest.fixture
def make_mount(tmp_path: Path) -> Iterator[Callable[..., Mount]]:
    """Return a function that mounts a new store in a directory of its own; unmount all of them at the end."""
    with contextlib.ExitStack() as made:

        def make(options: str = "", name: str = "a") -> Mount:
            base = tmp_path / name
            base.mkdir(exist_ok=True)
            mount = Mount(base, options)
            made.callback(mount.clean_up)
            mount.mount()
            return mount

        yield make


@pytest.fixture
def mounted(make_mount: Callable[..., Mount]) -> Iterator[Mount]:
    """Yield a mounted empty store; afterwards, check that its log has no error and that its store is whole."""
    mount = make_mount()
    yield mount
    if is_mounted(mount.path):
        mount.umount()
    log = mount.log()
    assert "ERROR" not in log, log
    assert "Traceback" not in log, log


@pytest.fixture(scope="session", autouse=True)
def no_mount_left(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Check that after all tests, nothing is mounted below their directory, and the log of the system has nothing of it."""
    yield
    base = str(tmp_path_factory.getbasetemp())
    eventually(lambda: base not in Path("/proc/self/mounts").read_text())
    assert not SYSTEM_LOG.exists() or base not in SYSTEM_LOG.read_text()

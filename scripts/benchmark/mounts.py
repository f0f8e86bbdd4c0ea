"""Mounts, ours and those of others, for as long as a measurement takes."""

import contextlib
import json
import os
import re
import select
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from benchmark.commands import WAIT_SECONDS, printed, run, started, wait_for

__all__ = [
    "bound",
    "count_requests",
    "cpu_seconds",
    "filesystem_of",
    "is_mounted",
    "made_mountpoint",
    "memory_mib",
    "mount_command",
    "mounted",
    "null_mounted",
    "open_once",
    "process_of",
    "reindex_command",
    "theiafs",
    "unmount",
    "wait_until_checked",
    "wait_until_mounted",
]

_NULL_MOUNT_SECONDS = 60.0
"""The time limit for mounting the filesystem that discards everything."""

_CHECK_SECONDS, _POLL_S = 600.0, 0.1


def theiafs(*arguments: str | Path) -> list[str]:
    """Return the command line that runs theiafs with *arguments*."""
    return [sys.executable, "-m", "theiafs", *map(str, arguments)]


def mount_command(store: Path | str, mountpoint: Path, options: str = "") -> list[str]:
    """Return the command that mounts *store*, a directory or an address, on *mountpoint* with *options*."""
    log = mountpoint.with_name(f"{mountpoint.name}.log")
    return theiafs(
        "mount", store, mountpoint, "-o", ",".join(filter(None, [f"log={log}", options]))
    )


def unmount(mountpoint: Path) -> None:
    """Unmount theiafs from *mountpoint*, which writes everything to the minute files."""
    run(theiafs("umount", mountpoint))


@contextlib.contextmanager
def mounted(store: Path | str, options: str = "") -> Iterator[Path]:
    """Mount *store* with *options* for as long as the context lasts; yield the mountpoint."""
    with made_mountpoint() as mountpoint:
        run(mount_command(store, mountpoint, options))
        try:
            yield mountpoint
        finally:
            unmount(mountpoint)


def open_once(store: Path) -> None:
    """Mount *store* once, so that its index exists."""
    with mounted(store):
        pass


@contextlib.contextmanager
def bound(directory: Path) -> Iterator[Path]:
    """Mount *directory* through bindfs with its default options; yield the mountpoint."""
    with made_mountpoint() as mountpoint:
        run(["bindfs", str(directory), str(mountpoint)])
        try:
            yield mountpoint
        finally:
            run(["umount", str(mountpoint)])


@contextlib.contextmanager
def null_mounted() -> Iterator[tuple[Path, int]]:
    """Mount a filesystem that discards everything; yield the mountpoint, and the id of its process."""
    with made_mountpoint() as mountpoint:
        command = [sys.executable, "-m", "benchmark.null_fs", str(mountpoint)]
        with started(command) as process:
            wait_until_mounted(mountpoint, process, _NULL_MOUNT_SECONDS)
            try:
                yield mountpoint, process.pid
            finally:
                run(["umount", str(mountpoint)])
                wait_for(process)


def wait_until_mounted(mountpoint: Path, process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait at most *seconds* for *process* to mount something on *mountpoint*.

    Raises:
        ChildProcessError: if it ends instead.
        TimeoutError: if it does neither.
    """
    deadline = time.monotonic() + seconds
    while not is_mounted(mountpoint):
        if time.monotonic() >= deadline:
            raise TimeoutError(f"nothing is mounted on {mountpoint} after {seconds:g} s")
        with contextlib.suppress(subprocess.TimeoutExpired):
            status = process.wait(0.01)
            raise ChildProcessError(f"what was to mount {mountpoint} ended with {status}")


def wait_until_checked(mountpoint: Path) -> None:
    """Wait until what a mount checks after it answers, the stamps of all files, has been checked at *mountpoint*.

    Raises:
        TimeoutError: if that takes too long.
    """
    deadline, pause = time.monotonic() + _CHECK_SECONDS, threading.Event()
    while "a pass is due" in (mountpoint / "status").read_text():
        if time.monotonic() >= deadline:
            raise TimeoutError(f"{mountpoint} has not checked its store after {_CHECK_SECONDS:g} s")
        pause.wait(_POLL_S)


def is_mounted(mountpoint: Path) -> bool:
    """Return whether something is mounted on *mountpoint*."""
    return os.path.ismount(mountpoint)


@contextlib.contextmanager
def made_mountpoint() -> Iterator[Path]:
    """Make a mountpoint for as long as the context lasts, and yield it."""
    with tempfile.TemporaryDirectory(prefix="theiafs-bench-") as directory:
        mountpoint = Path(directory, "mnt")
        mountpoint.mkdir()
        yield mountpoint


def process_of(mountpoint: Path) -> int:
    """Return the id of the process that serves the theiafs mount *mountpoint*."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = path.read_bytes().split(b"\0")
            if b"theiafs" in arguments and os.fsencode(mountpoint) in arguments:
                return int(path.parent.name)
    raise ProcessLookupError(f"no process serves {mountpoint}")


def cpu_seconds(process_id: int) -> float:
    """Return the seconds of processor time that a process has used."""
    status = Path(f"/proc/{process_id}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return sum(map(int, status[11:13])) / os.sysconf("SC_CLK_TCK")


def memory_mib(mountpoint: Path) -> float:
    """Return the resident memory of the process that serves *mountpoint*, in MiB."""
    status = Path(f"/proc/{process_of(mountpoint)}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ProcessLookupError(f"no memory in the status of what serves {mountpoint}")
    return int(found[1]) / 1024


def count_requests(mountpoint: Path, command: list[str]) -> int:
    """Count the FUSE requests that *command* causes on the theiafs mount *mountpoint*.

    libfuse answers each with one call of writev(2), and nothing else there calls it as long as nothing is stored.
    """
    with tempfile.NamedTemporaryFile(prefix="theiafs-strace-") as summary:
        tracing = ["strace", "-f", "-c", "-e", "trace=writev", "-o", summary.name]
        tracing += ["-p", str(process_of(mountpoint))]
        with started(tracing, stderr=subprocess.PIPE) as tracer:
            assert tracer.stderr is not None
            is_ready, _, _ = select.select([tracer.stderr], [], [], WAIT_SECONDS)
            first = tracer.stderr.readline() if is_ready else b"it does not say that it traces"
            if b"attached" not in first:
                raise ChildProcessError(f"strace: {first.decode()}")
            run(command, subprocess.DEVNULL)
            tracer.send_signal(signal.SIGINT)
            wait_for(tracer)  # ended by the signal, its status says no more than that
        found = re.search(r"(\d+)\s+writev$", Path(summary.name).read_text("utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0


def reindex_command(store: Path) -> list[str]:
    """Return the command that rebuilds the index of *store*."""
    return theiafs("reindex", store)


def filesystem_of(directory: Path) -> dict[str, str]:
    """Return the device and the type of the filesystem that *directory* is on."""
    command = ["findmnt", "--json", "--output", "SOURCE,FSTYPE", "--target", str(directory)]
    found: dict[str, str] = json.loads(printed(command))["filesystems"][0]
    return found

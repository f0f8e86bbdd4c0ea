"""Mounts, ours and those of others, for as long as a measurement takes."""

import contextlib
import json
import os
import re
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

__all__ = [
    "bound",
    "count_requests",
    "filesystem_of",
    "is_mounted",
    "memory_mib",
    "mount_command",
    "mounted",
    "null_mounted",
    "open_once",
    "reindex_command",
    "theiafs",
    "unmount",
]

WAIT_SECONDS = 1800.0
"""What takes longer hangs."""


def theiafs(*arguments: str | Path) -> list[str]:
    """The command line of ours."""
    return [sys.executable, "-m", "theiafs", *map(str, arguments)]


def mount_command(store: Path, mountpoint: Path) -> list[str]:
    """How ours is mounted: with nothing that its users would have to know of."""
    log = mountpoint.with_name(f"{mountpoint.name}.log")
    return theiafs("mount", store, mountpoint, "-o", f"log={log}")


def unmount(mountpoint: Path) -> None:
    """Unmount ours; everything is in the minute files then."""
    subprocess.run(theiafs("umount", mountpoint), check=True, timeout=WAIT_SECONDS)


@contextlib.contextmanager
def mounted(store: Path) -> Iterator[Path]:
    """A fresh mount of a store, and where it is."""
    with _mountpoint() as mountpoint:
        subprocess.run(mount_command(store, mountpoint), check=True, timeout=WAIT_SECONDS)
        try:
            yield mountpoint
        finally:
            unmount(mountpoint)


def open_once(store: Path) -> None:
    """Mount a store for the first time, so that whatever is kept beside its minutes is there."""
    with mounted(store):
        pass


@contextlib.contextmanager
def bound(directory: Path) -> Iterator[Path]:
    """A directory through bindfs, with its default options."""
    with _mountpoint() as mountpoint:
        subprocess.run(["bindfs", str(directory), str(mountpoint)], check=True)
        try:
            yield mountpoint
        finally:
            subprocess.run(["umount", str(mountpoint)], check=True)


@contextlib.contextmanager
def null_mounted() -> Iterator[Path]:
    """A filesystem that keeps nothing."""
    with _mountpoint() as mountpoint:
        command = [sys.executable, "-m", "benchmark.null_fs", str(mountpoint)]
        with subprocess.Popen(command) as process:
            while not is_mounted(mountpoint):
                with contextlib.suppress(subprocess.TimeoutExpired):
                    status = process.wait(0.01)
                    raise ChildProcessError(f"the null filesystem ended with {status}")
            try:
                yield mountpoint
            finally:
                subprocess.run(["umount", str(mountpoint)], check=True)
                process.wait(WAIT_SECONDS)


def is_mounted(mountpoint: Path) -> bool:
    """Whether something is mounted there."""
    return os.path.ismount(mountpoint)


@contextlib.contextmanager
def _mountpoint() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="theiafs-bench-") as directory:
        mountpoint = Path(directory, "mnt")
        mountpoint.mkdir()
        yield mountpoint


def _process_of(mountpoint: Path) -> int:
    """The process in the background that answers a mount of ours."""
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            arguments = path.read_bytes().split(b"\0")
            if b"theiafs" in arguments and os.fsencode(mountpoint) in arguments:
                return int(path.parent.name)
    raise ProcessLookupError(f"no process serves {mountpoint}")


def memory_mib(mountpoint: Path) -> float:
    """The resident memory of the process behind a mount of ours, in MiB."""
    status = Path(f"/proc/{_process_of(mountpoint)}/status").read_text(encoding="utf-8")
    found = re.search(r"^VmRSS:\s+(\d+) kB$", status, re.MULTILINE)
    if found is None:
        raise ProcessLookupError(f"no memory in the status of what serves {mountpoint}")
    return int(found[1]) / 1024


def count_requests(mountpoint: Path, command: list[str]) -> int:
    """How many requests the kernel has answered by a mount of ours while a command runs.

    libfuse answers each with one call of writev(2), and nothing else there calls it.
    """
    with tempfile.NamedTemporaryFile(prefix="theiafs-strace-") as summary:
        tracing = ["strace", "-f", "-c", "-e", "trace=writev", "-o", summary.name]
        tracing += ["-p", str(_process_of(mountpoint))]
        with subprocess.Popen(tracing, stderr=subprocess.PIPE, text=True) as tracer:
            assert tracer.stderr is not None
            first = tracer.stderr.readline()
            if "attached" not in first:
                raise ChildProcessError(f"strace: {first}")
            subprocess.run(command, stdout=subprocess.DEVNULL, check=True)
            tracer.send_signal(signal.SIGINT)
            tracer.stderr.read()
        found = re.search(r"(\d+)\s+writev$", Path(summary.name).read_text("utf-8"), re.MULTILINE)
    return int(found[1]) if found else 0


def reindex_command(store: Path) -> list[str]:
    """How the index of a store is made again."""
    return theiafs("reindex", store)


def filesystem_of(directory: Path) -> dict[str, str]:
    """The device and the kind of filesystem that a directory is on."""
    command = ["findmnt", "--json", "--output", "SOURCE,FSTYPE", "--target", str(directory)]
    done = subprocess.run(command, capture_output=True, check=True)
    found: dict[str, str] = json.loads(done.stdout)["filesystems"][0]
    return found

"""The work of ours that is measured, with a count of the events it gave or took in."""

import operator
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmark import mounts
from benchmark.answers import count_openings, counted, timed
from benchmark.commands import run
from benchmark.table import Measurement, WrongAnswer

__all__ = [
    "LISTED_NAMES",
    "append",
    "cat_minutes",
    "count_right_names",
    "echo",
    "first_answer",
    "grep_command",
    "grep_errors",
    "ingest",
    "list_directory",
    "list_minutes",
    "look",
    "on_mount",
    "rare_events",
    "reindex",
    "rg_errors",
    "stored_events",
    "web_count",
    "web_events",
    "web_files",
]

LISTED_NAMES = 10
"""What head shows of a list."""


def on_mount(store: Path, do: Callable[[Path], Measurement]) -> Measurement:
    """Do something on a mount that is fresh, so that nothing in it is warm."""
    with mounts.mounted(store) as mountpoint:
        return do(mountpoint)


def web_events(mountpoint: Path) -> Measurement:
    """All events of a tag."""
    return counted(f"exec cat {mountpoint}/by-tag/web/events", count_openings)


def web_files(mountpoint: Path) -> Measurement:
    """The same, minute by minute."""
    return counted(f"cat {mountpoint}/by-tag/web/*", count_openings)


def web_count(mountpoint: Path) -> Measurement:
    """How many events have a tag, as the mount itself says."""
    return counted(f"exec cat {mountpoint}/by-tag/web/count", int)


def rare_events(mountpoint: Path) -> Measurement:
    """All events of a tag that few have."""
    return counted(f"exec cat {mountpoint}/by-tag/rare/events", count_openings)


def cat_minutes(directory: Path) -> Measurement:
    """All minute files of a directory. Counted in a second run: only reading is to be timed."""
    script = f"cat {directory}/[0-9]*"
    return Measurement(timed(script), counted(script, count_openings).events)


def grep_command(directory: Path) -> list[str]:
    """What the user would type; grep looks for no match in files whose names begin with a dot."""
    return ["grep", "-rc", "--exclude-dir=.theiafs", "ERROR", str(directory)]


def grep_errors(directory: Path) -> Measurement:
    """Count events in each file."""
    return counted("exec " + " ".join(grep_command(directory)), _sum_of_counts)


def rg_errors(directory: Path) -> Measurement:
    """The same with ripgrep, which looks at several files at a time, and at none whose name begins with a dot."""
    return counted(f"exec rg -c ERROR {directory}", _sum_of_counts)


def _sum_of_counts(output: bytes) -> int:
    return sum(int(line.rpartition(b":")[2]) for line in output.splitlines())


def append(mountpoint: Path, path: Path) -> float:
    """Append a file; the seconds until everything was taken in."""
    os.sync()  # what was written before is not to be waited for here
    return timed(f"cat {path} >>{mountpoint}/ingest")


def ingest(path: Path, store: Path, *, has_index: bool = True) -> tuple[Measurement, Measurement]:
    """Append a file to an empty store.

    Args:
        path: the file.
        store: the directory.
        has_index: whether there is a place for an index. A store goes on without one where a directory is in it.

    Returns:
        The run until everything was taken in, and until everything was in the minute files.

    Raises:
        WrongAnswer: if there is an index and should not be, or the other way round.
    """
    index = store / ".theiafs/index.sqlite"
    if not has_index:
        index.mkdir(parents=True)
    with mounts.mounted(store) as mountpoint:
        seconds = append(mountpoint, path)
        started = time.perf_counter()
    total = seconds + time.perf_counter() - started
    if index.is_file() != has_index:
        raise WrongAnswer(f"{store} was filled {'without' if has_index else 'with'} an index")
    events = stored_events(store)
    return Measurement(seconds, events), Measurement(total, events)


def echo(mountpoint: Path, times: int) -> float:
    """Append single lines from one shell; the seconds it took."""
    os.sync()
    return timed(f"for ((i = 0; i < {times}; i++)); do echo x >>{mountpoint}/ingest || exit; done")


def stored_events(store: Path) -> int:
    """How many events are in the minute files of a store that is not mounted."""
    return sum(count_openings(path.read_bytes()) for path in store.glob("[0-9]*-*"))


def list_directory(directory: Path) -> Measurement:
    """The names of minute files, unsorted."""
    return counted(f"exec ls -f {directory}", _count_names)


def list_minutes(mountpoint: Path) -> Measurement:
    """The same, of a mount."""
    return list_directory(mountpoint / "minutes")


def _count_names(output: bytes) -> int:
    return sum(name[:1].isdigit() for name in output.splitlines())


def first_answer(store: Path, names: list[str]) -> tuple[Measurement, Measurement]:
    """Mount a store and look at a tag.

    Args:
        store: to be mounted.
        names: of the minutes that are to be shown.

    Returns:
        The run until it was mounted, and until the answer was there; what is counted are the right names in it.
    """
    with tempfile.TemporaryDirectory(prefix="theiafs-bench-") as directory:
        mountpoint = Path(directory, "mnt")
        mountpoint.mkdir()
        started = time.perf_counter()
        mounting = run(mounts.mount_command(store, mountpoint))
        try:
            answer = look(mountpoint, names)
            total = time.perf_counter() - started
        finally:
            mounts.unmount(mountpoint)
    return Measurement(mounting, answer.events), Measurement(total, answer.events)


def look(mountpoint: Path, names: list[str]) -> Measurement:
    """See what minutes have a tag. What is counted are the right names among the first."""
    command = f"ls {mountpoint}/by-tag/web | head -n {LISTED_NAMES}"
    return counted(command, partial(count_right_names, names))


def count_right_names(names: list[str], listing: bytes) -> int:
    """How many minutes are where they belong in a listing, which begins with them."""
    return sum(map(operator.eq, names, listing.decode().splitlines()))


def reindex(store: Path) -> Measurement:
    """Make the index of a store anew. What is counted is what it says of a tag afterwards."""
    seconds = run(mounts.reindex_command(store), stderr=subprocess.DEVNULL)
    return Measurement(seconds, on_mount(store, web_count).events)

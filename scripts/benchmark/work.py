"""Our work that is measured, with a count of the events that it read or appended."""

import operator
import os
import subprocess
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path

from benchmark import mounts
from benchmark.answers import count_lines, count_openings, counted, timed
from benchmark.commands import run
from benchmark.table import Measurement, WrongAnswer

__all__ = [
    "LISTED_NAMES",
    "WRITERS",
    "append",
    "ask_in_vain",
    "cat_all",
    "cat_minutes",
    "count_right_names",
    "echo",
    "find_files",
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
    "write_at_once",
]

WRITERS = 16
"""The number of programs that write at once."""

LISTED_NAMES = 10
"""The number of names that head shows."""


def on_mount(
    store: Path | str, do: Callable[[Path], Measurement], options: str = ""
) -> Measurement:
    """Call *do* on a new mount of *store*, with *options*, whose caches are cold."""
    with mounts.mounted(store, options) as mountpoint:
        return do(mountpoint)


def web_events(mountpoint: Path) -> Measurement:
    """Read all events of a tag."""
    return counted(f"exec cat {mountpoint}/by-tag/web/events", count_openings)


def web_files(mountpoint: Path) -> Measurement:
    """Read all events of a tag, minute by minute."""
    return counted(f"cat {mountpoint}/by-tag/web/*", count_openings)


def web_count(mountpoint: Path) -> Measurement:
    """Read the count of the events of a tag."""
    return counted(f"exec cat {mountpoint}/by-tag/web/count", int)


def rare_events(mountpoint: Path) -> Measurement:
    """Read all events of a tag that few have."""
    return counted(f"exec cat {mountpoint}/by-tag/rare/events", count_openings)


def cat_minutes(directory: Path) -> Measurement:
    """Read all minute files of *directory*; count them in a second run, because only reading is timed."""
    script = f"cat {directory}/[0-9]*"
    return Measurement(timed(script), counted(script, count_openings).events)


def grep_command(directory: Path) -> list[str]:
    """Return the command that a user would type; it searches *directory*, without the hidden one."""
    return ["grep", "-rc", "--exclude-dir=.theiafs", "ERROR", str(directory)]


def grep_errors(directory: Path) -> Measurement:
    """Count events in each file of *directory*."""
    return counted("exec " + " ".join(grep_command(directory)), _sum_of_counts)


def rg_errors(directory: Path) -> Measurement:
    """Count events in each file of *directory* with ripgrep: several files at a time, no hidden ones."""
    return counted(f"exec rg -c ERROR {directory}", _sum_of_counts)


def _sum_of_counts(output: bytes) -> int:
    return sum(int(line.rpartition(b":")[2]) for line in output.splitlines())


def append(mountpoint: Path, path: Path, door: str = "ingest") -> float:
    """Append the file *path* to the ingest file *door* of *mountpoint*, and return the seconds it took."""
    (mountpoint / door).parent.mkdir(exist_ok=True)  # a tag has to be known
    os.sync()  # what was written before is not to be waited for here
    return timed(f"cat {path} >>{mountpoint}/{door}")


def ingest(
    path: Path, store: Path, door: str = "ingest", *, has_index: bool = True
) -> tuple[Measurement, Measurement]:
    """Append the file *path* to *door* of the empty *store*.

    Args:
        path: the file.
        store: the directory.
        door: the name of the ingest file.
        has_index: whether there is a place for an index. A store goes on without one where a directory is in it.

    Returns:
        The run until the append returned, and the run until everything was in the minute files.

    Raises:
        WrongAnswer: if there is an index and should not be, or the other way round.
    """
    index = store / ".theiafs/index.sqlite"
    if not has_index:
        index.mkdir(parents=True)
    with mounts.mounted(store) as mountpoint:
        seconds = append(mountpoint, path, door)
        started = time.perf_counter()
    total = seconds + time.perf_counter() - started
    if index.is_file() != has_index:
        raise WrongAnswer(f"{store} was filled {'without' if has_index else 'with'} an index")
    events = stored_events(store)
    return Measurement(seconds, events), Measurement(total, events)


def echo(mountpoint: Path, times: int) -> float:
    """Append single lines from one shell, *times* of them, and return the seconds it took."""
    os.sync()  # what was written before is not to be waited for here
    return timed(f"for ((i = 0; i < {times}; i++)); do echo x >>{mountpoint}/ingest || exit; done")


def write_at_once(mountpoint: Path, lines: int) -> float:
    """Append *lines* lines from each of several programs at once, each line by a write of its own; return the seconds it took."""
    os.sync()
    one = f"awk 'BEGIN {{ for (i = 0; i < {lines}; i++) {{ print i; fflush() }} }}' >>{mountpoint}/ingest"
    return timed(f"for ((n = 0; n < {WRITERS}; n++)); do {one} & done; wait")


def stored_events(store: Path) -> int:
    """Count the events in the minute files of *store*, which is not mounted."""
    return sum(count_openings(path.read_bytes()) for path in store.glob("[0-9]*-*"))


def list_directory(directory: Path, options: str = "-f") -> Measurement:
    """List *directory* by ls with *options*, and count the minutes."""
    return counted(f"exec ls {options} {directory}", _count_names)


def list_minutes(mountpoint: Path) -> Measurement:
    """List the minutes of a mount, unsorted."""
    return list_directory(mountpoint / "minutes")


def _count_names(output: bytes) -> int:
    # With -l, the first line has the total of the sizes.
    lines = (line for line in output.splitlines() if not line.startswith(b"total "))
    return sum(line.rpartition(b" ")[2][:1].isdigit() for line in lines)


def find_files(directory: Path, newer_s: int) -> Measurement:
    """Find the files below *directory* of more than a kilobyte that are newer than *newer_s*, in seconds since the epoch."""
    return counted(f"exec find {directory} -type f -newermt @{newer_s} -size +1k", count_lines)


def first_answer(store: Path, names: list[str]) -> tuple[Measurement, Measurement]:
    """Mount *store* and list the minutes of a tag.

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
    """List the first minutes of a tag; count those that are in *names*, in order."""
    command = f"ls {mountpoint}/by-tag/web | head -n {LISTED_NAMES}"
    return counted(command, partial(count_right_names, names))


def count_right_names(names: list[str], listing: bytes) -> int:
    """Count the *names* that are in their places at the start of *listing*."""
    return sum(map(operator.eq, names, listing.decode().splitlines()))


def ask_in_vain(directory: Path, times: int) -> Measurement:
    """Ask for *times* names that are not in *directory*: a request each, for which nothing is done but to say so."""
    missing = 0
    began = time.perf_counter()
    for number in range(times):
        try:
            os.stat(f"{directory}/{number}-x")
        except FileNotFoundError:
            missing += 1
    return Measurement(time.perf_counter() - began, missing)


def cat_all(store: Path, events: int) -> Measurement:
    """Read all minute files of *store*, which have *events* of a kind."""
    size = sum(path.stat().st_size for path in store.glob("[0-9]*-*"))
    script = f"cd {store} && find . -maxdepth 1 -name '[0-9]*' -print0 | xargs -0 cat | wc -c"
    read = counted(script, int)
    return Measurement(read.seconds, events if read.events == size else 0)


def reindex(store: Path) -> Measurement:
    """Rebuild the index of *store*, and count the events of a tag by it afterwards."""
    seconds = run(mounts.reindex_command(store), stderr=subprocess.DEVNULL)
    return Measurement(seconds, on_mount(store, web_count).events)

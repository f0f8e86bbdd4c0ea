"""The command: ``scripts/bench``."""

import argparse
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from benchmark import machine, mounts
from benchmark.cases import CASES, Scale
from benchmark.data import Data
from benchmark.events import Extent
from benchmark.growth import growths
from benchmark.table import Growth, Row, WrongAnswer, growth_table, table

_FULL = Scale(
    day=Extent(1440, 1000),
    year=Extent(525_600, 10),
    ingested=Extent(1440, 1000),
    small=Extent(1440, 1000),
    large=Extent(14_400, 1000),
    hot_events=3_350_000,
    lines_size=200_000_000,
    echoes=10_000,
    repetitions=5,
    growth_repetitions=3,
)
_QUICK = Scale(
    day=Extent(1440, 1000),
    year=Extent(43_200, 10),
    ingested=Extent(144, 1000),
    small=Extent(144, 1000),
    large=Extent(1440, 1000),
    hot_events=335_000,
    lines_size=20_000_000,
    echoes=2_000,
    repetitions=3,
    growth_repetitions=1,
)
_GROWTH = "growth"

_NOTES = """\
- Every comparison is run several times, ours and the peers in turn. A ratio is ours divided by the peer's in the
  same turn: of times, or, where events per second are shown, of rates.
- Each run counts its events, outside of the time; where it has not as many as there are, the comparison is left out and
  the command fails. `grep` counts the events that it found, `ls` the names, and the first answer has to show the right
  ones. After `theiafs reindex`, the index has to know how many events have the tag. The filesystem that discards keeps
  nothing that could be counted.
- Ours is mounted anew for each run, by `theiafs mount` with its default options, unless "warm" is said: then the
  same was done once before on the same mount, as it was for the peers. The files are in the page cache for all of
  them. The index was made when the store was first mounted.
- Answers go to memory (/dev/shm), except for `cat minutes/*`: that goes to /dev/null, and is counted in a second run.
- journalctl and systemd-journal-remote: default options; an event is MESSAGE, SOURCE, and a TAG for each tag. Theirs
  has no ids and gives back only the contents.
- rg over the plain files finds the line with the tags, and gives four lines before it and one after it, which is the
  whole event as every content here is one line. It searches several files at a time, in no order.
- SQLite: default durability (rollback journal, synchronous=FULL), in process, without the start of Python. theia's
  search and save likewise; its events are made before its time begins.
- What `cat ... >> ingest` took in is in the journal when cat ends, and survives the end of the process. "And theiafs
  umount" includes that all of it was written to the minute files and synced. "Ours without an index" is a store
  that has a directory where its index would be.
"""


def main() -> int:
    """Run the comparisons, and print the table; returns the exit status."""
    arguments = _parser().parse_args()
    names = arguments.only.split(",") if arguments.only else [*CASES, _GROWTH]
    unknown = set(names) - {*CASES, _GROWTH}
    if unknown:
        _parser().error(f"no such comparison: {', '.join(sorted(unknown))}")
    scale = _QUICK if arguments.quick else _FULL
    data = Data(arguments.directory.absolute(), arguments.lines, mounts.open_once)
    rows: list[Row] = []
    notes: list[str] = []
    growth: list[Growth] = []
    failures: list[str] = []
    for name in names:
        started = time.monotonic()
        try:
            if name == _GROWTH:
                growth = list(
                    growths(
                        data,
                        scale.small,
                        scale.large,
                        scale.lines_size,
                        scale.growth_repetitions,
                    )
                )
            else:
                result = CASES[name](data, scale)
                rows += result.rows
                notes += result.notes
        except (WrongAnswer, subprocess.SubprocessError, OSError) as error:
            failures.append(f"{name}: {error}")
            print(f"FAILED {failures[-1]}", file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    text = table(rows) if rows else ""
    text += "".join(f"\n{note}\n" for note in notes)
    if growth:
        small, large = (f"{each.total:,} events" for each in (scale.small, scale.large))
        text += "\nHow our times grow with the store:\n\n" + growth_table(growth, small, large)
    print(text)
    if failures:
        print("FAILED:", *failures, sep="\n", file=sys.stderr)
        return 1
    if arguments.write:
        arguments.write.write_text(_document(text, scale, arguments), encoding="utf-8")
    return 0


def _document(text: str, scale: Scale, arguments: argparse.Namespace) -> str:
    options = " --quick" * arguments.quick
    if arguments.only:
        options += f" --only {arguments.only}"
    if arguments.lines:
        options += " --lines DIR"
    return (
        "# Benchmarks\n\n"
        "What theiafs costs, beside what a user would pick instead.\n\n"
        f"To repeat it: `scripts/bench{options}`, which sets up what it needs"
        " (`--quick` does with less data; `-h` tells the rest).\n\n"
        f"Machine: {machine.describe(arguments.directory)}.\n\n"
        f"Data: {_describe(scale, arguments.lines is not None)}\n\n"
        f"{text}\n## Notes\n\n{_NOTES}"
    )


def _describe(scale: Scale, has_real_lines: bool) -> str:
    lines = "loghub's, repeated" if has_real_lines else "made up, for want of real ones (`--lines`)"
    return (
        f"the day is {scale.day.minutes:,} minutes of {scale.day.events:,} events; the year is"
        f" {scale.year.minutes:,} minutes of {scale.year.events:,}; day.frames has"
        f" {scale.ingested.total:,} events. 20 sources, 8 tags of which an event has 1 to"
        " 3, contents of 20 to 40 bytes; `web` is on a quarter of the events, `rare` on 150 of each store."
        f" The lines are {lines}."
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compare theiafs with what a user would pick instead, and print one table.",
        epilog=f"comparisons: {', '.join([*CASES, _GROWTH])}",
    )
    default = Path(os.environ.get("TMPDIR") or tempfile.gettempdir(), "theiafs-bench")
    lines = os.environ.get("THEIAFS_BENCH_LINES")
    parser.add_argument("--quick", action="store_true", help="less data, some minutes")
    parser.add_argument("--only", metavar="NAME[,NAME]", help="only these comparisons")
    parser.add_argument(
        "--directory",
        type=Path,
        default=default,
        metavar="DIR",
        help=f"where the data are kept ({default})",
    )
    parser.add_argument(
        "--lines",
        type=Path,
        default=Path(lines) if lines else None,
        metavar="DIR",
        help="a directory of real log files, *.log (default: $THEIAFS_BENCH_LINES); without it, lines are made up",
    )
    parser.add_argument(
        "--write",
        action="store_const",
        const=Path(__file__).parents[2] / "BENCHMARKS.md",
        help="write the table to BENCHMARKS.md",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

"""The command: ``scripts/bench``."""

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from benchmark import machine, mounts, peers
from benchmark.cases import CASES
from benchmark.comparisons import Result
from benchmark.data import Data
from benchmark.document import document, figures
from benchmark.engine import ENGINE_CASES, engine
from benchmark.growth import growths
from benchmark.scale import FULL, QUICK, Scale
from benchmark.table import Growth, Row, WrongAnswer

DOCUMENT = Path(__file__).parents[2] / "BENCHMARKS.md"
_GROWTH = "growth"


@dataclass
class Outcome:
    """The outcome of a run.

    Attributes:
        rows: the comparisons.
        remarks: what is to be said besides.
        growths: how times grow.
        failures: what went wrong.
    """

    rows: list[Row] = field(default_factory=list)
    remarks: list[str] = field(default_factory=list)
    growths: list[Growth] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)


def main() -> int:
    """Run the comparisons, print the table, and return the exit status."""
    arguments = _parser().parse_args()
    known = [*ENGINE_CASES] if arguments.store else [*CASES, _GROWTH]
    names = arguments.only.split(",") if arguments.only else known
    unknown = set(names) - {*known}
    if unknown:
        _parser().error(f"no such comparison: {', '.join(sorted(unknown))}")
    scale = QUICK if arguments.quick else FULL
    data = Data(arguments.directory.absolute(), arguments.lines, mounts.open_once)
    with (
        engine(data.directory / "engine")
        if arguments.store
        else contextlib.nullcontext() as started
    ):
        cases = (
            {name: partial(case, started) for name, case in ENGINE_CASES.items()}
            if started
            else CASES
        )
        outcome = _run(names, cases, data, scale)
    measured = figures(outcome.rows, outcome.remarks, outcome.growths, scale)
    print(measured)
    if outcome.failures:
        print("FAILED:", *outcome.failures, sep="\n", file=sys.stderr)
        if arguments.write:
            print(f"{arguments.write} stays as it was.", file=sys.stderr)
        return 1
    if arguments.write:
        text = document(
            measured,
            scale,
            _options(arguments),
            [path.name for path in data.log_files()],
            machine.describe(data.directory),
            peers.versions(),
        )
        arguments.write.write_text(text, encoding="utf-8")
    return 0


def _run(
    names: list[str], cases: Mapping[str, Callable[[Data, Scale], Result]], data: Data, scale: Scale
) -> Outcome:
    outcome = Outcome()
    for name in names:
        started = time.monotonic()
        try:
            if name == _GROWTH:
                outcome.growths += growths(
                    data, scale.small, scale.large, scale.lines_size, scale.growth_repetitions
                )
            else:
                result = cases[name](data, scale)
                # A run that is cut short has said what it found.
                for row in result.rows:
                    print("|", " | ".join(row.cells()), "|", file=sys.stderr, flush=True)
                outcome.rows += result.rows
                outcome.remarks += result.remarks
        except (WrongAnswer, subprocess.SubprocessError, OSError) as error:
            outcome.failures.append(f"{name}: {error}")
            print(f"FAILED {outcome.failures[-1]}", file=sys.stderr, flush=True)
        print(f"{name}: {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    return outcome


def _options(arguments: argparse.Namespace) -> list[str]:
    """Return the options of *arguments* that are needed to repeat the run."""
    options = ["--quick"] if arguments.quick else []
    options += ["--only", arguments.only] if arguments.only else []
    return [*options, "--lines", "DIR"] if arguments.lines else options


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="scripts/bench",
        description="Compare theiafs with what a user would pick instead, and print one table.",
        epilog=f"comparisons: {', '.join([*CASES, _GROWTH])}",
    )
    default = Path(os.environ.get("TMPDIR") or tempfile.gettempdir(), "theiafs-bench")
    lines = os.environ.get("THEIAFS_BENCH_LINES")
    parser.add_argument("--quick", action="store_true", help="less data, within five minutes")
    parser.add_argument(
        "--store",
        choices=["clickhouse"],
        help="instead, compare a mount of ClickHouse with one of minute files",
    )
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
        const=DOCUMENT,
        help="write everything to BENCHMARKS.md, if nothing failed",
    )
    return parser


if __name__ == "__main__":
    sys.exit(main())

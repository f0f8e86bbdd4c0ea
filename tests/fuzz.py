"""The command ``scripts/fuzz``: the targets of :mod:`tests.fuzz_targets`, for as long as asked, guided by the code that inputs reach.

Each target runs in a process of its own, which ends at the first input that breaks a promise, takes too long, or too much memory. That
input is kept in a file, to be tried again.
"""

import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from tests.fuzz_targets import TARGETS

_HANG_S = 10
_MEMORY_MAX_MIB = 2048
"""For the whole process, in which the libraries take most."""
_OUTPUT_SIZE_MAX = 5_000
"""The end of what a process printed that is shown when it failed."""


def main() -> int:
    """Run the targets, and return the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/fuzz",
        description="Try the parsers with any bytes, for as long as asked.",
        epilog=f"targets: {', '.join(TARGETS)}",
    )
    parser.add_argument("seconds", type=int, metavar="SECONDS", help="for all targets together")
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="only these")
    parser.add_argument("--corpus", type=Path, metavar="DIR", help="keeps inputs for the next run")
    parser.add_argument("--input", type=Path, metavar="FILE", help="try only this input")
    arguments = parser.parse_args()
    names = arguments.targets or list(TARGETS)
    if unknown := set(names) - TARGETS.keys():
        parser.error(f"no such target: {', '.join(sorted(unknown))}")
    seconds = max(arguments.seconds // len(names), 1)
    with tempfile.TemporaryDirectory() as made:
        corpus = arguments.corpus or Path(made)
        kept = [
            _keeps_its_promises(name, corpus / name, seconds, arguments.input) for name in names
        ]
    return 0 if all(kept) else 1


def _keeps_its_promises(name: str, corpus: Path, seconds: int, given: Path | None) -> bool:
    """Run the target *name* for some *seconds*, and return whether it kept its promises.

    Args:
        name: its name.
        corpus: the directory of its inputs; those that reach other code than the others are added.
        seconds: how long to run.
        given: the only input to try; None for any.
    """
    _, seeds, size_max = TARGETS[name]
    corpus.mkdir(parents=True, exist_ok=True)
    for number, seed in enumerate(seeds):
        (corpus / f"seed-{number}").write_bytes(seed)
    options = [
        f"-max_total_time={seconds}",
        f"-max_len={size_max}",
        f"-timeout={_HANG_S}",
        f"-rss_limit_mb={_MEMORY_MAX_MIB}",
        f"-artifact_prefix=fuzz-{name}-",
        "-print_final_stats=1",
    ]
    command = [sys.executable, "-m", "tests.fuzz_process", name, *options, str(given or corpus)]
    done = subprocess.run(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, errors="replace"
    )
    if done.returncode:
        print(done.stdout[-_OUTPUT_SIZE_MAX:], file=sys.stderr)
        print(f"{name}: FAILED, the input is in fuzz-{name}-*", flush=True)
    else:
        tried = re.search(r"number_of_executed_units: (\d+)", done.stdout)
        print(f"{name}: {tried[1] if tried else 'no'} inputs", flush=True)
    return done.returncode == 0


if __name__ == "__main__":
    sys.exit(main())

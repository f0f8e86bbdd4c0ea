"""The command: ``scripts/soak``."""

import argparse
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.run import soak

__all__ = ["main"]


def main() -> int:
    """Run the command, and return its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/soak",
        description="Use a mount for a long time in many ways at once, while its clock is moved, and see whether"
        " anything is lost, doubled or refused, or the process grows.",
    )
    parser.add_argument("--minutes", type=float, default=15, help="how long (default: 15)")
    parser.add_argument("--directory", type=Path, help="for the store: made, or empty")
    parser.add_argument("--binding", choices=["fusepy", "mfusepy"], default="", help="of the mount")
    parser.add_argument("--seed", type=int, help="repeat the choices of another run")
    parser.add_argument(
        "--events", type=float, default=500, help="how many to append in a second (default: 500)"
    )
    parsed = parser.parse_args()
    directory: Path | None = parsed.directory
    if directory is not None and directory.exists() and [*directory.iterdir()]:
        parser.error(f"{directory} is not empty: choose another, or remove what is in it")
    seed = random.randrange(10**6) if parsed.seed is None else parsed.seed
    print(f"seed                {seed}", flush=True)
    with tempfile.TemporaryDirectory(prefix="theiafs-soak-") as made:
        base = directory or Path(made)
        base.mkdir(parents=True, exist_ok=True)
        report = soak(
            base, 60 * parsed.minutes, seed, parsed.binding, parsed.events, _show_progress
        )
    print(f"{_CLEAR}{report}")
    return 0 if report.is_good else 1


_CLEAR = "\r\x1b[K" if sys.stdout.isatty() else ""


def _show_progress(since_s: float) -> None:
    if _CLEAR:
        print(f"{_CLEAR}{since_s / 60:.1f} min", end="", flush=True)


if __name__ == "__main__":
    sys.exit(main())

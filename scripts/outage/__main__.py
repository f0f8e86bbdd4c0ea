"""The command: ``scripts/incident``."""

import argparse
import contextlib
import math
import sys
from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from outage.events import events
from store import Event, NaiveEventStore

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_TICKS_PER_US = 10


def main(words: list[str] | None = None) -> int:
    """Make the store or the log files that *words*, those of the command line by default, ask for; return the exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/incident",
        description="Make a store with the logs of an outage: 12 services, two hours, 58,000 events.",
    )
    parser.add_argument("--plain", action="store_true", help="log files, one for each service")
    parser.add_argument(
        "directory",
        type=Path,
        metavar="DIRECTORY",
        help="made, with the directories above it; empty if it is there",
    )
    arguments = parser.parse_args(words)
    directory: Path = arguments.directory
    if directory.exists() and (not directory.is_dir() or any(directory.iterdir())):
        print(
            f"scripts/incident: {directory} is not an empty directory: remove it (rm -r {directory}), or give another",
            file=sys.stderr,
        )
        return 1
    write = _write_files if arguments.plain else _write_store
    write(directory, events())
    return 0


def _write_store(directory: Path, logged: Iterable[Event]) -> None:
    with contextlib.closing(NaiveEventStore(str(directory), math.inf)) as store:
        store.save_all(logged)


def _write_files(directory: Path, logged: Iterable[Event]) -> None:
    lines = defaultdict(list)
    for event in logged:
        moment = _EPOCH + timedelta(microseconds=event.ticks // _TICKS_PER_US)
        when = moment.isoformat(timespec="microseconds").replace("+00:00", "Z")
        lines[event.source].append(f"{when} [{','.join(event.tags)}] {event.content}\n")
    directory.mkdir(parents=True, exist_ok=True)
    for source, text in lines.items():
        (directory / f"{source}.log").write_text("".join(text), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())

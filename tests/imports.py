"""Importing in tests: the command, run in this process, and what a store has after it."""

import io
from collections.abc import Iterator
from contextlib import closing, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

from store import Event, Query, open_store
from theiafs.cli import main

__all__ = ["Done", "events_in", "import_into"]


class Done(NamedTuple):
    """A command that has ended: its exit status, and what it wrote."""

    status: int
    output: str
    errors: str


def import_into(destination: Path, *arguments: str | Path) -> Done:
    """Run ``theiafs import``."""
    output, errors = io.StringIO(), io.StringIO()
    with redirect_stdout(output), redirect_stderr(errors):
        status = main(["import", str(destination), *map(str, arguments)])
    return Done(status, output.getvalue(), errors.getvalue())


def events_in(store_path: Path) -> list[Event]:
    """Return the events of a store, in the order of their times."""

    def read() -> Iterator[Event]:
        with closing(open_store(str(store_path))) as store:
            yield from store.select(Query())

    return sorted(read(), key=lambda event: event.ticks)

"""The data: the events, in the format of each peer."""

import functools
import random
import shutil
import sys
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from benchmark.events import WORDS, Event, Extent, frame, minute_events, minute_name
from benchmark.logs import LOGS

__all__ = ["Data", "copy_store"]

_VERSION = 2
"""Raise it when the data change, so that those of older versions are rebuilt."""

_LINES_SEED = 20251122
_CHUNK_MINUTES = 144


def _journal_entry(event: Event) -> str:
    """Encode *event* in journald's export format."""
    tags = "".join([f"TAG={tag}\n" for tag in event.tags])
    return (
        f"__REALTIME_TIMESTAMP={int(event.timestamp * 1_000_000)}\nMESSAGE={event.content}\n"
        f"SOURCE={event.source}\n{tags}\n"
    )


def _write_minutes(directory: Path, extent: Extent, first: int) -> None:
    for minute in range(first, min(first + _CHUNK_MINUTES, extent.minutes)):
        text = "".join([frame(event) for event in minute_events(extent, minute)])
        (directory / minute_name(minute)).write_bytes(text.encode())


def _write_events(path: Path, extent: Extent, laid_out: Callable[[Event], str]) -> None:
    with path.open("w", encoding="ascii", newline="") as file:
        for minute in range(extent.minutes):
            file.write("".join([laid_out(event) for event in minute_events(extent, minute)]))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def _made_up_lines() -> list[bytes]:
    chance = random.Random(_LINES_SEED)
    made_up = [
        f"Nov 22 {serial // 3600 % 24:02}:{serial // 60 % 60:02}:{serial % 60:02} host-{serial % 7}"
        f" daemon[{1000 + serial % 900}]: {' '.join(chance.choices(WORDS, k=chance.randint(4, 18)))}"
        for serial in range(20_000)
    ]
    return [line.encode() for line in made_up]


@dataclass(frozen=True)
class Data:
    """A directory of data, each of which is made when it is first needed, and kept.

    Attributes:
        directory: where to keep them.
        lines_directory: where there are real lines of logs.
        prepare: called with each store before it is used for the first time in a run, for what is kept in it
            may be that of an older version.
        prepared: those for which it was.
    """

    directory: Path
    lines_directory: Path | None
    prepare: Callable[[Path], None]
    prepared: set[Path] = field(default_factory=set)

    def store(self, extent: Extent) -> Path:
        """Return the directory of a store with the events of *extent*."""

        def make(path: Path) -> None:
            path.mkdir()
            write = functools.partial(_write_minutes, path, extent)
            with ProcessPoolExecutor() as processes:
                list(processes.map(write, range(0, extent.minutes, _CHUNK_MINUTES)))

        store = self.made(f"store-{extent}", make)
        if store not in self.prepared:
            self.prepare(store)
            self.prepared.add(store)
        return store

    def frames(self, extent: Extent) -> Path:
        """Return the path of a file with the events of *extent* as frames."""
        name = f"frames-{extent}"
        return self.made(name, lambda path: _write_events(path, extent, frame))

    def journal_export(self, extent: Extent) -> Path:
        """Return the path of a file with the events of *extent* in journald's export format."""
        name = f"export-{extent}"
        return self.made(name, lambda path: _write_events(path, extent, _journal_entry))

    def lines(self, size: int) -> Path:
        """Return the path of a file of lines that has at least *size* bytes."""
        kind = "real" if self.lines_directory else "made-up"

        def make(path: Path) -> None:
            block = b"\n".join(self._content_lines()) + b"\n"
            with path.open("wb") as file:
                while file.tell() < size:
                    file.write(block)

        return self.made(f"lines-{kind}-{size}", make)

    def log(self, name: str, size: int) -> Path:
        """Return the path of the log *name*, one of ``LOGS``, that has at least *size* bytes."""

        def make(path: Path) -> None:
            lines = LOGS[name]()
            written = 0
            with path.open("w", encoding="ascii", newline="") as file:
                while written < size:
                    written += file.write(f"{next(lines)}\n")

        return self.made(f"{size}-{name}", make)

    def log_files(self) -> list[Path]:
        """List the files that the lines are from; none when they are made up."""
        return sorted(self.lines_directory.glob("*.log")) if self.lines_directory else []

    def _content_lines(self) -> list[bytes]:
        if self.lines_directory is None:
            return _made_up_lines()
        lines = [
            line
            for path in self.log_files()
            for line in path.read_bytes().splitlines()
            if line.strip()
        ]
        if not lines:
            raise FileNotFoundError(f"no lines in {self.lines_directory}/*.log")
        return lines

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """Return the path of the file or directory *name*, after *make* made it the first time."""
        path, stamp = self.directory / name, self.directory / f"{name}.made"
        if not stamp.exists() or stamp.read_text() != str(_VERSION):
            _remove(path)
            stamp.unlink(missing_ok=True)
            self.directory.mkdir(parents=True, exist_ok=True)
            print(f"making {path}", file=sys.stderr, flush=True)
            make(path)
            stamp.write_text(str(_VERSION))
        return path

    def fresh(self, name: str) -> Path:
        """Create an empty directory *name*, in place of an old one, and return its path."""
        path = self.directory / name
        _remove(path)
        path.mkdir(parents=True)
        return path


def copy_store(store: Path, copy: Path) -> None:
    """Copy *store* to the empty directory *copy*, so that writing to the copy does not change the store.

    Minute files are hard links: theiafs replaces them and never writes to them.
    """
    for path in store.iterdir():
        if path.is_dir():
            shutil.copytree(path, copy / path.name)
        else:
            (copy / path.name).hardlink_to(path)

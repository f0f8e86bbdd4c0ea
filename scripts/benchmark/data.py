"""The data: events that are the same in every run, laid out for each of those that are compared."""

import functools
import random
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

__all__ = [
    "RARE_EVENTS",
    "Data",
    "Event",
    "Extent",
    "content_lines",
    "copy_store",
    "frame",
    "minute_events",
]

RARE_EVENTS = 150

_VERSION = 1
"""To be raised when the data change, so that what older versions left is made again."""

_SEED = 20251122
_START = 1763769600  # a midnight, UTC
_SOURCES = tuple(f"app-{number}" for number in range(20))
_TAGS = ("api", "auth", "cache", "db", "mail", "queue", "search")  # and web
_BLOCK_EVENTS = 1000
_CHUNK_MINUTES = 144
_WORDS = (
    "request", "user", "session", "closed", "opened", "timeout", "retry", "cache", "miss", "hit", "disk", "queue",
    "worker", "started", "stopped", "token", "invalid", "accepted", "refused", "slow", "query", "index", "page",
)  # fmt: skip


class Event(NamedTuple):
    """One event.

    Attributes:
        id: different for each of a store.
        timestamp: seconds since the epoch.
        source: one of 20.
        tags: one to three of 8, and for a few of them one more.
        content: 20 to 40 letters, digits and blanks.
    """

    id: str
    timestamp: float
    source: str
    tags: tuple[str, ...]
    content: str


class Extent(NamedTuple):
    """How much there is.

    Attributes:
        minutes: how many minute files.
        events: how many events in each.
    """

    minutes: int
    events: int


class _Patterns(NamedTuple):
    """What the events take their fields from, in turn. The lengths share no factor, so that they do not repeat."""

    tags: list[tuple[str, ...]]
    contents: list[str]


@functools.cache
def _patterns() -> _Patterns:
    chance = random.Random(_SEED)
    tags: list[tuple[str, ...]] = []
    for _ in range(97):
        block = []
        for number in range(_BLOCK_EVENTS):
            has_web = number % 4 == 0
            count = 1 + number // 4 % 3
            others = chance.sample(_TAGS, count - has_web)
            block.append(tuple(sorted([*others, "web"] if has_web else others)))
        chance.shuffle(block)
        tags += block
    contents = []
    for number in range(9973):
        level = "ERROR " if number % 50 == 0 else "info "
        words = " ".join(chance.choices(_WORDS, k=8))
        contents.append(f"{level}{number} {words}"[: chance.randint(20, 40)].strip().ljust(20, "."))
    return _Patterns(tags, contents)


def minute_events(extent: Extent, minute: int) -> Iterator[Event]:
    """The events of a minute, in the order of their times.

    Every fourth event has the tag ``web``, and 150 in all of the extent have the tag ``rare``.

    Args:
        extent: how much there is in all.
        minute: the number of the minute, from 0.
    """
    patterns = _patterns()
    start = _START + 60 * minute
    rare = RARE_EVENTS * (minute + 1) // extent.minutes - RARE_EVENTS * minute // extent.minutes
    step = 60 / extent.events
    for number in range(extent.events):
        serial = minute * extent.events + number
        tags = patterns.tags[serial % len(patterns.tags)]
        if rare and len(tags) < 3:
            tags = (*tags, "rare")
            rare -= 1
        yield Event(
            f"{serial:08x}-5eed-4000-8000-{serial * 0x9E3779B1 & 0xFFFFFFFFFFFF:012x}",
            start + number * step,
            _SOURCES[serial * 7 % 20],
            tags,
            patterns.contents[serial % len(patterns.contents)],
        )


def frame(event: Event) -> str:
    """An event as it stands in a minute file, with the empty line after it."""
    header = (
        f"id:{event.id}\ntimestamp: {event.timestamp:.7f}\nsource:{event.source}\n"
        f"tags:{','.join(event.tags)}\n"
    )
    content = event.content
    return (
        f"event: {len(header) + len(content)} {len(header)} {len(content)}\n{header}{content}\n\n"
    )


def _journal_entry(event: Event) -> str:
    """An event in journald's export format."""
    tags = "".join([f"TAG={tag}\n" for tag in event.tags])
    return (
        f"__REALTIME_TIMESTAMP={int(event.timestamp * 1_000_000)}\nMESSAGE={event.content}\n"
        f"SOURCE={event.source}\n{tags}\n"
    )


def _write_minutes(directory: Path, extent: Extent, first: int) -> None:
    for minute in range(first, min(first + _CHUNK_MINUTES, extent.minutes)):
        start = _START + 60 * minute
        text = "".join([frame(event) for event in minute_events(extent, minute)])
        (directory / f"{start}-{start + 60}").write_bytes(text.encode())


def _write_events(path: Path, extent: Extent, laid_out: Callable[[Event], str]) -> None:
    with path.open("w", encoding="ascii", newline="") as file:
        for minute in range(extent.minutes):
            file.write("".join([laid_out(event) for event in minute_events(extent, minute)]))


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    path.unlink(missing_ok=True)


def content_lines(lines_directory: Path | None) -> tuple[list[bytes], str]:
    """Lines of logs, and what they are.

    Args:
        lines_directory: where there are files ``*.log`` of them; without it, they are made up.
    """
    if lines_directory is not None:
        lines = []
        for path in sorted(lines_directory.glob("*.log")):
            lines += [line for line in path.read_bytes().splitlines() if line.strip()]
        if not lines:
            raise FileNotFoundError(f"no lines in {lines_directory}/*.log")
        return lines, "real log lines"
    chance = random.Random(_SEED)
    made_up = [
        f"Nov 22 {serial // 3600 % 24:02}:{serial // 60 % 60:02}:{serial % 60:02} host-{serial % 7}"
        f" daemon[{1000 + serial % 900}]: {' '.join(chance.choices(_WORDS, k=chance.randint(4, 18)))}"
        for serial in range(20_000)
    ]
    return [line.encode() for line in made_up], "made-up log lines"


@dataclass(frozen=True)
class Data:
    """Where the data are. What is not there yet is made when it is asked for, and kept.

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
        """A directory of minute files."""

        def make(path: Path) -> None:
            path.mkdir()
            write = functools.partial(_write_minutes, path, extent)
            with ProcessPoolExecutor() as processes:
                list(processes.map(write, range(0, extent.minutes, _CHUNK_MINUTES)))

        store = self.made(f"store-{extent.minutes}x{extent.events}", make)
        if store not in self.prepared:
            self.prepare(store)
            self.prepared.add(store)
        return store

    def frames(self, extent: Extent) -> Path:
        """The same events as one file."""
        name = f"frames-{extent.minutes}x{extent.events}"
        return self.made(name, lambda path: _write_events(path, extent, frame))

    def journal_export(self, extent: Extent) -> Path:
        """The same events in journald's export format."""
        name = f"export-{extent.minutes}x{extent.events}"
        return self.made(name, lambda path: _write_events(path, extent, _journal_entry))

    def lines(self, size: int) -> Path:
        """A file of lines, of at least so many bytes."""
        kind = "real" if self.lines_directory else "made-up"

        def make(path: Path) -> None:
            block = b"\n".join(content_lines(self.lines_directory)[0]) + b"\n"
            with path.open("wb") as file:
                while file.tell() < size:
                    file.write(block)

        return self.made(f"lines-{kind}-{size}", make)

    def made(self, name: str, make: Callable[[Path], None]) -> Path:
        """A file or directory that is made once, and kept."""
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
        """A new, empty directory, in place of what had this name."""
        path = self.directory / name
        _remove(path)
        path.mkdir(parents=True)
        return path


def copy_store(store: Path, copy: Path) -> None:
    """Fill an empty directory with a store that may be written to without changing the one it is a copy of.

    Minute files are replaced and never written to, so that links to them do.
    """
    for path in store.iterdir():
        if path.is_dir():
            shutil.copytree(path, copy / path.name)
        else:
            (copy / path.name).hardlink_to(path)

"""The tree as it must be shown, worked out by brute force; and events and paths to try it with.

The model knows nothing of indexes, flushes or files: it keeps a list of what arrived, and filters it.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

from hypothesis import strategies as st

from store import TICKS_MAX, TICKS_PER_S, Event
from store.format.levels import LEVELS, level_of
from tests.renderings import json_line, log_line
from theiafs.names import escape

TAGS = [
    "level=error",
    "web",
    "db",
    "a/b",
    "..",
    ".git",
    "100%",
    "größe",
    "\udcff\udc80",
    "tab\t",
    "by-tag",
    "events",
    "x" * 300,
]
SOURCES = ["nginx", "/var/log/a b", "", "s:\r", "日本"]

DAY_TICKS = 86_400 * TICKS_PER_S
DAYS_NAMED = (datetime(9999, 12, 31, tzinfo=UTC) - datetime(1970, 1, 1, tzinfo=UTC)).days + 1

CONTENTS = [
    *(
        "",
        "\n",
        "event: 1 1 0\n\n\n",
        "id:x\n",
        "a\nb\r\n",
        "ERROR: disk is full",
        "[warn] a/b at 100%",
    ),
    *(
        '{"level":"info"}',
        "level=debug x",
        "<3>kernel",
        "no error",
        "source:nginx",
        "INFO one\nERROR two",
    ),
]
PATTERNS = [
    "a",
    "^a",
    "a$",
    "x|ERROR",
    "[0-9]+%",
    "a/b",
    "^$",
    "source:",
    "id:",
    r"one\nERROR",
    "error",
    "^[a-z]b",
    "(a|b)+c?",
    "[a-zA-Z]",
]

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.binary(max_size=20).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
times = (
    st.integers(0, 400).map(lambda seconds: seconds * TICKS_PER_S)
    | st.integers(0, 400 * TICKS_PER_S)
    | st.sampled_from(
        [
            0,
            599_999_999,
            600_000_000,
            1_199_999_999,
            DAY_TICKS - 1,
            DAY_TICKS,
            10**16 + 1,
            TICKS_MAX - 1,
            TICKS_MAX,
        ]
    )
)
tag_lists = st.lists(st.sampled_from(TAGS), unique=True, max_size=3)
events = st.builds(
    Event,
    id=st.uuids().map(str),
    source=st.sampled_from(SOURCES),
    ticks=times,
    tags=tag_lists,
    content=texts | st.sampled_from(CONTENTS),
)


@dataclass
class Model:
    """Everything that was stored, in the order it arrived."""

    arrived: list[tuple[Event, str]] = field(default_factory=list)
    minutes: list[tuple[int, int]] = field(default_factory=list)

    def save(self, event: Event) -> None:
        """Store *event*, in the minute that holds its time or in a new one."""
        second = event.ticks // TICKS_PER_S
        home = next((minute for minute in self.minutes if minute[0] <= second < minute[1]), None)
        if home is None:
            later = [start for start, _end in self.minutes if start > second]
            home = (second, min([second + 60, *later]))
            self.minutes.append(home)
        self.arrived.append((event, f"{home[0]}-{home[1]}"))

    def reopen(self) -> None:
        """Sort the events as after a restart: they count as arrived in the order of the minutes."""
        self.arrived.sort(key=lambda item: int(item[1].partition("-")[0]))


@dataclass(frozen=True)
class Step:
    """One filter of a path: how it is written, and which events it admits."""

    text: str
    admits: Callable[[Event], bool]
    tags: tuple[str, ...] = ()
    sources: tuple[str, ...] = ()
    levels: tuple[str, ...] = ()


def tag_step(tags: list[str]) -> Step:
    """At least one of these tags."""
    name = ",".join(map(escape, tags))
    return Step(
        f"/by-tag/{name}", lambda event: any(tag in event.tags for tag in tags), tuple(tags)
    )


def source_step(sources: list[str]) -> Step:
    """From one of these sources."""
    name = ",".join(map(escape, sources))
    return Step(f"/by-source/{name}", lambda event: event.source in sources, sources=tuple(sources))


def day_step(day: int) -> Step:
    """On a day, counted from the epoch."""
    name = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=day)
    return Step(f"/by-date/{name:%Y-%m-%d}", lambda event: event.ticks // DAY_TICKS == day)


def level_step(names: list[str], is_or_worse: bool) -> Step:
    """At one of these levels; or at the first of them, or a worse one."""
    if is_or_worse:
        wanted = LEVELS[: LEVELS.index(names[0]) + 1]
        return Step(
            f"/by-level/{names[0]}+",
            lambda event: level_name(event) in wanted,
            levels=tuple(wanted),
        )
    return Step(
        f"/by-level/{','.join(names)}",
        lambda event: level_name(event) in names,
        levels=tuple(names),
    )


def level_name(event: Event) -> str | None:
    """Return the name of the level of *event*."""
    level = level_of(in_bytes(",".join(event.tags)), in_bytes(event.content or ""))
    return LEVELS[level - 1] if level else None


def match_step(pattern: str) -> Step:
    """A content in which *pattern* matches, as Python's expressions do."""
    compiled = re.compile(pattern.encode(), re.MULTILINE)
    name = pattern.replace("%", "%25").replace("/", "%2F")
    return Step(
        f"/match/{name}", lambda event: bool(compiled.search(in_bytes(event.content or "")))
    )


def in_bytes(text: str) -> bytes:
    """Encode *text* as it is stored."""
    return text.encode("utf-8", "surrogateescape")


def negated(step: Step) -> Step:
    """Everything else."""
    return Step(f"/not{step.text}", lambda event: not step.admits(event), step.tags, step.sources)


def in_seconds(ticks: int) -> str:
    """Write *ticks* as epoch seconds."""
    return f"@{ticks // TICKS_PER_S}.{ticks % TICKS_PER_S:07d}"


def in_iso(ticks: int) -> str:
    """Write *ticks* as a date and time, if the calendar goes so far."""
    try:
        moment = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(seconds=ticks // TICKS_PER_S)
    except OverflowError:
        return in_seconds(ticks)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{ticks % TICKS_PER_S:07d}Z"


def range_step(
    start: int | None, end: int | None, separator: str, write: Callable[[int], str]
) -> Step:
    """From a start to an end, both included."""
    written = separator.join("" if bound is None else write(bound) for bound in (start, end))
    low = 0 if start is None else start
    high = TICKS_MAX if end is None else end
    return Step(f"/range/{written}", lambda event: low <= event.ticks <= high)


positive_steps = (
    st.builds(tag_step, st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True))
    | st.builds(
        source_step, st.lists(st.sampled_from(SOURCES), min_size=1, max_size=2, unique=True)
    )
    | st.builds(
        level_step,
        st.lists(st.sampled_from(LEVELS), min_size=1, max_size=2, unique=True),
        st.booleans(),
    )
    | st.builds(match_step, st.sampled_from(PATTERNS))
    | st.just(Step("/untagged", lambda event: not event.tags))
    | st.builds(day_step, st.integers(0, 1))
    | st.builds(
        lambda bounds, *form: range_step(*bounds, *form),
        st.tuples(times, times).map(sorted)
        | st.tuples(times, st.none())
        | st.tuples(st.none(), times),
        st.sampled_from(["-", ".."]),
        st.sampled_from([in_seconds, in_iso]),
    )
)
steps = positive_steps | positive_steps.map(negated)
queries = st.lists(steps, min_size=1, max_size=4) | st.lists(steps, min_size=16, max_size=16)


def record(event: Event) -> bytes:
    """Write *event* as it stands in a file, once more, from the description of the format."""
    timestamp = in_seconds(event.ticks).removeprefix("@")
    header = f"id:{event.id}\ntimestamp: {timestamp}\nsource:{event.source}\ntags:{','.join(event.tags)}\n"
    header_bytes = header.encode("utf-8", "surrogateescape")
    content = (event.content or "").encode("utf-8", "surrogateescape")
    sizes = (len(header_bytes) + len(content), len(header_bytes), len(content))
    return b"event: %d %d %d\n" % sizes + header_bytes + content + b"\n\n"


@dataclass(frozen=True)
class Expected:
    """The contents of a query directory: the bytes of each minute and of all, the events, the files that show one a line."""

    minutes: dict[str, bytes]
    events: bytes
    found: list[Event]
    lines: dict[str, bytes]

    @property
    def days(self) -> set[str]:
        """The names of the days with events, of those with four digits for the year."""
        days = {event.ticks // DAY_TICKS for event in self.found}
        start = datetime(1970, 1, 1, tzinfo=UTC)
        return {f"{start + timedelta(days=day):%Y-%m-%d}" for day in days if day < DAYS_NAMED}


def expect(model: Model, query: list[Step]) -> Expected | None:
    """Work out the contents of a query directory; None when it must not be there."""
    tags = {tag for event, _minute in model.arrived for tag in event.tags}
    sources = {event.source for event, _minute in model.arrived}
    if not all(tags.issuperset(step.tags) and sources.issuperset(step.sources) for step in query):
        return None
    minutes: dict[str, bytes] = {}
    lines = {"events.log": b"", "events.jsonl": b""}
    everything = b""
    found = []
    for event, minute in model.arrived:
        if all(step.admits(event) for step in query):
            minutes[minute] = minutes.get(minute, b"") + record(event)
            everything += record(event)
            found.append(event)
            for suffix, line_of in (("log", log_line), ("jsonl", json_line)):
                line = line_of(record(event)).encode()
                for name in (f"{minute}.{suffix}", f"events.{suffix}"):
                    lines[name] = lines.get(name, b"") + line
    return Expected(minutes, everything, found, lines)

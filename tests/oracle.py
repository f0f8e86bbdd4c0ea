"""What the tree must show, worked out by brute force; and events and paths to try it with.

The model knows nothing of indexes, flushes or files: it keeps a list of what arrived, and filters it.
"""

from collections.abc import Callable
from dataclasses import dataclass, field

from hypothesis import strategies as st

from store import Event
from theiafs.names import escape

TAGS = [
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

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20) | st.binary(max_size=20).map(
    lambda data: data.decode("utf-8", "surrogateescape")
)
times = (
    st.integers(0, 400).map(float)
    | st.floats(0, 400)
    | st.sampled_from([0.0, 59.99999999, 60.0, 119.9999999, 1e9 + 0.1, 1e12, 5e15, 2.0**53])
)
tag_lists = st.lists(st.sampled_from(TAGS), unique=True, max_size=3)
events = st.builds(
    Event,
    id=st.uuids().map(str),
    source=st.sampled_from(SOURCES),
    timestamp=times,
    tags=tag_lists,
    content=texts | st.sampled_from(["", "\n", "event: 1 1 0\n\n\n", "id:x\n", "a\nb\r\n"]),
)


@dataclass
class Model:
    """Everything that was stored, in the order it arrived."""

    arrived: list[tuple[Event, str]] = field(default_factory=list)
    minutes: list[tuple[int, int]] = field(default_factory=list)

    def save(self, event: Event) -> None:
        """Store an event, in the minute that holds its time or in a new one."""
        time = float(f"{event.timestamp:.7f}")
        stored = Event(event.id, event.source, time, event.tags, event.content)
        home = next((minute for minute in self.minutes if minute[0] <= time < minute[1]), None)
        if home is None:
            later = [start for start, _end in self.minutes if start > time]
            home = (int(time), min([int(time) + 60, *later]))
            self.minutes.append(home)
        self.arrived.append((stored, f"{home[0]}-{home[1]}"))

    def reopen(self) -> None:
        """After a restart, what is there counts as arrived in the order of the minutes."""
        self.arrived.sort(key=lambda item: int(item[1].partition("-")[0]))


@dataclass(frozen=True)
class Step:
    """One filter of a path: how it is written, and what it lets through."""

    text: str
    admits: Callable[[Event], bool]
    tags: tuple[str, ...] = ()


def tag_step(tags: list[str]) -> Step:
    """At least one of these tags."""
    name = ",".join(map(escape, tags))
    return Step(
        f"/by-tag/{name}", lambda event: any(tag in event.tags for tag in tags), tuple(tags)
    )


def range_step(start: float | None, end: float | None) -> Step:
    """From a start to an end, both included."""
    written = "-".join("" if bound is None else f"{bound:.7f}" for bound in (start, end))
    low = float("-inf") if start is None else float(f"{start:.7f}")
    high = float("inf") if end is None else float(f"{end:.7f}")
    return Step(f"/range/{written}", lambda event: low <= event.timestamp <= high)


steps = st.builds(
    tag_step, st.lists(st.sampled_from(TAGS), min_size=1, max_size=3, unique=True)
) | (
    st.builds(lambda bounds: range_step(*sorted(bounds)), st.tuples(times, times))
    | st.builds(range_step, times, st.none())
    | st.builds(range_step, st.none(), times)
)
queries = st.lists(steps, min_size=1, max_size=4) | st.lists(steps, min_size=16, max_size=16)


def record(event: Event) -> bytes:
    """An event as it stands in a file, written out once more from the description of the format."""
    header = f"id:{event.id}\ntimestamp: {event.timestamp:.7f}\nsource:{event.source}\ntags:{','.join(event.tags)}\n"
    header_bytes = header.encode("utf-8", "surrogateescape")
    content = (event.content or "").encode("utf-8", "surrogateescape")
    sizes = (len(header_bytes) + len(content), len(header_bytes), len(content))
    return b"event: %d %d %d\n" % sizes + header_bytes + content + b"\n\n"


@dataclass(frozen=True)
class Expected:
    """What a query directory holds: for each minute and for all of it the bytes, and the count."""

    minutes: dict[str, bytes]
    events: bytes
    count: int


def expect(model: Model, query: list[Step]) -> Expected | None:
    """Work out what a query directory holds; None when it must not be there."""
    known = {tag for event, _minute in model.arrived for tag in event.tags}
    if any(tag not in known for step in query for tag in step.tags):
        return None
    minutes: dict[str, bytes] = {}
    everything = b""
    count = 0
    for event, minute in model.arrived:
        if all(step.admits(event) for step in query):
            minutes[minute] = minutes.get(minute, b"") + record(event)
            everything += record(event)
            count += 1
    return Expected(minutes, everything, count)

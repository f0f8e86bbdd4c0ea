"""The events, which are the same in every run, and counts of them."""

import functools
import random
from collections.abc import Iterator
from typing import NamedTuple

__all__ = [
    "RARE_EVENTS",
    "RARE_WORD",
    "SOURCES",
    "WORDS",
    "Event",
    "Extent",
    "frame",
    "minute_events",
    "minute_name",
    "web_minutes",
]

RARE_EVENTS = 150
RARE_WORD = "kraken"
"""A word in the content of each of the rare events, and nowhere else."""

_RARE_WORDS = f" {RARE_WORD} xxxxxxy retry after"
_SEED = 20251122
_START = 1763769600  # a midnight, UTC
SOURCES = tuple(f"app-{number}" for number in range(20))
_TAGS = ("api", "auth", "cache", "db", "mail", "queue", "search")  # and web
_BLOCK_EVENTS = 1000
_CONTENTS = 9973
_ERROR_STEP = 8
WORDS = (
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
        content: 20 to 40 letters, digits and blanks, and a few words more where the tag is rare.
    """

    id: str
    timestamp: float
    source: str
    tags: tuple[str, ...]
    content: str


class Extent(NamedTuple):
    """The size of a store.

    Attributes:
        minutes: how many minute files.
        events: how many events in each.
        have_levels: whether the content of each event has a word for its level, not only that of each with ERROR.
    """

    minutes: int
    events: int
    have_levels: bool = False

    def __str__(self) -> str:
        return f"{self.minutes}x{self.events}{'-levels' * self.have_levels}"

    @staticmethod
    def start_s(minute: int) -> int:
        """Return the start of *minute*, in seconds since the epoch."""
        return _START + 60 * minute

    @property
    def total(self) -> int:
        """The number of all events."""
        return self.minutes * self.events

    @property
    def web(self) -> int:
        """The number of events with the tag ``web``: a quarter of each whole block, and those in the rest."""
        blocks, rest = divmod(self.total, _BLOCK_EVENTS)
        tags = _patterns().tags
        first = blocks * _BLOCK_EVENTS % len(tags)
        return blocks * (_BLOCK_EVENTS // 4) + sum(
            "web" in each for each in tags[first : first + rest]
        )

    @property
    def errors(self) -> int:
        """The number of events with ERROR in their content."""
        rounds, rest = divmod(self.total, _CONTENTS)
        return rounds * len(range(0, _CONTENTS, _ERROR_STEP)) + len(range(0, rest, _ERROR_STEP))


class _Patterns(NamedTuple):
    """Tags and contents that the events cycle through. The lengths are coprime, so that pairs do not repeat early."""

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
    for number in range(_CONTENTS):
        level = "ERROR " if number % _ERROR_STEP == 0 else "info "
        words = " ".join(chance.choices(WORDS, k=8))
        contents.append(f"{level}{number} {words}"[: chance.randint(20, 40)].strip().ljust(20, "."))
    return _Patterns(tags, contents)


def minute_events(extent: Extent, minute: int) -> Iterator[Event]:
    """Yield the events of *minute* in a store of *extent*, in the order of their times.

    Every fourth event has the tag ``web``, and 150 in all of the extent have the tag ``rare``.

    Args:
        extent: how much there is in all.
        minute: the number of the minute, from 0.
    """
    patterns = _patterns()
    start = Extent.start_s(minute)
    rare = RARE_EVENTS * (minute + 1) // extent.minutes - RARE_EVENTS * minute // extent.minutes
    step = 60 / extent.events
    for number in range(extent.events):
        serial = minute * extent.events + number
        tags = patterns.tags[serial % len(patterns.tags)]
        content = patterns.contents[serial % len(patterns.contents)]
        if extent.have_levels:
            content = content.replace("info ", "INFO ", 1)
        if rare and len(tags) < 3:
            tags = (*tags, "rare")
            content += _RARE_WORDS
            rare -= 1
        yield Event(
            f"{serial:08x}-5eed-4000-8000-{serial * 0x9E3779B1 & 0xFFFFFFFFFFFF:012x}",
            start + number * step,
            SOURCES[serial * 7 % 20],
            tags,
            content,
        )


def minute_name(minute: int) -> str:
    """Return the name of the file of *minute*."""
    start = Extent.start_s(minute)
    return f"{start}-{start + 60}"


def web_minutes(extent: Extent) -> Iterator[str]:
    """Yield the names of the minutes of *extent* that have an event with the tag ``web``, as ``ls`` sorts them."""
    for minute in range(extent.minutes):
        if any("web" in event.tags for event in minute_events(extent, minute)):
            yield minute_name(minute)


def frame(event: Event) -> str:
    """Encode *event* as in a minute file, with the empty line after it."""
    header = (
        f"id:{event.id}\ntimestamp: {event.timestamp:.7f}\nsource:{event.source}\n"
        f"tags:{','.join(event.tags)}\n"
    )
    content = event.content
    return (
        f"event: {len(header) + len(content)} {len(header)} {len(content)}\n{header}{content}\n\n"
    )

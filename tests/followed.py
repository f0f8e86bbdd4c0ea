"""A model of a walk from the root by programs that follow links, as ``find -L`` does: the names that it reaches.

A filter is a tag, a source, a day, or ``untagged``. With *f* filters, *m* minutes, *m(a)* of them with events of the filter *a*
and *m(a, b)* with events of both *a* and *b*, the number of names is at most::

    32 + m                             the root and minutes/
       + 24 + m(a)       for each a    its directory, and up to 23 links in it
       + 20 + m(a, b)    for each b    that is offered below a: its directory, and up to 19 links in it

which is at most ``32 + m + f (18 + m) + f (f - 1) (14 + m)``, whatever the events are: those of the model are of no level.
"""

from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from typing import NamedTuple

from store import Event
from store.query import MINUTE_S
from theiafs.names import escape
from theiafs.paths import DOORS

__all__ = [
    "LEAVES",
    "SIGNPOSTS",
    "Selection",
    "followed",
    "followed_max",
    "selections",
    "some_events",
]

LEAVES = [
    ".count",
    ".events",
    ".events.jsonl",
    ".events.log",
    ".histogram",
    ".levels",
    ".patterns",
    ".sources",
    ".tags",
]
"""The links in a directory to its files."""

SIGNPOSTS = [*(f".{door}" for door in DOORS), ".match", ".not", ".range", *LEAVES]
"""The links in a directory that adds tags or a source, those to filters that list something aside."""

_DAY_S = 86_400
_START_S = 1_790_035_200  # 2026-09-22
_ROOT = [
    "README", ".rgignore", "status", "errors", "views", *LEAVES, *DOORS, "latest", "minutes", "by-tag", "by-source", "by-level", "by-date", "range",
    "match", "not", "by-id",
]  # fmt: skip
_OFFERED = {
    "by-tag": {"by-tag", "by-source", "by-level", "by-date"},
    "by-source": {"by-tag", "by-level", "by-date", "untagged"},
    "by-date": {"by-tag", "by-source", "by-level", "untagged"},
    "untagged": {"by-source", "by-level", "by-date"},
}
_TAGS = [("web",), ("db",), ("web", "error"), ()]


class Selection(NamedTuple):
    """The path of a directory with one filter, and the kind of that filter."""

    path: str
    kind: str

    def has(self, event: Event) -> bool:
        """Return whether the filter selects *event*."""
        value = self.path.rpartition("/")[2]
        match self.kind:
            case "by-tag":
                return value in map(escape, event.tags)
            case "by-source":
                return value == escape(str(event.source))
            case "by-date":
                return value == _day(event)
        return not event.tags


def some_events(
    sources: int, days: int, number: int, tags: Collection[tuple[str, ...]] = _TAGS
) -> list[Event]:
    """Return *number* events of several *sources*, *days* and combinations of *tags*, few in a minute; each has a needle."""
    combinations = list(tags)
    return [
        Event(
            f"id{each}",
            f"/app/{each % sources}",
            _START_S + each // 5 % days * _DAY_S + each // (5 * days) * 2 * MINUTE_S,
            list(combinations[each % len(combinations)]),
            f"needle {each}",
        )
        for each in range(number)
    ]


def selections(events: Collection[Event]) -> list[Selection]:
    """Return the directories with one filter that a walk reaches."""
    tags = {escape(tag) for event in events for tag in event.tags}
    sources = {escape(str(event.source)) for event in events}
    return [
        *(Selection(f"by-tag/{tag}", "by-tag") for tag in sorted(tags)),
        *(Selection(f"by-source/{source}", "by-source") for source in sorted(sources)),
        *(Selection(f"by-date/{day}", "by-date") for day in sorted(set(map(_day, events)))),
        Selection(".untagged", "untagged"),
    ]


def followed(events: Collection[Event]) -> Iterator[str]:
    """Yield the path of all that a walk over a store of *events* reaches if it follows links, the root aside."""
    yield from _ROOT
    yield from (f"minutes/{name}" for name in _minutes(events))
    for one in selections(events):
        found = list(filter(one.has, events))
        yield from _directory(one, found)
        offered = _OFFERED[one.kind]
        yield from (f"{one.path}/.{kind}" for kind in offered - {"untagged"})
        for two in selections(found):
            if two.kind in offered and two.path != one.path:
                path = f"{one.path}/.{two.path.removeprefix('.')}"
                yield from _directory(two._replace(path=path), list(filter(two.has, found)))


def followed_max(events: Collection[Event]) -> int:
    """Return the most names that such a walk reaches."""
    filters, minutes = len(selections(events)), len(_minutes(events))
    return 32 + minutes + filters * (24 + minutes) + filters * (filters - 1) * (20 + minutes)


def _directory(selection: Selection, found: Collection[Event]) -> Iterator[str]:
    path = selection.path
    yield path
    is_untagged = "untagged" in path
    for name in SIGNPOSTS:
        if name.removeprefix(".") not in DOORS or not is_untagged:
            yield f"{path}/{name}"
    yield from (f"{path}/{name}" for name in _minutes(found))


def _minutes(events: Collection[Event]) -> list[str]:
    """Return the names of the minutes of *events*, each of which has one time."""
    starts = sorted({int(event.timestamp) for event in events})
    return [f"{start}-{start + MINUTE_S}" for start in starts]


def _day(event: Event) -> str:
    return datetime.fromtimestamp(event.timestamp, UTC).date().isoformat()

"""The grammar of paths: from a path to what it means. Pure: it knows no store and no clock.

::

    path    = "/" | "/README" | "/latest" | "/minutes" [ "/" minute ] | "/" query
    query   = { filter "/" } [ leaf ]
    filter  = "by-tag/" tag { "," tag }  |  "range/" range
    leaf    = "events" | "count" | "ingest" | minute | "by-tag" | "range"
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

from store import Query
from theiafs.errors import InvalidName, NotFound
from theiafs.timerange import Last, Range, parse_range

__all__ = ["FILTERS_MAX", "Filter", "Kind", "Location", "Tags", "parse_path", "to_query"]

FILTERS_MAX = 16
"""How many filters a path may nest."""

# What desktop environments look for in every directory they see. They get a plain "not there" where another
# name would be called invalid.
_PROBED = frozenset({"autorun.inf", "AUTORUN.INF", "desktop.ini", "Desktop.ini", "Thumbs.db"})
_EVERYTHING = Query()
_MINUTE = re.compile(r"[0-9]+-[0-9]+")


@dataclass(frozen=True)
class Tags:
    """At least one of these tags."""

    any_of: tuple[str, ...]


Filter = Tags | Range | Last


class Kind(StrEnum):
    """What can be at a path."""

    ROOT = "root"
    README = "README"
    LATEST = "latest"
    MINUTES = "minutes"
    BY_TAG = "by-tag"
    RANGE = "range"
    QUERY = "query"
    EVENTS = "events"
    COUNT = "count"
    INGEST = "ingest"
    MINUTE = "minute"


_LEAVES = frozenset({Kind.EVENTS, Kind.COUNT, Kind.INGEST})


@dataclass(frozen=True)
class Location:
    """What a path means.

    Attributes:
        kind: what is there, if anything is.
        filters: the filters the path has gone through.
        minute: the name of the minute, where the kind is one.
    """

    kind: Kind
    filters: tuple[Filter, ...] = ()
    minute: str = ""


def parse_path(path: str, read_tag: Callable[[str], str]) -> Location:
    """Find out what a path means; whether it is there is for others to say.

    Args:
        path: absolute, from the mountpoint on.
        read_tag: turns a file name into a tag, or raises what is wrong with it.

    Raises:
        NotFound: if the path can mean nothing.
        InvalidName: if it names a range that is none.
    """
    if "/." in path:
        raise NotFound(f"no such file: {path!r}")
    parts = [part for part in path.split("/") if part]
    match parts:
        case []:
            return Location(Kind.ROOT)
        case [Kind.README | Kind.LATEST | Kind.MINUTES as kind]:
            return Location(Kind(kind))
        case [Kind.MINUTES, minute] if _MINUTE.fullmatch(minute):
            return Location(Kind.MINUTE, minute=minute)
    return _parse_query(path, parts, read_tag)


def _parse_query(path: str, parts: list[str], read_tag: Callable[[str], str]) -> Location:
    filters: tuple[Filter, ...] = ()
    position = 0
    while position + 1 < len(parts) and parts[position] in (Kind.BY_TAG, Kind.RANGE):
        kind, name = parts[position], parts[position + 1]
        if kind == Kind.RANGE and name in _PROBED:
            raise NotFound(f"no such file: {path!r}")
        filters += (parse_range(name) if kind == Kind.RANGE else _parse_tags(name, read_tag),)
        position += 2
    if len(filters) > FILTERS_MAX:
        raise NotFound(f"more than {FILTERS_MAX} filters: {path!r}")
    match parts[position:]:
        case []:
            return Location(Kind.QUERY, filters)
        case [Kind.BY_TAG | Kind.RANGE as kind] if len(filters) < FILTERS_MAX:
            return Location(Kind(kind), filters)
        case [leaf] if leaf in _LEAVES:
            return Location(Kind(leaf), filters)
        case [minute] if filters and _MINUTE.fullmatch(minute):
            return Location(Kind.MINUTE, filters, minute)
    raise NotFound(f"no such file: {path!r}")


def _parse_tags(name: str, read_tag: Callable[[str], str]) -> Tags:
    names = name.split(",")
    if "" in names:
        raise InvalidName(f"tags separated by commas, one of them empty: {name!r}")
    return Tags(tuple(read_tag(part) for part in names))


def to_query(filters: tuple[Filter, ...], moment: float) -> Query:
    """Turn filters into the query they stand for at a moment, in seconds since the epoch."""
    query = _EVERYTHING
    for each in filters:
        match each:
            case Tags(any_of):
                query = query.tagged(*any_of)
            case Range(start, end):
                query = query.within(start, end)
            case Last(seconds):
                query = query.within(moment - seconds, float("inf"))
    return query

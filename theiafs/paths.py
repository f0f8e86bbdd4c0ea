"""The grammar of paths: from a path to what it means. Pure: it knows no store and no clock.

::

    path    = "/" | "/README" | "/latest" | "/minutes" [ "/" minute ] | "/" query
    query   = { filter "/" } [ leaf ]
    filter  = "by-tag/" tag { "," tag }  |  "range/" range
    leaf    = "events" | "count" | "ingest" | minute | "by-tag" | "range"
"""

import functools
import re
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from store import Query
from theiafs.errors import InvalidName, NotFound
from theiafs.timerange import Last, Range, parse_range

__all__ = ["FILTERS_MAX", "Filter", "Kind", "Location", "Paths", "Tags", "to_query"]

FILTERS_MAX = 16
"""How many filters a path may nest."""

_DIRECTORIES_MAX = 1024

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


class Location(NamedTuple):
    """What a path means.

    Attributes:
        kind: what is there, if anything is.
        filters: the filters the path has gone through.
        minute: the name of the minute, where the kind is one.
        query: what the filters ask for; None when that depends on the moment.
    """

    kind: Kind
    filters: tuple[Filter, ...] = ()
    minute: str = ""
    query: Query | None = _EVERYTHING

    def query_at(self, moment: float) -> Query:
        """What the filters ask for at a moment, in seconds since the epoch."""
        return to_query(self.filters, moment) if self.query is None else self.query


_ROOT = Location(Kind.ROOT)
_ROOT_ONLY = {kind.value: kind for kind in (Kind.README, Kind.LATEST, Kind.MINUTES)}
_QUERY_LEAVES = {kind.value: kind for kind in (Kind.EVENTS, Kind.COUNT, Kind.INGEST)}
_FILTER_KINDS = {kind.value: kind for kind in (Kind.BY_TAG, Kind.RANGE)}


class Paths:
    """Finds out what paths mean, name by name. Any number of threads may use it.

    Args:
        read_tag: turns a file name into a tag, or raises what is wrong with it.
    """

    def __init__(self, read_tag: Callable[[str], str]) -> None:
        self._read_tag = read_tag
        # Most paths lead to one of many files in one of few directories.
        self._directory = functools.lru_cache(_DIRECTORIES_MAX)(self.locate)

    def locate(self, path: str) -> Location:
        """Find out what a path means; whether it is there is for others to say.

        Args:
            path: absolute, from the mountpoint on.

        Raises:
            NotFound: if the path can mean nothing.
            InvalidName: if it names a range that is none.
        """
        above, _, name = path.rpartition("/")
        if not name:
            return _ROOT
        if name[0] != ".":
            found = self._step(self._directory(above), name)
            if found is not None:
                return found
        raise NotFound(f"no such file: {path!r}")

    def _step(self, above: Location, name: str) -> Location | None:
        """What a name means in a directory; None when nothing."""
        match above.kind:
            case Kind.BY_TAG:
                return self._filtered(above, _parse_tags(name, self._read_tag))
            case Kind.RANGE:
                return None if name in _PROBED else self._filtered(above, parse_range(name))
            case Kind.MINUTES:
                return Location(Kind.MINUTE, minute=name) if _MINUTE.fullmatch(name) else None
            case Kind.QUERY if _MINUTE.fullmatch(name):
                return above._replace(kind=Kind.MINUTE, minute=name)
            case Kind.ROOT if name in _ROOT_ONLY:
                return Location(_ROOT_ONLY[name])
            case Kind.QUERY | Kind.ROOT if name in _QUERY_LEAVES:
                return above._replace(kind=_QUERY_LEAVES[name])
            case Kind.QUERY | Kind.ROOT if (
                name in _FILTER_KINDS and len(above.filters) < FILTERS_MAX
            ):
                return above._replace(kind=_FILTER_KINDS[name])
        return None

    @staticmethod
    def _filtered(above: Location, added: Filter) -> Location:
        filters = (*above.filters, added)
        moves = any(isinstance(each, Last) for each in filters)
        return Location(Kind.QUERY, filters, query=None if moves else to_query(filters, 0.0))


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

"""The grammar of paths: it parses a path into its meaning. Pure: it knows no store and no clock.

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
from theiafs.timerange import Days, Last, Newest, Range, parse_range

__all__ = ["FILTERS_MAX", "Filter", "Location", "NodeKind", "Paths", "Tags", "to_query"]

FILTERS_MAX = 16
"""Maximum number of filters in a path."""

_DIRECTORIES_MAX = 1024

# Desktop environments probe for these in every directory. They do not exist, even where another name would be invalid.
_PROBED = frozenset({"autorun.inf", "AUTORUN.INF", "desktop.ini", "Desktop.ini", "Thumbs.db"})
_EVERYTHING = Query()
_MINUTE = re.compile(r"[0-9]+-[0-9]+")


@dataclass(frozen=True)
class Tags:
    """At least one of these tags."""

    any_of: tuple[str, ...]


Filter = Tags | Range | Last | Newest | Days


class NodeKind(StrEnum):
    """The kinds of nodes that a path can lead to."""

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
    """The meaning of a path.

    Attributes:
        kind: the kind of node that may be there.
        filters: the filters that the path goes through.
        minute: the name of the minute, if the kind is one.
        query: the query of the filters; None if it depends on the moment.
    """

    kind: NodeKind
    filters: tuple[Filter, ...] = ()
    minute: str = ""
    query: Query | None = _EVERYTHING


_ROOT = Location(NodeKind.ROOT)
_ROOT_ONLY = {kind.value: kind for kind in (NodeKind.README, NodeKind.LATEST, NodeKind.MINUTES)}
_QUERY_LEAVES = {kind.value: kind for kind in (NodeKind.EVENTS, NodeKind.COUNT, NodeKind.INGEST)}
_FILTER_KINDS = {kind.value: kind for kind in (NodeKind.BY_TAG, NodeKind.RANGE)}


class Paths:
    """A parser of paths, name by name. Any number of threads may use it.

    Args:
        read_tag: turns a file name into a tag, or raises a :class:`theiafs.errors.FilesystemError`.
    """

    def __init__(self, read_tag: Callable[[str], str]) -> None:
        self._read_tag = read_tag
        # Most paths lead to many files in few directories.
        self._directory = functools.lru_cache(_DIRECTORIES_MAX)(self.locate)

    def locate(self, path: str) -> Location:
        """Return the meaning of *path*, which is absolute, from the mountpoint on; it need not exist.

        Raises:
            NotFound: if the path has no meaning.
            InvalidName: if it names an invalid range.
        """
        above, _, name = path.rpartition("/")
        if not name:
            return _ROOT
        if name[0] != "." or name.startswith(".."):
            found = self._step(self._directory(above), name)
            if found is not None:
                return found
        raise NotFound(f"no such file: {path!r}")

    def _step(self, above: Location, name: str) -> Location | None:
        """Return the meaning of *name* in the directory *above*; None if it has none."""
        match above.kind:
            case NodeKind.RANGE:
                return None if name in _PROBED else self._filtered(above, parse_range(name))
            case _ if name[0] == ".":
                return None  # only a range may start with dots
            case NodeKind.BY_TAG:
                return self._filtered(above, _parse_tags(name, self._read_tag))
            case NodeKind.MINUTES:
                return Location(NodeKind.MINUTE, minute=name) if _MINUTE.fullmatch(name) else None
            case NodeKind.QUERY if _MINUTE.fullmatch(name):
                return above._replace(kind=NodeKind.MINUTE, minute=name)
            case NodeKind.ROOT if name in _ROOT_ONLY:
                return Location(_ROOT_ONLY[name])
            case NodeKind.QUERY | NodeKind.ROOT if name in _QUERY_LEAVES:
                return above._replace(kind=_QUERY_LEAVES[name])
            case NodeKind.QUERY | NodeKind.ROOT if (
                name in _FILTER_KINDS and len(above.filters) < FILTERS_MAX
            ):
                return above._replace(kind=_FILTER_KINDS[name])
        return None

    @staticmethod
    def _filtered(above: Location, added: Filter) -> Location:
        filters = (*above.filters, added)
        is_fixed = all(isinstance(each, Tags | Range) for each in filters)
        return Location(NodeKind.QUERY, filters, query=to_query(filters) if is_fixed else None)


def _parse_tags(name: str, read_tag: Callable[[str], str]) -> Tags:
    names = name.split(",")
    if "" in names:
        raise InvalidName(f"tags separated by commas, one of them empty: {name!r}")
    return Tags(tuple(read_tag(part) for part in names))


def to_query(filters: tuple[Filter, ...], now: int = 0, newest: int = 0) -> Query:
    """Turn *filters* into their query at a moment.

    Args:
        filters: the filters.
        now: the time of the clock, in ticks since the epoch.
        newest: the time of the newest event that is stored, in ticks since the epoch.

    Raises:
        InvalidName: if a range ends before it starts on the day of *now*.
    """
    query = _EVERYTHING
    for each in filters:
        match each:
            case Tags(any_of):
                query = query.tagged(*any_of)
            case Range(start, end):
                query = query.within(start, end)
            case Newest():
                query = query.within(*each.at(newest))
            case Last() | Days():
                query = query.within(*each.at(now))
    return query

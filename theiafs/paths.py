"""The grammar of paths: it parses a path into its meaning. It asks no store, and no clock: callers pass the time.

::

    path    = "/" | "/README" | "/.rgignore" | "/status" | "/errors" | "/latest" | "/minutes" [ "/" minute [ lines ] ]
              | "/by-id" [ "/" id ] | "/views" [ "/" view ] | "/" query
    query   = { filter "/" } [ leaf ]
    filter  = [ "not/" ] selection
    selection = "by-tag/" tag { "," tag }  |  "by-source/" source { "," source }  |  "untagged"
              | "by-level/" level [ "+" ] { "," level [ "+" ] }  |  "by-date/" date  |  "range/" range  |  "match/" regex
    leaf    = "events" [ lines ] | "ingest" [ "." format ] | "count" | "tags" | "sources" | "levels" | "histogram" | "patterns" | minute [ lines ]
              | "not"  |  a selection without what follows its first "/" | "." leaf
    lines   = ".log" | ".jsonl"
    format  = "jsonl" | "syslog" | "logfmt" | "combined" | "journal" | "record"
"""

import functools
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, tzinfo
from enum import StrEnum
from typing import NamedTuple

from store import AtLevel, During, FromSource, HasTag, Matches, Not, Query, Untagged
from store import Filter as StoreFilter
from store.format.levels import LEVELS, parse_level
from theiafs.errors import InvalidName, NotFound
from theiafs.timerange import Days, Last, Newest, parse_date, parse_range

__all__ = [
    "DOORS",
    "FILTERS_MAX",
    "LEAVES",
    "Filter",
    "Location",
    "Negated",
    "NodeKind",
    "Paths",
    "decode_pattern",
    "place_in_name",
    "to_query",
]

FILTERS_MAX = 16
"""Maximum number of filters in a path; ``not`` and what follows are one."""

_DEPTH_MAX = 3 * FILTERS_MAX + 2
"""Names of the longest path: a filter has at most three, like ``not/by-tag/x``."""

_DIRECTORIES_MAX = 1024

# Desktop environments and git probe for these in every directory. They do not exist, even where another name would be invalid,
# or looked for in all events.
_PROBED = frozenset(
    {"autorun.inf", "AUTORUN.INF", "desktop.ini", "Desktop.ini", "Thumbs.db", "HEAD"}
)
# And shells, editors and indexers for these. As a pattern, such a name can be written in many other ways.
_PROBED_HIDDEN = re.compile(r"\.[A-Za-z][\w.-]*", re.ASCII)
_EVERYTHING = Query()
_MINUTE = re.compile(r"([0-9]+-[0-9]+)(\.[a-z]+)?")

MovingRange = Last | Newest | Days


@dataclass(frozen=True)
class Negated:
    """A range that moves, of which the outside is asked for."""

    filter: MovingRange


Filter = StoreFilter | MovingRange | Negated
"""A filter of a path: one of the store, or a range that depends on the moment."""


class NodeKind(StrEnum):
    """The kinds of nodes that a path can lead to."""

    ROOT = "root"
    README = "README"
    STATUS = "status"
    ERRORS = "errors"
    VIEWS = "views"
    VIEW = "view"
    LATEST = "latest"
    MINUTES = "minutes"
    BY_ID = "by-id"
    EVENT = "event"
    BY_TAG = "by-tag"
    BY_SOURCE = "by-source"
    BY_LEVEL = "by-level"
    BY_DATE = "by-date"
    RANGE = "range"
    MATCH = "match"
    UNTAGGED = "untagged"
    NOT = "not"
    QUERY = "query"
    EVENTS = "events"
    EVENTS_LOG = "events.log"
    EVENTS_JSONL = "events.jsonl"
    COUNT = "count"
    TAGS = "tags"
    SOURCES = "sources"
    LEVELS = "levels"
    HISTOGRAM = "histogram"
    PATTERNS = "patterns"
    INGEST = "ingest"
    INGEST_JSONL = "ingest.jsonl"
    INGEST_SYSLOG = "ingest.syslog"
    INGEST_LOGFMT = "ingest.logfmt"
    INGEST_COMBINED = "ingest.combined"
    INGEST_JOURNAL = "ingest.journal"
    INGEST_RECORD = "ingest.record"
    MINUTE = "minute"
    MINUTE_LOG = "minute.log"
    MINUTE_JSONL = "minute.jsonl"
    SIGNPOST = "signpost"
    RGIGNORE = ".rgignore"


class Location(NamedTuple):
    """The meaning of a path.

    Attributes:
        kind: the kind of node that may be there.
        filters: the filters that the path goes through.
        name: the name of the minute, of the view or of the signpost, or the id of the event, if the kind is one.
        query: the query of the filters; None if it depends on the moment.
        is_negated: whether the path goes on with a filter that is negated.
    """

    kind: NodeKind
    filters: tuple[Filter, ...] = ()
    name: str = ""
    query: Query | None = _EVERYTHING
    is_negated: bool = False


_ROOT = Location(NodeKind.ROOT)
_CHARACTER = re.compile("%2F|%25|.", re.DOTALL)
"""A character of a regular expression, as it is written in a file name."""


def _by_name(*kinds: NodeKind) -> dict[str, NodeKind]:
    return {kind.value: kind for kind in kinds}


_ROOT_ONLY = _by_name(
    NodeKind.README,
    NodeKind.STATUS,
    NodeKind.ERRORS,
    NodeKind.LATEST,
    NodeKind.MINUTES,
    NodeKind.BY_ID,
    NodeKind.VIEWS,
)
DOORS = (
    NodeKind.INGEST,
    NodeKind.INGEST_JSONL,
    NodeKind.INGEST_SYSLOG,
    NodeKind.INGEST_LOGFMT,
    NodeKind.INGEST_COMBINED,
    NodeKind.INGEST_JOURNAL,
    NodeKind.INGEST_RECORD,
)
"""The files that events are appended to."""

LEAVES = _by_name(
    NodeKind.EVENTS,
    NodeKind.EVENTS_LOG,
    NodeKind.EVENTS_JSONL,
    *DOORS,
    NodeKind.COUNT,
    NodeKind.TAGS,
    NodeKind.SOURCES,
    NodeKind.LEVELS,
    NodeKind.HISTOGRAM,
    NodeKind.PATTERNS,
)
_MINUTES = {None: NodeKind.MINUTE, ".log": NodeKind.MINUTE_LOG, ".jsonl": NodeKind.MINUTE_JSONL}
"""The files that show a minute, by what follows its name."""

_SELECTIONS = _by_name(
    NodeKind.BY_TAG,
    NodeKind.BY_SOURCE,
    NodeKind.BY_LEVEL,
    NodeKind.BY_DATE,
    NodeKind.RANGE,
    NodeKind.MATCH,
    NodeKind.UNTAGGED,
)


_SIGNPOSTED = frozenset({*LEAVES, *_SELECTIONS, NodeKind.NOT})
_QUERIES = frozenset({NodeKind.ROOT, NodeKind.QUERY})


class Paths:
    """A parser of paths, name by name. Any number of threads may use it.

    Args:
        read_tag: turns a file name into a tag, or raises a :class:`theiafs.errors.FilesystemError`.
        read_source: turns a file name into a source likewise.
        zone: the time zone of times without an offset.
    """

    def __init__(
        self,
        read_tag: Callable[[str], str],
        read_source: Callable[[str], str],
        zone: tzinfo = UTC,
    ) -> None:
        self._parsers: dict[NodeKind, Callable[[str], Filter]] = {
            NodeKind.BY_TAG: lambda name: HasTag(_parse_alternatives(name, read_tag)),
            NodeKind.BY_SOURCE: lambda name: FromSource(_parse_alternatives(name, read_source)),
            NodeKind.BY_LEVEL: lambda name: AtLevel(_parse_levels(name)),
            NodeKind.BY_DATE: lambda name: parse_date(name, zone),
            NodeKind.RANGE: lambda name: parse_range(name, zone),
            NodeKind.MATCH: lambda name: Matches(decode_pattern(name)),
        }
        # Most paths lead to many files in few directories.
        self._directory = functools.lru_cache(_DIRECTORIES_MAX)(self.locate)

    def locate(self, path: str) -> Location:
        """Return the meaning of *path*, which is absolute, from the mountpoint on; it need not exist.

        Raises:
            NotFound: if the path has no meaning.
            InvalidName: if it names an invalid range, or what no tag, source or date can be called.
        """
        above, _, name = path.rpartition("/")
        if not name:
            return _ROOT
        if path.count("/") > _DEPTH_MAX:
            raise NotFound(f"deeper than any file: {path!r}")
        found = self._step(self._directory(above), name)
        if found is None:
            raise NotFound(f"no such file: {path!r}")
        return found

    def _step(self, above: Location, name: str) -> Location | None:
        """Return the meaning of *name* in the directory *above*; None if it has none."""
        parse = self._parsers.get(above.kind)
        if parse is not None:
            return None if _is_refused(above.kind, name) else _filtered(above, parse(name))
        if above.kind is NodeKind.VIEWS:
            return Location(NodeKind.VIEW, name=name)
        if name[0] == ".":
            return _hidden(above, name)
        match above.kind:
            case NodeKind.BY_ID if name in _PROBED:
                return None
            case NodeKind.BY_ID:
                return Location(NodeKind.EVENT, name=name)
            case NodeKind.MINUTES:
                return _minute(above, name)
            case NodeKind.ROOT if name in _ROOT_ONLY:
                return Location(_ROOT_ONLY[name])
            case NodeKind.NOT:
                return _selecting(above, name)
            case NodeKind.QUERY | NodeKind.ROOT:
                return _leaf(above, name) or _selecting(above, name)
        return None


def _is_refused(kind: NodeKind, name: str) -> bool:
    """Return whether *name*, in a directory of a *kind* of filters, is no filter, but what programs probe for."""
    if name[0] == ".":
        # Only a range or a pattern begins with dots.
        is_plain = kind not in (NodeKind.RANGE, NodeKind.MATCH) or _PROBED_HIDDEN.fullmatch(name)
        return bool(is_plain) or (kind is NodeKind.RANGE and not name.startswith(".."))
    return name in _PROBED and kind in (NodeKind.RANGE, NodeKind.BY_DATE, NodeKind.MATCH)


def _hidden(above: Location, name: str) -> Location | None:
    """Return what *name*, which begins with a dot, is in the directory *above*; None if it is nothing."""
    if above.kind is NodeKind.ROOT and name == NodeKind.RGIGNORE:
        return Location(NodeKind.RGIGNORE)
    if above.kind not in _QUERIES or name[1:] not in _SIGNPOSTED:
        return None
    return above._replace(kind=NodeKind.SIGNPOST, name=name)


def _leaf(above: Location, name: str) -> Location | None:
    """Return the file *name* in the query directory *above*; None if there is none."""
    if name in LEAVES:
        return above._replace(kind=LEAVES[name])
    return _minute(above, name) if above.kind is NodeKind.QUERY else None


def _minute(above: Location, name: str) -> Location | None:
    """Return the file *name* that shows a minute in the directory *above*; None if no minute is called so."""
    found = _MINUTE.fullmatch(name)
    if found is None or found[2] not in _MINUTES:
        return None
    # Not by _replace(), which takes four times as long: this is done for each file of a scan, several times.
    return Location(_MINUTES[found[2]], above.filters, found[1], above.query, above.is_negated)


def _selecting(above: Location, name: str) -> Location | None:
    """Return the directory *name*, which begins a filter, in the directory *above*; None if there is none."""
    if len(above.filters) == FILTERS_MAX:
        return None
    if name == NodeKind.NOT and not above.is_negated:
        return above._replace(kind=NodeKind.NOT, is_negated=True)
    if name == NodeKind.UNTAGGED:
        return _filtered(above, Untagged())
    return above._replace(kind=_SELECTIONS[name]) if name in _SELECTIONS else None


def _filtered(above: Location, added: Filter) -> Location:
    """Return the query directory that adds the filter *added*, or its contrary, to those of *above*."""
    if above.is_negated:
        assert not isinstance(added, Negated), "nothing is negated twice"
        added = Negated(added) if isinstance(added, MovingRange) else Not(added)
    filters = (*above.filters, added)
    is_fixed = not any(isinstance(each, MovingRange | Negated) for each in filters)
    return Location(NodeKind.QUERY, filters, query=to_query(filters) if is_fixed else None)


def _parse_alternatives(name: str, read: Callable[[str], str]) -> frozenset[str]:
    names = name.split(",")
    if "" in names:
        position = len(",".join(names[: names.index("")]))
        raise InvalidName(
            f"names separated by commas, one of them empty: {name!r}; leave that comma out",
            name,
            position,
        )
    return frozenset(_read_each(name, names, read))


def _read_each(name: str, parts: Iterable[str], read: Callable[[str], str]) -> Iterator[str]:
    """Yield what *read* makes of each of *parts* of *name*, which commas separate."""
    start = 0
    for part in parts:
        try:
            yield read(part)
        except InvalidName as error:
            raise InvalidName(str(error), name, start + (error.position or 0)) from error
        start += len(part) + len(",")


def _parse_levels(name: str) -> frozenset[str]:
    """Return the levels that *name* means: names in any spelling, each perhaps with a plus for "or worse"."""
    found: set[str] = set()
    for each in name.split(","):
        code = parse_level(each.removesuffix("+"))
        if code is None:
            raise NotFound(f"no level: {each!r}; there are {', '.join(LEVELS)}")
        found.update(LEVELS[:code] if each.endswith("+") else [LEVELS[code - 1]])
    return frozenset(found)


def decode_pattern(name: str) -> str:
    """Return the regular expression with the file *name*: only a slash and a percent sign are written otherwise."""
    return name.replace("%2F", "/").replace("%25", "%")


def place_in_name(name: str, position: int) -> int:
    """Return where the character at *position* of a regular expression begins in its file *name*."""
    return sum(map(len, _CHARACTER.findall(name)[:position]))


def to_query(filters: Collection[Filter], now: int = 0, newest: int = 0) -> Query:
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
            case Negated(moving):
                query = query.where(Not(_at(moving, now, newest)))
            case Last() | Newest() | Days():
                query = query.where(_at(each, now, newest))
            case _:
                query = query.where(each)
    return query


def _at(moving: MovingRange, now: int, newest: int) -> During:
    return moving.at(newest if isinstance(moving, Newest) else now)

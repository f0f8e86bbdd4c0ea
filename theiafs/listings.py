"""Listings: the names in directories."""

from collections.abc import Callable, Iterable, Iterator
from datetime import tzinfo

from store import AtLevel, During, EventStore, FromSource, HasTag, Query
from store.format.levels import LEVELS
from theiafs.daynames import day_names
from theiafs.names import escape
from theiafs.nodes import AnswerFile, Directory, Entries, IngestFile, Link, TextFile
from theiafs.paths import DOORS, Location, NodeKind
from theiafs.signposts import signposts
from theiafs.timerange import parse_date
from theiafs.viewlinks import stays_inside

__all__ = ["Listings"]

_ROOT_DIRECTORIES = [
    NodeKind.MINUTES,
    NodeKind.BY_TAG,
    NodeKind.BY_SOURCE,
    NodeKind.BY_LEVEL,
    NodeKind.BY_DATE,
    NodeKind.RANGE,
    NodeKind.MATCH,
    NodeKind.NOT,
    NodeKind.BY_ID,
    NodeKind.VIEWS,
]

_List = Callable[[Location, Query], Iterable[Entries]]


class Listings:
    """The listings of directories.

    Args:
        store: the store that is shown.
        zone: the time zone of days.
    """

    def __init__(self, store: EventStore, zone: tzinfo) -> None:
        self._store = store
        self._zone = zone
        self._lists: dict[NodeKind, _List] = {
            NodeKind.ROOT: self._list_root,
            NodeKind.MINUTES: self._list_minutes,
            NodeKind.QUERY: self._list_query,
            NodeKind.BY_TAG: self._list_tags,
            NodeKind.BY_SOURCE: self._list_sources,
            NodeKind.BY_LEVEL: self._list_levels,
            NodeKind.BY_DATE: self._list_days,
            NodeKind.RANGE: _list_nothing,
            NodeKind.MATCH: _list_nothing,
            NodeKind.NOT: _list_nothing,
            NodeKind.BY_ID: _list_nothing,
            NodeKind.VIEWS: self._list_views,
        }

    def has(self, location: Location) -> bool:
        """Return whether *location* is a directory."""
        return location.kind in self._lists

    def entries(self, location: Location, query: Query) -> Iterable[Entries]:
        """Yield what the directory *location* of *query* lists, in runs of entries of one type."""
        return self._lists[location.kind](location, query)

    def _list_root(self, location: Location, query: Query) -> Iterator[Entries]:
        files = [NodeKind.README, NodeKind.RGIGNORE, NodeKind.STATUS, NodeKind.ERRORS]
        yield Entries(files, TextFile.MODE)
        if self._store.is_writable:
            yield Entries(DOORS, IngestFile.MODE)
        yield Entries(_ROOT_DIRECTORIES, Directory.MODE)
        yield self.signposts(location, query)
        if self._store.latest() is not None:
            yield Entries([NodeKind.LATEST], Link.MODE)

    def _list_query(self, location: Location, query: Query) -> Iterator[Entries]:
        yield self.signposts(location, query)
        yield from self._list_minutes(location, query)

    def signposts(self, location: Location, query: Query) -> Entries:
        """Return the links in the directory *location* of *query* to what resolves in it."""
        return Entries(signposts(location, query, self._store.is_writable), Link.MODE)

    def _list_tags(self, location: Location, query: Query) -> Iterator[Entries]:
        """List the tags that are not in the path already."""
        applied = {
            tag for each in location.filters if isinstance(each, HasTag) for tag in each.any_of
        }
        yield _names(self._store.tags(query) - applied)

    def _list_sources(self, location: Location, query: Query) -> Iterator[Entries]:
        """List the sources, unless the path names the only one."""
        is_known = _names_one(location, FromSource)
        yield _names(frozenset() if is_known else self._store.sources(query))

    def _list_levels(self, location: Location, query: Query) -> Iterator[Entries]:
        """List the levels that occur, the most severe first, unless the path names the only one."""
        found = {} if _names_one(location, AtLevel) else self._store.levels(query)
        yield Entries([level for level in LEVELS if level in found], Directory.MODE)

    def _list_days(self, _location: Location, query: Query) -> Iterator[Entries]:
        """List the days that have events, except one that the path asks for already, and those without a name."""
        asked = During(query.start, query.end)
        days = day_names(self._store, query, self._zone)
        names = [name for name in days if parse_date(name, self._zone) != asked]
        yield Entries(names, Directory.MODE)

    def _list_views(self, _location: Location, _query: Query) -> Iterator[Entries]:
        views = self._store.views()
        yield Entries(sorted(name for name in views if stays_inside(views[name])), Link.MODE)

    def _list_minutes(self, _location: Location, query: Query) -> Iterator[Entries]:
        yield Entries(self._store.minutes(query), AnswerFile.MODE)


def _names_one(location: Location, kind: type[AtLevel] | type[FromSource]) -> bool:
    """Return whether a filter of *kind* in *location* admits one value only, so that listing it would lead no further."""
    return any(isinstance(each, kind) and len(each.any_of) == 1 for each in location.filters)


def _names(labels: frozenset[str]) -> Entries:
    return Entries([escape(label) for label in sorted(labels)], Directory.MODE)


def _list_nothing(_location: Location, _query: Query) -> Iterable[Entries]:
    return ()

"""The tree: from a path to the node that is there."""

import posixpath
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from store import EventStore, Query
from theiafs.errors import AlreadyThere, InvalidName, NotFound, NotPermitted
from theiafs.guide import GUIDE
from theiafs.handles import Handle
from theiafs.names import escape, unescape
from theiafs.nodes import (
    AnswerFile,
    CountFile,
    Directory,
    Entries,
    File,
    IngestFile,
    Link,
    Node,
    TextFile,
)
from theiafs.paths import Filter, Kind, Location, Paths, Tags

__all__ = ["Tree"]

_NAMES_AT_ONCE = 1 << 10


class Tree:
    """Everything that can be found under the mountpoint.

    Args:
        store: what is shown.
        event_size_max: the largest event that can be appended, in bytes.
    """

    def __init__(self, store: EventStore, event_size_max: int) -> None:
        self._store = store
        self._event_size_max = event_size_max
        self._paths = Paths(lambda name: unescape(name, store.tags()))
        self._moments = _Moments()

    def resolve(self, path: str) -> Node:
        """Find the node at a path; whether a minute holds anything that answers is for its file to say.

        Raises:
            NotFound: if there is none.
            InvalidName: if the path names a range that is none.
        """
        return self._resolve(path, self._paths.locate(path))

    def open(self, path: str, to_write: bool) -> Handle:
        """Open the file at a path.

        Raises:
            NotPermitted: if it is to be written and cannot be, or is no file.
            NotFound: if there is none.
        """
        location = self._paths.locate(path)
        if location.query is not None:
            return self._file(path, location, to_write).open()
        # A range that moves with the clock stands still for this file from now on; otherwise the file
        # would lose its beginning while somebody reads it.
        let_go = self._moments.hold(location.filters)
        try:
            handle = self._file(path, location, to_write).open()
        except Exception:
            let_go()
            raise
        handle.on_release = let_go
        return handle

    def make_directory(self, path: str) -> None:
        """Declare a tag, for a directory under ``by-tag``.

        Raises:
            AlreadyThere: if the tag is known.
            InvalidName: if no event can have such a tag.
            NotPermitted: anywhere else.
        """
        above, name = posixpath.split(path)
        if posixpath.basename(above) != Kind.BY_TAG:
            raise NotPermitted(f"directories can only be made in by-tag: {path!r}")
        self.resolve(above)
        if "," in name:
            raise InvalidName(f"a tag cannot have a comma in it: {path!r}")
        tag = unescape(name, self._store.tags())
        if self._store.has_tag(tag):
            raise AlreadyThere(f"the tag {tag!r} is known already")
        self._store.declare_tag(tag)

    def _check_tags(self, path: str, tags: tuple[str, ...]) -> None:
        for tag in tags:
            if not self._store.has_tag(tag):
                raise NotFound(f"no event has the tag {tag!r}: {path!r}")

    def _resolve(self, path: str, location: Location) -> Node:
        for each in location.filters:
            if isinstance(each, Tags):
                self._check_tags(path, each.any_of)
        return self._node(path, location)

    def _file(self, path: str, location: Location, to_write: bool) -> File:
        node = self._resolve(path, location)
        if not isinstance(node, File) or (to_write and not node.MODE & stat.S_IWUSR):
            raise NotPermitted(f"cannot be written: {path!r}")
        return node

    def _node(self, path: str, location: Location) -> Node:
        store, filters = self._store, location.filters
        query = location.query or location.query_at(self._moments.current(filters))
        match location.kind:
            case Kind.MINUTE:
                return AnswerFile(store, query, location.minute)
            case Kind.ROOT:
                return self._directory(self._list_root, query)
            case Kind.README:
                return TextFile(GUIDE)
            case Kind.LATEST:
                return self._latest(path)
            case Kind.BY_TAG:
                return self._directory(lambda: self._list_tags(query, filters), query)
            case Kind.RANGE:
                return self._directory(lambda: iter(()), query)
            case Kind.QUERY | Kind.MINUTES:
                return self._directory(lambda: self._list_minutes(query), query)
            case Kind.EVENTS:
                return AnswerFile(store, query)
            case Kind.COUNT:
                return CountFile(store, query)
            case Kind.INGEST if store.is_writable:
                return IngestFile(store, query, self._event_size_max)
        raise NotFound(f"no such file: {path!r}")

    def _directory(self, entries: Callable[[], Iterable[Entries]], query: Query) -> Directory:
        return Directory(entries, lambda: self._store.whole(query).newest)

    def _latest(self, path: str) -> Link:
        newest = self._store.latest()
        if newest is None:
            raise NotFound(f"there are no minutes yet: {path!r}")
        span = self._store.span(Query(), newest)
        return Link(f"{Kind.MINUTES}/{newest}", span.newest if span else 0.0)

    def _list_root(self) -> Iterator[Entries]:
        yield Entries([Kind.README], TextFile.MODE)
        if self._store.is_writable:
            yield Entries([Kind.INGEST], IngestFile.MODE)
        yield Entries([Kind.MINUTES, Kind.BY_TAG, Kind.RANGE], Directory.MODE)
        if self._store.latest() is not None:
            yield Entries([Kind.LATEST], Link.MODE)

    def _list_tags(self, query: Query, filters: tuple[Filter, ...]) -> Iterator[Entries]:
        """The tags that lead further: not those the path has gone through already."""
        applied = {tag for each in filters if isinstance(each, Tags) for tag in each.any_of}
        tags = sorted(self._store.tags(query) - applied)
        yield Entries([escape(tag) for tag in tags], Directory.MODE)

    def _list_minutes(self, query: Query) -> Iterator[Entries]:
        names = self._store.minutes(query)
        while some := list(islice(names, _NAMES_AT_ONCE)):
            yield Entries(some, AnswerFile.MODE)


class _Moments:
    """When "now" is for the ranges that move with the clock.

    A size that was told and the bytes that are read later must belong to the same range. So a range stays
    for a moment where it was looked at, and for as long as a file in it is open.
    """

    # Attributes may be old by as much as the kernel keeps them (1 s) when they are followed by an opening.
    _KEPT_S = 1.0
    _KEPT_FOR_OPENING_S = 3.0
    _LENGTH_MAX = 1024

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._moments: OrderedDict[tuple[Filter, ...], float] = OrderedDict()
        self._holders: dict[tuple[Filter, ...], int] = {}

    def current(self, filters: tuple[Filter, ...]) -> float:
        """The moment that filters are meant at, in seconds since the epoch."""
        return self._look_up(filters, self._KEPT_S, holders=0)

    def hold(self, filters: tuple[Filter, ...]) -> Callable[[], object]:
        """Let the moment of these filters stand still until what is returned is called."""
        self._look_up(filters, self._KEPT_FOR_OPENING_S, holders=1)
        return lambda: self._look_up(filters, self._KEPT_FOR_OPENING_S, holders=-1)

    def _look_up(self, filters: tuple[Filter, ...], kept_s: float, holders: int) -> float:
        now = time.time()
        with self._lock:
            held = self._holders.get(filters, 0)
            if held + holders:
                self._holders[filters] = held + holders
            else:
                self._holders.pop(filters, None)
            moment = self._moments.get(filters)
            if moment is None or (not held and not 0 <= now - moment <= kept_s):
                moment = self._moments[filters] = now
                self._moments.move_to_end(filters)
            for oldest in list(self._moments)[: -self._LENGTH_MAX]:
                if oldest not in self._holders:
                    del self._moments[oldest]
        return moment

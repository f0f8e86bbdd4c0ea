"""The tree: it resolves a path to its node."""

import posixpath
import stat
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from store import EventStore, Query
from theiafs.errors import AlreadyThere, InvalidName, NotFound, NotPermitted
from theiafs.guide import GUIDE
from theiafs.handles import Handle
from theiafs.moments import Moments
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
from theiafs.openanswers import OpenAnswers
from theiafs.paths import Filter, Location, NodeKind, Paths, Tags

__all__ = ["Tree"]

_NAMES_AT_ONCE = 1 << 10


class Tree:
    """Everything under the mountpoint.

    Args:
        store: the store that is shown.
        event_size_max: size limit of an event that is appended, in bytes.
    """

    def __init__(self, store: EventStore, event_size_max: int) -> None:
        self._store = store
        self._event_size_max = event_size_max
        self._paths = Paths(self._read_tag)
        self._moments = Moments(lambda: store.whole(Query()).newest)
        self._open_answers = OpenAnswers()

    def resolve(self, path: str) -> Node:
        """Return the node at *path*; a minute's node finds out by itself whether anything in it answers.

        Raises:
            NotFound: if there is none.
            InvalidName: if the path names an invalid range.
        """
        return self._resolve(path, is_open=False)

    def open(self, path: str, to_write: bool) -> Handle:
        """Open the file at *path*.

        A moving range is frozen for the file: otherwise its beginning would vanish while it is read.

        Raises:
            NotPermitted: if it is opened to write and is read-only, or is no file.
            NotFound: if there is none.
            InvalidName: if the path names an invalid range.
        """
        node = self._resolve(path, is_open=True)
        if not isinstance(node, File) or (to_write and not node.MODE & stat.S_IWUSR):
            raise NotPermitted(f"cannot be written: {path!r}")
        return node.open()

    def make_directory(self, path: str) -> None:
        """Declare a tag, for a directory *path* under ``by-tag``.

        Raises:
            AlreadyThere: if the tag is known.
            InvalidName: if no event can have such a tag.
            NotPermitted: anywhere else.
        """
        above, name = posixpath.split(path)
        if posixpath.basename(above) != NodeKind.BY_TAG:
            raise NotPermitted(f"directories can only be made in by-tag: {path!r}")
        self.resolve(above)
        if "," in name:
            raise InvalidName(f"a tag cannot have a comma in it: {path!r}")
        tag = self._read_tag(name)
        if self._store.has_tag(tag):
            raise AlreadyThere(f"the tag {tag!r} is known already")
        self._store.declare_tag(tag)

    def _read_tag(self, name: str) -> str:
        return unescape(name, self._store.tags_starting_with)

    def _check_tags(self, path: str, filters: tuple[Filter, ...]) -> None:
        for each in filters:
            for tag in each.any_of if isinstance(each, Tags) else ():
                if not self._store.has_tag(tag):
                    raise NotFound(f"no event has the tag {tag!r}: {path!r}")

    def _resolve(self, path: str, is_open: bool) -> Node:
        location = self._paths.locate(path)
        # An open file stays when the last event with its tags is removed.
        if not self._open_answers.has(location):
            self._check_tags(path, location.filters)
        query = location.query
        if query is None:
            query = self._moments.query(location.filters, is_open)
        return self._node(path, location, query)

    def _node(self, path: str, location: Location, query: Query) -> Node:
        store, filters = self._store, location.filters
        match location.kind:
            case NodeKind.EVENTS | NodeKind.MINUTE:
                return AnswerFile(store, query, location.minute, location, self._open_answers)
            case NodeKind.ROOT:
                return self._directory(self._list_root, query)
            case NodeKind.README:
                return TextFile(GUIDE)
            case NodeKind.LATEST:
                return self._latest(path)
            case NodeKind.BY_TAG:
                return self._directory(lambda: self._list_tags(query, filters), query)
            case NodeKind.RANGE:
                return self._directory(lambda: iter(()), query)
            case NodeKind.QUERY | NodeKind.MINUTES:
                return self._directory(lambda: self._list_minutes(query), query)
            case NodeKind.COUNT:
                return CountFile(store, query)
            case NodeKind.INGEST if store.is_writable:
                return IngestFile(store, query, self._event_size_max)
        raise NotFound(f"no such file: {path!r}")

    def _directory(self, entries: Callable[[], Iterable[Entries]], query: Query) -> Directory:
        return Directory(entries, lambda: self._store.whole(query).newest)

    def _latest(self, path: str) -> Link:
        newest = self._store.latest()
        if newest is None:
            raise NotFound(f"there are no minutes yet: {path!r}")
        span = self._store.span(Query(), newest)
        return Link(f"{NodeKind.MINUTES}/{newest}", span.newest if span else 0)

    def _list_root(self) -> Iterator[Entries]:
        yield Entries([NodeKind.README], TextFile.MODE)
        if self._store.is_writable:
            yield Entries([NodeKind.INGEST], IngestFile.MODE)
        yield Entries([NodeKind.MINUTES, NodeKind.BY_TAG, NodeKind.RANGE], Directory.MODE)
        if self._store.latest() is not None:
            yield Entries([NodeKind.LATEST], Link.MODE)

    def _list_tags(self, query: Query, filters: tuple[Filter, ...]) -> Iterator[Entries]:
        """List the tags that are not in the path already."""
        applied = {tag for each in filters if isinstance(each, Tags) for tag in each.any_of}
        tags = sorted(self._store.tags(query) - applied)
        yield Entries([escape(tag) for tag in tags], Directory.MODE)

    def _list_minutes(self, query: Query) -> Iterator[Entries]:
        names = self._store.minutes(query)
        while some := list(islice(names, _NAMES_AT_ONCE)):
            yield Entries(some, AnswerFile.MODE)

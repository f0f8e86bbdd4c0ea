"""The tree: it resolves a path to its node."""

import posixpath
import stat
from collections.abc import Callable, Iterable, Mapping
from datetime import UTC, tzinfo
from functools import partial
from typing import NamedTuple

from store import (
    Batch,
    EventStore,
    EventStoreException,
    FromSource,
    HasTag,
    InvalidPattern,
    Matches,
    Not,
    Query,
    Span,
)
from store.format.faults import line_fault, tag_fault
from theiafs.addition import Addition
from theiafs.doors import Doors
from theiafs.errorlog import ErrorLog
from theiafs.errors import AlreadyThere, InvalidName, NotFound, NotPermitted
from theiafs.guide import GUIDE
from theiafs.handles import REST_S, Handle
from theiafs.lineviews import VIEW_OF
from theiafs.listings import Listings
from theiafs.moments import Moments
from theiafs.names import read_name
from theiafs.nodes import (
    AnswerFile,
    Directory,
    Entries,
    ErrorsFile,
    EventFile,
    File,
    IngestFile,
    Link,
    Node,
    ScanFile,
    StatusFile,
    SummaryFile,
    TextFile,
)
from theiafs.openanswers import OpenAnswers
from theiafs.paths import DOORS, Filter, Location, NodeKind, Paths, decode_pattern, place_in_name
from theiafs.processes import Process
from theiafs.recent import Recent
from theiafs.signposts import signposted
from theiafs.summaries import SCANS, SUMMARIES
from theiafs.viewlinks import ADVICE, normal_target, stays_inside, view_name

__all__ = ["Tree"]

_SIZES_MAX = 1 << 12
"""Summaries whose last sizes are kept, to be shown before they are computed again."""

_MINUTE_FILES = frozenset({NodeKind.MINUTE, NodeKind.MINUTE_LOG, NodeKind.MINUTE_JSONL})

_Make = Callable[[str, Location, Query], Node | None]
"""Makes the node at a path from what the path means; None if nothing is there after all."""

_RGIGNORE = f"/*\n!/{NodeKind.MINUTES}/\n"
"""Lets ripgrep read every event once: ``rg X`` at the root reads ``minutes``."""


class _Declarable(NamedTuple):
    """Names of one kind, which the directories that are made declare.

    Attributes:
        kind: the kind, such as "tag".
        read: turns the name of a directory into one.
        is_known: returns whether one is there already.
        declare: declares one in the store.
        undeclare: takes that back.
    """

    kind: str
    read: Callable[[str], str]
    is_known: Callable[[str], bool]
    declare: Callable[[str], None]
    undeclare: Callable[[str], None]


class Tree:
    """Everything under the mountpoint.

    Args:
        store: the store that is shown.
        doors: the files that events are appended to.
        errors: the errors that are shown.
        status: returns what is shown of the filesystem's status; the store's follows.
        save: saves what is appended; by default in the store, and nothing else.
        zone: the time zone of days, and of times without an offset in paths.
        can_remove: whether minutes and events can be removed.
    """

    def __init__(
        self,
        store: EventStore,
        doors: Doors,
        errors: ErrorLog | None = None,
        status: Callable[[], Mapping[str, int | str]] = dict,
        *,
        save: Callable[[Batch], None] | None = None,
        zone: tzinfo = UTC,
        can_remove: bool = False,
    ) -> None:
        self._store = store
        self._save = save or store.save_batch
        self._doors = doors
        self._can_remove = can_remove
        self._errors = errors or ErrorLog()
        self._zone = zone
        self._paths = Paths(self._read_tag, self._read_source, zone)
        self._moments = Moments(lambda: store.whole(Query()).newest)
        self._open_answers = OpenAnswers()
        self._scanned_sizes: Recent[str, int] = Recent(_SIZES_MAX)
        self._listings = Listings(store, zone)
        self._declarable = {
            NodeKind.BY_TAG: _Declarable(
                "tag", self._read_tag, store.has_tag, store.declare_tag, store.undeclare_tag
            ),
            NodeKind.BY_SOURCE: _Declarable(
                "source",
                self._read_source,
                store.has_source,
                store.declare_source,
                store.undeclare_source,
            ),
        }
        self._makers: dict[NodeKind, _Make] = {
            NodeKind.README: lambda *_: TextFile(GUIDE),
            NodeKind.RGIGNORE: lambda *_: TextFile(_RGIGNORE),
            NodeKind.STATUS: lambda *_: StatusFile(
                {**status(), **doors.status(), **store.status()}
            ),
            NodeKind.ERRORS: lambda *_: ErrorsFile(self._errors),
            NodeKind.LATEST: self._latest,
            NodeKind.VIEW: self._view,
            NodeKind.SIGNPOST: self._signpost,
            NodeKind.EVENT: self._event,
            **dict.fromkeys((NodeKind.EVENTS, NodeKind.MINUTE, *VIEW_OF), self._answer),
            **dict.fromkeys(SUMMARIES, self._summary),
            **dict.fromkeys(DOORS if store.is_writable else (), self._ingest),
        }

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
            raise NotPermitted(
                f"cannot be written: {path!r}; append to the file ingest in its directory"
            )
        return node.open()

    def has_open(self, path: str) -> bool:
        """Return whether an answer is open at *path*, so that it may be larger there than what there is now."""
        return self._open_answers.has(path)

    def make_directory(self, path: str) -> None:
        """Declare a tag or a source, for a directory *path* under ``by-tag`` or ``by-source``.

        Raises:
            AlreadyThere: if it is known.
            InvalidName: if no event can have such a tag, or be from such a source.
            NotPermitted: anywhere else.
        """
        above, file_name = posixpath.split(path)
        found = self._declarable.get(self._paths.locate(above).kind)
        if found is None:
            raise NotPermitted(
                f"directories can only be made in by-tag and by-source: {path!r}; declare a tag with mkdir by-tag/TAG,"
                " in which a / is written %2F"
            )
        self.resolve(above)
        if "," in file_name:
            raise InvalidName(
                f"a comma separates {found.kind}s: {path!r}; make one directory for each {found.kind}",
                file_name,
                file_name.index(","),
            )
        try:
            name = found.read(file_name)
        except NotFound as error:
            raise InvalidName(
                f"{file_name!r} is short for a {found.kind} that is too long for a name, and no event has it: append one that does",
                file_name,
                0,
            ) from error
        if found.is_known(name):
            raise AlreadyThere(f"the {found.kind} {name!r} is known already: use its directory")
        found.declare(name)

    def remove_directory(self, path: str) -> None:
        """Take back that the tag or the source of the directory at *path* is declared.

        Raises:
            NotFound: if there is none.
            NotPermitted: if the directory is that of anything else, or of several.
            EventStoreException: if events have it, or that failed.
        """
        self.resolve(path)
        above, file_name = posixpath.split(path)
        found = self._declarable.get(self._paths.locate(above).kind)
        if found is None or "," in file_name:
            raise NotPermitted(
                f"cannot be removed: {path!r}; leave it: only by-tag/TAG and by-source/SOURCE can be, while no event has it"
            )
        found.undeclare(found.read(file_name))

    def remove(self, path: str) -> None:
        """Remove the minute or the event at *path*, or all events of a tag and a time range, durably.

        Raises:
            NotPermitted: if that is not allowed, or anything else is there.
            NotFound: if nothing is there.
            EventStoreException: if there is no such minute or event, or it cannot be removed.
        """
        location = self._paths.locate(path)
        kind, name = location.kind, location.name
        if kind in _MINUTE_FILES and path != f"/{NodeKind.MINUTES}/{name}":
            advice = f"; to remove the minute, with all of its events: rm {NodeKind.MINUTES}/{name}"
        elif kind is NodeKind.EVENTS and location.query is None:
            advice = (
                "; its range moves with the clock or the newest event (today, yesterday, last-..., newest-...):"
                f" give one that does not, such as {NodeKind.RANGE}/2026-11-23 or {NodeKind.RANGE}/2026-11-23T10..2026-11-23T12"
            )
        elif kind is NodeKind.EVENTS and not _may_be_removed(location):
            advice = f"; events of a tag and a time can be: rm {NodeKind.BY_TAG}/<tag>/{NodeKind.RANGE}/<range>/{NodeKind.EVENTS}"
        elif kind not in (NodeKind.MINUTE, NodeKind.EVENT, NodeKind.EVENTS):
            self.resolve(path)
            advice = "; remove minutes/<start>-<end>, a minute, or by-id/<id>, an event"
        elif not self._can_remove:
            advice = "; mount with -o delete to allow it"
        else:
            self._remove(path, location)
            return
        raise NotPermitted(f"cannot be removed: {path!r}{advice}")

    def _remove(self, path: str, location: Location) -> None:
        if location.kind is NodeKind.EVENT:
            self._store.delete(_read_id(location.name))
            return
        if location.kind is NodeKind.EVENTS:
            self.resolve(path)
            assert location.query is not None, "it does not depend on the moment"
            for minute in list(self._store.minutes(location.query)):
                self._store.remove_events(location.query, minute)
        else:
            self._store.remove_minute(location.name)
        self._open_answers.forget(path)

    def make_view(self, path: str, target: str) -> None:
        """Save *target*, as it is written in a link at *path*, as a view.

        Raises:
            NotPermitted: if the path is not in ``views``.
            InvalidName: if the target leads outside of the mount, or can mean nothing.
            NameTooLong: if the name is.
            EventStoreException: if there is a view of that name, or it cannot be saved.
        """
        name = view_name(path)
        normal = normal_target(target)
        self._check_target(posixpath.normpath(f"/{NodeKind.VIEWS}/{normal}"))
        self._store.save_view(name, normal)

    def _check_target(self, path: str) -> None:
        """Check that *path*, where a view is to lead, means something, whether or not it is there now."""
        _, first, *below = path.split("/")
        if first == NodeKind.VIEWS and below[:1] and below[0] in self._store.views():
            return  # the rest depends on where that view leads
        try:
            location = self._paths.locate(path)
        except NotFound as error:
            raise InvalidName(f"a view would lead nowhere: {error}: {ADVICE}") from error
        if location.kind is NodeKind.VIEW:
            raise InvalidName(f"there is no view {location.name!r}: {ADVICE}")
        for each in location.filters:
            self._check_pattern(path, each.filter if isinstance(each, Not) else each)

    def remove_view(self, path: str) -> None:
        """Remove the view at *path*.

        Raises:
            EventStoreException: if there is none, or it cannot be removed.
        """
        self._store.remove_view(view_name(path))

    def rename_view(self, old: str, new: str, *, replaces: bool) -> None:
        """Rename the view at *old*, so that it is at *new*; with *replaces*, in place of any other.

        Raises:
            NotPermitted: if one of the paths is not in ``views``.
            NameTooLong: if the name is.
            EventStoreException: if there is no such view, there is one that is not to be replaced, or that failed.
        """
        self._store.rename_view(view_name(old), view_name(new), replaces=replaces)

    def _read_tag(self, name: str) -> str:
        return read_name(name, "tag", tag_fault, self._store.tags)

    def _read_source(self, name: str) -> str:
        return read_name(name, "source", line_fault, self._store.sources)

    def _check(self, path: str, each: Filter) -> None:
        """Check that every name in the filter *each* of *path* is known."""
        match each:
            case Not(negated):
                self._check(path, negated)
            case HasTag(any_of):
                for tag in any_of:
                    if not self._store.has_tag(tag):
                        raise NotFound(f"no event has the tag {tag!r}: {path!r}")
            case Matches():
                self._check_pattern(path, each)
            case FromSource(any_of):
                for source in any_of:
                    if not self._store.has_source(source):
                        raise NotFound(f"no event is from the source {source!r}: {path!r}")

    def _check_pattern(self, path: str, each: Filter) -> None:
        """Check that the filter *each* of *path* is no regular expression that is invalid."""
        if not isinstance(each, Matches):
            return
        try:
            self._store.check_pattern(each.pattern)
        except InvalidPattern as error:
            name = next(
                (name for name in path.split("/") if decode_pattern(name) == each.pattern), ""
            )
            place = None if error.position is None else place_in_name(name, error.position)
            message = f"no regular expression: {each.pattern!r}: {error}; write one of RE2, with a backslash before what is to be itself"
            raise InvalidName(message, name, place) from error

    def _resolve(self, path: str, is_open: bool) -> Node:
        location = self._paths.locate(path)
        # An open file stays when the last event with its tags is removed.
        if not self._open_answers.has(path):
            for each in location.filters:
                self._check(path, each)
        query = location.query
        if query is None:
            query = self._moments.query(location.filters, is_open)
        return self._node(path, location, query)

    def _node(self, path: str, location: Location, query: Query) -> Node:
        if self._listings.has(location):
            return self._directory(lambda: self._listings.entries(location, query), query)
        make = self._makers.get(location.kind)
        node = None if make is None else make(path, location, query)
        if node is None:
            raise NotFound(f"no such file: {path!r}")
        return node

    def _answer(self, path: str, location: Location, query: Query) -> AnswerFile:
        view = VIEW_OF.get(location.kind)
        return AnswerFile(self._store, query, location.name, path, self._open_answers, view)

    def _view(self, _path: str, location: Location, _query: Query) -> Link | None:
        target = self._store.views().get(location.name)
        return Link(target, 0) if target is not None and stays_inside(target) else None

    def _signpost(self, _path: str, location: Location, query: Query) -> Link | None:
        names = self._listings.signposts(location, query).names
        return Link(signposted(location.name), 0) if location.name in names else None

    def _event(self, _path: str, location: Location, _query: Query) -> EventFile:
        return EventFile(self._store, _read_id(location.name))

    def _ingest(self, path: str, location: Location, query: Query) -> IngestFile | None:
        addition = Addition.of(query)
        if addition is None:
            return None
        make_buffer = partial(self._doors.buffer, location.kind, addition)
        on_loss = partial(self._note_loss, path.encode())
        return IngestFile(self._store, self._save, addition, make_buffer, on_loss)

    def _note_loss(self, path: bytes, writer: Process, error: EventStoreException) -> None:
        self._errors.add(writer, "release", path, error)

    def _directory(self, entries: Callable[[], Iterable[Entries]], query: Query) -> Directory:
        return Directory(entries, lambda: self._store.glance(query.without_contents))

    def _events(self, query: Query) -> Span:
        """Return what is known, without reading contents, of the events that may answer *query*."""
        return self._store.whole(query.without_contents)

    def _summary(self, path: str, location: Location, query: Query) -> SummaryFile:
        kind = location.kind

        def text() -> bytes:
            return SUMMARIES[kind](self._store, query)

        def events() -> Span:
            return self._events(query)

        if kind in SCANS or query.content_filters:
            return ScanFile(text, events, self._scanned_sizes, path)

        def has_settled(events: Span) -> bool:
            # A range may move with the clock.
            return not query.is_bounded and self._store.has_settled(events, REST_S)

        return SummaryFile(text, events, has_settled)

    def _latest(self, path: str, _location: Location, _query: Query) -> Link:
        newest = self._store.latest()
        if newest is None:
            raise NotFound(f"there are no minutes yet: {path!r}")
        span = self._store.span(Query(), newest)
        return Link(f"{NodeKind.MINUTES}/{newest}", span.newest if span else 0)


def _read_id(name: str) -> str:
    return read_name(name, "id", line_fault)


def _may_be_removed(location: Location) -> bool:
    """Return whether the events of *location* are those of tags and of a time range, which does not move."""
    query = location.query
    if query is None or query.gaps or not query.is_bounded or not query.filters:
        return False
    return all(isinstance(each, HasTag) for each in query.filters)

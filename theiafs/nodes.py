"""The nodes of the tree: each has attributes, and files can be opened."""

import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from store import TICKS_PER_S, Batch, EventStore, EventStoreException, Query, Span, View
from store.format.event import encode_event
from theiafs.addition import Addition
from theiafs.doors import Buffer
from theiafs.errorlog import ErrorLog
from theiafs.errors import NotFound
from theiafs.handles import (
    REST_S,
    AnswerHandle,
    ErrorsHandle,
    Handle,
    IngestHandle,
    TextHandle,
)
from theiafs.openanswers import Extent, OpenAnswers
from theiafs.processes import Process
from theiafs.recent import Recent
from theiafs.rendering.escaping import escape
from theiafs.timerange import now_in_ticks

__all__ = [
    "AnswerFile",
    "Attributes",
    "Directory",
    "Entries",
    "ErrorsFile",
    "EventFile",
    "File",
    "IngestFile",
    "Link",
    "Node",
    "ScanFile",
    "StatusFile",
    "SummaryFile",
    "TextFile",
]


class Attributes(NamedTuple):
    """The part of stat(2) that depends on the node.

    Attributes:
        mode: type and permissions, before the mount's umask.
        size: in bytes.
        newest: the time of the newest event in it, in ticks since the epoch; 0 when there is none.
        changed: when it last changed, in seconds since the epoch; 0 if that is not known.
    """

    mode: int
    size: int = 0
    newest: int = 0
    changed: float = 0.0


class Entries(NamedTuple):
    """Names in a directory, and the type that all of them have. Those of minutes are ``store.Minutes``, which say what each holds."""

    names: Sequence[str]
    mode: int


class Node(ABC):
    """A file, directory or link of the tree.

    Attributes:
        grows_with: the name of the minute with which its size grows; empty for all of them, "errors" for the error log, None for none.
    """

    grows_with: str | None = None

    @abstractmethod
    def attributes(self) -> Attributes:
        """Return the part of stat(2) that depends on this node."""


class Directory(Node):
    """A directory.

    Args:
        entries: lists it lazily, because there may be a million names.
        events: returns what is known, without reading contents, of the events in it.
    """

    MODE = stat.S_IFDIR | 0o777

    def __init__(
        self, entries: Callable[[], Iterable[Entries]], events: Callable[[], Span]
    ) -> None:
        self.entries = entries
        self._events = events

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        events = self._events()
        return Attributes(self.MODE, 0, events.newest, events.changed)


class Link(Node):
    """A symbolic link to *target*, as new as the *newest* event in it, in ticks since the epoch; 0 if that is not said."""

    MODE = stat.S_IFLNK | 0o777

    def __init__(self, target: str, newest: int) -> None:
        self.target = target
        self._newest = newest

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        return Attributes(self.MODE, len(self.target.encode()), self._newest)


class File(Node):
    """A node that can be opened.

    Attributes:
        MODE: type and permissions, before the mount's umask.
    """

    MODE: int

    @abstractmethod
    def open(self) -> Handle:
        """Open the file; everything read through the handle is of one state."""


class TextFile(File):
    """A text that does not change while the filesystem is mounted."""

    MODE = stat.S_IFREG | 0o444

    def __init__(self, text: str) -> None:
        self._data = text.encode()

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        return Attributes(self.MODE, len(self._data))

    def open(self) -> TextHandle:
        """See :meth:`File.open`."""
        return TextHandle(self._data, changes=False)


class StatusFile(File):
    """The *fields* of a status, as lines ``key: value``."""

    MODE = stat.S_IFREG | 0o444

    def __init__(self, fields: Mapping[str, int | str]) -> None:
        self._data = b"".join(
            b"%s: %s\n" % (key.encode(), escape(str(value).encode("utf-8", "surrogateescape")))
            for key, value in fields.items()
        )

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        now = now_in_ticks()
        return Attributes(self.MODE, len(self._data), now, now / TICKS_PER_S)

    def open(self) -> TextHandle:
        """See :meth:`File.open`."""
        return TextHandle(self._data, changes=True)


class ErrorsFile(File):
    """The text of *errors*."""

    MODE = stat.S_IFREG | 0o444
    grows_with = "errors"

    def __init__(self, errors: ErrorLog) -> None:
        self._errors = errors

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        newest = self._errors.newest
        return Attributes(self.MODE, self._errors.size(), newest, newest / TICKS_PER_S)

    def open(self) -> ErrorsHandle:
        """See :meth:`File.open`."""
        return ErrorsHandle(self._errors)


class SummaryFile(File):
    """A text that says something of an answer.

    Args:
        text: computes it.
        events: returns what is known, without reading contents, of the events that it may be about.
        has_settled: returns whether the text of these events will be the same for a while.
    """

    MODE = stat.S_IFREG | 0o444

    def __init__(
        self,
        text: Callable[[], bytes],
        events: Callable[[], Span],
        has_settled: Callable[[Span], bool],
    ) -> None:
        self._text = text
        self._events = events
        self._has_settled = has_settled
        self.grows_with = ""

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        events = self._events()
        return Attributes(self.MODE, len(self._text()), events.newest, events.changed)

    def open(self) -> TextHandle:
        """See :meth:`File.open`."""
        events = self._events()  # before the text: what arrives between them has not settled
        return TextHandle(self._text(), changes=not self._has_settled(events))


class ScanFile(SummaryFile):
    """A summary for which contents are read: only when it is opened, and never for its size.

    Args:
        text: computes it.
        events: returns what is known, without reading contents, of the events that it may be about.
        sizes: the sizes of the texts that were computed last, by path.
        path: the path of the file.
    """

    def __init__(
        self,
        text: Callable[[], bytes],
        events: Callable[[], Span],
        sizes: Recent[str, int],
        path: str,
    ) -> None:
        super().__init__(text, events, lambda _events: False)
        self._sizes = sizes
        self._path = path

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`; the size is that of the text when it was computed last, 0 if it never was."""
        size, events = self._sizes.get(self._path) or 0, self._events()
        return Attributes(self.MODE, size, events.newest, events.changed)

    def open(self) -> TextHandle:
        """See :meth:`File.open`."""
        text = self._text()
        self._sizes.put(self._path, len(text))
        return TextHandle(text, changes=True)


class AnswerFile(File):
    """The events that answer a query, in one minute or in all minutes.

    Args:
        store: where to find them.
        query: the query.
        minute: the name of the minute; empty for all.
        path: the path of the file.
        open_answers: the answers that are open.
        view: the view that shows them one a line; None for their records.
    """

    MODE = stat.S_IFREG | 0o444

    def __init__(
        self,
        store: EventStore,
        query: Query,
        minute: str,
        path: str,
        open_answers: OpenAnswers,
        view: View | None = None,
    ) -> None:
        self._store = store
        self._query = query
        self._minute = self.grows_with = minute
        self._path = path
        self._open_answers = open_answers
        self._view = view

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`.

        Raises:
            NotFound: if nothing in the minute answers, and no file of it is open.
        """
        store, query, minute, view = self._store, self._query, self._minute, self._view
        span = store.span(query, minute, view) if minute else store.whole(query, view)
        found = None if span is None else Extent(span.size, span.newest, span.changed)
        shown = self._open_answers.extend(self._path, found)
        if shown is None:
            raise NotFound(f"nothing here in {minute}")
        return Attributes(self.MODE, *shown)

    def open(self) -> AnswerHandle:
        """See :meth:`File.open`.

        Raises:
            NotFound: if nothing in the minute answers.
        """
        path, open_answers = self._path, self._open_answers
        answer = self._store.answer(self._query, self._minute or None, self._view)
        if answer.span is None:
            raise NotFound(f"nothing here in {self._minute}")
        handle = AnswerHandle(
            answer,
            self._query,
            answer.span,
            lambda closed: open_answers.remove(path, closed),
            self._store.has_settled(answer.span, REST_S),
        )
        open_answers.add(path, handle, answer.span)
        if not self._minute:  # a minute that is removed grows no more
            handle.keep_last_page()
        return handle


class EventFile(File):
    """One event of *store*, that with the id *event_id*.

    Raises:
        EventNotFound: if there is none.
    """

    MODE = stat.S_IFREG | 0o444

    def __init__(self, store: EventStore, event_id: str) -> None:
        event = store.get(event_id)
        self._data = encode_event(event)[0]
        self._ticks = event.ticks

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        return Attributes(self.MODE, len(self._data), self._ticks, self._ticks / TICKS_PER_S)

    def open(self) -> TextHandle:
        """See :meth:`File.open`."""
        return TextHandle(self._data, changes=False)


class IngestFile(File):
    """A file that events are appended to; they get the tags and the source of its path.

    Args:
        store: where they are saved.
        save: saves them there.
        addition: what the path says of them.
        make_buffer: makes the buffer of the file when it is opened.
        on_loss: is called with the last writer, and why what it wrote last was lost when the file was closed.
    """

    MODE = stat.S_IFREG | 0o666

    def __init__(
        self,
        store: EventStore,
        save: Callable[[Batch], None],
        addition: Addition,
        make_buffer: Callable[[], Buffer],
        on_loss: Callable[[Process, EventStoreException], object],
    ) -> None:
        self._store = store
        self._save = save
        self._addition = addition
        self._make_buffer = make_buffer
        self._on_loss = on_loss

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`; however much was appended, an ingest file is empty."""
        events = self._store.glance(self._addition.query.without_contents)
        return Attributes(self.MODE, 0, events.newest, events.changed)

    def open(self) -> IngestHandle:
        """See :meth:`File.open`."""
        return IngestHandle(self._store, self._save, self._make_buffer(), self._on_loss)

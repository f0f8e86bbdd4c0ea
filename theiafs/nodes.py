"""Nodes: the kinds of things in the tree, each of which can tell its attributes and be opened."""

import stat
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

from store import EventStore, Query, Span
from theiafs.errors import NotFound
from theiafs.handles import AnswerHandle, Handle, IngestHandle, TextHandle

__all__ = [
    "AnswerFile",
    "Attributes",
    "CountFile",
    "Directory",
    "Entries",
    "File",
    "IngestFile",
    "Link",
    "Node",
    "TextFile",
]


class Attributes(NamedTuple):
    """What stat(2) tells of a node, as far as it depends on the node.

    Attributes:
        mode: type and permissions, before the mount's umask.
        size: in bytes.
        newest: the time of the newest event in it, in seconds since the epoch; 0 when there is none.
    """

    mode: int
    size: int = 0
    newest: float = 0.0


class Entries(NamedTuple):
    """Names in a directory, and the type of what they name, which all of them have in common."""

    names: Sequence[str]
    mode: int


class Node(ABC):
    """Something in the tree."""

    @abstractmethod
    def attributes(self) -> Attributes:
        """What stat(2) tells of it."""


class Directory(Node):
    """A directory.

    Args:
        entries: lists it, bit by bit, for there may be a million names.
        newest: tells the time of the newest event in it, in seconds since the epoch.
    """

    MODE = stat.S_IFDIR | 0o777

    def __init__(
        self, entries: Callable[[], Iterable[Entries]], newest: Callable[[], float]
    ) -> None:
        self.entries = entries
        self._newest = newest

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        return Attributes(self.MODE, newest=self._newest())


class Link(Node):
    """A symbolic link."""

    MODE = stat.S_IFLNK | 0o777

    def __init__(self, target: str, newest: float) -> None:
        self.target = target
        self._newest = newest

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        return Attributes(self.MODE, len(self.target.encode()), self._newest)


class File(Node):
    """Something that can be opened.

    Attributes:
        MODE: type and permissions, before the mount's umask.
    """

    MODE: int

    @abstractmethod
    def open(self) -> Handle:
        """Open it; what is read through the handle fits together, however long it is open."""


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


class CountFile(File):
    """The number of events that answer a query."""

    MODE = stat.S_IFREG | 0o444

    def __init__(self, store: EventStore, query: Query) -> None:
        self._whole = store.whole(query)

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`."""
        return Attributes(self.MODE, len(self._data()), self._whole.newest)

    def open(self) -> TextHandle:
        """See :meth:`File.open`."""
        return TextHandle(self._data(), changes=True)

    def _data(self) -> bytes:
        return b"%d\n" % self._whole.events


class AnswerFile(File):
    """The events that answer a query, in one minute or in all.

    Args:
        store: where to find them.
        query: the query.
        minute: the name of the minute; None for all.
    """

    MODE = stat.S_IFREG | 0o444

    def __init__(self, store: EventStore, query: Query, minute: str | None = None) -> None:
        self._store = store
        self._query = query
        self._minute = minute

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`.

        Raises:
            NotFound: if the minute holds nothing that answers.
        """
        store, query, minute = self._store, self._query, self._minute
        span = self._there(store.whole(query) if minute is None else store.span(query, minute))
        return Attributes(self.MODE, span.size, span.newest)

    def open(self) -> AnswerHandle:
        """See :meth:`File.open`.

        Raises:
            NotFound: if the minute holds nothing that answers.
        """
        answer = self._store.answer(self._query, self._minute)
        return AnswerHandle(answer, self._query, self._there(answer.span))

    def _there(self, span: Span | None) -> Span:
        if span is None:
            raise NotFound(f"nothing here in {self._minute}")
        return span


class IngestFile(File):
    """Where events are appended that shall get what the path says.

    Args:
        store: where they are saved.
        query: what the path says.
        event_size_max: the largest event, in bytes.
    """

    MODE = stat.S_IFREG | 0o666

    def __init__(self, store: EventStore, query: Query, event_size_max: int) -> None:
        self._store = store
        self._query = query
        self._event_size_max = event_size_max

    def attributes(self) -> Attributes:
        """See :meth:`Node.attributes`; whatever was appended, an ingest file is empty."""
        return Attributes(self.MODE, 0, self._store.whole(self._query).newest)

    def open(self) -> IngestHandle:
        """See :meth:`File.open`."""
        return IngestHandle(self._store, self._query, self._event_size_max)

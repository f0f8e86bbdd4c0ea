"""Answers to queries: one that never changes, of one moment, and one that grows, with the bytes."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterator, Sequence
from functools import cached_property
from typing import NamedTuple, overload

from store.query import Span, joined

__all__ = ["Answer", "Changes", "EmptyAnswer", "Minutes", "Snapshot", "SnapshotMinutes"]

_NAMES_AT_ONCE = 1 << 12


class Answer(ABC):
    """The bytes of all events that answer a query: records in theia's format, in order of arrival.

    It grows at its end while events arrive, and never shrinks: every event keeps its offset. Bytes of a minute that was
    removed, or that an event was removed from, may fail to be read; what arrives later stands at the end all the same.

    Attributes:
        span: the answer's size and events when it was opened; None for a minute that has no matching event.
        version: what the bytes were at the opening. Answers to the same query, in the same minute and view, whose versions are equal
            have the same bytes.
        generation: answers to the same query with the same generation differ only in what one of them lacks at its end.
            None if that cannot be said.
    """

    def __init__(
        self, span: Span | None, version: Hashable, generation: Hashable | None = None
    ) -> None:
        self.span = span
        self.version = version
        self.generation = generation

    @abstractmethod
    def size(self) -> int:
        """Return the size in bytes: that when the answer was opened, and what has arrived for it since.

        Raises:
            EventReadException: if the store cannot say.
        """

    @abstractmethod
    def read(self, offset: int, size: int) -> bytes:
        """Read *size* bytes at *offset*; fewer only at the end.

        Raises:
            EventReadException: if the store cannot read them all: it never gives fewer instead.
        """

    def read_last(self, size: int) -> bytes:
        """Read the last *size* bytes that were there at the opening, fewer if there were fewer, and find nothing before them.

        Raises:
            EventReadException: if the store cannot read them.
        """
        end = self.span.size if self.span is not None else 0
        start = max(end - size, 0)
        return self.read(start, end - start)


class EmptyAnswer(Answer):
    """The answer in a minute that has no matching event, and is not waited for."""

    def __init__(self) -> None:
        super().__init__(None, None)

    def size(self) -> int:
        """See :meth:`Answer.size`."""
        return 0

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Answer.read`."""
        del offset, size
        return b""


class Snapshot(ABC):
    """The answer to a query at one moment. It never changes; only the answers that it opens grow.

    Attributes:
        spans: the minutes that hold at least one event that answers, sorted by start. Of the query for everything: all minutes.
        whole: all of it, as a span without a name.
    """

    def __init__(self, spans: Sequence[Span], whole: Span) -> None:
        self.spans = spans
        self.whole = whole

    @cached_property
    def _by_name(self) -> dict[str, Span]:
        return {span.name: span for span in self.spans}

    def span(self, minute: str) -> Span | None:
        """Return the part in *minute*; None when there is none."""
        return self._by_name.get(minute)

    @abstractmethod
    def answer(self, minute: str | None = None) -> Answer:
        """Open the answer in one *minute* or in all, as of this moment; it is empty when nothing matches.

        Raises:
            EventReadException: if what it begins with was removed, which only a reading may find out.
        """


class Minutes(Sequence[str]):
    """The names of the minutes of an answer, as they were at one moment, sorted by start. They are made when they are asked for."""

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> list[str]: ...

    def __getitem__(self, place: int | slice) -> str | list[str]:
        places = range(len(self))[place]
        if isinstance(places, int):
            return self.names(places, places + 1)[0]
        if not places:
            return []
        ends = places[0], places[-1]
        return self.names(min(ends), max(ends) + 1)[:: places.step]

    def __iter__(self) -> Iterator[str]:
        for first in range(0, len(self), _NAMES_AT_ONCE):
            yield from self.names(first, min(first + _NAMES_AT_ONCE, len(self)))

    @abstractmethod
    def names(self, first: int, last: int) -> list[str]:
        """Return the names of the minutes from the place *first* to before *last*; those that are gone keep theirs."""

    @abstractmethod
    def spans(self, first: int, last: int) -> list[Span]:
        """Return what these minutes hold of the answer now; of one that is gone, a span without events."""


class SnapshotMinutes(Minutes):
    """The minutes of the snapshot that *take* takes, and of later ones."""

    def __init__(self, take: Callable[[], Snapshot]) -> None:
        self._take = take
        self._spans = take().spans

    def __len__(self) -> int:
        return len(self._spans)

    def names(self, first: int, last: int) -> list[str]:
        """See :meth:`Minutes.names`."""
        return [span.name for span in self._spans[first:last]]

    def spans(self, first: int, last: int) -> list[Span]:
        """See :meth:`Minutes.spans`."""
        now = self._take()
        names = self.names(first, last)
        return [now.span(name) or joined([], name) for name in names]


class Changes(NamedTuple):
    """The changes of a store since a moment.

    Attributes:
        cursor: now, for the next call; it lasts beyond the closing of the store, and means nothing to others.
        minutes: the names of the minutes in which something has arrived, sorted by start. There may be others among them, and
            some that are gone.
    """

    cursor: bytes
    minutes: list[str]

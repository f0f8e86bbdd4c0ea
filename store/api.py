"""The interface of an event store: all that the filesystem knows of it.

A store on another engine implements the five abstract methods. The others have defaults, correct on any
engine and as slow as its search; an engine overrides those it can answer better.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Iterator

from store.errors import EventWriteException
from store.format.batch import Batch
from store.format.event import Event, EventSerializer
from store.format.record import CLOSING
from store.matching import matches
from store.query import MINUTE_S, DiskUsage, Query, Span

__all__ = ["Answer", "EventStore", "Progress", "show_nothing"]

Progress = Callable[[int, int], object]
"""Is told how many minute files were looked at by now, and how many there are to look at."""


def show_nothing(_done: int, _total: int) -> None:
    """Tell nobody of any progress."""


class Answer(ABC):
    """The bytes of all events that answer a query: records in theia's format, in order of arrival.

    It grows at its end while events arrive, and what was read once stays the same.

    Attributes:
        span: what there was of it when it was given; None when it is of a minute that has nothing of it.
    """

    def __init__(self, span: Span | None) -> None:
        self.span = span

    @abstractmethod
    def size(self) -> int:
        """The size in bytes, by now."""

    @abstractmethod
    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset; fewer only at the end.

        Raises:
            EventReadException: if the store cannot read them.
        """


class EventStore(ABC):
    """Keeps events, and finds them again. Any number of threads may use it.

    Attributes:
        is_writable: whether events can be saved; everything that writes raises StoreReadOnly otherwise.
    """

    is_writable = True

    @abstractmethod
    def save(self, event: Event) -> None:
        """Save an event; every search that begins after this returns sees it.

        Raises:
            InvalidEvent: if the event cannot be stored, whatever the state of the store.
            EventWriteException: if it was not stored.
        """

    @abstractmethod
    def search(
        self,
        ts_start: float,
        ts_end: float | None = None,
        flags: list[str] | None = None,
        match: str | None = None,
        order: str = "asc",
    ) -> Iterator[Event]:
        """Find the events of a time range, sorted by time; of the same time, by arrival.

        Args:
            ts_start: seconds since the epoch; no event is older.
            ts_end: seconds since the epoch; no event is newer. None: no end.
            flags: tags, all of which an event has.
            match: regular expression that is found somewhere in the content.
            order: "asc", oldest first, or "desc", newest first.

        Raises:
            InvalidQuery: if the order or the expression is none; when called, not when iterated.
            EventReadException: while iterating, if events cannot be read.
        """

    @abstractmethod
    def get(self, event_id: object) -> Event:
        """Find the event with an id.

        Raises:
            EventNotFound: if there is none.
        """

    @abstractmethod
    def delete(self, event_id: object) -> None:
        """Remove the event with an id for good.

        Raises:
            EventNotFound: if there is none.
            EventWriteException: if it could not be removed for good: it is still there, or may come back
                after a loss of power.
        """

    @abstractmethod
    def close(self) -> None:
        """Write everything out and let go of the store; closing again does nothing.

        Raises:
            EventWriteException: if something could not be written.
        """

    def save_all(self, events: Iterable[Event]) -> None:
        """Save several events, in this order.

        Raises:
            InvalidEvent: if one of them cannot be stored.
            EventWriteException: if some were not stored.
        """
        for event in events:
            self.save(event)

    def save_batch(self, batch: Batch) -> None:
        """Save the events of a batch, in this order.

        Raises:
            EventWriteException: if some were not stored.
        """
        self.save_all(batch.events())

    def sync(self) -> None:  # noqa: B027 - an engine may have nothing to do
        """Make everything saved so far survive a loss of power before this returns.

        Raises:
            EventWriteException: if that failed.
        """

    def select(self, query: Query) -> Iterator[Event]:
        """Find the events that answer a query, in the order of :class:`Answer`."""
        return (event for event in self.search(query.start, query.end) if matches(query, event))

    def tags(self, query: Query | None = None) -> frozenset[str]:
        """The tags of the events that answer a query; without one, declared tags as well."""
        return frozenset(tag for event in self.select(query or Query()) for tag in event.tags)

    def has_tag(self, tag: str) -> bool:
        """Whether a tag is declared or some event has it."""
        return tag in self.tags()

    def declare_tag(self, tag: str) -> None:
        """Make a tag known before the first event has it.

        Raises:
            InvalidEvent: if no event can have such a tag.
            EventWriteException: if that failed.
        """
        raise EventWriteException(f"cannot declare the tag {tag!r}: this store has no place for it")

    def spans(self, query: Query) -> list[Span]:
        """The minutes that hold at least one matching event, sorted by start.

        For the query for everything: all minutes.
        """
        spans: dict[str, Span] = {}
        for event in self.select(query):
            name = _minute_name(event)
            old = spans.get(name, Span(name, 0, 0, 0.0, 0.0))
            spans[name] = Span(
                name,
                old.size + len(_record(event)),
                old.events + 1,
                max(old.newest, event.timestamp),
                event.timestamp,
            )
        return sorted(spans.values(), key=lambda span: int(span.name.partition("-")[0]))

    def minutes(self, query: Query) -> Iterator[str]:
        """Yield the names of the spans that answer a query, in their order."""
        return (span.name for span in self.spans(query))

    def span(self, query: Query, minute: str) -> Span | None:
        """The part of an answer that lies in one minute; None when there is none."""
        return next((span for span in self.spans(query) if span.name == minute), None)

    def whole(self, query: Query) -> Span:
        """All of an answer, as a span without a name."""
        spans = self.spans(query)
        return Span(
            "",
            sum(span.size for span in spans),
            sum(span.events for span in spans),
            max((span.newest for span in spans), default=0.0),
            max((span.changed for span in spans), default=0.0),
        )

    def answer(self, query: Query, minute: str | None = None) -> Answer:
        """The bytes that answer a query, in one minute or in all; empty when there are none.

        The answer to the query for everything is the minutes byte for byte, damaged parts included.
        """
        return _SelectedAnswer(self, query, minute)

    def latest(self) -> str | None:
        """The name of the minute that starts last; None when there is none."""
        spans = self.spans(Query())
        return spans[-1].name if spans else None

    def usage(self) -> DiskUsage | None:
        """The file system under the store; None when there is nothing like it."""
        return None


class _SelectedAnswer(Answer):
    """An answer that selects again whenever it is read."""

    def __init__(self, store: EventStore, query: Query, minute: str | None) -> None:
        super().__init__(store.whole(query) if minute is None else store.span(query, minute))
        self._store = store
        self._query = query
        self._minute = minute

    def size(self) -> int:
        return len(self._bytes())

    def read(self, offset: int, size: int) -> bytes:
        return self._bytes()[offset : offset + size]

    def _bytes(self) -> bytes:
        events = self._store.select(self._query)
        return b"".join(
            _record(event) for event in events if self._minute in (None, _minute_name(event))
        )


def _minute_name(event: Event) -> str:
    start = int(event.timestamp) // MINUTE_S * MINUTE_S
    return f"{start}-{start + MINUTE_S}"


def _record(event: Event) -> bytes:
    return EventSerializer().serialize(event) + CLOSING

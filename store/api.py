"""The interface of an event store: all that the filesystem knows of it.

A store on another engine implements the five abstract methods. The others have defaults that are correct on any
engine and as slow as its search; an engine overrides those that it can answer faster.
"""

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from store.errors import EventWriteException, MinuteNotFound, ViewNotFound
from store.format.batch import Batch
from store.format.event import Event, encode_event
from store.format.levels import LEVELS
from store.matching.event import level_of_event, matches
from store.matching.pattern import compile_pattern
from store.query import MINUTE_S, DiskUsage, Query, Span, Stream
from store.ticks import TICKS_PER_S, in_seconds
from store.view import View

__all__ = ["Answer", "EventStore"]

Integers = npt.NDArray[np.int64]
_NO_PLACE = "this store has no place for it"


class Answer(ABC):
    """The bytes of all events that answer a query: records in theia's format, in order of arrival.

    It grows at its end while events arrive, and never shrinks: every event keeps its offset. Bytes of a minute that was
    removed, or that an event was removed from, may fail to be read; what arrives later stands at the end all the same.

    Attributes:
        span: the answer's size and events when it was opened; None for a minute that has no matching event.
        version: a number; answers to the same query with the same span and version have the same bytes.
        generation: a number; answers to the same query with the same generation differ only in what one of them lacks at its end.
            None if that cannot be said.
    """

    def __init__(self, span: Span | None, version: int = 0, generation: int | None = None) -> None:
        self.span = span
        self.version = version
        self.generation = generation

    @abstractmethod
    def size(self) -> int:
        """Return the size in bytes: that when the answer was opened, and what has arrived for it since."""

    @abstractmethod
    def read(self, offset: int, size: int) -> bytes:
        """Read *size* bytes at *offset*; fewer only at the end.

        Raises:
            EventReadException: if the store cannot read them.
        """

    def read_last(self, size: int) -> bytes:
        """Read the last *size* bytes that were there at the opening, fewer if there were fewer, and find nothing before them.

        Raises:
            EventReadException: if the store cannot read them.
        """
        end = self.span.size if self.span is not None else 0
        start = max(end - size, 0)
        return self.read(start, end - start)


class EventStore(ABC):
    """An event store. Any number of threads may use it.

    Attributes:
        is_writable: whether events can be saved; every method that writes raises StoreReadOnly otherwise.
    """

    is_writable = True

    @abstractmethod
    def save(self, event: Event) -> None:
        """Save *event*; every search that begins after this returns sees it.

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
            ts_start: seconds since the epoch, rounded to the nearest tick; no event is older.
            ts_end: seconds since the epoch, rounded to the nearest tick; no event is newer. None: no end.
            flags: tags, all of which an event has.
            match: regular expression that is found anywhere in the content.
            order: "asc", oldest first, or "desc", newest first.

        Raises:
            InvalidQuery: if the order is unknown or the expression invalid; when called, not when iterated.
            EventReadException: while iterating, if events cannot be read.
        """

    @abstractmethod
    def get(self, event_id: object) -> Event:
        """Find the event with the id *event_id*; of several, one of them.

        Raises:
            EventNotFound: if there is none.
        """

    @abstractmethod
    def delete(self, event_id: object) -> None:
        """Remove the event with the id *event_id* durably: of several, the one that :meth:`get` finds.

        Raises:
            EventNotFound: if there is none.
            EventWriteException: if that failed: the event is still there, or may come back after a loss of power.
        """

    def remove_minute(self, name: str) -> None:
        """Remove the minute *name* durably: all events that it has when this is called, or none.

        Raises:
            MinuteNotFound: if there is none.
            EventWriteException: if that failed: it is still there, or may come back after a loss of power.
        """
        found = [event.id for event in self.select(Query()) if _minute_name(event) == name]
        if not found:
            raise MinuteNotFound(f"there is no minute {name!r}")
        for event_id in dict.fromkeys(found):
            self.delete(event_id)

    def remove_minutes(self, names: Iterable[str]) -> int:
        """Remove those of the minutes *names* that there are, durably; each as :meth:`remove_minute` does.

        Returns:
            How many there were.

        Raises:
            EventWriteException: if that failed: some are still there, or may come back after a loss of power.
        """
        removed = 0
        for name in names:
            with contextlib.suppress(MinuteNotFound):
                self.remove_minute(name)
                removed += 1
        return removed

    def remove_events(self, query: Query, minute: str) -> int:
        """Remove the events of the *minute* of that name that answer *query*, which asks for no contents, durably.

        Returns:
            How many there were when this was called; they are those that go.

        Raises:
            EventWriteException: if that failed: some are still there, or may come back after a loss of power.
        """
        found = [event.id for event in self.select(query) if _minute_name(event) == minute]
        for event_id in found:
            self.delete(event_id)
        return len(found)

    @abstractmethod
    def close(self) -> None:
        """Flush everything and release the store; closing again does nothing.

        Raises:
            EventWriteException: if the flush failed.
        """

    def save_all(self, events: Iterable[Event]) -> None:
        """Save *events*, in this order.

        Raises:
            InvalidEvent: if one of them cannot be stored.
            EventWriteException: if some were not stored.
        """
        for event in events:
            self.save(event)

    def save_batch(self, batch: Batch) -> None:
        """Save the events of *batch*, in this order.

        Raises:
            EventWriteException: if some were not stored.
        """
        self.save_all(batch.events())

    def sync(self) -> None:  # noqa: B027 - an engine may have nothing to do
        """Make everything saved so far durable before this returns.

        Raises:
            EventWriteException: if that failed.
        """

    def select(self, query: Query) -> Iterator[Event]:
        """Find the events that answer *query*, in the order of :class:`Answer`."""
        # Floats are not exact to the tick: the search finds more, and the query decides.
        found = self.search(in_seconds(query.start) - 1, in_seconds(query.end) + 1)
        return (event for event in found if matches(query, event))

    def streams(self, query: Query) -> Iterable[Stream]:
        """Return the streams that have at least one event that answers *query*."""
        found = Counter((str(event.source), tuple(event.tags)) for event in self.select(query))
        return [Stream(*stream, events) for stream, events in found.items()]

    def tags(self, query: Query | None = None) -> frozenset[str]:
        """Return the tags of the events that answer *query*; without one, declared tags as well."""
        return frozenset(tag for each in self.streams(query or Query()) for tag in each.tags)

    def sources(self, query: Query | None = None) -> frozenset[str]:
        """Return the sources of the events that answer *query*; without one, declared sources as well."""
        return frozenset(each.source for each in self.streams(query or Query()))

    def has_tag(self, tag: str) -> bool:
        """Return whether *tag* is declared or some event has it."""
        return tag in self.tags()

    def has_source(self, source: str) -> bool:
        """Return whether *source* is declared or some event is from it."""
        return source in self.sources()

    def levels(self, query: Query) -> dict[str, int]:
        """Count the events that answer *query* by level; those without one are not counted."""
        return Counter(
            LEVELS[level - 1] for event in self.select(query) if (level := level_of_event(event))
        )

    def check_pattern(self, text: str) -> None:
        """Check that events can be searched for the regular expression *text*.

        Raises:
            InvalidPattern: if not.
        """
        compile_pattern(text)

    def histogram(self, query: Query, width: int) -> dict[int, int]:
        """Count the events that answer *query* by time.

        Args:
            query: the query.
            width: the width of a bucket, in ticks; buckets are counted from the epoch.

        Returns:
            The numbers of events by the numbers of their buckets; only of buckets that have some.
        """
        return Counter(event.ticks // width for event in self.select(query))

    def records(self, query: Query) -> Iterator[tuple[bytes, Integers]]:
        """Yield the records of the events that answer *query*, several at a time, in no order.

        Yields:
            Whole records one after the other, and their edges: the offset of each, and the end of the last.
        """
        for event in self.select(query):
            record, _key = encode_event(event)
            yield record, np.array([0, len(record)])

    def declare_tag(self, tag: str) -> None:
        """Declare *tag* before the first event has it.

        Raises:
            InvalidEvent: if no event can have such a tag.
            EventWriteException: if that failed.
        """
        raise EventWriteException(f"cannot declare the tag {tag!r}: {_NO_PLACE}")

    def declare_source(self, source: str) -> None:
        """Declare *source* before the first event is from it, as :meth:`declare_tag` does a tag."""
        raise EventWriteException(f"cannot declare the source {source!r}: {_NO_PLACE}")

    def undeclare_tag(self, tag: str) -> None:
        """Take back, durably, that *tag* is declared; if it is not, do nothing.

        Raises:
            NameInUse: if events have it.
            EventStoreException: if that failed: it is still declared, or may be again after a loss of power.
        """
        raise EventWriteException(f"cannot take back the tag {tag!r}: {_NO_PLACE}")

    def undeclare_source(self, source: str) -> None:
        """Take back that *source* is declared, as :meth:`undeclare_tag` does of a tag."""
        raise EventWriteException(f"cannot take back the source {source!r}: {_NO_PLACE}")

    def views(self) -> Mapping[str, str]:
        """Return the targets of the saved views, by name. A target is text to the store."""
        return {}

    def save_view(self, name: str, target: str) -> None:
        """Save *target* as the view *name*; it survives a loss of power once this returns.

        Raises:
            ViewExists: if there is one of that name.
            InvalidQuery: if no view can be called so: a name is that of a file.
            EventWriteException: if it could not be saved.
        """
        raise EventWriteException(f"cannot save the view {name!r}: {_NO_PLACE}")

    def remove_view(self, name: str) -> None:
        """Remove the view *name*, durably.

        Raises:
            ViewNotFound: if there is none.
            EventWriteException: if that failed: it is still there, or may come back after a loss of power.
        """
        raise ViewNotFound(f"there is no view {name!r}")

    def rename_view(self, old: str, new: str, *, replaces: bool = True) -> None:
        """Rename the view *old* to *new*, atomically and durably.

        Args:
            old: its name.
            new: the name it gets.
            replaces: whether it takes the place of a view that has that name.

        Raises:
            ViewNotFound: if there is no view *old*.
            ViewExists: if there is a view *new* that is not to be replaced.
            InvalidQuery: if no view can be called so.
            EventWriteException: if that failed: it has the old name, or may have it again after a loss of power.
        """
        raise ViewNotFound(f"there is no view {old!r}")

    def read_state(self, name: str) -> bytes:
        """Return what was written last as the state *name*; empty when there is nothing, or no place for it."""
        return b""

    def write_state(self, name: str, data: bytes) -> None:  # noqa: B027 - an engine may have no place for it
        """Keep *data*, which is small, as the state *name* of the user of the store, for its next opening.

        Raises:
            EventWriteException: if that failed; the next opening may find what was there before.
        """

    def status(self) -> Mapping[str, int | str]:
        """Return what there is to know about the store and its health, by stable keys; cheap to ask every second."""
        whole = self.whole(Query())
        return {"events": whole.events, "bytes": whole.size}

    # A view has the events shown as lines; sizes are in bytes of lines then. Damage has no line.

    def spans(self, query: Query, view: View | None = None) -> list[Span]:
        """Return the minutes that hold at least one event that answers *query*, sorted by start; sizes are those in *view*.

        For the query for everything: all minutes.
        """
        spans: dict[str, Span] = {}
        for event in self.select(query):
            name = _minute_name(event)
            old = spans.get(name, Span(name, 0, 0, 0, 0.0))
            spans[name] = Span(
                name,
                old.size + len(_shown(event, view)),
                old.events + 1,
                max(old.newest, event.ticks),
                event.timestamp,
            )
        return sorted(spans.values(), key=lambda span: int(span.name.partition("-")[0]))

    def minutes(self, query: Query) -> Iterator[str]:
        """Yield the names of the minutes that answer *query*, in their order."""
        return (span.name for span in self.spans(query))

    def span(self, query: Query, minute: str, view: View | None = None) -> Span | None:
        """Return the part of the answer to *query* in *minute*, its size that in *view*; None when there is none."""
        return next((span for span in self.spans(query, view) if span.name == minute), None)

    def whole(self, query: Query, view: View | None = None) -> Span:
        """Return all of the answer to *query*, as a span without a name, its size that in *view*."""
        spans = self.spans(query, view)
        return Span(
            "",
            sum(span.size for span in spans),
            sum(span.events for span in spans),
            max((span.newest for span in spans), default=0),
            max((span.changed for span in spans), default=0.0),
        )

    def answer(self, query: Query, minute: str | None = None, view: View | None = None) -> Answer:
        """Open the answer to *query*, in one *minute* or in all; it is empty when nothing matches.

        Its bytes are the lines of its events in *view*. Without one, the answer to the query for everything is the minutes
        byte for byte, damage included.
        """
        return _SelectedAnswer(self, query, minute, view)

    def latest(self) -> str | None:
        """Return the name of the minute that starts last; None when there is none."""
        spans = self.spans(Query())
        return spans[-1].name if spans else None

    def usage(self) -> DiskUsage | None:
        """Return the usage of the file system under the store; None when there is no file system."""
        return None


class _SelectedAnswer(Answer):
    """An answer that selects its events at every call, and keeps their records or lines."""

    def __init__(
        self, store: EventStore, query: Query, minute: str | None, view: View | None
    ) -> None:
        super().__init__(store.span(query, minute, view) if minute else store.whole(query, view))
        self._store = store
        self._query = query
        self._minute = minute
        self._view = view
        self._counts: Counter[bytes] = Counter()
        self._data = b""
        self._update()

    def size(self) -> int:
        self._update()
        return len(self._data)

    def read(self, offset: int, size: int) -> bytes:
        self._update()
        return self._data[offset : offset + size]

    def _update(self) -> None:
        """Append the events that have arrived, as they are shown; those that were removed stay."""
        counts: Counter[bytes] = Counter()
        for event in self._store.select(self._query):
            if self._minute in (None, _minute_name(event)):
                shown = _shown(event, self._view)
                counts[shown] += 1
                if counts[shown] > self._counts[shown]:
                    self._data += shown
        self._counts |= counts


def _minute_name(event: Event) -> str:
    start = event.ticks // (MINUTE_S * TICKS_PER_S) * MINUTE_S
    return f"{start}-{start + MINUTE_S}"


def _shown(event: Event, view: View | None) -> bytes:
    """Return *event* as it is shown in *view*; its record without one."""
    record, _key = encode_event(event)
    return record if view is None else view.render(record, np.array([0, len(record)]))

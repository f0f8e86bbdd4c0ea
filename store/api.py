"""The interface of an event store: all that the filesystem knows of it.

A store on another engine implements the five abstract methods. The others have defaults that are correct on any
engine and as slow as its search; an engine overrides those that it can answer faster. One that is asked over a network needs no more
of the answers than :meth:`EventStore.snapshot`: with a recent one, a listing and all that is asked for after it cost one query.
"""

import contextlib
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping

import numpy as np
import numpy.typing as npt

from store.defaults import SelectedSnapshot, changes_since, shown
from store.errors import EventWriteException, MinuteNotFound, ViewNotFound
from store.format.batch import Batch
from store.format.event import Event
from store.format.levels import LEVELS
from store.matching.event import level_of_event, matches
from store.matching.pattern import compile_pattern
from store.query import DiskUsage, Query, Span, Stream, minute_name
from store.snapshot import Answer, Changes, Minutes, Snapshot, SnapshotMinutes
from store.ticks import in_seconds
from store.view import View

__all__ = ["EventStore"]

Integers = npt.NDArray[np.int64]
_NO_PLACE = "this store has no place for it"


class EventStore(ABC):
    """An event store. Any number of threads may use it.

    All that is asked sees what was saved here before, and what others saved at least a second before. Tags, sources and levels,
    which nearly every path asks for, are answered from what the store keeps: at most a second old, own writes at once.

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
        found = [event.id for event in self.select(Query()) if minute_name(event.ticks) == name]
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
        found = [event.id for event in self.select(query) if minute_name(event.ticks) == minute]
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
        """Return the tags of the events that answer *query*; without one, declared tags as well.

        At most a second old, own writes at once.
        """
        return frozenset(tag for each in self.streams(query or Query()) for tag in each.tags)

    def sources(self, query: Query | None = None) -> frozenset[str]:
        """Return the sources of the events that answer *query*; without one, declared sources as well.

        At most a second old, own writes at once.
        """
        return frozenset(each.source for each in self.streams(query or Query()))

    def has_tag(self, tag: str) -> bool:
        """Return whether *tag* is declared or some event has it."""
        return tag in self.tags()

    def has_source(self, source: str) -> bool:
        """Return whether *source* is declared or some event is from it."""
        return source in self.sources()

    def levels(self, query: Query) -> dict[str, int]:
        """Count the events that answer *query* by level; those without one are not counted.

        At most a second old, own writes at once.
        """
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
            record = shown(event, None)
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
        """Keep *data*, a few megabytes at most, as the state *name* of the user of the store, for its next opening.

        Raises:
            EventWriteException: if that failed; the next opening may find what was there before.
        """

    def status(self) -> Mapping[str, int | str]:
        """Return what there is to know about the store and its health, by stable keys; cheap to ask every second."""
        whole = self.whole(Query())
        return {"events": whole.events, "bytes": whole.size}

    # A view has the events shown as lines; sizes are in bytes of lines then. Damage has no line.

    def snapshot(self, query: Query, view: View | None = None) -> Snapshot:
        """Return the answer to *query* as it is now, its sizes those in *view*.

        Without a view, the answer to the query for everything is the minutes byte for byte, damage included.
        """
        return SelectedSnapshot(self, query, view)

    # What a snapshot has, asked for alone: a store may know it faster.

    def minutes(self, query: Query) -> Minutes:
        """Return the names of the minutes that answer *query*, as they are now."""
        return SnapshotMinutes(lambda: self.snapshot(query))

    def span(self, query: Query, minute: str, view: View | None = None) -> Span | None:
        """Return the part of the answer to *query* in *minute*, its size that in *view*; None when there is none."""
        return self.snapshot(query, view).span(minute)

    def whole(self, query: Query, view: View | None = None) -> Span:
        """Return all of the answer to *query*, as a span without a name, its size that in *view*."""
        return self.snapshot(query, view).whole

    def glance(self, query: Query) -> Span:
        """Return :meth:`whole` as far as the store knows it without asking another machine, however long ago that was."""
        return self.whole(query)

    def answer(self, query: Query, minute: str | None = None, view: View | None = None) -> Answer:
        """Open the answer to *query*, in one *minute* or in all; its bytes are the lines of its events in *view*."""
        return self.snapshot(query, view).answer(minute)

    def latest(self) -> str | None:
        """Return the name of the minute that starts last; None when there is none."""
        spans = self.snapshot(Query()).spans
        return spans[-1].name if spans else None

    def has_settled(self, span: Span, rest_s: float) -> bool:
        """Return whether it is known that *span*, which this store gave, has been the same for *rest_s* seconds, or since the opening.

        Only the store compares times of changes, which may be those of another machine's clock.
        """
        del span, rest_s
        return False

    def follow(self, cursor: bytes = b"") -> Changes:
        """Return what has changed since *cursor*, that of an earlier call, before the store was opened perhaps; by default, all.

        A cursor of another store counts as that of the beginning.
        """
        return changes_since(self, cursor)

    def usage(self) -> DiskUsage | None:
        """Return the usage of what the store is on; None when it cannot say."""
        return None

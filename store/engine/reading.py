"""The reader: it answers queries from the state, and changes no event; what it finds out is kept in caches and in the index."""

import itertools
import logging
from collections import Counter
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
from numpy.typing import NDArray

from store.answers.answer import WholeAnswer
from store.answers.fetch import IdSearch, sorted_events
from store.answers.group_counts import GroupCounts
from store.answers.selection import count_minute
from store.answers.snapshot import VersionSnapshot, open_minute, open_whole
from store.answers.version import Version
from store.disk.disk import Disk
from store.engine.line_opening import open_many_lines
from store.engine.record_judge import contents_of
from store.engine.selected import SelectedMinutes
from store.engine.state import State
from store.engine.watcher import Watcher
from store.errors import EventNotFound, EventReadException, MinuteGone
from store.format.event import Event, split_tags
from store.format.levels import LEVELS
from store.format.record import decode_text, split_stream_key
from store.index.extents import Extents, Layout, coalesce
from store.index.levels import LEVEL_COUNT, decided_levels
from store.index.minute import DAMAGED
from store.index.row import MinuteRow
from store.index.stamp import Stamp
from store.index.summary import NOTHING, Summaries, Total
from store.index.times import are_inside
from store.interruption import check_reader
from store.query import Query, Span, Stream
from store.snapshot import Answer, EmptyAnswer, Minutes, Snapshot
from store.view import View

__all__ = ["Reader"]

log = logging.getLogger(__name__)

_SIZE_AT_ONCE = 1 << 20
"""Bytes of records that are read together."""


class Reader:
    """Answers queries. Any number of threads may use it.

    Args:
        state: the state of the store.
        disk: the disk of the minute files.
        is_busy: returns whether the minute with an id has a tail, or its file is being replaced.
        watcher: notices what other programs change.
    """

    def __init__(
        self,
        state: State,
        disk: Disk,
        is_busy: Callable[[int], bool],
        watcher: Watcher,
    ) -> None:
        self._lookup = state.lookup
        self._disk = disk
        self._is_busy = is_busy
        self._watcher = watcher
        self._ids = IdSearch(state.lookup, self._successor)
        self._selected = SelectedMinutes(state.lookup, lambda version: self._totals(version)[1])

    # Events

    def select(self, query: Query, newest_first: bool = False) -> Iterator[Event]:
        """Find the events that answer *query*, sorted by time; of the same time, by arrival."""
        return sorted_events(self._answering(query), self._lookup, newest_first)

    def get(self, event_id: object) -> Event:
        """See :meth:`EventStore.get`."""
        for _, event in self._ids.find(str(event_id)):
            return event
        raise EventNotFound(f"no event has the id {str(event_id)!r}")

    def minutes_of_id(self, event_id: object) -> Iterator[str]:
        """Yield the name of the minute of each event with *event_id*; that which :meth:`get` returns comes first."""
        return (name for name, _ in self._ids.find(str(event_id)))

    def _successor(self, minute: int) -> int | None:
        """Return the id of the minute that has the name of *minute*, which is gone, now; None if there is none."""
        with self._lookup.lock:
            return self._lookup.catalog.find(self._lookup.catalog.name(minute))

    # What the filesystem shows

    def tags(self) -> frozenset[str]:
        """Return the tags of all events."""
        with self._lookup.lock:
            tags = self._lookup.streams.tags.all()
        return frozenset(tags) - {""}

    def sources(self) -> frozenset[str]:
        """Return the sources of all events."""
        with self._lookup.lock:
            sources = self._lookup.streams.sources.all()
        return frozenset(sources)

    def has_tag(self, tag: str) -> bool:
        """Return whether some event has *tag*."""
        with self._lookup.lock:
            return bool(tag) and self._lookup.streams.tags.has(tag)

    def has_source(self, source: str) -> bool:
        """Return whether some event is from *source*."""
        with self._lookup.lock:
            return self._lookup.streams.sources.has(source)

    def streams(self, query: Query) -> Iterator[Stream]:
        """See :meth:`EventStore.streams`."""
        counts = self._events_by_stream(query)
        ids = counts.nonzero()[0]
        with self._lookup.lock:
            keys = self._lookup.streams.keys_of(ids)
        for key, events in zip(keys, counts[ids].tolist(), strict=True):
            source, tags = map(decode_text, split_stream_key(key))
            yield Stream(source, tuple(split_tags(tags)), events)

    def _events_by_stream(self, query: Query) -> NDArray[np.int64]:
        """Return for each stream id the number of its events that answer *query*, damage aside."""
        lookup = self._lookup
        matching = lookup.matching(query)
        counts = np.zeros(len(matching), np.int64)
        if not query.is_bounded and not query.content_filters:
            with lookup.lock:
                counts += lookup.streams.events(len(counts))
            counts[~matching] = 0
        else:
            version = lookup.version(query)
            whole = version.inside if not query.content_filters else np.zeros_like(version.inside)
            minutes, entries = version.minutes[whole], version.entries[whole]
            counts, is_there = self._counts("streams", lookup.summaries).of(
                minutes, entries, len(counts)
            )
            for summary in lookup.newest.summaries(minutes[~is_there]):
                rows = summary[summary["stream"] < len(counts)]
                counts[rows["stream"]] += rows["events"]
            counts[~matching] = 0  # of others, nothing is selected
            for _minutes, layouts, selected in self._selected.of(version, ~whole, set()):
                for layout, flags in zip(layouts, selected, strict=True):
                    added = np.bincount(layout.streams[flags], minlength=len(counts))
                    counts = np.pad(counts, (0, len(added) - len(counts))) + added
        counts[DAMAGED] = 0
        return counts

    def records(self, query: Query) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        """See :meth:`EventStore.records`."""
        version = self._lookup.version(query)
        gone: set[int] = set()
        for minutes, layouts, selected in self._selected.of(version, version.entries > 0, gone):
            for minute, layout, flags in zip(minutes.tolist(), layouts, selected, strict=True):
                is_begun = False
                try:
                    for some in self._records_of(minute, layout, flags):
                        yield some
                        is_begun = True
                except MinuteGone as error:
                    log.info("skipping its records: %s", error)
                    if not is_begun:
                        gone.add(minute)

    def _records_of(
        self, minute: int, layout: Layout, flags: NDArray[np.bool_]
    ) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        """Yield the records of *minute* of the entries in *layout* that have *flags*, several at a time, and their edges.

        Raises:
            MinuteGone: if it is gone.
        """
        ends = layout.ends.astype(np.int64)
        starts = np.concatenate(([0], ends[:-1]))
        found = (flags & (layout.streams != DAMAGED)).nonzero()[0]
        blocks = (ends[found] - starts[found]).cumsum() // _SIZE_AT_ONCE
        for some in np.split(found, (blocks[1:] != blocks[:-1]).nonzero()[0] + 1):
            if len(some):
                check_reader()
                edges = np.concatenate(([0], (ends[some] - starts[some]).cumsum()))
                numbers = np.full(len(some), minute)
                extents = coalesce(Extents(numbers, starts[some], ends[some]))
                read = partial(self._read_records, extents, edges)
                yield self._lookup.retried(minute, read), edges

    def _read_records(self, extents: Extents, edges: NDArray[np.int64]) -> bytes:
        """Read *extents* of one minute, all of which are records with these *edges* when they are joined."""
        data = self._lookup.read_extents(extents)
        contents_of(data, edges)
        return data

    def levels(self, query: Query) -> dict[str, int]:
        """See :meth:`EventStore.levels`."""
        version = self._lookup.version(query)
        counts = np.zeros(LEVEL_COUNT, np.int64)
        is_left = version.entries > 0
        wanted = decided_levels(query)
        if wanted is not None:
            inside = version.inside.nonzero()[0]
            counts, is_there = self._counts("levels", self._lookup.level_totals).of(
                version.minutes[inside], version.entries[inside], LEVEL_COUNT
            )
            is_left[inside[is_there]] = False
            counts[~wanted] = 0
        gone: set[int] = set()
        for minutes, layouts, selected in self._selected.of(version, is_left, gone):
            levels = self._lookup.levels.of_all(minutes, layouts)
            gone.update(minutes[[codes is None for codes in levels]].tolist())
            for codes, layout, flags in zip(levels, layouts, selected, strict=True):
                if codes is not None:
                    sound = flags & (layout.streams != DAMAGED)
                    counts += np.bincount(codes[sound], minlength=LEVEL_COUNT)
        return {
            level: found for level, found in zip(LEVELS, counts[1:].tolist(), strict=True) if found
        }

    def _counts(self, name: str, read: Callable[[NDArray[np.int64]], Summaries]) -> GroupCounts:
        """Return the numbers of events by group that are kept under *name*, from summaries that *read* returns."""
        cache, key = self._lookup.cache, ("counts", name)
        found: GroupCounts | None = cache.get(key)
        counts = GroupCounts(read) if found is None else found
        cache.put(key, counts, counts.memory_size)
        return counts

    def histogram(self, query: Query, width: int) -> dict[int, int]:
        """See :meth:`EventStore.histogram`."""
        version = self._lookup.version(query)
        buckets = version.oldest // width
        events = self._totals(version)[1]
        is_divided = (buckets != version.newest // width) & (events > 0)
        counts: Counter[int] = Counter()
        is_whole = ~is_divided & (events > 0)
        whole = buckets[is_whole].tolist(), events[is_whole].tolist()
        for bucket, found in zip(*whole, strict=True):
            counts[bucket] += found
        gone = set(self._selected.gone(version.only(events == 0)))
        for minutes, _layouts, selected in self._selected.of(version, is_divided, gone):
            lengths = np.array(list(map(len, selected)), np.int64)
            found = self._lookup.columns(minutes, lengths)
            gone.update(minutes[[columns is None for columns in found]].tolist())
            for columns, flags in zip(found, selected, strict=True):
                if columns is not None:
                    counts.update((columns.ticks[flags] // width).tolist())
        return counts

    def minutes(self, query: Query) -> "AnsweringMinutes":
        """See :meth:`EventStore.minutes`."""
        return AnsweringMinutes(self, query, self._answering(query).minutes)

    def names(self, minutes: NDArray[np.int64]) -> list[str]:
        """Return the names of *minutes*, by id, some of which may be gone."""
        with self._lookup.lock:
            return self._lookup.catalog.names(minutes)

    def spans(self, query: Query, minutes: NDArray[np.int64]) -> list[Span]:
        """Return what *minutes*, by id, hold now of the answer to *query*; of one that is gone, a span without events."""
        names = self.names(minutes)
        if not self._watcher.hears_all:
            for name in names:
                self._current(name)
        with self._lookup.lock:
            catalog = self._lookup.catalog
            entries = catalog.values("entries", minutes)
            inside = are_inside(*catalog.times(minutes), query)
        totals = self._inside(query, minutes, entries, None)
        for place in (~inside).nonzero()[0].tolist():
            totals[:, place] = self._part(query, int(minutes[place]), int(entries[place]), None)
        with self._lookup.lock:
            # After the totals: a later time is only shown for longer, an earlier one would hide a change.
            changes = catalog.changes(minutes)
            totals[:, np.isin(minutes, catalog.gone(minutes))] = 0
        return list(map(Span, names, *totals.tolist(), changes.tolist()))

    def snapshot(self, query: Query, view: View | None) -> Snapshot:
        """See :meth:`EventStore.snapshot`."""
        version = self._lookup.version(query)
        totals = self._totals(version, view)
        if (query.is_bounded or query.content_filters) and self._selected.gone(version):
            # What has replaced minutes counts, which were known as they had been until they were read.
            version = self._lookup.version(query)
            totals = self._totals(version, view)
        with self._lookup.lock:
            names = self._lookup.catalog.names(version.minutes)
            changes = self._lookup.catalog.changes(version.minutes)
        rows = zip(names, *totals.tolist(), changes.tolist(), strict=True)
        spans = list(itertools.starmap(Span, rows))
        whole = _joined(totals, version.changed)
        return VersionSnapshot(version, spans, whole, view, self._lookup)

    def span(self, query: Query, name: str, view: View | None) -> Span | None:
        """See :meth:`EventStore.span`."""
        row = self._current(name)
        return None if row is None else self._span(query, row, view)

    def whole(self, query: Query, view: View | None) -> Span:
        """See :meth:`EventStore.whole`."""
        if not query.is_bounded and not query.content_filters:
            total, changed = self._lookup.total(query)
            if view is not None:
                total = total._replace(size=self._lookup.line_size(query, view))
            return Span("", *total, changed)
        version = self._lookup.version(query)
        span = self._whole(version, view)
        if self._selected.gone(version):
            span = self._whole(
                self._lookup.version(query), view
            )  # what has replaced minutes counts
        return span

    def answer(self, query: Query, name: str | None, view: View | None) -> Answer:
        """See :meth:`EventStore.answer`."""
        if name is None:
            lines = None if view is None else open_many_lines(self._lookup, query, view)
            if lines is not None:
                return lines
            version = self._lookup.version(query)
            if view is None and version.total is not None:
                return WholeAnswer(version, self._lookup, self._whole(version))
            totals = self._totals(version, view)
            span = _joined(totals, version.changed)
            if view is not None:
                self._lookup.line_totals.check(version, view, span.size)
            return open_whole(version, span, totals[0], view, self._lookup)
        row = self._current(name)
        if row is not None:
            try:
                minute, part = self._lookup.minute(row.id), self._span(query, row, view)
                return open_minute(query, view, minute, row.entries, part, self._lookup)
            except EventReadException:
                if self._current(name) is not None:
                    raise
        return EmptyAnswer()

    def latest(self) -> str | None:
        """See :meth:`EventStore.latest`."""
        with self._lookup.lock:
            minute = self._lookup.catalog.latest()
            return None if minute is None else self._lookup.catalog.name(minute)

    def _current(self, name: str) -> MinuteRow | None:
        """Return the row of the minute *name*, rescanned if its file changed; None if there is none."""
        for is_first in (True, False):
            with self._lookup.lock:
                minute = self._lookup.catalog.find(name)
                if minute is None:
                    return None
                row = self._lookup.catalog.row(minute)
            if not is_first or self._is_busy(minute):
                break
            stat = self._disk.stat(f"{self._lookup.root_dir}/{name}")
            if stat is not None and Stamp.exactly(stat) == row.stamp:
                break
            self._watcher.refresh(name)
        return row

    def _span(self, query: Query, row: MinuteRow, view: View | None) -> Span | None:
        """Return the part of the answer to *query* in the minute of *row*, None if there is none."""
        if query.asks_everything and view is None:
            return Span(row.name, row.bytes, row.events, max(row.newest, 0), row.changed)
        oldest, newest = np.array([row.oldest]), np.array([row.newest])
        if query.is_bounded and not are_inside(oldest, newest, query).all():
            total = self._part(query, row.id, row.entries, view)
        elif query.at_any_time.filters or view is not None:
            total = self._lookup.series(query, view).total(row.id, row.entries)
        else:
            total = Total(row.bytes - row.damage, row.events, max(row.newest, 0))
        span = Span(row.name, *total, row.changed)
        return span if total.events or query.asks_everything else None

    def _whole(self, version: Version, view: View | None = None) -> Span:
        if version.total is not None and view is None:
            return Span("", *version.total, version.changed)
        return _joined(self._totals(version, view), version.changed)

    def _answering(self, query: Query) -> Version:
        """Return the current version for *query*, with only the minutes that have at least one event that answers it."""
        version = self._lookup.version(query)
        if not query.is_bounded and not query.content_filters:
            return version
        return version.only(self._totals(version)[1] > 0)

    def _totals(self, version: Version, view: View | None = None) -> NDArray[np.int64]:
        """Return for each minute of *version* the total of its part, in three rows as in Total."""
        totals = self._inside(version.query, version.minutes, version.entries, view)
        for place in (~version.inside).nonzero()[0].tolist():
            minute, entries = int(version.minutes[place]), int(version.entries[place])
            totals[:, place] = self._part(version.query, minute, entries, view)
        return totals

    def _inside(
        self,
        query: Query,
        minutes: NDArray[np.int64],
        entries: NDArray[np.int64],
        view: View | None,
    ) -> NDArray[np.int64]:
        """Return the totals of *minutes* as if all of their *entries* were in the time range of *query*."""
        if query.at_any_time.filters or view is not None:
            return self._lookup.series(query, view).totals(minutes, entries)
        with self._lookup.lock:
            values = self._lookup.catalog.values
            sizes = values("bytes", minutes)
            if not query.asks_everything:
                sizes = sizes - values("damage", minutes)
            totals = [sizes, values("events", minutes), np.maximum(values("newest", minutes), 0)]
            return np.array(totals, np.int64)

    def _part(self, query: Query, minute: int, entries: int, view: View | None) -> Total:
        """Return the total of the part of *minute* that answers *query*; nothing if it is gone."""
        try:
            return count_minute(self._lookup, query, minute, 0, entries, view)
        except MinuteGone:
            return NOTHING


class AnsweringMinutes(Minutes):
    """The minutes that answered a query.

    Args:
        reader: knows them.
        query: the query.
        minutes: their ids.
    """

    def __init__(self, reader: Reader, query: Query, minutes: NDArray[np.int64]) -> None:
        self._reader = reader
        self._query = query
        self._minutes = minutes

    def __len__(self) -> int:
        return len(self._minutes)

    def names(self, first: int, last: int) -> list[str]:
        """See :meth:`Minutes.names`."""
        return self._reader.names(self._minutes[first:last])

    def spans(self, first: int, last: int) -> list[Span]:
        """See :meth:`Minutes.spans`."""
        return self._reader.spans(self._query, self._minutes[first:last])


def _joined(totals: NDArray[np.int64], changed: float) -> Span:
    """Return all of an answer that last *changed* then, given the *totals* of its minutes, in three rows as in Total."""
    size, events, newest = totals
    return Span("", int(size.sum()), int(events.sum()), int(newest.max(initial=0)), changed)

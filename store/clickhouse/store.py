"""The store on ClickHouse: it puts the parts together."""

import contextlib
from collections.abc import Iterable, Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from store.api import EventStore
from store.cache import Cache
from store.clickhouse.ahead import ReadAhead
from store.clickhouse.answer import EngineSnapshot, Source
from store.clickhouse.arrivals import Arrivals
from store.clickhouse.catalogue import Catalogue
from store.clickhouse.compiler import EVERYTHING, Condition, compile_query
from store.clickhouse.declared import DeclaredNames
from store.clickhouse.follower import Follower
from store.clickhouse.listing import Listings
from store.clickhouse.queries import Queries
from store.clickhouse.reader import Reader
from store.clickhouse.registry import Entry, Registry
from store.clickhouse.remover import Remover
from store.clickhouse.scope import minute_start
from store.clickhouse.spool import Spool
from store.clickhouse.statistics import Statistics
from store.clickhouse.tables import Tables
from store.clickhouse.views import SavedViews
from store.clickhouse.windows import Windows
from store.clickhouse.wire import Wire
from store.clickhouse.writer import Writer
from store.errors import (
    EventReadException,
    MinuteNotFound,
    NameInUse,
    StoreReadOnly,
)
from store.format.batch import Batch
from store.format.event import Event
from store.format.faults import line_fault, tag_fault
from store.format.record import encode_text
from store.matching.search import compile_search
from store.query import DiskUsage, Query, Span, Stream, minute_name
from store.snapshot import Changes, Snapshot
from store.view import View

__all__ = ["ClickHouseStore"]

Integers = npt.NDArray[np.int64]

_REMOVED_AT_ONCE = 1000


class ClickHouseStore(EventStore):
    """A store on ClickHouse.

    Args:
        wire: the engine.
        tables: its tables.
        views: the views whose lines are measured when events are stored.
        memory_size: the memory budget, in bytes.
        writer: stores batches; None in a store that is only read.
        arrivals: the cursor.
        shards: the servers by the numbers of their shards; *wire* is one of them.
    """

    def __init__(
        self,
        wire: Wire,
        tables: Tables,
        views: Sequence[View],
        memory_size: int,
        arrivals: Arrivals,
        writer: Writer | Spool | None,
        shards: Mapping[int, Wire],
    ) -> None:
        self.is_writable = writer is not None
        self._wire = wire
        self._shards = shards
        self._writer = writer
        cache = Cache(memory_size // 2)
        reader = Reader(wire, tables, views)
        listings = Listings(reader, tables, arrivals, cache)
        windows, ahead = Windows(reader, tables, cache), ReadAhead(reader, tables, cache)
        self._source = Source(tables, reader, arrivals, listings, windows, ahead)
        self._queries = Queries(self._source)
        self._catalogue = Catalogue(reader, tables, arrivals)
        self._follower = Follower(wire, tables, reader, arrivals)
        self._statistics = Statistics(wire, tables)
        self._remover = Remover(shards, arrivals)
        staleness_s = arrivals.staleness_s
        self._declared_tags = DeclaredNames(wire, "tag", tag_fault, staleness_s)
        self._declared_sources = DeclaredNames(wire, "source", line_fault, staleness_s)
        self._views = SavedViews(wire, staleness_s)
        self._states = Registry(wire, "state", staleness_s)

    def save(self, event: Event) -> None:
        """See :meth:`EventStore.save`."""
        self.save_batch(Batch.of([event]))

    def save_all(self, events: Iterable[Event]) -> None:
        """See :meth:`EventStore.save_all`."""
        self.save_batch(Batch.of(events))

    def save_batch(self, batch: Batch) -> None:
        """See :meth:`EventStore.save_batch`."""
        if self._writer is None:
            raise StoreReadOnly(f"{self._wire.address} is only read here")
        self._writer.save(batch)
        self._catalogue.add(batch.keys)

    def sync(self) -> None:
        """See :meth:`EventStore.sync`."""
        if self._writer is not None:
            self._writer.sync()

    def close(self) -> None:
        """See :meth:`EventStore.close`."""
        with contextlib.ExitStack() as stack:
            for each in self._shards.values():
                stack.callback(each.close)
            stack.callback(self._source.windows.close)
            if self._writer is not None:
                self._writer.close()

    def search(
        self,
        ts_start: float,
        ts_end: float | None = None,
        flags: list[str] | None = None,
        match: str | None = None,
        order: str = "asc",
    ) -> Iterator[Event]:
        """See :meth:`EventStore.search`."""
        search = compile_search(ts_start, ts_end, flags, match, order)
        return search.filtered(
            self._queries.by_time(search.query, newest_first=search.newest_first)
        )

    def select(self, query: Query) -> Iterator[Event]:
        """See :meth:`EventStore.select`."""
        return self._queries.by_arrival(query)

    def records(self, query: Query) -> Iterator[tuple[bytes, Integers]]:
        """See :meth:`EventStore.records`."""
        return ((records.data, records.edges) for records in self._queries.records(query))

    def get(self, event_id: object) -> Event:
        """See :meth:`EventStore.get`."""
        return self._queries.find(str(event_id))[0]

    def delete(self, event_id: object) -> None:
        """See :meth:`EventStore.delete`."""
        self._check_writable()
        _, shard, condition = self._queries.find(str(event_id))
        self._remove(condition, shard)

    def remove_minute(self, name: str) -> None:
        """See :meth:`EventStore.remove_minute`."""
        if not self.remove_events(Query(), name):
            raise MinuteNotFound(f"there is no minute {name!r}")

    def remove_minutes(self, names: Iterable[str]) -> int:
        """See :meth:`EventStore.remove_minutes`."""
        self._check_writable()
        starts = sorted({start for name in names if (start := minute_start(name)) is not None})
        there = self._source.listings.of(Query(), None)
        found = [start for start in starts if there.at(start) is not None]
        for first in range(0, len(found), _REMOVED_AT_ONCE):
            some = found[first : first + _REMOVED_AT_ONCE]
            self._remove(EVERYTHING & f"minute IN ({', '.join(map(str, some))})")
        return len(found)

    def remove_events(self, query: Query, minute: str) -> int:
        """See :meth:`EventStore.remove_events`."""
        self._check_writable()
        start = minute_start(minute)
        return 0 if start is None else self._remove(compile_query(query) & f"minute = {start}")

    def snapshot(self, query: Query, view: View | None = None) -> Snapshot:
        """See :meth:`EventStore.snapshot`."""
        return EngineSnapshot(self._source, query, view, self._source.listings.of(query, view))

    def glance(self, query: Query) -> Span:
        """See :meth:`EventStore.glance`."""
        return self._source.listings.known(query)

    def has_settled(self, span: Span, rest_s: float) -> bool:
        """See :meth:`EventStore.has_settled`."""
        return self._source.arrivals.has_settled(span.changed, rest_s)

    def follow(self, cursor: bytes = b"") -> Changes:
        """See :meth:`EventStore.follow`."""
        return self._follower.since(cursor)

    def streams(self, query: Query) -> Iterator[Stream]:
        """See :meth:`EventStore.streams`."""
        return self._queries.streams(query)

    def levels(self, query: Query) -> dict[str, int]:
        """See :meth:`EventStore.levels`."""
        return self._queries.levels(query)

    def histogram(self, query: Query, width: int) -> dict[int, int]:
        """See :meth:`EventStore.histogram`."""
        return self._queries.histogram(query, width)

    def tags(self, query: Query | None = None) -> frozenset[str]:
        """See :meth:`EventStore.tags`."""
        if query is None or query.asks_everything:
            return self._catalogue.names().tags | self._declared_tags.names()
        self._source.arrivals.wait()
        return self._catalogue.tags_of(compile_query(query))

    def sources(self, query: Query | None = None) -> frozenset[str]:
        """See :meth:`EventStore.sources`."""
        if query is None or query.asks_everything:
            return self._catalogue.names().sources | self._declared_sources.names()
        self._source.arrivals.wait()
        return self._catalogue.sources_of(compile_query(query))

    def has_tag(self, tag: str) -> bool:
        """See :meth:`EventStore.has_tag`."""
        return self._catalogue.has_tag(tag) or self._declared_tags.has(tag)

    def has_source(self, source: str) -> bool:
        """See :meth:`EventStore.has_source`."""
        return self._catalogue.has_source(source) or self._declared_sources.has(source)

    def declare_tag(self, tag: str) -> None:
        """See :meth:`EventStore.declare_tag`."""
        self._check_writable()
        self._declared_tags.add(tag)

    def declare_source(self, source: str) -> None:
        """See :meth:`EventStore.declare_source`."""
        self._check_writable()
        self._declared_sources.add(source)

    def undeclare_tag(self, tag: str) -> None:
        """See :meth:`EventStore.undeclare_tag`."""
        self._check_writable()
        if self._catalogue.has_tag(tag):
            raise NameInUse(f"events have the tag {tag!r}")
        self._declared_tags.remove(tag)

    def undeclare_source(self, source: str) -> None:
        """See :meth:`EventStore.undeclare_source`."""
        self._check_writable()
        if self._catalogue.has_source(source):
            raise NameInUse(f"events are from {source!r}")
        self._declared_sources.remove(source)

    def views(self) -> Mapping[str, str]:
        """See :meth:`EventStore.views`."""
        return self._views.targets()

    def save_view(self, name: str, target: str) -> None:
        """See :meth:`EventStore.save_view`."""
        self._check_writable()
        self._views.add(name, target)

    def remove_view(self, name: str) -> None:
        """See :meth:`EventStore.remove_view`."""
        self._check_writable()
        self._views.remove(name)

    def rename_view(self, old: str, new: str, *, replaces: bool = True) -> None:
        """See :meth:`EventStore.rename_view`."""
        self._check_writable()
        self._views.rename(old, new, replaces=replaces)

    def read_state(self, name: str) -> bytes:
        """See :meth:`EventStore.read_state`."""
        return self._states.read().get(encode_text(name), b"")

    def write_state(self, name: str, data: bytes) -> None:
        """See :meth:`EventStore.write_state`."""
        self._check_writable()
        self._states.write(Entry(encode_text(name), data))

    def status(self) -> Mapping[str, int | str]:
        """See :meth:`EventStore.status`."""
        found: dict[str, int | str] = {"engine": str(self._wire.address)}
        if self._writer is not None:
            found |= self._writer.status()
        try:
            found |= self._statistics.status()
            # What waits in a spool would be waited for.
            whole = self.glance(Query()) if found.get("spool_bytes") else self.whole(Query())
            found |= {"events": whole.events, "bytes": whole.size}
        except EventReadException as error:
            found["engine_error"] = str(error)
        return found

    def usage(self) -> DiskUsage | None:
        """See :meth:`EventStore.usage`."""
        return self._statistics.usage()

    def latest(self) -> str | None:
        """See :meth:`EventStore.latest`."""
        minutes = self._source.listings.of(Query(), None).minutes
        return minute_name(int(minutes.newest[-1])) if len(minutes.starts) else None

    def _remove(self, condition: Condition, shard: int | None = None) -> int:
        removed = self._remover.remove(condition, shard)
        self._catalogue.forget()
        return removed

    def _check_writable(self) -> None:
        if not self.is_writable:
            raise StoreReadOnly(f"{self._wire.address} is only read here")

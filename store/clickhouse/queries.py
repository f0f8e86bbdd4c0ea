"""Queries: the events and records that they find, and how many there are of each kind."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from store.clickhouse.answer import Source
from store.clickhouse.compiler import Condition, compile_query, values_in
from store.clickhouse.listing import Listing
from store.clickhouse.reader import Records
from store.clickhouse.scope import Scope
from store.clickhouse.tables import EVENT_ID
from store.clickhouse.windows import WINDOW_SIZE
from store.errors import EventNotFound, MalformedEvent
from store.format.event import Event, decode_event
from store.format.levels import LEVELS
from store.format.record import decode_text, parse
from store.query import Query, Stream

__all__ = ["Queries"]

Integers = npt.NDArray[np.int64]


class Queries:
    """Answers queries. Any number of threads may use it.

    Args:
        source: what answers are made from.

    All methods raise EventReadException if the engine does not answer.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._reader = source.reader

    def by_time(self, query: Query, *, newest_first: bool) -> Iterator[Event]:
        """Yield the events of *query* sorted by time, then by arrival; *newest_first*, in the reverse order."""
        listing = self._source.listings.of(query, None)
        condition = compile_query(query) & listing.cursor.up_to(self._source.tables.shard)
        return self._by_time(condition, listing, newest_first)

    def _by_time(
        self, condition: Condition, listing: Listing, newest_first: bool
    ) -> Iterator[Event]:
        for first, last in _runs(listing, newest_first):
            minutes = condition & f"minute BETWEEN {first} AND {last}"
            events = _events(self._reader.records(minutes, "ticks,"))
            yield from reversed(list(events)) if newest_first else events

    def by_arrival(self, query: Query) -> Iterator[Event]:
        """Yield the events of *query* in order of arrival."""
        for records in self.records(query):
            yield from _events(records)

    def records(self, query: Query) -> Iterator[Records]:
        """Yield the records of *query* in order of arrival, some at a time."""
        scope, now = Scope(query, None), self._source.arrivals.now()
        arrived = self._source.windows.arrived(scope, now, is_small=False)
        return self._source.windows.records(scope, arrived)

    def find(self, event_id: str) -> tuple[Event, int, Condition]:
        """Find the event with the id *event_id*, the first to arrive of several.

        Returns:
            The event, the number of its shard, and a condition that no other fulfils there.

        Raises:
            EventNotFound: if there is none.
        """
        self._source.arrivals.wait()
        condition = values_in(EVENT_ID, [event_id])
        columns = [
            f"toInt64({self._source.tables.shard}) AS shard",
            "_block_number",
            "n",
            "concat(head, content, '\\n\\n')",
        ]
        for block in self._reader.blocks(
            columns, condition, "ORDER BY shard, _block_number, n LIMIT 1"
        ):
            (shard,), (number,), (n,), (record,) = block.values()
            found = parse(record)
            if found is None:
                raise MalformedEvent(f"no event: {record[:80]!r}")
            place = condition & f"_block_number = {number} AND n = {n}"
            return decode_event(record, found), int(shard), place
        raise EventNotFound(f"there is no event with the id {event_id!r}")

    def streams(self, query: Query) -> Iterator[Stream]:
        """Yield the streams of *query*."""
        self._source.arrivals.wait()
        columns = [
            "CAST(source, 'String') AS name",
            "CAST(tags, 'Array(String)') AS names",
            "toInt64(count()) AS events",
        ]
        for block in self._reader.blocks(columns, compile_query(query), "GROUP BY source, tags"):
            for source, tags, events in zip(
                block["name"], block["names"], block["events"].tolist(), strict=True
            ):
                yield Stream(decode_text(source), tuple(map(decode_text, tags)), events)

    def levels(self, query: Query) -> dict[str, int]:
        """Count the events of *query* by level."""
        levels, counts = self._counts("toInt64(level)", compile_query(query) & "level > 0")
        return {LEVELS[level - 1]: count for level, count in zip(levels, counts, strict=True)}

    def histogram(self, query: Query, width: int) -> dict[int, int]:
        """Count the events of *query* in buckets of *width* ticks."""
        return dict(
            zip(*self._counts(f"intDiv(ticks, {width})", compile_query(query)), strict=True)
        )

    def _counts(self, key: str, condition: Condition) -> tuple[list[int], list[int]]:
        """Count the events that fulfil *condition* by *key*, in SQL; return the keys, and the number of each."""
        self._source.arrivals.wait()
        keys, counts = self._reader.numbers(
            [f"{key} AS key", "toInt64(count())"], condition, "GROUP BY key"
        )
        return keys.tolist(), counts.tolist()


def _runs(listing: Listing, newest_first: bool) -> Iterator[tuple[int, int]]:
    """Yield the first and the last of neighbouring minutes in *listing* that are read together."""
    starts, edges = listing.minutes.starts, np.cumsum(listing.minutes.sizes)
    runs = edges // WINDOW_SIZE
    firsts = np.flatnonzero(np.diff(runs, prepend=-1))
    lasts = np.append(firsts[1:] - 1, len(starts) - 1)
    pairs = (
        list(zip(starts[firsts].tolist(), starts[lasts].tolist(), strict=True))
        if len(starts)
        else []
    )
    yield from reversed(pairs) if newest_first else pairs


def _events(records: Records) -> Iterator[Event]:
    start = 0
    for size in records.sizes.tolist():
        record = parse(records.data, start, size)
        if record is None:
            raise MalformedEvent(f"no event at byte {start} of an answer")
        yield decode_event(records.data, record, start)
        start += size

"""Finding events themselves, rather than the bytes of an answer: by time, and by id."""

import heapq
from collections.abc import Iterator

from store import frame
from store.answer import Minute
from store.errors import EventReadException
from store.event import Event
from store.query import Query
from store.tagindex import Admission, Kinds

__all__ = ["find_id", "read_event", "sorted_events"]

_SEARCH_SIZE = 1 << 20


def sorted_events(
    query: Query, kinds: Kinds, minutes: list[tuple[Minute, int]], newest_first: bool
) -> Iterator[Event]:
    """Read the events that answer a query, sorted by time; of the same time, by arrival.

    Only the events of minutes that overlap are in memory at once.

    Args:
        query: the query.
        kinds: the kinds of events in the store.
        minutes: where to look: minutes, and how many entries of each.
        newest_first: sort the other way round.
    """
    admitted = Admission(query, kinds).flags()
    sign = -1 if newest_first else 1
    begins = [
        (
            -minute.index.newest if newest_first else minute.index.oldest,
            minute.number,
            minute,
            length,
        )
        for minute, length in minutes
    ]
    # An event is given out when no minute still to be read can have one that comes before it.
    waiting: list[tuple[float, int, int, Event]] = []
    for begin, number, minute, length in sorted(begins):
        while waiting and waiting[0][0] < begin:
            yield heapq.heappop(waiting)[-1]
        for position, entry in minute.index.select(query, admitted, 0, length):
            if not minute.index.is_damage(position):
                event = read_event(minute, position)
                heapq.heappush(
                    waiting, (sign * entry.timestamp, sign * number, sign * position, event)
                )
    while waiting:
        yield heapq.heappop(waiting)[-1]


def read_event(minute: Minute, position: int) -> Event:
    """Read the event at a position of a minute.

    Raises:
        EventReadException: if it cannot be read, or is not there any more.
    """
    entry = minute.index.entry(position)
    data = minute.file.read(entry.start, entry.end - entry.start)
    parsed = frame.parse(data, 0, len(data))
    if parsed is None:
        raise EventReadException(f"{minute.name}: no event at byte {entry.start} any more")
    header = parsed.header
    content = data[parsed.content_start : parsed.content_start + parsed.content_size]
    return Event(
        _decode(header.id),
        _decode(header.source),
        header.timestamp,
        [tag for tag in _decode(header.tags).split(",") if tag],
        _decode(content),
    )


def find_id(minutes: list[Minute], event_id: str) -> Iterator[tuple[Minute, int]]:
    """Yield the positions of the events that have an id, searching the newest minute first."""
    wanted = frame.encode_text(event_id, "utf-8")
    line = b"id:%s\n" % wanted
    for minute in sorted(minutes, key=lambda minute: -minute.start):
        index = minute.index
        first, length = 0, len(index)
        while first < length:
            start = index.entry(first).start
            last = max(first + 1, index.position_at(start + _SEARCH_SIZE, length))
            data = minute.file.read(start, index.entry(last - 1).end - start)
            found = data.find(line)
            while found >= 0:
                position = index.position_at(start + found, length)
                entry = index.entry(position)
                record = data[entry.start - start : entry.end - start]
                if not index.is_damage(position) and _has_id(record, wanted):
                    yield minute, position
                found = data.find(line, entry.end - start)
            first = last


def _has_id(record: bytes, wanted: bytes) -> bool:
    parsed = frame.parse(record, 0, len(record))
    return parsed is not None and parsed.header.id == wanted


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")

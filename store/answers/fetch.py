"""Finding events themselves, rather than the bytes of an answer: by time, and by id."""

import heapq
from collections.abc import Callable, Iterator

from store.answers.version import Minute
from store.errors import EventReadException
from store.format import record as frame
from store.format.event import Event
from store.index.catalog import MinuteRow
from store.query import Query

__all__ = ["find_id", "read_event", "sorted_events"]

_CHUNK_SIZE = 1 << 20


def sorted_events(
    query: Query,
    rows: list[MinuteRow],
    select: Callable[[Query, MinuteRow], tuple[Minute, list[int]] | None],
    newest_first: bool,
) -> Iterator[Event]:
    """Read the events that answer a query, sorted by time; of the same time, by arrival.

    Only the events of minutes that overlap are in memory at once.

    Args:
        query: the query.
        rows: the minutes to look at.
        select: finds a minute, and the positions of its events that answer; None when it is gone.
        newest_first: sort the other way round.
    """
    sign = -1 if newest_first else 1
    begins = [(-row.newest if newest_first else row.oldest, row.number, row) for row in rows]
    # An event is given out when no minute still to be read can have one that comes before it.
    waiting: list[tuple[float, int, int, Event]] = []
    for begin, number, row in sorted(begins):
        while waiting and waiting[0][0] < begin:
            yield heapq.heappop(waiting)[-1]
        selected = select(query, row)
        if selected is None:
            continue
        minute, positions = selected
        for position in positions:
            event = read_event(minute, position)
            heapq.heappush(waiting, (sign * event.timestamp, sign * number, sign * position, event))
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


def find_id(minute: Minute, event_id: str) -> Iterator[int]:
    """Yield the positions of the events of a minute that have an id."""
    wanted = frame.encode_text(event_id, "utf-8")
    line = b"id:%s\n" % wanted
    size, start, last = minute.file.size, 0, -1
    while start < size:
        # Two chunks overlap by a line that could stand on the edge.
        data = minute.file.read(start, min(_CHUNK_SIZE + len(line) - 1, size - start))
        found = data.find(line)
        while found >= 0:
            # The line may stand in a content as well, and there more than once.
            position = minute.index.position_at(start + found, len(minute.index))
            if position > last and _has_id(minute, position, wanted):
                yield position
            last = position
            found = data.find(line, found + 1)
        start += _CHUNK_SIZE


def _has_id(minute: Minute, position: int, wanted: bytes) -> bool:
    if position == len(minute.index) or minute.index.is_damage(position):
        return False
    entry = minute.index.entry(position)
    record = minute.file.read(entry.start, entry.end - entry.start)
    parsed = frame.parse(record, 0, len(record))
    return parsed is not None and parsed.header.id == wanted


def _decode(text: bytes) -> str:
    return text.decode("utf-8", "surrogateescape")

"""Fetching events, rather than the bytes of an answer: by time, and by id."""

import heapq
import re
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.selection import select
from store.answers.version import Minute, Version
from store.checksum import crc32
from store.errors import EventReadException, MinuteGone
from store.format.event import Event, decode_event
from store.format.record import encode_text, parse
from store.index.extents import Extents
from store.index.minute import DAMAGED, Entry, MinuteEntries
from store.query import Query
from store.ticks import TICKS_PER_S

__all__ = ["IdSearch", "event_of", "id_hashes", "positions_of", "sorted_events"]

_EVENTS_AT_ONCE = 128
_SIZE_AT_ONCE = 1 << 20
"""Maximum number and approximate bytes of the events of a minute that are read together."""

_CHUNK_SIZE = 1 << 20
_DATED_UUID = re.compile(
    r"([0-9a-f]{8})-([0-9a-f]{4})-[78][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}"
)
_ID_LINE = re.compile(rb"^id:(.*)$", re.MULTILINE)

_Read = Callable[[int, int], bytes]
"""Reads the bytes of a minute from a start to an end, all of them."""


class _Cursor:
    """The matching events of one minute, in time order."""

    def __init__(
        self, access: Access, minute: Minute, positions: NDArray[np.intp], sign: int
    ) -> None:
        self._access = access
        self._minute = minute
        ticks = minute.entries.ticks(0, int(positions.max(initial=-1)) + 1)[positions] * sign
        order = np.lexsort((positions * sign, ticks))
        self._positions, self._ticks = positions[order], ticks[order]
        self._next = 0
        self._events: list[Event] = []

    def key(self) -> int | None:
        """Return the time of the next event, negative for the newest first; None at the end."""
        return int(self._ticks[self._next]) if self._next < len(self._ticks) else None

    def take(self) -> Event:
        """Return the next event."""
        if not self._events:
            self._events = self._read()[::-1]
        self._next += 1
        return self._events.pop()

    def _read(self) -> list[Event]:
        entries, size = self._minute.entries, 0
        some: list[Entry] = []
        for position in self._positions[self._next : self._next + _EVENTS_AT_ONCE].tolist():
            entry = entries.entry(position)
            size += entry.end - entry.start
            if some and size > _SIZE_AT_ONCE:
                break
            some.append(entry)
        starts = np.array([each.start for each in some])
        stops = np.array([each.end for each in some])
        order = np.argsort(starts)
        minutes = np.full(len(some), self._minute.id)
        data = self._access.read_extents(Extents(minutes, starts[order], stops[order]))
        ends = (stops - starts)[order].cumsum()
        events: list[Event | None] = [None] * len(some)
        for place, end in zip(order.tolist(), ends.tolist(), strict=True):
            length = some[place].end - some[place].start
            events[place] = event_of(self._minute, data[end - length : end], some[place])
        return [each for each in events if each is not None]


def sorted_events(version: Version, access: Access, newest_first: bool) -> Iterator[Event]:
    """Read the events of *version*, sorted by time; of the same time, by arrival.

    Only minutes that overlap are open at once, and of each only some events are in memory.

    Args:
        version: the version at the time of the query.
        access: the access to minutes.
        newest_first: sort in descending order.
    """
    sign = -1 if newest_first else 1
    limits = -version.newest if newest_first else version.oldest
    # An event is yielded when no minute still to be opened can have an earlier one.
    heap: list[tuple[int, int, _Cursor]] = []

    def push(number: int, cursor: _Cursor) -> None:
        key = cursor.key()
        if key is not None:
            heapq.heappush(heap, (key, number, cursor))

    def pop() -> Event:
        _, number, cursor = heapq.heappop(heap)
        event = cursor.take()
        push(number, cursor)
        return event

    for place in np.argsort(limits, kind="stable").tolist():
        while heap and heap[0][0] < limits[place]:
            yield pop()
        number = int(version.minutes[place])
        try:
            minute = access.minute(number)
            layout = minute.entries.layout(0, int(version.entries[place]))
            flags = select(access, version.query, minute, layout)
        except MinuteGone:
            continue
        events = (flags & (layout.streams != DAMAGED)).nonzero()[0]
        push(sign * number, _Cursor(access, minute, events, sign))
    while heap:
        yield pop()


class IdSearch:
    """A search for events by id: first in the minute that a UUIDv7 or UUIDv8 names, then in those whose hashes include it.

    Args:
        access: the access to minutes.
        successor: returns the id of the minute that has the name of one that is gone; None if there is none.
    """

    def __init__(self, access: Access, successor: Callable[[int], int | None]) -> None:
        self._access = access
        self._successor = successor

    def find(self, event_id: str) -> Iterator[tuple[str, Event]]:
        """Yield the events with *event_id*, each with the name of its minute; again if that is replaced meanwhile.

        Raises:
            EventReadException: if a minute cannot be read.
        """
        wanted = encode_text(event_id)
        if b"\n" in wanted:
            return
        seen: set[int] = set()
        for candidate in self._candidates(event_id, wanted):
            number: int | None = candidate
            while number is not None and number not in seen:
                seen.add(number)
                try:
                    minute = self._access.minute(number)
                    yield from self._find_in(minute, wanted)
                    break
                except MinuteGone:
                    # Another event was removed from it, or another program has replaced it.
                    number = self._successor(number)

    def _find_in(self, minute: Minute, wanted: bytes) -> Iterator[tuple[str, Event]]:
        def read(start: int, end: int) -> bytes:
            return self._access.read(minute.id, start, end)

        for position in positions_of(read, minute.entries, minute.entries.size, wanted):
            entry = minute.entries.entry(position)
            yield minute.name, event_of(minute, read(entry.start, entry.end), entry)

    def _candidates(self, event_id: str, wanted: bytes) -> Iterator[int]:
        """Yield the ids of the minutes to search, the likely ones first."""
        yield from self._named(event_id).tolist()
        yield from self._access.minutes_with_id(crc32(wanted))

    def _named(self, event_id: str) -> NDArray[np.int64]:
        """Return the ids of the minutes at the time in *event_id*; none if it is no UUIDv7 or UUIDv8, as imports make them."""
        found = _DATED_UUID.fullmatch(event_id)
        if found is None:
            return np.empty(0, np.int64)
        milliseconds = int(found[1] + found[2], 16)
        start = milliseconds * (TICKS_PER_S // 1000)
        return self._access.version(Query().within(start, start + TICKS_PER_S // 1000)).minutes


def id_hashes(access: Access, minute: int, size: int) -> NDArray[np.uint32]:
    """Return the sorted CRC-32s of the ids in the first *size* bytes of *minute*, and perhaps of lines like ids in contents."""
    hashes: set[int] = set()
    for _, data in _chunks(lambda start, end: access.read(minute, start, end), size):
        hashes.update(map(crc32, _ID_LINE.findall(data)))
    return np.sort(np.fromiter(hashes, np.uint32, len(hashes)))


def positions_of(read: _Read, entries: MinuteEntries, size: int, wanted: bytes) -> Iterator[int]:
    """Yield the positions among *entries* of the events with the id *wanted* in the first *size* bytes, which *read* reads."""
    line = b"id:%s\n" % wanted
    last = -1
    for start, data in _chunks(read, size):
        found = data.find(line)
        while found >= 0:
            # The line may occur in a content as well, even repeatedly.
            position = entries.position_at(start + found)
            if position > last and _has_id(read, entries, position, wanted):
                yield position
            last = max(last, position)
            found = data.find(line, found + 1)


def _chunks(read: _Read, size: int) -> Iterator[tuple[int, bytes]]:
    """Yield the first *size* bytes of what *read* reads in pieces of whole lines, each with its start."""
    start, rest = 0, b""
    while start + len(rest) < size:
        begin = start + len(rest)
        data = rest + read(begin, min(begin + _CHUNK_SIZE, size))
        end = data.rfind(b"\n") + 1
        if start + len(data) >= size:
            end = len(data)
        if end:
            yield start, data[:end]
        start, rest = start + end, data[end:]


def _has_id(read: _Read, entries: MinuteEntries, position: int, wanted: bytes) -> bool:
    if position >= len(entries) or entries.is_damage(position):
        return False
    entry = entries.entry(position)
    data = read(entry.start, entry.end)
    record = parse(data, 0, len(data))
    return record is not None and record.size == len(data) and record.header.id == wanted


def event_of(minute: Minute, data: bytes, entry: Entry) -> Event:
    """Return the event of *minute* at *entry*, whose record is *data*.

    Raises:
        EventReadException: if that is no such record.
    """
    record = parse(data, 0, len(data))
    if record is None or (record.size, record.header.ticks) != (len(data), entry.ticks):
        raise EventReadException(f"{minute.name}: no such event at byte {entry.start}")
    return decode_event(data, record)

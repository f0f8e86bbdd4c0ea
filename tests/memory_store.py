"""The smallest store: it implements what every store must, in memory; the interface's defaults do the rest."""

import re
from collections.abc import Iterator

from store import Event, EventNotFound, EventSerializer, EventStore, InvalidQuery


class MemoryStore(EventStore):
    """A store that keeps events in a list."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def save(self, event: Event) -> None:
        EventSerializer().serialize(event)  # raises InvalidEvent
        self.events.append(event)

    def search(
        self,
        ts_start: float,
        ts_end: float | None = None,
        flags: list[str] | None = None,
        match: str | None = None,
        order: str = "asc",
    ) -> Iterator[Event]:
        if order not in ("asc", "desc"):
            raise InvalidQuery(order)
        try:
            pattern = re.compile(match or "")
        except re.error as error:
            raise InvalidQuery(str(error)) from error
        found = [
            event
            for event in self.events
            if event.match(start=ts_start, end=ts_end, tags=flags)
            and pattern.search(event.content or "")
        ]
        found.sort(key=lambda event: event.ticks)
        return iter(found if order == "asc" else found[::-1])

    def get(self, event_id: object) -> Event:
        for event in self.events:
            if event.id == str(event_id):
                return event
        raise EventNotFound(event_id)

    def delete(self, event_id: object) -> None:
        self.events.remove(self.get(event_id))

    def close(self) -> None:
        pass

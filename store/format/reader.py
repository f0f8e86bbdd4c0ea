"""Reading the events of a stream one after the other."""

import logging
from collections.abc import Iterator
from types import TracebackType
from typing import BinaryIO, Self

from store.errors import EOFException, MalformedEvent
from store.format.event import Event, EventParser
from store.format.record import OPENING

__all__ = ["SequentialEventReader"]

log = logging.getLogger(__name__)


class SequentialEventReader:
    """Reads events in the order they stand in a stream; closes it when used as a context manager.

    Damage costs the event it hit: it is logged, and the reading goes on at what opens the next one.

    Args:
        stream: a minute file, or anything like it that can seek.
        event_parser: reads a single event.
    """

    def __init__(self, stream: BinaryIO, event_parser: EventParser) -> None:
        self.stream = stream
        self.event_parser = event_parser

    def events(self) -> Iterator[Event]:
        """Read the events up to the end of the stream."""
        return self._read(skip_content=False)

    def events_no_content(self) -> Iterator[Event]:
        """Read the events up to the end of the stream, seeking over their contents."""
        return self._read(skip_content=True)

    def curr_event(self) -> Event | None:
        """Read the event at the current position; None at the end of the stream.

        Raises:
            MalformedEvent: if there is something else.
        """
        try:
            return self._next(skip_content=False)
        except EOFException:
            return None

    def _read(self, skip_content: bool) -> Iterator[Event]:
        while True:
            start = self.stream.tell()
            try:
                event = self._next(skip_content)
            except EOFException:
                return
            except MalformedEvent as error:
                log.warning("skipping damage at byte %d: %s", start, error)
                self._skip_damage(start)
            else:
                yield event

    def _next(self, skip_content: bool) -> Event:
        event = self.event_parser.parse_event(self.stream, skip_content=skip_content)
        # The empty line between two events may be missing: other programs write frames too.
        position = self.stream.tell()
        if self.stream.read(1) != b"\n":
            self.stream.seek(position)
        return event

    def _skip_damage(self, start: int) -> None:
        self.stream.seek(start + 1)
        while True:
            position = self.stream.tell()
            line = self.stream.readline()
            found = OPENING.search(line)
            if not line or found is not None:
                self.stream.seek(position + (found.start() if found else 0))
                return

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stream.close()

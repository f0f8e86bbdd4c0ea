"""Appends: events that go to one minute at once."""

from typing import NamedTuple

from store.answers.version import Minute
from store.engine.partition import Part
from store.wal.segment import LogRecord

__all__ = ["Append"]


class Append(NamedTuple):
    """Events to be appended to one minute at once.

    Attributes:
        minute: the minute.
        offset: the offset in its file, in bytes.
        ending: a newline that ends an unfinished record there; usually empty.
        part: the events.
    """

    minute: Minute
    offset: int
    ending: bytes
    part: Part

    @property
    def size(self) -> int:
        """The bytes to be appended."""
        return len(self.ending) + len(self.part.data)

    def record(self) -> LogRecord:
        """Return the log record of these events."""
        return LogRecord(self.minute.name, self.offset, self.ending + self.part.data)

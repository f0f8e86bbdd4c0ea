"""Doors: the files that events are appended to, each in a format of its own."""

from collections.abc import Callable, Iterable
from datetime import UTC, tzinfo
from typing import Protocol

from store import Batch
from theiafs.addition import Addition
from theiafs.formats.fields import Format
from theiafs.formats.table import FORMATS
from theiafs.formatted import LineReader
from theiafs.ingest import IngestBuffer
from theiafs.origin import Origin
from theiafs.paths import NodeKind
from theiafs.tallies import Tallies
from theiafs.whole_writes import LARGEST_WRITE, WholeWrites

__all__ = ["Buffer", "Doors"]

_FORMATS: dict[NodeKind, Format] = {
    NodeKind.INGEST_JSONL: FORMATS["jsonl"],
    NodeKind.INGEST_SYSLOG: FORMATS["syslog"],
    NodeKind.INGEST_LOGFMT: FORMATS["logfmt"],
    NodeKind.INGEST_COMBINED: FORMATS["combined"],
    NodeKind.INGEST_JOURNAL: FORMATS["journal"],
}


class Buffer(Protocol):
    """The incomplete event appended through one open file; one thread at a time may use it."""

    @property
    def is_empty(self) -> bool:
        """Whether there is no partial event."""

    def append(self, data: bytes, origin: Origin, save: Callable[[Batch], None]) -> int:
        """Append *data* from *origin*, *save* the events that it completes, and return how many bytes were accepted."""

    def finish(self, origin: Origin, save: Callable[[Batch], None]) -> None:
        """Save the partial event, of *origin*, by *save*."""


class Doors:
    """The doors of a mount.

    Args:
        event_size_max: size limit of an event, in bytes.
        zone: the time zone of times without an offset.
        keys: the names of the fields that become tags.
        tags: returns the tags that events have already.

    Attributes:
        largest_write: the size of the largest write that is not passed on in pieces, in bytes.
    """

    def __init__(
        self,
        event_size_max: int,
        zone: tzinfo = UTC,
        keys: tuple[str, ...] = (),
        tags: Callable[[], Iterable[str]] = frozenset,
    ) -> None:
        self.largest_write = LARGEST_WRITE
        self._event_size_max = event_size_max
        self._zone = zone
        self._keys = keys
        self._tallies = Tallies(tags)

    def buffer(self, kind: NodeKind, addition: Addition) -> Buffer:
        """Return the buffer of a file of *kind* that was opened, below a path that says *addition* of its events."""
        if kind is NodeKind.INGEST_RECORD:
            return WholeWrites(addition, self._event_size_max, self.largest_write)
        reader = None
        if kind in _FORMATS:
            reader = LineReader(_FORMATS[kind], self._zone, self._keys, self._tallies)
        return IngestBuffer(addition, self._event_size_max, reader)

    def status(self) -> dict[str, int]:
        """Return what was counted, by name."""
        return self._tallies.status()

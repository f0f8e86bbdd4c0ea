"""Batches: many events ready to be stored, in columns, so that nothing is done for each that can be done for all."""

import io
from array import array
from collections.abc import Iterable, Iterator

import numpy as np

from store.format.block import Frames
from store.format.event import (
    IDS_PER_STEM,
    Event,
    EventParser,
    EventSerializer,
    new_event_id,
    new_event_id_stems,
)
from store.format.record import CLOSING, Header, as_stored, encode_alike, encode_record, label

__all__ = ["Batch"]

_SERIALIZER = EventSerializer()


class Batch:
    """Events ready to be stored, in the order they are to be stored in; a row of each column is one of them.

    Attributes:
        sizes: the sizes of their records, in bytes.
        times: seconds since the epoch.
        kinds: which of the labels is that of its source and its tags.
        labels: see :func:`store.frame.label`; the same may be there more than once.
    """

    def __init__(self) -> None:
        self.sizes = array("q")
        self.times = array("d")
        self.kinds = array("q")
        self.labels: list[bytes] = []
        self._pieces: list[bytes] = []

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Batch":
        """Make a batch of events.

        Raises:
            InvalidEvent: if one of them cannot be stored.
        """
        batch = cls()
        for event in events:
            batch.add(event)
        return batch

    def __len__(self) -> int:
        return len(self.sizes)

    @property
    def data(self) -> bytes:
        """Their records, one behind the other."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def events(self) -> Iterator[Event]:
        """The events one by one, as they will be read back."""
        stream, parser = io.BytesIO(self.data), EventParser()
        for _ in self.sizes:
            yield parser.parse_event(stream)
            stream.seek(len(CLOSING), io.SEEK_CUR)

    def add(self, event: Event) -> None:
        """Add an event.

        Raises:
            InvalidEvent: if it cannot be stored.
        """
        self.add_frame(_SERIALIZER.serialize(event), _SERIALIZER.header(event))

    def add_frame(self, data: bytes, header: Header) -> None:
        """Add an event that is laid out as a frame already, as it is, and without closing."""
        self._add_record(data + CLOSING, header.timestamp, label(header.source, header.tags))

    def _add_record(self, record: bytes, timestamp: float, common: bytes) -> None:
        self._pieces.append(record)
        self.sizes.append(len(record))
        self.times.append(timestamp)
        self.kinds.append(len(self.labels))
        self.labels.append(common)

    def add_frames(self, block: bytes, frames: Frames) -> None:
        """Add frames as they stand in a block."""
        if not len(frames.starts):
            return
        start = int(frames.starts[0])
        for end in frames.ends[~frames.closed].tolist():
            self._pieces += (block[start:end], CLOSING)
            start = end
        self._pieces.append(block[start : int(frames.ends[-1])])
        self.sizes.frombytes((frames.ends - frames.starts + ~frames.closed).tobytes())
        self.times.frombytes(frames.times.tobytes())
        first = len(self.labels)
        self.labels += frames.labels
        self.kinds.frombytes(np.arange(first, len(self.labels), dtype="q").tobytes())

    def add_line(self, line: bytes, timestamp: float, source: str, tags: list[str]) -> None:
        """Add an event with an id of its own for a line, as :meth:`add_lines` does for many.

        Raises:
            InvalidEvent: if there cannot be such an event.
        """
        record, common = encode_record(new_event_id(timestamp), timestamp, source, tags, line)
        self._add_record(record, as_stored(timestamp), common)

    def add_lines(self, lines: list[bytes], timestamp: float, source: str, tags: list[str]) -> None:
        """Add an event with an id of its own for each line.

        Args:
            lines: their contents; at least one.
            timestamp: of all of them, in seconds since the epoch.
            source: of all of them.
            tags: of all of them.

        Raises:
            InvalidEvent: if there cannot be such events.
        """
        for number, stem in enumerate(new_event_id_stems(timestamp, len(lines))):
            contents = lines[number * IDS_PER_STEM : (number + 1) * IDS_PER_STEM]
            records, sizes = encode_alike(stem, timestamp, source, tags, contents)
            self._pieces.append(records)
            self.sizes += array("q", sizes)
        header = _SERIALIZER.header(Event("", source, timestamp, tags))
        self.times += array("d", [header.timestamp]) * len(lines)
        self.kinds += array("q", [len(self.labels)]) * len(lines)
        self.labels.append(label(header.source, header.tags))

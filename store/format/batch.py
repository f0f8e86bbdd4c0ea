"""Batches: many events ready to be stored, in columns, so that work is done once for all of them rather than for each."""

from array import array
from collections.abc import Iterable, Iterator

import numpy as np
import numpy.typing as npt

from store.errors import MalformedEvent
from store.format.block import RecordBlock
from store.format.dated import encode_dated, encode_identified, encode_rekeyed
from store.format.event import (
    IDS_PER_STEM,
    Event,
    decode_event,
    encode_event,
    new_event_id,
    new_event_id_stems,
)
from store.format.record import CLOSING, Header, encode, encode_alike, encode_key, parse, stream_key

__all__ = ["Batch"]


class Batch:
    """Events ready to be stored, in the order they are to be stored in; a row of each column is one event.

    Attributes:
        sizes: sizes of their records, in bytes.
        ticks: their times, in ticks since the epoch.
        streams: for each event, the index of its stream key in *keys*.
        keys: stream keys, see :func:`store.format.record.stream_key`; the same key may be there more than once.
    """

    def __init__(self) -> None:
        self.sizes = array("q")
        self.ticks = array("q")
        self.streams = array("q")
        self.keys: list[bytes] = []
        self._pieces: list[bytes] = []

    @classmethod
    def of(cls, events: Iterable[Event]) -> "Batch":
        """Make a batch of *events*.

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
        """The records, one after the other."""
        if len(self._pieces) != 1:
            self._pieces = [b"".join(self._pieces)]
        return self._pieces[0]

    def events(self) -> Iterator[Event]:
        """Yield the events, as they will be read back."""
        data, start = self.data, 0
        for size in self.sizes:
            record = parse(data, start, size)
            if record is None:
                raise MalformedEvent(f"no event at byte {start} of a batch")
            yield decode_event(data, record, start)
            start += size

    def add(self, event: Event) -> None:
        """Add *event*.

        Raises:
            InvalidEvent: if it cannot be stored.
        """
        record, key = encode_event(event)
        self._add(record, event.ticks, key)

    def add_record(self, data: bytes, header: Header) -> None:
        """Add a canonical record as it is; *data* is the record without its closing, *header* what it says."""
        self._add(data + CLOSING, header.ticks, stream_key(header.source, header.tags))

    def _add(self, record: bytes, ticks: int, key: bytes) -> None:
        self._pieces.append(record)
        self.sizes.append(len(record))
        self.ticks.append(ticks)
        self.streams.append(len(self.keys))
        self.keys.append(key)

    def add_block(self, block: bytes, records: RecordBlock) -> None:
        """Add *records* as they stand in *block*."""
        if not len(records.starts):
            return
        start = int(records.starts[0])
        for end in records.ends[~records.closed].tolist():
            self._pieces += (block[start:end], CLOSING)
            start = end
        self._pieces.append(block[start : int(records.ends[-1])])
        self.sizes.frombytes((records.ends - records.starts + ~records.closed).tobytes())
        self.ticks.frombytes(records.ticks.tobytes())
        first = len(self.keys)
        self.keys += records.keys
        self.streams.frombytes(np.arange(first, len(self.keys), dtype="q").tobytes())

    def add_rekeyed(
        self,
        block: bytes,
        records: RecordBlock,
        streams: npt.NDArray[np.intp],
        keys: list[bytes],
    ) -> None:
        """Add *records*, which stand in *block*, from other streams: *streams* has the index of that of each in *keys*."""
        data, sizes = encode_rekeyed(block, records, streams, keys)
        self._pieces.append(data)
        self.sizes.frombytes(sizes.tobytes())
        self._add_columns(records.ticks, streams, keys)

    def add_line(self, line: bytes, ticks: int, source: str, tags: list[str]) -> None:
        """Add an event with an id of its own for *line*, as :meth:`add_lines` does for many.

        Raises:
            InvalidEvent: if there cannot be such an event.
        """
        record, key = encode(new_event_id(ticks), ticks, source, tags, line)
        self._add(record, ticks, key)

    def add_lines(self, lines: list[bytes], ticks: int, source: str, tags: list[str]) -> None:
        """Add an event with an id of its own for each line.

        Args:
            lines: their contents; at least one.
            ticks: the time of all of them, in ticks since the epoch.
            source: the source of all of them.
            tags: the tags of all of them.

        Raises:
            InvalidEvent: if there cannot be such events.
        """
        key = b""
        for number, stem in enumerate(new_event_id_stems(ticks, len(lines))):
            contents = lines[number * IDS_PER_STEM : (number + 1) * IDS_PER_STEM]
            records, sizes, key = encode_alike(stem, ticks, source, tags, contents)
            self._pieces.append(records)
            self.sizes += array("q", sizes)
        self.ticks += array("q", [ticks]) * len(lines)
        self.streams += array("q", [len(self.keys)]) * len(lines)
        self.keys.append(key)

    def add_dated(
        self,
        lines: list[bytes],
        ticks: npt.NDArray[np.int64],
        streams: npt.NDArray[np.intp],
        kinds: list[tuple[str, list[str]]],
        received: int,
    ) -> None:
        """Add an event with an id of its own for each line, which has a time and a stream of its own.

        Args:
            lines: their contents; at least one.
            ticks: their times, in ticks since the epoch.
            streams: for each of them, the index of its source and tags in *kinds*.
            kinds: sources, each with tags.
            received: when they arrived, in ticks since the epoch, which their ids tell.

        Raises:
            InvalidEvent: if there cannot be such events.
        """
        keys = [encode_key(source, tags) for source, tags in kinds]
        for number, stem in enumerate(new_event_id_stems(received, len(lines))):
            some = slice(number * IDS_PER_STEM, (number + 1) * IDS_PER_STEM)
            records, sizes = encode_dated(stem, ticks[some], streams[some], keys, lines[some])
            self._pieces.append(records)
            self.sizes.frombytes(sizes.tobytes())
        self._add_columns(ticks, streams, keys)

    def add_identified(
        self,
        lines: list[bytes],
        ticks: npt.NDArray[np.int64],
        streams: npt.NDArray[np.intp],
        keys: list[bytes],
        ids: npt.NDArray[np.bytes_],
    ) -> None:
        """Add an event for each line, which has a time, a stream and an id of its own.

        Args:
            lines: their contents; at least one.
            ticks: their times, in ticks since the epoch.
            streams: for each of them, the index of its stream in *keys*.
            keys: stream keys, see :func:`store.format.record.encode_key`.
            ids: their ids, all equally long.

        Raises:
            InvalidEvent: if there cannot be such events.
        """
        records, sizes = encode_identified(ids, ticks, streams, keys, lines)
        self._pieces.append(records)
        self.sizes.frombytes(sizes.tobytes())
        self._add_columns(ticks, streams, keys)

    def _add_columns(
        self, ticks: npt.NDArray[np.int64], streams: npt.NDArray[np.intp], keys: list[bytes]
    ) -> None:
        self.ticks.frombytes(ticks.tobytes())
        first = len(self.keys)
        self.streams.frombytes((streams + first).astype(np.int64).tobytes())
        self.keys += keys

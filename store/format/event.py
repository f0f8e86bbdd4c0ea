"""Events, and how to write and read them one at a time."""

import os
import re
import time
from typing import BinaryIO, NamedTuple

from store.errors import EOFException, MalformedEvent
from store.format import record as frame

__all__ = [
    "IDS_PER_STEM",
    "Event",
    "EventParser",
    "EventPreamble",
    "EventSerializer",
    "new_event_id",
    "new_event_id_stems",
]

IDS_PER_STEM = 1 << 12
"""How many ids begin with the same stem."""


class Event:
    """Something that happened: what, when, where from.

    Attributes:
        id: unique in the store; anything that can be turned into a string without newlines.
        source: where the event came from, without newlines.
        timestamp: seconds since the epoch; now, when none is given.
        tags: labels to find the event by; none of them empty or with a comma or newline.
        content: the text. Bytes that are not valid UTF-8 are kept as lone surrogates (PEP 383). None
            only for an event that was read without its content.
    """

    __slots__ = ("content", "id", "source", "tags", "timestamp")

    def __init__(
        self,
        id: object,  # noqa: A002 - the name is part of theia's interface
        source: object,
        timestamp: float | None = None,
        tags: list[str] | None = None,
        content: str | None = None,
    ) -> None:
        self.id = id
        self.source = source
        self.timestamp = time.time() if timestamp is None else timestamp
        self.tags = [] if tags is None else tags
        self.content: str | None = "" if content is None else content

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Event):
            return NotImplemented
        return self._fields() == other._fields()

    __hash__ = None  # type: ignore[assignment]  # an event can be changed

    def __repr__(self) -> str:
        return (
            f"Event(id={self.id!r}, source={self.source!r}, timestamp={self.timestamp!r}, "
            f"tags={self.tags!r}, content={self.content!r})"
        )

    def _fields(self) -> tuple[object, ...]:
        return (str(self.id), str(self.source), self.timestamp, self.tags, self.content)

    def match(
        self,
        id: str | None = None,  # noqa: A002 - the name is part of theia's interface
        source: str | None = None,
        start: float | None = None,
        end: float | None = None,
        content: str | None = None,
        tags: list[str] | None = None,
    ) -> bool:
        """Tell whether all the criteria that are given hold.

        Args:
            id: regular expression that the id matches from its start.
            source: the same for the source.
            start: seconds since the epoch; the event is not older.
            end: seconds since the epoch; the event is not newer.
            content: regular expression that the content matches from its start.
            tags: all of these tags are among the event's.
        """
        return (
            (id is None or re.match(id, str(self.id)) is not None)
            and (source is None or re.match(source, str(self.source)) is not None)
            and (start is None or self.timestamp >= start)
            and (end is None or self.timestamp <= end)
            and all(tag in self.tags for tag in tags or ())
            and (not content or re.match(content, self.content or "") is not None)
        )


def new_event_id(timestamp: float) -> str:
    """Make an id for an event of this time: a UUIDv7 (RFC 9562, section 5.7).

    Args:
        timestamp: seconds since the epoch; the id begins with its milliseconds.
    """
    return _text_of(_new_uuid(timestamp))


def new_event_id_stems(timestamp: float, count: int) -> list[str]:
    """Make ids for so many events of this time, less the last three digits.

    With the numbers from 000 to fff behind each stem they count up from a random number (RFC 9562, section 6.2,
    method 2).

    Args:
        timestamp: seconds since the epoch; the ids begin with its milliseconds.
        count: how many ids.
    """
    # The highest bit of what is random is 0, so that no carry goes beyond it.
    first = _new_uuid(timestamp) & ~(1 << 61 | IDS_PER_STEM - 1)
    return [_text_of(each)[:-3] for each in range(first, first + count, IDS_PER_STEM)]


def _new_uuid(timestamp: float) -> int:
    milliseconds = int(timestamp * 1000) & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10), "big")
    version_and_random = 0x7000 | random & 0x0FFF
    variant_and_random = 1 << 63 | (random >> 12) & ((1 << 62) - 1)
    return milliseconds << 80 | version_and_random << 64 | variant_and_random


def _text_of(uuid: int) -> str:
    digits = f"{uuid:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


class EventSerializer:
    """Turns events into bytes.

    Args:
        encoding: the encoding of the text in the frame.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding

    def serialize(self, event: Event) -> bytes:
        """Lay an event out as a frame (see :mod:`store.frame`) that ends in one newline.

        Raises:
            InvalidEvent: if a field could not be read back.
        """
        return frame.encode(
            str(event.id),
            event.timestamp,
            str(event.source),
            event.tags,
            event.content or "",
            self.encoding,
        )

    def header(self, event: Event) -> frame.Header:
        """What is to be read back from the header of an event that can be serialized."""
        return frame.Header(
            frame.encode_text(str(event.id), self.encoding),
            frame.as_stored(event.timestamp),
            frame.encode_text(str(event.source), self.encoding),
            frame.encode_text(",".join(event.tags), self.encoding),
        )


class EventPreamble(NamedTuple):
    """The line that opens a frame: sizes in bytes, ``total`` being the sum of the other two."""

    total: int
    header: int
    content: int


class EventParser:
    """Reads events from a stream of bytes.

    Args:
        encoding: the encoding of the text in the frames.
    """

    def __init__(self, encoding: str = "utf-8") -> None:
        self.encoding = encoding

    def parse_preamble(self, stream: BinaryIO) -> EventPreamble:
        """Read the line that opens a frame.

        Raises:
            EOFException: if the stream is at its end.
            MalformedEvent: if there is something else.
        """
        line = stream.readline()
        if not line:
            raise EOFException("the stream ends where the next event would begin")
        return EventPreamble(*frame.decode_preamble(line))

    def parse_header(self, size: int, stream: BinaryIO) -> Event:
        """Read the fields of a header of so many bytes, as an event whose content is None.

        Raises:
            MalformedEvent: if the header is cut short or not in the format.
        """
        header = frame.decode_header(self._read(size, stream))
        event = Event(
            id=self._decode(header.id),
            source=self._decode(header.source),
            timestamp=header.timestamp,
            tags=[tag for tag in self._decode(header.tags).split(",") if tag],
        )
        event.content = None
        return event

    def parse_event(self, stream: BinaryIO, skip_content: bool = False) -> Event:
        """Read one event and the newline that ends its frame.

        Args:
            stream: where to read; it must be able to seek when the content is to be skipped.
            skip_content: seek over the content and leave it None.

        Raises:
            EOFException: if the stream is at its end.
            MalformedEvent: if the event is cut short or not in the format.
        """
        preamble = self.parse_preamble(stream)
        event = self.parse_header(preamble.header, stream)
        if skip_content:
            stream.seek(preamble.content, os.SEEK_CUR)
        else:
            event.content = self._decode(self._read(preamble.content, stream))
        if self._read(1, stream) != b"\n":
            raise MalformedEvent(f"event {event.id!r} does not end where its first line says")
        return event

    def _decode(self, data: bytes) -> str:
        return data.decode(self.encoding, "surrogateescape")

    @staticmethod
    def _read(size: int, stream: BinaryIO) -> bytes:
        data = stream.read(size)
        if len(data) != size:
            raise MalformedEvent(f"an event cut short: {size} bytes expected, {len(data)} there")
        return data

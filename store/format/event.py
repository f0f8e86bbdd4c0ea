"""Events, and how to encode and decode one."""

import os
import re
import time

from store.errors import InvalidEvent
from store.format.record import Record, decode_text, encode, encode_text
from store.ticks import bound_in_ticks, in_seconds, in_ticks

__all__ = [
    "IDS_PER_STEM",
    "Event",
    "decode_event",
    "encode_event",
    "new_event_id",
    "new_event_id_stems",
    "split_tags",
]

IDS_PER_STEM = 1 << 12
"""How many ids begin with the same stem."""

_TICKS_PER_MS = 10_000
_NS_PER_TICK = 100


class Event:
    """An event: what happened, when, and where it comes from.

    Args:
        id: the id.
        source: the source.
        timestamp: seconds since the epoch, rounded to the nearest tick; now, if neither this nor *ticks* is given.
        tags: the tags.
        content: the content.
        ticks: the time in ticks since the epoch, in place of *timestamp*.

    Attributes:
        id: unique in the store; any object whose string has no newline.
        source: where the event comes from; any object whose string has no newline.
        tags: names to find the event by; none of them empty or with a comma or newline.
        content: the text. Bytes that are not valid UTF-8 are kept as lone surrogates (PEP 383). None
            only for an event that was read without its content.
    """

    __slots__ = ("_seconds", "_ticks", "content", "id", "source", "tags")

    def __init__(
        self,
        id: object,  # noqa: A002 - the name is part of theia's interface
        source: object,
        timestamp: float | None = None,
        tags: list[str] | None = None,
        content: str | None = None,
        *,
        ticks: int | None = None,
    ) -> None:
        self.id = id
        self.source = source
        if timestamp is None:
            self._ticks = time.time_ns() // _NS_PER_TICK if ticks is None else ticks
            self._seconds = in_seconds(self._ticks)
        else:
            self.timestamp = timestamp
        self.tags = [] if tags is None else tags
        self.content: str | None = "" if content is None else content

    @property
    def ticks(self) -> int:
        """The time, in ticks since the epoch.

        Raises:
            InvalidEvent: if the timestamp that was given is not a time that can be stored.
        """
        return in_ticks(self._seconds) if self._ticks < 0 else self._ticks

    @property
    def timestamp(self) -> float:
        """The time, as the nearest float, in seconds since the epoch; as it was given, if it cannot be stored."""
        return self._seconds if self._ticks < 0 else in_seconds(self._ticks)

    @timestamp.setter
    def timestamp(self, seconds: float) -> None:
        self._seconds = seconds
        try:
            self._ticks = in_ticks(seconds)
        except InvalidEvent:  # storing the event fails
            self._ticks = -1

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
        when = self._seconds if self._ticks < 0 else self._ticks
        return (str(self.id), str(self.source), when, self.tags, self.content)

    def match(
        self,
        id: str | None = None,  # noqa: A002 - the name is part of theia's interface
        source: str | None = None,
        start: float | None = None,
        end: float | None = None,
        content: str | None = None,
        tags: list[str] | None = None,
    ) -> bool:
        """Return whether all the criteria that are given hold.

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
            and (start is None or self.ticks >= bound_in_ticks(start))
            and (end is None or self.ticks <= bound_in_ticks(end))
            and all(tag in self.tags for tag in tags or ())
            and (not content or re.match(content, self.content or "") is not None)
        )


def encode_event(event: Event, encoding: str = "utf-8") -> tuple[bytes, bytes]:
    """Encode *event* as a record; return the record and its stream key.

    Raises:
        InvalidEvent: if a field could not be read back.
    """
    content = encode_text(event.content or "", encoding)
    return encode(str(event.id), event.ticks, str(event.source), event.tags, content, encoding)


def decode_event(data: bytes, record: Record, start: int = 0) -> Event:
    """Decode the event of *record*, which was parsed at *start* of *data*."""
    content = start + record.content_start
    event_id, ticks, source, tags = record.header
    return Event(
        decode_text(event_id),
        decode_text(source),
        tags=split_tags(decode_text(tags)),
        content=decode_text(data[content : content + record.content_size]),
        ticks=ticks,
    )


def split_tags(joined: str) -> list[str]:
    """Split the value of a header's tags; theia leaves empty names there, which are not tags."""
    return [tag for tag in joined.split(",") if tag]


def new_event_id(ticks: int) -> str:
    """Make an id for an event of the time *ticks*: a UUIDv7 (RFC 9562, section 5.7), which begins with its milliseconds."""
    return _text_of(_new_uuid(ticks))


def new_event_id_stems(ticks: int, count: int) -> list[str]:
    """Make ids for *count* events of the time *ticks*, without the last three digits.

    With the numbers from 000 to fff after each stem, they count up from a random number (RFC 9562, section 6.2,
    method 2).
    """
    # The highest random bit is 0, so that no carry goes beyond the random part.
    first = _new_uuid(ticks) & ~(1 << 61 | IDS_PER_STEM - 1)
    return [_text_of(each)[:-3] for each in range(first, first + count, IDS_PER_STEM)]


def _new_uuid(ticks: int) -> int:
    milliseconds = ticks // _TICKS_PER_MS & (1 << 48) - 1
    random = int.from_bytes(os.urandom(10), "big")
    version_and_random = 0x7000 | random & 0x0FFF
    variant_and_random = 1 << 63 | (random >> 12) & ((1 << 62) - 1)
    return milliseconds << 80 | version_and_random << 64 | variant_and_random


def _text_of(uuid: int) -> str:
    digits = f"{uuid:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"

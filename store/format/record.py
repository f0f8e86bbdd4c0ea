r"""Frames: how one event is laid out in bytes. The only module that knows the format.

The format is that of theia 0.9.2 (its ``EventSerializer``)::

    event: <total> <header> <content>     sizes in bytes; total = header + content
    id:<id>
    timestamp: <seconds, 7 decimals>
    source:<source>
    tags:<tag>,<tag>
    <content>

followed by one newline, which belongs to the frame, and in a minute file by an empty line, which
separates it from the next. A *record* is a frame with what closes it: the bytes from one ``event:``
to the next.

Nothing in a frame is escaped, so what could not be read back is refused when it is written: a newline
in the id, the source or a tag, a comma in a tag, an empty tag.
"""

import re
from collections.abc import Iterable
from typing import NamedTuple

from store.errors import InvalidEvent, MalformedEvent

__all__ = [
    "CLOSING",
    "OPENING",
    "PREAMBLE_SIZE_MAX",
    "TAGS_LINE",
    "Frame",
    "Header",
    "are_lists_of_tags",
    "as_stored",
    "check_header_start",
    "decode_header",
    "decode_preamble",
    "encode",
    "encode_alike",
    "encode_record",
    "encode_text",
    "is_usual",
    "label",
    "parse",
    "split_label",
]

CLOSING = b"\n"
"""What a minute file has after every frame: the empty line."""

MAX_TIMESTAMP = 1e123
"""Later than this, a time cannot be part of a name ``.<start>-<end>.tmp`` of 255 bytes."""

_COUNTER = [b"%03x" % number for number in range(16**3)]
PREAMBLE_SIZE_MAX = 80
"""No line that opens a frame is longer, in bytes."""

_NEWLINE = 0x0A

_SOURCE_LINE = b"\nsource:"
TAGS_LINE = b"tags:"
"""What the last line of a usual header begins with; the one before is that of the source."""

OPENING = re.compile(rb"event: (\d{1,19}) (\d{1,19}) (\d{1,19})\r?\n")
"""The line that opens a frame."""

# The header as theia and this store write it, matched in one step because scanning is all about speed.
# Any other order or spelling of the same fields takes the slower way through decode_header.
_USUAL = re.compile(
    rb"event: (\d{1,19}) (\d{1,19}) (\d{1,19})\n"
    rb"(id:([^\n]*)\ntimestamp: (\d{1,300}\.\d{1,300})\nsource:([^\n]*)\ntags:([^\n]*)\n)"
)
_SPELLING = re.compile(
    rb"event: (?:0|[1-9]\d*) (?:0|[1-9]\d*) (?:0|[1-9]\d*)\n"
    rb"id:[^\n]*\ntimestamp: (?:0|[1-9]\d*)\.\d{7}\nsource:[^\n]*\ntags:([^\n]*)\n"
)
_NUMBER = re.compile(rb"\d{1,400}(\.\d{0,400})?([eE][+-]?\d{1,4})?")
_FIELDS = (b"id", b"timestamp", b"source", b"tags")


class Header(NamedTuple):
    """The fields of a header, as stored.

    Attributes:
        id: the event's id.
        timestamp: seconds since the epoch.
        source: where the event came from.
        tags: the tags, joined by commas; empty when there are none.
    """

    id: bytes
    timestamp: float
    source: bytes
    tags: bytes


class Frame(NamedTuple):
    """One event found in a buffer, not yet decoded.

    Attributes:
        size: bytes from the start of the frame to the start of what follows its closing.
        header: the header's fields.
        content_start: offset of the content from the start of the frame, in bytes.
        content_size: size of the content, in bytes.
    """

    size: int
    header: Header
    content_start: int
    content_size: int


def encode(
    event_id: str, timestamp: float, source: str, tags: list[str], content: str, encoding: str
) -> bytes:
    """Lay an event out as a frame, with the newline that ends it.

    Args:
        event_id: the id; no newline.
        timestamp: seconds since the epoch, finite, not negative.
        source: the source; no newline.
        tags: the tags; none empty, none with a comma or a newline.
        content: anything. Bytes that are not valid in the encoding travel as lone surrogates
            (PEP 383) and come out as they went in.
        encoding: the encoding of the text in the frame.

    Raises:
        InvalidEvent: if a field could not be read back from the frame.
    """
    header = _encode_header(event_id, timestamp, source, tags, encoding)
    body = encode_text(content, encoding)
    return b"".join((_preamble(len(header), len(body)), header, body, b"\n"))


def encode_record(
    event_id: str, timestamp: float, source: str, tags: list[str], content: bytes
) -> tuple[bytes, bytes]:
    """Lay an event out as a record in UTF-8, which its content is in already.

    Returns:
        The record; and its source and tags, as :func:`label` puts them together.

    Raises:
        InvalidEvent: if a field could not be read back from the frame.
    """
    header = _encode_header(event_id, timestamp, source, tags, "utf-8")
    record = b"%b%b%b\n%b" % (_preamble(len(header), len(content)), header, content, CLOSING)
    return record, header[header.index(_SOURCE_LINE) + len(_SOURCE_LINE) : -1]


def as_stored(timestamp: float) -> float:
    """The time that is read back from a frame: it has no more decimals than are written there."""
    return float(f"{timestamp:.7f}")


def encode_alike(
    id_stem: str, timestamp: float, source: str, tags: list[str], contents: list[bytes]
) -> tuple[bytes, list[int]]:
    """Lay out events that differ in nothing but their ids and contents, as records in UTF-8.

    Args:
        id_stem: what the ids begin with; three hexadecimal digits that count up from zero follow.
        timestamp: as for :func:`encode`.
        source: as for :func:`encode`.
        tags: as for :func:`encode`.
        contents: the contents, encoded; no more than so many digits can count.

    Returns:
        The records, and the size of each in bytes.

    Raises:
        InvalidEvent: if a field could not be read back from the frames.
    """
    header = _encode_header(id_stem + "000", timestamp, source, tags, "utf-8")
    stem_end = len(b"id:" + id_stem.encode())
    stem, rest = header[:stem_end], header[stem_end + len(b"000") :]
    count, lengths = len(contents), list(map(len, contents))
    # Each record but the first begins with what ends the one before, so that there is one piece less for each.
    ending = b"\n" + CLOSING
    before = {length: ending + _preamble(len(header), length) + stem for length in set(lengths)}
    pieces = [rest] * (4 * count)
    pieces[0::4] = map(before.__getitem__, lengths)
    pieces[1::4] = _COUNTER[:count]
    pieces[3::4] = contents
    pieces[0] = pieces[0].removeprefix(ending)
    pieces.append(ending)
    around = len(b"000" + rest)
    sizes = {length: len(text) + around + length for length, text in before.items()}
    return b"".join(pieces), list(map(sizes.__getitem__, lengths))


def _encode_header(
    event_id: str, timestamp: float, source: str, tags: list[str], encoding: str
) -> bytes:
    if not 0 <= timestamp < MAX_TIMESTAMP:
        raise InvalidEvent(
            f"timestamp {timestamp!r} of event {event_id!r}: must be finite, from 0 to below 1e123"
        )
    if "\n" in event_id or "\n" in source:
        raise InvalidEvent(f"event {event_id!r}: a newline in its id or source ({source!r})")
    for tag in tags:
        if not tag or "," in tag or "\n" in tag:
            raise InvalidEvent(
                f"event {event_id!r}: tag {tag!r} is empty, or has a comma or a newline in it"
            )
    # Adding zero turns -0.0 into 0.0, whose sign would otherwise be printed.
    return encode_text(
        f"id:{event_id}\ntimestamp: {timestamp + 0.0:.7f}\nsource:{source}\ntags:{','.join(tags)}\n",
        encoding,
    )


def _preamble(header_size: int, content_size: int) -> bytes:
    return b"event: %d %d %d\n" % (header_size + content_size, header_size, content_size)


def encode_text(text: str, encoding: str) -> bytes:
    """Encode text, giving back the bytes that decoding could not make sense of.

    Raises:
        InvalidEvent: if the text has a character that the encoding cannot hold.
    """
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"text that {encoding} cannot hold: {error}") from error


def is_usual(data: bytes, start: int = 0) -> bool:
    """Whether the frame that starts here is spelled as :func:`encode` does, so that it can be stored as it is.

    The digits of its time need not be those that the nearest float has.
    """
    match = _SPELLING.match(data, start)
    return match is not None and are_lists_of_tags([match[1]])


def are_lists_of_tags(texts: Iterable[bytes]) -> bool:
    """Whether these are how the tags of events are written, each without a newline: no tag is empty."""
    together = b"\n%b\n" % b"\n".join(texts)
    return not any(empty in together for empty in (b"\n,", b",,", b",\n"))


def label(source: bytes, tags: bytes) -> bytes:
    """What many events have in common, put together as it stands in a usual header: their source and their tags."""
    return b"%b\n%b%b" % (source, TAGS_LINE, tags)


def split_label(together: bytes) -> tuple[bytes, bytes]:
    """The source and the tags that :func:`label` put together."""
    source, _, tags = together.partition(b"\n" + TAGS_LINE)
    return source, tags


def decode_preamble(line: bytes) -> tuple[int, int, int]:
    """Read the line that opens a frame: total, header and content size, in bytes.

    Raises:
        MalformedEvent: if the line is not such a line, or the sizes do not add up.
    """
    match = OPENING.fullmatch(line)
    if match is None:
        raise MalformedEvent(f"not the first line of an event: {line[:PREAMBLE_SIZE_MAX]!r}")
    total, header, content = map(int, match.groups())
    if total != header + content:
        raise MalformedEvent(f"sizes that do not add up: {line!r}")
    return total, header, content


def check_header_start(data: bytes) -> None:
    """See whether bytes can be the start of a header, which need not be there in full yet.

    Raises:
        MalformedEvent: if no header starts like this.
    """
    for number, line in enumerate(data.split(b"\n")[:-1]):
        name, colon, _ = line.partition(b":")
        if number >= len(_FIELDS) or not colon or name.lower() not in _FIELDS:
            raise MalformedEvent(f"unexpected line in a header: {line!r}")


def decode_header(data: bytes) -> Header:
    """Read a header, its fields in any order.

    Raises:
        MalformedEvent: if a line is not a field, a field is unknown, repeated or missing (only the
            tags may be), or the timestamp is no finite number from 0 on.
    """
    fields: dict[bytes, bytes] = {}
    if not data.endswith(b"\n"):
        raise MalformedEvent(f"a header that does not end its last line: {data!r}")
    for line in data[:-1].split(b"\n"):
        name, colon, value = line.partition(b":")
        name = name.lower()
        if not colon or name not in _FIELDS or name in fields:
            raise MalformedEvent(f"unexpected line in a header: {line!r}")
        fields[name] = value
    missing = [name.decode() for name in _FIELDS[:3] if name not in fields]
    if missing:
        raise MalformedEvent(f"a header without {', '.join(missing)}: {data!r}")
    number = fields[b"timestamp"].strip()
    if not _NUMBER.fullmatch(number) or not 0 <= (timestamp := float(number)) < MAX_TIMESTAMP:
        raise MalformedEvent(f"not a time: {number!r}")
    return Header(fields[b"id"], timestamp, fields[b"source"], fields.get(b"tags", b""))


def parse(buffer: bytes, start: int = 0, available: int | None = None) -> Frame | None:
    """Read the frame that starts at an offset of a buffer.

    Args:
        buffer: bytes that may hold more than this frame, or not yet all of it.
        start: where the frame starts, in bytes.
        available: how many bytes there are from the start on, in all, whether or not the buffer has
            them yet; None for a stream, of which nobody knows.

    Returns:
        The frame, or None when the buffer has to hold more of the available bytes first.

    Raises:
        MalformedEvent: if no frame starts here.
    """
    match = _USUAL.match(buffer, start)
    if match is not None:
        total, header_size, content_size = int(match[1]), int(match[2]), int(match[3])
        if total == header_size + content_size and header_size == match.end(4) - match.start(4):
            content = match.end()
            ending = _ending(buffer, content + content_size, start, available)
            if ending is None:
                return None
            timestamp = float(match[6])
            if timestamp >= MAX_TIMESTAMP:
                raise MalformedEvent(f"not a time: {match[6]!r}")
            header = Header(match[5], timestamp, match[7], match[8])
            return Frame(ending - start, header, content - start, content_size)
    line_end = buffer.find(b"\n", start, start + PREAMBLE_SIZE_MAX)
    if line_end < 0:
        opening = buffer[start : start + PREAMBLE_SIZE_MAX]
        complete = available is not None and len(buffer) - start >= available
        if complete or len(opening) == PREAMBLE_SIZE_MAX:
            raise MalformedEvent(f"not the first line of an event: {opening!r}")
        return None
    _total, header_size, content_size = decode_preamble(buffer[start : line_end + 1])
    content = line_end + 1 + header_size
    ending = _ending(buffer, content + content_size, start, available)
    if ending is None:
        return None
    header = decode_header(buffer[line_end + 1 : content])
    return Frame(ending - start, header, content - start, content_size)


def _ending(buffer: bytes, content_end: int, start: int, available: int | None) -> int | None:
    """Where the record ends whose content ends here; None when the buffer is too short to say."""
    frame_end = content_end + 1
    if available is not None and frame_end - start > available:
        raise MalformedEvent(f"an event of {frame_end - start} bytes, cut short at {available}")
    if frame_end > len(buffer):
        return None
    if buffer[content_end] != _NEWLINE:
        raise MalformedEvent("an event whose content does not end where its first line says")
    # The empty line may be missing: other programs write frames too, and a stream has none to wait for.
    if frame_end == len(buffer):
        return frame_end if available is None or frame_end - start == available else None
    return frame_end + (buffer[frame_end] == _NEWLINE)

r"""Records: one event as bytes. The only module that knows the format.

The format is that of theia 0.9.2 (its ``EventSerializer``)::

    event: <total> <header> <content>     sizes in bytes; total = header + content
    id:<id>
    timestamp: <seconds, 7 decimals>
    source:<source>
    tags:<tag>,<tag>
    <content>

followed by one newline, and in a minute file by an empty line, the *closing*. A record includes both: it is the bytes from
one ``event:`` to the next.

Nothing in a record is escaped, so fields that could not be read back are refused when they are written: a newline
in the id, the source or a tag, a comma in a tag, an empty tag.
"""

import re
from collections.abc import Iterable
from decimal import Decimal
from typing import NamedTuple

from store.errors import InvalidEvent, MalformedEvent
from store.format.faults import line_fault, tag_fault
from store.ticks import TICKS_MAX, in_decimal, in_ticks

__all__ = [
    "CLOSING",
    "OPENING",
    "PREAMBLE_SIZE_MAX",
    "TAGS_LINE",
    "Header",
    "Record",
    "RecordStart",
    "are_tag_lists",
    "check_header_start",
    "decode_header",
    "decode_preamble",
    "decode_text",
    "encode",
    "encode_alike",
    "encode_key",
    "encode_text",
    "is_canonical",
    "parse",
    "parse_start",
    "preamble",
    "record_end",
    "split_stream_key",
    "stream_key",
]

CLOSING = b"\n"
"""The empty line that ends every record in a minute file."""

PREAMBLE_SIZE_MAX = 80
"""Size limit of the line that opens a record, in bytes: three sizes of 19 digits fit."""

TAGS_LINE = b"tags:"
"""Start of the last line of a canonical header; the line before it is that of the source."""

OPENING = re.compile(rb"event: (\d{1,19}) (\d{1,19}) (\d{1,19})\r?\n")
"""The line that opens a record."""

_NEWLINE = 0x0A
_COUNTER = [b"%03x" % number for number in range(16**3)]
_SOURCE_LINE = b"\nsource:"
_FIELDS = (b"id", b"timestamp", b"source", b"tags")

# The header as theia and this store write it, matched in one step because a scan runs this for each event.
# Any other order or spelling of the fields takes the slower way through decode_header.
_COMMON = re.compile(
    rb"event: (\d{1,19}) (\d{1,19}) (\d{1,19})\n"
    rb"(id:([^\n]*)\ntimestamp: (\d{1,12})\.(\d{7})\nsource:([^\n]*)\ntags:([^\n]*)\n)"
)
_CANONICAL = re.compile(
    rb"event: (?:0|[1-9]\d*) (?:0|[1-9]\d*) (?:0|[1-9]\d*)\n"
    rb"id:[^\n]*\ntimestamp: (?:0|[1-9]\d*)\.\d{7}\nsource:[^\n]*\ntags:([^\n]*)\n"
)
_NUMBER = re.compile(rb"\d{1,400}(\.\d{0,400})?([eE][+-]?\d{1,4})?")


class Header(NamedTuple):
    """The fields of a header, as stored.

    Attributes:
        id: the event's id.
        ticks: its time, in ticks since the epoch.
        source: where it came from.
        tags: its tags, joined by commas; empty when it has none.
    """

    id: bytes
    ticks: int
    source: bytes
    tags: bytes


class Record(NamedTuple):
    """One event found in a buffer, not yet decoded.

    Attributes:
        size: bytes of the record, its closing included.
        header: the header's fields.
        content_start: offset of the content from the start of the record, in bytes.
        content_size: size of the content, in bytes.
    """

    size: int
    header: Header
    content_start: int
    content_size: int


class RecordStart(NamedTuple):
    """A record up to the start of its content.

    Attributes:
        header: the header's fields.
        content_start: offset of the content from the start of the record, in bytes.
        content_size: size of the content, in bytes.
    """

    header: Header
    content_start: int
    content_size: int

    @property
    def content_end(self) -> int:
        """Offset of the newline after the content from the start of the record, in bytes."""
        return self.content_start + self.content_size


def encode(
    event_id: str, ticks: int, source: str, tags: list[str], content: bytes, encoding: str = "utf-8"
) -> tuple[bytes, bytes]:
    """Encode an event as a record.

    Args:
        event_id: the id; no newline.
        ticks: ticks since the epoch, from 0 to ``TICKS_MAX``.
        source: the source; no newline.
        tags: the tags; none empty, none with a comma or a newline.
        content: anything.
        encoding: the encoding of the text in the header.

    Returns:
        The record, and its stream key.

    Raises:
        InvalidEvent: if a field could not be read back from the record.
    """
    header = _encode_header(event_id, ticks, source, tags, encoding)
    record = b"%b%b%b\n%b" % (preamble(len(header), len(content)), header, content, CLOSING)
    return record, _key_in(header)


def encode_alike(
    id_stem: str, ticks: int, source: str, tags: list[str], contents: list[bytes]
) -> tuple[bytes, list[int], bytes]:
    """Encode events that differ only in their ids and contents as records in UTF-8.

    Args:
        id_stem: the start of the ids; three hexadecimal digits that count up from zero follow.
        ticks: as for :func:`encode`.
        source: as for :func:`encode`.
        tags: as for :func:`encode`.
        contents: the contents, at most as many as three digits count.

    Returns:
        The records, the size of each in bytes, and the stream key of all.

    Raises:
        InvalidEvent: if a field could not be read back from the records.
    """
    header = _encode_header(id_stem + "000", ticks, source, tags, "utf-8")
    stem_end = len(b"id:" + id_stem.encode())
    stem, rest = header[:stem_end], header[stem_end + len(b"000") :]
    count, lengths = len(contents), list(map(len, contents))
    # Each record but the first begins with the ending of the one before it: one piece less for each to join.
    ending = b"\n" + CLOSING
    before = {length: ending + preamble(len(header), length) + stem for length in set(lengths)}
    pieces = [rest] * (4 * count)
    pieces[0::4] = map(before.__getitem__, lengths)
    pieces[1::4] = _COUNTER[:count]
    pieces[3::4] = contents
    pieces[0] = pieces[0].removeprefix(ending)
    pieces.append(ending)
    around = len(b"000" + rest)
    sizes = {length: len(text) + around + length for length, text in before.items()}
    return b"".join(pieces), list(map(sizes.__getitem__, lengths)), _key_in(header)


def encode_text(text: str, encoding: str = "utf-8") -> bytes:
    """Encode *text* in *encoding*; lone surrogates (PEP 383) become the bytes that they stand for.

    Raises:
        InvalidEvent: if the text has a character that the encoding does not have.
    """
    try:
        return text.encode(encoding, "surrogateescape")
    except UnicodeEncodeError as error:
        raise InvalidEvent(f"text that cannot be encoded as {encoding}: {error}") from error


def decode_text(data: bytes) -> str:
    """Decode *data* as UTF-8; other bytes become lone surrogates (PEP 383)."""
    return data.decode("utf-8", "surrogateescape")


def encode_key(source: str, tags: list[str]) -> bytes:
    """Return the key of the stream of all events from *source* with *tags*, as :func:`encode` does.

    Raises:
        InvalidEvent: if one of them could not be read back from a record.
    """
    return _key_in(_encode_header("", 0, source, tags, "utf-8"))


def stream_key(source: bytes, tags: bytes) -> bytes:
    """Join *source* and *tags* as in a canonical header: the key of the stream of all events with both."""
    return b"%b\n%b%b" % (source, TAGS_LINE, tags)


def split_stream_key(key: bytes) -> tuple[bytes, bytes]:
    """Split a stream *key* into its source and its tags."""
    source, _, tags = key.partition(b"\n" + TAGS_LINE)
    return source, tags


def is_canonical(data: bytes, start: int = 0) -> bool:
    """Return whether the record at *start* of *data* is spelled as :func:`encode` does, so that it can be stored as it is."""
    match = _CANONICAL.match(data, start)
    return match is not None and are_tag_lists([match[1]])


def are_tag_lists(texts: Iterable[bytes]) -> bool:
    """Return whether each of *texts*, none of which has a newline, is a list of tags without an empty tag."""
    together = b"\n%b\n" % b"\n".join(texts)
    return not any(empty in together for empty in (b"\n,", b",,", b",\n"))


def decode_preamble(line: bytes) -> tuple[int, int, int]:
    """Decode the *line* that opens a record: total, header and content size, in bytes.

    Raises:
        MalformedEvent: if the line does not open a record, or the sizes do not add up.
    """
    match = OPENING.fullmatch(line)
    if match is None:
        raise MalformedEvent(f"not the first line of an event: {line[:PREAMBLE_SIZE_MAX]!r}")
    total, header, content = map(int, match.groups())
    if total != header + content:
        raise MalformedEvent(f"sizes that do not add up: {line!r}")
    return total, header, content


def check_header_start(data: bytes) -> None:
    """Check that *data* may be the start of a header, which need not be complete.

    A header fails for the same reason whether all of it is checked or a part that shows it.

    Raises:
        MalformedEvent: if no header starts with these bytes.
    """
    *lines, last = data.split(b"\n", len(_FIELDS))
    missing = set(_FIELDS)
    for line in lines:
        name, colon, _ = line.partition(b":")
        if not colon or name.lower() not in missing:
            raise _unexpected_line(line)
        missing.remove(name.lower())
    name, colon, _ = last.partition(b":")
    possible = missing if colon else {field[: len(name)] for field in missing}
    if last and name.lower() not in possible:
        raise _unexpected_line(last)


def _unexpected_line(line: bytes) -> MalformedEvent:
    return MalformedEvent(f"unexpected line in a header: {_shown(line)}")


def decode_header(data: bytes) -> Header:
    """Decode a header, its fields in any order.

    Raises:
        MalformedEvent: if a line is not a field, a field is unknown, repeated or missing (only the tags may be), or the
            timestamp is not a number from 0 to ``TICKS_MAX`` ticks.
    """
    check_header_start(data)
    *lines, rest = data.split(b"\n")
    if rest or not data:
        raise MalformedEvent(f"a header that does not end its last line: {_shown(data)}")
    pairs = (line.partition(b":") for line in lines)
    fields = {name.lower(): value for name, _, value in pairs}
    missing = [name.decode() for name in _FIELDS[:3] if name not in fields]
    if missing:
        raise MalformedEvent(f"a header without {', '.join(missing)}: {_shown(data)}")
    ticks = _decode_time(fields[b"timestamp"].strip())
    return Header(fields[b"id"], ticks, fields[b"source"], fields.get(b"tags", b""))


def parse_start(buffer: bytes, start: int = 0, available: int | None = None) -> RecordStart | None:
    """Parse the record at *start* of *buffer* up to its content, of which nothing has to be in the buffer.

    Args:
        buffer: bytes that may hold more than this, or only a part of it.
        start: offset of the record, in bytes.
        available: number of bytes that exist from *start* on, in the buffer or not; None if unknown, as in a stream.

    Returns:
        What was parsed, or None if the buffer has to hold more of the available bytes first.

    Raises:
        MalformedEvent: if no record starts here.
    """
    match = _COMMON.match(buffer, start)
    if match is not None:
        total, header_size, content_size = int(match[1]), int(match[2]), int(match[3])
        ticks = int(match[6] + match[7])
        is_consistent = total == header_size + content_size
        is_consistent &= header_size == match.end(4) - match.start(4)
        if is_consistent and ticks <= TICKS_MAX:
            found = RecordStart(
                Header(match[5], ticks, match[8], match[9]), match.end() - start, content_size
            )
            _check_available(found.content_end, available)
            return found
    line_end = buffer.find(b"\n", start, start + PREAMBLE_SIZE_MAX)
    if line_end < 0:
        opening = buffer[start : start + PREAMBLE_SIZE_MAX]
        is_complete = available is not None and len(buffer) - start >= available
        if is_complete or len(opening) == PREAMBLE_SIZE_MAX:
            raise MalformedEvent(f"not the first line of an event: {opening!r}")
        return None
    _total, header_size, content_size = decode_preamble(buffer[start : line_end + 1])
    content = line_end + 1 + header_size
    header = buffer[line_end + 1 : content]
    _check_available(content + content_size - start, available)
    if len(header) < header_size:
        # A size that is too large must not make its reader wait for, or read, all of the bytes that it claims.
        check_header_start(header)
        return None
    return RecordStart(decode_header(header), content - start, content_size)


def record_end(ending: bytes, content_end: int, available: int | None = None) -> int | None:
    """Find where the record ends whose content ends at *content_end*.

    Args:
        ending: up to two bytes from the end of the content on.
        content_end: offset of the end of the content from the start of the record, in bytes.
        available: number of bytes that exist from the start of the record on; None if unknown, as in a stream.

    Returns:
        The size of the record in bytes, or None if *ending* has to hold more of the available bytes first.

    Raises:
        MalformedEvent: if no newline follows the content.
    """
    if not ending:
        return None
    if ending[0] != _NEWLINE:
        raise MalformedEvent("an event whose content does not end where its first line says")
    size = content_end + 1
    if len(ending) > 1:
        return size + (ending[1] == _NEWLINE)
    # The closing may be missing: other programs write records too, and a stream may have to be answered without it.
    return size if available is None or size == available else None


def parse(buffer: bytes, start: int = 0, available: int | None = None) -> Record | None:
    """Parse the record at *start* of *buffer*; arguments and failures are those of :func:`parse_start`.

    Returns:
        The record, or None if the buffer has to hold more of the available bytes first.
    """
    found = parse_start(buffer, start, available)
    if found is None:
        return None
    content_end = start + found.content_end
    size = record_end(buffer[content_end : content_end + 2], found.content_end, available)
    return None if size is None else Record(size, *found)


def _check_available(content_end: int, available: int | None) -> None:
    size = content_end + len(b"\n")
    if available is not None and size > available:
        raise MalformedEvent(f"an event of {size} bytes, cut short at {available}")


def _encode_header(event_id: str, ticks: int, source: str, tags: list[str], encoding: str) -> bytes:
    if not 0 <= ticks <= TICKS_MAX:
        raise InvalidEvent(f"event {event_id!r}: a timestamp of {ticks} ticks, beyond {TICKS_MAX}")
    for name, text in (("id", event_id), ("source", source)):
        if fault := line_fault(text):
            raise InvalidEvent(f"event {event_id!r}: the {name} {text!r} {fault}")
    for tag in tags:
        if fault := tag_fault(tag):
            raise InvalidEvent(f"event {event_id!r}: the tag {tag!r} {fault}")
    return encode_text(
        f"id:{event_id}\ntimestamp: {in_decimal(ticks)}\nsource:{source}\ntags:{','.join(tags)}\n",
        encoding,
    )


def preamble(header_size: int, content_size: int) -> bytes:
    """Return the line that opens a record whose header has *header_size* bytes, and its content *content_size*."""
    return b"event: %d %d %d\n" % (header_size + content_size, header_size, content_size)


def _key_in(header: bytes) -> bytes:
    """Return the stream key in a canonical *header*."""
    return header[header.index(_SOURCE_LINE) + len(_SOURCE_LINE) : -1]


def _decode_time(text: bytes) -> int:
    """Decode a time, in ticks; *text* is in seconds, with any number of decimals, maybe with an exponent."""
    if not _NUMBER.fullmatch(text):
        raise MalformedEvent(f"not a time: {_shown(text)}")
    try:
        return in_ticks(Decimal(text.decode()))
    except InvalidEvent as error:
        raise MalformedEvent(f"not a time: {_shown(text)}") from error


def _shown(data: bytes) -> str:
    """Return the start of *data* as a message shows it, which it must not fill with damage."""
    return repr(data if len(data) <= PREAMBLE_SIZE_MAX else data[:PREAMBLE_SIZE_MAX] + b"...")

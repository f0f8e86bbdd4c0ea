r"""Ingest: from the bytes that programs append to events.

Two things may be appended, in any mixture:

- a line of text is an event; its terminator (``\n`` or ``\r\n``) is not part of it. Blank lines, which POSIX
  defines as those of nothing but spaces and tabs, are skipped;
- a theia frame, opened by a line ``event: N N N``, is stored as given; its lengths say where it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

from store import Event, EventTooLarge, InvalidEvent, MalformedEvent, Query, new_event_id
from store.frame import OPENING, Frame, check_header_start, decode_preamble, parse

__all__ = ["IngestBuffer", "Origin"]

_BLANK = b" \t"


@dataclass(frozen=True)
class Origin:
    """What is known of appended events besides their bytes.

    Attributes:
        source: the source of events that do not say theirs.
        now: the time of events that do not say theirs, in seconds since the epoch.
    """

    source: str
    now: float


class _RefusedLine:
    """A line that was refused as too long before its end was written: its rest must not become a line itself.

    The kernel passes a large write on in pieces. When one fails, the writer hears only that its write was short, if
    pieces before were taken in; it writes the rest again, which begins with the piece that failed. That fails once
    more, and the writer is told. One that goes on with it all the same is let pass, and the rest is skipped. Who
    writes something else has given the line up.
    """

    def __init__(self) -> None:
        self._piece = b""
        self._failure = EventTooLarge()
        self._was_told = False
        self._is_skipping = False

    def note(self, piece: bytes, failure: EventTooLarge) -> None:
        """Note that this piece of the line failed like this."""
        self._piece, self._failure, self._was_told = piece, failure, False

    def skip(self, data: bytes) -> int:
        """How many bytes, from their start, are the rest of the line.

        Raises:
            EventTooLarge: if they are, and the writer was not told yet.
        """
        if not self._is_skipping:
            piece, self._piece = self._piece, b""
            size = min(len(piece), len(data))
            if not size or piece[:size] != data[:size]:
                return 0
            if not self._was_told:
                self._piece, self._was_told = piece, True
                raise self._failure
        line_end = data.find(b"\n")
        self._is_skipping = line_end < 0
        return len(data) if line_end < 0 else line_end + 1


class IngestBuffer:
    """What was appended through one open file and is not a whole event yet.

    Not safe for several threads: whoever owns it sees to that.

    Args:
        query: the directory appended to. Every event gets the tags the query asks for, and its time must
            be one the query asks for: what is appended to a directory shows up in that directory.
        event_size_max: the largest line or frame, in bytes.
    """

    def __init__(self, query: Query, event_size_max: int) -> None:
        self._query = query
        self._tags = sorted(frozenset().union(*query.tags))
        self._event_size_max = event_size_max
        self._partial = bytearray()
        self._needed = 0  # how large it has to be at least to hold a whole event
        self._refused = _RefusedLine()

    def append(self, data: bytes, origin: Origin, save: Callable[[list[Event]], None]) -> int:
        """Take in what was written, and save the events that are whole by now.

        Args:
            data: the bytes of one write.
            origin: what else is known of them.
            save: stores events, all of them or none.

        Returns:
            How many of the bytes were taken in. Fewer than there are when something invalid stands in
            them: all before it is saved then, and the next write, which begins with it, will fail.

        Raises:
            InvalidEvent: if the data begins with something invalid; nothing of it was taken in, and what
                came before of the same line or frame is dropped.
            EventStoreException: if the events could not be saved; nothing was taken in.
        """
        skipped = self._refused.skip(data)
        if skipped:
            return skipped
        size_before = len(self._partial)
        self._partial += data
        is_incomplete = len(self._partial) < self._needed or b"\n" not in data
        if is_incomplete and len(self._partial) <= self._event_size_max:
            return len(data)
        buffer = bytes(self._partial)
        events, position, failure = self._split(buffer, origin)
        try:
            save(events)
        except Exception:
            # The writer will be told that none of this was written.
            del self._partial[size_before:]
            self._needed = 0
            raise
        if failure is None:
            del self._partial[:position]
            return len(data)
        self._drop()
        if position > size_before:
            return position - size_before
        if isinstance(failure, EventTooLarge) and not OPENING.match(buffer, position):
            self._refused.note(data, failure)
        raise failure

    def finish(self, origin: Origin, save: Callable[[list[Event]], None]) -> None:
        """Take what is left over as the last line or frame, which lacks its last newline.

        Raises:
            InvalidEvent: if it is a frame that lacks more.
            EventStoreException: if it could not be saved.
        """
        rest = bytes(self._partial)
        if not rest:
            return
        events, position, failure = self._split(rest + b"\n", origin)
        self._drop()
        save(events)
        opening = OPENING.match(rest, position)
        if opening is not None and len(rest) - opening.end() < int(opening[1]):
            raise InvalidEvent(
                f"a frame that was not written to its end: {len(rest) - position} bytes dropped"
            )
        if failure is not None:
            raise failure

    def _drop(self) -> None:
        self._partial.clear()
        self._needed = 0

    def _split(self, buffer: bytes, origin: Origin) -> tuple[list[Event], int, InvalidEvent | None]:
        """Split off the whole events: they, where the rest begins, and what is wrong there if anything."""
        events: list[Event] = []
        position = 0
        self._needed = 0
        try:
            while (line_end := buffer.find(b"\n", position)) >= 0:
                if OPENING.match(buffer, position):
                    frame = self._frame(buffer, position, line_end + 1)
                    if frame is None:
                        return events, position, None
                    events.append(self._framed(buffer, position, frame))
                    position += frame.size
                    continue
                line = buffer[position:line_end].removesuffix(b"\r")
                if line.strip(_BLANK):
                    events.append(self._line(line, origin))
                position = line_end + 1
            self._check_size(len(buffer) - position)
        except InvalidEvent as error:
            return events, position, error
        return events, position, None

    def _frame(self, buffer: bytes, start: int, header_start: int) -> Frame | None:
        """Find the frame that starts here; None when it is not whole yet."""
        try:
            total, header_size, _content = decode_preamble(buffer[start:header_start])
            self._check_size(total)
            found = parse(buffer, start)
            if found is None:
                # Otherwise a line that only looks like a frame's first would swallow those that follow it.
                check_header_start(buffer[header_start : header_start + header_size])
        except MalformedEvent as error:
            raise InvalidEvent(f"not a frame: {error}") from error
        if found is None:
            header_end = header_start + header_size
            # As long as the header is not there, everything that comes is looked at.
            self._needed = header_start - start + total + 1 if len(buffer) >= header_end else 0
        return found

    def _line(self, line: bytes, origin: Origin) -> Event:
        self._check_size(len(line))
        self._check_time(origin.now)
        content = line.decode("utf-8", "surrogateescape")
        return Event(new_event_id(origin.now), origin.source, origin.now, self._tags, content)

    def _framed(self, buffer: bytes, start: int, frame: Frame) -> Event:
        header = frame.header
        self._check_time(round(header.timestamp, 7))
        tags = [tag for tag in header.tags.decode("utf-8", "surrogateescape").split(",") if tag]
        content_start = start + frame.content_start
        content = buffer[content_start : content_start + frame.content_size]
        return Event(
            header.id.decode("utf-8", "surrogateescape"),
            header.source.decode("utf-8", "surrogateescape"),
            header.timestamp,
            tags + [tag for tag in self._tags if tag not in tags],
            content.decode("utf-8", "surrogateescape"),
        )

    def _check_size(self, size: int) -> None:
        if size > self._event_size_max:
            raise EventTooLarge(
                f"an event of {size} bytes; the limit is {self._event_size_max} (-o max_event)"
            )

    def _check_time(self, timestamp: float) -> None:
        if not self._query.includes(timestamp):
            raise InvalidEvent(f"an event of the time {timestamp} does not belong in this range")

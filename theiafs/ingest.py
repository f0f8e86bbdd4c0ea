r"""Ingest: from the bytes that programs append to events.

Two things may be appended, in any mixture:

- a line of text is an event; its terminator (``\n`` or ``\r\n``) is not part of it. Blank lines, which POSIX
  defines as those of nothing but spaces and tabs, are skipped;
- a theia frame, opened by a line ``event: N N N``, is stored as given; its lengths say where it ends.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from store import Batch, Event, EventTooLarge, InvalidEvent, MalformedEvent, Query
from store.format.block import read_frames
from store.format.record import (
    OPENING,
    Frame,
    check_header_start,
    decode_preamble,
    is_usual,
    parse,
    split_label,
)
from theiafs.lines import Lines, only_line, read_line, read_lines

__all__ = ["IngestBuffer", "Origin"]

_MANY_FRAMES_SIZE = 2048
"""From how many bytes on it is worth to look at all frames together."""


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

    def append(self, data: bytes, origin: Origin, save: Callable[[Batch], None]) -> int:
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
        line = None if self._partial else only_line(data)
        if line is not None and self._takes_line(line, origin):
            batch = Batch()
            batch.add_line(line, origin.now, origin.source, self._tags)
            save(batch)
            return len(data)
        size_before = len(self._partial)
        size = size_before + len(data)
        is_incomplete = size < self._needed or b"\n" not in data
        if is_incomplete and size <= self._event_size_max:
            self._partial += data
            return len(data)
        buffer = bytes(self._partial) + data
        split = self._split(buffer, origin)
        try:
            save(split.batch)
        except Exception:
            # The writer will be told that none of this was written.
            self._needed = 0
            raise
        if split.failure is None:
            self._partial = bytearray(buffer[split.position :])
            return len(data)
        self._drop()
        if split.position > size_before:
            return split.position - size_before
        if isinstance(split.failure, EventTooLarge) and not OPENING.match(buffer, split.position):
            self._refused.note(data, split.failure)
        raise split.failure

    def _takes_line(self, line: bytes, origin: Origin) -> bool:
        """Whether nothing is wrong with a line; what is, is for others to say."""
        return len(line) <= self._event_size_max and self._query.includes(origin.now)

    @property
    def is_empty(self) -> bool:
        """Whether nothing is left over that is not a whole event."""
        return not self._partial

    def finish(self, origin: Origin, save: Callable[[Batch], None]) -> None:
        """Take what is left over as the last line or frame, which lacks its last newline.

        Raises:
            InvalidEvent: if it is a frame that lacks more.
            EventStoreException: if it could not be saved.
        """
        if self.is_empty:
            return
        rest = bytes(self._partial)
        split = self._split(rest + b"\n", origin)
        self._drop()
        save(split.batch)
        opening = OPENING.match(rest, split.position)
        if opening is not None and len(rest) - opening.end() < int(opening[1]):
            dropped = len(rest) - split.position
            raise InvalidEvent(f"a frame that was not written to its end: {dropped} bytes dropped")
        if split.failure is not None:
            raise split.failure

    def _drop(self) -> None:
        self._partial.clear()
        self._needed = 0

    def _split(self, buffer: bytes, origin: Origin) -> "_Split":
        split = _Split(buffer, origin, self._query, self._tags, self._event_size_max)
        split.run()
        self._needed = split.needed
        return split


class _Split:
    """The division of a buffer into whole events and a rest.

    Args:
        buffer: what was appended.
        origin: what else is known of it.
        query: what every event has to answer.
        tags: the tags that every event gets.
        event_size_max: the largest line or frame, in bytes.

    Attributes:
        batch: the events.
        position: where the rest begins, in bytes.
        failure: what is wrong there, if anything.
        needed: how large the rest has to be at least to hold a whole event.
    """

    def __init__(
        self, buffer: bytes, origin: Origin, query: Query, tags: list[str], event_size_max: int
    ) -> None:
        self.batch = Batch()
        self.position = 0
        self.failure: InvalidEvent | None = None
        self.needed = 0
        self._buffer = buffer
        self._origin = origin
        self._query = query
        self._tags = tags
        self._event_size_max = event_size_max

    def run(self) -> None:
        """Go through all of it, or up to what is invalid."""
        try:
            if not OPENING.match(self._buffer):
                self._take_lines()
            # Only here, not at every frame: what is looked at in vain is looked at once.
            if self._begins_with_frames():
                self._take_frames()
            while (line_end := self._buffer.find(b"\n", self.position)) >= 0:
                if not OPENING.match(self._buffer, self.position):
                    self._take_lines()
                elif not self._take_frame(line_end + 1):
                    return
            self._check_size(len(self._buffer) - self.position)
        except InvalidEvent as error:
            self.failure = error

    def _begins_with_frames(self) -> bool:
        rest_size = len(self._buffer) - self.position
        opening = OPENING.match(self._buffer, self.position)
        return rest_size >= _MANY_FRAMES_SIZE and opening is not None

    def _take_frames(self) -> None:
        """Take in the frames at the position as long as there is nothing special about them."""
        frames = read_frames(self._buffer, self.position)
        refused = (
            (frames.sizes > self._event_size_max)
            | (frames.times < self._query.start)
            | (frames.times > self._query.end)
        )
        if self._tags:
            wanted = [name.encode("utf-8", "surrogateescape") for name in self._tags]
            lists = [split_label(each)[1].split(b",") for each in frames.labels]
            lacking = [any(tag not in tags for tag in wanted) for tags in lists]
            refused |= np.array(lacking, np.bool_)
        frames = frames.before_first(refused)
        self.batch.add_frames(self._buffer, frames)
        if len(frames.ends):
            self.position = int(frames.ends[-1])

    def _take_frame(self, header_start: int) -> bool:
        """Take in the frame at the position; returns whether it is whole."""
        start = self.position
        frame = self._frame(start, header_start)
        if frame is None:
            return False
        self._check_time(round(frame.header.timestamp, 7))
        record = self._buffer[start : start + frame.content_start + frame.content_size + 1]
        tags = [tag for tag in _text(frame.header.tags).split(",") if tag]
        missing = [tag for tag in self._tags if tag not in tags]
        if is_usual(record) and not missing:
            self.batch.add_frame(record, frame.header)
        else:
            content = record[frame.content_start : -1]
            _, timestamp, source, _ = frame.header
            event_id = _text(frame.header.id)
            self.batch.add(
                Event(event_id, _text(source), timestamp, tags + missing, _text(content))
            )
        self.position += frame.size
        return True

    def _frame(self, start: int, header_start: int) -> Frame | None:
        """Find the frame that starts here; None when it is not whole yet."""
        buffer = self._buffer
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
            self.needed = header_start - start + total + 1 if len(buffer) >= header_end else 0
        return found

    def _take_lines(self) -> None:
        """Take in the lines at the position, up to one that opens a frame."""
        try:
            self._add_lines(read_lines(self._buffer, self.position))
        except InvalidEvent:
            # One of them is to blame, and those before it are not.
            while True:
                self._add_lines(read_line(self._buffer, self.position))

    def _add_lines(self, lines: Lines) -> None:
        """Add lines: all of them, or none."""
        if lines.contents:
            self._check_size(lines.size_max)
            self._check_time(self._origin.now)
            self.batch.add_lines(lines.contents, self._origin.now, self._origin.source, self._tags)
        self.position = lines.end

    def _check_size(self, size: int) -> None:
        if size > self._event_size_max:
            raise EventTooLarge(
                f"an event of {size} bytes; the limit is {self._event_size_max} (-o max_event)"
            )

    def _check_time(self, timestamp: float) -> None:
        if not self._query.includes(timestamp):
            raise InvalidEvent(f"an event of the time {timestamp} does not belong in this range")


def _text(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")

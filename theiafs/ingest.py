r"""Ingest: turning appended bytes into events.

Two things may be appended, in any mixture:

- a line of text is an event; its terminator (``\n`` or ``\r\n``) is not part of it. Blank lines, which POSIX
  defines as those of nothing but spaces and tabs, are skipped;
- a theia record, opened by a line ``event: N N N``, is stored as given; its sizes say where it ends.

Where a reader of lines in a format is given, all that is appended are lines, see :mod:`theiafs.formatted`.
"""

import itertools
from collections.abc import Callable

import numpy as np

from store import Batch, Event, EventTooLarge, InvalidEvent, MalformedEvent, in_decimal
from store.format.block import RecordBlock, read_block
from store.format.event import split_tags
from store.format.record import (
    OPENING,
    Record,
    check_header_start,
    decode_preamble,
    decode_text,
    encode_key,
    is_canonical,
    parse,
    split_stream_key,
)
from theiafs.addition import Addition
from theiafs.formatted import FormattedLines, LineReader
from theiafs.lines import Lines, only_line, read_line, read_lines, unended_size
from theiafs.origin import Origin
from theiafs.refusal import Refused

__all__ = ["IngestBuffer"]

_BLOCK_SIZE_MIN = 2048
"""Minimum size of a buffer, in bytes, at which parsing all records together is faster than one by one."""

_KEYS_MAX = 1 << 12
"""Number of streams of which it is remembered, while a file is open, which ones their records get there."""


class IngestBuffer:
    """The incomplete event appended through one open file.

    Only one thread at a time may use it.

    Args:
        addition: what the directory appended to says of its events.
        event_size_max: size limit of a line or record, in bytes.
        reader: reads lines in a format; None if any text and records are appended.
    """

    def __init__(
        self, addition: Addition, event_size_max: int, reader: LineReader | None = None
    ) -> None:
        self._addition = addition
        self._event_size_max = event_size_max
        self._reader = reader
        self._last_ticks: int | None = None  # of the last event; None before the first
        self._partial = bytearray()
        self._needed = 0  # minimum size of the partial event when it is whole, in bytes
        self._refused = Refused()
        self._keys_here: dict[bytes, bytes] = {}

    def append(self, data: bytes, origin: Origin, save: Callable[[Batch], None]) -> int:
        """Append *data*, and save the events that it completes.

        Args:
            data: the bytes of one write.
            origin: their default source and time.
            save: stores events, all of them or none.

        Returns:
            How many of the bytes were accepted. Fewer than there are when something in them is invalid: everything before it
            is saved then, and the next write, which begins with it, will fail.

        Raises:
            InvalidEvent: if the data begins with something invalid; none of it was accepted, and what
                came before of the same line or record is dropped.
            EventStoreException: if the events could not be saved; nothing was accepted.
        """
        self._refused.check(data)
        line = None if self._partial or self._reader else only_line(data)
        if line is not None and self._accepts_line(line, origin):
            batch = Batch()
            source = _source(self._addition, origin)
            batch.add_line(line, origin.now, source, self._addition.tags)
            save(batch)
            return len(data)
        size_before = len(self._partial)
        size = size_before + len(data)
        is_incomplete = size < self._needed or b"\n" not in data
        if is_incomplete and size_before + unended_size(data) <= self._event_size_max:
            self._partial += data
            return len(data)
        has_header = self._needed > 0
        buffer = bytes(self._partial) + data
        split = self._split(buffer, origin)
        try:
            save(split.batch)
        except Exception:
            # The writer learns that nothing was written.
            self._needed = 0
            raise
        self._note_saved(split)
        if split.failure is None:
            self._partial = bytearray(buffer[split.position :])
            return len(data)
        self._drop()
        if split.position > size_before:
            return split.position - size_before
        # If this line shows that the one before opened no record, it continues nothing.
        if size_before and (has_header or not OPENING.match(buffer, split.position)):
            self._refused.note(data, split.failure)
        raise split.failure

    def _accepts_line(self, line: bytes, origin: Origin) -> bool:
        """Return whether *line* is valid; if not, a split says why."""
        return len(line) <= self._event_size_max and self._addition.query.includes(origin.now)

    @property
    def is_empty(self) -> bool:
        """Whether there is no partial event."""
        return not self._partial

    def end_write(self, _origin: Origin, _save: Callable[[Batch], None]) -> None:
        """Do nothing: a line, or a record, may be appended by several writes."""

    def finish(self, origin: Origin, save: Callable[[Batch], None]) -> None:
        """Save the partial event as a last line or record without its last newline.

        Raises:
            InvalidEvent: if it is an incomplete record.
            EventStoreException: if it could not be saved.
        """
        if self.is_empty:
            return
        rest = bytes(self._partial)
        split = self._split(rest + b"\n", origin)
        self._drop()
        save(split.batch)
        self._note_saved(split)
        opening = OPENING.match(rest, split.position)
        if opening is not None and len(rest) - opening.end() < int(opening[1]):
            dropped = len(rest) - split.position
            raise InvalidEvent(
                f"a record that was not written to its end: {dropped} bytes dropped; write all of it before the file is closed"
            )
        if split.failure is not None:
            raise split.failure

    def _drop(self) -> None:
        self._partial.clear()
        self._needed = 0

    def _note_saved(self, split: "_Split | FormattedLines") -> None:
        """Note that the events of *split* were saved."""
        if isinstance(split, FormattedLines) and self._reader is not None:
            self._last_ticks = split.last_ticks
            self._reader.tallies.add(split.counts)

    def _split(self, buffer: bytes, origin: Origin) -> "_Split | FormattedLines":
        split: _Split | FormattedLines
        if self._reader is None:
            if len(self._keys_here) > _KEYS_MAX:
                self._keys_here.clear()
            split = _Split(buffer, origin, self._addition, self._event_size_max, self._keys_here)
        else:
            split = FormattedLines(
                buffer,
                origin,
                self._addition,
                self._event_size_max,
                self._reader,
                self._last_ticks,
            )
        split.run()
        self._needed = split.needed
        return split


class _Split:
    """The division of a buffer into whole events and a rest.

    Args:
        buffer: the bytes that were appended.
        origin: their default source and time.
        addition: what is said of every event.
        event_size_max: size limit of a line or record, in bytes.
        keys_here: by the keys of the streams that records are from, those of the streams that they get here, as far as they are known.

    Attributes:
        batch: the events.
        position: where the rest begins, in bytes.
        failure: what is wrong there, if anything.
        needed: minimum size of the rest when it is a whole event, in bytes.
    """

    def __init__(
        self,
        buffer: bytes,
        origin: Origin,
        addition: Addition,
        event_size_max: int,
        keys_here: dict[bytes, bytes],
    ) -> None:
        self.batch = Batch()
        self.position = 0
        self.failure: InvalidEvent | None = None
        self.needed = 0
        self._buffer = buffer
        self._origin = origin
        self._addition = addition
        self._event_size_max = event_size_max
        self._keys_here = keys_here

    def run(self) -> None:
        """Split the whole buffer, or up to something invalid."""
        try:
            if not OPENING.match(self._buffer):
                self._add_lines()
            # Try the vectorised parser once per buffer; per record would be quadratic.
            if self._begins_with_a_block():
                self._add_block()
            while (line_end := self._buffer.find(b"\n", self.position)) >= 0:
                if not OPENING.match(self._buffer, self.position):
                    self._add_lines()
                elif not self._add_record(line_end + 1):
                    return
            self._check_size(unended_size(self._buffer[self.position :]))
        except InvalidEvent as error:
            self.failure = error

    def _begins_with_a_block(self) -> bool:
        rest_size = len(self._buffer) - self.position
        opening = OPENING.match(self._buffer, self.position)
        return rest_size >= _BLOCK_SIZE_MIN and opening is not None

    def _add_block(self) -> None:
        """Add the records at the position that are canonical and can be stored as they are."""
        records = read_block(self._buffer, self.position)
        query = self._addition.query
        refused = (
            (records.sizes > self._event_size_max)
            | (records.ticks < query.start)
            | (records.ticks > query.end)
        )
        records = records.before_first(refused)
        if self._addition.changes_nothing:
            self.batch.add_block(self._buffer, records)
        else:
            records = self._add_rekeyed(records)
        if len(records.ends):
            self.position = int(records.ends[-1])

    def _add_rekeyed(self, records: RecordBlock) -> RecordBlock:
        """Add *records* from the streams that they belong to here; return those before the first whose stream cannot be."""
        known, keys = self._keys_here, list(dict.fromkeys(records.keys))
        for number, key in enumerate(keys):
            if key in known:
                continue
            try:
                known[key] = self._key_here(key)
            except InvalidEvent:
                records, keys = records.first(records.keys.index(key)), keys[:number]
                break
        if keys:
            numbers = dict(zip(keys, itertools.count()))
            streams = np.fromiter(map(numbers.__getitem__, records.keys), np.intp)
            here = list(map(known.__getitem__, keys))
            self.batch.add_rekeyed(self._buffer, records, streams, here)
        return records

    def _key_here(self, key: bytes) -> bytes:
        """Return the key of the stream that events from the stream with *key* get here.

        Raises:
            InvalidEvent: if there cannot be such a stream.
        """
        own = self._read_key(*split_stream_key(key))
        added = self._addition.to(*own)
        return key if added == own else encode_key(*added)

    @staticmethod
    def _read_key(source: bytes, tags: bytes) -> tuple[str, list[str]]:
        return decode_text(source), split_tags(decode_text(tags))

    def _add_record(self, header_start: int) -> bool:
        """Add the record at the position, whose header is at *header_start*; return whether it is whole."""
        start = self.position
        found = self._parse(start, header_start)
        if found is None:
            return False
        self._check_time(found.header.ticks)
        # Without its closing, which may be missing.
        record = self._buffer[start : start + found.content_start + found.content_size + 1]
        event_id, ticks, *key = found.header
        own = self._read_key(*key)
        source, tags = self._addition.to(*own)
        if is_canonical(record) and (source, tags) == own:
            self.batch.add_record(record, found.header)
        else:
            content = decode_text(record[found.content_start : -1])
            self.batch.add(Event(decode_text(event_id), source, None, tags, content, ticks=ticks))
        self.position += found.size
        return True

    def _parse(self, start: int, header_start: int) -> Record | None:
        """Parse the record at *start*, whose header is at *header_start*; None when it is not whole yet."""
        buffer = self._buffer
        try:
            total, header_size, _content = decode_preamble(buffer[start:header_start])
            self._check_size(total)
            found = parse(buffer, start)
            if found is None:
                # Otherwise a line that only resembles the start of a record would swallow the lines after it.
                check_header_start(buffer[header_start : header_start + header_size])
        except MalformedEvent as error:
            raise InvalidEvent(
                f"not a record: {error}; a line, and no record, must be one that does not start with 'event: N N N'"
            ) from error
        if found is None:
            header_end = header_start + header_size
            # Until the header is complete, any write may prove it invalid.
            self.needed = header_start - start + total + 1 if len(buffer) >= header_end else 0
        return found

    def _add_lines(self) -> None:
        """Add the lines at the position, up to one that opens a record."""
        try:
            self._add_all(read_lines(self._buffer, self.position))
        except InvalidEvent:
            # Find the one to blame: those before it are saved.
            while True:
                self._add_all(read_line(self._buffer, self.position))

    def _add_all(self, lines: Lines) -> None:
        """Add *lines*: all of them, or none."""
        if lines.contents:
            self._check_size(lines.size_max)
            self._check_time(self._origin.now)
            source = _source(self._addition, self._origin)
            self.batch.add_lines(lines.contents, self._origin.now, source, self._addition.tags)
        self.position = lines.end

    def _check_size(self, size: int) -> None:
        if size > self._event_size_max:
            raise EventTooLarge(
                f"an event of {size} bytes; the limit is {self._event_size_max}: mount with a larger -o max_event"
            )

    def _check_time(self, ticks: int) -> None:
        if not self._addition.query.includes(ticks):
            raise InvalidEvent(
                f"an event of the time {in_decimal(ticks)} does not belong in this range: append it above the range"
            )


def _source(addition: Addition, origin: Origin) -> str:
    """Return the source of an event that does not say its own."""
    return origin.source if addition.source is None else addition.source

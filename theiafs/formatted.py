"""Lines in a format: what they say becomes the time, the source and the tags of their events."""

from collections import Counter
from collections.abc import Sequence
from datetime import tzinfo
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import Batch, EventTooLarge, InvalidEvent, in_decimal
from theiafs.addition import Addition
from theiafs.formats.fields import Fields, Format, Kind, Rules
from theiafs.lines import BLANK, unended_size
from theiafs.origin import Origin
from theiafs.tallies import Tallies

__all__ = ["UNPARSED", "FormattedLines", "LineReader", "tags_of"]

UNPARSED = "unparsed"
"""The tag of a line that is not in the format of the file that it was appended to."""


class LineReader(NamedTuple):
    """A reader of lines in a format, by the rules of a mount.

    Attributes:
        format: the format.
        zone: the time zone of times without an offset.
        keys: the names of the fields that become tags.
        tallies: counts what is read.
    """

    format: Format
    zone: tzinfo
    keys: tuple[str, ...]
    tallies: Tallies

    def read(self, lines: Sequence[bytes], now: int) -> Fields:
        """Read the fields of *lines* at the time *now*, in ticks since the epoch."""
        return self.format.read(lines, Rules(self.zone, now, self.keys))


class FormattedLines:
    """The division of a buffer into lines in a format and a rest.

    Args:
        buffer: the bytes that were appended.
        origin: the default source of their events, and the time of those before any that says its own.
        addition: what is said of every event.
        event_size_max: size limit of a line, in bytes.
        reader: reads the lines.
        last_ticks: the time of the event before, in the same open file; None if there is none.

    Attributes:
        batch: the events.
        position: where the rest begins, in bytes.
        failure: what is wrong there, if anything.
        last_ticks: the time of the last event.
        counts: what is to be added to the tallies when the events are saved.
    """

    needed = 0
    """Minimum size of the rest when it is a whole line, in bytes; nothing is known of it."""

    def __init__(
        self,
        buffer: bytes,
        origin: Origin,
        addition: Addition,
        event_size_max: int,
        reader: LineReader,
        last_ticks: int | None,
    ) -> None:
        self.batch = Batch()
        self.position = 0
        self.failure: InvalidEvent | None = None
        self.last_ticks = last_ticks
        self.counts: Counter[str] = Counter()
        self._buffer = buffer
        self._origin = origin
        self._addition = addition
        self._event_size_max = event_size_max
        self._reader = reader

    def run(self) -> None:
        """Divide the whole buffer, or up to a line that cannot be stored."""
        *lines, rest = self._buffer.split(b"\n")
        contents = _contents(lines, has_returns=b"\r" in self._buffer)
        count = self._check_sizes(contents)
        if count:
            count = self._add(contents[:count])
        if self.failure is None:
            self.position = len(self._buffer) - len(rest)
            self._check_size(unended_size(rest))
        else:
            self.position = _end_of(lines, count)

    def _check_sizes(self, contents: Sequence[bytes]) -> int:
        """Return how many of *contents* come before the first that is too large."""
        if len(self._buffer) <= self._event_size_max:
            return len(contents)
        for count, each in enumerate(contents):
            self._check_size(len(each))
            if self.failure is not None:
                return count
        return len(contents)

    def _check_size(self, size: int) -> None:
        if size > self._event_size_max:
            self.failure = EventTooLarge(
                f"an event of {size} bytes; the limit is {self._event_size_max}: mount with a larger -o max_event"
            )

    def _add(self, contents: list[bytes]) -> int:
        """Add the lines with *contents*, up to one whose time does not belong here; return how many."""
        fields = self._reader.read(contents, self._origin.now)
        ticks = fields.times(self._origin.now if self.last_ticks is None else self.last_ticks)
        query = self._addition.query
        strays = ((ticks < query.start) | (ticks > query.end)).nonzero()[0]
        count = len(contents)
        if len(strays):
            count = int(strays[0])
            when = in_decimal(int(ticks[count]))
            self.failure = InvalidEvent(
                f"an event of the time {when} does not belong in this range: append it above the range"
            )
        start = 0
        for row in sorted(fields.events):
            if row < count:
                self._add_lines(contents, ticks, fields, start, row)
                self.batch.add(self._addition.to_event(fields.events[row]))
                start = row + 1
        self._add_lines(contents, ticks, fields, start, count)
        if count:
            self.last_ticks = int(ticks[count - 1])
        return count

    def _add_lines(
        self,
        contents: list[bytes],
        ticks: npt.NDArray[np.int64],
        fields: Fields,
        first: int,
        last: int,
    ) -> None:
        """Add the lines from *first* to before *last*."""
        if first == last:
            return
        streams, kinds = fields.kinds(first, last)
        counts = np.bincount(streams).tolist()
        self.batch.add_dated(
            contents[first:last],
            ticks[first:last],
            streams,
            [self._stream(kind, count) for kind, count in zip(kinds, counts, strict=True)],
            self._origin.now,
        )

    def _stream(self, kind: Kind, count: int) -> tuple[str, list[str]]:
        """Return the source and the tags of the events of *count* lines of *kind*."""
        tags, names = tags_of(kind, self._reader.tallies)
        for name in names:
            self.counts[name] += count
        source, *_ = kind
        return self._addition.to(source or self._origin.source, tags)


def tags_of(kind: Kind, tallies: Tallies) -> tuple[list[str], list[str]]:
    """Return the tags of lines of *kind*, as many as *tallies* allow, and the names of the tallies to which each line adds one."""
    _source, said, is_parsed = kind
    tags, names = tallies.limited(said)
    return (tags, names) if is_parsed else ([*tags, UNPARSED], [*names, UNPARSED])


def _contents(lines: list[bytes], *, has_returns: bool) -> list[bytes]:
    """Return the contents of *lines*, blank ones left out; *has_returns* says whether any may end with a carriage return."""
    if has_returns:
        lines = [line.removesuffix(b"\r") for line in lines]
    if min(lines, default=b"!") >= b"!":  # none is empty or begins with a blank
        return lines
    return [line for line in lines if line.strip(BLANK)]


def _end_of(lines: list[bytes], count: int) -> int:
    """Return where the first *count* of *lines* that are not blank end, in bytes."""
    end = 0
    for line in lines:
        if not count:
            break
        end += len(line) + 1
        count -= len(_contents([line], has_returns=True))
    return end

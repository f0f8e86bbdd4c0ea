"""Blocks of records: many at once, where they stand in a block of bytes one after the other.

Only canonical records (see :func:`store.format.record.is_canonical`). They are parsed column by column rather than one
by one, and eight bytes at a time.
"""

from typing import NamedTuple

import numpy as np

from store.format.record import TAGS_LINE, are_tag_lists, split_stream_key
from store.format.text import WORD_SIZE, Booleans, Integers, Text
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["RecordBlock", "read_block"]

_NEWLINE, _SPACE, _POINT, _ZERO, _COMMA, _COLON = b"\n .0,:"
_OPENING = b"event: "
_SIZE_DIGITS_MAX = 7
_SECONDS_DIGITS_MAX = 12
_DECIMALS = 7
_SECONDS_MAX = TICKS_MAX // TICKS_PER_S - 1
"""The latest whole second all of whose ticks fit; what is later is parsed one by one."""

_LINES_MIN = 6
"""Minimum lines of a record: opening, four header lines, content."""

_WORD_TICKS = 10**WORD_SIZE

_DIGITS_MAX = np.array(
    [[_SIZE_DIGITS_MAX], [_SIZE_DIGITS_MAX], [_SIZE_DIGITS_MAX], [_SECONDS_DIGITS_MAX], [_DECIMALS]]
)
"""Most digits of the numbers of a record, in order: the three sizes, the whole seconds, their decimals."""


class RecordBlock(NamedTuple):
    """Records that follow each other in a block without gaps; a row of each column is one record.

    Attributes:
        starts: offset of its start in the block, in bytes.
        ends: offset of its end, after its closing if it has one.
        closed: whether it has a closing.
        sizes: the total size that its first line says, in bytes.
        ticks: its time, in ticks since the epoch.
        keys: its stream key, see :func:`store.format.record.stream_key`.
        id_starts: offset of its id in the block, in bytes.
        id_ends: offset of the end of its id.
        content_starts: offset of its content, a newline after the end of its stream key.
    """

    starts: Integers
    ends: Integers
    closed: Booleans
    sizes: Integers
    ticks: Integers
    keys: list[bytes]
    id_starts: Integers
    id_ends: Integers
    content_starts: Integers

    def before_first(self, refused: Booleans) -> "RecordBlock":
        """Return the records before the first that is *refused*."""
        return self.first(int(refused.argmax())) if refused.any() else self

    def first(self, count: int) -> "RecordBlock":
        """Return the first *count* records."""
        return self.part(0, count)

    def part(self, first: int, last: int) -> "RecordBlock":
        """Return the records from *first* to before *last*."""
        return RecordBlock._make(column[first:last] for column in self)


def read_block(block: bytes, start: int = 0) -> RecordBlock:
    """Parse the records of *block* from *start* on, up to the first that is not canonical or not whole.

    Args:
        block: any bytes.
        start: where to begin, in bytes.
    """
    text = Text(block[start:])
    openings = _find_openings(text)
    starts, headers, times, sources, tags, contents = (
        text.line_starts[openings + line] for line in range(6)
    )
    canonical = text.begin(times, b"timestamp: ") & text.begin(sources, b"source:")
    # The last record may be so short that there is a whole word only from the byte before its tags on.
    canonical &= text.begin(tags - 1, b"\n" + TAGS_LINE)

    totals = starts + len(_OPENING)
    totals_end = text.first_spaces(totals)
    sizes_end = text.first_spaces(totals_end + 1)
    points = sources - 1 - _DECIMALS - 1
    canonical &= (
        text.are(totals_end, _SPACE) & text.are(sizes_end, _SPACE) & text.are(points, _POINT)
    )
    number_starts = np.array(
        [totals, totals_end + 1, sizes_end + 1, times + len(b"timestamp: "), points + 1]
    )
    number_ends = np.array([totals_end, sizes_end, headers - 1, points, sources - 1])
    total_sizes, header_sizes, content_sizes, whole, fractions = _numbers(
        text, number_starts, number_ends, canonical
    )
    canonical &= (header_sizes == contents - headers) & (
        total_sizes == header_sizes + content_sizes
    )
    canonical &= whole <= _SECONDS_MAX

    content_ends = contents + content_sizes
    canonical &= text.are(content_ends, _NEWLINE)
    closed = text.are(content_ends + 1, _NEWLINE)
    ends = content_ends + 1 + closed
    # Where one ends the next starts; a line in a content that looks like an opening comes too early.
    canonical[:1] &= starts[:1] == 0
    canonical[1:] &= starts[1:] == ends[:-1]

    count = len(canonical) if canonical.all() else int(canonical.argmin())
    key_starts = (sources[:count] + (start + len(b"source:"))).tolist()
    key_ends = (contents[:count] + (start - 1)).tolist()
    keys = [block[first:last] for first, last in zip(key_starts, key_ends, strict=True)]
    read = RecordBlock(
        starts[:count] + start,
        ends[:count] + start,
        closed[:count],
        total_sizes[:count],
        whole[:count] * TICKS_PER_S + fractions[:count],
        keys,
        headers[:count] + (start + len(b"id:")),
        times[:count] + (start - 1),
        contents[:count] + start,
    )
    if not _may_have_an_empty_tag(keys):
        return read
    lists = [split_stream_key(each)[1] for each in keys]
    return read.before_first(np.array([not are_tag_lists([each]) for each in lists], np.bool_))


def _find_openings(text: Text) -> Integers:
    """Return the numbers of the lines that may open a record and have all the lines of its header after them."""
    starts = text.line_starts
    # One byte tells most of the others apart.
    lines = np.flatnonzero(text.bytes[starts[:-_LINES_MIN]] == _OPENING[0])
    lines = lines[text.begin(starts[lines], _OPENING)]
    return lines[text.begin(starts[lines + 1], b"id:")]


def _numbers(text: Text, starts: Integers, ends: Integers, canonical: Booleans) -> Integers:
    """Parse the numbers of records in *text*, a row for each number of a record.

    Args:
        text: the text.
        starts: where each number starts.
        ends: where it ends.
        canonical: becomes false for a record with a number that is not canonical.
    """
    widths = ends - starts
    canonical &= ((widths > 0) & (widths <= _DIGITS_MAX)).all(axis=0)
    # Only decimals begin with zeros.
    leading = slice(0, 4)
    zero = text.bytes[np.minimum(starts[leading], text.size - 1)] == _ZERO
    canonical &= ~(zero & (widths[leading] > 1)).any(axis=0)
    # The last eight digits of each, and those of the seconds before these.
    ends = np.concatenate((ends, ends[3:4] - WORD_SIZE))
    widths = np.concatenate((widths, widths[3:4] - WORD_SIZE))
    values, are_digits = text.numbers_before(ends, widths)
    canonical &= are_digits.all(axis=0)
    values[3] += values[5] * _WORD_TICKS
    return values[:5]


def _may_have_an_empty_tag(keys: list[bytes]) -> bool:
    """Return whether *keys* have an empty tag, or a source with bytes that look like one."""
    text = np.frombuffer(b"%b\n" % b"\n".join(keys), np.uint8)
    commas = np.flatnonzero(text == _COMMA)
    after = text[commas + 1]
    odd = (text[commas - 1] == _COLON) | (after == _COMMA) | (after == _NEWLINE)
    return bool(odd.any())

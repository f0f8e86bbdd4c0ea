"""Blocks of records: many at once, where they stand in a block of bytes one after the other.

Only canonical records (see :func:`store.format.record.is_canonical`). They are parsed column by column rather than one
by one, and eight bytes at a time.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.format.record import TAGS_LINE, are_tag_lists, split_stream_key
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["RecordBlock", "read_block"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_NEWLINE, _SPACE, _POINT, _ZERO, _COMMA, _COLON = b"\n .0,:"
_OPENING = b"event: "
_SIZE_DIGITS_MAX = 7
_SECONDS_DIGITS_MAX = 12
_DECIMALS = 7
_SECONDS_MAX = TICKS_MAX // TICKS_PER_S - 1
"""The latest whole second all of whose ticks fit; what is later is parsed one by one."""

_LINES_MIN = 6
"""Minimum lines of a record: opening, four header lines, content."""

_WORD_SIZE = 8
_WORD_TICKS = 10**_WORD_SIZE


def _each(byte: int) -> np.uint64:
    """Return a word with *byte* in each of its bytes."""
    return np.uint64(int.from_bytes(bytes([byte]) * _WORD_SIZE, "little"))


_SPACES, _ZEROS, _ONES, _SIXES = map(_each, (_SPACE, _ZERO, 1, 6))
_HIGH_HALVES, _HIGH_BITS = map(_each, (0xF0, 0x80))
_ONE, _LAST_BYTE = np.uint64(1), np.uint64(8 * (_WORD_SIZE - 1))
_LAST_BYTES = np.array(
    [(1 << 64) - (1 << 8 * (_WORD_SIZE - count)) for count in range(_WORD_SIZE + 1)], np.uint64
)
"""``_LAST_BYTES[n]``: mask that keeps the last n bytes of a word."""

_JOINTS = [
    (np.uint64((10**count << 8 * count) + 1), np.uint64(8 * count), np.uint64(mask))
    for count, mask in ((1, 0x00FF00FF00FF00FF), (2, 0x0000FFFF0000FFFF), (4, 0x00000000FFFFFFFF))
]
"""How to join neighbours of one, two and four digits in a word: factor, shift in bits, mask."""

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
    """

    starts: Integers
    ends: Integers
    closed: Booleans
    sizes: Integers
    ticks: Integers
    keys: list[bytes]
    id_starts: Integers
    id_ends: Integers

    def before_first(self, refused: Booleans) -> "RecordBlock":
        """Return the records before the first that is *refused*."""
        return self.first(int(refused.argmax())) if refused.any() else self

    def first(self, count: int) -> "RecordBlock":
        """Return the first *count* records."""
        return RecordBlock(
            self.starts[:count],
            self.ends[:count],
            self.closed[:count],
            self.sizes[:count],
            self.ticks[:count],
            self.keys[:count],
            self.id_starts[:count],
            self.id_ends[:count],
        )


def read_block(block: bytes, start: int = 0) -> RecordBlock:
    """Parse the records of *block* from *start* on, up to the first that is not canonical or not whole.

    Args:
        block: any bytes.
        start: where to begin, in bytes.
    """
    text = _Text(block[start:])
    openings = text.find_openings()
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
    total_sizes, header_sizes, content_sizes, whole, decimals = text.numbers(
        number_starts, number_ends, canonical
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
        whole[:count] * TICKS_PER_S + decimals[:count],
        keys,
        headers[:count] + (start + len(b"id:")),
        times[:count] + (start - 1),
    )
    if not _may_have_an_empty_tag(keys):
        return read
    lists = [split_stream_key(each)[1] for each in keys]
    return read.before_first(np.array([not are_tag_lists([each]) for each in lists], np.bool_))


class _Text:
    """Bytes, examined at many offsets at once.

    Attributes:
        line_starts: offsets of the starts of lines.
    """

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        padded = data.ljust(_WORD_SIZE, b"\n")
        self._bytes = np.frombuffer(padded, np.uint8)
        # The word at each offset that has a whole one.
        self._words = np.ndarray((len(padded) - _WORD_SIZE + 1,), "<u8", padded, strides=(1,))
        newlines = np.flatnonzero(self._bytes[: self._size] == _NEWLINE)
        self.line_starts = np.concatenate(([0], newlines + 1))

    def find_openings(self) -> Integers:
        """Return the numbers of the lines that may open a record and have all the lines of its header after them."""
        starts = self.line_starts
        # One byte tells most of the others apart.
        lines = np.flatnonzero(self._bytes[starts[:-_LINES_MIN]] == _OPENING[0])
        lines = lines[self.begin(starts[lines], _OPENING)]
        return lines[self.begin(starts[lines + 1], b"id:")]

    def begin(self, positions: Integers, name: bytes) -> Booleans:
        """Return whether the text at each of *positions* begins with *name* and has a whole word there."""
        last = len(self._words) - 1
        found = positions <= last - max(len(name) - _WORD_SIZE, 0)
        for offset in {0, max(len(name) - _WORD_SIZE, 0)}:
            piece = name[offset : offset + _WORD_SIZE]
            words = self._words[np.minimum(positions + offset, last)]
            if len(piece) < _WORD_SIZE:
                words &= np.uint64((1 << 8 * len(piece)) - 1)
            found &= words == np.uint64(int.from_bytes(piece, "little"))
        return found

    def are(self, positions: Integers, byte: int) -> Booleans:
        """Return whether *byte* is at each of *positions*."""
        found: Booleans = self._bytes[np.minimum(positions, self._size - 1)] == byte
        found &= positions < self._size
        return found

    def first_spaces(self, positions: Integers) -> Integers:
        """Return the offset of the first space in the word at each of *positions*; any offset, if it has none."""
        others = self._words[np.minimum(positions, len(self._words) - 1)] ^ _SPACES
        # The lowest bit that is set here is the highest of the first byte that is zero.
        found = (others - _ONES) & ~others & _HIGH_BITS
        # Here all bits below it are set: the lowest of each byte before that one, and of that one.
        below = (found - _ONE) & ~found
        counts = ((below & _ONES) * _ONES) >> _LAST_BYTE
        return positions + counts.view(np.int64) - 1

    def numbers(self, starts: Integers, ends: Integers, canonical: Booleans) -> Integers:
        """Parse the numbers of records, a row for each number of a record.

        Args:
            starts: where each number starts.
            ends: where it ends.
            canonical: becomes false for a record with a number that is not canonical.
        """
        widths = ends - starts
        canonical &= ((widths > 0) & (widths <= _DIGITS_MAX)).all(axis=0)
        # Only decimals begin with zeros.
        leading = slice(0, 4)
        zero = self._bytes[np.minimum(starts[leading], self._size - 1)] == _ZERO
        canonical &= ~(zero & (widths[leading] > 1)).any(axis=0)
        # The last eight digits of each, and those of the seconds before these.
        ends = np.concatenate((ends, ends[3:4] - _WORD_SIZE))
        widths = np.concatenate((widths, widths[3:4] - _WORD_SIZE))
        np.clip(widths, 0, _WORD_SIZE, out=widths)
        np.clip(ends, _WORD_SIZE, len(self._words) - 1 + _WORD_SIZE, out=ends)
        digits = self._words[ends - _WORD_SIZE] ^ _ZEROS
        digits &= _LAST_BYTES[widths]
        canonical &= ~(((digits + _SIXES) | digits) & _HIGH_HALVES).any(axis=0)
        values = _values(digits).view(np.int64)
        values[3] += values[5] * _WORD_TICKS
        return values[:5]


def _may_have_an_empty_tag(keys: list[bytes]) -> bool:
    """Return whether *keys* have an empty tag, or a source with bytes that look like one."""
    text = np.frombuffer(b"%b\n" % b"\n".join(keys), np.uint8)
    commas = np.flatnonzero(text == _COMMA)
    after = text[commas + 1]
    odd = (text[commas - 1] == _COLON) | (after == _COMMA) | (after == _NEWLINE)
    return bool(odd.any())


def _values(digits: Words) -> Words:
    """Return the numbers that words of eight *digits* stand for."""
    values = digits
    # Neighbours become one number of twice as many digits, three times.
    for factor, shift, mask in _JOINTS:
        values = (values * factor >> shift) & mask
    return values

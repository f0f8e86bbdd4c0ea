"""Frames, many at once: what is known of all that stand in a block of bytes one behind the other.

Only for frames that are spelled as this store and theia write them (see :func:`store.frame.is_usual`). They are read
column by column rather than one by one, and eight bytes at a time, for ingest is all about speed.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.format.record import TAGS_LINE, are_lists_of_tags, split_label

__all__ = ["Frames", "read_frames"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

_NEWLINE, _SPACE, _POINT, _ZERO, _COMMA, _COLON = b"\n .0,:"
_OPENING = b"event: "
_SIZE_DIGITS_MAX = 7
_SECONDS_DIGITS_MAX = 10
_DECIMALS = 7
_TICKS_PER_S = 10**_DECIMALS
_EXACT_MAX = 1 << 53
_LINES_MIN = 6
"""A frame has at least so many: its first, four of header, and that of the content."""

_WORD_SIZE = 8
_WORD_TICKS = 10**_WORD_SIZE


def _each(byte: int) -> np.uint64:
    """A word of which each byte is this."""
    return np.uint64(int.from_bytes(bytes([byte]) * _WORD_SIZE, "little"))


_SPACES, _ZEROS, _ONES, _SIXES = map(_each, (_SPACE, _ZERO, 1, 6))
_HIGH_HALVES, _HIGH_BITS = map(_each, (0xF0, 0x80))
_ONE, _LAST_BYTE = np.uint64(1), np.uint64(8 * (_WORD_SIZE - 1))
_LAST_BYTES = np.array(
    [(1 << 64) - (1 << 8 * (_WORD_SIZE - count)) for count in range(_WORD_SIZE + 1)], np.uint64
)
"""For each number of bytes, what picks so many of a word, from its end."""

_JOINTS = [
    (np.uint64((10**count << 8 * count) + 1), np.uint64(8 * count), np.uint64(mask))
    for count, mask in ((1, 0x00FF00FF00FF00FF), (2, 0x0000FFFF0000FFFF), (4, 0x00000000FFFFFFFF))
]
"""How to join numbers of one, two and four digits in a word: a factor, a shift in bits, what is left."""

_DIGITS_MAX = np.array(
    [[_SIZE_DIGITS_MAX], [_SIZE_DIGITS_MAX], [_SIZE_DIGITS_MAX], [_SECONDS_DIGITS_MAX], [_DECIMALS]]
)
"""Of the numbers in a frame, in their order: the three sizes, the whole seconds, their decimals."""


class Frames(NamedTuple):
    """Frames that follow each other in a block without gaps; a row of each column is one of them.

    Attributes:
        starts: where each starts in the block, in bytes.
        ends: where it ends, its closing included if it has one.
        closed: whether it has one.
        sizes: the size that its first line says, in bytes.
        times: seconds since the epoch.
        labels: its source and its tags, as :func:`store.frame.label` puts them together.
    """

    starts: Integers
    ends: Integers
    closed: Booleans
    sizes: Integers
    times: npt.NDArray[np.float64]
    labels: list[bytes]

    def before_first(self, refused: Booleans) -> "Frames":
        """Those before the first that is refused."""
        return self.first(int(refused.argmax())) if refused.any() else self

    def first(self, count: int) -> "Frames":
        """The first so many."""
        return Frames(
            self.starts[:count],
            self.ends[:count],
            self.closed[:count],
            self.sizes[:count],
            self.times[:count],
            self.labels[:count],
        )


def read_frames(block: bytes, start: int = 0) -> Frames:
    """Read the usual frames that stand in a block, up to the first that is not usual or not whole.

    Args:
        block: bytes of which nothing needs to be known.
        start: where to begin, in bytes.
    """
    text = _Text(block[start:])
    openings = text.find_openings()
    starts, headers, times, sources, tags, contents = (
        text.line_starts[openings + line] for line in range(6)
    )
    usual = text.begin(times, b"timestamp: ") & text.begin(sources, b"source:")
    # The last frame may be so short that there is a whole word only from the byte before its tags on.
    usual &= text.begin(tags - 1, b"\n" + TAGS_LINE)

    totals = starts + len(_OPENING)
    totals_end = text.first_spaces(totals)
    sizes_end = text.first_spaces(totals_end + 1)
    points = sources - 1 - _DECIMALS - 1
    usual &= text.are(totals_end, _SPACE) & text.are(sizes_end, _SPACE) & text.are(points, _POINT)
    number_starts = np.array(
        [totals, totals_end + 1, sizes_end + 1, times + len(b"timestamp: "), points + 1]
    )
    number_ends = np.array([totals_end, sizes_end, headers - 1, points, sources - 1])
    total_sizes, header_sizes, content_sizes, whole, decimals = text.numbers(
        number_starts, number_ends, usual
    )
    usual &= (header_sizes == contents - headers) & (total_sizes == header_sizes + content_sizes)

    content_ends = contents + content_sizes
    usual &= text.are(content_ends, _NEWLINE)
    closed = text.are(content_ends + 1, _NEWLINE)
    ends = content_ends + 1 + closed
    # Where one ends the next starts; what looks like one in the content of another comes too early.
    usual[:1] &= starts[:1] == 0
    usual[1:] &= starts[1:] == ends[:-1]

    count = len(usual) if usual.all() else int(usual.argmin())
    label_starts = (sources[:count] + (start + len(b"source:"))).tolist()
    label_ends = (contents[:count] + (start - 1)).tolist()
    labels = [block[first:last] for first, last in zip(label_starts, label_ends, strict=True)]
    read = Frames(
        starts[:count] + start,
        ends[:count] + start,
        closed[:count],
        total_sizes[:count],
        _seconds(whole[:count], decimals[:count]),
        labels,
    )
    if not _may_have_an_empty_tag(labels):
        return read
    lists = [split_label(each)[1] for each in labels]
    return read.before_first(np.array([not are_lists_of_tags([each]) for each in lists], np.bool_))


class _Text:
    """Bytes that are looked at in many places at once.

    Attributes:
        line_starts: where lines start.
    """

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        padded = data.ljust(_WORD_SIZE, b"\n")
        self._bytes = np.frombuffer(padded, np.uint8)
        # The word at every place where there is a whole one.
        self._words = np.ndarray((len(padded) - _WORD_SIZE + 1,), "<u8", padded, strides=(1,))
        newlines = np.flatnonzero(self._bytes[: self._size] == _NEWLINE)
        self.line_starts = np.concatenate(([0], newlines + 1))

    def find_openings(self) -> Integers:
        """The numbers of the lines that may open a frame, as far as all of its header is there."""
        starts = self.line_starts
        # One byte tells most of the others apart.
        lines = np.flatnonzero(self._bytes[starts[:-_LINES_MIN]] == _OPENING[0])
        lines = lines[self.begin(starts[lines], _OPENING)]
        return lines[self.begin(starts[lines + 1], b"id:")]

    def begin(self, positions: Integers, name: bytes) -> Booleans:
        """Whether the text at each position begins with a name, and has a whole word there."""
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
        """Whether there is a certain byte at each position."""
        found: Booleans = self._bytes[np.minimum(positions, self._size - 1)] == byte
        found &= positions < self._size
        return found

    def first_spaces(self, positions: Integers) -> Integers:
        """Where the first space from each position on is, if there is one in the word there; otherwise, anywhere."""
        others = self._words[np.minimum(positions, len(self._words) - 1)] ^ _SPACES
        # The lowest bit that is set in this is the highest of the first byte that is zero.
        found = (others - _ONES) & ~others & _HIGH_BITS
        # Here all bits below it are set: the lowest of each byte before that one, and of that one.
        below = (found - _ONE) & ~found
        counts = ((below & _ONES) * _ONES) >> _LAST_BYTE
        return positions + counts.view(np.int64) - 1

    def numbers(self, starts: Integers, ends: Integers, usual: Booleans) -> Integers:
        """Read the numbers of frames, in rows.

        Args:
            starts: where each starts.
            ends: where it ends.
            usual: becomes false for a frame with what is no usual number.
        """
        widths = ends - starts
        usual &= ((widths > 0) & (widths <= _DIGITS_MAX)).all(axis=0)
        # Only decimals begin with zeros.
        leading = slice(0, 4)
        zero = self._bytes[np.minimum(starts[leading], self._size - 1)] == _ZERO
        usual &= ~(zero & (widths[leading] > 1)).any(axis=0)
        # The last eight digits of each, and what comes before those of the seconds.
        ends = np.concatenate((ends, ends[3:4] - _WORD_SIZE))
        widths = np.concatenate((widths, widths[3:4] - _WORD_SIZE))
        np.clip(widths, 0, _WORD_SIZE, out=widths)
        np.clip(ends, _WORD_SIZE, len(self._words) - 1 + _WORD_SIZE, out=ends)
        digits = self._words[ends - _WORD_SIZE] ^ _ZEROS
        digits &= _LAST_BYTES[widths]
        usual &= ~(((digits + _SIXES) | digits) & _HIGH_HALVES).any(axis=0)
        values = _values(digits).view(np.int64)
        values[3] += values[5] * _WORD_TICKS
        return values[:5]


def _may_have_an_empty_tag(labels: list[bytes]) -> bool:
    """Whether there is an empty tag in these, or what looks like one in a source."""
    text = np.frombuffer(b"%b\n" % b"\n".join(labels), np.uint8)
    commas = np.flatnonzero(text == _COMMA)
    after = text[commas + 1]
    odd = (text[commas - 1] == _COLON) | (after == _COMMA) | (after == _NEWLINE)
    return bool(odd.any())


def _values(digits: Words) -> Words:
    """The numbers that words of eight digits stand for."""
    values = digits
    # Neighbours become one number of twice as many digits, three times.
    for factor, shift, mask in _JOINTS:
        values = (values * factor >> shift) & mask
    return values


def _seconds(whole: Integers, decimals: Integers) -> npt.NDArray[np.float64]:
    """The floats nearest to decimal numbers, exactly those that Python reads.

    A quotient of floats is exact to the last bit if both of them are exact. Times that have too many digits for that
    are late enough that the error of the fraction is too small to show in the sum.
    """
    ticks = whole * _TICKS_PER_S + decimals
    late: npt.NDArray[np.float64] = whole + decimals / _TICKS_PER_S
    return np.where(ticks < _EXACT_MAX, ticks / _TICKS_PER_S, late)

"""Frames, many at once: what is known of all that stand in a block of bytes one behind the other.

Only for frames that are spelled as this store and theia write them (see :func:`store.frame.is_usual`). They are read
column by column rather than one by one, for ingest is all about speed.
"""

import itertools
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.frame import TAGS_LINE, are_lists_of_tags

__all__ = ["Frames", "read_frames"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_NEWLINE, _SPACE, _POINT, _ZERO = b"\n .0"
_SIZE_DIGITS_MAX = 7
_SECONDS_DIGITS_MAX = 10
_DECIMALS = 7
_TICKS_PER_S = 10**_DECIMALS
_POWERS = 10 ** np.arange(_SECONDS_DIGITS_MAX, dtype=np.int64)[::-1]
_EXACT_MAX = 1 << 53
_WORD_SIZE = 8
_LINES_MIN = 6
"""A frame has at least so many: its first, four of header, and that of the content."""


class Frames(NamedTuple):
    """Frames that follow each other in a block without gaps; a row of each column is one of them.

    Attributes:
        starts: where each starts in the block, in bytes.
        ends: where it ends, its closing included if it has one.
        closed: whether it has one.
        sizes: the size that its first line says, in bytes.
        times: seconds since the epoch.
        kinds: which of the pairs is its source and its tags.
        pairs: sources with tags, as they stand in the headers, numbered as they come.
    """

    starts: Integers
    ends: Integers
    closed: Booleans
    sizes: Integers
    times: npt.NDArray[np.float64]
    kinds: Integers
    pairs: list[tuple[bytes, bytes]]

    def before_first(self, refused: Booleans) -> "Frames":
        """Those before the first that is refused."""
        if not refused.any():
            return self
        rows = slice(int(refused.argmax()))
        return Frames(
            self.starts[rows],
            self.ends[rows],
            self.closed[rows],
            self.sizes[rows],
            self.times[rows],
            self.kinds[rows],
            self.pairs[: self.kinds[rows].max(initial=-1) + 1],
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
    usual &= text.begin(tags, TAGS_LINE)

    totals_start = starts + len(b"event: ")
    totals_end, sizes_end = text.two_spaces(totals_start)
    totals = text.numbers(totals_start, totals_end, _SIZE_DIGITS_MAX, usual)
    header_sizes = text.numbers(totals_end + 1, sizes_end, _SIZE_DIGITS_MAX, usual)
    content_sizes = text.numbers(sizes_end + 1, headers - 1, _SIZE_DIGITS_MAX, usual)
    usual &= (header_sizes == contents - headers) & (totals == header_sizes + content_sizes)

    points = sources - 1 - _DECIMALS - 1
    usual &= text.are(points, _POINT)
    whole = text.numbers(times + len(b"timestamp: "), points, _SECONDS_DIGITS_MAX, usual)
    decimals = text.numbers(points + 1, sources - 1, _DECIMALS, usual, is_padded=True)

    content_ends = contents + content_sizes
    usual &= text.are(content_ends, _NEWLINE)
    closed = text.are(content_ends + 1, _NEWLINE)
    ends = content_ends + 1 + closed
    # Where one ends the next starts; what looks like one in the content of another comes too early.
    usual[:1] &= starts[:1] == 0
    usual[1:] &= starts[1:] == ends[:-1]

    count = len(usual) if usual.all() else int(usual.argmin())
    kinds, pairs = _kinds(block, sources[:count] + start, contents[:count] + start)
    read = Frames(
        starts[:count] + start,
        ends[:count] + start,
        closed[:count],
        totals[:count],
        _seconds(whole[:count], decimals[:count]),
        kinds,
        pairs,
    )
    if are_lists_of_tags(tags for _, tags in pairs):
        return read
    unusual = np.array([not are_lists_of_tags([tags]) for _, tags in pairs])
    return read.before_first(unusual[kinds])


class _Text:
    """Bytes that are looked at in many places at once.

    Attributes:
        line_starts: where lines start.
    """

    def __init__(self, data: bytes) -> None:
        self._size = len(data)
        # The padding lets a whole word be looked at wherever there is a byte.
        padded = data + bytes(_WORD_SIZE)
        self._bytes = np.frombuffer(padded, np.uint8)
        self._words = np.ndarray((self._size + 1,), "<u8", padded, strides=(1,))
        self.line_starts = np.concatenate(([0], np.flatnonzero(self._bytes == _NEWLINE) + 1))

    def find_openings(self) -> Integers:
        """The numbers of the lines that may open a frame, as far as all of its header is there."""
        lines = np.flatnonzero(self.begin(self.line_starts[:-_LINES_MIN], b"event: "))
        return lines[self.begin(self.line_starts[lines + 1], b"id:")]

    def begin(self, positions: Integers, name: bytes) -> Booleans:
        """Whether the text at each position begins with a name."""
        found = np.ones(len(positions), np.bool_)
        for offset in {0, max(len(name) - _WORD_SIZE, 0)}:
            piece = name[offset : offset + _WORD_SIZE]
            mask = np.uint64((1 << 8 * len(piece)) - 1)
            wanted = np.uint64(int.from_bytes(piece, "little"))
            words = self._words[np.minimum(positions + offset, self._size)]
            found &= words & mask == wanted
        return found

    def are(self, positions: Integers, byte: int) -> Booleans:
        """Whether there is a certain byte at each position."""
        found: Booleans = self._bytes[np.minimum(positions, self._size)] == byte
        return found

    def two_spaces(self, positions: Integers) -> tuple[Integers, Integers]:
        """Where the next space behind each position is, and the one after that; otherwise, the end."""
        spaces = np.append(np.flatnonzero(self._bytes == _SPACE), [self._size, self._size])
        numbers = spaces.searchsorted(positions)
        return spaces[numbers], spaces[numbers + 1]

    def numbers(
        self,
        starts: Integers,
        ends: Integers,
        digits_max: int,
        usual: Booleans,
        is_padded: bool = False,
    ) -> Integers:
        """Read whole numbers.

        Args:
            starts: where each starts.
            ends: where it ends.
            digits_max: how many digits a usual one has at most.
            usual: becomes false for what is no usual number.
            is_padded: whether it is usual that a number begins with zeros.
        """
        widths = ends - starts
        places = ends - np.arange(digits_max, 0, -1)[:, np.newaxis]
        # What is no digit becomes more than nine, for there are no negative numbers here.
        digits = self._bytes[places] - np.uint8(_ZERO)
        digits *= places >= starts
        usual &= (digits <= 9).all(axis=0) & (widths > 0) & (widths <= digits_max)
        if not is_padded:
            usual &= (widths == 1) | ~self.are(starts, _ZERO)
        values: Integers = _POWERS[-digits_max:] @ digits
        return values


def _kinds(
    block: bytes, sources: Integers, contents: Integers
) -> tuple[Integers, list[tuple[bytes, bytes]]]:
    """Number the different pairs of a source and tags, given where the lines of the sources and the contents start."""
    edges = zip((sources + len(b"source:")).tolist(), (contents - 1).tolist(), strict=True)
    texts = [block[start:end] for start, end in edges]
    numbers = dict(zip(dict.fromkeys(texts), itertools.count(), strict=False))
    kinds = np.array(list(map(numbers.__getitem__, texts)), np.int64)
    return kinds, [text.partition(b"\n" + TAGS_LINE)[::2] for text in numbers]


def _seconds(whole: Integers, decimals: Integers) -> npt.NDArray[np.float64]:
    """The floats nearest to decimal numbers, exactly those that Python reads.

    A quotient of floats is exact to the last bit if both of them are exact. Times that have too many digits for that
    are late enough that the error of the fraction is too small to show in the sum.
    """
    ticks = whole * _TICKS_PER_S + decimals
    late: npt.NDArray[np.float64] = whole + decimals / _TICKS_PER_S
    return np.where(ticks < _EXACT_MAX, ticks / _TICKS_PER_S, late)

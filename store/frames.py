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

_NEWLINE, _SPACE, _DOT, _ZERO = b"\n .0"
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
    # The padding lets a whole word be looked at wherever there is a byte.
    padded = block[start:] + bytes(_WORD_SIZE)
    size = len(block) - start
    text = np.frombuffer(padded, np.uint8)
    words = np.ndarray((size + 1,), "<u8", padded, strides=(1,))
    line_ends = np.flatnonzero(text == _NEWLINE)
    line_starts = np.concatenate(([0], line_ends + 1))
    first = np.flatnonzero(_begin(words, line_starts[:-_LINES_MIN], b"event: "))
    first = first[_begin(words, line_starts[first + 1], b"id:")]
    starts, headers, contents = line_starts[first], line_starts[first + 1], line_starts[first + 5]

    spaces = np.append(np.flatnonzero(text == _SPACE), [size, size])
    places = np.searchsorted(spaces, starts + len(b"event: "))
    preamble_ends = line_ends[first]
    totals, usual = _numbers(text, starts + len(b"event: "), spaces[places], _SIZE_DIGITS_MAX)
    header_sizes, are_numbers = _numbers(
        text, spaces[places] + 1, spaces[places + 1], _SIZE_DIGITS_MAX
    )
    usual &= are_numbers & (header_sizes == contents - headers)
    content_sizes, are_numbers = _numbers(
        text, spaces[places + 1] + 1, preamble_ends, _SIZE_DIGITS_MAX
    )
    usual &= are_numbers & (totals == header_sizes + content_sizes)

    for line, name in enumerate((b"timestamp: ", b"source:", TAGS_LINE), 2):
        usual &= _begin(words, line_starts[first + line], name)
    dots = line_ends[first + 2] - _DECIMALS - 1
    usual &= text[dots] == _DOT
    seconds, are_numbers = _numbers(
        text, line_starts[first + 2] + len(b"timestamp: "), dots, _SECONDS_DIGITS_MAX
    )
    usual &= are_numbers
    decimals, are_numbers = _numbers(text, dots + 1, dots + 1 + _DECIMALS, _DECIMALS, padded=True)
    usual &= are_numbers

    content_ends = np.minimum(contents + content_sizes, size)
    usual &= text[content_ends] == _NEWLINE
    closed = text[np.minimum(content_ends + 1, size)] == _NEWLINE
    ends = content_ends + 1 + closed
    # Where one ends the next starts; what looks like one in the content of another comes too early.
    usual[:1] &= starts[:1] == 0
    usual[1:] &= starts[1:] == ends[:-1]

    read = Frames(
        starts + start,
        ends + start,
        closed,
        totals,
        _seconds(seconds, decimals),
        np.zeros_like(starts),
        [],
    ).before_first(~usual)
    count = len(read.starts)
    sources = line_starts[first[:count] + 3] + start + len(b"source:")
    ends_of_tags = contents[:count] + start - 1
    rows = zip(sources.tolist(), ends_of_tags.tolist(), strict=True)
    texts = [block[source:end] for source, end in rows]
    numbers = dict(zip(dict.fromkeys(texts), itertools.count(), strict=False))
    kinds = np.array(list(map(numbers.__getitem__, texts)), np.int64)
    pairs = [text.partition(b"\n" + TAGS_LINE)[::2] for text in numbers]
    read = read._replace(kinds=kinds, pairs=pairs)
    if are_lists_of_tags(tags for _, tags in pairs):
        return read
    unusual = np.array([not are_lists_of_tags([tags]) for _, tags in pairs])
    return read.before_first(unusual[kinds])


def _begin(words: npt.NDArray[np.uint64], positions: Integers, name: bytes) -> Booleans:
    """Whether the text at each position begins with a name."""
    found = np.ones(len(positions), np.bool_)
    for offset in {0, max(len(name) - _WORD_SIZE, 0)}:
        piece = name[offset : offset + _WORD_SIZE]
        mask = np.uint64((1 << 8 * len(piece)) - 1)
        wanted = np.uint64(int.from_bytes(piece, "little"))
        found &= words[np.minimum(positions + offset, len(words) - 1)] & mask == wanted
    return found


def _numbers(
    text: npt.NDArray[np.uint8],
    starts: Integers,
    ends: Integers,
    digits_max: int,
    padded: bool = False,
) -> tuple[Integers, Booleans]:
    """Read whole numbers, and tell which of them really are some, without needless zeros unless padded."""
    widths = ends - starts
    places = ends - np.arange(digits_max, 0, -1)[:, np.newaxis]
    # What is no digit becomes more than nine, for there are no negative numbers here.
    digits = text[places] - np.uint8(_ZERO)
    digits *= places >= starts
    usual = (digits <= 9).all(axis=0) & (widths > 0) & (widths <= digits_max)
    if not padded:
        usual &= (widths == 1) | (text[starts] != _ZERO)
    return _POWERS[-digits_max:] @ digits, usual


def _seconds(whole: Integers, decimals: Integers) -> npt.NDArray[np.float64]:
    """The floats nearest to decimal numbers, exactly those that Python reads.

    A quotient of floats is exact to the last bit if both of them are exact. Times that have too many digits for that
    are late enough that the error of the fraction is too small to show in the sum.
    """
    ticks = whole * _TICKS_PER_S + decimals
    late: npt.NDArray[np.float64] = whole + decimals / _TICKS_PER_S
    return np.where(ticks < _EXACT_MAX, ticks / _TICKS_PER_S, late)

"""Canonical records: where the parts of many lie, in columns, each found by the newlines and then checked to the byte.

Most blocks hold nothing else. For all others there is :mod:`store.format.contents`, which is slower.
"""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.format.contents import Contents
from store.format.record import CLOSING, TAGS_LINE
from store.format.text import WORD_SIZE, Booleans, Integers, Text, Words, are_digits, word_of

__all__ = ["DECIMALS", "CanonicalRecords", "find_canonical"]

DECIMALS = 7
"""Number of decimals of a time."""

_HEADER_LINES = 5
"""Number of lines of a header and the one that opens its record."""

_ID_NAME, _TIME_LINE, _SOURCE_LINE = b"id:", b"\ntimestamp: ", b"\nsource:"
_SECONDS_DIGITS = 10  # from 2001 to 2286
_POWERS = 10 ** np.arange(_SECONDS_DIGITS - 1, -1, -1)
_POINT_PLACE = len(_TIME_LINE) + _SECONDS_DIGITS
_DECIMALS_PLACE = _POINT_PLACE + len(b".")
_TIME_SIZE = _DECIMALS_PLACE + DECIMALS
_TIME = np.dtype(
    {
        "names": ["words", "bytes", "decimals"],
        "formats": ["(5,)<u8", "(40,)u1", f"V{DECIMALS}"],
        "offsets": [0, 0, _DECIMALS_PLACE],
        "itemsize": 40,
    }
)
"""The line of a time with the newline before it, the start of the line of the source, and two bytes of the source."""

_SOURCE_NAME = word_of(_SOURCE_LINE)
_BITS = [np.uint64(8 * count) for count in range(WORD_SIZE)]
"""``_BITS[n]``: the bits of n bytes."""

_NEWLINES = _HEADER_LINES + 2
"""Number of newlines of a canonical record whose content has none."""

_SIZE_MAX = 9999
"""Records with larger headers or contents are left to the slower way."""


class _Endings(NamedTuple):
    """Texts of at most eight bytes, to be compared with what ends at many offsets.

    Attributes:
        sizes: the size of each, in bytes.
        shifts: by how many bits to shift a word that ends with it, so that nothing else is left.
        words: what is left.
    """

    sizes: Integers
    shifts: Words
    words: Words

    @classmethod
    def of_numbers(cls, count: int, before: bytes, after: bytes) -> "_Endings":
        """Prepare the texts of the numbers below *count*, with the same *before* and *after* each."""
        numbers = np.arange(count)
        digits = numbers.astype(f"S{WORD_SIZE}").view("<u8")  # with zeros after them
        widths = 1 + (10 ** np.arange(1, WORD_SIZE)).searchsorted(numbers, "right")
        after_starts = len(before) + widths
        words = word_of(before) | digits << np.uint64(8 * len(before))
        words |= word_of(after) << (8 * after_starts).view(np.uint64)
        sizes = after_starts + len(after)
        return cls(sizes, (8 * (WORD_SIZE - sizes)).view(np.uint64), words)

    def are(self, text: Text, ends: Integers, chosen: Integers) -> Booleans:
        """Return whether what ends at *ends* of *text* are the *chosen* ones, by number."""
        found: Booleans = text.words[ends - WORD_SIZE] >> self.shifts[chosen] == self.words[chosen]
        return found


_HEADER_SIZES = _Endings.of_numbers(_SIZE_MAX + 1, b" ", b" ")
_CONTENT_SIZES = _Endings.of_numbers(_SIZE_MAX + 1, b"", b"\n" + _ID_NAME)


class CanonicalRecords(NamedTuple):
    """The canonical ones of some records; a row of each column is one of them.

    Attributes:
        rows: which ones they are.
        contents: where their contents lie.
        id_starts: offset of the id in the text, in bytes.
        id_ends: offset of the end of the id.
        source_starts: offset of the source.
        source_ends: offset of the end of the source.
        tags_starts: offset of the tags, which commas join.
        tags_ends: offset of the end of the tags, which is that of the header, less a newline.
        seconds: the time in whole seconds since the epoch.
        decimals: the decimals of the seconds, as text.
    """

    rows: Integers
    contents: Contents
    id_starts: Integers
    id_ends: Integers
    source_starts: Integers
    source_ends: Integers
    tags_starts: Integers
    tags_ends: Integers
    seconds: Integers
    decimals: npt.NDArray[np.void]

    def only(self, are_wanted: Booleans) -> "CanonicalRecords":
        """Return those that *are_wanted*."""
        contents = Contents(*(column[are_wanted] for column in self.contents))
        others = (column[are_wanted] for column in self[2:])
        return CanonicalRecords._make((self.rows[are_wanted], contents, *others))


def find_canonical(text: Text, edges: Integers) -> CanonicalRecords:
    """Find the canonical ones of the records in *text*, and their parts; some that are large are left out.

    Args:
        text: whole records, one after the other.
        edges: offset of each record, and of the end of the last, in bytes.
    """
    if text.size < _TIME.itemsize or len(text.newlines) < _HEADER_LINES:
        edges = edges[:1]
    line_ends, are_canonical = _line_ends(text, edges)
    openings_end, ids_end, times_end, sources_end, tags_end = line_ends
    # If the opening says so, the header ends with its fourth line, and only the closing follows the content.
    starts, ends = tags_end + 1, edges[1:] - len(b"\n" + CLOSING)
    header_sizes, content_sizes = tags_end - openings_end, ends - starts
    are_canonical &= (header_sizes <= _SIZE_MAX) & (content_sizes.view(np.uint64) <= _SIZE_MAX)
    if not are_canonical.all():
        header_sizes = np.minimum(header_sizes, _SIZE_MAX)
        content_sizes = content_sizes.clip(0, _SIZE_MAX)
    places = openings_end + len(b"\n" + _ID_NAME)
    are_canonical &= _CONTENT_SIZES.are(text, places, content_sizes)
    places -= _CONTENT_SIZES.sizes[content_sizes]
    are_canonical &= _HEADER_SIZES.are(text, places, header_sizes)
    are_canonical &= times_end - ids_end == _TIME_SIZE
    are_canonical &= text.begin(sources_end, b"\n" + TAGS_LINE)
    times = text.pieces(_TIME.itemsize)[np.minimum(ids_end, text.size - _TIME.itemsize)].view(_TIME)
    seconds = _seconds(times, are_canonical)
    found = CanonicalRecords(
        np.arange(len(starts)),
        Contents(starts, ends),
        openings_end + len(b"\n" + _ID_NAME),
        ids_end,
        times_end + len(_SOURCE_LINE),
        sources_end,
        sources_end + len(b"\n" + TAGS_LINE),
        tags_end,
        seconds,
        times["decimals"],
    )
    return found if are_canonical.all() else found.only(are_canonical)


def _line_ends(text: Text, edges: Integers) -> tuple[Integers, Booleans]:
    """Find the ends of the first lines of the records in *text*, a row for each line; return also which records have as many."""
    newlines, count = text.newlines, len(edges) - 1
    if len(newlines) == count * _NEWLINES and not edges[0]:
        lines = newlines.reshape(count, _NEWLINES)
        if np.array_equal(lines[:, -1] + 1, edges[1:]):
            return np.ascontiguousarray(lines.T[:_HEADER_LINES]), np.ones(count, np.bool_)
    places, last = newlines.searchsorted(edges[:-1]), len(newlines) - _HEADER_LINES
    first_lines = np.minimum(places, last) + np.arange(_HEADER_LINES)[:, np.newaxis]
    return newlines[first_lines], places <= last


def _seconds(times: npt.NDArray[np.void], are_usual: Booleans) -> Integers:
    """Parse *times*, in whole seconds; *are_usual* becomes false for those that are no times."""
    words = times["words"].T
    decimals = words[2] >> _BITS[7] << _BITS[1] | words[3] << _BITS[2]
    are_usual &= are_digits(decimals, DECIMALS)
    are_usual &= words[3] >> _BITS[6] | words[4] << _BITS[2] == _SOURCE_NAME
    # The second changes rarely: only the first time of each is parsed.
    changes = (words[2, 1:] ^ words[2, :-1]) << _BITS[1]
    changes |= words[1, 1:] ^ words[1, :-1]
    changes |= words[0, 1:] ^ words[0, :-1]
    firsts = np.concatenate(([0], changes.nonzero()[0] + 1))[: len(times)]
    counts = np.diff(firsts, append=len(times))
    texts = times["bytes"][firsts]
    digits = texts[:, len(_TIME_LINE) : _POINT_PLACE] - np.uint8(ord("0"))
    are_times = (texts[:, : len(_TIME_LINE)] == np.frombuffer(_TIME_LINE, np.uint8)).all(axis=1)
    are_times &= (digits <= 9).all(axis=1) & (texts[:, _POINT_PLACE] == ord("."))
    are_usual &= np.repeat(are_times, counts)
    return np.repeat(digits @ _POWERS, counts)

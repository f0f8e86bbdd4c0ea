"""Levels in columns: those of many events at once, each as :func:`store.format.levels.level_of` finds it out.

The words are found column by column, and so is that there may be a field; the events with a field are examined one by
one, and so are those with what is rare. It is fastest for some thousand records at once.
"""

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.format.contents import Contents, find_fields
from store.format.levels import (
    EXAMINED_SIZE,
    HEAD_SIZE,
    SPELLINGS,
    level_in_content,
    level_in_tags,
)
from store.format.text import WORD_SIZE, Booleans, Integers, Text, Words, bytes_up_to, each_byte

__all__ = ["Levels", "levels_of"]

Levels = npt.NDArray[np.uint8]
Octets = npt.NDArray[np.uint8]

_SPACE, _COLON, _EQUALS, _ANGLE, _BRACKET = b" :=>]"
_OPEN_ANGLE, _OPEN_BRACKET, _OBJECT_START = b"<[{"
_CLOSERS = b":;<=>"
"""Neighbours in ASCII; two of them mean nothing after a word, but all together are found faster."""

_WIDTHS = (64, 96, 128, EXAMINED_SIZE + WORD_SIZE)
_MASKS = {
    width: (np.arange(width) < np.arange(width)[:, np.newaxis]) * np.uint8(0xFF)
    for width in _WIDTHS
}
"""For each width rows that keep as many bytes as the number of the row."""

_HEADS_SIZE = 512 * 1024
"""How much is examined at once, in bytes; it fits into the cache of a CPU."""

_UNKNOWN = 255
"""Stands for the code of a word of which only eight bytes are known."""

_LEVEL_TAG = b"level="


def _table(members: bytes) -> Booleans:
    """Return for each byte whether it is one of *members*."""
    table = np.zeros(256, np.bool_)
    table[list(members)] = True
    return table


_ALPHANUMERIC = bytes(byte for byte in range(0x80) if chr(byte).isalnum())
_OF_WORDS = _ALPHANUMERIC + b"_" + bytes(range(0x80, 0x100))
_IS_ALPHANUMERIC = _table(_ALPHANUMERIC)
_JOINED_BEFORE, _JOINED_AFTER = _table(_OF_WORDS + b"./=-"), _table(_OF_WORDS + b".=-")


class _Spellings(NamedTuple):
    """The spellings of levels as words, in order, and the code of each."""

    words: Words
    codes: Levels

    def codes_of(self, words: Words) -> Levels:
        """Return the codes of *words*, 0 for those that are no level."""
        places = np.searchsorted(self.words[:-1], words)
        return np.where(self.words[places] == words, self.codes[places], np.uint8(0))


def _spellings(names: dict[bytes, int]) -> _Spellings:
    words: dict[int, int] = {}
    for name, code in names.items():
        first = int.from_bytes(name[:WORD_SIZE], "little")
        words[first] = code if len(name) <= WORD_SIZE else _UNKNOWN
    ordered = sorted(words)
    return _Spellings(
        np.array(ordered, np.uint64), np.array([words[word] for word in ordered], np.uint8)
    )


_CAPITALS = _spellings({name.upper().encode(): code for name, code in SPELLINGS.items()})
_BACKWARDS = _spellings({name.encode()[::-1]: code for name, code in SPELLINGS.items()})

_KEY_ENDS_SIZE = 3
_KEY_ENDS = [
    np.uint64(int.from_bytes(key[::-1][:_KEY_ENDS_SIZE], "little"))
    for key in (b"level", b"lvl", b"severity")
]
"""The ends of the keys of fields, backwards."""

_FIRST_BYTES = np.array([(1 << 8 * count) - 1 for count in range(WORD_SIZE + 1)], np.uint64)
"""``_FIRST_BYTES[n]``: mask that keeps the first n bytes of a word."""

_HIGH_BITS, _LOW_BITS, _CASE_BITS = map(each_byte, (0x80, 0x7F, ord("a") - ord("A")))
_TO_A, _TO_AFTER_Z = each_byte(0x80 - ord("A")), each_byte(0x80 - ord("Z") - 1)


def levels_of(data: bytes, edges: Integers, contents: Contents) -> Levels:
    """Find out the level of each of the records in *data*.

    Args:
        data: whole records, one after the other.
        edges: offset of each record, and of the end of the last, in bytes.
        contents: where their contents lie.

    Returns:
        The codes of the levels, 0 for those of which nothing says it.
    """
    codes = np.zeros(len(contents.starts), np.uint8)
    sizes = np.minimum(contents.ends - contents.starts, EXAMINED_SIZE)
    padded = data + bytes(_WIDTHS[-1])
    places = np.searchsorted(np.array(_WIDTHS), sizes, side="right")
    for place, width in enumerate(_WIDTHS):
        rows = np.flatnonzero(places == place)
        step = _HEADS_SIZE // width
        for first in range(0, len(rows), step):
            some = rows[first : first + step]
            found, unsure = _levels_in(padded, contents.starts[some], sizes[some], width)
            codes[some] = found
            for row, content in _slices(data, contents.starts, contents.ends, some[unsure]):
                codes[row] = level_in_content(content)
    _put_levels_in_tags(data, edges, contents, codes)
    return codes


def _levels_in(
    padded: bytes, starts: Integers, sizes: Integers, width: int
) -> tuple[Levels, Integers]:
    """Find out the levels of contents.

    Args:
        padded: bytes with the contents.
        starts: where each begins.
        sizes: how much of it to examine, in bytes; less than *width*.
        width: the distance between two of them where they are examined.

    Returns:
        The codes, and the rows to examine one by one.
    """
    # Zeros come before each of them and after it, and a whole word of zeros before the first and after the last.
    text = np.zeros(WORD_SIZE + len(starts) * width + WORD_SIZE, np.uint8)
    heads = text[WORD_SIZE:-WORD_SIZE].reshape(-1, width)
    windows = np.ndarray((len(padded) - width + 1,), f"V{width}", padded, strides=(1,))
    masks = _MASKS[width].view(f"V{width}")[:, 0]
    np.bitwise_and(_octets(windows[starts]), _octets(masks[sizes]), out=text[WORD_SIZE:-WORD_SIZE])

    places, found = _find_capitals(text)
    closers = _find_closers(text)
    unsure = (heads[:, 0] == _OPEN_ANGLE) | (heads[:, 0] == _OBJECT_START)
    if len(closers):
        marked_places, marked, others = _find_marked(text, closers)
        unsure[(others - WORD_SIZE) // width] = True
        places, found = np.concatenate((places, marked_places)), np.concatenate((found, marked))
        order = np.argsort(places, kind="stable")
        places, found = places[order], found[order]
    rows, columns = np.divmod(places - WORD_SIZE, width)
    if width > HEAD_SIZE:
        within_head = columns < HEAD_SIZE
        rows, found = rows[within_head], found[within_head]
    unsure[rows[found == _UNKNOWN]] = True
    codes = np.zeros(len(starts), np.uint8)
    # Where several are in a row the first remains.
    codes[rows[::-1]] = found[::-1]
    return codes, np.flatnonzero(unsure)


def _octets(pieces: npt.NDArray[np.void]) -> Octets:
    """Return the bytes of *pieces*, one after the other."""
    return pieces.view(np.uint8)


def _find_capitals(text: Octets) -> tuple[Integers, Levels]:
    """Find the words in upper case in *text* that are levels: where they begin, and their codes."""
    capitals = (text - ord("A")) < 26
    flags = np.zeros(len(text), np.bool_)
    np.bitwise_and(capitals[:-2], capitals[1:-1], out=flags[:-2])
    flags[:-2] &= capitals[2:]
    # True is greater than false.
    np.greater(flags[1:], capitals[:-1], out=flags[1:])
    places = np.flatnonzero(flags)
    words = _words(text)[places]
    sizes = _count_capitals(words)
    codes = _CAPITALS.codes_of(words & _FIRST_BYTES[sizes])
    joined = _JOINED_AFTER[text[places + sizes]] & (codes != _UNKNOWN)
    joined |= _JOINED_BEFORE[text[places - 1]]
    is_level = np.flatnonzero(~joined & (codes != 0))
    return places[is_level], codes[is_level]


def _find_closers(text: Octets) -> Integers:
    """Return the places in *text* of bytes that may mark the word before them, with nothing or a space between."""
    flags = np.zeros(len(text), np.bool_)
    after, before = text[1:], text[:-1]
    brackets = after == _BRACKET
    np.less(after - _CLOSERS[0], len(_CLOSERS), out=flags[1:])
    flags[1:] |= brackets
    flags[1:] &= before >= ord("a")
    brackets &= before == _SPACE
    flags[1:] |= brackets
    return np.flatnonzero(flags)


def _find_marked(text: Octets, closers: Integers) -> tuple[Integers, Levels, Integers]:
    """Find the words in *text* that are levels because a colon or brackets mark them.

    Args:
        text: the text.
        closers: where a colon or a bracket may end such a word.

    Returns:
        Where they begin, their codes, and places in the contents to examine one by one.
    """
    # Backwards, so that what ends before a closer begins a word.
    words = _words(text)[closers - WORD_SIZE].byteswap()
    closer = text[closers]
    ends = words & _FIRST_BYTES[_KEY_ENDS_SIZE]
    is_key = (ends == _KEY_ENDS[0]) | (ends == _KEY_ENDS[1]) | (ends == _KEY_ENDS[2])
    unsure = (closer == _EQUALS) & is_key
    unsure |= text[closers - 1] == _SPACE

    sizes = _count_capitals(words & ~_CASE_BITS)
    codes = _BACKWARDS.codes_of((words | _CASE_BITS) & _FIRST_BYTES[sizes])
    # Only the first letter may be a capital.
    codes[(~words & _CASE_BITS & _FIRST_BYTES[sizes - 1]) != 0] = 0
    places = closers - sizes
    before, earlier = text[places - 1], text[places - 2]
    unsure |= codes == _UNKNOWN
    unsure |= (codes != 0) & (before == _SPACE) & (closer == _BRACKET)
    marked = (closer == _COLON) & (before != _COLON) & (text[closers + 1] != _COLON)
    marked |= (closer == _ANGLE) & (before == _OPEN_ANGLE)
    opened = (before == _OPEN_BRACKET) | ((before == _COLON) & _IS_ALPHANUMERIC[earlier])
    marked |= (closer == _BRACKET) & opened
    marked &= ~_JOINED_BEFORE[before]
    found = np.flatnonzero(marked & (codes != 0) & ~unsure)
    return places[found], codes[found], closers[unsure]


def _words(text: Octets) -> Words:
    """Return the word at each offset of *text*."""
    return np.ndarray((len(text) - WORD_SIZE + 1,), "<u8", text, strides=(1,))


def _count_capitals(words: Words) -> Integers:
    """Count the capital letters that each of *words* begins with."""
    low = words & _LOW_BITS
    others = (~(low + _TO_A) | (low + _TO_AFTER_Z) | words) & _HIGH_BITS
    return np.where(others, bytes_up_to(others) - 1, WORD_SIZE)


def _put_levels_in_tags(data: bytes, edges: Integers, contents: Contents, codes: Levels) -> None:
    """Replace those of *codes* of which tags say the level; the other arguments are those of :func:`levels_of`."""
    if _EQUALS not in data:
        return
    text = Text(data)
    starts = np.flatnonzero(text.bytes == _EQUALS) - len(_LEVEL_TAG) + 1
    starts = starts[starts > 0]
    starts = starts[text.begin(starts, _LEVEL_TAG)]
    if not len(starts):
        return
    rows = np.searchsorted(edges[1:-1], starts, side="right")
    rows = np.unique(rows[starts < contents.starts[rows]])
    if not len(rows):
        return
    fields = find_fields(data, edges, contents)
    known: dict[bytes, int] = {}
    for row, tags in _slices(data, fields.tags_starts, fields.tags_ends, rows):
        if tags not in known:
            known[tags] = level_in_tags(tags)
        codes[row] = known[tags] or codes[row]


def _slices(
    data: bytes, starts: Integers, ends: Integers, rows: Integers
) -> Iterator[tuple[int, bytes]]:
    """Yield each of *rows*, with the bytes of *data* between its start and its end."""
    for row, start, end in zip(
        rows.tolist(), starts[rows].tolist(), ends[rows].tolist(), strict=True
    ):
        yield row, data[start:end]

"""Text in columns: bytes examined at many offsets at once, eight at a time.

A *word* is the eight bytes from an offset on as one number; the first byte is its lowest.
"""

import functools

import numpy as np
import numpy.typing as npt

__all__ = [
    "WORD_SIZE",
    "Booleans",
    "Integers",
    "Text",
    "Words",
    "are_digits",
    "bytes_up_to",
    "each_byte",
    "numerals",
    "word_of",
]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]
Words = npt.NDArray[np.uint64]

WORD_SIZE = 8
_NEWLINE, _SPACE, _ZERO = b"\n 0"


def word_of(text: bytes) -> np.uint64:
    """Return the word that begins with *text*, and has zeros after it."""
    return np.uint64(int.from_bytes(text, "little"))


def each_byte(byte: int) -> np.uint64:
    """Return a word with *byte* in each of its bytes."""
    return word_of(bytes([byte]) * WORD_SIZE)


_SPACES, _ZEROS, _ONES, _SIXES = map(each_byte, (_SPACE, _ZERO, 1, 6))
_HIGH_HALVES, _HIGH_BITS, _DIGIT_BITS = map(each_byte, (0xF0, 0x80, 0x10))
_ONE, _LAST_BYTE = np.uint64(1), np.uint64(8 * (WORD_SIZE - 1))

_LAST_BYTES = np.array(
    [(1 << 64) - (1 << 8 * (WORD_SIZE - count)) for count in range(WORD_SIZE + 1)], np.uint64
)
"""``_LAST_BYTES[n]``: mask that keeps the last n bytes of a word."""

_JOINTS = [
    (np.uint64((10**count << 8 * count) + 1), np.uint64(8 * count), np.uint64(mask))
    for count, mask in ((1, 0x00FF00FF00FF00FF), (2, 0x0000FFFF0000FFFF), (4, 0x00000000FFFFFFFF))
]
"""How to join neighbours of one, two and four digits in a word: factor, shift in bits, mask."""


def numerals(width: int) -> npt.NDArray[np.void]:
    """Return the texts of all numbers of *width* digits, with their leading zeros: each is at the index that it says."""
    numbers = np.arange(10**width, dtype=np.uint16)[:, np.newaxis]
    places = 10 ** np.arange(width - 1, -1, -1, dtype=np.uint16)
    return (numbers // places % 10 + _ZERO).astype(np.uint8).view(f"V{width}").ravel()


class Text:
    """Bytes, examined at many offsets at once.

    Args:
        data: the bytes.

    Attributes:
        data: the bytes.
        size: their number.
        bytes: each of them, followed by newlines if they are fewer than a word has.
        words: the word at each offset that has a whole one.
    """

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.size = len(data)
        padded = data.ljust(WORD_SIZE, b"\n")
        self.bytes = np.frombuffer(padded, np.uint8)
        self.words: Words = np.ndarray((len(padded) - WORD_SIZE + 1,), "<u8", padded, strides=(1,))

    @functools.cached_property
    def newlines(self) -> Integers:
        """Offsets of the newlines."""
        return np.flatnonzero(self.bytes[: self.size] == _NEWLINE)

    @functools.cached_property
    def line_starts(self) -> Integers:
        """Offsets of the starts of lines."""
        return np.concatenate(([0], self.newlines + 1))

    def begin(self, positions: Integers, name: bytes) -> Booleans:
        """Return whether the text at each of *positions* begins with *name* and has a whole word there."""
        last = len(self.words) - 1
        found = positions <= last - max(len(name) - WORD_SIZE, 0)
        for offset in {0, max(len(name) - WORD_SIZE, 0)}:
            piece = name[offset : offset + WORD_SIZE]
            words = self.words[np.minimum(positions + offset, last)]
            if len(piece) < WORD_SIZE:
                words &= np.uint64((1 << 8 * len(piece)) - 1)
            found &= words == word_of(piece)
        return found

    def pieces(self, size: int) -> npt.NDArray[np.void]:
        """Return the *size* bytes at each offset that has as many."""
        return np.ndarray((max(self.size - size + 1, 0),), f"V{size}", self.bytes, strides=(1,))

    def are(self, positions: Integers, byte: int) -> Booleans:
        """Return whether *byte* is at each of *positions*."""
        found: Booleans = self.bytes[np.minimum(positions, self.size - 1)] == byte
        found &= positions < self.size
        return found

    def first_spaces(self, positions: Integers) -> Integers:
        """Return the offset of the first space in the word at each of *positions*; any offset, if it has none."""
        others = self.words[np.minimum(positions, len(self.words) - 1)] ^ _SPACES
        # The lowest bit that is set here is the highest of the first byte that is zero.
        found = (others - _ONES) & ~others & _HIGH_BITS
        return positions + bytes_up_to(found) - 1

    def leading_digits(self, positions: Integers) -> tuple[Words, Integers]:
        """Count the digits at each of *positions*, where there is a whole word, and white space after them.

        Returns:
            The words there, and how many of the bytes of each are digits, 8 if no other byte is in it.
        """
        words = self.words[positions]
        # All digits have this bit, white space does not.
        found = ~words & _DIGIT_BITS
        widths = bytes_up_to(found)
        widths -= found != 0
        return words, widths

    def leading_numbers(self, positions: Integers) -> tuple[Integers, Integers]:
        """Parse the number of one to seven digits at each of *positions*; for the rest see :meth:`leading_digits`.

        Returns:
            The values, any for numbers with more digits, and how many digits each has.
        """
        words, widths = self.leading_digits(positions)
        digits = (words ^ _ZEROS) << (8 * (WORD_SIZE - widths)).view(np.uint64)
        return _decimals(digits).view(np.int64), widths

    def numbers_before(self, positions: Integers, widths: Integers) -> tuple[Integers, Booleans]:
        """Parse the number that ends before each of *positions*.

        Args:
            positions: any offsets.
            widths: how many digits each has; of those with more than a word has, the last ones are parsed.

        Returns:
            The values, and whether all of each are digits.
        """
        widths = np.clip(widths, 0, WORD_SIZE)
        ends = np.clip(positions, WORD_SIZE, len(self.words) - 1 + WORD_SIZE)
        digits = self.words[ends - WORD_SIZE] ^ _ZEROS
        digits &= _LAST_BYTES[widths]
        return _decimals(digits).view(np.int64), _others(digits) == 0


def are_digits(words: Words, count: int) -> Booleans:
    """Return whether the last *count* bytes of each of *words* are digits."""
    found: Booleans = _others((words ^ _ZEROS) & _LAST_BYTES[count]) == 0
    return found


def _others(digits: Words) -> Words:
    """Return what is zero for words of *digits* that are from 0 to 9."""
    return ((digits + _SIXES) | digits) & _HIGH_HALVES


def bytes_up_to(found: Words) -> Integers:
    """Count the bytes of each word up to the one with the lowest bit that is set in *found*; all, if none is."""
    # Here all bits below that one are set: the lowest of each byte before that one, and of that one.
    below = (found - _ONE) & ~found
    return (((below & _ONES) * _ONES) >> _LAST_BYTE).view(np.int64)


def _decimals(digits: Words) -> Words:
    """Return the numbers that words of eight *digits* stand for, each of which is a byte from 0 to 9."""
    values = digits
    # Neighbours become one number of twice as many digits, three times.
    for factor, shift, mask in _JOINTS:
        values = (values * factor >> shift) & mask
    return values

"""A filter for contents: whether a run of them may contain a literal.

A Bloom filter with one hash, of the contents in lower case (ASCII): a bit for each run of three bytes in them, and one for each
run of five. Trigrams alone find nearly every number in contents that have many numbers. With 1,000 lines of a log of
loghub and 5 % of the size of their file, the filter takes 0.3 % of the words of five letters and more that do not occur
for words that may, and 2.4 % of the numbers of five to twelve digits; with trigrams alone 2.3 % and 28 %.
"""

import functools
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
import numpy.typing as npt

from store.checksum import crc32

__all__ = ["Builder", "build", "may_contain"]

Words = npt.NDArray[np.uint64]

_GRAM_SIZES = (3, 5)
_SHARE = 20
"""A filter takes at most one byte for this many of the files."""

_SIZE_MAX = 1 << 20
"""Most bytes of a filter; that of a larger minute is less sharp."""

_MAGIC = b"3+5\x01"
"""The first bytes of a filter; the last of them is the version of its format."""

_CHECKSUM_SIZE = 4
_HEADER_SIZE = len(_MAGIC) + _CHECKSUM_SIZE
_WORD_SIZE = 8
_FACTOR = np.uint64(0x9E3779B97F4A7C15)
_HALF = np.uint64(32)
_BLOCK_SIZE = 1 << 13
"""How many runs of bytes are hashed at once; words for them fit into the cache of a CPU."""


class Builder:
    """A filter that is being built.

    Args:
        file_size: the size of the files in bytes; the filter takes at most 5 % of it, and at most 1 MiB.
    """

    def __init__(self, file_size: int) -> None:
        self._size = min(file_size // _SHARE, _SIZE_MAX) - _HEADER_SIZE
        self._bits = np.zeros(8 * max(self._size, 0), np.bool_)

    def add(self, text: bytes) -> None:
        """Add *text*: contents, joined; what spans two of them only makes the filter less sharp."""
        count = np.uint64(len(self._bits))
        if not count:
            return
        words = _words(text.lower())
        for start in range(0, len(words), _BLOCK_SIZE):
            block = words[start : start + _BLOCK_SIZE].copy()
            for gram_size in _GRAM_SIZES:
                positions = _hashes(block, gram_size)
                positions *= count
                positions >>= _HALF
                self._bits[positions.view(np.int64)] = True

    def packed(self) -> bytes:
        """Return the filter; none, that is b"", where there is no room for one."""
        if self._size <= 0:
            return b""
        packed = np.packbits(self._bits, bitorder="little").tobytes()
        return _MAGIC + _checksum(packed) + packed


def build(texts: Iterable[bytes], file_size: int) -> bytes:
    """Return the filter of *texts*, contents of files of *file_size* bytes; see :class:`Builder`."""
    builder = Builder(file_size)
    for text in texts:
        builder.add(text)
    return builder.packed()


def may_contain(packed: bytes, needs: Sequence[Sequence[bytes]]) -> bool:
    """Return whether some text of a filter may contain one literal of each of *needs*; never False where one does.

    Args:
        packed: the filter, as it was built.
        needs: alternatives: literals in lower case (ASCII); of those shorter than three bytes nothing is known.

    Raises:
        ValueError: if the filter is damaged, or of another version.
    """
    if not packed:
        return True
    if packed[: len(_MAGIC)] != _MAGIC:
        raise ValueError("not a filter of trigrams, or of another version")
    bits = packed[_HEADER_SIZE:]
    if packed[len(_MAGIC) : _HEADER_SIZE] != _checksum(bits):
        raise ValueError("a damaged filter of trigrams")
    count = 8 * len(bits)

    def has(literal: bytes) -> bool:
        positions = (each * count >> 32 for each in _hashes_of(literal))
        return all(bits[position >> 3] >> (position & 7) & 1 for position in positions)

    return all(any(map(has, alternatives)) for alternatives in needs)


def _checksum(bits: bytes) -> bytes:
    """Return the checksum of *bits*."""
    return crc32(bits).to_bytes(_CHECKSUM_SIZE, "little")


@functools.lru_cache(maxsize=512)
def _hashes_of(literal: bytes) -> "array[int]":
    """Return the hashes of all grams of *literal*."""
    hashes = array("L")
    for size in reversed(_GRAM_SIZES):
        of_size = _hashes(_words(literal)[: max(len(literal) - size + 1, 0)], size)
        hashes.extend(of_size.tolist())
    return hashes


def _words(text: bytes) -> Words:
    """Return the eight bytes from each offset of *text* on, the first lowest; zeros follow its end."""
    return np.ndarray((len(text),), "<u8", text + bytes(_WORD_SIZE), strides=(1,))


def _hashes(words: Words, size: int) -> Words:
    """Return hashes of 32 bits of the first *size* bytes of *words*."""
    hashes = words << np.uint64(8 * (_WORD_SIZE - size))
    hashes *= _FACTOR
    hashes >>= _HALF
    return hashes

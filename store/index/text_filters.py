"""The filters of texts of runs of minutes, as the index keeps them: which minutes each was made of, and its bits."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.index.sealed import seal, unseal
from store.index.summary import checksum_of

__all__ = [
    "MEMBER",
    "NO_MEMBERS",
    "TextFilter",
    "TextFilterRow",
    "members_of",
    "pack_text_filter",
]

MEMBER = np.dtype([("id", "<u4"), ("checksum", "<u4"), ("size", "<u4"), ("entries", "<u4")])
"""A minute that a filter was made of: its id, the CRC-32 and the size of its file, the latter modulo 4 GiB, and its entries."""


NO_MEMBERS = np.empty(0, MEMBER)


class TextFilter(NamedTuple):
    """A filter of the texts of some minutes.

    Attributes:
        id: its id in the index.
        members: the minutes that it was made of, rows of the type ``MEMBER``; none if that is not known.
        bits: the filter; see :mod:`store.index.trigrams`.
    """

    id: int
    members: NDArray[np.void]
    bits: bytes


class TextFilterRow(NamedTuple):
    """A filter of the texts of some minutes as the index keeps it.

    Attributes:
        first: the start of the first of them, in seconds since the epoch.
        last: the start of the last.
        members: the minutes that it was made of, packed.
        bits: the filter; see :mod:`store.index.trigrams`.
    """

    first: int
    last: int
    members: bytes
    bits: bytes


def pack_text_filter(
    first: int, last: int, members: NDArray[np.void], bits: bytes
) -> TextFilterRow:
    """Pack the filter with *bits* of *members*, rows of the type ``MEMBER``, that start from *first* to *last*."""
    return TextFilterRow(first, last, seal(members.tobytes(), checksum_of(bits)), bits)


def members_of(packed: bytes, bits: bytes) -> NDArray[np.void]:
    """Unpack the members of the filter with *bits*.

    Raises:
        OutdatedError: if they are those of another filter.
        ValueError: if they cannot be; or another one of ``CORRUPT``.
    """
    return np.frombuffer(unseal(packed, checksum_of(bits)), MEMBER)

"""Sealed bytes: bytes with a checksum of their own and that of what they were worked out from."""

import struct

from store.index.minute import OutdatedError
from store.index.summary import checksum_of

__all__ = ["seal", "unseal"]

_OWNER = struct.Struct("<I")
_HEADER = struct.Struct("<II")
"""The header of sealed bytes: checksum of the rest, checksum of what they belong to."""


def seal(data: bytes, owner: int) -> bytes:
    """Seal *data*, which belongs to what has the checksum *owner*."""
    rest = _OWNER.pack(owner) + data
    return checksum_of(rest).to_bytes(_HEADER.size - _OWNER.size, "little") + rest


def unseal(sealed: bytes, owner: int) -> bytes:
    """Return the data that was *sealed*, and belongs to what has the checksum *owner*.

    Raises:
        OutdatedError: if it belongs to something else.
        ValueError: if it is corrupt; or another one of ``CORRUPT``.
    """
    checksum, found = _HEADER.unpack_from(sealed)
    if checksum_of(sealed[_HEADER.size - _OWNER.size :]) != checksum:
        raise ValueError("bytes whose checksum is wrong")
    if found != owner:
        raise OutdatedError("worked out from something else")
    return sealed[_HEADER.size :]

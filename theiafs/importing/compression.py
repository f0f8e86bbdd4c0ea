"""Compression: reading a file whether it is compressed or not. The first bytes of the file say how, not its name.

gzip, bzip2, xz and zstd are read, also several archives one after the other, as ``cat a.gz b.gz`` and the parallel compressors write
them, and with zeros at the end, as tapes have them.
"""

import bz2
import lzma
import sys
import zlib
from collections.abc import Callable, Iterator
from typing import Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

__all__ = ["DamagedArchive", "decompress"]

_READ_SIZE = 1 << 18
"""How much of an archive is read at once, in bytes."""
_MAGIC_SIZE = 6
_GZIP = 16 + zlib.MAX_WBITS


class DamagedArchive(Exception):
    """An archive that cannot be read to its end; the message says why."""


class _Decompressor(Protocol):
    """A decompressor of one archive, as in the standard library."""

    @property
    def eof(self) -> bool:
        """Whether the end of the archive was reached."""

    @property
    def needs_input(self) -> bool:
        """Whether the next call needs more data."""

    @property
    def unused_data(self) -> bytes:
        """The data after the end of the archive."""

    def decompress(self, data: bytes, max_length: int) -> bytes:
        """Decompress *data* and what is left of the data before, to at most *max_length* bytes."""


class _Gzip:
    """A decompressor of gzip, which the standard library has with another interface."""

    def __init__(self) -> None:
        self._archive = zlib.decompressobj(_GZIP)

    @property
    def eof(self) -> bool:
        return self._archive.eof

    @property
    def needs_input(self) -> bool:
        return not self._archive.unconsumed_tail

    @property
    def unused_data(self) -> bytes:
        return self._archive.unused_data

    def decompress(self, data: bytes, max_length: int) -> bytes:
        return self._archive.decompress(self._archive.unconsumed_tail + data, max_length)


_Opener = Callable[[], _Decompressor]
_ARCHIVES: tuple[tuple[bytes, str, _Opener], ...] = (
    (b"\x1f\x8b\x08", "gzip", _Gzip),
    (b"BZh", "bzip2", bz2.BZ2Decompressor),
    (b"\xfd7zXZ\0", "xz", lambda: lzma.LZMADecompressor(lzma.FORMAT_XZ)),
    (b"\x28\xb5\x2f\xfd", "zstd", zstd.ZstdDecompressor),
    # Parallel compressors begin with a frame of their own, which has no contents.
    *(
        (bytes((first,)) + b"\x2a\x4d\x18", "zstd", zstd.ZstdDecompressor)
        for first in range(0x50, 0x60)
    ),
)
"""What archives begin with, how each kind is called, and what decompresses it."""


def decompress(read: Callable[[int], bytes], size: int) -> Iterator[bytes]:
    """Yield the bytes that *read* gives, decompressed if they are compressed, in pieces of at most *size* bytes.

    Raises:
        DamagedArchive: after all that could be decompressed.
    """
    data = read(max(size, _MAGIC_SIZE))
    found = _find_archive(data)
    if found is None:
        while data:
            yield data
            data = read(size)
        return
    name, opener = found
    while data:
        decompressor = opener()
        yield from _decompress_one(name, decompressor, data, read, size)
        data = _next_archive(decompressor.unused_data, read)
        if data and _find_archive(data) != found:
            raise DamagedArchive(f"there is something else after the end of the {name} archive")


def _find_archive(data: bytes) -> tuple[str, _Opener] | None:
    """Return the kind of archive that *data* begins, and what decompresses it."""
    return next(
        ((name, opener) for magic, name, opener in _ARCHIVES if data.startswith(magic)), None
    )


def _decompress_one(
    name: str,
    decompressor: _Decompressor,
    data: bytes,
    read: Callable[[int], bytes],
    size: int,
) -> Iterator[bytes]:
    """Yield the contents of the archive that *data* begins and *read* continues, of the kind *name*."""
    while not decompressor.eof:
        try:
            piece = decompressor.decompress(data, size)
        except (OSError, EOFError, ValueError, zlib.error, lzma.LZMAError, zstd.ZstdError) as error:
            raise DamagedArchive(f"the {name} archive is damaged: {error}") from error
        if piece:
            yield piece
        data = b""
        # Some of the output may be left inside although all of the input was taken: until there is none, ask again.
        if not piece and decompressor.needs_input and not decompressor.eof:
            data = read(_READ_SIZE)
            if not data:
                raise DamagedArchive(f"the {name} archive is cut short")


def _next_archive(data: bytes, read: Callable[[int], bytes]) -> bytes:
    """Return the data after the zeros that *data* and then *read* begin with, at least as much as tells an archive."""
    data = data.lstrip(b"\0")
    while len(data) < _MAGIC_SIZE:
        more = read(_READ_SIZE)
        if not more:
            break
        data = (data + more).lstrip(b"\0")
    return data

"""Ids that follow from events: those of imported lines, so that importing a line again gives the same id.

Such an id is a UUIDv8 (RFC 9562, section 5.8). It begins with the milliseconds of the time, as a UUIDv7 does, so that an event is
found by its id without an index. All other bits are a hash of the time, the source and the tags, the content, and the place among
equal events.

The hash is XXH3, whose 128 bits of each content are mixed with those of the rest for a whole block of lines. It need not withstand an
attacker: two lines whose hashes are equal are taken for equal ones, which have different places, and so different ids.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
from xxhash import xxh3_128_digest

from theiafs.importing.places import Places

__all__ = ["ID_SIZE", "ContentIds", "Words", "digests_of"]

ID_SIZE = 36
"""The size of an id, in bytes."""

Words = npt.NDArray[np.uint64]

_TICKS_PER_MS = 10_000
_VERSION_8 = np.uint64(0x8000)
_RANDOM_A_MAX = np.uint64(0x0FFF)
_VARIANT = np.uint64(1 << 63)
_RANDOM_B_MAX = np.uint64((1 << 62) - 1)
_MILLISECONDS_MAX = np.uint64((1 << 48) - 1)

_HEXADECIMAL = np.frombuffer(b"".join(b"%02x" % byte for byte in range(256)), np.uint16)
"""The two digits of each byte."""
_DASHES = (8, 13, 18, 23)
_DIGITS = np.array([place for place in range(ID_SIZE) if place not in _DASHES])
"""Where the digits of an id stand in its text."""


class ContentIds:
    """The ids of the events of one import, which differ also for equal events."""

    def __init__(self) -> None:
        self._places = Places()

    def of(
        self,
        digests: Words,
        ticks: npt.NDArray[np.int64],
        streams: npt.NDArray[np.intp],
        keys: Sequence[bytes],
    ) -> npt.NDArray[np.bytes_]:
        """Return the ids of the next events.

        Args:
            digests: the hashes of their contents, see :func:`digests_of`.
            ticks: their times, in ticks since the epoch.
            streams: for each of them, the index of its stream in *keys*.
            keys: stream keys, see :func:`store.format.record.encode_key`.
        """
        times = ticks.astype(np.uint64)
        first, second = _mixed(digests, digests_of(keys)[:, streams], times)
        places = self._places.count(first, ticks).astype(np.uint64)
        first = _scramble(first + places)
        milliseconds = (times // np.uint64(_TICKS_PER_MS)) & _MILLISECONDS_MAX
        high = milliseconds << np.uint64(16) | _VERSION_8 | second & _RANDOM_A_MAX
        return _texts(high, _VARIANT | first & _RANDOM_B_MAX)


def digests_of(texts: Sequence[bytes]) -> Words:
    """Return the hash of each of *texts*, in two words: a row for the first, and one for the second."""
    joined = b"".join(map(xxh3_128_digest, texts))
    return np.frombuffer(joined, ">u8").astype(np.uint64).reshape(-1, 2).T


def _mixed(contents: Words, keys: Words, times: Words) -> tuple[Words, Words]:
    """Return two words that depend on all bits of the hashes of contents and of stream keys, and of times."""
    first = _scramble(_scramble(contents[0] ^ _scramble(times)) ^ keys[0])
    return first, _scramble(_scramble(contents[1] ^ first) ^ keys[1])


def _scramble(words: Words) -> Words:
    """Return *words* with their bits mixed, each word in another way (the last step of SplitMix64)."""
    words = words + np.uint64(0x9E3779B97F4A7C15)
    words = (words ^ words >> np.uint64(30)) * np.uint64(0xBF58476D1CE4E5B9)
    words = (words ^ words >> np.uint64(27)) * np.uint64(0x94D049BB133111EB)
    return words ^ words >> np.uint64(31)


def _texts(high: Words, low: Words) -> npt.NDArray[np.bytes_]:
    """Return the texts of UUIDs whose first half is *high*, and whose second half is *low*."""
    numbers = np.stack((high, low), axis=1).astype(">u8").view(np.uint8)
    texts = np.full((len(high), ID_SIZE), ord("-"), np.uint8)
    texts[:, _DIGITS] = _HEXADECIMAL[numbers].view(np.uint8)
    return texts.view(f"S{ID_SIZE}").ravel()

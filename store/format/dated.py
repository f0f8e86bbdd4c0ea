"""Encoding lines that have times and streams of their own: many at once."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from store.errors import InvalidEvent
from store.format.record import CLOSING, preamble
from store.ticks import TICKS_MAX, TICKS_PER_S, in_decimal

__all__ = ["encode_dated", "encode_identified"]

_TIME_LINE, _SOURCE_LINE = b"\ntimestamp: ", b"\nsource:"
_NUMBERS = [b"%03x" % number + _TIME_LINE for number in range(16**3)]
"""The last digits of ids, and what follows an id."""

_SIZE_BITS = 32
"""More than the size of a content has."""

_COMMON_S = range(10**9, 10**10)
"""The seconds that have ten digits: from 2001 to 2286."""

_TEXT = np.dtype([("seconds", "S11"), ("first", "S3"), ("last", "S4")])
"""A time in that range: seconds and a point, and seven decimals."""

_FIRST = np.array([b"%03d" % number for number in range(10**3)])
_LAST = np.array([b"%04d" % number for number in range(10**4)])


def encode_dated(
    id_stem: str,
    ticks: npt.NDArray[np.int64],
    streams: Sequence[int],
    keys: Sequence[bytes],
    contents: Sequence[bytes],
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Encode events as records in UTF-8.

    Args:
        id_stem: the start of the ids; three hexadecimal digits that count up from zero follow.
        ticks: the time of each event, in ticks since the epoch.
        streams: the index of its stream in *keys*.
        keys: stream keys, see :func:`store.format.record.stream_key`.
        contents: its content; at least one, and at most as many as three digits count.

    Returns:
        The records, and the size of each in bytes.

    Raises:
        InvalidEvent: if a time cannot be stored.
    """
    endings = _NUMBERS[: len(contents)]
    return _encode(id_stem.encode(), endings, ticks, streams, keys, contents)


def encode_identified(
    ids: npt.NDArray[np.bytes_],
    ticks: npt.NDArray[np.int64],
    streams: Sequence[int],
    keys: Sequence[bytes],
    contents: Sequence[bytes],
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Encode events as records in UTF-8, as :func:`encode_dated` does, but with the ids *ids*, which are equally long.

    Raises:
        InvalidEvent: if a time cannot be stored.
    """
    endings = np.char.add(ids, _TIME_LINE).tolist()
    return _encode(b"", endings, ticks, streams, keys, contents)


def _encode(
    id_stem: bytes,
    id_endings: Sequence[bytes],
    ticks: npt.NDArray[np.int64],
    streams: Sequence[int],
    keys: Sequence[bytes],
    contents: Sequence[bytes],
) -> tuple[bytes, npt.NDArray[np.int64]]:
    """Encode events whose ids are *id_stem* and one of *id_endings*, which are equally long and include what follows an id."""
    times = _time_texts(ticks)
    stem = b"id:" + id_stem
    tails = [_SOURCE_LINE + key + b"\n" for key in keys]
    around = np.array([len(stem) + len(id_endings[0]) + len(tail) for tail in tails], np.int64)
    header_sizes = around[streams] + _sizes(times)
    content_sizes = _sizes(contents)
    # Each record but the first begins with the ending of the one before it: one piece less for each to join.
    ending = b"\n" + CLOSING
    both, places = np.unique(header_sizes << _SIZE_BITS | content_sizes, return_inverse=True)
    openings = [
        preamble(each >> _SIZE_BITS, each & (1 << _SIZE_BITS) - 1) for each in both.tolist()
    ]
    before = [ending + each + stem for each in openings]
    pieces = [b""] * (5 * len(contents))
    pieces[0::5] = map(before.__getitem__, places.tolist())
    pieces[1::5] = id_endings
    pieces[2::5] = times
    pieces[3::5] = map(tails.__getitem__, streams)
    pieces[4::5] = contents
    pieces[0] = pieces[0].removeprefix(ending)
    pieces.append(ending)
    sizes = _sizes(openings)[places] + header_sizes + content_sizes + len(ending)
    return b"".join(pieces), sizes


def _sizes(texts: Sequence[bytes]) -> npt.NDArray[np.int64]:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _time_texts(ticks: npt.NDArray[np.int64]) -> list[bytes]:
    """Return each of *ticks* in seconds with seven decimals, as :func:`store.ticks.in_decimal` does."""
    if not len(ticks):
        return []
    if ticks.min() < 0 or ticks.max() > TICKS_MAX:
        raise InvalidEvent(f"a time that cannot be stored: {int(ticks[np.argmax(np.abs(ticks))])}")
    seconds, decimals = np.divmod(ticks, TICKS_PER_S)
    if int(seconds.min()) not in _COMMON_S or int(seconds.max()) not in _COMMON_S:
        return [in_decimal(each).encode() for each in ticks.tolist()]
    distinct, places = np.unique(seconds, return_inverse=True)
    texts = np.empty(len(ticks), _TEXT)
    texts["seconds"] = np.array([b"%d." % second for second in distinct.tolist()])[places]
    first, last = np.divmod(decimals, len(_LAST))
    texts["first"], texts["last"] = _FIRST[first], _LAST[last]
    return texts.view(f"S{_TEXT.itemsize}").tolist()

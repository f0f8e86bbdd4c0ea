"""Encoding events that have times and streams of their own: many at once."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from store.errors import InvalidEvent
from store.format.block import RecordBlock
from store.format.record import CLOSING, preamble
from store.format.text import numerals
from store.ticks import TICKS_MAX, TICKS_PER_S, in_decimal

__all__ = ["encode_dated", "encode_identified", "encode_rekeyed"]

Integers = npt.NDArray[np.int64]

_ID_LINE, _TIME_LINE, _SOURCE_LINE = b"id:", b"\ntimestamp: ", b"\nsource:"
_LINE = f"S{len(_TIME_LINE)}"
_ENDING = b"\n" + CLOSING
_NUMBERS = np.array([b"%03x" % number for number in range(16**3)])
"""The last digits of ids."""

_SIZE_BITS = 32
"""More than the size of a content has."""
_OPENINGS_KEPT = 1 << 14
"""Number of openings that are kept: most lines have one of few sizes."""

_COMMON = range(10**9 * TICKS_PER_S, 10**10 * TICKS_PER_S)
"""The times whose seconds have ten digits: from 2001 to 2286."""

_FOURS = 10**4
_TWO_DIGITS = np.array([b"%02d" % number for number in range(10**2)])
_THREE_DIGITS = np.array([b".%03d" % number for number in range(10**3)]).view(np.uint32)
"""After the point. As numbers, texts are copied several times as fast."""
_FOUR_DIGITS = numerals(4).view(np.uint32)
_TIME = np.dtype([("two", "S2"), ("six", "u4"), ("ten", "u4"), ("three", "u4"), ("seven", "u4")])
"""The digits of a time up to the second, sixth and tenth before the point, and the third and seventh after it."""


def encode_dated(
    id_stem: str,
    ticks: Integers,
    streams: npt.NDArray[np.intp],
    keys: Sequence[bytes],
    contents: Sequence[bytes],
) -> tuple[bytes, Integers]:
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
    numbers = _NUMBERS[: len(contents)]
    return _encode(_header_starts(id_stem.encode(), numbers, ticks), streams, keys, contents)


def encode_identified(
    ids: npt.NDArray[np.bytes_],
    ticks: Integers,
    streams: npt.NDArray[np.intp],
    keys: Sequence[bytes],
    contents: Sequence[bytes],
) -> tuple[bytes, Integers]:
    """Encode events as records in UTF-8, as :func:`encode_dated` does, but with the ids *ids*, which are equally long.

    Raises:
        InvalidEvent: if a time cannot be stored.
    """
    return _encode(_header_starts(b"", ids, ticks), streams, keys, contents)


def encode_rekeyed(
    block: bytes, records: RecordBlock, streams: npt.NDArray[np.intp], keys: Sequence[bytes]
) -> tuple[bytes, Integers]:
    """Encode *records*, which stand in *block*, with the stream keys in *keys* that *streams* says by number."""
    header_starts = (records.id_starts - len(_ID_LINE)).tolist()
    content_starts = records.content_starts.tolist()
    content_ends = (records.ends - records.closed - 1).tolist()
    time_ends = records.content_starts - _sizes(records.keys) - len(_SOURCE_LINE + b"\n")
    starts = [
        block[first:last] for first, last in zip(header_starts, time_ends.tolist(), strict=True)
    ]
    contents = [block[first:last] for first, last in zip(content_starts, content_ends, strict=True)]
    return _encode(starts, streams, keys, contents)


def _encode(
    starts: Sequence[bytes],
    streams: npt.NDArray[np.intp],
    keys: Sequence[bytes],
    contents: Sequence[bytes],
) -> tuple[bytes, Integers]:
    """Encode events whose headers have *starts* up to their times."""
    rests = np.array([_SOURCE_LINE + key + b"\n" for key in keys], np.object_)
    header_sizes = _sizes(starts) + _sizes(rests)[streams]
    content_sizes = _sizes(contents)
    # Each record but the first begins with the ending of the one before it: one piece less for each to join.
    both, places = np.unique(header_sizes << _SIZE_BITS | content_sizes, return_inverse=True)
    openings = np.array(list(map(_opening, both.tolist())), np.object_)
    pieces = [b""] * (4 * len(contents))
    pieces[0::4] = openings[places].tolist()
    pieces[1::4] = starts
    pieces[2::4] = rests[streams].tolist()
    pieces[3::4] = contents
    pieces[0] = pieces[0].removeprefix(_ENDING)
    pieces.append(_ENDING)
    return b"".join(pieces), _sizes(openings)[places] + header_sizes + content_sizes


@lru_cache(_OPENINGS_KEPT)
def _opening(sizes: int) -> bytes:
    """Return the line that opens a record with a header and a content of *sizes*, after the ending of the record before it."""
    return _ENDING + preamble(sizes >> _SIZE_BITS, sizes & (1 << _SIZE_BITS) - 1)


def _sizes(texts: Sequence[bytes] | npt.NDArray[np.object_]) -> Integers:
    return np.fromiter(map(len, texts), np.int64, len(texts))


def _header_starts(stem: bytes, ids: npt.NDArray[np.bytes_], ticks: Integers) -> list[bytes]:
    """Return the starts of headers, up to their times, which are *ticks*; their ids are *stem* and one of *ids*."""
    first, last = int(ticks.min()), int(ticks.max())
    if first < 0 or last > TICKS_MAX:
        raise InvalidEvent(f"a time that cannot be stored: {first if first < 0 else last}")
    stem = _ID_LINE + stem
    if first not in _COMMON or last not in _COMMON:
        return [
            stem + each + _TIME_LINE + in_decimal(time).encode()
            for each, time in zip(ids.tolist(), ticks.tolist(), strict=True)
        ]
    seconds = ticks // TICKS_PER_S
    decimals = ticks - seconds * TICKS_PER_S
    most, more, middle = seconds // _FOURS**2, seconds // _FOURS, decimals // _FOURS
    columns = [("stem", f"S{len(stem)}"), ("id", ids.dtype), ("line", _LINE), ("time", _TIME)]
    texts = np.empty(len(ticks), columns)
    texts["stem"], texts["id"], texts["line"] = stem, ids, _TIME_LINE
    time = texts["time"]
    time["two"] = _TWO_DIGITS[most]
    time["six"] = _FOUR_DIGITS[more - most * _FOURS]
    time["ten"] = _FOUR_DIGITS[seconds - more * _FOURS]
    time["three"] = _THREE_DIGITS[middle]
    time["seven"] = _FOUR_DIGITS[decimals - middle * _FOURS]
    return texts.view(f"S{texts.itemsize}").tolist()

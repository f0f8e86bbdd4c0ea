"""Times as text: UTC, as in ISO 8601, always of the same width, so that they sort as text as they do as times.

Years after 9999 have more digits than that width allows: what is later is shown as the last tick of 9999.
"""

import numpy as np
import numpy.typing as npt

from store import TICKS_PER_S

__all__ = ["SHOWN_TICKS_MAX", "time_text", "time_texts"]

Integers = npt.NDArray[np.int64]

_DAY_S = 24 * 60 * 60
_DAY_TICKS = _DAY_S * TICKS_PER_S
SHOWN_TICKS_MAX = int(np.datetime64("10000-01-01", "s").astype(np.int64)) * TICKS_PER_S - 1
"""The last tick of the year 9999."""


def _table(texts: list[str]) -> npt.NDArray[np.void]:
    return np.array([text.encode() for text in texts], f"V{len(texts[0])}")


_DATE_WIDTH = len("2026-11-23T")
_MINUTES = _table([f"{number // 60:02d}:{number % 60:02d}:" for number in range(24 * 60)])
_SECONDS = _table([f"{number:02d}." for number in range(60)])
_THOUSANDS = _table([f"{number:04d}" for number in range(10_000)])
_REST = {
    7: _table([f"{number:03d}" for number in range(1000)]),
    6: _table([f"{number // 10:02d}" for number in range(1000)]),
}
"""The last of the decimals, by how many there are in all: rounded down, as the time of day is."""


def time_texts(
    ticks: Integers, decimals: int, before: bytes = b"", after: bytes = b""
) -> npt.NDArray[np.void]:
    """Return times such as ``2026-11-23T10:15:00.123456Z``, all of the same width.

    Args:
        ticks: the times, in ticks since the epoch.
        decimals: number of decimals of the seconds, 6 or 7; further ones are cut off.
        before: text that stands before each.
        after: text that stands after each.
    """
    ticks = np.minimum(ticks, SHOWN_TICKS_MAX)
    seconds = ticks // TICKS_PER_S
    fraction = (ticks - seconds * TICKS_PER_S).astype(np.int32)
    days = seconds // _DAY_S
    second = (seconds - days * _DAY_S).astype(np.int32)
    thousands = fraction // 1000
    minute = second // 60
    rest = _REST[decimals]
    pieces = {
        "before": np.void(before) if before else None,
        "date": _dates(days),
        "minute": _MINUTES[minute],
        "second": _SECONDS[second - 60 * minute],
        "thousands": _THOUSANDS[thousands],
        "rest": rest[fraction - 1000 * thousands],
        "after": np.void(b"Z" + after),
    }
    used = {name: piece for name, piece in pieces.items() if piece is not None}
    texts = np.empty(len(ticks), np.dtype([(name, piece.dtype) for name, piece in used.items()]))
    for name, piece in used.items():
        texts[name] = piece
    return texts.view(f"V{texts.itemsize}")


def time_text(ticks: int, decimals: int = 6) -> bytes:
    """Return the time *ticks* since the epoch as text, with 6 or 7 *decimals* of the seconds."""
    return bytes(time_texts(np.array([ticks], np.int64), decimals)[0])


def _dates(days: Integers) -> npt.NDArray[np.void]:
    """Return the dates of *days* since the epoch, with the letter that the time of day follows."""
    # One day, as a rule: sorting all would cost more than the rest.
    distinct, which = days[:1], np.zeros(len(days), np.int64)
    if len(days) and (days != days[0]).any():
        distinct, which = np.unique(days, return_inverse=True)
    texts = np.datetime_as_string(distinct.astype("datetime64[D]"))
    return np.array([text.encode() + b"T" for text in texts.tolist()], f"V{_DATE_WIDTH}")[which]

"""Times as text: UTC, as in ISO 8601, always of the same width, so that they sort as text as they do as times.

Years after 9999 have more digits than that width allows: what is later is shown as the last tick of 9999.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import TICKS_PER_S
from store.format.text import numerals

__all__ = ["SHOWN_TICKS_MAX", "Times", "time_text"]

Integers = npt.NDArray[np.int64]

_EPOCH = datetime(1970, 1, 1)
_DAY_S = 24 * 60 * 60
SHOWN_TICKS_MAX = int(np.datetime64("10000-01-01", "s").astype(np.int64)) * TICKS_PER_S - 1
"""The last tick of the year 9999."""


def _table(texts: list[str]) -> npt.NDArray[np.void]:
    return np.array([text.encode() for text in texts], f"V{len(texts[0])}")


_DATE_WIDTH = len("2026-11-23T")
_MINUTES = _table([f"{number // 60:02d}:{number % 60:02d}:" for number in range(24 * 60)])
_SECONDS = _table([f"{number:02d}." for number in range(60)])
_THOUSANDS, _REST = numerals(4), numerals(3)
_DECIMALS = 7


class Times(NamedTuple):
    """Times in columns.

    Attributes:
        seconds: whole seconds since the epoch.
        decimals: the seven decimals of each, as text.
    """

    seconds: Integers
    decimals: npt.NDArray[np.void]

    @classmethod
    def at(cls, ticks: Integers) -> "Times":
        """Return the times *ticks* since the epoch."""
        ticks = np.minimum(ticks, SHOWN_TICKS_MAX)
        seconds = ticks // TICKS_PER_S
        fraction = (ticks - seconds * TICKS_PER_S).astype(np.int32)
        thousands = fraction // 1000
        pieces = [_THOUSANDS[thousands], _REST[fraction - 1000 * thousands]]
        return cls(seconds, _joined(len(ticks), pieces))

    def texts(self, decimals: int, before: bytes = b"", after: bytes = b"") -> npt.NDArray[np.void]:
        """Return times such as ``2026-11-23T10:15:00.123456Z``, all of the same width.

        Args:
            decimals: number of decimals of the seconds; further ones are cut off.
            before: text that stands before each.
            after: text that stands after each.
        """
        count = len(self.seconds)
        # The second changes rarely: the text of each is made once.
        firsts = np.concatenate(([0], np.flatnonzero(np.diff(self.seconds)) + 1))[:count]
        seconds = np.repeat(
            _second_texts(self.seconds[firsts], before), np.diff(firsts, append=count)
        )
        shown = np.dtype({"names": ["first"], "formats": [f"V{decimals}"], "itemsize": _DECIMALS})
        return _joined(count, [seconds, self.decimals.view(shown)["first"], np.void(b"Z" + after)])


def time_text(ticks: int, decimals: int = 6) -> bytes:
    """Return the time *ticks* since the epoch as text, with 6 or 7 *decimals* of the seconds."""
    second, fraction = divmod(min(ticks, SHOWN_TICKS_MAX), TICKS_PER_S)
    moment = _EPOCH + timedelta(seconds=second)
    return f"{moment.isoformat()}.{f'{fraction:07d}'[:decimals]}Z".encode()


def _joined(count: int, pieces: Sequence[npt.NDArray[np.void] | np.void]) -> npt.NDArray[np.void]:
    """Join *pieces* of *count* texts, each of them of one width, from left to right."""
    texts = np.empty(count, [(f"{place}", piece.dtype) for place, piece in enumerate(pieces)])
    for name, piece in zip(texts.dtype.names or (), pieces, strict=True):
        texts[name] = piece
    return texts.view(f"V{texts.itemsize}")


def _second_texts(seconds: Integers, before: bytes) -> npt.NDArray[np.void]:
    """Return the times *seconds* since the epoch up to the point before their decimals, *before* before each."""
    days = seconds // _DAY_S
    second = seconds - days * _DAY_S
    minute = second // 60
    pieces = [_dates(days, before), _MINUTES[minute], _SECONDS[second - 60 * minute]]
    return _joined(len(seconds), pieces)


def _dates(days: Integers, before: bytes) -> npt.NDArray[np.void]:
    """Return the dates of *days* since the epoch, *before* before each and the letter that the time of day follows after it."""
    # One day, as a rule: sorting all would cost more than the rest.
    distinct, which = days[:1], np.zeros(len(days), np.int64)
    if (days != distinct).any():
        distinct, which = np.unique(days, return_inverse=True)
    texts = np.datetime_as_string(distinct.astype("datetime64[D]"))
    dates = [before + text.encode() + b"T" for text in texts.tolist()]
    return np.array(dates, f"V{len(before) + _DATE_WIDTH}")[which]

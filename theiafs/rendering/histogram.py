"""Histograms: how many events there are in each bucket of time, as text.

Each line has the start of a bucket, the number of its events, and a bar. Buckets are as wide as a person would choose, and
start where a person would: at whole minutes, hours, days, Mondays, months or years, in UTC.
"""

import numpy as np
import numpy.typing as npt

from store import TICKS_PER_S

__all__ = ["COLUMNS_MAX", "ROWS_MAX", "Histogram"]

Integers = npt.NDArray[np.int64]

ROWS_MAX = 60
COLUMNS_MAX = 80

_MINUTE_S, _HOUR_S, _DAY_S = 60, 60 * 60, 24 * 60 * 60
_WEEK_S = 7 * _DAY_S
_FIRST_MONDAY_S = 4 * _DAY_S
"""The first Monday after the epoch, in seconds."""

_WIDTHS_S = (
    *(1, 2, 5, 10, 15, 30),
    *(minutes * _MINUTE_S for minutes in (1, 2, 5, 10, 15, 30)),
    *(hours * _HOUR_S for hours in (1, 2, 3, 6, 12)),
    _DAY_S,
    _WEEK_S,
)
_WIDTHS_MONTHS = (1, 3, *(12 * years for years in (1, 2, 5, 10, 20, 50, 100, 200, 500, 1000)))

_EPOCH_MONTHS = 1970 * 12
"""The months before the epoch, from a year 0, so that years start where their numbers are round."""

_EIGHTHS = " ▏▎▍▌▋▊▉"
_FULL = "█"


class Histogram:
    """Numbers of events in buckets of time, of which there are at most ``ROWS_MAX``.

    Attributes:
        starts: when each bucket starts, in ticks since the epoch; it ends where the next starts.
        counts: the number of events in each.
    """

    def __init__(self, first: int, last: int) -> None:
        """Choose buckets.

        Args:
            first: time of the oldest event, in ticks since the epoch.
            last: time of the newest event.
        """
        self._first, self._last = first, last
        self._has_seconds, self.starts = _choose_buckets(first, last)
        self.counts = np.zeros(len(self.starts), np.int64)

    def add(self, ticks: Integers, counts: Integers) -> None:
        """Count *counts* events at each of *ticks*; those that are older than the oldest or newer than the newest are left out."""
        is_within = (ticks >= self._first) & (ticks <= self._last)
        buckets = np.searchsorted(self.starts, ticks[is_within], side="right") - 1
        np.add.at(self.counts, buckets, counts[is_within])

    def render(self) -> bytes:
        """Return a line for each bucket, at most ``COLUMNS_MAX`` columns wide."""
        seconds = (self.starts // TICKS_PER_S).astype("datetime64[s]")
        texts = np.datetime_as_string(seconds, unit="s" if self._has_seconds else "m")
        labels = [f"{text}Z" for text in texts.tolist()]
        most = int(self.counts.max())
        count_width = len(str(most))
        bar_width = COLUMNS_MAX - max(map(len, labels)) - count_width - 2
        lines = []
        for label, count in zip(labels, self.counts.tolist(), strict=True):
            bar = _bar(8 * bar_width * count // most if most else 0, is_empty=not count)
            lines.append(f"{label} {count:{count_width}} {bar}".rstrip() + "\n")
        return "".join(lines).encode()


def _bar(eighths: int, *, is_empty: bool) -> str:
    """Return a bar of *eighths* of a column, at least one of them unless it *is_empty*."""
    if is_empty:
        return ""
    whole, rest = divmod(max(eighths, 1), 8)
    return _FULL * whole + _EIGHTHS[rest].strip()


def _choose_buckets(first: int, last: int) -> tuple[bool, Integers]:
    """Return whether buckets from *first* to *last* start between whole minutes, and when each starts, in ticks."""
    first_s, last_s = first // TICKS_PER_S, last // TICKS_PER_S
    for width in _WIDTHS_S:
        origin = _FIRST_MONDAY_S if width == _WEEK_S else 0
        low, high = (first_s - origin) // width, (last_s - origin) // width
        if high - low < ROWS_MAX:
            starts = (np.arange(low, high + 1) * width + origin) * TICKS_PER_S
            return width < _MINUTE_S, starts
    bounds = np.array([first_s, last_s], "datetime64[s]").astype("datetime64[M]").astype(np.int64)
    first_month, last_month = (bounds + _EPOCH_MONTHS).tolist()
    width = next(
        width for width in _WIDTHS_MONTHS if last_month // width - first_month // width < ROWS_MAX
    )
    months = np.arange(first_month // width, last_month // width + 1) * width - _EPOCH_MONTHS
    seconds = months.astype("datetime64[M]").astype("datetime64[s]").astype(np.int64)
    return False, seconds * TICKS_PER_S

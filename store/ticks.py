"""Ticks: times as whole numbers of 100 ns since the epoch, which is the resolution of seven decimals of a second."""

import math
import time
from decimal import Decimal

from store.errors import InvalidEvent

__all__ = [
    "TICKS_MAX",
    "TICKS_PER_S",
    "bound_in_ticks",
    "in_decimal",
    "in_seconds",
    "in_ticks",
    "utc",
]

TICKS_PER_S = 10**7

TICKS_MAX = (1 << 63) - 1
"""The latest time, in the year 31,197: an event beyond it is refused, because columns of times are int64."""


def in_ticks(seconds: float | Decimal) -> int:
    """Round *seconds* since the epoch to the nearest tick.

    Raises:
        InvalidEvent: if they are not a number, negative, or beyond ``TICKS_MAX``.
    """
    ticks = _rounded(seconds) if 0 <= seconds < float("inf") else -1
    if not 0 <= ticks <= TICKS_MAX:
        raise InvalidEvent(
            f"timestamp {seconds}: must be from 0 to {TICKS_MAX // TICKS_PER_S} seconds"
        )
    return ticks


def bound_in_ticks(seconds: float) -> int:
    """Round a bound of a search, in *seconds* since the epoch, to the nearest tick, at most ``TICKS_MAX``.

    A bound before the epoch is -1, so that a search which ends there finds nothing.
    """
    if math.isnan(seconds):
        return 0
    if seconds < 0:
        return -1
    if seconds >= TICKS_MAX / TICKS_PER_S:
        return TICKS_MAX
    return min(_rounded(seconds), TICKS_MAX)


def in_seconds(ticks: int) -> float:
    """Return the float nearest to *ticks*, in seconds since the epoch."""
    return ticks / TICKS_PER_S


def in_decimal(ticks: int) -> str:
    """Return *ticks* as seconds since the epoch, exactly, with seven decimals."""
    whole, decimals = divmod(ticks, TICKS_PER_S)
    return f"{whole}.{decimals:07d}"


def utc(seconds: float) -> str:
    """Return the time *seconds* since the epoch in UTC, to the second, like ``2026-11-23T10:15:00Z``."""
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _rounded(seconds: float | Decimal) -> int:
    # In whole numbers: a product of floats would round a second time.
    numerator, denominator = seconds.as_integer_ratio()
    return (2 * numerator * TICKS_PER_S + denominator) // (2 * denominator)

"""A clock that can be moved while programs use it, and the moves across all that clocks cross."""

import bisect
import itertools
import mmap
import time
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple
from zoneinfo import ZoneInfo

__all__ = ["STEPS_MAX", "ZONE", "Move", "MovedClock", "moves"]

ZONE = ZoneInfo("Europe/Berlin")
"""It has summer time."""

STEPS_MAX = 1400
"""Steps of a clock, at most: they take it to the year 2259, and nanoseconds in 64 bits end in 2262."""

_SIZE = 8 * (1 + 2 * STEPS_MAX)
_FIRST_YEAR = 2026
_BACK_S = 90
_NS_PER_S = 10**9


class MovedClock:
    """The clock of the system, moved in steps. All programs that share its file see each step at once.

    The file has the number of steps, and for each when it was made, by the clock of the system, and by how much the moved clock is
    ahead from then on, in nanoseconds.
    """

    def __init__(self, path: Path) -> None:
        if not path.exists():
            path.write_bytes(bytes(_SIZE))
        with open(path, "r+b") as file:
            self._numbers = memoryview(mmap.mmap(file.fileno(), _SIZE)).cast("q")

    def move(self, time_s: float) -> None:
        """Set the clock to *time_s*, in seconds since the epoch."""
        steps = self._numbers[0]
        now_ns = time.clock_gettime_ns(time.CLOCK_REALTIME)
        self._numbers[1 + 2 * steps] = now_ns
        self._numbers[2 + 2 * steps] = round(time_s * _NS_PER_S) - now_ns
        self._numbers[0] = steps + 1  # last: others read the two before then

    def now_ns(self) -> int:
        """Return the time, in nanoseconds since the epoch."""
        # Not time.time_ns, which shows the moved clock in some processes.
        return time.clock_gettime_ns(time.CLOCK_REALTIME) + self._ahead_ns(self._numbers[0])

    def shown_ns(self, system_ns: int) -> int:
        """Return the time that the clock showed when that of the system showed *system_ns*; so a file's times are moved."""
        steps = self._numbers[0]
        made_ns = self._numbers[1 : 1 + 2 * steps : 2]
        return system_ns + self._ahead_ns(max(1, bisect.bisect_right(made_ns, system_ns)))

    def system_ns(self, now_ns: int) -> int:
        """Return the time of the system's clock at *now_ns*, which is since the last step."""
        return now_ns - self._ahead_ns(self._numbers[0])

    def _ahead_ns(self, steps: int) -> int:
        """Return by how much the clock was ahead after this many *steps*."""
        return self._numbers[2 * steps] if steps else 0


class Move(NamedTuple):
    """A boundary that the clock is moved across.

    Attributes:
        time_s: the boundary, in seconds since the epoch.
        what: what ends there.
    """

    time_s: float
    what: str


def moves() -> Iterator[Move]:
    """Yield boundaries without end: each is later than all before it, but for those after which the clock goes back."""
    for year in itertools.count(_FIRST_YEAR):
        yield _move("minute", datetime(year, 1, 31, 12, 1, tzinfo=ZONE))
        yield _move("summer time", _last_sunday(year, 3))
        day = _move("day", datetime(year, 6, 1, tzinfo=ZONE))
        yield day
        yield Move(day.time_s - _BACK_S, "back")
        yield _move("summer time", _last_sunday(year, 10))
        yield _move("year", datetime(year + 1, 1, 1, tzinfo=ZONE))


def _move(what: str, boundary: datetime) -> Move:
    return Move(boundary.timestamp(), what)


def _last_sunday(year: int, month: int) -> datetime:
    """Return the moment at which summer time begins or ends in *month*: at one o'clock in UTC on its last Sunday."""
    last = datetime(year, month, 31, 1, tzinfo=UTC)
    return last - timedelta(days=last.isoweekday() % 7)

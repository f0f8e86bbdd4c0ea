"""The order of time: the minutes of a catalog by the whole seconds that they start and end at."""

import bisect
from array import array
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from store.query import MINUTE_S, Query
from store.ticks import TICKS_PER_S

__all__ = ["TimeOrder"]


class TimeOrder:
    """The ids of minutes in the order of their starts, and of their ends where those are equal."""

    def __init__(self) -> None:
        self._starts, self._ends, self._ids = array("q"), array("q"), array("q")
        # Files of other programs may span more than a minute. There are few, searched one by one.
        self._long: dict[int, tuple[int, int]] = {}
        # The last home found, and the range of seconds that belong there.
        self._home: tuple[int, int, tuple[int, int]] | None = None

    def __len__(self) -> int:
        return len(self._ids)

    @property
    def size(self) -> int:
        """The memory of the order, in bytes, about."""
        return sum(each.__sizeof__() for each in (self._starts, self._ends, self._ids))

    def fill(
        self, starts: NDArray[np.int64], ends: NDArray[np.int64], ids: NDArray[np.int64]
    ) -> None:
        """Fill an empty order with *ids* of minutes from *starts* to *ends*, which are in order."""
        self._starts, self._ends, self._ids = (
            array("q", column.astype(np.int64).tobytes()) for column in (starts, ends, ids)
        )
        is_long = ends - starts > MINUTE_S
        self._long = {
            minute: (start, end)
            for minute, start, end in zip(
                ids[is_long].tolist(), starts[is_long].tolist(), ends[is_long].tolist(), strict=True
            )
        }

    def add(self, minute: int, start: int, end: int) -> None:
        """Add *minute*, by id, from *start* to *end*."""
        position = self.position(start, end)
        self._starts.insert(position, start)
        self._ends.insert(position, end)
        self._ids.insert(position, minute)
        if end - start > MINUTE_S:
            self._long[minute] = (start, end)
        self._home = None

    def remove(self, minutes: Sequence[int], spans: Iterable[tuple[int, int]]) -> None:
        """Remove *minutes*, by id, with *spans*, all at once."""
        if len(minutes) == 1:
            [span] = spans
            position = self.position(*span)
            for column in (self._starts, self._ends, self._ids):
                del column[position]
        else:
            ids = np.frombuffer(self._ids, np.int64)
            kept = ~np.isin(ids, np.array(minutes, np.int64))
            self._starts, self._ends, self._ids = [
                array("q", np.frombuffer(column, np.int64)[kept].tobytes())
                for column in (self._starts, self._ends, self._ids)
            ]
        for minute in minutes:
            self._long.pop(minute, None)
        self._home = None

    def find(self, start: int, end: int) -> int | None:
        """Return the id of the minute from *start* to *end*; None when there is none."""
        position = self.position(start, end)
        if (
            position < len(self._ids)
            and self._starts[position] == start
            and self._ends[position] == end
        ):
            return self._ids[position]
        return None

    def find_home(self, ticks: int) -> tuple[int, int]:
        """Return the span of the minute for an event at *ticks*, which may not exist yet.

        A new minute starts at the whole second of the event and spans 60 s, or less if the next one starts earlier.
        """
        second = ticks // TICKS_PER_S
        if self._home is not None and self._home[0] <= second < self._home[1]:
            return self._home[2]
        after = bisect.bisect_right(self._starts, second)
        later = self._starts[after] if after < len(self._starts) else None
        found = self._find_holder(second, after)
        if found is None:
            end = second + MINUTE_S
            return second, end if later is None else min(end, later)
        until = found[1] if later is None else min(found[1], later)
        self._home = (second, until, found)
        return found

    def _find_holder(self, second: int, after: int) -> tuple[int, int] | None:
        """Return the span of the last minute before *after* that holds *second*."""
        found = max(
            (span for span in self._long.values() if span[0] <= second < span[1]), default=None
        )
        position = after - 1
        while position >= 0 and self._starts[position] > second - MINUTE_S:
            span = self._starts[position], self._ends[position]
            if span[1] > second:
                return span if found is None else max(found, span)
            position -= 1
        return found

    def ids(self, first: int = 0, last: int | None = None) -> NDArray[np.int64]:
        """Return the ids of the minutes from the position *first* to before *last*; all by default."""
        return np.array(self._ids[first:last], np.int64)

    def latest(self) -> int | None:
        """Return the id of the minute that starts last; None when there is none."""
        return self._ids[-1] if self._ids else None

    def around(self, query: Query) -> NDArray[np.int64]:
        """Return the ids of the minutes of at most a minute whose seconds may be in the time range of *query*."""
        # They are neighbours; one more second, because theia's files include their ends.
        first = bisect.bisect_left(self._starts, query.start // TICKS_PER_S - MINUTE_S - 1)
        last = bisect.bisect_right(self._starts, query.end // TICKS_PER_S)
        return np.array(self._ids[first:last], np.int64)

    @property
    def long(self) -> set[int]:
        """The ids of the minutes that span more than a minute."""
        return set(self._long)

    def position(self, start: int, end: int) -> int:
        """Return the index that the minute from *start* to *end* has, or would have."""
        first = bisect.bisect_left(self._starts, start)
        if first == len(self._starts) or self._starts[first] > start:
            return first
        last = bisect.bisect_right(self._starts, start, first)
        return bisect.bisect_left(self._ends, end, first, last)

"""The lines of an answer over several minutes: where they are, found out from the end that is nearer to what is read."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from store.answers.line_map import LineMap, LineRun
from store.answers.line_reader import contradiction
from store.answers.version import Version

__all__ = ["LineBase"]

_MINUTES_MIN, _MINUTES_MAX = 64, 4096
"""Number of minutes whose lines are added up at once: few at first, for tail reads a few lines of a year, and then more."""


class LineBase:
    """The lines of the bases of minutes, in the order of time, and after them those that have arrived.

    The sizes of minutes are asked for as they are needed, from either end of the bases: programs read a file from its start, or
    seek to its end and go on from there. Not safe for several threads: callers lock it.

    Args:
        version: the version at the opening.
        size: the size of all lines of the bases, in bytes.
        sizes_of: returns the sizes of the lines in the bases of some minutes, by their places in the version.
        on_contradiction: is called when these do not add up to *size*.
    """

    def __init__(
        self,
        version: Version,
        size: int,
        sizes_of: Callable[[slice], NDArray[np.int64]],
        on_contradiction: Callable[[], object],
    ) -> None:
        self._version = version
        self._base_size = size
        self._sizes_of = sizes_of
        self._on_contradiction = on_contradiction
        # Of the first minutes, and of the last ones, in pieces from the end back, each after where it starts.
        self._front = LineMap()
        self._back: list[tuple[int, LineMap]] = []
        self._seen, self._unseen = 0, len(version.minutes)
        self._at_once = _MINUTES_MIN
        self._arrived = LineMap()

    @property
    def size(self) -> int:
        """The bytes of all lines."""
        return self._base_size + self._arrived.size

    def append(self, minute: int, first: int, last: int, size: int) -> None:
        """Append the entries of *minute* from *first* to before *last*, whose lines have *size* bytes."""
        self._arrived.append(minute, first, last, size)

    def cut(self, offset: int, size: int) -> list[LineRun]:
        """Return the runs that have some of the *size* bytes at *offset*.

        Raises:
            EventReadException: if a minute is gone, or the sizes contradict each other.
        """
        end = min(offset + size, self._base_size)
        found = self._cut_base(offset, end) if offset < end else []
        rest = offset + size - self._base_size
        if rest > 0:
            start = max(offset - self._base_size, 0)
            found += _moved(self._arrived.cut(start, rest - start), self._base_size)
        return found

    def _cut_base(self, offset: int, end: int) -> list[LineRun]:
        while not (self._is_whole or self._is_in_front(end) or self._is_in_back(offset)):
            if offset - self._front.size <= self._back_start - end:
                self._extend_front()
            else:
                self._extend_back()
            if self._is_whole and self._front.size != self._back_start:
                self._on_contradiction()
        if self._is_whole and self._front.size != self._back_start:
            raise contradiction("their lines have another sum")
        found = []
        if offset < self._front.size:
            found += self._front.cut(offset, min(end, self._front.size) - offset)
        for start, lines in reversed(self._back):
            first, last = max(offset - start, 0), min(end - start, lines.size)
            if first < last:
                found += _moved(lines.cut(first, last - first), start)
        return found

    @property
    def _is_whole(self) -> bool:
        return self._seen >= self._unseen

    # Before the last byte is found, or the first, all sizes are known, and compared with their sum.

    def _is_in_front(self, end: int) -> bool:
        return end <= self._front.size and end < self._base_size

    def _is_in_back(self, offset: int) -> bool:
        return offset >= self._back_start and offset > 0

    @property
    def _back_start(self) -> int:
        return self._back[-1][0] if self._back else self._base_size

    def _extend_front(self) -> None:
        some = slice(self._seen, min(self._seen + self._take(), self._unseen))
        self._map(self._front, some)
        self._seen = some.stop

    def _extend_back(self) -> None:
        some = slice(max(self._unseen - self._take(), self._seen), self._unseen)
        lines = LineMap()
        self._map(lines, some)
        self._back.append((self._back_start - lines.size, lines))
        self._unseen = some.start

    def _take(self) -> int:
        """Return how many minutes to add up now, and twice as many the next time."""
        count, self._at_once = self._at_once, min(2 * self._at_once, _MINUTES_MAX)
        return count

    def _map(self, lines: LineMap, some: slice) -> None:
        version = self._version
        lines.extend(
            version.minutes[some],
            version.base_entries[some],
            version.inside[some],
            self._sizes_of(some),
        )


def _moved(runs: list[LineRun], offset: int) -> list[LineRun]:
    return [run._replace(start=run.start + offset) for run in runs]

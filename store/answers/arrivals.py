"""The arrival order of events."""

from array import array
from typing import NamedTuple

__all__ = ["Arrivals", "Run"]


class Run(NamedTuple):
    """Consecutive arrivals in one minute: entries from *first* to before *last*."""

    minute: int
    first: int
    last: int


class Arrivals:
    """The arrival order of entries since it was last folded into the bases of the minutes.

    A file over several minutes keeps this order, so that it only grows at its end, even when a late event belongs in an
    older minute. One thread at a time appends. Readers need no lock.

    Attributes:
        successor: the order that continues this one after it was folded; nothing arrives here then.
    """

    def __init__(self) -> None:
        # Columns rather than runs, because out-of-order events make one run each.
        self._minutes = array("Q")
        self._firsts = array("Q")
        self._lasts = array("Q")
        self.successor: Arrivals | None = None

    def __len__(self) -> int:
        return len(self._lasts)

    def append(self, minute: int, first: int, last: int) -> None:
        """Append the entries of *minute* from *first* to before *last*."""
        if self._minutes and self._minutes[-1] == minute and self._lasts[-1] == first:
            self._lasts[-1] = last
            return
        self._minutes.append(minute)
        self._firsts.append(first)
        self._lasts.append(last)

    def minutes(self) -> set[int]:
        """Return the ids of the minutes in which something arrived."""
        return set(self._minutes)

    def position(self) -> tuple[int, int]:
        """Return the current end, for :meth:`since`."""
        return (len(self._lasts) - 1, self._lasts[-1]) if self._lasts else (0, 0)

    def since(
        self, seen: tuple[int, int], until: tuple[int, int] | None = None
    ) -> tuple[list[Run], tuple[int, int]]:
        """Return the runs after *seen*, and the position to pass next time.

        Args:
            seen: a position; (0, 0) for the beginning.
            until: the position to stop at; None for the current end.
        """
        # The last column is appended to last, so all others have at least as many rows.
        lasts = self._lasts[seen[0] : None if until is None else until[0] + 1]
        if until is not None and until[1] and lasts:
            lasts[-1] = until[1]
        if not lasts or until == (0, 0):
            return [], seen
        firsts = self._firsts[seen[0] : seen[0] + len(lasts)]
        minutes = self._minutes[seen[0] : seen[0] + len(lasts)]
        if seen[1]:
            firsts[0] = seen[1]
        runs = [Run(*run) for run in zip(minutes, firsts, lasts, strict=True) if run[1] < run[2]]
        return runs, (seen[0] + len(lasts) - 1, lasts[-1])

"""The order in which events arrived."""

from array import array
from typing import NamedTuple

__all__ = ["Arrivals", "Run"]


class Run(NamedTuple):
    """Entries that arrived one after the other in one minute: from a first to before a last."""

    minute: int
    first: int
    last: int


class Arrivals:
    """The order in which the events of all minutes arrived since the store was opened.

    A file over several minutes keeps this order, so that it only ever grows at its end, even when an
    event arrives late and belongs in an older minute. What was there before counts as arrived in the order of
    the minutes; nothing of that is kept here.
    """

    def __init__(self) -> None:
        # Columns rather than runs, for a backlog that comes in out of order has one run per event.
        self._minutes = array("I")
        self._firsts = array("Q")
        self._lasts = array("Q")

    def note(self, minute: int, first: int, last: int) -> None:
        """Note that entries arrived, from a first to before a last, in the minute of this number."""
        if self._minutes and self._minutes[-1] == minute and self._lasts[-1] == first:
            self._lasts[-1] = last
            return
        self._minutes.append(minute)
        self._firsts.append(first)
        self._lasts.append(last)

    def position(self) -> tuple[int, int]:
        """What :meth:`since` returns to be passed the next time."""
        return (len(self._lasts) - 1, self._lasts[-1]) if self._lasts else (0, 0)

    def since(self, seen: tuple[int, int]) -> tuple[list[Run], tuple[int, int]]:
        """Tell what has arrived since this was asked the last time.

        Args:
            seen: what was returned then; (0, 0) the first time.

        Returns:
            The runs, and what to pass the next time.
        """
        runs_seen, entries_seen = seen
        lasts = self._lasts[runs_seen:]
        runs = list(map(Run, self._minutes[runs_seen:], self._firsts[runs_seen:], lasts))
        if not runs:
            return [], seen
        if entries_seen:
            runs[0] = runs[0]._replace(first=entries_seen)
            if runs[0].first == runs[0].last:
                del runs[0]
        return runs, self.position()

    def without(
        self, minute: int, position: int | None = None, renumbered: int | None = None
    ) -> "Arrivals":
        """The same order after the entry at a position of a minute was removed, or all of the minute.

        Args:
            minute: the number of the minute.
            position: of the entry; None for all of the minute.
            renumbered: the number of what takes the minute's place.
        """
        rest = Arrivals()
        for run in self.since((0, 0))[0]:
            number, first, last = run
            if number == minute:
                if position is None or renumbered is None:
                    continue
                number = renumbered
                first -= first > position
                last -= last > position
            if first < last:
                rest.note(number, first, last)
        return rest

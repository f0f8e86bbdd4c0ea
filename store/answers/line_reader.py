"""Reading lines: only the records whose lines are wanted are read and rendered."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.line_map import LineRun
from store.answers.selection import select
from store.answers.window import Block
from store.errors import EventReadException, MinuteGone
from store.format.contents import NOT_RECORDS
from store.index.extents import Extents, coalesce
from store.index.minute import DAMAGED
from store.query import Query
from store.view import View

__all__ = ["LineReader", "contradiction"]

_NEWLINE = 0x0A


class _Places(NamedTuple):
    """The places of the lines of a run.

    Attributes:
        minute: the id of the minute that has their records now.
        starts: where their records start there, in bytes.
        ends: where they end.
        edges: the offset of each line in the run, and of the end of the last, in bytes; before the first are lines that are gone.
    """

    minute: int
    starts: NDArray[np.int64]
    ends: NDArray[np.int64]
    edges: NDArray[np.int64]


class LineReader:
    """Reads the lines of an answer. Not safe for several threads: callers lock it.

    Args:
        query: the query that they answer.
        view: the view.
        access: the access to minutes.
    """

    def __init__(self, query: Query, view: View, access: Access) -> None:
        self._query = query
        self._view = view
        self._access = access
        # Of the last runs, for most programs read one piece after the other.
        self._known: dict[LineRun, _Places] = {}

    def read(self, runs: list[LineRun], offset: int, size: int) -> Block:
        """Read all lines that have some of the *size* bytes at *offset* of the answer, which are in *runs*.

        Raises:
            EventReadException: if a minute is gone, or the store cannot read them.
        """
        extents, sizes, skipped = self._find(runs, offset, size)
        data = self._access.read_extents(coalesce(extents))
        edges = np.concatenate(([0], (extents.ends - extents.starts).cumsum()))
        try:
            lines = self._view.render(data, edges)
        except NOT_RECORDS as error:
            raise contradiction("they are no records") from error
        # Every line is followed by the others at their offsets, or what was read before is wrong.
        text, ends = np.frombuffer(lines, np.uint8), sizes.cumsum()
        if (
            len(text) != ends[-1]
            or np.count_nonzero(text == _NEWLINE) != len(ends)
            or (text[ends - 1] != _NEWLINE).any()
        ):
            raise contradiction("their lines have other sizes")
        return Block(offset - skipped, lines)

    def _find(
        self, runs: list[LineRun], offset: int, size: int
    ) -> tuple[Extents, NDArray[np.int64], int]:
        """Find the lines that have some of the *size* bytes at *offset* of the answer, which are in *runs*.

        Returns:
            The extents of their records, the sizes of the lines, and how many bytes of them come before the offset.
        """
        self._known = {run: self._known.get(run) or self._look_up(run) for run in runs}
        found: list[Extents] = []
        sizes: list[NDArray[np.int64]] = []
        skipped = 0
        for run, lines in self._known.items():
            low, high = max(offset - run.start, 0), min(offset + size - run.start, run.size)
            if low < lines.edges[0]:
                raise MinuteGone("minutes were removed before they were read; open the file again")
            first = int(lines.edges.searchsorted(low, "right")) - 1
            last = int(lines.edges.searchsorted(high))
            if not found:
                skipped = low - int(lines.edges[first])
            minutes = np.full(last - first, lines.minute)
            found.append(Extents(minutes, lines.starts[first:last], lines.ends[first:last]))
            sizes.append(np.diff(lines.edges[first : last + 1]))
        extents = Extents(*(np.concatenate(column) for column in zip(*found, strict=True)))
        return extents, np.concatenate(sizes), skipped

    def _look_up(self, run: LineRun, is_partial: bool = False) -> _Places:
        """Look up the lines of *run*; *is_partial* if its first ones are gone."""
        try:
            minute = self._access.minute(run.minute)
        except EventReadException:
            # What was not flushed when another program removed it is elsewhere now; the rest is gone.
            moved = self._access.moved.find(run.minute)
            if moved is None or run.last <= moved.position:
                raise
            first = max(run.first, moved.position) + moved.position_shift
            last = run.last + moved.position_shift
            is_partial |= run.first < moved.position
            return self._look_up(
                run._replace(minute=moved.minute, first=first, last=last), is_partial
            )
        first, last = run.first, run.last
        layout = minute.entries.layout(first, last) if first else self._access.layout(minute, last)
        query = self._query.at_any_time if run.is_inside else self._query
        flags = select(self._access, query, minute, layout, first) & (layout.streams != DAMAGED)
        sizes = self._access.line_sizes(self._view, minute, last)[first:][flags]
        bounds = np.concatenate(([minute.entries.offset(first)], layout.ends)).astype(np.int64)
        edges = np.concatenate(([0], sizes.cumsum(dtype=np.int64)))
        lost = run.size - int(edges[-1])
        if lost < 0 or (lost and not is_partial):
            raise contradiction(f"{minute.name} has other lines")
        return _Places(minute.id, bounds[:-1][flags], bounds[1:][flags], edges + lost)


def contradiction(reason: str) -> EventReadException:
    """Return the error of an index that contradicts the minutes for a *reason*."""
    return EventReadException(
        f"the index contradicts the minutes: {reason}; theiafs reindex rebuilds it"
    )

"""The totals of lines in all views: what is subtracted when minutes go, and added when others take their place."""

import logging
from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.arrivals import Run
from store.answers.version import Minute, Version
from store.engine.line_sizes import LineSizes
from store.engine.line_totals import KnownLines, LineTotals, Source
from store.errors import EventReadException
from store.index.database import Database
from store.view import View

__all__ = ["KnownLinesByView", "ViewTotals"]

KnownLinesByView = Mapping[View, Mapping[int, KnownLines]]
"""What is known of the lines of minutes, by view and by the id of the minute."""

log = logging.getLogger(__name__)


class ViewTotals:
    """The totals of lines, by view. Any number of threads may use it.

    Args:
        source: the minutes.
        lines: the sizes of lines.
    """

    def __init__(self, source: Source, lines: LineSizes) -> None:
        self._source = source
        self._lines = lines
        self._totals: dict[View, LineTotals] = {}

    def begin(self, views: Iterable[View], database: Database) -> None:
        """Keep the totals in *views*, beginning with those that *database* has; nothing has arrived yet."""
        for view in views:
            sums = database.line_totals.get((view.name, view.version))
            known = None if sums is None else (sums, self._source.arrivals)
            self._totals[view] = LineTotals(view, self._source, known)

    def of(self, view: View) -> LineTotals:
        """Return the totals in *view*."""
        with self._source.lock:
            return self._totals.setdefault(view, LineTotals(view, self._source))

    def check(self, version: Version, view: View, size: int) -> None:
        """Check that *size* is that of the lines in *view* of the answer at *version*, as far as that is known."""
        if version.total is not None and (totals := self._totals.get(view)) is not None:
            totals.check(version, self._source.matching(version.query), size)

    def known(self) -> dict[tuple[str, int], NDArray[np.int64]]:
        """Return by view, its name and version, the sums that are complete; the caller holds the lock of the source."""
        found = {(view.name, view.version): each.known() for view, each in self._totals.items()}
        return {view: sums for view, sums in found.items() if sums is not None}

    # Removals

    def measure(self, minute: Minute) -> None:
        """Measure the lines of *minute*, of which some are about to go, while they can be read."""
        for view in list(self._totals):
            try:
                self._lines.of(view, minute, len(minute.entries))
            except EventReadException as error:
                log.info("its lines are not measured: %s", error)

    def lines(self, minutes: Sequence[int]) -> KnownLinesByView:
        """Return what is known of the lines of *minutes*, by view and id: from the index, or measured and in memory."""
        return {view: self._lines_in(view, minutes) for view in list(self._totals)}

    def _lines_in(self, view: View, minutes: Sequence[int]) -> dict[int, KnownLines]:
        summaries = self._source.summaries(np.array(minutes, np.int64), view)
        found = {
            minute: KnownLines(count, summary["stream"], summary["size"])
            for minute, (count, summary) in summaries.items()
        }
        for minute in minutes:
            sizes = self._lines.in_memory(view, minute)
            if sizes is None:
                continue
            try:
                streams = self._source.minute(minute).entries.layout(0, len(sizes)).streams
            except EventReadException as error:
                log.info("its lines are not subtracted: %s", error)
                continue
            found[minute] = KnownLines(len(sizes), streams, sizes)
        return found

    def discount(self, minutes: Sequence[int], known: KnownLinesByView) -> None:
        """Subtract *minutes*, by id, which are about to go, given those that are *known*; the caller holds the lock of the source."""
        for view, totals in self._totals.items():
            totals.discount(minutes, known.get(view, {}))

    def add(self, run: Run) -> None:
        """Add the entries of *run*, which are not in the order of arrival; the caller holds the lock of the source."""
        for totals in self._totals.values():
            totals.add(run)

    def note_fold(self) -> None:
        """Note that the order of arrival was folded; the caller holds the lock of the source."""
        for totals in self._totals.values():
            totals.note_fold()

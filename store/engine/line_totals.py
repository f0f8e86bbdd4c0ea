"""Totals of lines: for each stream the size of the lines of all its events, kept up to date by what comes and goes."""

import logging
import math
import threading
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.arrivals import Arrivals, Run
from store.answers.version import Version
from store.errors import EventReadException, MinuteGone
from store.index.catalog import Catalog
from store.index.streams import Streams
from store.index.summary import SUMMARY, runs_of_minutes
from store.view import View

__all__ = ["KnownLines", "LineTotals", "Source"]

_TRIES = 3
"""Maximum number of attempts to add up all lines while minutes are removed."""

_FOLDS_MAX = 16
"""After the order of arrival was folded more often, all lines are added up again, rather than to keep what it was."""

_NOTHING = np.empty(0, SUMMARY)

log = logging.getLogger(__name__)

Integers = NDArray[np.int64]

_Lines = tuple[NDArray[np.integer], NDArray[np.integer]]
"""The streams of some lines, and their sizes in bytes."""


class Source(Access, Protocol):
    """Access to minutes, and what is known of all of them under its lock."""

    lock: threading.Lock
    catalog: Catalog
    streams: Streams
    arrivals: Arrivals

    def measure_lines(
        self, view: View, minutes: NDArray[np.int64], entries: NDArray[np.int64]
    ) -> None:
        """Measure the lines in *view* of *minutes*, by id, with their numbers of *entries*, as far as they have come to rest."""


class KnownLines(NamedTuple):
    """The lines of the first entries of a minute.

    Attributes:
        entries: the number of entries.
        streams: the stream of each, or of several together.
        sizes: the size of the lines of each, or of several together, in bytes.
    """

    entries: int
    streams: NDArray[np.integer]
    sizes: NDArray[np.integer]

    def first(self, count: int) -> _Lines | None:
        """Return the lines of the first *count* entries; None if they are not known."""
        are_single = len(self.streams) == self.entries
        if count not in (0, self.entries) and not (are_single and count < self.entries):
            return None
        end = len(self.streams) if count == self.entries else count
        return self.streams[:end], self.sizes[:end]


_UNKNOWN = KnownLines(0, np.empty(0, np.int64), np.empty(0, np.int64))


class _State(NamedTuple):
    """The sums of lines by stream at one moment.

    Attributes:
        sums: for each stream id the size of its lines, in bytes.
        arrivals: the order of arrival.
        position: how much of it was added.
        waiting: what was not, because it could not be read.
    """

    sums: Integers
    arrivals: Arrivals
    position: tuple[int, int]
    waiting: tuple[Run, ...] = ()


class LineTotals:
    """The totals of the lines in a view. Any number of threads may use it.

    Args:
        view: the view.
        source: the minutes.
        known: the sums at a moment, and the order of arrival that began then; None if they are to be added up.
    """

    def __init__(
        self, view: View, source: Source, known: tuple[Integers, Arrivals] | None = None
    ) -> None:
        self._view = view
        self._source = source
        # One thread at a time brings it up to date.
        self._lock = threading.Lock()
        # Guarded by the lock of the source, as all that changes with the minutes.
        self._state = None if known is None else _State(*known, (0, 0))
        self._folds = 0
        self._removals = 0

    def size(self, matching: NDArray[np.bool_]) -> int:
        """Return the size of the lines of *matching* streams now, in bytes."""
        return _sum(self.sums(), matching)

    def sums(self) -> Integers:
        """Return for each stream id the size of its lines now, in bytes; what cannot be read is missing."""
        with self._lock:
            for _ in range(_TRIES):
                with self._source.lock:
                    before, removals = self._state, self._removals
                after = self._added_up() if before is None else self._followed(before)
                with self._source.lock:
                    if self._state is before and self._removals == removals:
                        self._state = after
                        break
            return after.sums if after is not None else np.zeros(0, np.int64)

    def known(self) -> Integers | None:
        """Return the sums if they are those of all that has arrived; the caller holds the lock of the source."""
        if self._state is None or _runs_after(self._state)[0]:
            return None
        return self._state.sums

    def waiting(self) -> float:
        """Return the number of entries to be added; infinity if all lines are to be added up."""
        with self._source.lock:
            state = self._state
        if state is None:
            return math.inf
        return sum(run.last - run.first for run in _runs_after(state)[0])

    def at(self, version: Version, matching: NDArray[np.bool_]) -> int | None:
        """Return the size of the lines of *matching* streams at *version*, in bytes; None if it is not known.

        It is known if *version* was made after the sums were brought up to date, and no minutes were removed since.
        """
        with self._source.lock:
            state = self._state
        if state is None or state.waiting:
            return None
        runs: list[Run] = []
        arrivals, position = state.arrivals, state.position
        while arrivals is not version.arrivals:
            successor = arrivals.successor
            if successor is None:
                return None
            runs += arrivals.since(position)[0]
            arrivals, position = successor, (0, 0)
        if position > version.position:
            return None
        runs += arrivals.since(position, version.position)[0]
        parts, waiting = self._measured(runs)
        return None if waiting else _sum(_plus(state.sums, parts), matching)

    def doubt(self) -> None:
        """Add all lines up again: their sums are not those of the minutes."""
        log.warning("the index contradicts itself: adding up the lines of all minutes")
        with self._source.lock:
            self._state = None

    def check(self, version: Version, matching: NDArray[np.bool_], size: int) -> None:
        """Add all lines up again if those of *matching* streams did not have *size* bytes at *version*, though it was known."""
        with self._source.lock:
            state = self._state
        if state is None:
            return
        runs, arrivals, position = _runs_after(state)
        is_then = (arrivals, position) == (version.arrivals, version.position)
        if not runs and is_then and _sum(state.sums, matching) != size:
            self.doubt()

    def note_fold(self) -> None:
        """Note that the order of arrival was folded; the caller holds the lock of the source."""
        self._folds += 1
        if self._folds > _FOLDS_MAX:
            self._state = None

    def discount(self, minutes: Sequence[int], known: Mapping[int, KnownLines]) -> None:
        """Subtract *minutes*, which are about to go; the caller holds the lock of the source.

        Args:
            minutes: their ids.
            known: what is known of their lines, by id.
        """
        self._removals += 1
        if self._state is None:
            return
        firsts: dict[int, int] = {}  # of the entries that were not added, by minute
        lengths: Counter[int] = Counter()
        for minute, first, last in _runs_after(self._state)[0]:
            firsts[minute] = min(first, firsts.get(minute, first))
            lengths[minute] += last - first
        sums, entries = self._state.sums.copy(), self._source.catalog.entries
        for minute in minutes:
            added = firsts.get(minute, entries(minute))
            lines = known.get(minute, _UNKNOWN).first(added)
            if lines is None or added + lengths[minute] != entries(minute):
                self._state = None  # they are to be added up again
                return
            streams, sizes = lines
            np.subtract.at(sums, streams, sizes.astype(np.int64))
        waiting = tuple(run for run in self._state.waiting if run.minute not in minutes)
        self._state = self._state._replace(sums=sums, waiting=waiting)

    def add(self, run: Run) -> None:
        """Add the entries of *run*, which are not in the order of arrival; the caller holds the lock of the source."""
        if self._state is not None and run.first < run.last:
            self._state = self._state._replace(waiting=(*self._state.waiting, run))

    def _followed(self, state: _State) -> _State:
        """Return *state* with what has arrived since."""
        runs, arrivals, position = _runs_after(state)
        parts, waiting = self._measured(runs)
        self._folds = 0
        return _State(_plus(state.sums, parts), arrivals, position, waiting)

    def _added_up(self) -> _State:
        """Return the sums of the lines of all minutes."""
        source = self._source
        with source.lock:
            minutes = source.catalog.ids()
            entries = source.catalog.values("entries", minutes)
            arrivals, position = source.arrivals, source.arrivals.position()
        sums, waiting = np.zeros(0, np.int64), list[Run]()
        for some in runs_of_minutes(len(minutes)):
            # Those of many minutes together take a sixth of the time.
            source.measure_lines(self._view, minutes[some], entries[some])
            known = source.summaries(minutes[some], self._view)
            parts, rest = [], []
            for minute, last in zip(minutes[some].tolist(), entries[some].tolist(), strict=True):
                count, summary = known.get(minute, (0, _NOTHING))
                if count > last:  # it has grown since
                    count, summary = 0, _NOTHING
                parts.append((summary["stream"], summary["size"]))
                if count < last:
                    rest.append(Run(minute, count, last))
            measured, later = self._measured(rest)
            sums = _plus(sums, [*parts, *measured])
            waiting += later
        self._folds = 0
        return _State(sums, arrivals, position, tuple(waiting))

    def _measured(self, runs: Sequence[Run]) -> tuple[list[_Lines], tuple[Run, ...]]:
        """Return the lines of *runs*, and those of the runs that cannot be read now."""
        found: list[_Lines] = []
        waiting = []
        for run in runs:
            minute, first, last = run
            try:
                entries = self._source.minute(minute).entries
                sizes = self._source.line_sizes(self._view, self._source.minute(minute), last)
                found.append((entries.layout(first, last).streams, sizes[first:]))
            except MinuteGone as error:
                log.info("its lines are not counted: %s", error)
            except EventReadException as error:
                log.info("its lines are not counted now: %s", error)
                waiting.append(run)
        return found, tuple(waiting)


def _sum(sums: Integers, matching: NDArray[np.bool_]) -> int:
    """Return the sum of those *sums* whose streams are *matching*."""
    return int(sums[matching[: len(sums)].nonzero()[0]].sum())


def _runs_after(state: _State) -> tuple[list[Run], Arrivals, tuple[int, int]]:
    """Return the runs to be added to *state*, and the order of arrival and the position at their end."""
    found, arrivals, position = list(state.waiting), state.arrivals, state.position
    while True:
        successor = arrivals.successor
        runs, position = arrivals.since(position)
        found += runs
        if successor is None:
            return found, arrivals, position
        arrivals, position = successor, (0, 0)


def _plus(sums: Integers, parts: Sequence[_Lines]) -> Integers:
    """Return *sums* with the sizes in *parts* added."""
    if not parts:
        return sums
    streams, sizes = (
        np.concatenate(column).astype(np.int64) for column in zip(*parts, strict=True)
    )
    added = np.zeros(max(len(sums), int(streams.max(initial=-1)) + 1), np.int64)
    added[: len(sums)] = sums
    np.add.at(added, streams, sizes)
    return added

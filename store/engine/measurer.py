"""The measurer: it measures the lines of minutes in the background, before they are asked for."""

import logging
import math
import threading
import time
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.selection import batches
from store.engine.state import State
from store.timer import PeriodicTimer
from store.view import View

__all__ = ["Measurer"]

_INTERVAL_S = 1.0
"""Seconds between looks for minutes to be measured, when all are."""

_REST_S = 5.0
"""A minute is measured after it has not changed for this long, and no event was saved either."""

_LONG_REST_S = 60.0
"""A minute is measured after it has not changed for this long, whatever else is saved."""

_LAST_ENTRIES_MAX = 100_000
"""At the end, no more entries than this are measured, so that the totals of lines can be kept; it takes a tenth of a second."""

_LOOKED_UP_AT_ONCE = 500
"""Number of minutes that are looked up in the index together."""

log = logging.getLogger(__name__)


class Measurer:
    """Measures lines, of some minutes after others, and leaves at least half of the time to others.

    Args:
        state: the state of the store.
        views: the views in which lines are measured.
    """

    def __init__(self, state: State, views: Sequence[View]) -> None:
        self._state = state
        self._lines = state.lookup.lines
        self._views = views
        self._lock = threading.Lock()
        # The ids of minutes: those of which nothing is known, and those that are to be measured.
        self._unknown: NDArray[np.int64] = np.empty(0, np.int64)
        self._unmeasured: set[int] = set()
        self._timer: PeriodicTimer | None = None
        self._stopped = threading.Event()

    def begin(self) -> None:
        """Take note of all minutes that there are, and of those that are saved from now on."""
        if not self._views:
            return
        with self._state.lock:
            self._unknown = self._state.catalog.ids()
        self._state.on_saved = self._note_saved

    def start(self) -> None:
        """Start measuring, until :meth:`stop`."""
        self._timer = PeriodicTimer(_INTERVAL_S, self.measure_all)
        self._timer.start()

    def stop(self) -> None:
        """Stop after the minutes that are being measured, and keep what is known."""
        self._stopped.set()
        if self._timer is not None:
            self._timer.cancel()
            self._timer.join()
        self._add_up(_LAST_ENTRIES_MAX)
        self._lines.save()

    def measure_all(self) -> None:
        """Measure all minutes at rest that are not measured yet, those together that are small."""
        with self._lock:
            unmeasured, self._unmeasured = [*self._unmeasured], set()
        for first in range(0, len(unmeasured), _LOOKED_UP_AT_ONCE):
            self._measure(unmeasured[first : first + _LOOKED_UP_AT_ONCE])
        while len(self._unknown) and not self._stopped.is_set():
            started = time.monotonic()
            some, self._unknown = np.split(self._unknown, [_LOOKED_UP_AT_ONCE])
            lacking = self._lines.lacking(self._views, some.tolist())
            self._rest(started)
            self._measure(list(lacking))
        self._lines.save()
        if not self._stopped.is_set() and self._saved_s() >= _REST_S:
            self._add_up(math.inf)

    def _add_up(self, entries_max: float) -> None:
        """Bring the totals of lines up to date, unless they lack more than *entries_max* entries."""
        for view in self._views:
            totals = self._state.lookup.line_totals.of(view)
            if totals.waiting() <= entries_max:
                totals.sums()

    def _saved_s(self) -> float:
        """Return for how many seconds no event was saved; infinity if none was since the opening."""
        with self._state.lock:
            _, saved = self._state.streams.total(None)
        return time.time() - saved if saved > self._state.lookup.opened else math.inf

    def _note_saved(self, minutes: Iterable[int]) -> None:
        """Note that the index has *minutes*, by id, without their lines."""
        with self._lock:
            self._unmeasured.update(minutes)

    def _measure(self, minutes: Sequence[int]) -> None:
        """Measure those of *minutes*, by id, that are at rest, and take note of those that are not yet."""
        rest_s = _REST_S if self._saved_s() >= _REST_S else _LONG_REST_S
        lookup, ids = self._state.lookup, np.array(minutes, np.int64)
        # The others are gone, or are noted again when they are flushed.
        ids = ids[lookup.resting(ids, -math.inf)]
        is_resting = lookup.resting(ids, rest_s)
        self._note_saved(ids[~is_resting].tolist())
        ids = ids[is_resting]
        with self._state.lock:
            entries = self._state.catalog.values("entries", ids)
        for some in batches(entries):
            started = time.monotonic()
            if self._stopped.is_set():
                return
            self._lines.measure_together(self._views, ids[some], entries[some], lookup.columns)
            self._rest(started)

    def _rest(self, started: float) -> None:
        """Rest for as long as the work took that *started* then, but not longer than until the end."""
        self._stopped.wait(time.monotonic() - started)

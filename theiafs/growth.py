"""Growth: files that grow, whose attributes the kernel has, and has to ask for again.

The kernel keeps attributes for a second. So the paths whose attributes were given out within the last second are kept here,
and when events that they may show are saved, they are invalidated: ``tail -n 5`` of a file shows what was appended before.
Each time that attributes are given out causes at most one invalidation.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Sequence

from store import TICKS_PER_S

__all__ = ["Growth"]

_PATHS_MAX = 1 << 12
"""Paths that are kept of each lifetime, at most; others lag by the lifetime."""

_WAIT_S = 0.1
"""A write waits at most this long for the kernel, which may wait itself: for the page that another process reads."""

_SPAN_S = 60
"""Longer minutes, in seconds, are those of other programs."""

_ANY = -1
"""The number of the span of files that may grow with any event."""

_Paths = defaultdict[int, set[str]]


class Growth:
    """The paths of files that grow, and the thread that invalidates their attributes. Any number of threads may use it.

    The kernel takes locks to invalidate, which it may hold for the request that is answered: so it is done by a thread of
    its own.

    Args:
        invalidate: makes the kernel ask again for the attributes of a path.
        lifetime_s: how long the kernel keeps attributes, in seconds.
    """

    def __init__(self, invalidate: Callable[[str], object], lifetime_s: float) -> None:
        self._invalidate = invalidate
        self._lifetime_s = lifetime_s
        self._lock = threading.Lock()
        # By the number of the span in which their minutes start, in two generations: those of this lifetime and of the last.
        self._young, self._old = _Paths(set), _Paths(set)
        self._count = 0
        self._born = time.monotonic()
        self._tasks: queue.SimpleQueue[tuple[list[str], threading.Event] | None] = (
            queue.SimpleQueue()
        )
        self._is_late = self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="growth", daemon=True)
        self._thread.start()

    def note(self, path: str, minute: str) -> None:
        """Note that the attributes of *path* are given out, which grows with *minute*, by name; with any if that is empty.

        To be called before they are found out, so that no growth is missed meanwhile, and afterwards, when they begin to age.
        """
        start, _, end = minute.partition("-")
        is_short = start and int(end) - int(start) <= _SPAN_S
        span = int(start) // _SPAN_S if is_short else _ANY
        with self._lock:
            self._turn()
            if self._count < _PATHS_MAX:
                known = self._young[span]
                self._count += path not in known
                known.add(path)

    def _turn(self) -> None:
        """Begin a generation if the young one is older than a lifetime."""
        now = time.monotonic()
        age = now - self._born
        if age > self._lifetime_s:
            self._old = self._young if age <= 2 * self._lifetime_s else _Paths(set)
            self._young, self._count, self._born = _Paths(set), 0, now

    def note_saved(self, ticks: Sequence[int]) -> None:
        """Invalidate what may show events of the times *ticks*, which were just saved, and wait a moment until that is done."""
        if not self._young and not self._old:
            return
        with self._lock:
            self._turn()
            paths = self._take(ticks)
        if paths:
            done = threading.Event()
            self._tasks.put((paths, done))
            if not self._is_late and not done.wait(_WAIT_S):
                # Later writes do not wait, until the thread has caught up.
                self._is_late = True

    def _take(self, ticks: Sequence[int]) -> list[str]:
        """Remove the paths that may show events of the times *ticks*, and return them."""
        found: set[str] = set()
        # A minute starts at most one span before the events in it.
        width = _SPAN_S * TICKS_PER_S
        spans = range(min(ticks) // width - 1, max(ticks) // width + 1)
        for generation in (self._young, self._old):
            known = spans if len(spans) < len(generation) else [*generation]
            for span in (_ANY, *known):
                if span == _ANY or span in spans:
                    taken = generation.pop(span, set())
                    found |= taken
                    self._count -= len(taken) if generation is self._young else 0
        return list(found)

    def _work(self) -> None:
        while (task := self._tasks.get()) is not None:
            paths, done = task
            for path in paths:
                if self._is_closing:  # libfuse may have closed what it would write to
                    break
                self._invalidate(path)
            if self._tasks.empty():
                self._is_late = False
            done.set()

    def close(self) -> None:
        """End the thread; a request that the kernel does not take is not waited for."""
        self._is_closing = True
        self._tasks.put(None)
        self._thread.join(_WAIT_S)

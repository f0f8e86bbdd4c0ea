"""Growth: files that grow, whose attributes the kernel has, and has to ask for again.

The kernel keeps attributes for a second. So the paths whose attributes were given out within the last second are kept here,
and when events that they may show are saved or removed, or something else that they show has changed, they are invalidated:
``tail -n 5`` of a file shows what was appended before. Each time that attributes are given out causes at most one invalidation.
"""

import queue
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence

from store import TICKS_PER_S

__all__ = ["Growth"]

_PATHS_MAX = 1 << 12
"""Paths that are kept of each lifetime, at most; others lag by the lifetime."""

_WAIT_S = 0.1
"""A write waits at most this long for the kernel, which may wait itself: for the page that another process reads."""

_SPAN_S = 60
"""Longer minutes, in seconds, are those of other programs."""

_Key = int | str
"""The number of the span in which the minute of a file starts, or the name of something else that it grows with."""

_ANY = ""
"""The key of files that may grow with any event."""

_Paths = defaultdict[_Key, set[str]]


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
        # By what they grow with, in two generations: those of this lifetime and of the last.
        self._young, self._old = _Paths(set), _Paths(set)
        self._count = 0
        self._born = time.monotonic()
        self._tasks: queue.SimpleQueue[tuple[list[str], threading.Event] | None] = (
            queue.SimpleQueue()
        )
        self._is_late = self._is_closing = False
        self._thread = threading.Thread(target=self._work, name="growth", daemon=True)
        self._thread.start()

    def note(self, path: str, grows_with: str) -> None:
        """Note that the attributes of *path* are given out.

        To be called before they are found out, so that no growth is missed meanwhile, and afterwards, when they begin to age.

        Args:
            path: the path.
            grows_with: the name of a minute; empty for any; or the name of something else, for :meth:`note_changed`.
        """
        with self._lock:
            self._turn()
            self._note(path, grows_with)

    def note_minutes(self, directory: str, names: Iterable[str]) -> None:
        """Note that the attributes of the minutes with these *names* in *directory* are given out, as :meth:`note` does."""
        with self._lock:
            self._turn()
            for name in names:
                if not self._note(f"{directory}/{name}", name):
                    break

    def _note(self, path: str, grows_with: str) -> bool:
        """Note that the attributes of *path* are given out, unless too many are kept; return whether that was so."""
        has_room = self._count < _PATHS_MAX
        if has_room:
            known = self._young[_key(grows_with)]
            self._count += path not in known
            known.add(path)
        return has_room

    def _turn(self) -> None:
        """Begin a generation if the young one is older than a lifetime."""
        now = time.monotonic()
        age = now - self._born
        if age > self._lifetime_s:
            self._old = self._young if age <= 2 * self._lifetime_s else _Paths(set)
            self._young, self._count, self._born = _Paths(set), 0, now

    def note_saved(self, ticks: Sequence[int]) -> None:
        """Invalidate what may show events of the times *ticks*, which were just saved, and wait a moment until that is done."""
        # A minute starts at most one span before the events in it.
        width = _SPAN_S * TICKS_PER_S
        spans = range(min(ticks) // width - 1, max(ticks) // width + 1)
        self._expire([_ANY, *spans] if len(spans) < _PATHS_MAX else None)

    def note_removed(self) -> None:
        """Invalidate all of it, after events were removed, and wait a moment until that is done."""
        self._expire(None)

    def note_changed(self, name: str) -> None:
        """Invalidate what grows with what has this *name*, which has just changed, and wait a moment until that is done."""
        self._expire([name])

    def _expire(self, keys: Sequence[_Key] | None) -> None:
        """Invalidate the paths with one of *keys*, None for all, and wait a moment until that is done."""
        if not self._young and not self._old:
            return
        with self._lock:
            self._turn()
            paths = self._take(keys)
        if paths:
            done = threading.Event()
            self._tasks.put((paths, done))
            if not self._is_late and not done.wait(_WAIT_S):
                # Later writes do not wait, until the thread has caught up.
                self._is_late = True

    def _take(self, keys: Sequence[_Key] | None) -> list[str]:
        """Remove the paths with one of *keys*, None for all, and return them."""
        found: set[str] = set()
        for generation in (self._young, self._old):
            for key in [*generation] if keys is None else keys:
                taken = generation.pop(key, set())
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


def _key(grows_with: str) -> _Key:
    """Return the key of paths that grow with the minute, or something else, of that name."""
    start, _, end = grows_with.partition("-")
    if not end:
        return grows_with
    return int(start) // _SPAN_S if int(end) - int(start) <= _SPAN_S else _ANY

"""Open answers: files held open set the minimum size of their path.

fstat(2) reaches a path, not an open file. Programs that follow a file take a smaller size for a truncation, and start over.
So what leaves an open path (removed minutes, the start of a moving range) stays in its size.
"""

import threading
from typing import NamedTuple

from store import Span
from theiafs.handles import AnswerHandle

__all__ = ["Extent", "OpenAnswers"]


class Extent(NamedTuple):
    """The *size* of an answer in bytes, the time of its *newest* event in ticks, and when it *changed* in seconds since the epoch."""

    size: int
    newest: int
    changed: float


class _OpenAt:
    """The answers that are open at one path.

    Attributes:
        handles: the open files.
        closed: the largest answer closed while others stayed open; its size was shown, and it keeps growing.
        newest: the latest time of an event that was shown.
        changed: the latest time of a change that was shown.
    """

    def __init__(self) -> None:
        self.handles: list[AnswerHandle] = []
        self.closed: AnswerHandle | None = None
        self.newest = 0
        self.changed = 0.0

    def note(self, newest: int, changed: float) -> None:
        """Note that these times are shown."""
        self.newest = max(self.newest, newest)
        self.changed = max(self.changed, changed)


class OpenAnswers:
    """The open answers, by their paths. Any number of threads may use it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._by_path: dict[str, _OpenAt] = {}

    def has(self, path: str) -> bool:
        """Return whether an answer is open at *path*."""
        return bool(self._by_path) and path in self._by_path

    def add(self, path: str, handle: AnswerHandle, span: Span) -> None:
        """Add *handle*, which was opened at *path* as the answer with *span*."""
        with self._lock:
            at = self._by_path.get(path)
            if at is None:
                at = self._by_path[path] = _OpenAt()
            # The kernel has one cache and one size per path: files with different bytes must not share them.
            others = [*at.handles, at.closed] if at.closed is not None else at.handles
            if not all(_agree(handle, other) for other in others):
                handle.version = None
            at.handles.append(handle)
            handle.peers = at.handles
            at.note(span.newest, span.changed)

    def forget(self, path: str) -> None:
        """Forget *path*, which was removed: what is open there stays open, and sets no size."""
        with self._lock:
            self._by_path.pop(path, None)

    def remove(self, path: str, handle: AnswerHandle) -> None:
        """Remove *handle*, which is closed."""
        with self._lock:
            at = self._by_path.get(path)
            if at is None or handle not in at.handles:
                return  # the path was removed
            at.handles.remove(handle)
            if not at.handles:
                del self._by_path[path]
                return
        # Others stay open: the size that was told for this one must last.
        size = handle.size()
        while True:
            closed = at.closed
            # Without the lock: a size may have to be computed.
            if closed is not None and closed.size() >= size:
                return
            with self._lock:
                if at.closed is closed:
                    at.closed = handle
                    return

    def extend(self, path: str, found: Extent | None) -> Extent | None:
        """Return the extent to show at *path*, *found* now: while it is open, never less than before."""
        # The usual case: nothing is open.
        if not self._by_path:
            return found
        with self._lock:
            at = self._by_path.get(path)
            if at is None:
                return found
            if found is not None:
                at.note(found.newest, found.changed)
            times, handles = (at.newest, at.changed), [*at.handles, at.closed]
        sizes = [handle.size() for handle in handles if handle is not None]
        return Extent(max([*sizes, found.size] if found else sizes), *times)


def _agree(first: AnswerHandle, second: AnswerHandle) -> bool:
    """Return whether *first* and *second*, at one path, have the same bytes now."""
    is_same = first.version is not None and first.version == second.version
    return is_same or (first.lineage is not None and first.lineage == second.lineage)

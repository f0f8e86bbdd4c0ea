"""Records of an open log that are not durable yet, in memory, because they may have to be written again."""

import itertools
from collections import deque
from collections.abc import Iterable

__all__ = ["UnsyncedRecords"]


class UnsyncedRecords:
    """The encoded records of a log that are not durable. The caller of each method holds the lock of the log."""

    def __init__(self) -> None:
        self._appended: deque[tuple[int, list[bytes]]] = deque()  # (LSN at their end, pieces)

    def add(self, end: int, encoded: Iterable[tuple[bytes, bytes]]) -> None:
        """Add *encoded* records, which were appended and end at the LSN *end*."""
        self._appended.append((end, list(itertools.chain.from_iterable(encoded))))

    def after(self, lsn: int) -> list[bytes]:
        """Return the pieces of those after *lsn*."""
        if not self._appended or self._appended[-1][0] <= lsn:
            return []
        return [piece for end, pieces in self._appended if end > lsn for piece in pieces]

    def forget(self, lsn: int) -> None:
        """Forget those before *lsn*, which are durable."""
        while self._appended and self._appended[0][0] <= lsn:
            self._appended.popleft()

    def clear(self) -> None:
        """Forget all."""
        self._appended.clear()

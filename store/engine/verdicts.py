"""Verdicts: what filters of contents say of the events of minutes, remembered within the memory budget."""

import os
import threading
from collections.abc import Callable, Hashable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.cache import Cache
from store.errors import EventReadException
from store.format.contents import Contents, find_contents
from store.format.level_columns import levels_of
from store.format.levels import LEVELS
from store.index.minute import DAMAGED
from store.matching.pattern import compile_pattern
from store.query import AtLevel, Filter, Matches, Not

__all__ = ["Verdicts"]

_SIZE_AT_ONCE = 1 << 20
"""Bytes of a minute that are read and judged at once, about."""

_COLUMN_SIZE = 500
"""Approximate memory of a column besides its values, in bytes."""

Read = Callable[[int, int, int], bytes]
"""Reads the bytes of a minute, by id, from a start to an end."""

Judge = Callable[[bytes, NDArray[np.int64], Contents], NDArray[Any]]
"""Returns a value for each record of some bytes, given the edges of the records, and their contents."""


class Verdicts:
    """The verdicts of filters on contents. Any number of threads may use it.

    No lock is held while minutes are read. At most one thread for each CPU searches at a time.

    Args:
        cache: where verdicts are remembered.
        read: reads the bytes of minutes.
    """

    def __init__(self, cache: Cache, read: Read) -> None:
        self._cache = cache
        self._read = read
        self._searching = threading.Semaphore(os.cpu_count() or 1)

    def of(self, each: Filter, minute: Minute, length: int) -> NDArray[np.bool_]:
        """Return for the first *length* entries of *minute* whether the filter *each*, of contents, selects them.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        match each:
            case Not(negated):
                return ~self.of(negated, minute, length)
            case AtLevel(any_of):
                codes = [LEVELS.index(name) + 1 for name in any_of]
                selected = np.isin(np.arange(len(LEVELS) + 1), codes)
                flags: NDArray[np.bool_] = selected[self.levels(minute, length)]
                return flags
            case Matches(text):
                search = compile_pattern(text).search
                return self._column(
                    each,
                    np.bool_,
                    lambda data, _, contents: search(data, *contents),
                    minute,
                    length,
                )
        raise AssertionError(f"no filter of contents: {each}")

    def levels(self, minute: Minute, length: int) -> NDArray[np.uint8]:
        """Return the codes of the levels of the first *length* entries of *minute*; see :mod:`store.format.levels`.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        return self._column("level", np.uint8, levels_of, minute, length)

    def _column(
        self,
        name: Hashable,
        kind: type[np.generic],
        judge: Judge,
        minute: Minute,
        length: int,
    ) -> NDArray[Any]:
        """Return the values that *judge* has for the first *length* entries of *minute*, remembered as the column *name*."""
        known: NDArray[Any] | None = self._cache.get((name, minute.id))
        if known is None:
            known = np.zeros(0, kind)
        if len(known) >= length:
            return known[:length]
        column = np.zeros(length, kind)
        column[: len(known)] = known
        for start, stop, edges in _sound_runs(minute, len(known), length):
            data = self._read(minute.id, int(edges[0]), int(edges[-1]))
            column[start:stop] = self._judge(judge, data, edges - edges[0])
        self._cache.put((name, minute.id), column, _COLUMN_SIZE + column.nbytes)
        return column

    def _judge(self, judge: Judge, data: bytes, edges: NDArray[np.int64]) -> NDArray[Any]:
        """Return the values that *judge* has for the records in *data*, which have *edges*."""
        contents = find_contents(data, edges)
        # A file that another program has just changed may still be taken for the one that is known.
        if not ((edges[:-1] < contents.starts) & (contents.ends < edges[1:])).all():
            raise EventReadException("records are not where they were: their minute has changed")
        with self._searching:
            return judge(data, edges, contents)


def _sound_runs(
    minute: Minute, first: int, last: int
) -> Iterator[tuple[int, int, NDArray[np.int64]]]:
    """Yield runs of entries of *minute* from *first* to before *last* without damage, none of them too large.

    Yields:
        The position of the first entry of a run, that after its last, and the edges of its entries in the minute, in bytes.
    """
    if first >= last:
        return
    streams, ends = minute.entries.layout(first, last)
    edges = np.concatenate(([minute.entries.offset(first)], ends)).astype(np.int64)
    is_sound = streams != DAMAGED
    blocks = edges[:-1] // _SIZE_AT_ONCE
    changes = (is_sound[1:] != is_sound[:-1]) | (blocks[1:] != blocks[:-1])
    for start, stop in pairwise([0, *(changes.nonzero()[0] + 1).tolist(), last - first]):
        if is_sound[start]:
            yield first + start, first + stop, edges[start : stop + 1]

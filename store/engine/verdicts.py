"""Verdicts: what filters of contents say of the events of minutes, remembered within the memory budget."""

import os
import threading
from collections.abc import Callable, Hashable, Iterator, Sequence
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
from store.matching.event import compile_pattern
from store.query import AtLevel, Filter, Matches, Not

__all__ = ["Verdicts"]

_SIZE_AT_ONCE = 1 << 20
"""Bytes of records that are judged together: enough that the overhead of a call does not show, and few enough to wait for."""

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
        [found] = self.of_all(each, [minute], [length])
        return found

    def of_all(
        self, each: Filter, minutes: Sequence[Minute], lengths: Sequence[int]
    ) -> list[NDArray[np.bool_]]:
        """Return for each of *minutes* what :meth:`of` does; small ones are judged together."""
        match each:
            case Not(negated):
                return [~found for found in self.of_all(negated, minutes, lengths)]
            case AtLevel(any_of):
                codes = [LEVELS.index(name) + 1 for name in any_of]
                allowed = np.isin(np.arange(len(LEVELS) + 1), codes)
                return [allowed[found] for found in self.levels(minutes, lengths)]
            case Matches(text):
                search = compile_pattern(text).search
                return self._column(
                    each,
                    np.bool_,
                    lambda data, _, contents: search(data, *contents),
                    minutes,
                    lengths,
                )
        raise AssertionError(f"no filter of contents: {each}")

    def levels(self, minutes: Sequence[Minute], lengths: Sequence[int]) -> list[NDArray[np.uint8]]:
        """Return the codes of the levels of the first *lengths* entries of *minutes*; see :mod:`store.format.levels`."""
        return self._column("level", np.uint8, levels_of, minutes, lengths)

    def _column(
        self,
        name: Hashable,
        kind: type[np.generic],
        judge: Judge,
        minutes: Sequence[Minute],
        lengths: Sequence[int],
    ) -> list[NDArray[Any]]:
        """Return the values that *judge* has for the first *lengths* entries of *minutes*, remembered as the column *name*."""
        columns: list[NDArray[Any]] = []
        records = _Records(judge, self._searching)
        for minute, length in zip(minutes, lengths, strict=True):
            known = self._cache.get((name, minute.id))
            first = 0 if known is None else len(known)
            column = np.zeros(max(length, first), kind)
            column[:first] = known if first else ()
            columns.append(column)
            for start, stop, edges in _sound_runs(minute, first, length):
                data = self._read(minute.id, int(edges[0]), int(edges[-1]))
                records.add(data, edges - edges[0], column[start:stop])
        records.judge()
        for minute, column in zip(minutes, columns, strict=True):
            self._cache.put((name, minute.id), column, _COLUMN_SIZE + column.nbytes)
        return [column[:length] for column, length in zip(columns, lengths, strict=True)]


class _Records:
    """Records of minutes, collected until there are enough to be judged together.

    Args:
        judge: returns a value for each.
        searching: is held meanwhile.
    """

    def __init__(self, judge: Judge, searching: threading.Semaphore) -> None:
        self._judge = judge
        self._searching = searching
        self._clear()

    def add(self, data: bytes, edges: NDArray[np.int64], values: NDArray[Any]) -> None:
        """Add the records in *data*, which have *edges*; their values go to *values*."""
        self._data.append(data)
        self._edges.append(edges[:-1] + self._size)
        self._values.append(values)
        self._size += len(data)
        if self._size >= _SIZE_AT_ONCE:
            self.judge()

    def judge(self) -> None:
        """Judge what was added since the last time."""
        if self._size:
            data, edges = b"".join(self._data), np.append(np.concatenate(self._edges), self._size)
            contents = find_contents(data, edges)
            # A file that another program has just changed may still be taken for the one that is known.
            if not ((edges[:-1] < contents.starts) & (contents.ends < edges[1:])).all():
                raise EventReadException(
                    "records are not where they were: their minute has changed"
                )
            with self._searching:
                found = self._judge(data, edges, contents)
            ends = np.cumsum([len(each) for each in self._values])
            for values, end in zip(self._values, ends.tolist(), strict=True):
                values[:] = found[end - len(values) : end]
        self._clear()

    def _clear(self) -> None:
        self._size = 0
        self._data: list[bytes] = []
        self._edges: list[NDArray[np.int64]] = []
        self._values: list[NDArray[Any]] = []


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

"""Verdicts: what filters of contents say of the events of minutes, remembered within the memory budget."""

from collections.abc import Hashable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.cache import Cache
from store.engine.record_judge import Judge, RecordJudge
from store.format.level_columns import levels_of
from store.format.levels import LEVELS
from store.matching.pattern import compile_pattern
from store.query import AtLevel, Filter, Matches, Not

__all__ = ["Verdicts"]

_COLUMN_SIZE = 500
"""Approximate memory of a column besides its values, in bytes."""


class Verdicts:
    """The verdicts of filters on contents. Any number of threads may use it.

    Args:
        cache: where verdicts are remembered.
        records: judges records.
    """

    def __init__(self, cache: Cache, records: RecordJudge) -> None:
        self._cache = cache
        self._records = records

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
        column[len(known) :] = self._records.judged(judge, minute, len(known), length)
        self._cache.put((name, minute.id), column, _COLUMN_SIZE + column.nbytes)
        return column

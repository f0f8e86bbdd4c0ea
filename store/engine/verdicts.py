"""Verdicts: what filters of contents say of the events of minutes, remembered within the memory budget."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.version import Minute
from store.cache import Cache
from store.engine.first_entries import FirstEntries
from store.engine.levels import Levels
from store.engine.record_judge import Judge, RecordJudge, Section
from store.engine.text_filters import TextFilters
from store.index.extents import Layout
from store.index.levels import selected_levels
from store.matching.literals import required_literals
from store.matching.pattern import compile_pattern
from store.query import AtLevel, Filter, Matches, Not

__all__ = ["Verdicts"]

_COLUMN_SIZE = 500
"""Approximate memory of a column besides its values, in bytes."""

Flags = NDArray[np.bool_]


class Verdicts:
    """The verdicts of filters on contents. Any number of threads may use it.

    Args:
        cache: where verdicts are remembered.
        records: judges records.
        levels: the levels of events.
        filters: the filters of texts.
    """

    def __init__(
        self, cache: Cache, records: RecordJudge, levels: Levels, filters: TextFilters
    ) -> None:
        self._cache = cache
        self._records = records
        self._levels = levels
        self._filters = filters

    def of(self, each: Filter, minute: Minute, length: int) -> Flags:
        """Return for the first *length* entries of *minute* whether the filter *each*, of contents, selects them.

        Raises:
            EventReadException: if the minute is gone, or cannot be read.
        """
        match each:
            case Not(negated):
                return ~self.of(negated, minute, length)
            case AtLevel():
                return _at_level(each, self._levels.of(minute, length))
            case Matches():
                known = self._known(each, minute.id)
                if len(known) < length:
                    added = self._records.judged(_judge(each), minute, len(known), length)
                    known = np.concatenate((known, added))
                    self._keep(each, {minute.id: known})
                return known[:length]
        raise AssertionError(f"no filter of contents: {each}")

    def of_all(
        self, each: Filter, minutes: NDArray[np.int64], layouts: Sequence[Layout]
    ) -> list[Flags | None]:
        """Return for the entries in *layouts* of *minutes* whether the filter *each*, of contents, selects them.

        None for a minute that is gone. Small ones are read together.
        """
        match each:
            case Not(negated):
                found = self.of_all(negated, minutes, layouts)
                return [None if flags is None else ~flags for flags in found]
            case AtLevel():
                return [
                    None if codes is None else _at_level(each, codes)
                    for codes in self._levels.of_all(minutes, layouts)
                ]
            case Matches():
                return self._matches(each, minutes, layouts)
        raise AssertionError(f"no filter of contents: {each}")

    def _matches(
        self, each: Matches, minutes: NDArray[np.int64], layouts: Sequence[Layout]
    ) -> list[Flags | None]:
        """Return for the entries in *layouts* of *minutes* whether *each* selects them."""
        found: list[Flags] = []
        sections: list[Section] = []
        missing: list[int] = []
        for minute, layout in zip(minutes.tolist(), layouts, strict=True):
            known = self._known(each, minute)
            if len(known) < len(layout.streams):
                missing.append(len(found))
                sections.append(Section.after(len(known), minute, layout))
            found.append(known[: len(layout.streams)])
        results: list[Flags | None] = [*found]
        # After a search for one word there will be others.
        judges = self._filters if required_literals(each.pattern) else self._records
        judged = judges.judged_all(_judge(each), sections)
        for place, added in zip(missing, judged, strict=True):
            results[place] = None
            if added is not None:
                results[place] = np.concatenate((found[place], added.astype(np.bool_)))
        judged_now = {int(minutes[place]): results[place] for place in missing}
        self._keep(
            each, {minute: flags for minute, flags in judged_now.items() if flags is not None}
        )
        return results

    def _known(self, each: Matches, minute: int) -> Flags:
        """Return for the first entries of *minute*, by id, as far as that is known, whether *each* selects them."""
        known: Flags | None = self._cache.get((each, minute))
        return np.zeros(self._misses(each).count(minute), np.bool_) if known is None else known

    def _keep(self, each: Matches, found: Mapping[int, Flags]) -> None:
        """Remember what was *found* by minute, for all of its first entries: whether *each* selects them."""
        misses = []
        for minute, flags in found.items():
            if flags.any():
                self._cache.put((each, minute), flags, _COLUMN_SIZE + flags.nbytes)
            else:
                misses.append((minute, len(flags)))
        if misses:
            self._note_misses(each, *np.array(misses, np.int64).T)

    def misses(
        self, each: Matches, minutes: NDArray[np.int64], lengths: NDArray[np.int64]
    ) -> NDArray[np.bool_]:
        """Return for *minutes* whether it is known, or filters tell, that *each* selects none of their first *lengths* entries."""
        known = self._misses(each).counts(minutes) >= lengths
        unknown, needs = minutes[~known], required_literals(each.pattern)
        if needs and len(unknown):
            self._note_misses(each, unknown, self._filters.misses(needs, unknown))
            known = self._misses(each).counts(minutes) >= lengths
        return known

    def _misses(self, each: Matches) -> FirstEntries:
        found: FirstEntries | None = self._cache.get(("misses", each))
        if found is None:
            found = FirstEntries()
            self._cache.put(("misses", each), found, _COLUMN_SIZE)
        return found

    def _note_misses(
        self, each: Matches, minutes: NDArray[np.int64], counts: NDArray[np.int64]
    ) -> None:
        misses = self._misses(each)
        misses.note(minutes, counts)
        self._cache.put(("misses", each), misses, _COLUMN_SIZE + misses.memory_size)


def _judge(each: Matches) -> Judge:
    """Return what judges records by *each*."""
    search = compile_pattern(each.pattern).search
    return lambda data, _, contents: search(data, *contents)


def _at_level(each: AtLevel, codes: NDArray[np.uint8]) -> Flags:
    """Return for each of *codes* whether *each* selects it."""
    selected = selected_levels(each)
    assert selected is not None, "a level is all that it asks for"
    flags: Flags = selected[codes]
    return flags

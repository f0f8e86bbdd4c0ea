"""Selected entries: those that answer a query, of several minutes together."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from store.answers.selection import batches, select_all
from store.answers.version import Version
from store.engine.lookup import Lookup
from store.index.extents import Layout
from store.query import Query

__all__ = ["SelectedMinutes"]

Selected = tuple[NDArray[np.int64], Sequence[Layout], Sequence[NDArray[np.bool_]]]
"""The ids of minutes, their layouts, and whether each of their entries answers."""


class SelectedMinutes:
    """Selects the entries of minutes that answer queries. Any number of threads may use it.

    A minute that another program has changed may be known as it was until it is read; then it is gone, and another has
    replaced it.

    Args:
        lookup: the access to minutes.
        count: returns for each minute of a version the number of its events that answer; 0 for one that is gone.
    """

    def __init__(self, lookup: Lookup, count: Callable[[Version], NDArray[np.int64]]) -> None:
        self._lookup = lookup
        self._count = count

    def of(self, version: Version, places: NDArray[np.bool_], gone: set[int]) -> Iterator[Selected]:
        """Yield the minutes at *places* of *version*, several together, with their layouts, and whether each entry answers.

        Not those that are gone, but, last, those that have replaced them; and not all of those that have nothing.

        Args:
            version: the version.
            places: which of its minutes are wanted.
            gone: the ids of the minutes that are gone and not counted; the caller adds those that it meets.
        """
        yield from self._select(version, places, gone)
        if gone:
            replaced = self._replacing(version.query, gone)
            yield from self._select(replaced, replaced.entries > 0, set())

    def gone(self, version: Version) -> list[int]:
        """Return the ids of those minutes of *version* that are gone."""
        with self._lookup.lock:
            gone: list[int] = self._lookup.catalog.gone(version.minutes).tolist()
        return gone

    def _replacing(self, query: Query, gone: set[int]) -> Version:
        """Return the version of an answer to *query* with only those minutes that have the names of those that are *gone*."""
        with self._lookup.lock:
            catalog = self._lookup.catalog
            there = [catalog.find(catalog.name(minute)) for minute in gone]
        version = self._lookup.version(query)
        return version.only(np.isin(version.minutes, [each for each in there if each is not None]))

    def _select(
        self, version: Version, places: NDArray[np.bool_], gone: set[int]
    ) -> Iterator[Selected]:
        """Yield the same of the minutes that are there; those that are not are added to *gone*."""
        if version.query.content_filters:
            have_some = self._count(version) > 0
            gone.update(self.gone(version.only(places & ~have_some)))
            places = places & have_some
        chosen = version.only(places)
        for some in batches(chosen.entries):
            minutes = chosen.minutes[some]
            layouts = self._lookup.layouts(minutes, chosen.entries[some])
            found = select_all(self._lookup, version.query, minutes, layouts, chosen.inside[some])
            gone.update(minutes[[flags is None for flags in found]].tolist())
            kept = [
                (place, layouts[place], flags)
                for place, flags in enumerate(found)
                if flags is not None
            ]
            if kept:
                places_kept, layouts_kept, selected = zip(*kept, strict=True)
                yield minutes[list(places_kept)], layouts_kept, selected

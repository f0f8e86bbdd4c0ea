"""The hashes of the ids of events: they are computed on demand, and kept in the index."""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.fetch import id_hashes
from store.errors import MinuteGone
from store.index.database import Database
from store.index.row import MinuteRow

__all__ = ["IdHashes"]

_SEARCHED_AT_ONCE = 1000
"""Number of minutes whose id hashes are read from the index, or saved to it, in one transaction."""


class IdHashes:
    """The hashes of ids, by minute. Any number of threads may use it.

    Args:
        access: the access to minutes.
        database: the index.
        rows: returns the rows of minutes in the catalog, by id, and the number of streams.
    """

    def __init__(
        self,
        access: Access,
        database: Database,
        rows: Callable[[NDArray[np.int64]], tuple[dict[int, MinuteRow], int]],
    ) -> None:
        self._access = access
        self._database = database
        self._rows = rows

    def minutes_with(self, hashed: int, minutes: NDArray[np.int64]) -> NDArray[np.int64]:
        """Return those of *minutes*, by id, that may have an event whose id has the hash *hashed*, or are gone."""
        found = []
        for first in range(0, len(minutes), _SEARCHED_AT_ONCE):
            some = minutes[first : first + _SEARCHED_AT_ONCE]
            known, _ = self._rows(some)
            hashes = self._database.find_id_hashes(known)
            made = {}
            for minute in some.tolist():
                row = known.get(minute)
                if row is None or row.size != row.bytes or not row.stamp.is_settled:
                    found.append(minute)
                    continue
                if minute not in hashes:
                    try:
                        hashes[minute] = made[minute] = id_hashes(self._access, minute, row.size)
                    except MinuteGone:
                        found.append(minute)
                        continue
                there = hashes[minute]
                if hashed in there[there.searchsorted(hashed) :][:1]:
                    found.append(minute)
            self._database.save_id_hashes({each: (known[each], made[each]) for each in made})
        return np.array(found, np.int64)

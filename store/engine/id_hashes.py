"""The hashes of the ids of events: they are computed on demand, and kept in the index."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray

from store.answers.access import Access
from store.answers.fetch import id_hashes
from store.errors import MinuteGone
from store.index.database import Database
from store.index.row import MinuteRow
from store.interruption import check_reader

__all__ = ["IdHashes"]

_SEARCHED_FIRST, _SEARCHED_AT_ONCE = 16, 1000
"""Numbers of minutes whose id hashes are read from the index, or saved to it, in one transaction: for the first time, and at most."""


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

    def minutes_with(self, hashed: int, minutes: NDArray[np.int64]) -> Iterator[int]:
        """Yield those of *minutes*, by id, that may have an event whose id has the hash *hashed*, or are gone.

        No more is read than it takes to find the next one.

        Raises:
            ReaderGone: if the reader has gone away.
        """
        first, count = 0, _SEARCHED_FIRST
        while first < len(minutes):
            some = minutes[first : first + count]
            first, count = first + count, min(2 * count, _SEARCHED_AT_ONCE)
            known, _ = self._rows(some)
            hashes = self._database.find_id_hashes(known)
            made: dict[int, tuple[MinuteRow, NDArray[np.uint32]]] = {}
            for minute in some.tolist():
                row = known.get(minute)
                if row is not None and row.size == row.bytes and row.stamp.is_settled:
                    if minute not in hashes:
                        check_reader()
                        with contextlib.suppress(MinuteGone):
                            hashes[minute] = id_hashes(self._access, minute, row.size)
                            made[minute] = row, hashes[minute]
                    there = hashes.get(minute)
                    if there is not None and hashed not in there[there.searchsorted(hashed) :][:1]:
                        continue
                # Before that, because a search that has found the event asks for no more.
                self._database.save_id_hashes(made)
                made = {}
                yield minute
            self._database.save_id_hashes(made)

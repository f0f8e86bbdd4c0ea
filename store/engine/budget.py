"""The memory budget: what the catalog, the streams and the cache may take together."""

import logging

from store.cache import Cache
from store.disk.pages import Pages
from store.index.catalog import Catalog
from store.index.streams import Streams

__all__ = ["Budget"]

_CACHE_SHARE = 8
"""The cache gets this part of the budget even if the tables leave less."""

_TABLES_SHARE = 2
"""The tables stay in memory up to this part of the budget."""

log = logging.getLogger(__name__)


class Budget:
    """The memory budget of a store. Callers hold the store's state lock.

    Args:
        size: the budget, in bytes.
        catalog: the minutes.
        streams: the streams.
        cache: gets what these two tables leave of the budget.
        pages: where the tables go when they take more than their part.
    """

    def __init__(
        self, size: int, catalog: Catalog, streams: Streams, cache: Cache, pages: Pages
    ) -> None:
        self._size = size
        self._catalog = catalog
        self._streams = streams
        self._cache = cache
        self._pages = pages
        self._is_paged = False

    def apply(self) -> None:
        """Limit the cache to what the tables leave of the budget now, and page the tables if they have become too large."""
        if self._is_paged:
            self._pages.release()
        elif self._tables_size > self._size // _TABLES_SHARE:
            log.info(
                "paging %d MiB that are known of %d streams and %d minutes: more than half of -o memory=",
                self._tables_size >> 20,
                len(self._streams),
                len(self._catalog),
            )
            self._catalog.page(self._pages.zeros)
            self._streams.page(self._pages.zeros)
            self._is_paged = True
        self._cache.limit(max(self._size - self._tables_size, self._size // _CACHE_SHARE))

    @property
    def _tables_size(self) -> int:
        """The memory of the tables, in bytes; what is paged takes none."""
        return self._catalog.size + self._streams.size - self._pages.size

    def status(self) -> dict[str, int]:
        """Return the budget, and what is taken of it."""
        return {
            "memory_budget_bytes": self._size,
            "memory_used_bytes": self._tables_size + self._cache.size,
            "memory_paged_bytes": self._pages.size,
        }

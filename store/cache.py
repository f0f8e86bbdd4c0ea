"""The memory budget: everything that can be had again, weighed in bytes, dropped in order of last use."""

import threading
from collections import OrderedDict
from collections.abc import Hashable
from typing import Any

__all__ = ["Cache"]


class Cache:
    """Values by key, of at most a number of bytes in all. Any number of threads may use it.

    Args:
        size_max: the budget, in bytes; the value put last is kept whatever it weighs.

    Attributes:
        size: the weight of all values, in bytes.
    """

    def __init__(self, size_max: int) -> None:
        self.size = 0
        self._size_max = size_max
        self._values: OrderedDict[Hashable, tuple[Any, int]] = OrderedDict()
        self._lock = threading.Lock()

    def get(self, key: Hashable) -> Any | None:
        """Return the value of *key*, which is now the one used last; None when it is not here."""
        with self._lock:
            found = self._values.get(key)
            if found is None:
                return None
            self._values.move_to_end(key)
            return found[0]

    def put(self, key: Hashable, value: Any, size: int) -> None:
        """Keep *value*, which weighs *size* bytes, as that of *key*."""
        with self._lock:
            _, before = self._values.pop(key, (None, 0))
            self._values[key] = value, size
            self.size += size - before
            self._shrink()

    def limit(self, size_max: int) -> None:
        """Change the budget to *size_max*, in bytes."""
        with self._lock:
            self._size_max = size_max
            self._shrink()

    def pop(self, key: Hashable) -> None:
        """Forget the value of *key*, if it is here."""
        with self._lock:
            _, size = self._values.pop(key, (None, 0))
            self.size -= size

    def _shrink(self) -> None:
        while self.size > self._size_max and len(self._values) > 1:
            _, (_, freed) = self._values.popitem(last=False)
            self.size -= freed

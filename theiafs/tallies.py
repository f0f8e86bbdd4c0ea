"""Tallies: what was counted of lines in formats, and how many values their fields had."""

import threading
from collections import Counter
from collections.abc import Callable, Iterable, Mapping

__all__ = ["Tallies"]

_VALUES_MAX = 10_000
"""Number of values of a field that become tags of their own."""

_OTHER = "_other"


class Tallies:
    """The tallies of a mount. Any number of threads may use them.

    Args:
        tags: returns the tags that events have already, whose values count; it is asked once for each key.
    """

    def __init__(self, tags: Callable[[], Iterable[str]] = frozenset) -> None:
        self._tags = tags
        self._lock = threading.Lock()
        self._values: dict[str, set[str]] = {}
        self._counts: Counter[str] = Counter()

    def limited(self, tags: Iterable[str]) -> tuple[list[str], list[str]]:
        """Limit *tags* of fields, each ``key=value``: after many values of a key, new ones become one.

        Returns:
            The tags, and the names of the tallies to which each event that has them adds one.
        """
        found, names = [], []
        with self._lock:
            for tag in tags:
                key, _, value = tag.partition("=")
                values = self._values_of(key)
                if value not in values and len(values) >= _VALUES_MAX:
                    names.append(f"other values of {key}")
                    found.append(f"{key}={_OTHER}")
                else:
                    values.add(value)
                    found.append(tag)
        return found, names

    def _values_of(self, key: str) -> set[str]:
        """Return the values of *key* that are tags of their own; the caller holds the lock."""
        values = self._values.get(key)
        if values is None:
            start = f"{key}="
            found = sorted(tag for tag in self._tags() if tag.startswith(start))
            values = self._values[key] = {tag.removeprefix(start) for tag in found[:_VALUES_MAX]}
            values.discard(_OTHER)
        return values

    def add(self, counts: Mapping[str, int]) -> None:
        """Add *counts* by name."""
        with self._lock:
            self._counts.update(counts)

    def status(self) -> dict[str, int]:
        """Return the counts by name, for the status."""
        with self._lock:
            return dict(sorted(self._counts.items()))

"""Saved views, in the registry."""

import threading
from collections.abc import Mapping

from store.clickhouse.registry import Entry, Registry
from store.clickhouse.wire import Wire
from store.errors import InvalidQuery, ViewExists, ViewNotFound
from store.format.record import decode_text, encode_text

__all__ = ["SavedViews"]


class SavedViews:
    """The saved views of a store. Any number of threads may use it.

    Another process may save a view of the same name at the same time: then the last one counts.

    Args:
        wire: the engine.
        staleness_s: see :class:`Registry`.
    """

    def __init__(self, wire: Wire, staleness_s: float) -> None:
        self._registry = Registry(wire, "view", staleness_s)
        self._lock = threading.Lock()  # one change at a time

    def targets(self) -> Mapping[str, str]:
        """Return the target of each by its name."""
        return {
            decode_text(name): decode_text(target) for name, target in self._registry.read().items()
        }

    def add(self, name: str, target: str) -> None:
        """Save *target* as the view *name*; see :meth:`store.api.EventStore.save_view`."""
        _check_name(name)
        with self._lock:
            if name in self.targets():
                raise ViewExists(f"there is a view {name!r} already")
            self._registry.write(Entry(encode_text(name), encode_text(target)))

    def remove(self, name: str) -> None:
        """Remove the view *name*; see :meth:`store.api.EventStore.remove_view`."""
        with self._lock:
            self._target(name)
            self._registry.write(Entry(encode_text(name), None))

    def rename(self, old: str, new: str, *, replaces: bool) -> None:
        """Rename the view *old* to *new*; see :meth:`store.api.EventStore.rename_view`."""
        _check_name(new)
        with self._lock:
            target = self._target(old)
            if new in self.targets() and not replaces:
                raise ViewExists(f"there is a view {new!r} already")
            if new != old:
                # One INSERT: both are seen, or neither.
                self._registry.write(
                    Entry(encode_text(old), None), Entry(encode_text(new), encode_text(target))
                )

    def _target(self, name: str) -> str:
        targets = self.targets()
        if name not in targets:
            raise ViewNotFound(f"there is no view {name!r}")
        return targets[name]


def _check_name(name: str) -> None:
    """Check that a view can be called *name*: as any file.

    Raises:
        InvalidQuery: if it cannot.
    """
    is_file = name not in ("", ".", "..") and "/" not in name and "\0" not in name
    if not is_file:
        raise InvalidQuery(f"a view cannot be called {name!r}: give a name that a file can have")

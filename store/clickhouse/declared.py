"""Declared names, in the registry: tags and sources that exist before the first event has them."""

from collections.abc import Callable

from store.clickhouse.registry import Entry, Registry
from store.clickhouse.wire import Wire
from store.errors import InvalidEvent
from store.format.record import decode_text, encode_text

__all__ = ["DeclaredNames"]


class DeclaredNames:
    """The declared names of one kind in a store. Any number of threads may use it.

    Args:
        wire: the engine.
        kind: the kind, such as "tag".
        staleness_s: see :class:`Registry`.
        fault: returns what is wrong with a name of that kind; empty if nothing is.
    """

    def __init__(
        self, wire: Wire, kind: str, fault: Callable[[str], str], staleness_s: float
    ) -> None:
        self._registry = Registry(wire, kind, staleness_s)
        self._kind = kind
        self._fault = fault

    def names(self) -> frozenset[str]:
        """Return all declared names; see :meth:`Registry.read`."""
        return frozenset(map(decode_text, self._registry.read()))

    def has(self, name: str) -> bool:
        """Return whether *name* is declared; see :meth:`Registry.read`."""
        return encode_text(name) in self._registry.read()

    def add(self, name: str) -> None:
        """Declare *name*, durably.

        Raises:
            InvalidEvent: if no event can have such a name.
            EventWriteException: if that failed, or is not known.
        """
        if fault := self._fault(name):
            raise InvalidEvent(
                f"no event can have the {self._kind} {name!r}: it {fault}; give another one"
            )
        # Even if it seems to be declared: another process may have taken it back since the registry was read.
        self._registry.write(Entry(encode_text(name), b""))

    def remove(self, name: str) -> None:
        """Take back that *name* is declared, durably.

        Raises:
            EventWriteException: if that failed, or is not known.
        """
        self._registry.write(Entry(encode_text(name), None))

"""Copying in tests: from store to store, and what is in them."""

from collections import Counter
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

from store import Event, EventStore, Opening, Query, open_store
from store.format.event import encode_event
from theiafs.copying.copier import Copier
from theiafs.importing.destination import Destination, StoreDestination
from theiafs.importing.interruption import Interruption

__all__ = ["copier_of", "copy", "record_of", "records_at", "records_in"]


def copier_of(source: EventStore, destination: Destination) -> Copier:
    """Return the copier of a copy that can be resumed."""
    return Copier(source, destination, "copy-test", Interruption())


def copy(
    source: EventStore,
    destination: EventStore,
    progress: Callable[[int, int], object] = lambda _done, _total: None,
    *,
    compares_all: bool = False,
) -> Copier:
    """Copy what is new, and return what says how much that was."""
    copier = copier_of(source, StoreDestination(destination))
    copier.run(progress, compares_all=compares_all)
    return copier


def record_of(event: Event) -> bytes:
    return encode_event(event)[0]


def records_in(store: EventStore) -> Counter[bytes]:
    """Return how often each record is in a store."""
    return Counter(map(record_of, store.select(Query())))


def records_at(path: Path) -> Counter[bytes]:
    """Return how often each record is in the store in a directory."""
    with closing(open_store(str(path), Opening(is_read_only=True))) as store:
        return records_in(store)

"""From the address of a store to the store."""

from store.api import EventStore
from store.naive import NaiveEventStore

__all__ = ["open_store"]


def open_store(address: str, flush_interval_ms: float) -> EventStore:
    """Open the store at an address; so far, every address is a directory of minute files.

    Args:
        address: path of the directory; made when it is not there.
        flush_interval_ms: milliseconds between flushes; 0 or less flushes at every save.

    Raises:
        EventStoreException: if there is no store to open, or another process has it open.
    """
    return NaiveEventStore(address, flush_interval_ms)

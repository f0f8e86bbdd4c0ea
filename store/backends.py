"""From the address of a store to the store."""

from store.api import EventStore
from store.naive import NaiveEventStore, wait_until_unlocked

__all__ = ["open_store", "wait_until_closed"]


def open_store(address: str, flush_interval_ms: float) -> EventStore:
    """Open the store at an address; so far, every address is a directory of minute files.

    Args:
        address: path of the directory; made when it is not there.
        flush_interval_ms: milliseconds between flushes; 0 or less flushes at every save.

    Raises:
        EventStoreException: if there is no store to open, or another process has it open.
    """
    return NaiveEventStore(address, flush_interval_ms)


def wait_until_closed(address: str) -> None:
    """Wait until no process has the store at an address open any more.

    Raises:
        EventStoreException: if that cannot be found out.
    """
    wait_until_unlocked(address)

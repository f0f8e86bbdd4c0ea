"""Opening stores: the backend of an address follows from its scheme."""

import re
from collections.abc import Callable, Mapping

from store.api import EventStore
from store.backend import Backend, Opening
from store.clickhouse.backend import ClickHouseBackend
from store.engine.directory import DirectoryBackend
from store.errors import EventStoreException

__all__ = ["backend_of", "open_store"]

_BACKENDS: Mapping[str, Callable[[str], Backend]] = {
    "": DirectoryBackend,
    "clickhouse": ClickHouseBackend,
}
"""The backends, by the schemes of their addresses; what has none is the path of a directory."""

_DEFAULTS = Opening()

_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*)://", re.IGNORECASE)


def backend_of(address: str) -> Backend:
    """Return the backend of the store at *address*: ``SCHEME://…``, or the path of a directory.

    Raises:
        EventStoreException: if there is no such scheme, or the address is not a valid one of its scheme.
    """
    if not address:
        raise EventStoreException(
            f"no store has the address {address!r}: give the path of a directory"
        )
    found = _SCHEME.match(address)
    scheme = found[1].lower() if found is not None else ""
    backend = _BACKENDS.get(scheme)
    if backend is None:
        schemes = [f"{each}://" for each in _BACKENDS if each]
        raise EventStoreException(
            f"no store has an address that begins with {scheme}://: give {', '.join([*schemes, 'the path of a directory'])}"
            f" (./{scheme}:// for a directory of that name)"
        )
    return backend(address)


def open_store(address: str, opening: Opening = _DEFAULTS) -> EventStore:
    """Open the store at *address* as *opening* says.

    Raises:
        EventStoreException: if there is no store to open, or another process has it open.
    """
    return backend_of(address).open(opening)

"""The command line, with one more kind of store: ``memory://USER:PASSWORD@HOST/NAME``, which lasts as long as its process."""

import sys
from urllib.parse import urlsplit

from store import Backend, EventStore, Opening, opening
from tests.doubles import ListStore
from theiafs.cli import main

__all__ = ["MemoryBackend", "add_memory_backend"]


class MemoryBackend(Backend):
    """The store at an address, which only one process can see."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        user = f"{parts.username}@" if parts.username else ""
        self.address = address
        self.name = self.identity = f"memory://{user}{parts.hostname}{parts.path}"

    def check(self, *, is_read_only: bool = False) -> None:
        pass

    def open(self, opening: Opening) -> EventStore:
        return ListStore()


def add_memory_backend() -> None:
    """Let addresses have the scheme memory."""
    opening._BACKENDS = {**opening._BACKENDS, "memory": MemoryBackend}


if __name__ == "__main__":
    add_memory_backend()
    sys.exit(main())

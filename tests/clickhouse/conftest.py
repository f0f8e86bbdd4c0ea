"""A real server for all tests of a session, with an empty database for each."""

import itertools
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from engines.server import Server, free_ports

from store import EventStore, open_store
from store.backend import Opening
from theiafs.lineviews import LINE_VIEWS


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("engine"), *free_ports(2))
    started.start()
    yield started
    started.stop()


_numbers = itertools.count(1)


@pytest.fixture
def address(server: Server) -> str:
    """The address of a database that is not there yet."""
    return f"clickhouse://{server.host}/test_{next(_numbers)}"


@pytest.fixture
def open_at(address: str) -> Iterator[Callable[..., EventStore]]:
    """Return a function that opens the store at the address, with what it is given."""
    opened = []

    def open_it(**options: object) -> EventStore:
        opening = Opening(**{"measured_views": LINE_VIEWS, "timeout_s": 20, **options})  # type: ignore[arg-type]
        opened.append(open_store(address, opening))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()

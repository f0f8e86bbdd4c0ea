"""A real server for all tests of a session, with an empty database for each.

The contract can be tested on servers elsewhere too, such as those with replicas: ``THEIAFS_TEST_CLICKHOUSE`` is the address of a
database there, which is emptied.
"""

import os
from collections.abc import Callable, Iterator

import pytest
from engines.server import Server

from store import EventStore, open_store
from store.backend import Opening
from store.clickhouse.address import PASSWORD_VARIABLE, parse_address
from store.clickhouse.tables import ENTRIES, EVENTS
from store.clickhouse.wire import Wire
from theiafs.lineviews import LINE_VIEWS

TIMEOUT_S = 20


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    started = Server(tmp_path_factory.mktemp("engine"))
    started.start()
    yield started
    started.stop()


@pytest.fixture
def server_sql(server: Server) -> Iterator[Callable[[str], str]]:
    """Yield a function that lets the server execute a statement, and returns its answer."""
    wire = Wire(parse_address(f"clickhouse://{server.host}/default"), "", TIMEOUT_S)
    yield lambda sql: wire.fetch(sql).decode().strip()
    wire.close()


@pytest.fixture
def address(server: Server, server_sql: Callable[[str], str]) -> str:
    """The address of a database that is not there, or empty: to create one for each test would take longer than most."""
    elsewhere = os.environ.get("THEIAFS_TEST_CLICKHOUSE", "")
    if elsewhere:
        wire = Wire(parse_address(elsewhere), os.environ.get(PASSWORD_VARIABLE, ""), TIMEOUT_S)
        for table in (EVENTS, ENTRIES):
            wire.execute(f"TRUNCATE TABLE IF EXISTS {table}")
        wire.close()
        return elsewhere
    for table in (EVENTS, ENTRIES):
        server_sql(f"TRUNCATE TABLE IF EXISTS tests.{table}")
    return f"clickhouse://{server.host}/tests"


@pytest.fixture
def open_at(address: str) -> Iterator[Callable[..., EventStore]]:
    """Yield a function that opens the store at the address, or another, with what it is given."""
    opened = []

    def open_it(at: str = address, **options: object) -> EventStore:
        opening = Opening(**{"measured_views": LINE_VIEWS, "timeout_s": TIMEOUT_S, **options})  # type: ignore[arg-type]
        opened.append(open_store(at, opening))
        return opened[-1]

    yield open_it
    for each in opened:
        each.close()

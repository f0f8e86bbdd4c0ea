"""Several shards: each minute is on one, an answer is of all, and a shard that is away is an error."""

import contextlib
import time
from collections.abc import Iterator

import pytest
from engines.server import CLUSTER, Server, free_ports

from store import (
    Batch,
    Event,
    EventReadException,
    EventStore,
    EventWriteException,
    Query,
    StoreReadOnly,
    WriteUnknown,
    open_store,
)
from store.backend import Opening
from store.clickhouse.address import parse_address
from store.clickhouse.columns import rows_of
from store.clickhouse.inserter import Inserter
from store.clickhouse.shards import sharded
from store.clickhouse.tables import EVENT_ID
from store.clickhouse.wire import Wire
from tests.reading import EVERYTHING, ids_in
from theiafs.lineviews import LINE_VIEWS

TIMEOUT_S = 5
MINUTES = 12


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Server]]:
    ports, tcp_ports = free_ports(2), free_ports(2)
    made = [
        Server(tmp_path_factory.mktemp("shard"), port, tcp_port, tcp_ports)
        for port, tcp_port in zip(ports, tcp_ports, strict=True)
    ]
    for each in made:
        each.start()
    yield made
    for each in made:
        each.stop()


def address_of(servers: list[Server], database: str) -> str:
    return (
        f"clickhouse://{','.join(server.host for server in servers)}/{database}?cluster={CLUSTER}"
    )


def database_of(request: pytest.FixtureRequest) -> str:
    """Return the name of the database of a test."""
    name: str = request.node.name
    return name.translate({ord("["): "_", ord("]"): None})


@pytest.fixture
def store(servers: list[Server], request: pytest.FixtureRequest) -> Iterator[EventStore]:
    opening = Opening(timeout_s=TIMEOUT_S, measured_views=LINE_VIEWS)
    opened = open_store(address_of(servers, database_of(request)), opening)
    yield opened
    opened.close()


EVENTS = [
    Event(f"e{number}", "ab"[number % 2], number * 7 % (60 * MINUTES), [f"t{number % 3}"], "x")
    for number in range(120)
]


def test_they_are_one_store(
    store: EventStore, servers: list[Server], request: pytest.FixtureRequest
) -> None:
    """With whole minutes on each, in the order of arrival; removals reach all."""
    answer = store.answer(Query())
    for first in range(0, len(EVENTS), 30):
        before = answer.read(0, EVERYTHING)
        store.save_all(EVENTS[first : first + 30])
        assert answer.read(0, EVERYTHING).startswith(before)
    assert sorted(ids_in(answer.read(0, EVERYTHING))) == sorted(str(event.id) for event in EVENTS)
    halves = [
        open_store(f"clickhouse://{server.host}/{request.node.name}", Opening(is_read_only=True))
        for server in servers
    ]
    minutes = [set(half.minutes(Query())) for half in halves]
    assert minutes[0]
    assert minutes[1]
    assert minutes[0].isdisjoint(minutes[1])
    assert minutes[0] | minutes[1] == set(store.minutes(Query()))
    with pytest.raises(StoreReadOnly):
        halves[0].save(EVENTS[0])
    for half in halves:
        half.close()
    for span in store.snapshot(Query()).spans:
        start = int(span.name.partition("-")[0])
        wanted = [event.id for event in EVENTS if start <= event.timestamp < start + 60]
        assert ids_in(store.answer(Query(), span.name).read(0, EVERYTHING)) == wanted
        for view in LINE_VIEWS:
            assert (
                len(store.answer(Query(), span.name, view).read(0, EVERYTHING))
                == store.answer(Query(), span.name, view).size()
            )
    assert [event.id for event in store.search(0)] == [
        event.id for event in sorted(EVENTS, key=lambda event: event.ticks)
    ]
    store.delete("e5")
    assert store.whole(Query()).events == len(EVENTS) - 1
    names = [name for each in minutes for name in sorted(each)[:1]]
    assert store.remove_minutes(names) == 2
    assert not set(names) & set(store.minutes(Query()))
    assert store.tags() == {"t0", "t1", "t2"}
    assert store.follow(store.follow().cursor).minutes == []


def test_a_shard_that_is_away(store: EventStore, servers: list[Server]) -> None:
    """Is an error, and never a shorter answer; afterwards, everything is there once."""
    store.save_all(EVENTS)
    servers[1].kill()
    with contextlib.suppress(WriteUnknown):
        store.save(Event("noted", "s", 0))  # so that nothing is answered from before
    for ask in (
        lambda: store.whole(Query()),
        lambda: store.answer(Query()).read(0, EVERYTHING),
        lambda: list(store.select(Query())),
        lambda: list(store.streams(Query())),
    ):
        with pytest.raises(EventReadException):
            ask()
    servers[1].start()
    found = [str(event.id) for event in store.select(Query())]
    assert sorted(set(found) - {"noted"}) == sorted(str(event.id) for event in EVENTS)
    assert len(found) == len(set(found))


@pytest.mark.parametrize("days", [0, 1])
def test_one_of_two_that_refuses(
    store: EventStore, servers: list[Server], request: pytest.FixtureRequest, days: int
) -> None:
    """Makes an INSERT unknown, until the other has its part: once, also when it is repeated on another day."""
    del store  # it has made the tables
    database = database_of(request)
    addresses = [f"clickhouse://{server.host}/{database}" for server in servers]
    front, second = (Wire(parse_address(each), "", TIMEOUT_S) for each in addresses)
    inserter = Inserter(front, sharded(CLUSTER), ())
    arrived = f"ALTER TABLE {sharded(CLUSTER).events} MODIFY COLUMN arrived DEFAULT now64(9)"
    front.execute(f"{arrived} - INTERVAL {days} DAY")
    second.execute("ALTER TABLE events ADD CONSTRAINT no CHECK throwIf(1, 'no') = 1")
    rows = rows_of([Batch.of(EVENTS)])
    with pytest.raises(WriteUnknown):
        inserter.insert(rows, "token-1", time.monotonic() + 1)
    assert 0 < int(front.fetch("SELECT count() FROM events")) < len(EVENTS)
    assert int(second.fetch("SELECT count() FROM events")) == 0
    front.execute(arrived)
    second.execute("ALTER TABLE events DROP CONSTRAINT no")
    inserter.insert(rows, "token-1", time.monotonic() + TIMEOUT_S, was_tried=True)
    ids = front.fetch(f"SELECT {EVENT_ID} FROM {sharded(CLUSTER).events}").decode().split()
    assert sorted(ids) == sorted(str(event.id) for event in EVENTS)
    for each in (front, second):
        each.close()


def test_all_of_them_that_refuse(
    store: EventStore, servers: list[Server], request: pytest.FixtureRequest
) -> None:
    """Nothing was stored then, and that is said."""
    database = database_of(request)
    wires = [
        Wire(parse_address(f"clickhouse://{server.host}/{database}"), "", TIMEOUT_S)
        for server in servers
    ]
    for each in wires:
        each.execute("ALTER TABLE events ADD CONSTRAINT no CHECK throwIf(1, 'no') = 1")
    with pytest.raises(EventWriteException) as caught:
        store.save_all(EVENTS)
    assert not isinstance(caught.value, WriteUnknown)
    for each in wires:
        assert int(each.fetch("SELECT count() FROM events")) == 0
        each.close()


def test_it_is_removed_by_age(servers: list[Server]) -> None:
    """Every shard is told how long to keep events."""
    address = address_of(servers, "kept")
    open_store(address, Opening(timeout_s=TIMEOUT_S, ttl_days=30)).close()
    for server in servers:
        # The definition of the table, as the server gives it.
        wire_address = f"clickhouse://{server.host}/kept"
        assert "toIntervalDay(30)" in definition(wire_address)


def definition(address: str) -> str:
    """Return the statement that makes the table of events again."""
    wire = Wire(parse_address(address), "", TIMEOUT_S)
    found = wire.fetch("SHOW CREATE TABLE events").decode()
    wire.close()
    return found

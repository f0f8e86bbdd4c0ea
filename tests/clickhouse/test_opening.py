"""Opening: addresses, tables that are missing, newer or older, and views that were not measured."""

from collections.abc import Callable
from pathlib import Path

import pytest
from engines.server import Server

from store import (
    Event,
    EventStore,
    EventStoreException,
    Query,
    StoreNotFound,
    backend_of,
    open_store,
)
from store.backend import Opening
from store.clickhouse.address import parse_address
from store.clickhouse.schema import _MIGRATIONS, prepare
from store.clickhouse.wire import Wire
from tests.contract import EVENTS
from tests.reading import EVERYTHING
from tests.waiting import eventually
from theiafs.lineviews import LINE_VIEWS


@pytest.mark.parametrize(
    ("text", "host", "port", "database", "user", "has_tls"),
    [
        ("clickhouse://h", "h", 8123, "default", "default", False),
        ("clickhouse://me@h/logs", "h", 8123, "logs", "me", False),
        ("clickhouse://me%40x@h:8443/logs", "h", 8443, "logs", "me@x", True),
        ("clickhouse://h:9999/logs?tls=yes&ca=/x", "h", 9999, "logs", "default", True),
        ("clickhouse://h:443/logs?tls=no", "h", 443, "logs", "default", False),
        ("clickhouse://[::1]:1/x", "::1", 1, "x", "default", False),
        ("clickhouse://h/x?tls=yes", "h", 8443, "x", "default", True),
    ],
)
def test_addresses(
    text: str, host: str, port: int, database: str, user: str, has_tls: bool
) -> None:
    """All parts but the host may be left out."""
    found = parse_address(text)
    assert (found.hosts, found.database, found.user, found.has_tls) == (
        ((host, port),),
        database,
        user,
        has_tls,
    )


@pytest.mark.parametrize(
    "text",
    [
        "clickhouse://", "clickhouse:///x", "clickhouse://h:x/y", "clickhouse://h/a b", "clickhouse://h/a;DROP", "clickhouse://h/a`b",
        "clickhouse://h/x?tls=maybe", "clickhouse://h/x?nothing=1", "clickhouse://h,i/x", "clickhouse://h/x?cluster=a'b",
    ],
)  # fmt: skip
def test_what_is_no_address(text: str) -> None:
    """The message repeats it, and says what one looks like."""
    with pytest.raises(EventStoreException, match="clickhouse://USER@HOST"):
        parse_address(text)


@pytest.mark.parametrize(
    "text", ["me:geheim@h/x", "me:geheim@h:x/y", "me:ge/geheim@h/x", "me:geheim@h/a b?nothing=1"]
)
def test_a_password_is_not_repeated(text: str) -> None:
    """Neither by the address, nor by the message that refuses it, whatever else is wrong."""
    with pytest.raises(EventStoreException, match="has a password") as caught:
        backend_of(f"clickhouse://{text}")
    assert "geheim" not in str(caught.value)


def test_a_password_comes_from_a_file(server: Server, tmp_path: Path) -> None:
    """And the server checks it: it has no user of this name."""
    path = tmp_path / "password"
    path.write_text("geheim\n")
    backend = backend_of(f"clickhouse://me@{server.host}/x?password_file={path}")
    with pytest.raises(EventStoreException) as caught:
        backend.check()
    assert "geheim" not in str(caught.value)
    assert "THEIAFS_CLICKHOUSE_PASSWORD" in str(caught.value)


def test_nothing_is_made_to_be_read(server: Server) -> None:
    """A store that is not there is an error, and is still not there afterwards."""
    address = f"clickhouse://{server.host}/nowhere"
    for _ in range(2):
        with pytest.raises(StoreNotFound, match="without -o ro"):
            open_store(address, Opening(is_read_only=True))


def test_newer_tables_are_left_alone(server: Server) -> None:
    """This release does not know what to write into them."""
    address = f"clickhouse://{server.host}/newer"
    open_store(address).close()
    wire = Wire(parse_address(address), "", 20)
    applied = wire.fetch("SELECT count(), max(number) FROM migrations")
    prepare(wire, [], 0, is_read_only=False)
    assert wire.fetch("SELECT count(), max(number) FROM migrations") == applied
    wire.execute("INSERT INTO migrations (number) VALUES (1000)")
    wire.close()
    with pytest.raises(EventStoreException, match="newer release"):
        open_store(address)


@pytest.mark.parametrize("number", range(1, len(_MIGRATIONS)))
def test_tables_of_an_older_release(
    server: Server, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    """Are brought up to date when they are opened to be written, and are read meanwhile as they are."""
    address = f"clickhouse://{server.host}/older_{number}"
    with monkeypatch.context() as older:
        older.setattr("store.clickhouse.schema._MIGRATIONS", _MIGRATIONS[:number])
        open_store(address).close()
    wire = Wire(parse_address(address), "", 20)
    wire.execute(
        "INSERT INTO events (ticks, n, source, tags, level, head, content)"
        " VALUES (0, 0, 's', ['t'], 0, 'id: old\\n', 'x')"
    )
    wire.close()
    reading = open_store(address, Opening(is_read_only=True))
    writing = open_store(address)
    writing.save(EVENTS[0])
    for store in (reading, writing, open_store(address)):
        eventually(lambda: store.whole(Query()).events == 2)  # noqa: B023 - called at once
        store.close()


def test_lines_that_were_not_measured(server: Server) -> None:
    """Have their sizes, and so have those that are stored with them."""
    address = f"clickhouse://{server.host}/unmeasured"
    before = open_store(address)
    before.save_all(EVENTS[:3])
    measuring = open_store(address, Opening(measured_views=LINE_VIEWS))
    measuring.save_all(EVENTS[3:])
    before.save(Event("again", "s", 10, [], "x"))
    for store in (before, measuring):
        for view in LINE_VIEWS:
            answer = store.answer(Query(), None, view)
            data = answer.read(0, EVERYTHING)
            assert len(data) == answer.size() == store.whole(Query(), view).size
            assert data.count(b"\n") == len(EVENTS) + 1
            for span in store.snapshot(Query(), view).spans:
                assert len(store.answer(Query(), span.name, view).read(0, EVERYTHING)) == span.size
        store.close()


def test_what_is_only_read_is_not_written(open_at: Callable[..., EventStore]) -> None:
    """Each method that would write says so."""
    open_at().save(EVENTS[0])
    store = open_at(is_read_only=True)
    assert not store.is_writable
    assert store.whole(Query()).events == 1
    for write in (
        lambda: store.save(EVENTS[1]),
        lambda: store.delete("a"),
        lambda: store.declare_tag("x"),
        lambda: store.declare_source("x"),
        lambda: store.save_view("v", "x"),
        lambda: store.write_state("s", b"x"),
        lambda: store.remove_minutes(["0-60"]),
    ):
        with pytest.raises(EventStoreException, match="only read"):
            write()

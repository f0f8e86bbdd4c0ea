"""Requests: over connections that may be dead, and with users and passwords of any letters."""

import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import closing

import pytest

from store import Batch, EventWriteException, WriteUnknown
from store.clickhouse.address import parse_address
from store.clickhouse.arrivals import Arrivals
from store.clickhouse.columns import Rows
from store.clickhouse.inserter import Inserter
from store.clickhouse.registry import Entry, Registry
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Unknown, Wire
from store.clickhouse.writer import Writer
from tests.waiting import eventually

_TIMEOUT_S = 10.0
_NO_LINGERING = struct.pack("ii", 1, 0)


_ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1"
_HEADERS = b"Connection: Keep-Alive\r\nTransfer-Encoding: chunked\r\nX-ClickHouse-Format: TSV\r\n"
_CHUNKED = b"HTTP/1.1 200 OK\r\n" + _HEADERS + b"\r\n2\r\n11\r\n"
_REFUSED = (
    b"HTTP/1.1 404 Not Found\r\nX-ClickHouse-Exception-Code: 319\r\n"
    + _HEADERS
    + b"\r\n2\r\nno\r\n"
)
_LAST_CHUNK = b"0\r\n\r\n"


class ResettingServer:
    """A server that answers each request, and resets the connection after that.

    Attributes:
        answer: its answers.
        requests: what it was asked.
    """

    def __init__(self) -> None:
        self.answer = _ANSWER
        self.requests: list[bytes] = []
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.port = self._socket.getsockname()[1]
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        while True:
            try:
                connection, _ = self._socket.accept()
            except OSError:  # closed
                return
            with connection, connection.makefile("rb") as request:
                head = b"".join(iter(request.readline, b"\r\n"))
                length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0])
                self.requests.append(head + request.read(length))
                connection.sendall(self.answer)
                if self.answer == _ANSWER:
                    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _NO_LINGERING)

    def close(self) -> None:
        self._socket.close()


@pytest.fixture
def resetting() -> Iterator[ResettingServer]:
    with closing(ResettingServer()) as server:
        yield server


def test_a_connection_that_was_reset_is_not_used_again(resetting: ResettingServer) -> None:
    """As the engine, or what is between, does with those that rest."""
    address = parse_address(f"clickhouse://127.0.0.1:{resetting.port}/x")
    with closing(Wire(address, "", _TIMEOUT_S)) as wire:
        for _ in range(5):
            assert wire.fetch("SELECT 1") == b"1"


def test_users_and_passwords_have_any_letters(resetting: ResettingServer) -> None:
    """They are UTF-8, or bytes as the environment has them."""
    address = parse_address(f"clickhouse://%C3%A9@127.0.0.1:{resetting.port}/x")
    with closing(Wire(address, "€\udcff", _TIMEOUT_S)) as wire:
        wire.fetch("SELECT 1")
    assert b"X-ClickHouse-User: \xc3\xa9\r\n" in resetting.requests[0]
    assert b"X-ClickHouse-Key: \xe2\x82\xac\xff\r\n" in resetting.requests[0]


@pytest.mark.parametrize("answer", [_CHUNKED, _REFUSED])
def test_an_answer_that_was_cut_is_none(resetting: ResettingServer, answer: bytes) -> None:
    """Wherever: in its headers, or after them."""
    address = parse_address(f"clickhouse://127.0.0.1:{resetting.port}/x")
    with closing(Wire(address, "", _TIMEOUT_S)) as wire:
        for size in range(len(answer)):
            resetting.answer = answer[:size]
            with pytest.raises(Unknown):
                wire.insert("INSERT", b"data", _TIMEOUT_S)
        resetting.answer = answer + _LAST_CHUNK
        if answer == _CHUNKED:
            assert wire.fetch("SELECT 11") == b"11"


def test_an_answer_that_was_cut_leaves_nothing_open(resetting: ResettingServer) -> None:
    """Not even as long as what failed is told, or until garbage is collected."""
    address = parse_address(f"clickhouse://127.0.0.1:{resetting.port}/x")
    errors: list[Unknown] = []
    with closing(Wire(address, "", _TIMEOUT_S)) as wire:
        before = len(os.listdir("/proc/self/fd"))
        for answer in (
            _CHUNKED,
            b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n1",
            b"HTTP/1.1 200 OK\r\n\r\n",
        ):
            resetting.answer = answer
            with pytest.raises(Unknown) as caught:
                wire.ask("SELECT 1", _TIMEOUT_S)
            errors.append(caught.value)
        eventually(lambda: len(os.listdir("/proc/self/fd")) == before)  # the server's ends, too


class FailingInserter(Inserter):
    """Waits with the first INSERT, and fails in the second by an error that is not of the store."""

    def __init__(self, wire: Wire) -> None:
        super().__init__(wire, Tables(), ())
        self.may_go_on = threading.Event()
        self._calls = 0

    def insert(self, rows: Rows, token: str, deadline: float, *, was_tried: bool = False) -> None:
        self._calls += 1
        if self._calls > 1:
            raise MemoryError
        assert self.may_go_on.wait(_TIMEOUT_S)


def test_what_an_unforeseen_error_ended_is_not_acknowledged(
    address: str, open_at: Callable[..., object]
) -> None:
    """To no writer that shares the INSERT."""
    open_at()  # so that there are tables
    wire = Wire(parse_address(address), "", _TIMEOUT_S)
    inserter = FailingInserter(wire)
    writer = Writer(inserter, Arrivals(wire, Tables()), _TIMEOUT_S)
    outcomes: list[str] = []

    def save() -> None:
        batch = Batch()
        batch.add_line(b"x", 1, "s", [])
        try:
            writer.save(batch)
            outcomes.append("acknowledged")
        except (EventWriteException, MemoryError) as error:
            outcomes.append(type(error).__name__)

    first = threading.Thread(target=save)
    first.start()
    eventually(lambda: inserter._calls)
    others = [threading.Thread(target=save) for _ in range(3)]
    for each in others:
        each.start()
    eventually(lambda: len(writer._queue) == len(others))
    inserter.may_go_on.set()
    for each in (first, *others):
        each.join()
    assert sorted(outcomes) == ["MemoryError", *[WriteUnknown.__name__] * 2, "acknowledged"]
    wire.close()


class OvertakenWire(Wire):
    """Lets something happen between a question and its answer."""

    meanwhile: Callable[[], object] = staticmethod(lambda: None)

    def fetch(self, sql: str, *args: object, **kwargs: object) -> bytes:
        answer = super().fetch(sql, *args, **kwargs)  # type: ignore[arg-type]
        self.meanwhile()
        return answer


def test_a_reading_that_a_writing_overtakes_hides_nothing(
    address: str, open_at: Callable[..., object]
) -> None:
    """Own writes show at once."""
    open_at()  # so that there are tables
    wire = OvertakenWire(parse_address(address), "", _TIMEOUT_S)
    registry = Registry(wire, "test", _TIMEOUT_S)
    writes = iter([Entry(b"name", b"value")])

    def write() -> None:
        for entry in writes:
            registry.write(entry)

    wire.meanwhile = write
    assert registry.read() == {}
    assert registry.read() == {b"name": b"value"}
    wire.close()


def test_a_question_without_an_answer_is_asked_once() -> None:
    """It has taken all of its time; asking again would take that twice."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = parse_address(f"clickhouse://127.0.0.1:{silent.getsockname()[1]}")
        with closing(Wire(address, "", 0.3)) as wire, pytest.raises(Unknown, match="timed out"):
            wire.fetch("SELECT 1")
        silent.setblocking(False)
        silent.accept()[0].close()
        with pytest.raises(BlockingIOError):
            silent.accept()

"""Answers of the engine that fail, or come late, at every step of reading."""

import itertools
import math
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing

import pytest
from engines.server import Server

from store import Event, EventReadException, EventStore, Query
from store.clickhouse.address import parse_address
from store.clickhouse.arrivals import Arrivals
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Wire
from tests.clickhouse.gateway import Gateway, Response
from tests.reading import EVERYTHING, ids_in

TIMEOUT_S = 20


class FaultyGateway(Gateway):
    """A gateway that gives no answer to some requests, and lets others wait.

    Attributes:
        held: the request that is being held is passed on when this is set.
        is_holding: set when a request waits for that.
    """

    def __init__(self, host: str) -> None:
        self._passed = math.inf
        self._lock = threading.Lock()
        self.held: threading.Event | None = None
        self.is_holding = threading.Event()
        super().__init__(host)

    def respond(self, path: str, headers: Mapping[str, str], body: bytes) -> Response:
        """See :meth:`Gateway.respond`."""
        held, self.held = self.held, None
        if held is not None:
            self.is_holding.set()
            assert held.wait(TIMEOUT_S)
        with self._lock:
            self._passed -= 1
            is_away = self._passed < 0
        return Response(503, {}, b"away") if is_away else super().respond(path, headers, body)

    def be_away(self, passed: float) -> None:
        """Give no answer after *passed* more requests."""
        with self._lock:
            self._passed = passed


@pytest.fixture
def gateway(server: Server) -> Iterator[FaultyGateway]:
    with closing(FaultyGateway(server.host)) as made:
        yield made


@pytest.mark.parametrize("minute", [None, "0-60"])
def test_an_engine_that_is_away_at_any_step(
    address: str, gateway: FaultyGateway, open_at: Callable[..., EventStore], minute: str | None
) -> None:
    """Fails that reading, and does no harm to the next one of the same answer: each event is in it once."""
    through = address.replace(address.split("/")[2], f"127.0.0.1:{gateway.port}")
    # It asks for the cursor each time.
    here = open_at(through, is_strict=True)
    there, wanted = open_at(), list[str]()
    followed = here.answer(Query().tagged("t"), minute)
    for steps in itertools.count():
        for _ in range(3):
            wanted.append(f"e{len(wanted)}")
            there.save(Event(wanted[-1], "s", 1, ["t", f"t{steps}"], "x"))
        query = Query().tagged(f"t{steps}")
        gateway.be_away(steps)
        failures, opened, is_read = 0, None, False
        while not is_read:
            try:
                opened = opened or here.answer(query, minute)
                for answer in (opened, followed):
                    answer.read(0, answer.size())
                is_read = True
            except EventReadException:
                failures += 1
                gateway.be_away(math.inf)
        assert opened is not None
        gateway.be_away(math.inf)
        assert ids_in(opened.read(0, EVERYTHING)) == wanted[-3:]
        assert opened.size() == len(opened.read(0, EVERYTHING))
        assert ids_in(there.answer(Query().tagged("t"), minute).read(0, EVERYTHING)) == wanted
        size = there.answer(Query().tagged("t"), minute).size()
        assert len(followed.read(0, size)) == size
        assert ids_in(followed.read(0, size)) == wanted
        if not failures:
            return


@pytest.mark.parametrize(
    "change",
    [
        lambda store: store.save(Event("b", "s", 1, [], "x")),
        lambda store: store.delete("a"),
        lambda store: store.remove_minute("0-60"),
    ],
)
def test_an_answer_that_comes_late(
    address: str,
    gateway: FaultyGateway,
    open_at: Callable[..., EventStore],
    change: Callable[[EventStore], object],
) -> None:
    """It says more than that to a question which was asked later: from then on, everybody is told as much."""
    store = open_at()
    store.save(Event("a", "s", 1, [], "x"))
    wire = Wire(
        parse_address(address.replace(address.split("/")[2], f"127.0.0.1:{gateway.port}")),
        "",
        TIMEOUT_S,
    )
    arrivals, found = Arrivals(wire, Tables(), is_strict=False), []
    arrivals.staleness_s = TIMEOUT_S
    before = arrivals.now()
    gateway.held = released = threading.Event()
    late = threading.Thread(target=lambda: found.append(arrivals.poll()))
    late.start()
    assert gateway.is_holding.wait(TIMEOUT_S)
    assert arrivals.poll() == before
    change(store)
    released.set()
    late.join()
    assert found[0] != before
    assert arrivals.now() == found[0]
    wire.close()

"""An INSERT whose answer is lost is made once, whatever the engine had noted of it."""

import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from engines.server import Server

from store import Batch, Event, EventStore, Query, open_store
from store.backend import Opening
from store.clickhouse.address import parse_address
from store.clickhouse.columns import rows_of
from store.clickhouse.inserter import Inserter
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Refused, Unknown, Wire
from store.errors import EventWriteException, WriteUnknown

TIMEOUT_S = 20
GIVEN_UP_S = 0.2
TOKEN = "token-7"
EVENTS = [Event(f"e{number}", "s", number * 45, ["t"], "x" * number) for number in range(5)]
ROWS = rows_of([Batch.of(EVENTS)])
READ_ONLY = 164


class LossyWire(Wire):
    """Loses answers to INSERTs.

    Attributes:
        lost: how many of the next answers are lost.
        after: is called after each INSERT.
        tokens: those of the INSERTs that were sent.
    """

    lost = 0
    after: Callable[[], object] = staticmethod(lambda: None)

    def __init__(self, address: str) -> None:
        super().__init__(parse_address(address), "", TIMEOUT_S)
        self.tokens: list[str] = []

    def insert(self, sql: str, data: bytes, timeout_s: float, **settings: str) -> None:
        super().insert(sql, data, timeout_s, **settings)
        self.tokens.append(settings["insert_deduplication_token"])
        self.after()
        if self.lost:
            self.lost -= 1
            raise Unknown("lost")


@pytest.fixture
def wire(address: str, open_at: Callable[..., EventStore]) -> Iterator[LossyWire]:
    open_at()  # so that there are tables
    made = LossyWire(address)
    yield made
    made.close()


@pytest.fixture
def inserter(wire: LossyWire) -> Inserter:
    return Inserter(wire, Tables(), ())


@pytest.fixture
def stored(server_sql: Callable[[str], str]) -> Callable[[], list[str]]:
    """Return a function that returns what the table has, in the order of arrival within an INSERT."""
    sql = (
        "SELECT substring(splitByChar('\\n', head)[2], 4) FROM tests.events ORDER BY insert_hash, n"
    )
    return lambda: server_sql(sql).split()


def forget(server_sql: Callable[[str], str]) -> None:
    """Remove all rows, of which the engine keeps the tokens: as when it was killed before it had them."""
    server_sql("ALTER TABLE tests.events DELETE WHERE 1 SETTINGS mutations_sync = 2")


def within(seconds: float) -> float:
    return time.monotonic() + seconds


IDS = [str(event.id) for event in EVENTS]


def test_an_answer_that_is_lost(
    inserter: Inserter, wire: LossyWire, stored: Callable[[], list[str]]
) -> None:
    """The table has it: it is not sent again."""
    wire.lost = 1
    inserter.insert(ROWS, TOKEN, within(TIMEOUT_S))
    assert stored() == IDS
    assert wire.tokens == [TOKEN]


@pytest.mark.parametrize("lost", [1, 3])
def test_a_token_that_was_noted_without_its_rows(
    inserter: Inserter,
    wire: LossyWire,
    server_sql: Callable[[str], str],
    stored: Callable[[], list[str]],
    lost: int,
) -> None:
    """They are stored under another, once."""
    wire.lost = lost

    def kill() -> None:
        wire.after = lambda: None
        forget(server_sql)

    wire.after = kill
    inserter.insert(ROWS, TOKEN, within(TIMEOUT_S))
    assert stored() == IDS
    assert len(set(wire.tokens)) == 2


def test_what_is_removed_meanwhile_stays_away(
    inserter: Inserter,
    wire: LossyWire,
    open_at: Callable[..., EventStore],
    stored: Callable[[], list[str]],
) -> None:
    """Before it is known that it was stored: an event of several, and all of them."""
    wire.lost = 1
    wire.after = lambda: open_at().delete("e3")
    inserter.insert(ROWS, TOKEN, within(TIMEOUT_S))
    assert stored() == ["e0", "e1", "e2", "e4"]
    for each in ("e0", "e1", "e2", "e4"):
        open_at().delete(each)
    inserter.insert(ROWS, TOKEN, within(TIMEOUT_S), was_tried=True)
    assert stored() == []


def test_an_engine_that_never_shows_what_it_has(
    inserter: Inserter, wire: LossyWire, caplog: pytest.LogCaptureFixture
) -> None:
    """Is given up in time, and is not filled meanwhile."""
    wire.lost = 1
    wire.ask = lambda *_, **__: b""  # type: ignore[method-assign]
    with pytest.raises(WriteUnknown):
        inserter.insert(ROWS, TOKEN, within(3))
    assert "lacks 5 events" in caplog.text
    assert len(wire.tokens) < 9


def test_a_server_that_is_killed_when_it_has_noted_the_token(tmp_path: Path) -> None:
    """Right before it makes the rows a part of the table: the only moment at which they would be lost."""
    server = Server(tmp_path / "engine")
    server.start()
    store = open_store(f"clickhouse://{server.host}/killed", Opening(timeout_s=TIMEOUT_S))
    store.save(EVENTS[0])
    trace = tmp_path / "trace"
    calls = "rename,renameat,renameat2"
    command = ["strace", "-f", "-p", str(server.process_id), "-o", str(trace)]
    command += ["-e", f"trace={calls}", "-e", f"inject={calls}:error=EIO:signal=SIGKILL"]
    killing = subprocess.Popen(command, stderr=subprocess.PIPE)
    assert killing.stderr is not None
    assert b"attached" in killing.stderr.readline()
    saving = threading.Thread(target=store.save, args=(EVENTS[1],))
    saving.start()
    killing.communicate(timeout=TIMEOUT_S)
    assert b"tmp_insert_" in trace.read_bytes()
    server.kill()
    server.start()
    saving.join()
    assert [event.id for event in store.select(Query())] == [event.id for event in EVENTS[:2]]
    store.close()
    server.stop()


def test_another_process_sends_it_again(
    inserter: Inserter,
    wire: LossyWire,
    server_sql: Callable[[str], str],
    stored: Callable[[], list[str]],
) -> None:
    """It is there once, whatever became of it in the first, and of what that sent under a second token."""
    for _ in range(3):
        inserter.insert(ROWS, TOKEN, within(TIMEOUT_S), was_tried=True)
        assert stored() == IDS
        forget(server_sql)
    inserter.insert(ROWS, TOKEN, within(TIMEOUT_S), was_tried=True)
    assert stored() == IDS
    assert len(set(wire.tokens)) == 4


def test_a_day_later(
    inserter: Inserter,
    wire: LossyWire,
    server_sql: Callable[[str], str],
    stored: Callable[[], list[str]],
) -> None:
    """The engine recognises a token on the day of the first INSERT only."""
    server_sql("ALTER TABLE tests.events MODIFY COLUMN arrived DEFAULT now64(9) - INTERVAL 1 DAY")
    try:
        inserter.insert(ROWS, TOKEN, within(TIMEOUT_S))
    finally:
        server_sql("ALTER TABLE tests.events MODIFY COLUMN arrived DEFAULT now64(9)")
    inserter.insert(ROWS, TOKEN, within(TIMEOUT_S), was_tried=True)
    assert stored() == IDS


def test_what_stays_unknown(inserter: Inserter, wire: LossyWire) -> None:
    """Is said to be: also when the engine is asked what it has, and does not say; and when it refuses afterwards."""
    wire.lost = 1

    def refuse(*_: object, **__: object) -> bytes:
        raise Refused("refused", READ_ONLY)

    wire.ask = refuse  # type: ignore[method-assign]
    with pytest.raises(WriteUnknown):
        inserter.insert(ROWS, TOKEN, within(GIVEN_UP_S))
    wire.insert = refuse  # type: ignore[assignment]
    with pytest.raises(EventWriteException) as caught:
        inserter.insert(ROWS, "another-1", within(GIVEN_UP_S))
    assert not isinstance(caught.value, WriteUnknown)


def test_rows_without_some() -> None:
    """They keep their places, and all else."""
    left = ROWS.without({0, 3})
    assert left.places.tolist() == [1, 2, 4]
    assert left.ticks.tolist() == [EVENTS[place].ticks for place in (1, 2, 4)]
    assert left.data == Batch.of([EVENTS[place] for place in (1, 2, 4)]).data
    assert np.diff(left.edges).tolist() == [
        int(ROWS.edges[place + 1] - ROWS.edges[place]) for place in (1, 2, 4)
    ]
    assert len(ROWS.without(set(range(5)))) == 0

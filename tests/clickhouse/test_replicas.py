"""Replicas: events that several servers store together, in one order."""

import random
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from uuid import uuid4

import pytest
from engines.server import CLUSTER, Server

from store import Event, EventReadException, EventStore, EventStoreException, Query
from store.clickhouse.address import parse_address
from store.clickhouse.replicas import SYNC_SQL, Replicas
from store.clickhouse.wire import Unknown, Wire
from store.errors import WriteUnknown
from tests.clickhouse.replica import Replica
from tests.reading import EVERYTHING, ids_in
from tests.waiting import eventually

TIMEOUT_S = 20
GIVEN_UP_S = 0.3


@pytest.fixture
def replica(server: Server, address: str) -> Iterator[Replica]:
    del address  # the database is empty
    with closing(Replica(server.host)) as made:
        yield made


def address_of(replica: Replica) -> str:
    return f"clickhouse://{replica.host}/tests"


def event(name: str) -> Event:
    return Event(name, "s", 10, ["t"], name)


def shown(store: EventStore) -> list[str]:
    return ids_in(store.answer(Query()).read(0, EVERYTHING))


def test_tables_are_replicated_in_a_replicated_database(
    replica: Replica, open_at: Callable[..., EventStore], server_sql: Callable[[str], str]
) -> None:
    """All of them, and the events in one partition, which has one order."""
    database = f"tests_{uuid4().hex}"
    try:
        open_at(f"clickhouse://{replica.host}/{database}").save(event("a"))
        made = [each for each in replica.statements if "CREATE TABLE" in each]
        assert [each.count("ENGINE = Replicated") for each in made] == [1] * 3
        (events,) = (each for each in made if "TABLE IF NOT EXISTS events" in each)
        assert "PARTITION BY tuple()" in events
        assert server_sql(f"SELECT _partition_id FROM {database}.events") == "all"
        replica.statements.clear()
        open_at(f"clickhouse://{replica.host}/{database}")
        assert not [
            each for each in replica.statements if "TABLE" in each and "EXISTS TABLE" not in each
        ], "nothing is defined again"
    finally:
        server_sql(f"DROP DATABASE IF EXISTS {database} SYNC")


def test_what_arrives_before_a_block_shows_before_it(
    replica: Replica, open_at: Callable[..., EventStore], server_sql: Callable[[str], str]
) -> None:
    """A block does not show while one with a smaller number is under way: that one would then come in the middle."""
    store, other = open_at(address_of(replica)), open_at()
    store.save(event("a"))
    answer = store.answer(Query())
    assert ids_in(answer.read(0, EVERYTHING)) == ["a"]
    last = int(server_sql("SELECT max(_block_number) FROM tests.events"))
    replica.under_way = {last + 1}
    other.save(event("b"))
    other.save(event("c"))
    asked = replica.questions
    eventually(lambda: shown(store) and replica.questions > asked)
    assert shown(store) == ["a"]
    assert ids_in(answer.read(0, EVERYTHING)) == ["a"]
    replica.under_way = set()
    eventually(lambda: shown(store) == ["a", "b", "c"])
    assert ids_in(answer.read(0, EVERYTHING)) == ["a", "b", "c"]


def test_a_process_waits_for_what_is_before_its_own(
    replica: Replica, open_at: Callable[..., EventStore], server_sql: Callable[[str], str]
) -> None:
    """It sees what it has stored, and nothing comes before that later; when it has waited long enough, that is an error."""
    store = open_at(address_of(replica), timeout_s=GIVEN_UP_S)
    store.save(event("a"))
    last = int(server_sql("SELECT max(_block_number) FROM tests.events"))
    replica.under_way = {last}
    store.save(event("b"))
    with pytest.raises(EventReadException, match=f"block {last} of another INSERT"):
        shown(store)
    asked = replica.questions

    def end(_statement: str) -> None:
        if replica.questions > asked + 1:
            replica.under_way = set()

    replica.before = end
    assert shown(store) == ["a", "b"]
    assert not replica.under_way


def test_a_replica_fetches_before_it_is_read(
    replica: Replica, open_at: Callable[..., EventStore]
) -> None:
    """If it cannot, that is an error, never a shorter answer."""
    store, other = open_at(address_of(replica), timeout_s=GIVEN_UP_S), open_at()
    other.save(event("a"))
    eventually(lambda: shown(store) == ["a"])
    replica.can_fetch = False
    assert shown(store) == ["a"], "nothing new has to be fetched"
    store.save(event("b"))
    with pytest.raises(EventReadException, match="Timeout exceeded"):
        shown(store)
    replica.can_fetch = True
    assert shown(store) == ["a", "b"]


def test_a_strict_store_fetches_each_time(
    replica: Replica, open_at: Callable[..., EventStore]
) -> None:
    """Before it asks what the replica has."""
    store = open_at(address_of(replica), is_strict=True)
    other = open_at()
    for number in range(5):
        replica.before = lambda statement, number=number: (  # type: ignore[misc]
            other.save(event(str(number)))
            if statement == SYNC_SQL and len(shown(other)) == number
            else None
        )
        assert shown(store) == [str(each) for each in range(number + 1)]


@pytest.mark.parametrize(("quorum", "sent"), [("auto", "auto"), ("2", "2"), ("", None)])
def test_an_insert_asks_for_its_quorum(
    replica: Replica, open_at: Callable[..., EventStore], quorum: str, sent: str | None
) -> None:
    """And waits for it no longer than the store may take."""
    open_at(address_of(replica), quorum=quorum).save(event("a"))
    settings = replica.inserts[-1]
    assert settings.get("insert_quorum") == sent
    if sent:
        assert settings["insert_quorum_parallel"] == "1"
        assert 0 < int(settings["insert_quorum_timeout"]) <= TIMEOUT_S * 1000


def test_what_lacks_its_quorum_is_not_acknowledged(
    replica: Replica,
    open_at: Callable[..., EventStore],
    server_sql: Callable[[str], str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """When the answer is lost, what the replica itself has is not enough; when the others have it, it is, and is stored once."""
    store = open_at(address_of(replica), quorum="2", timeout_s=GIVEN_UP_S)
    store.save(event("a"))
    last = int(server_sql("SELECT max(_block_number) FROM tests.events"))
    replica.without_quorum, replica.failed = {last + 1}, {last + 2}
    inserted = Wire.insert

    def lose(*arguments: object, **settings: str) -> None:
        inserted(*arguments, **settings)  # type: ignore[arg-type]
        raise Unknown("lost")

    monkeypatch.setattr(Wire, "insert", lose)
    for name in ("b", "c"):
        with pytest.raises(WriteUnknown, match="its quorum of replicas has not"):
            store.save(event(name))
    replica.without_quorum = replica.failed = set()
    store.save(event("d"))
    assert shown(store) == ["a", "b", "c", "d"]


def test_what_lacks_its_quorum_is_not_shown(
    replica: Replica, open_at: Callable[..., EventStore], server_sql: Callable[[str], str]
) -> None:
    """It may be taken back."""
    store, other = open_at(address_of(replica)), open_at()
    other.save(event("a"))
    last = int(server_sql("SELECT max(_block_number) FROM tests.events"))
    replica.without_quorum = {last}
    asked = replica.questions
    eventually(lambda: not shown(store) and replica.questions > asked)
    assert shown(store) == []
    replica.without_quorum = set()
    eventually(lambda: shown(store) == ["a"])


def test_an_insert_that_another_replica_has_is_not_made_again(
    replica: Replica,
    open_at: Callable[..., EventStore],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """A replica has to fetch what there is before it is asked whether it has it."""
    store = open_at(address_of(replica))
    inserted = Wire.insert

    def lose(*arguments: object, **settings: str) -> None:
        inserted(*arguments, **settings)  # type: ignore[arg-type]
        replica.lags = True
        raise Unknown("lost")

    monkeypatch.setattr(Wire, "insert", lose)
    store.save(event("a"))
    assert not replica.lags
    assert len(replica.inserts) == 1
    assert shown(store) == ["a"]


def test_equal_entries_are_written_each_time(
    replica: Replica, open_at: Callable[..., EventStore], server_sql: Callable[[str], str]
) -> None:
    """Replicas leave out an INSERT that is equal to an earlier one, unless they are told not to."""
    store = open_at(address_of(replica))
    window = "ALTER TABLE tests.entries MODIFY SETTING non_replicated_deduplication_window"
    server_sql(f"{window} = 1000")
    try:
        for data in (b"1", b"2", b"1"):
            store.write_state("position", data)
            assert store.read_state("position") == data
        for _ in range(2):
            store.declare_tag("new")
            assert store.has_tag("new")
            store.undeclare_tag("new")
            assert not store.has_tag("new")
    finally:
        server_sql(f"{window} = 0")


def test_what_is_not_as_it_is_named(
    server: Server, replica: Replica, open_at: Callable[..., EventStore]
) -> None:
    """A quorum of what is not replicated; shards of what is; and replicas whose blocks have no common order."""
    for at, options, message in [
        (f"clickhouse://{server.host}/tests", {"quorum": "2"}, "has no replicas: a quorum needs"),
        (f"clickhouse://{replica.host}/tests?cluster={CLUSTER}", {}, "not both yet"),
    ]:
        with pytest.raises(EventStoreException, match=message):
            open_at(at, **options)
    replica.partition = "toYYYYMMDD(arrived)"
    with pytest.raises(EventStoreException, match="have no common order"):
        open_at(address_of(replica))


def test_an_unknown_engine_is_refused(
    open_at: Callable[..., EventStore], server_sql: Callable[[str], str], server: Server
) -> None:
    """The order in which it keeps events could be any."""
    database = f"tests_{uuid4().hex}"
    at = f"clickhouse://{server.host}/{database}"
    open_at(at)
    try:
        server_sql(f"DROP TABLE {database}.events SYNC")
        server_sql(f"CREATE TABLE {database}.events AS tests.events ENGINE = Memory")
        with pytest.raises(EventStoreException, match="keeps events by Memory"):
            open_at(at, measured_views=())
    finally:
        server_sql(f"DROP DATABASE {database} SYNC")


class Model(Wire):
    """A replica and Keeper, as far as blocks go: each question may find something else.

    Attributes:
        numbers: how many numbers were given out.
        under_way: those of blocks whose INSERTs have not ended, or that may be taken back.
        stored: those of blocks that were stored, on some replica.
        here: those of blocks that this replica has.
    """

    def __init__(self, seed: int) -> None:
        super().__init__(parse_address("clickhouse://h/d"), "", TIMEOUT_S)
        self._random = random.Random(seed)
        self.numbers = 0
        self.under_way: set[int] = set()
        self.stored: set[int] = set()
        self.here: set[int] = set()

    def fetch(
        self, sql: str, parameters: Mapping[str, str] | None = None, **settings: str
    ) -> bytes:
        del parameters, settings
        assert "system.replicas" in sql
        return b"/path\n"

    def ask(self, sql: str, timeout_s: float, **settings: str) -> bytes:
        del timeout_s, settings
        self.go_on()
        if sql == SYNC_SQL:
            self.here |= self.stored
        answer = str(min(self.under_way, default=-1)).encode()
        self.go_on()
        return answer

    def go_on(self) -> None:
        """Let INSERTs begin, end and fail, with a quorum and without, and blocks be fetched in any order."""
        for _ in range(self._random.randrange(6)):
            match self._random.randrange(5):
                case 0:
                    self.under_way.add(self.numbers)
                    self.numbers += 1
                case 1 if self.under_way:  # stored, but its quorum is missing
                    self.stored.add(self._random.choice(sorted(self.under_way)))
                case 2 | 3 if self.under_way:
                    number = self._random.choice(sorted(self.under_way))
                    self.under_way.remove(number)
                    if self._random.random() < 0.8:
                        self.stored.add(number)
                    else:
                        self.stored.discard(number)
                        self.here.discard(number)
                case 4 if self.stored - self.here:
                    self.here.add(self._random.choice(sorted(self.stored - self.here)))


@pytest.mark.parametrize("seed", range(100))
@pytest.mark.parametrize("waits", [False, True])
def test_nothing_comes_before_what_was_shown(seed: int, waits: bool) -> None:
    """Up to the block that a replica is said to be complete, it has everything, and nothing more is stored or taken back, ever."""
    model = Model(seed)
    replicas = Replicas(model)
    replicas._pause.set()  # nothing but questions lets the model go on
    complete, had, times = -1, set[int](), 0
    for _ in range(30):
        model.go_on()
        last = max(model.here, default=-1)
        found = replicas.complete(last, time.monotonic() + TIMEOUT_S, waits=waits)
        assert found <= last
        assert not waits or found == last
        before, complete = complete, max(complete, found)
        assert not [each for each in model.under_way if each <= complete]
        assert {each for each in model.stored if each <= complete} <= model.here
        assert {each for each in model.here if each <= before} == had
        had = {each for each in model.here if each <= complete}
        times += found >= 0
    assert times

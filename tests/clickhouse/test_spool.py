"""The spool: what is written is on this machine first, and in the engine once."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from engines.server import Server

from store import (
    Batch,
    Event,
    EventReadException,
    EventStore,
    EventWriteException,
    Query,
    StoreLocked,
    backend_of,
)
from store.clickhouse.inserter import INSERT_SIZE_MAX
from store.ticks import TICKS_MAX
from tests.clickhouse.proxy import Proxy, Troubles
from tests.reading import EVERYTHING, ids_in
from tests.waiting import eventually


def ids(store: EventStore) -> list[object]:
    return [event.id for event in store.select(Query())]


def test_what_is_written_is_read(open_at: Callable[..., EventStore], tmp_path: Path) -> None:
    """At once, in order, however much it is; and a batch that is larger than an INSERT is divided."""
    store = open_at(spool_directory=str(tmp_path))
    for number in range(20):
        store.save(Event(f"{number}", "s", number, ["t"], "x"))
        assert ids_in(store.answer(Query()).read(0, EVERYTHING)) == [
            f"{each}" for each in range(number + 1)
        ]
        assert store.get(f"{number}").content == "x"
        assert sum(each.events for each in store.streams(Query())) == number + 1
        assert store.histogram(Query(), TICKS_MAX) == {0: number + 1}
    store.save(Event("other", "s", 20, ["level=err", "other"], "x"))
    assert store.levels(Query()) == {"err": 1}
    assert store.tags(Query().tagged("other")) == {"level=err", "other"}
    store.delete("other")
    events = [
        Event(f"large {number}", "s", 1, [], "x" * (INSERT_SIZE_MAX // 3)) for number in range(5)
    ]
    store.save_batch(Batch.of(events))
    assert ids(store)[20:] == [event.id for event in events]
    assert store.status()["spool_bytes"] == 0


def test_only_one_process_has_it(open_at: Callable[..., EventStore], tmp_path: Path) -> None:
    """Two would send the same."""
    store = open_at(spool_directory=str(tmp_path))
    with pytest.raises(StoreLocked):
        open_at(spool_directory=str(tmp_path))
    store.close()
    with pytest.raises(EventWriteException, match="closed"):
        store.save(Event("a", "s", 1))
    assert ids(open_at(spool_directory=str(tmp_path))) == []


def test_a_spool_that_is_not_to_be_seen(address: str, tmp_path: Path) -> None:
    """It is not taken for one that is free and empty: a container, or a service, has its own directory there."""
    assert backend_of(address).wait_until_closed(0)
    with pytest.raises(EventReadException, match="is not to be seen from here"):
        backend_of(address).wait_until_closed(0, str(tmp_path / "spool"))


def test_answers_that_are_lost(
    open_at: Callable[..., EventStore], server: Server, address: str, tmp_path: Path
) -> None:
    """The engine has what was sent, and this process does not know: another one sends it again, and it is there once."""
    open_at().close()  # so that there are tables
    troubles = Troubles()
    proxy = Proxy(server.port, 1, troubles)
    through = address.replace(f":{server.port}", f":{proxy.port}")
    store = open_at(through, spool_directory=str(tmp_path / "spool"), timeout_s=1)
    troubles.lost = 1.0
    for number in range(3):
        store.save(Event(f"{number}", "s", number))
    direct = open_at()
    eventually(lambda: direct.whole(Query()).events > 0)
    with pytest.raises(EventReadException):
        store.whole(Query())
    # As a kill leaves it.
    shutil.copytree(tmp_path / "spool", tmp_path / "copy")
    again = open_at(spool_directory=str(tmp_path / "copy"))
    assert sorted(map(str, ids(again))) == ["0", "1", "2"]
    troubles.lost = 0.0
    assert sorted(map(str, ids(store))) == ["0", "1", "2"]
    store.close()
    proxy.close()

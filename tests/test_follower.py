"""A store that follows our writer, or theia's collector."""

import gc
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from theia.model import Event as TheiaEvent
from theia.naivestore import NaiveEventStore as TheiaStore

from store import Event, EventStore, NaiveEventStore, Query, StoreReadOnly
from store.engine.follower import FollowingStore
from tests.waiting import eventually

FAST_MS, NEVER_MS = 5, 1e9


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), FAST_MS)
    yield opened
    opened.close()


@pytest.fixture
def follower(tmp_path: Path, writer: NaiveEventStore) -> Iterator[FollowingStore]:
    opened = FollowingStore(str(tmp_path), FAST_MS)
    yield opened
    opened.close()


def ids(store: EventStore) -> list[object]:
    return [event.id for event in store.search(0)]


def agree(one: EventStore, other: EventStore) -> bool:
    """Whether two stores show the same."""
    queries = [Query(), Query().tagged("web"), Query().within(10, 80)]
    return all(
        [span[:4] for span in one.snapshot(query).spans]
        == [span[:4] for span in other.snapshot(query).spans]
        and one.answer(query).size() == other.answer(query).size()
        for query in queries
    ) and list(one.search(0)) == list(other.search(0))


def test_it_follows_what_is_flushed(writer: NaiveEventStore, follower: FollowingStore) -> None:
    """New minutes, minutes that grow, late ones, tags, and what is removed."""
    answer = follower.answer(Query().tagged("web"))
    seen = b""
    for number, time in enumerate([10, 11, 75, 5, 12, 500, 76]):
        writer.save(Event(f"id{number}", "s", time, ["web"], f"content {number}"))
        eventually(lambda: agree(writer, follower))
        # An open answer grows at its end.
        now = answer.read(0, 1 << 20)
        assert now.startswith(seen)
        assert now.count(b"event: ") == number + 1
        seen = now
    writer.declare_tag("new")
    writer.declare_source("new")
    writer.save(Event("last", "s", 501, [], ""))
    eventually(lambda: follower.has_tag("new") and follower.has_source("new"))
    writer.delete("id4")
    eventually(lambda: agree(writer, follower))
    writer.delete("id3")
    eventually(lambda: agree(writer, follower))


def test_a_minute_that_has_only_grown_is_read_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also in an answer over many minutes whose entries are not cached, before the next scan."""
    writer = NaiveEventStore(str(tmp_path), NEVER_MS)
    writer.save_all(Event(f"id{number}", "s", 100.0 * number, ["web"], "") for number in range(5))
    writer._flush_all()
    follower = FollowingStore(str(tmp_path), NEVER_MS)
    gc.collect()
    answer = follower.answer(Query().tagged("web"))
    before = answer.size()
    writer.save(Event("more", "s", 201.0, ["web"], ""))
    writer._flush_all()
    assert answer.read(0, before).count(b"event: ") == 5
    assert answer.read(0, 1 << 20).count(b"event: ") == 6
    follower.close()
    writer.close()


def test_it_refuses_to_write(follower: FollowingStore, tmp_path: Path) -> None:
    """Whatever it is asked to."""
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(StoreReadOnly):
        follower.save(Event("a", "s", 1))
    with pytest.raises(StoreReadOnly):
        follower.save_all([Event("a", "s", 1)])
    with pytest.raises(StoreReadOnly):
        follower.delete("a")
    with pytest.raises(StoreReadOnly):
        follower.declare_tag("t")
    with pytest.raises(StoreReadOnly):
        follower.declare_source("s")
    assert not follower.is_writable
    assert sorted(os.listdir(tmp_path)) == before


def test_a_file_that_becomes_another(writer: NaiveEventStore, follower: FollowingStore) -> None:
    """It is read from its start, not taken for one that has grown."""
    for number in range(3):
        writer.save(Event(f"id{number}", "s", 10 + number, ["web"], "x" * 20))
    eventually(lambda: agree(writer, follower))
    path = Path(writer.root_dir) / "10-70"
    changed = path.read_bytes().replace(b"x" * 20, b"y" * 20) * 2
    other = path.with_name("other")
    other.write_bytes(changed)
    other.rename(path)
    eventually(lambda: follower.whole(Query()).events == 6)
    assert {event.content for event in follower.search(0)} == {"y" * 20}


def test_it_follows_theias_collector(tmp_path: Path) -> None:
    """The collector writes, and takes no lock."""
    theirs = TheiaStore(str(tmp_path), 0)
    ours = FollowingStore(str(tmp_path), FAST_MS)
    wanted: list[str] = []
    for number, time in enumerate([100, 160, 130, 99, 40.25, 159.9, 220]):
        theirs.save(TheiaEvent(f"id{number}", "s", time, ["web"], "x"))
        wanted.append(f"id{number}")
        eventually(lambda: sorted(map(str, ids(ours))) == wanted)
    assert ours.whole(Query().tagged("web")).events == 7
    ours.close()
    theirs.close()
    assert all(re.fullmatch(r"\d+-\d+", name) for name in os.listdir(tmp_path))


def test_a_directory_that_cannot_be_read_for_a_while(
    writer: NaiveEventStore, follower: FollowingStore, caplog: pytest.LogCaptureFixture
) -> None:
    """The follower keeps the known events, and reads the directory again when it is back."""
    writer.save(Event("a", "s", 10))
    eventually(lambda: ids(follower) == ["a"])
    path = Path(follower.root_dir)
    away = path.with_name("away")
    path.rename(away)
    eventually(lambda: "No such file" in caplog.text)
    away.rename(path)
    writer.save(Event("b", "s", 11))
    eventually(lambda: ids(follower) == ["a", "b"])

"""The order of arrival, and how soon it shows in another process."""

import threading
import time
from collections.abc import Callable

import pytest

from store import Event, EventReadException, EventStore, Query, View
from store.clickhouse.address import parse_address
from store.clickhouse.arrivals import STALENESS_S
from store.clickhouse.wire import Wire
from tests.reading import EVERYTHING, ids_in
from tests.waiting import eventually
from theiafs.lineviews import LINE_VIEWS

BOUND_S = 1.0


def shuffled(count: int) -> list[Event]:
    """Return events whose order is none of those that the engine sorts by."""
    return [
        Event(
            f"e{number}",
            "zyx"[number % 3],
            (number * 7) % 50,
            [["b"], ["a", "c"], []][number % 3],
            "x" * (number % 5),
        )
        for number in range(count)
    ]


def test_one_insert_keeps_its_order(open_at: Callable[..., EventStore]) -> None:
    """Several sources, tags and times: in the order in which they were given, in all events and in a minute."""
    store, events = open_at(), shuffled(100)
    store.save_all(events)
    wanted = [event.id for event in events]
    assert ids_in(store.answer(Query()).read(0, EVERYTHING)) == wanted
    assert ids_in(store.answer(Query(), "0-60").read(0, EVERYTHING)) == wanted
    assert [event.id for event in store.select(Query())] == wanted
    tagged = [event.id for event in events if "c" in event.tags]
    assert ids_in(store.answer(Query().tagged("c")).read(0, EVERYTHING)) == tagged


def test_merging_keeps_the_order(
    open_at: Callable[..., EventStore], server_sql: Callable[[str], str]
) -> None:
    """The engine joins what was stored one after the other, and sorts it: an answer that is open stays what it was."""
    store, events = open_at(), shuffled(60)
    answer = store.answer(Query())
    for first in range(0, len(events), 6):
        store.save_all(events[first : first + 6])
    before = answer.read(0, EVERYTHING)
    server_sql("OPTIMIZE TABLE tests.events FINAL SETTINGS optimize_throw_if_noop = 1")
    assert (
        server_sql(
            "SELECT count() FROM system.parts WHERE database = 'tests' AND table = 'events' AND active"
        )
        == "1"
    )
    for each in (answer, store.answer(Query()), open_at().answer(Query())):
        assert each.read(0, EVERYTHING) == before
    assert ids_in(before) == [event.id for event in events]


def test_two_stores(open_at: Callable[..., EventStore]) -> None:
    """One that shares the database shows within the bound what this one appends, declares, saves and removes."""
    here, there = open_at(), open_at()
    followed = there.answer(Query())
    assert STALENESS_S < BOUND_S
    for number in range(5):
        assert there.whole(Query()).events == number
        here.save(Event(f"e{number}", f"s{number}", number * 60, [f"t{number}"], "x"))
        began = time.monotonic()
        assert here.whole(Query()).events == number + 1
        eventually(lambda: there.whole(Query()).events == number + 1)  # noqa: B023 - called at once
        eventually(lambda: there.has_tag(f"t{number}"))  # noqa: B023
        assert time.monotonic() - began < 10 * BOUND_S, "this is not about load"
        assert followed.size() == here.whole(Query()).size
        assert len(there.snapshot(Query()).spans) == number + 1
    here.declare_tag("declared")
    here.declare_source("declared too")
    here.save_view("v", "x")
    eventually(lambda: there.has_tag("declared") and there.has_source("declared too"))
    eventually(lambda: there.views() == {"v": "x"})
    here.delete("e0")
    eventually(lambda: there.whole(Query()).events == 4)
    eventually(lambda: not there.has_tag("t0"))


def test_a_strict_store(open_at: Callable[..., EventStore]) -> None:
    """It shows at once what another has stored: events, their minutes and names, and in an answer that is open."""
    here, there = open_at(), open_at(is_strict=True)
    followed = there.answer(Query())
    for number in range(20):
        assert not there.has_tag(f"t{number}")
        assert f"s{number}" not in there.sources()
        here.save(Event(f"e{number}", f"s{number}", number * 60, [f"t{number}"], "x"))
        assert there.has_tag(f"t{number}")
        assert f"s{number}" in there.sources()
        assert len(there.snapshot(Query()).spans) == number + 1
        assert followed.size() == here.whole(Query()).size
        here.declare_tag(f"d{number}")
        here.save_view(f"v{number}", "x")
        assert there.has_tag(f"d{number}")
        assert f"v{number}" in there.views()


@pytest.mark.parametrize("view", [None, *LINE_VIEWS])
def test_a_small_answer_is_read_with_its_blocks(
    open_at: Callable[..., EventStore], monkeypatch: pytest.MonkeyPatch, view: View | None
) -> None:
    """The engine looks for its events twice: for its minutes, and for all of it."""
    open_at().save_all(shuffled(100))
    store, asked = open_at(), []
    fetch = Wire.fetch

    def noted(self: Wire, sql: str, *arguments: object, **settings: str) -> bytes:
        asked.append(sql)
        return fetch(self, sql, *arguments, **settings)  # type: ignore[arg-type]

    monkeypatch.setattr(Wire, "fetch", noted)
    answer = store.answer(Query().tagged("c"), None, view)
    data = answer.read(0, EVERYTHING)
    assert data.count(b"\n") >= 33
    assert sum("FROM events" in sql for sql in asked) == 2
    unread = store.answer(Query().tagged("b"), None, view)
    asked.clear()
    store.save(Event("later", "s", 1, ["c"], "x"))
    assert answer.read(0, EVERYTHING).startswith(data)
    assert answer.size() > len(data)
    assert unread.read(0, EVERYTHING)
    blocks = [sql for sql in asked if "GROUP BY shard, _block_number" in sql]
    assert len(blocks) == 2, "more may have arrived since it was opened than is read at once"


def test_a_removal_is_made_in_one_part_after_the_other(
    address: str, open_at: Callable[..., EventStore]
) -> None:
    """A listing from between them is not kept."""
    reader, writer = open_at(), open_at()
    for name in "abc":
        writer.save(Event(name, name, 10, ["t"], name))
    eventually(lambda: reader.whole(Query()).events == 3)
    wire = Wire(parse_address(address), "", BOUND_S * 20)
    # The last of them takes a while.
    slowly = "DELETE FROM events WHERE source = 'a' OR (source = 'c' AND sleepEachRow(1.5) = 0)"
    removing = threading.Thread(target=wire.execute, args=(slowly,))
    removing.start()
    seen = set()
    while removing.is_alive():
        seen.add(reader.whole(Query()).events)
        removing.join(STALENESS_S / 5)
    wire.close()
    assert 2 in seen, "it was listed between the two"
    eventually(lambda: reader.whole(Query()).events == 1)
    assert ids_in(reader.answer(Query()).read(0, EVERYTHING)) == ["b"]


def test_what_was_removed_before_it_was_read(open_at: Callable[..., EventStore]) -> None:
    """Its place in an answer that is open cannot be read; what arrives later stands at the end."""
    store = open_at()
    store.save_all(shuffled(10))
    answer = store.answer(Query())
    size = answer.span.size if answer.span is not None else 0
    store.delete("e3")
    store.save(Event("later", "s", 1, [], "x"))
    with pytest.raises(EventReadException):
        answer.read(0, size)
    assert answer.size() > size
    assert ids_in(answer.read(size, EVERYTHING)) == ["later"]

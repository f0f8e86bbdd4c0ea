"""The stores there are keep the promises of all stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, EventStore, EventWriteException, NaiveEventStore, Query
from tests.contract import EVENTS, StoreContract
from tests.doubles import ListStore


class TestListStore(StoreContract):
    """The interface's defaults, over a store that has nothing else."""

    @pytest.fixture
    def store(self) -> EventStore:
        return ListStore()


class TestNaiveEventStore(StoreContract):
    """Minute files: flushed at every save, now and then, or hardly ever."""

    @pytest.fixture(params=[0, 20, 1e9])
    def store(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EventStore]:
        opened = NaiveEventStore(str(tmp_path), request.param)
        yield opened
        opened.close()

    def test_everything_is_there_after_a_restart(self, filled: NaiveEventStore) -> None:
        """Events, tags and sizes."""
        filled.declare_tag("declared")
        sizes = {query: filled.whole(query).size for query in (Query(), Query().tagged("web"))}
        filled.close()
        again = NaiveEventStore(filled.root_dir)
        assert {str(event.id): event for event in again.search(0)} == {
            str(event.id): event for event in EVENTS
        }
        assert again.tags() == {"web", "db", "error", "a/b", "declared"}
        for query, size in sizes.items():
            assert again.whole(query).size == size
        again.close()

    def test_an_answer_keeps_the_order_of_arrival(self, store: EventStore) -> None:
        """Late events come last, whatever minute they belong in."""
        answer = store.answer(Query())
        for event in EVENTS:
            before = answer.read(0, 1 << 20)
            store.save(event)
            assert answer.read(0, 1 << 20).startswith(before)
        ids = [line for line in answer.read(0, 1 << 20).split(b"\n") if line.startswith(b"id:")]
        assert ids == [b"id:a", b"id:b", b"id:c", b"id:d", b"id:e", b"id:f"]

    def test_an_answer_outlives_a_removal(self, filled: EventStore) -> None:
        """Whoever has begun to read reads on; whoever asks again gets what is left."""
        query = Query().tagged("web")
        answer = filled.answer(query)
        before = answer.read(0, 1 << 20)
        filled.delete("a")
        filled.delete("f")
        assert answer.read(0, 1 << 20) == before
        assert filled.answer(query).read(0, 1 << 20).count(b"event: ") == 2

    def test_an_answer_goes_on_growing_after_a_removal(self, filled: EventStore) -> None:
        """Whoever follows it misses nothing, in the minute that has changed as in others."""
        query = Query().tagged("web")
        answers = [filled.answer(query), filled.answer(Query()), filled.answer(query, "10-70")]
        before = [answer.read(0, 1 << 20) for answer in answers]
        late = filled.answer(Query().tagged("web", "db"))
        for number, time in enumerate([10, 80, 501, 10.5]):
            filled.delete(["a", "f", "b", "e"][number])
            filled.save(Event(f"new{number}", "s", time, ["web"], "x"))
        for answer, seen in zip(answers, before, strict=True):
            now = answer.read(0, 1 << 20)
            assert now.startswith(seen)
            added = [line for line in now[len(seen) :].split(b"\n") if line.startswith(b"id:")]
            assert added == [
                b"id:new%d" % n for n in ([0, 3] if answer is answers[2] else range(4))
            ]
        assert late.read(0, 1 << 20).count(b"id:new") == 4
        assert filled.answer(query).read(0, 1 << 20).count(b"event: ") == 4

    def test_a_closed_store_takes_nothing(self, store: EventStore) -> None:
        """Rather than losing it."""
        store.close()
        with pytest.raises(EventWriteException, match="closed"):
            store.save(Event("a", "s", 1))

"""The contract of stores that keep the order of arrival, and more than events."""

import pytest

from store import (
    Batch,
    EventStore,
    InvalidEvent,
    InvalidQuery,
    Query,
    ViewExists,
    ViewNotFound,
)
from store.matching.event import matches
from tests.contract import EVENTS, QUERIES
from tests.contract_answers import AnswerContract, mixed_events
from tests.reading import EVERYTHING, ids_in


class KeepingContract(AnswerContract):
    """The contract; pytest runs it for each subclass."""

    @pytest.mark.parametrize("kind", ["tag", "source"])
    def test_declaring(self, filled: EventStore, kind: str) -> None:
        """A declared name is there without an event, however often it is declared, but answers no query."""
        names = f"declare_{kind}", f"has_{kind}", f"{kind}s"
        declare, has, all_of = (getattr(filled, name) for name in names)
        before = all_of()
        for _ in range(2):
            declare("new")
            assert has("new")
            assert all_of() == before | {"new"}
        assert "new" not in all_of(Query().tagged("web"))
        with pytest.raises(InvalidEvent):
            declare("a\nb")

    def test_views(self, store: EventStore) -> None:
        """Each has a name, and a target that means nothing to the store."""
        assert store.views() == {}
        store.save_view("a", "../by-tag/web")
        store.save_view(".b", "x\ny")
        with pytest.raises(ViewExists):
            store.save_view("a", "other")
        with pytest.raises(ViewExists):
            store.rename_view("a", ".b", replaces=False)
        with pytest.raises(ViewNotFound):
            store.rename_view("none", "a")
        with pytest.raises(ViewNotFound):
            store.remove_view("none")
        with pytest.raises(InvalidQuery):
            store.save_view("a/b", "x")
        assert store.views() == {"a": "../by-tag/web", ".b": "x\ny"}
        store.rename_view("a", "c", replaces=False)
        store.rename_view("c", ".b")
        assert store.views() == {".b": "../by-tag/web"}
        store.remove_view(".b")
        assert store.views() == {}

    def test_state(self, store: EventStore) -> None:
        """It is what was written last."""
        assert store.read_state("s") == b""
        store.write_state("s", b"\x00one\n")
        store.write_state("other", b"x")
        store.write_state("s", b"two")
        assert store.read_state("s") == b"two"
        store.write_state("s", b"")
        assert store.read_state("s") == b""

    def test_an_answer_keeps_the_order_of_arrival(self, store: EventStore) -> None:
        """Late events come last, for any minute."""
        answer = store.answer(Query())
        for event in EVENTS:
            before = answer.read(0, EVERYTHING)
            store.save(event)
            assert answer.read(0, EVERYTHING).startswith(before)
        assert ids_in(answer.read(0, EVERYTHING)) == ["a", "b", "c", "d", "e", "f"]

    @pytest.mark.parametrize("seed", range(5))
    def test_a_batch_keeps_the_order_of_arrival(self, store: EventStore, seed: int) -> None:
        """Whatever the sources, tags and minutes of its events, one after another."""
        events = mixed_events(seed)
        answer = store.answer(Query())
        for first in range(0, len(events), 50):
            store.save_batch(Batch.of(events[first : first + 50]))
            data = answer.read(0, EVERYTHING)
            assert ids_in(data) == [str(event.id) for event in events[: first + 50]]
        for query in QUERIES:
            wanted = [str(event.id) for event in events if matches(query, event)]
            assert ids_in(store.answer(query).read(0, EVERYTHING)) == wanted
            for minute in store.minutes(query):
                found = ids_in(store.answer(query, minute).read(0, EVERYTHING))
                assert found == [each for each in wanted if each in found]

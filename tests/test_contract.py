"""Every store fulfils the contract of stores."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, EventStore, EventWriteException, NaiveEventStore, Query
from tests.contract import EVENTS
from tests.contract_answers import AnswerContract
from tests.contract_keeping import KeepingContract
from tests.doubles import ListStore
from tests.memory_store import MemoryStore
from tests.reading import EVERYTHING, ids_in


class TestMemoryStore(AnswerContract):
    """The interface's defaults, over a store that implements nothing else."""

    @pytest.fixture
    def store(self) -> EventStore:
        return MemoryStore()


class TestListStore(KeepingContract):
    """The same, in the order of arrival."""

    @pytest.fixture
    def store(self) -> EventStore:
        return ListStore()


class TestNaiveEventStore(KeepingContract):
    """Minute files: flushed at every save, every 20 ms, or never."""

    @pytest.fixture(params=[0, 20, 1e9])
    def store(self, tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[EventStore]:
        opened = NaiveEventStore(str(tmp_path), request.param)
        yield opened
        opened.close()

    def test_everything_is_there_after_a_restart(self, filled: NaiveEventStore) -> None:
        """Events, tags and sizes."""
        filled.declare_tag("declared")
        for source in ("", "declared", "/s/" * 100):
            filled.declare_source(source)
        sizes = {query: filled.whole(query).size for query in (Query(), Query().tagged("web"))}
        filled.close()
        again = NaiveEventStore(filled.root_dir)
        assert {str(event.id): event for event in again.search(0)} == {
            str(event.id): event for event in EVENTS
        }
        assert again.tags() == {"web", "db", "error", "a/b", "declared"}
        assert again.sources() == {"/s/1", "/s/2", "/s/3", "", "declared", "/s/" * 100}
        for query, size in sizes.items():
            assert again.whole(query).size == size
        again.close()

    def test_an_answer_that_nothing_read_grows_after_a_removal(self, filled: EventStore) -> None:
        """Events that arrive stand at its end in order of arrival, in the minute that has changed as in others."""
        query = Query().tagged("web")
        answers = [filled.answer(query), filled.answer(Query())]
        sizes = [answer.size() for answer in answers]
        for event_id in ("a", "f", "b", "e"):
            filled.delete(event_id)
        for number, time in enumerate([10, 80, 501, 10.5]):
            filled.save(Event(f"new{number}", "s", time, ["web"], "x"))
        added = [
            ids_in(answer.read(size, EVERYTHING))
            for answer, size in zip(answers, sizes, strict=True)
        ]
        everywhere = ["new0", "new1", "new2", "new3"]
        assert added == [everywhere, everywhere]

    def test_a_closed_store_refuses_events(self, store: EventStore) -> None:
        """It would lose them."""
        store.close()
        with pytest.raises(EventWriteException, match="closed"):
            store.save(Event("a", "s", 1))

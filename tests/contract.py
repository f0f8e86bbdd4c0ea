"""What every event store promises. A store's tests subclass this and say how to make one."""

import math

import pytest

from store import Batch, Event, EventNotFound, EventStore, InvalidEvent, InvalidQuery, Query

EVENTS = [
    Event("a", "/s/1", 10, ["web", "error"], "disk is full"),
    Event("b", "/s/2", 75.25, ["web"], "GET / 200"),
    Event("c", "/s/1", 11.5, [], ""),
    Event("d", "", 500, ["db", "a/b"], "two\nlines\n\nevent: 1 1 0\n"),
    Event("e", "/s/3", 10, ["web", "db"], "bytes \udcff\udc80"),
    Event("f", "/s/3", 0, ["web"], "the epoch"),
]


class StoreContract:
    """The promises; pytest runs them for each subclass."""

    @pytest.fixture
    def store(self) -> EventStore:
        """Make an empty store; a subclass says how."""
        raise NotImplementedError

    @pytest.fixture
    def filled(self, store: EventStore) -> EventStore:
        for event in EVENTS:
            store.save(event)
        return store

    def found(self, store: EventStore, *args: object, **kwargs: object) -> list[object]:
        return [event.id for event in store.search(*args, **kwargs)]  # type: ignore[arg-type]

    def test_search_sorts_by_time(self, filled: EventStore) -> None:
        """Oldest first, or newest first; events of the same time in order of arrival."""
        assert self.found(filled, 0) == ["f", "a", "e", "c", "b", "d"]
        assert self.found(filled, 0, order="desc") == ["d", "b", "c", "e", "a", "f"]

    def test_search_includes_both_ends(self, filled: EventStore) -> None:
        """Events of exactly the start and exactly the end are found."""
        assert self.found(filled, 10, 75.25) == ["a", "e", "c", "b"]
        assert self.found(filled, 10.0000001, 75.2499999) == ["c"]
        assert self.found(filled, 0, 0) == ["f"]
        assert self.found(filled, 501) == []

    def test_flags_are_all_wanted(self, filled: EventStore) -> None:
        """An event without tags has none of them."""
        assert self.found(filled, 0, flags=["web"]) == ["f", "a", "e", "b"]
        assert self.found(filled, 0, flags=["db", "web"]) == ["e"]
        assert self.found(filled, 0, flags=["we"]) == []
        assert self.found(filled, 0, flags=[]) == self.found(filled, 0)

    def test_match_is_searched_in_the_content(self, filled: EventStore) -> None:
        """Anywhere in it, as a regular expression."""
        assert self.found(filled, 0, match="full$") == ["a"]
        assert self.found(filled, 0, match=r"\d00") == ["b"]
        assert self.found(filled, 0, 10, flags=["web"], match="i") == ["a"]
        assert self.found(filled, 0, match="source|id:|/s/") == []

    def test_events_come_out_as_they_went_in(self, filled: EventStore) -> None:
        """Every field, whatever is in it."""
        assert {str(event.id): event for event in filled.search(0)} == {
            str(event.id): event for event in EVENTS
        }

    def test_what_cannot_be_asked(self, store: EventStore) -> None:
        """An unknown order or a broken expression is refused at the call, not at the first event."""
        with pytest.raises(InvalidQuery):
            store.search(0, order="up")
        with pytest.raises(InvalidQuery):
            store.search(0, match="(")

    def test_get(self, filled: EventStore) -> None:
        """By id, or not at all."""
        for event in EVENTS:
            assert filled.get(event.id) == event
        for missing in ("", "A", "a\nb", "g"):
            with pytest.raises(EventNotFound):
                filled.get(missing)

    def test_delete(self, filled: EventStore) -> None:
        """The event is gone from everywhere, and the others stay."""
        filled.delete("a")
        filled.delete("b")
        with pytest.raises(EventNotFound):
            filled.get("a")
        with pytest.raises(EventNotFound):
            filled.delete("a")
        assert self.found(filled, 0) == ["f", "e", "c", "d"]
        assert filled.whole(Query()).events == 4
        assert filled.tags() == {"web", "db", "a/b"}
        filled.save(Event("a", "/s/1", 10, [], "again"))
        assert filled.get("a").content == "again"

    def test_search_sees_what_was_saved_before_it(self, store: EventStore) -> None:
        """At the call, not at the first event."""
        for number in range(20):
            store.save(Event(str(number), "s", 100 - number, [], "x"))
            search = store.search(0)
            assert len(list(search)) == number + 1

    @pytest.mark.parametrize(
        "event",
        [
            Event("a\nb", "s", 1), Event("a", "s\nt", 1), Event("a", "s", 1, ["x,y"]), Event("a", "s", 1, ["x\ny"]),
            Event("a", "s", 1, [""]), Event("a", "s", -1), Event("a", "s", math.nan), Event("a", "s", math.inf),
            Event("a", "s", 1e123), Event("a", "s", 1, [], "\ud800"),
        ],
    )  # fmt: skip
    def test_what_could_not_be_read_back_is_refused(self, store: EventStore, event: Event) -> None:
        """And nothing is stored, of the events with it neither."""
        with pytest.raises(InvalidEvent):
            store.save(event)
        assert list(store.search(0)) == []
        assert store.whole(Query()).size == 0

    def test_save_all_keeps_the_order(self, store: EventStore) -> None:
        """Several events at once are saved as one after the other."""
        store.save_all(EVENTS)
        assert self.found(store, 0) == ["f", "a", "e", "c", "b", "d"]
        assert sorted(str(event.id) for event in store.select(Query())) == [
            "a",
            "b",
            "c",
            "d",
            "e",
            "f",
        ]

    def test_save_batch_is_as_save_all(self, store: EventStore) -> None:
        """A batch may come from anywhere; a store need not know more of it than its events."""
        store.save_batch(Batch())
        batch = Batch.of(EVENTS[:3])
        batch.add_lines([b"one", b"two"], 20.5, "s", ["t"])
        store.save_batch(batch)
        assert self.found(store, 0, flags=["web"]) == ["a", "b"]
        assert [event.content for event in store.search(20, 21, flags=["t"])] == ["one", "two"]
        assert store.whole(Query()).size == len(batch.data)

    def test_tags(self, filled: EventStore) -> None:
        """Those of all events, or of the events of a query, and declared ones."""
        assert filled.tags() == {"web", "db", "error", "a/b"}
        assert filled.tags(Query().tagged("error")) == {"web", "error"}
        assert filled.tags(Query().within(12, 100)) == {"web"}
        assert not filled.has_tag("new")
        filled.declare_tag("new")
        filled.declare_tag("new")
        assert filled.has_tag("new")
        assert filled.has_tag("db")
        assert filled.tags() == {"web", "db", "error", "a/b", "new"}
        with pytest.raises(InvalidEvent):
            filled.declare_tag("a,b")

    @pytest.mark.parametrize(
        "query",
        [
            Query(), Query().tagged("web"), Query().tagged("web").tagged("db"), Query().tagged("web", "db"),
            Query().within(10, 75.25), Query().within(0, 11).tagged("web"), Query().tagged("none"),
            Query().within(1, 2),
        ],
    )  # fmt: skip
    def test_answers_have_exactly_the_sizes_that_are_told(
        self, filled: EventStore, query: Query
    ) -> None:
        """Whole, in each minute, and in any piece."""
        spans = filled.spans(query)
        whole = filled.whole(query)
        data = filled.answer(query).read(0, 1 << 20)
        assert (
            whole.size
            == len(data)
            == filled.answer(query).size()
            == sum(span.size for span in spans)
        )
        assert whole.events == sum(span.events for span in spans) == len(list(filled.select(query)))
        assert whole.newest == max((span.newest for span in spans), default=0)
        assert [span.name for span in spans] == sorted(
            (span.name for span in spans), key=lambda name: int(name.split("-")[0])
        )
        for span in spans:
            assert filled.span(query, span.name) == span
            assert len(filled.answer(query, span.name).read(0, 1 << 20)) == span.size
        for size in (1, 3, 50, 1000):
            pieces = [
                filled.answer(query).read(offset, size)
                for offset in range(0, len(data) + size, size)
            ]
            assert b"".join(pieces) == data
        assert filled.answer(query).read(len(data), 10) == b""
        assert filled.span(query, "1-2") is None
        assert filled.answer(query, "1-2").read(0, 10) == b""

    def test_an_answer_grows_at_its_end(self, store: EventStore) -> None:
        """What was read once stays, while events arrive in order."""
        answer = store.answer(Query().tagged("web"))
        before = b""
        for number in range(10):
            store.save(Event(str(number), "s", 10 + number * 20, ["web"], "x"))
            store.save(Event(f"other {number}", "s", 10 + number * 20, ["db"], "x"))
            data = answer.read(0, 1 << 20)
            assert data.startswith(before)
            assert data.count(b"event: ") == number + 1
            before = data

    def test_latest(self, store: EventStore) -> None:
        """The minute that starts last; none in an empty store."""
        assert store.latest() is None
        store.save(Event("a", "s", 500))
        latest = store.latest()
        store.save(Event("b", "s", 100))
        assert store.latest() == latest == store.spans(Query())[-1].name

    def test_sync_and_close(self, filled: EventStore) -> None:
        """Both can be done again."""
        filled.sync()
        filled.sync()
        filled.close()
        filled.close()

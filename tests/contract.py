"""The contract of every event store. The tests of a store subclass this and say how to make one."""

import math
from collections import Counter

import pytest

from store import (
    AtLevel,
    Batch,
    During,
    Event,
    EventNotFound,
    EventStore,
    FromSource,
    HasTag,
    InvalidEvent,
    InvalidQuery,
    Matches,
    MinuteNotFound,
    Not,
    Query,
    Untagged,
)
from store.format.levels import LEVELS
from store.matching.event import level_of_event, matches
from store.ticks import TICKS_MAX, TICKS_PER_S
from tests.reading import EVERYTHING, ids_in, read_available

EVENTS = [
    Event("a", "/s/1", 10, ["web", "error"], "disk is full"),
    Event("b", "/s/2", 75.25, ["web"], "GET / 200 [error]"),
    Event("c", "/s/1", 11.5, [], ""),
    Event("d", "", 500, ["db", "a/b"], "two\nlines\n\nevent: 1 1 0\n"),
    Event("e", "/s/3", 10, ["web", "db"], "bytes \udcff\udc80"),
    Event("f", "/s/3", 0, ["web"], "the epoch"),
]


def seconds(start: float, end: float) -> tuple[int, int]:
    """Return a range of seconds in ticks."""
    return int(start * TICKS_PER_S), int(end * TICKS_PER_S)


TAGGED, FROM_S3 = HasTag(frozenset({"web"})), FromSource(frozenset({"/s/3"}))
FROM_S1, ERROR = FromSource(frozenset({"/s/1"})), frozenset({"err", "crit"})
QUERIES = [
    Query(), Query().tagged("web"), Query().tagged("web").tagged("db"), Query().tagged("web", "db"),
    Query().within(*seconds(10, 75.25)), Query().within(*seconds(0, 11)).tagged("web"), Query().tagged("none"),
    Query().within(*seconds(1, 2)), Query().within(*seconds(0, 75)).tagged("web"),
    Query().where(FROM_S3), Query().where(FromSource(frozenset({"/s/1", ""}))).within(*seconds(0, 75)),
    Query().where(Untagged()), Query().where(Not(Untagged())), Query().where(Not(TAGGED)), Query().where(Not(Not(TAGGED))),
    Query().where(Not(FROM_S3)).where(TAGGED), Query().where(Not(During(*seconds(10, 100)))),
    Query().where(Not(During(*seconds(10, 10)))).where(Not(FROM_S3)).within(*seconds(0, 75)),
    Query().where(Matches("^GET|full$")), Query().where(Not(Matches("event"))).within(*seconds(0, 75)), Query().where(AtLevel(ERROR)),
    Query().where(Not(AtLevel(ERROR))).where(TAGGED), Query().where(Matches("i")).where(Matches("G|d")).where(FROM_S1),
]  # fmt: skip


class StoreContract:
    """The contract; pytest runs it for each subclass."""

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
        """Oldest or newest first; events of the same time in order of arrival, or the reverse."""
        assert self.found(filled, 0) == ["f", "a", "e", "c", "b", "d"]
        assert self.found(filled, 0, order="desc") == ["d", "b", "c", "e", "a", "f"]

    def test_search_includes_both_ends(self, filled: EventStore) -> None:
        """Events of exactly the start and exactly the end are found."""
        assert self.found(filled, 10, 75.25) == ["a", "e", "c", "b"]
        assert self.found(filled, 10.0000001, 75.2499999) == ["c"]
        assert self.found(filled, 0, 0) == ["f"]
        assert self.found(filled, 501) == []

    def test_search_is_exact_to_the_tick(self, store: EventStore) -> None:
        """A bound excludes the times next to it, and the last second of a file is not the next one."""
        for number, ticks in enumerate([99_999_999, 100_000_000, 100_000_001]):
            store.save(Event(str(number), "s", ticks=ticks))
        assert self.found(store, 10) == ["1", "2"]
        assert self.found(store, 0, 10) == ["0", "1"]
        assert self.found(store, 10, 10) == ["1"]
        late = Event("late", "s", ticks=1763999999_9999999)
        store.save(late)
        assert store.get("late").ticks == late.ticks
        query = Query().within(1763999999_9999999, 1763999999_9999999)
        assert [event.id for event in store.select(query)] == ["late"]
        assert list(store.select(Query().within(1764000000_0000000, TICKS_MAX))) == []
        assert store.whole(query).newest == late.ticks
        assert store.whole(Query().within(1764000000_0000000, TICKS_MAX)).events == 0
        assert self.found(store, 0, -1) == []

    def test_the_first_and_the_last_time(self, store: EventStore) -> None:
        """Every time from 0 to TICKS_MAX can be stored and found."""
        for ticks in (0, 1, TICKS_MAX - 1, TICKS_MAX):
            store.save(Event(str(ticks), "s", ticks=ticks))
        assert [event.ticks for event in store.search(0)] == [0, 1, TICKS_MAX - 1, TICKS_MAX]
        assert self.found(store, 0, 1) == ["0", "1"]
        query = Query().within(TICKS_MAX, TICKS_MAX)
        assert [event.ticks for event in store.select(query)] == [TICKS_MAX]
        assert store.whole(Query()).newest == TICKS_MAX

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
        """Every field, with any text."""
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

    def test_delete_one_of_several(self, filled: EventStore) -> None:
        """The one that is found; then the next is found."""
        filled.save(Event("a", "/s/1", 10, [], "again"))
        filled.save(Event("a", "/s/1", 1000, [], "later"))
        contents = []
        for _ in range(3):
            contents.append(filled.get("a").content)
            filled.delete("a")
            assert contents[-1] not in [each.content for each in filled.search(0)]
        assert sorted(map(str, contents)) == sorted(["again", "later", str(EVENTS[0].content)])
        with pytest.raises(EventNotFound):
            filled.delete("a")
        assert self.found(filled, 0) == ["f", "e", "c", "b", "d"]

    @pytest.mark.parametrize("number", [0, 1, 4, 9, 11, 13, 17])
    def test_remove_events(self, filled: EventStore, number: int) -> None:
        """Those that answer a query are gone from everywhere, in the minutes that are named, and the others stay."""
        query = QUERIES[number]
        for minute in (*list(filled.minutes(Query()))[::2], "1-2"):
            among = ids_in(filled.answer(Query(), minute).read(0, EVERYTHING))
            gone = {each.id for each in EVENTS if each.id in among and matches(query, each)}
            before = {str(event.id) for event in filled.select(Query())}
            assert filled.remove_events(query, minute) == len(gone)
            assert {str(event.id) for event in filled.select(Query())} == before - gone
            assert filled.whole(Query()).events == len(before - gone)
            assert filled.remove_events(query, minute) == 0
        filled.save(EVENTS[0])
        assert "a" in {str(event.id) for event in filled.select(Query())}

    def test_remove_minutes(self, filled: EventStore) -> None:
        """Those that there are, each once."""
        names = list(filled.minutes(Query()))
        assert filled.remove_minutes([names[0], "1-2", names[-1], names[0]]) == 2
        assert list(filled.minutes(Query())) == names[1:-1]

    def test_remove_minute(self, filled: EventStore) -> None:
        """All of its events are gone from everywhere, the others stay, and the minute can have new ones."""
        [name] = filled.minutes(Query().within(*seconds(10, 12)))
        answer = filled.answer(Query(), name)
        before = answer.read(0, EVERYTHING)
        gone = set(ids_in(before))
        assert gone >= {"a", "c", "e"}
        filled.remove_minute(name)
        for missing in (name, "1-2", "x", ""):
            with pytest.raises(MinuteNotFound):
                filled.remove_minute(missing)
        left = [str(event.id) for event in EVENTS if event.id not in gone]
        assert sorted(str(event.id) for event in filled.select(Query())) == sorted(left)
        assert filled.whole(Query()).events == len(left)
        assert filled.span(Query(), name) is None
        assert name not in filled.minutes(Query())
        assert read_available(answer, 0) in (None, before)
        filled.save(Event("again", "s", 10, [], "x"))
        assert filled.get("again").content == "x"
        assert filled.whole(Query()).events == len(left) + 1

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
            Event("a", "s", 1e123), Event("a", "s", ticks=-1), Event("a", "s", ticks=TICKS_MAX + 1),
            Event("a", "s", 922337203686), Event("a", "s", 1, [], "\ud800"),
        ],
    )  # fmt: skip
    def test_what_could_not_be_read_back_is_refused(self, store: EventStore, event: Event) -> None:
        """And nothing is stored, also none of the events that are saved with it."""
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
        """A store need not know more of a batch than its events."""
        store.save_batch(Batch())
        batch = Batch.of(EVENTS[:3])
        batch.add_lines([b"one", b"two"], 20_5000000, "s", ["t"])
        store.save_batch(batch)
        assert self.found(store, 0, flags=["web"]) == ["a", "b"]
        assert [event.content for event in store.search(20, 21, flags=["t"])] == ["one", "two"]
        assert store.whole(Query()).size == len(batch.data)

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_what_counts_the_events_of_an_answer(self, filled: EventStore, query: Query) -> None:
        """By source and tags, by time, and by level."""
        wanted = [event for event in EVENTS if matches(query, event)]
        streams = Counter((event.source, tuple(event.tags)) for event in wanted)
        assert sorted(filled.streams(query)) == sorted((*each, n) for each, n in streams.items())
        for width in (1, 7 * TICKS_PER_S, 60 * TICKS_PER_S, TICKS_MAX):
            times = Counter(event.ticks // width for event in wanted)
            assert filled.histogram(query, width) == times
        levels = Counter(LEVELS[each - 1] for each in map(level_of_event, wanted) if each)
        assert filled.levels(query) == levels
        assert filled.sources(query) == {str(event.source) for event in wanted}
        assert {event.id for event in filled.select(query)} == {event.id for event in wanted}

    def test_sources(self, filled: EventStore) -> None:
        """One that no event is from is none."""
        assert filled.sources() == {"/s/1", "/s/2", "/s/3", ""}
        assert filled.has_source("")
        assert not filled.has_source("/s")

    def test_tags(self, filled: EventStore) -> None:
        """Those of all events, or of the events of a query."""
        assert filled.tags() == {"web", "db", "error", "a/b"}
        assert filled.tags(Query().tagged("error")) == {"web", "error"}
        assert filled.tags(Query().within(*seconds(12, 100))) == {"web"}
        assert filled.has_tag("db")
        assert not filled.has_tag("new")

    def test_status(self, filled: EventStore) -> None:
        """The numbers of what there is, at least."""
        status = filled.status()
        whole = filled.whole(Query())
        assert (status["events"], status["bytes"]) == (whole.events, whole.size)

    def test_sync_and_close(self, filled: EventStore) -> None:
        """Both can be repeated."""
        filled.sync()
        filled.sync()
        filled.close()
        filled.close()

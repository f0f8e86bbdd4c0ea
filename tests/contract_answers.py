"""The contract of the answers of every store: their bytes, and what is said of them."""

from collections.abc import Callable
from random import Random

import pytest

from store import Batch, Event, EventStore, Query, View
from store.matching.event import matches
from tests.contract import EVENTS, QUERIES, StoreContract
from tests.reading import EVERYTHING, ids_in, read_available
from theiafs.lineviews import LINE_VIEWS

LOG = LINE_VIEWS[0]


class AnswerContract(StoreContract):
    """The contract; pytest runs it for each subclass."""

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_answers_have_exactly_the_sizes_of_their_spans(
        self, filled: EventStore, query: Query
    ) -> None:
        """Whole, in each minute, and in any piece."""
        spans = filled.snapshot(query).spans
        whole = filled.whole(query)
        data = filled.answer(query).read(0, EVERYTHING)
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
            assert len(filled.answer(query, span.name).read(0, EVERYTHING)) == span.size
        for size in (1, 3, 50, 1000):
            pieces = [
                filled.answer(query).read(offset, size)
                for offset in range(0, len(data) + size, size)
            ]
            assert b"".join(pieces) == data
            assert filled.answer(query).read_last(size) == data[-size:]
        assert filled.answer(query).read(len(data), 10) == b""
        assert filled.span(query, "1-2") is None
        assert filled.answer(query, "1-2").read(0, 10) == b""

    def test_an_answer_grows_at_its_end(self, store: EventStore) -> None:
        """Bytes that were read once stay, while events arrive in order."""
        answer = store.answer(Query().tagged("web"))
        before = b""
        for number in range(10):
            last = store.answer(Query().tagged("web"))
            store.save(Event(str(number), "s", 10 + number * 20, ["web"], "x"))
            assert last.read_last(100) == before[-100:]
            store.save(Event(f"other {number}", "s", 10 + number * 20, ["db"], "x"))
            data = answer.read(0, EVERYTHING)
            assert data.startswith(before)
            assert data.count(b"event: ") == number + 1
            before = data

    def test_an_answer_outlives_a_removal(self, filled: EventStore) -> None:
        """It keeps its size, and every event its offset: bytes that it still gives are those that it gave before."""
        query = Query().tagged("web")
        answer = filled.answer(query)
        before = answer.read(0, EVERYTHING)
        filled.delete("a")
        filled.delete("f")
        assert answer.size() == len(before)
        for offset in range(len(before)):
            assert read_available(answer, offset) in (None, before[offset:])
        again = filled.answer(query).read(0, EVERYTHING)
        assert sorted(ids_in(again)) == ["b", "e"]

    def test_an_answer_grows_after_a_removal(self, filled: EventStore) -> None:
        """Events that arrive stand at the end of an answer that is followed, each once, in order of arrival."""
        query = Query().tagged("web")
        answers = [filled.answer(query), filled.answer(Query())]
        positions = [len(answer.read(0, EVERYTHING)) for answer in answers]
        added: list[list[str]] = [[], []]
        for number, time in enumerate([10, 80, 501, 10.5]):
            filled.delete(["a", "f", "b", "e"][number])
            filled.save(Event(f"new{number}", "s", time, ["web"], "x"))
            for place, answer in enumerate(answers):
                data = answer.read(positions[place], EVERYTHING)
                positions[place] += len(data)
                assert answer.size() == positions[place]
                added[place] += ids_in(data)
        everywhere = ["new0", "new1", "new2", "new3"]
        assert added == [everywhere, everywhere]
        assert sorted(ids_in(filled.answer(query).read(0, EVERYTHING))) == everywhere

    def test_latest(self, store: EventStore) -> None:
        """The minute that starts last; none in an empty store."""
        assert store.latest() is None
        store.save(Event("a", "s", 500))
        latest = store.latest()
        store.save(Event("b", "s", 100))
        assert store.latest() == latest == store.snapshot(Query()).spans[-1].name

    @pytest.mark.parametrize("seed", range(5))
    def test_a_batch_keeps_its_order(self, store: EventStore, seed: int) -> None:
        """Events of one time come out as they went in, whatever their sources, tags and minutes."""
        events = mixed_events(seed)
        store.save_batch(Batch.of(sorted(events, key=lambda event: event.ticks)))
        ordered = sorted(events, key=lambda event: event.ticks)
        for query in [Query(), *(query for query in QUERIES if query.filters)]:
            wanted = [str(event.id) for event in ordered if matches(query, event)]
            assert ids_in(store.answer(query).read(0, EVERYTHING)) == wanted
            found = [
                ids_in(store.answer(query, minute).read(0, EVERYTHING))
                for minute in store.minutes(query)
            ]
            assert [each for minute in found for each in minute] == wanted

    @pytest.mark.parametrize("view", [None, LOG], ids=["records", "lines"])
    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_a_snapshot_is_what_the_store_says(
        self, filled: EventStore, query: Query, view: View | None
    ) -> None:
        """All of it at once, and each part alone."""
        snapshot = filled.snapshot(query, view)
        assert snapshot.whole == filled.whole(query, view)
        assert [span.name for span in snapshot.spans] == list(filled.minutes(query))
        data = snapshot.answer().read(0, EVERYTHING)
        assert (len(data), data) == (
            snapshot.whole.size,
            filled.answer(query, None, view).read(0, EVERYTHING),
        )
        for span in snapshot.spans:
            assert span == snapshot.span(span.name) == filled.span(query, span.name, view)
            data = snapshot.answer(span.name).read(0, EVERYTHING)
            assert data == filled.answer(query, span.name, view).read(0, EVERYTHING)
            assert len(data) == span.size
        assert snapshot.span("1-2") is None
        assert snapshot.answer("1-2").span is None
        assert snapshot.answer("1-2").read(0, 10) == b""

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_a_snapshot_never_changes(self, filled: EventStore, query: Query) -> None:
        """Whatever arrives or is removed; the answers that it opens grow, after what they had then."""
        snapshot = filled.snapshot(query)
        before = snapshot.whole, list(snapshot.spans)
        parts = {
            name: filled.answer(query, name).read(0, EVERYTHING) for name in filled.minutes(query)
        }
        data = filled.answer(query).read(0, EVERYTHING)
        for event in EVENTS:
            filled.save(
                Event(f"{event.id}2", event.source, event.timestamp, event.tags, event.content)
            )
        assert (snapshot.whole, list(snapshot.spans)) == before
        grown = snapshot.answer()
        assert grown.span == snapshot.whole
        assert grown.read(0, len(data)) == data
        assert sorted(ids_in(grown.read(len(data), EVERYTHING))) == sorted(
            f"{event.id}2" for event in EVENTS if matches(query, event)
        )
        for name, part in parts.items():
            assert snapshot.answer(name).read(0, len(part)) == part
        filled.delete("b")
        filled.remove_minutes(list(filled.minutes(Query())))
        assert (snapshot.whole, list(snapshot.spans)) == before

    @pytest.mark.parametrize("query", QUERIES, ids=repr)
    def test_minutes_stay_those_of_a_moment_and_say_what_they_hold_now(
        self, filled: EventStore, query: Query
    ) -> None:
        """Places in a listing mean the same until its end, whatever arrives and goes; sizes are never old."""
        minutes = filled.minutes(query)
        names = list(minutes)
        count = len(minutes)
        assert count == len(names)
        for place in (
            slice(1, None),
            slice(None, None, -1),
            slice(-2, 0, -1),
            slice(9, 3),
            slice(2),
        ):
            assert minutes[place] == names[place]
        with pytest.raises(IndexError):
            minutes[count]
        assert minutes.spans(0, count) == [filled.span(query, name) for name in names]
        for event in EVENTS:
            filled.save(
                Event(f"{event.id}2", event.source, event.timestamp, event.tags, event.content)
            )
        for first in range(count):
            assert minutes.spans(first, first + 1) == [filled.span(query, names[first])]
        filled.remove_minutes(names[::2])
        assert list(minutes) == names
        for name, span in zip(names, minutes.spans(0, count), strict=True):
            left = filled.span(query, name)
            assert (span.name, span.events) == (name, left.events if left is not None else 0)
            assert left is None or span == left

    def test_equal_versions_have_equal_bytes(self, filled: EventStore) -> None:
        """And what has not changed has an equal version."""
        steps: list[Callable[[], object]] = [
            lambda: None,
            lambda: filled.save(Event("g", "/s/1", 12, ["web"], "arrives")),
            lambda: filled.save(Event("h", "/s/9", 501, [], "elsewhere")),
            lambda: filled.delete("g"),
            lambda: filled.save(Event("g", "/s/1", 12, ["web"], "ARRIVES")),
            lambda: filled.save(Event("i", "/s/1", 13, ["web"], "one after another")),
            lambda: (filled.delete("a"), filled.save(EVENTS[0])),
        ]
        seen: dict[tuple[object, ...], bytes] = {}
        for step in steps:
            step()
            for query in QUERIES:
                for name in [None, *filled.minutes(query)]:
                    answer, again = filled.answer(query, name), filled.answer(query, name)
                    assert answer.version == again.version
                    data = answer.read(0, EVERYTHING)
                    assert seen.setdefault((query, name, answer.version), data) == data

    def test_what_may_still_change_has_not_settled(self, filled: EventStore) -> None:
        """The kernel may know it as it was before."""
        for query in QUERIES:
            for span in filled.snapshot(query).spans:
                assert not filled.has_settled(span, 3600)

    def test_following(self, store: EventStore) -> None:
        """Every minute in which something arrives is named, from one call to the next, and by any cursor."""
        assert store.follow() == store.follow(b"")
        cursors = [b"", store.follow().cursor]
        assert store.follow().minutes == []
        events = mixed_events(0)
        for first in range(0, len(events), 7):
            store.save_all(events[first : first + 7])
            cursors.append(store.follow(cursors[-1]).cursor)
        for place, cursor in enumerate(cursors[1:]):
            changed = store.follow(cursor).minutes
            assert changed == [name for name in store.minutes(Query()) if name in changed]
            found = [ids_in(store.answer(Query(), name).read(0, EVERYTHING)) for name in changed]
            arrived = {str(event.id) for event in events[7 * place :]}
            assert arrived <= {each for minute in found for each in minute}
        assert store.follow().minutes == list(store.minutes(Query()))

    def test_a_cursor_of_another_store_is_that_of_the_beginning(self, filled: EventStore) -> None:
        """Whatever it looks like."""
        for cursor in (b"x", b"{}", b"minutes 1\n", b"minutes 1\nx", b"\x00" * 100):
            assert filled.follow(cursor).minutes == list(filled.minutes(Query()))


def mixed_events(seed: int) -> list[Event]:
    """Return events of several sources and sets of tags in several minutes, in no order; several have one time."""
    random = Random(seed)
    return [
        Event(
            f"{number:03}",
            random.choice(["/s/1", "/s/2", "/s/3", ""]),
            random.randrange(300) // 10 * 10,
            random.sample(["web", "db", "error", "a/b"], random.randrange(4)),
            random.choice(["", "full", "GET", "[error] event", "two\nlines"]),
        )
        for number in range(200)
    ]

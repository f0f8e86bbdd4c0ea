"""Lines in a format: each is the content of one event, byte for byte, with the time, source and tags that it says."""

from collections.abc import Sequence
from datetime import UTC

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Batch, Event, EventTooLarge, HasTag, InvalidEvent, Query, StoreFull
from store.format.record import decode_text
from tests.test_addition import addition_of
from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formatted import UNPARSED, LineReader
from theiafs.ingest import IngestBuffer
from theiafs.origin import Origin
from theiafs.tallies import Tallies

NOW = 1_000_000
ORIGIN = Origin("cat", NOW)


class ToyFormat(Format):
    """Lines like ``7 app x``: ticks or ``-``, a source or ``-``, the rest; ``!`` begins a whole event."""

    name = "toy"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        ticks, sources, tags, are_parsed = [], [], [], []
        events = {}
        for row, line in enumerate(lines):
            time, source, rest = (*line.split(b" ", 2), b"", b"")[:3]
            is_parsed = time.isdigit() or time == b"-"
            ticks.append(int(time[:9]) if time.isdigit() else NO_TIME)
            sources.append(source.decode("ascii") if is_parsed and source.isalpha() else None)
            tags.append((f"key={rest[1:].decode()}",) if is_parsed and rest[:1] == b"=" else ())
            are_parsed.append(is_parsed)
            if line.startswith(b"!"):
                events[row] = Event("whole", "there", None, ["own"], "content", ticks=5)
                are_parsed[-1] = True
        return Fields(np.array(ticks), sources, tags, np.array(are_parsed), events)


class Saved(list[Event]):
    """Saved events; as a function it saves a batch."""

    def __call__(self, batch: Batch) -> None:
        self.extend(batch.events())


def new_buffer(
    query: Query | None = None, size_max: int = 1000, tallies: Tallies | None = None
) -> IngestBuffer:
    reader = LineReader(ToyFormat(), UTC, (), tallies or Tallies())
    return IngestBuffer(addition_of(query or Query()), size_max, reader)


def shown(event: Event) -> tuple[object, ...]:
    return event.ticks, event.source, event.tags, event.content


def test_a_line_has_what_it_says_and_else_what_is_known() -> None:
    """No time: that of the line before, in this write or an earlier one; before any, now."""
    saved, buffer = Saved(), new_buffer()
    buffer.append(b"- web one\n7 app two\n- - three\nodd\n", ORIGIN, saved)
    buffer.append(b"- app four\n", ORIGIN, saved)
    assert [shown(event) for event in saved] == [
        (NOW, "web", [], "- web one"),
        (7, "app", [], "7 app two"),
        (7, "cat", [], "- - three"),
        (7, "cat", [UNPARSED], "odd"),
        (7, "app", [], "- app four"),
    ]
    assert len({event.id for event in saved}) == len(saved)


def test_what_the_path_says_comes_first() -> None:
    saved = Saved()
    query = Query().where(HasTag(frozenset({"web"})))
    new_buffer(query).append(b"7 app =500\nodd\n!\n", ORIGIN, saved)
    assert [(event.source, sorted(event.tags or [])) for event in saved] == [
        ("app", ["key=500", "web"]),
        ("cat", [UNPARSED, "web"]),
        ("there", ["own", "web"]),
    ]
    assert saved[-1].id == "whole"
    assert [event.ticks for event in saved] == [7, 7, 5]


@given(
    st.lists(st.binary(max_size=30).filter(lambda line: b"\n" not in line), max_size=30),
    st.lists(st.integers(1, 40), max_size=20),
)
def test_bytes_come_out_as_they_went_in(lines: list[bytes], cuts: list[int]) -> None:
    """However they are divided into writes; blank lines and the ends of lines aside."""
    saved, buffer = Saved(), new_buffer()
    data = b"".join(line + b"\n" for line in lines)
    position = 0
    for cut in [*cuts, len(data)]:
        piece = data[position : position + cut]
        if piece:
            assert buffer.append(piece, ORIGIN, saved) == len(piece)
        position += cut
    buffer.finish(ORIGIN, saved)
    wanted = [line.removesuffix(b"\r") for line in lines]
    found = [event.content for event in saved if event.id != "whole"]
    assert found == [
        decode_text(line) for line in wanted if line.strip(b" \t") and line[:1] != b"!"
    ]


def test_a_line_that_is_too_large_costs_nothing_else() -> None:
    saved, buffer = Saved(), new_buffer(size_max=10)
    data = b"7 app a\n" + b"x" * 11 + b"\n8 app b\n"
    assert buffer.append(data, ORIGIN, saved) == len(b"7 app a\n")
    with pytest.raises(EventTooLarge):
        buffer.append(data[8:], ORIGIN, saved)
    assert [event.content for event in saved] == ["7 app a"]


def test_the_terminator_of_the_largest_line_may_come_in_pieces() -> None:
    saved, buffer = Saved(), new_buffer(size_max=10)
    for data in (b"7 app xxxx", b"\r", b"\n8 app yyyy\r", b"\n"):
        assert buffer.append(data, ORIGIN, saved) == len(data)
    assert [event.content for event in saved] == ["7 app xxxx", "8 app yyyy"]


def test_a_time_outside_of_the_range_is_refused() -> None:
    saved = Saved()
    buffer = new_buffer(Query(start=5, end=8))
    assert buffer.append(b"\n7 app a\n9 app b\n", ORIGIN, saved) == len(b"\n7 app a\n")
    with pytest.raises(InvalidEvent, match="does not belong"):
        buffer.append(b"9 app b\n", ORIGIN, saved)
    assert [event.content for event in saved] == ["7 app a"]


def test_unparsed_lines_are_counted_when_they_are_saved() -> None:
    tallies = Tallies()
    buffer = new_buffer(tallies=tallies)

    def fail(_batch: Batch) -> None:
        raise InvalidEvent("no room")

    with pytest.raises(InvalidEvent, match="no room"):
        buffer.append(b"odd\n", ORIGIN, fail)
    assert tallies.status() == {}
    buffer.append(b"odd\n7 app x\nodd\n", ORIGIN, Saved())
    assert tallies.status() == {UNPARSED: 2}


def test_values_of_a_field_are_limited() -> None:
    tallies = Tallies()
    tags, counted = tallies.limited(f"user={number}" for number in range(10_000))
    assert (tags[-1], counted) == ("user=9999", [])
    assert tallies.limited(["user=10000", "user=5", "host=10000"]) == (
        ["user=_other", "user=5", "host=10000"],
        ["other values of user"],
    )


def test_events_with_other_values_are_counted_when_they_are_saved() -> None:
    """Each of them, however many come in one write."""
    tallies = Tallies()
    tallies.limited(f"key={number}" for number in range(10_000))
    saved, buffer = Saved(), new_buffer(Query(start=5), tallies=tallies)
    data = b"7 app =new\n" * 300 + b"7 app =5\n7 web =new\n" * 2 + b"odd\n"

    def fail(_batch: Batch) -> None:
        raise StoreFull("full")

    with pytest.raises(StoreFull):
        buffer.append(data, ORIGIN, fail)
    assert tallies.status() == {}
    buffer.append(data + b"3 app =new\n", ORIGIN, saved)
    others = [event for event in saved if event.tags == ["key=_other"]]
    assert len(others) == 302
    assert tallies.status() == {"other values of key": 302, UNPARSED: 1}


def test_values_that_events_have_already_count() -> None:
    """They are asked for once for each key, and only those of the key count."""
    asked: list[int] = []

    def existing() -> frozenset[str]:
        asked.append(1)
        old = {f"user={number}" for number in range(9_998)}
        return frozenset(old | {"user=_other", "userx=1", "web", "host=a"})

    tallies = Tallies(existing)
    tags, _ = tallies.limited(["user=17", "user=new", "user=newer", "user=newest", "user=new"])
    assert tags == ["user=17", "user=new", "user=newer", "user=_other", "user=new"]
    assert len(asked) == 1
    assert tallies.limited(["host=b"]) == (["host=b"], [])
    assert len(asked) == 2


def test_values_are_limited_although_events_have_more() -> None:
    tallies = Tallies(lambda: (f"user={number}" for number in range(20_000)))
    assert tallies.limited(["user=0", "user=new"])[0] == ["user=0", "user=_other"]

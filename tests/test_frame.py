"""Finding events in bytes, whole or damaged."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.errors import MalformedEvent
from store.format import record as frame
from store.format.record import Frame
from store.format.scan import Damage, scan

contents = st.text(st.characters(exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["", "\n", "event: 1 1 0\n", "\nevent: 40 40 0\nid:fake\n", "a\n\nb\n"]
)


def record(number: int, content: str = "content") -> bytes:
    return frame.encode(f"id{number}", 10 + number, "source", ["t"], content, "utf-8") + b"\n"


def reader(data: bytes, size_max: int = 1 << 30) -> Callable[[int, int], bytes]:
    return lambda offset, size: data[offset : offset + min(size, size_max)]


def found_in(data: bytes, size_max: int = 1 << 30) -> list[Frame | Damage]:
    return list(scan(reader(data, size_max), len(data)))


def found_ids(data: bytes) -> list[bytes]:
    return [each.header.id for each in found_in(data) if isinstance(each, Frame)]


@given(st.lists(contents, max_size=8))
def test_whole_events_are_found(texts: list[str]) -> None:
    """Each with its size, whatever its content looks like."""
    records = [record(number, text) for number, text in enumerate(texts)]
    assert [each.size for each in found_in(b"".join(records))] == list(map(len, records))
    assert found_ids(b"".join(records)) == [b"id%d" % number for number in range(len(texts))]


@given(
    st.lists(contents, min_size=1, max_size=5),
    st.lists(st.tuples(st.floats(0, 1, exclude_max=True), st.integers(1, 255)), max_size=3),
    st.floats(0, 1),
    st.integers(1, 100),
)
def test_any_damage(
    texts: list[str], flips: list[tuple[float, int]], cut: float, size_max: int
) -> None:
    """Sizes add up, chunks do not matter, and every event that the damage does not touch is found."""
    records = [record(number, text) for number, text in enumerate(texts)]
    data = bytearray(b"".join(records))
    touched = set()
    for place, change in flips:
        data[int(place * len(data))] ^= change
        touched.add(int(place * len(data)))
    kept = int(cut * len(data))
    damaged = bytes(data[:kept])
    found = found_in(damaged)
    assert sum(each.size for each in found) == kept
    assert found_in(damaged, size_max) == found
    position, starts = 0, set()
    for each in found:
        if isinstance(each, Frame):
            starts.add(position)
        position += each.size
    position = 0
    for whole in records:
        begin, position = position, position + len(whole)
        # An event before that lies about its size may swallow this one: only if its first line is damaged.
        is_whole = position <= kept and touched.isdisjoint(range(begin, position))
        if is_whole and touched.isdisjoint(range(begin)):
            assert begin in starts


@given(st.integers(0, 1000), st.integers(1, 255))
def test_one_flipped_byte_costs_one_event(place: int, change: int) -> None:
    """At most the one it is in, wherever it is in the file."""
    data = bytearray(b"".join(record(number) for number in range(6)))
    place %= len(data)
    data[place] ^= change
    hit = b"id%d" % (place // len(record(0)))
    assert set(found_ids(bytes(data))) >= {b"id%d" % number for number in range(6)} - {hit}


def test_damage_says_where_and_what() -> None:
    """Before, between and after events."""
    data = b"junk\n" + record(0) + b"more junk\nin lines\n" + record(1) + record(2)[:-9]
    found = found_in(data)
    assert [type(each) for each in found] == [Damage, Frame, Damage, Frame, Damage]
    assert [each.size for each in found] == [
        5,
        len(record(0)),
        19,
        len(record(1)),
        len(record(2)) - 9,
    ]
    assert "junk" in found[0].reason  # type: ignore[union-attr]
    assert "cut short" in found[4].reason  # type: ignore[union-attr]


def test_a_lying_size_does_not_swallow_the_rest() -> None:
    """An event said to reach beyond the end is skipped, and the next one found."""
    lying = record(0).replace(b"event: ", b"event: 9", 1)
    assert found_ids(lying + record(1)) == [b"id1"]
    huge = b"event: 9000000000000000000 8999999999999999999 1\n"
    assert found_ids(huge + record(1)) == [b"id1"]


def test_damage_is_searched_beyond_any_window() -> None:
    """However much of it there is, and wherever the next event begins."""
    for size in ((1 << 20) - 7, (1 << 20) - 1, 1 << 20, (3 << 20) + 1):
        assert found_ids(b"x" * size + b"\n" + record(1)) == [b"id1"]
        assert found_ids(record(0) + b"y" * size) == [b"id0"]


def test_a_scan_may_begin_in_the_middle() -> None:
    """Where a frame starts."""
    data = record(0) + record(1)
    found = list(scan(reader(data), len(data), len(record(0))))
    assert [each.size for each in found] == [len(record(1))]


def test_a_file_that_shrinks_while_it_is_read() -> None:
    """It ends the scan, rather than going on for ever."""
    data = record(0) + record(1)
    found = list(scan(reader(data), len(data) + 100))
    assert sum(each.size for each in found) == len(data) + 100
    assert isinstance(found[0], Frame)


def test_a_stream_needs_more() -> None:
    """What is not whole yet is neither an event nor damage."""
    data = record(0)
    for length in range(len(data) - 1):
        assert frame.parse(data[:length]) is None
    parsed = frame.parse(data)
    assert parsed is not None
    assert parsed.size == len(data)
    with pytest.raises(MalformedEvent):
        frame.parse(b"x" * 100)

"""Whole writes: one write is one event, in however many pieces the kernel passes it on."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Batch, Event, EventTooLarge, InvalidEvent, Query
from store.format.record import decode_text
from tests.test_addition import addition_of
from theiafs.origin import Origin
from theiafs.whole_writes import WholeWrites

ORIGIN = Origin("cat", 1_000_000)
SIZE_MAX = 1 << 20
PIECE, PAGE = 128 << 10, 4096


class Saved(list[Event]):
    """Saved events; as a function it saves a batch."""

    def __call__(self, batch: Batch) -> None:
        self.extend(batch.events())


def pieces(data: bytes, offset: int) -> Iterator[bytes]:
    """Yield the pieces of a write as the kernel cuts it, from memory that begins *offset* bytes after the start of a page."""
    position = 0
    while position < len(data):
        size = PIECE - (offset + position) % PAGE
        yield data[position : position + size]
        position += size


@given(
    st.lists(
        st.tuples(
            st.integers(1, 400_000),
            st.integers(0, PAGE - 1),
            st.sampled_from([b"", b"\n", b"\r\n"]),
        )
    ),
)
def test_one_write_is_one_event(writes: list[tuple[int, int, bytes]]) -> None:
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    wanted = []
    for number, (size, offset, end) in enumerate(writes):
        content = (b"%d line\n\tat \xff\n" % number * (size // 8 + 1))[:size] + b"."
        if (len(content + end) - (PIECE - offset)) % PIECE > PIECE - PAGE or PIECE - PAGE < len(
            content + end
        ) <= PIECE:
            content += b"x" * PAGE  # one that looks as if it went on: the kernel does not tell
        wanted.append(decode_text(content))
        for piece in pieces(content + end, offset):
            assert buffer.append(piece, ORIGIN, saved) == len(piece)
    buffer.finish(ORIGIN, saved)
    assert [event.content for event in saved] == wanted
    assert buffer.is_empty


def test_a_blank_write_is_none() -> None:
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    for data in (b"\n", b"  \n", b"x\n"):
        buffer.append(data, ORIGIN, saved)
    assert [event.content for event in saved] == ["x"]


def test_of_what_is_too_large_nothing_is_stored() -> None:
    """Its writer learns that some was accepted, and writes the rest again: that fails too, as often as it tries."""
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), 2 * PIECE)
    first, second, third = b"a" * PIECE, b"b" * PIECE, b"c" * 100
    for piece in (first, second):
        buffer.append(piece, ORIGIN, saved)
    for _ in range(2):
        with pytest.raises(EventTooLarge):
            buffer.append(third, ORIGIN, saved)
    buffer.append(b"next\n", ORIGIN, saved)
    buffer.finish(ORIGIN, saved)
    assert [event.content for event in saved] == ["next"]


def test_what_is_not_of_the_range_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="does not belong"):
        WholeWrites(addition_of(Query(start=1, end=2)), SIZE_MAX).append(b"x\n", ORIGIN, Saved())

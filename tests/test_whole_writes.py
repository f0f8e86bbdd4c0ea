"""Whole writes: one write is one event, in however many pieces the kernel passes it on."""

from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Batch, Event, EventTooLarge, InvalidEvent, Query, StoreFull
from store.format.record import decode_text
from tests.test_addition import addition_of
from theiafs.ingest import IngestBuffer
from theiafs.origin import Origin
from theiafs.whole_writes import WholeWrites

ORIGIN = Origin("cat", 1_000_000)
SIZE_MAX = 1 << 20
PIECE, PAGE = 128 << 10, 4096


class Saved(list[Event]):
    """Saved events; as a function it saves a batch, if the store is not full."""

    is_full = False

    def __call__(self, batch: Batch) -> None:
        if self.is_full:
            raise StoreFull("full")
        self.extend(batch.events())

    @property
    def contents(self) -> list[str | None]:
        return [event.content for event in self]


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
        if len([*pieces(content + end, offset)][-1]) > PIECE - PAGE:
            content += b"x" * PAGE  # one that looks as if it went on: the kernel does not tell
        wanted.append(decode_text(content))
        for piece in pieces(content + end, offset):
            assert buffer.append(piece, ORIGIN, saved) == len(piece)
    buffer.finish(ORIGIN, saved)
    assert [event.content for event in saved] == wanted
    assert buffer.is_empty


def test_a_blank_write_is_none() -> None:
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    for data in (b"\n", b"  \n", b" \t\r\n", b"\n\r\n\t\n", b"x\n"):
        buffer.append(data, ORIGIN, saved)
    assert saved.contents == ["x"]


@pytest.mark.parametrize("content", [b"\v", b"\f", b" \v\t", b"\x1f"])
def test_what_is_no_blank_line_is_no_blank_write(content: bytes) -> None:
    saved = Saved()
    for buffer in (
        WholeWrites(addition_of(Query()), SIZE_MAX),
        IngestBuffer(addition_of(Query()), SIZE_MAX),
    ):
        buffer.append(content + b"\n", ORIGIN, saved)
    assert saved.contents == [content.decode()] * 2


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


@given(st.lists(st.tuples(st.integers(1, 400_000), st.sampled_from([b"", b"\n"]))))
def test_where_all_pieces_have_one_size_only_that_looks_as_if_it_went_on(
    writes: list[tuple[int, bytes]],
) -> None:
    size = PIECE - PAGE + 1
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX, range(size, size + 1))
    wanted = []
    for number, (content_size, end) in enumerate(writes):
        content = (b"%d line\n\tat \xff\n" % number * (content_size // 8 + 1))[:content_size]
        record = content + b"." + end
        record = b"!" + record if len(record) % size == 0 else record
        wanted.append(decode_text(record.removesuffix(end)))
        for start in range(0, len(record), size):
            buffer.append(record[start : start + size], ORIGIN, saved)
        assert buffer.is_empty
    assert saved.contents == wanted


@pytest.mark.parametrize("failures", [1, 3])
def test_the_rest_that_could_not_be_saved_can_be_written_again(failures: int) -> None:
    """Its writer learns that all but the last piece was accepted."""
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    record = b"a\n" * (PIECE // 2) + b"b\n" * 50
    saved.is_full = True
    buffer.append(record[:PIECE], ORIGIN, saved)
    for _ in range(failures):
        with pytest.raises(StoreFull):
            buffer.append(record[PIECE:], ORIGIN, saved)
    saved.is_full = False
    for data in (record[PIECE:], b"next\n"):
        buffer.append(data, ORIGIN, saved)
    assert saved.contents == [record[:-1].decode(), "next"]


def test_a_whole_write_that_could_not_be_saved_leaves_nothing() -> None:
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    saved.is_full = True
    with pytest.raises(StoreFull):
        buffer.append(b"lost\n", ORIGIN, saved)
    assert buffer.is_empty
    saved.is_full = False
    buffer.append(b"next\n", ORIGIN, saved)
    assert saved.contents == ["next"]


def test_a_writer_that_gives_the_rest_up_has_written_what_was_accepted() -> None:
    """As write(2) said. The next write is an event of its own; until the first can be saved, it fails."""
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    saved.is_full = True
    buffer.append(b"a" * PIECE, ORIGIN, saved)
    for data in (b"b\n", b"next\n"):
        with pytest.raises(StoreFull):
            buffer.append(data, ORIGIN, saved)
    saved.is_full = False
    buffer.append(b"next\n", ORIGIN, saved)
    assert saved.contents == ["a" * PIECE, "next"]


@pytest.mark.parametrize("last", [b"b" * 101, b"b" * 102])
def test_of_what_its_last_byte_makes_too_large_nothing_is_stored(last: bytes) -> None:
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), PIECE + 100)
    buffer.append(b"a" * PIECE, ORIGIN, saved)
    for _ in range(2):
        with pytest.raises(EventTooLarge):
            buffer.append(last, ORIGIN, saved)
    buffer.append(b"next\n", ORIGIN, saved)
    assert saved.contents == ["next"]


def test_the_rest_of_what_is_not_of_the_range_fails_each_time() -> None:
    buffer = WholeWrites(addition_of(Query(start=1, end=ORIGIN.now)), SIZE_MAX)
    saved = Saved()
    buffer.append(b"a" * PIECE, ORIGIN, saved)
    for _ in range(2):
        with pytest.raises(InvalidEvent, match="does not belong"):
            buffer.append(b"b\n", Origin(ORIGIN.source, ORIGIN.now + 1), saved)
    assert not saved
    assert buffer.is_empty


@pytest.mark.parametrize("size", [PIECE - PAGE + 1, PIECE - 1, PIECE])
def test_a_write_ends_when_it_is_made_durable(size: int) -> None:
    """A write as large as a piece is an event once its writer has asked for that, and the next write is another."""
    saved, buffer = Saved(), WholeWrites(addition_of(Query()), SIZE_MAX)
    buffer.append(b"x" * size, ORIGIN, saved)
    buffer.end_write(ORIGIN, saved)
    assert saved.contents == ["x" * size]
    buffer.append(b"second", ORIGIN, saved)
    buffer.end_write(ORIGIN, saved)
    assert saved.contents == ["x" * size, "second"]


def test_a_line_does_not_end_when_it_is_made_durable() -> None:
    saved, buffer = Saved(), IngestBuffer(addition_of(Query()), SIZE_MAX)
    buffer.append(b"par", ORIGIN, saved)
    buffer.end_write(ORIGIN, saved)
    buffer.append(b"tial\n", ORIGIN, saved)
    assert saved.contents == ["partial"]

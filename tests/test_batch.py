"""Many events at once are stored as the same events one after the other."""

import itertools
import re
import uuid

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store import Batch, Event, EventSerializer, InvalidEvent, Query
from store.format.block import read_block
from store.format.event import IDS_PER_STEM
from store.format.record import (
    OPENING,
    Record,
    decode_text,
    encode,
    encode_key,
    split_stream_key,
    stream_key,
)
from store.format.scan import scan
from store.ticks import TICKS_MAX, TICKS_PER_S
from tests.test_addition import addition_of
from theiafs import ingest as ingest_module
from theiafs import lines as lines_module
from theiafs.ingest import IngestBuffer
from theiafs.origin import Origin

ORIGIN = Origin("test", 1763800000_5000000)
ALWAYS, NEVER = 0, 1 << 60


def encoded(
    event_id: bytes, time: bytes, source: bytes, tags: bytes, content: bytes, closing: bytes = b"\n"
) -> bytes:
    header = b"id:%b\ntimestamp: %b\nsource:%b\ntags:%b\n" % (event_id, time, source, tags)
    sizes = (len(header) + len(content), len(header), len(content))
    return b"event: %d %d %d\n%b%b\n%b" % (*sizes, header, content, closing)


def check_columns(batch: Batch) -> None:
    """Check that the columns say what is in the records."""
    data = batch.data
    found = list(scan(lambda offset, size: data[offset : offset + size], len(data)))
    rows = zip(found, batch.sizes, batch.ticks, batch.streams, strict=True)
    for item, size, ticks, stream in rows:
        assert isinstance(item, Record)
        assert item.size == size
        assert item.header.ticks == ticks
        assert stream_key(item.header.source, item.header.tags) == batch.keys[stream]


words = st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"").replace(b",", b""))
times = st.one_of(
    st.sampled_from([
        b"0.0000000", b"10.5000000", b"01.0000000", b"1.5", b"1763800000.1234567", b"1763800000.12345678",
        b"9999999999.9999999", b"922337203685.4775807", b"922337203685.4775808", b"999999999999.9999999", b"1000000000000.0000000", b"-1.0000000", b"x.0000000", b"1e300.0000000", b"1763800000,1234567",
    ]),
    st.builds(lambda whole, part: b"%d.%07d" % (whole, part), st.integers(0, 922337203685), st.integers(0, 10**7 - 1)),
)  # fmt: skip
tag_lists = st.sampled_from([b"", b"a", b"b,a", b"web,a,b", b"a,,b", b",a", b"a,", b",", b"\xff,a"])
contents = st.one_of(
    words,
    st.sampled_from([b"", b"two\nlines", b"\n", b"event: 1 1 0\n", b"x" * 200, encoded(b"in", b"1.0000000", b"", b"", b"x")]),
)  # fmt: skip
records = st.builds(
    encoded,
    words,
    times,
    words,
    tag_lists,
    contents,
    st.sampled_from([b"\n"] * 6 + [b"", b"\n\n"]),
)
plain = st.builds(
    lambda number, tags: encoded(b"id%d" % number, b"%d.0000000" % number, b"s", tags, b"x"),
    st.integers(0, 1 << 31),
    tag_lists,
)
damaged = st.builds(
    lambda data, place, byte: data[: place % len(data)] + byte + data[place % len(data) + 1 :],
    records,
    st.integers(0, 10**6),
    st.sampled_from([b"", b"0", b"9", b" ", b"\n", b"\r\n", b":", b"x"]),
)
lines = st.sampled_from([
    b"a line\n", b"\n", b"\r\n", b" \t\n", b"\x0b\n", b"a\r\n", b"a\r\r\n", b"\r\r\n", b"\rb\n", b"c\x0cd\x1ce\n", b"event: 1 2\n",
    b"say event: 1 1 0\n", b"event: 12 9 3\n", b"x" * 301 + b"\n", b"\xff\0\n", b"no end",
])  # fmt: skip
anything = st.lists(
    st.one_of(st.lists(plain, max_size=5).map(b"".join), records, damaged, lines), max_size=8
)
queries = st.sampled_from([
    Query(), Query().tagged("a"), Query().tagged("a", "b").tagged("z"), Query().within(0, TICKS_PER_S << 30),
    Query().within(100 * TICKS_PER_S, TICKS_PER_S << 39), Query().tagged("a\nb"),
])  # fmt: skip


def outcome(writes: list[bytes], query: Query) -> list[object]:
    """Return everything that is told to the writer and stored, except for the ids of lines."""
    told: list[object] = []
    buffer = IngestBuffer(addition_of(query), 300)

    def save(batch: Batch) -> None:
        check_columns(batch)
        told.append(re.sub(rb"id:[0-9a-f-]{36}\n", b"id:new\n", batch.data))

    for data in writes:
        try:
            told.append(buffer.append(data, ORIGIN, save))
        except InvalidEvent as error:
            told.append(re.sub("'[0-9a-f-]{36}'", "'new'", repr(error)))
    try:
        buffer.finish(ORIGIN, save)
    except InvalidEvent as error:
        told.append(re.sub("'[0-9a-f-]{36}'", "'new'", repr(error)))
    return told


def parse_many_from(patch: pytest.MonkeyPatch, size: int) -> None:
    """Set the number of bytes from which on records, and lines, are parsed together."""
    patch.setattr(ingest_module, "_BLOCK_SIZE_MIN", size)
    patch.setattr(lines_module, "_MANY_LINES_SIZE", size)


@given(anything, st.lists(st.integers(0, 10**6), max_size=4), queries)
def test_records_together_are_as_records_one_by_one(
    given_pieces: list[bytes], places: list[int], query: Query
) -> None:
    """The same is stored, refused and told to the writer, byte for byte."""
    data = b"".join(given_pieces)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    writes = [data[start:end] for start, end in itertools.pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        parse_many_from(patch, ALWAYS)
        together = outcome(writes, query)
        parse_many_from(patch, NEVER)
        assert outcome(writes, query) == together


@given(
    st.lists(
        lines.filter(lambda line: not re.match(rb"event: \d+ \d+ \d+|x{301}", line)), max_size=8
    )
)
def test_lines_together_are_as_lines_one_by_one(given_lines: list[bytes]) -> None:
    """For any number of them in one write."""
    with pytest.MonkeyPatch.context() as patch:
        parse_many_from(patch, ALWAYS)
        together = outcome([b"".join(given_lines)], Query())
        parse_many_from(patch, NEVER)
        one_by_one = outcome(given_lines, Query())

    def stored(told: list[object]) -> bytes:
        return b"".join(each for each in told if isinstance(each, bytes))

    assert stored(one_by_one) == stored(together)


@given(st.lists(records | plain | damaged, max_size=8), st.binary(max_size=20))
def test_a_block_has_the_records_of_a_scan(given_records: list[bytes], before: bytes) -> None:
    """For any bytes, the block has the first records that a scan finds, column for column."""
    block = before + b"".join(given_records)
    found = read_block(block, len(before))
    scanned = scan(
        lambda offset, size: block[len(before) + offset :][:size], len(block) - len(before)
    )
    position = len(before)
    rows = list(zip(*(column for column in found if column is not found.closed), strict=True))
    for row, item in zip(rows, itertools.islice(scanned, len(rows)), strict=True):
        start, end, size, ticks, key, id_start, id_end, content_start = row
        assert isinstance(item, Record)
        assert start == position
        assert end == start + item.size
        opening = OPENING.match(block, start)
        assert opening is not None
        assert size == int(opening[1])
        assert ticks == item.header.ticks
        assert split_stream_key(key) == (item.header.source, item.header.tags)
        assert block[id_start:id_end] == item.header.id
        assert content_start == start + item.content_start
        position = end


canonical = st.builds(
    lambda number, tags, content, closing: encoded(
        b"id%d" % number, b"%d.0000000" % number, b"s", tags, content, closing
    ),
    st.integers(0, 1 << 31),
    st.sampled_from([b"", b"a", b"web,a,b"]),
    words | st.sampled_from([b"", b"two\nlines", b"\n", b"x" * 200]),
    st.sampled_from([b"\n", b""]),
)


@given(st.lists(canonical, max_size=8), damaged, st.binary(max_size=20))
def test_a_block_has_all_that_are_canonical(
    given_records: list[bytes], rest: bytes, before: bytes
) -> None:
    """With or without something else after them: a block that has too few would be as slow as records one by one."""
    block = before + b"".join(given_records)
    assert len(read_block(block, len(before)).starts) == len(given_records)
    assert len(read_block(block + rest, len(before)).starts) >= len(given_records)


@given(st.integers(0, 922337203684) | st.integers(0, 1 << 17), st.integers(0, 10**7 - 1))
@example(1763999999, 9999999)
@example(922337203684, 9999999)
def test_times_are_exact(whole: int, part: int) -> None:
    """To the tick, up to the last second but one that an event can have."""
    found = read_block(encoded(b"a", b"%d.%07d" % (whole, part), b"s", b"", b"x"))
    assert found.ticks.tolist() == [whole * TICKS_PER_S + part]


def test_canonical_records_are_read_all_at_once() -> None:
    """Whatever is in their contents unless it opens a record, closed or not."""
    texts = [b"", b"x", b"two\nlines\n", b"event: 1\n", b"say event: 1 1 0\n", b"\n\n\n"] * 50
    for closings in (b"\n", b""), (b"\n",), (b"",):
        block = b"".join(
            encoded(b"%d" % number, b"%d.5000000" % number, b"s", b"a,b", text, closing)
            for number, (text, closing) in enumerate(zip(texts, itertools.cycle(closings)))
        )
        found = read_block(block)
        assert len(found.starts) == len(texts)
        assert found.ends[-1] == len(block)
        assert found.keys == [stream_key(b"s", b"a,b")] * len(texts)
        batch = Batch()
        batch.add_block(block, found)
        check_columns(batch)
        assert [event.content for event in batch.events()] == [text.decode() for text in texts]


def test_ids_of_lines_count_up() -> None:
    """They are UUIDs of version 7, each greater than the one before, for any number of lines."""
    batch = Batch()
    count = 2 * IDS_PER_STEM + 10
    batch.add_lines(
        [b"x" * (number % 30) for number in range(count)], 1763800000_5000000, "s", ["t"]
    )
    check_columns(batch)
    ids = [uuid.UUID(str(event.id)) for event in batch.events()]
    assert len(set(ids)) == count
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {uuid.RFC_4122}
    assert {each.int >> 80 for each in ids} == {1763800000500}


@given(
    st.lists(
        st.tuples(st.binary(max_size=20), st.integers(0, TICKS_MAX), st.integers(0, 1)), min_size=1
    )
)
def test_lines_with_ids_of_their_own_are_as_events_one_by_one(
    given_lines: list[tuple[bytes, int, int]],
) -> None:
    """Whatever their times are, and however many are alike."""
    batch, expected = Batch(), Batch()
    kinds = [("a", []), ("b", ["t", "u"])]
    ids = [f"{number:04d}" for number in range(len(given_lines))]
    lines, ticks, streams = map(list, zip(*given_lines, strict=True))
    keys = [encode_key(*kind) for kind in kinds]
    batch.add_identified(lines, np.array(ticks), np.array(streams), keys, np.array(ids, "S4"))
    for event_id, (line, time, stream) in zip(ids, given_lines, strict=True):
        source, tags = kinds[stream]
        expected.add(Event(event_id, source, None, tags, decode_text(line), ticks=time))
    check_columns(batch)
    assert batch.data == expected.data
    assert [batch.keys[stream] for stream in batch.streams] == expected.keys


TEN_DIGITS = st.integers(10**9 * TICKS_PER_S, 10**10 * TICKS_PER_S - 1)


@given(
    st.lists(st.tuples(TEN_DIGITS, st.integers(0, 2), st.binary(max_size=200)), min_size=1)
    | st.lists(st.tuples(st.integers(0, TICKS_MAX), st.integers(0, 2), st.binary()), min_size=1)
)
@example([(10**9 * TICKS_PER_S, 0, b""), (10**10 * TICKS_PER_S - 1, 1, b"x\n")])
@example([(10**9 * TICKS_PER_S - 1, 0, b""), (10**10 * TICKS_PER_S, 1, b"x")])
def test_lines_with_times_and_streams_of_their_own_are_as_if_they_came_alone(
    rows: list[tuple[int, int, bytes]],
) -> None:
    """Byte for byte, with ids that count up; with times that have ten digits and with others."""
    kinds = [("s", ["t"]), ("", []), ("source", ["a", "b"])]
    ticks, streams, contents = zip(*rows, strict=True)
    batch = Batch()
    batch.add_dated(list(contents), np.array(ticks), np.array(streams), kinds, ORIGIN.now)
    check_columns(batch)
    ids = [str(event.id) for event in batch.events()]
    assert ids == sorted(set(ids))
    alone = [
        encode(event_id, time, *kinds[stream], content)[0]
        for event_id, (time, stream, content) in zip(ids, rows, strict=True)
    ]
    assert batch.data == b"".join(alone)


def test_a_time_that_cannot_be_stored_is_refused() -> None:
    with pytest.raises(InvalidEvent, match="-1"):
        Batch().add_dated([b"x"] * 2, np.array([5, -1]), np.zeros(2, np.intp), [("s", [])], 0)


def test_a_batch_of_events_is_the_events() -> None:
    """As they are serialized one by one; and what cannot be stored is refused."""
    events = [Event(f"id{number}", "s", number, ["t"], "x\ny" * number) for number in range(5)]
    batch = Batch.of(events)
    check_columns(batch)
    assert batch.data == b"".join(EventSerializer().serialize(event) + b"\n" for event in events)
    assert list(batch.events()) == events
    with pytest.raises(InvalidEvent):
        Batch.of([*events, Event("a", "s\n", 1)])
    with pytest.raises(InvalidEvent):
        batch.add_lines([b"x"], 1, "s", ["a,b"])
    assert len(batch) == len(events)


def test_a_record_with_any_byte_changed_is_as_if_it_came_alone() -> None:
    """The records around it change neither what is stored nor what the writer is told."""
    good = encoded(b"1", b"10.0000000", b"s", b"a,b", b"x1")
    others = b"\n 0.9:,x"
    for place, byte in itertools.product(range(len(good)), others):
        damaged_record = good[:place] + bytes([byte]) + good[place + 1 :]
        data = good + damaged_record + good
        with pytest.MonkeyPatch.context() as patch:
            parse_many_from(patch, ALWAYS)
            together = outcome([data], Query())
            parse_many_from(patch, NEVER)
            assert outcome([data], Query()) == together, (place, byte)


@pytest.mark.parametrize(
    ("odd", "query", "is_refused"),
    [
        (
            encoded(b"odd", b"9.0000000", b"s", b"a", b"x"),
            Query().within(10 * TICKS_PER_S, 20 * TICKS_PER_S),
            True,
        ),
        (
            encoded(b"odd", b"21.0000000", b"s", b"a", b"x"),
            Query().within(10 * TICKS_PER_S, 20 * TICKS_PER_S),
            True,
        ),
        (encoded(b"odd", b"10.0000000", b"s", b"a", b"x" * 301), Query(), True),
        (encoded(b"odd", b"10.0000000", b"s", b"b", b"x"), Query().tagged("a"), False),
    ],
)
def test_an_odd_record_among_many(odd: bytes, query: Query, is_refused: bool) -> None:
    """A refused record ends the write before it; one that lacks the path's tag gets it; the others are as given."""
    good = encoded(b"good", b"10.0000000", b"s", b"a", b"x") * 50
    saved: list[Batch] = []
    buffer = IngestBuffer(addition_of(query), 300)
    taken = buffer.append(good + odd + good, ORIGIN, saved.append)
    assert taken == len(good if is_refused else good + odd + good)
    if is_refused:
        assert saved[0].data == good
        with pytest.raises(InvalidEvent):
            buffer.append(odd, ORIGIN, saved.append)
    else:
        changed = encoded(b"odd", b"10.0000000", b"s", b"b,a", b"x")
        assert saved[0].data == good + changed + good

"""Many events at once are the same as one after the other."""

import itertools
import re
import uuid

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from store import Batch, Event, EventSerializer, InvalidEvent, Query
from store.engine.partition import Division
from store.format import record as frame
from store.format.block import read_frames
from store.format.event import IDS_PER_STEM
from store.format.scan import scan
from theiafs import ingest as ingest_module
from theiafs import lines as lines_module
from theiafs.ingest import IngestBuffer, Origin

ORIGIN = Origin("test", 1763800000.5)
ALWAYS, NEVER = 0, 1 << 60


def laid_out(
    event_id: bytes, time: bytes, source: bytes, tags: bytes, content: bytes, closing: bytes = b"\n"
) -> bytes:
    header = b"id:%b\ntimestamp: %b\nsource:%b\ntags:%b\n" % (event_id, time, source, tags)
    sizes = (len(header) + len(content), len(header), len(content))
    return b"event: %d %d %d\n%b%b\n%b" % (*sizes, header, content, closing)


def check_columns(batch: Batch) -> None:
    """The columns say what is in the records."""
    data = batch.data
    found = list(scan(lambda offset, size: data[offset : offset + size], len(data)))
    rows = zip(found, batch.sizes, batch.times, batch.kinds, strict=True)
    for item, size, time, kind in rows:
        assert isinstance(item, frame.Frame)
        assert item.size == size
        assert item.header.timestamp == time
        assert frame.label(item.header.source, item.header.tags) == batch.labels[kind]


words = st.binary(max_size=12).map(lambda data: data.replace(b"\n", b"").replace(b",", b""))
times = st.one_of(
    st.sampled_from([
        b"0.0000000", b"10.5000000", b"01.0000000", b"1.5", b"1763800000.1234567", b"1763800000.12345678",
        b"9999999999.9999999", b"10000000000.0000000", b"-1.0000000", b"x.0000000", b"1e300.0000000", b"1763800000,1234567",
    ]),
    st.builds(lambda whole, part: b"%d.%07d" % (whole, part), st.integers(0, 1 << 33), st.integers(0, 10**7 - 1)),
)  # fmt: skip
tag_lists = st.sampled_from([b"", b"a", b"b,a", b"web,a,b", b"a,,b", b",a", b"a,", b",", b"\xff,a"])
contents = st.one_of(
    words,
    st.sampled_from([b"", b"two\nlines", b"\n", b"event: 1 1 0\n", b"x" * 200, laid_out(b"in", b"1.0000000", b"", b"", b"x")]),
)  # fmt: skip
frames = st.builds(
    laid_out,
    words,
    times,
    words,
    tag_lists,
    contents,
    st.sampled_from([b"\n"] * 6 + [b"", b"\n\n"]),
)
plain = st.builds(
    lambda number, tags: laid_out(b"id%d" % number, b"%d.0000000" % number, b"s", tags, b"x"),
    st.integers(0, 1 << 31),
    tag_lists,
)
damaged = st.builds(
    lambda data, place, byte: data[: place % len(data)] + byte + data[place % len(data) + 1 :],
    frames,
    st.integers(0, 10**6),
    st.sampled_from([b"", b"0", b"9", b" ", b"\n", b"\r\n", b":", b"x"]),
)
lines = st.sampled_from([
    b"a line\n", b"\n", b"\r\n", b" \t\n", b"\x0b\n", b"a\r\n", b"a\r\r\n", b"\r\r\n", b"\rb\n", b"c\x0cd\x1ce\n", b"event: 1 2\n",
    b"say event: 1 1 0\n", b"event: 12 9 3\n", b"x" * 301 + b"\n", b"\xff\0\n", b"no end",
])  # fmt: skip
anything = st.lists(
    st.one_of(st.lists(plain, max_size=5).map(b"".join), frames, damaged, lines), max_size=8
)
queries = st.sampled_from([
    Query(), Query().tagged("a"), Query().tagged("a", "b").tagged("z"), Query().within(0, 1 << 30),
    Query().within(100, 1 << 40), Query().tagged("a\nb"),
])  # fmt: skip


def outcome(writes: list[bytes], query: Query) -> list[object]:
    """All that is told to the writer, and all that is stored, ids of lines aside."""
    told: list[object] = []
    buffer = IngestBuffer(query, 300)

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


def look_at_many_from(patch: pytest.MonkeyPatch, size: int) -> None:
    """From how many bytes on frames, and lines, are looked at together."""
    patch.setattr(ingest_module, "_MANY_FRAMES_SIZE", size)
    patch.setattr(lines_module, "_MANY_LINES_SIZE", size)


@given(anything, st.lists(st.integers(0, 10**6), max_size=4), queries)
def test_frames_together_are_as_frames_one_by_one(
    given_pieces: list[bytes], places: list[int], query: Query
) -> None:
    """What is stored, what is refused and what the writer is told are the same, byte for byte."""
    data = b"".join(given_pieces)
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    writes = [data[start:end] for start, end in itertools.pairwise(edges)]
    with pytest.MonkeyPatch.context() as patch:
        look_at_many_from(patch, ALWAYS)
        together = outcome(writes, query)
        look_at_many_from(patch, NEVER)
        assert outcome(writes, query) == together


@given(
    st.lists(
        lines.filter(lambda line: not re.match(rb"event: \d+ \d+ \d+|x{301}", line)), max_size=8
    )
)
def test_lines_together_are_as_lines_one_by_one(given_lines: list[bytes]) -> None:
    """However many come in one write."""
    with pytest.MonkeyPatch.context() as patch:
        look_at_many_from(patch, ALWAYS)
        together = outcome([b"".join(given_lines)], Query())
        look_at_many_from(patch, NEVER)
        one_by_one = outcome(given_lines, Query())

    def stored(told: list[object]) -> bytes:
        return b"".join(each for each in told if isinstance(each, bytes))

    assert stored(one_by_one) == stored(together)


@given(st.lists(frames | plain | damaged, max_size=8), st.binary(max_size=20))
def test_frames_that_are_read_are_frames(given_frames: list[bytes], before: bytes) -> None:
    """Whatever the block, what is read of it are the first frames of it, with the times that Python reads."""
    block = before + b"".join(given_frames)
    found = read_frames(block, len(before))
    scanned = scan(
        lambda offset, size: block[len(before) + offset :][:size], len(block) - len(before)
    )
    position = len(before)
    rows = zip(found.starts, found.ends, found.sizes, found.times, found.labels, strict=True)
    for (start, end, size, time, label), item in zip(rows, scanned, strict=False):
        assert isinstance(item, frame.Frame)
        assert start == position
        assert end == start + item.size
        opening = frame.OPENING.match(block, start)
        assert opening is not None
        assert size == int(opening[1])
        assert time == item.header.timestamp
        assert frame.split_label(label) == (item.header.source, item.header.tags)
        position = end


@given(st.integers(0, 10**10 - 1) | st.integers(0, 1 << 17), st.integers(0, 10**7 - 1))
@example(8, 4799061)
@example(5230, 6449748)
def test_times_are_read_as_python_reads_them(whole: int, part: int) -> None:
    """To the last bit, for they are compared with those that a scan of the file finds."""
    text = b"%d.%07d" % (whole, part)
    found = read_frames(laid_out(b"a", text, b"s", b"", b"x"))
    assert found.times.tolist() == [float(text)]


def test_usual_frames_are_read_all_at_once() -> None:
    """Whatever is in their contents but what looks like another frame, closed or not."""
    texts = [b"", b"x", b"two\nlines\n", b"event: 1\n", b"say event: 1 1 0\n", b"\n\n\n"] * 50
    for closings in (b"\n", b""), (b"\n",), (b"",):
        block = b"".join(
            laid_out(b"%d" % number, b"%d.5000000" % number, b"s", b"a,b", text, closing)
            for number, (text, closing) in enumerate(zip(texts, itertools.cycle(closings)))
        )
        found = read_frames(block)
        assert len(found.starts) == len(texts)
        assert found.ends[-1] == len(block)
        assert found.labels == [frame.label(b"s", b"a,b")] * len(texts)
        batch = Batch()
        batch.add_frames(block, found)
        check_columns(batch)
        assert [event.content for event in batch.events()] == [text.decode() for text in texts]


def test_ids_of_lines_count_up() -> None:
    """They are UUIDs of version 7, each greater than the one before, however many there are."""
    batch = Batch()
    count = 2 * IDS_PER_STEM + 10
    batch.add_lines([b"x" * (number % 30) for number in range(count)], 1763800000.5, "s", ["t"])
    check_columns(batch)
    ids = [uuid.UUID(str(event.id)) for event in batch.events()]
    assert len(set(ids)) == count
    assert ids == sorted(ids)
    assert {each.version for each in ids} == {7}
    assert {each.variant for each in ids} == {uuid.RFC_4122}
    assert {each.int >> 80 for each in ids} == {1763800000500}


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
        batch.add_lines([b"x"], 1.0, "s", ["a,b"])
    assert len(batch) == len(events)


@given(st.lists(st.tuples(st.integers(0, 200), st.integers(0, 400_000)), min_size=1, max_size=30))
def test_a_batch_is_divided_without_loss(rows: list[tuple[int, int]]) -> None:
    """Every event goes to its minute, in order, in parts that are not too large unless an event is."""
    batch = Batch.of(
        Event(str(at), "s", time, [str(time % 3)], "x" * size)
        for at, (time, size) in enumerate(rows)
    )
    division = Division(batch)
    numbers = np.arange(100, 100 + len(batch.labels))
    data, sizes, found_times, kinds = b"", [], [], []
    while not division.is_done:
        start = int(division.time) // 60 * 60
        part = division.take(start, start + 60)
        columns = part.rows(numbers)
        assert len(part.data) == sum(columns.sizes)
        assert len(part.data) <= 1 << 20 or len(columns.sizes) == 1
        assert all(start <= time < start + 60 for time in columns.times)
        data += part.data
        sizes += columns.sizes.tolist()
        found_times += columns.times.tolist()
        kinds += columns.kinds.tolist()
    assert data == batch.data
    assert sizes == list(batch.sizes)
    assert found_times == list(batch.times)
    assert kinds == [100 + kind for kind in batch.kinds]


def test_a_frame_that_is_damaged_anywhere_is_no_usual_one() -> None:
    """Whichever byte of it is another one, it is treated as if it had come alone."""
    good = laid_out(b"1", b"10.0000000", b"s", b"a,b", b"x1")
    others = b"\n 0.9:,x"
    for place, byte in itertools.product(range(len(good)), others):
        damaged_frame = good[:place] + bytes([byte]) + good[place + 1 :]
        data = good + damaged_frame + good
        with pytest.MonkeyPatch.context() as patch:
            look_at_many_from(patch, ALWAYS)
            together = outcome([data], Query())
            look_at_many_from(patch, NEVER)
            assert outcome([data], Query()) == together, (place, byte)


@pytest.mark.parametrize(
    ("odd", "query", "is_refused"),
    [
        (laid_out(b"odd", b"9.0000000", b"s", b"a", b"x"), Query().within(10, 20), True),
        (laid_out(b"odd", b"21.0000000", b"s", b"a", b"x"), Query().within(10, 20), True),
        (laid_out(b"odd", b"10.0000000", b"s", b"a", b"x" * 301), Query(), True),
        (laid_out(b"odd", b"10.0000000", b"s", b"b", b"x"), Query().tagged("a"), False),
    ],
)
def test_an_odd_frame_among_many(odd: bytes, query: Query, is_refused: bool) -> None:
    """What is refused ends the write before it; what lacks the path's tag gets it; the others are as given."""
    good = laid_out(b"good", b"10.0000000", b"s", b"a", b"x") * 50
    saved: list[Batch] = []
    buffer = IngestBuffer(query, 300)
    taken = buffer.append(good + odd + good, ORIGIN, saved.append)
    assert taken == len(good if is_refused else good + odd + good)
    if is_refused:
        assert saved[0].data == good
        with pytest.raises(InvalidEvent):
            buffer.append(odd, ORIGIN, saved.append)
    else:
        changed = laid_out(b"odd", b"10.0000000", b"s", b"b,a", b"x")
        assert saved[0].data == good + changed + good

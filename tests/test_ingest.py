"""Appended bytes become events, however they are cut into writes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import (
    TICKS_PER_S,
    Batch,
    Event,
    EventSerializer,
    EventTooLarge,
    InvalidEvent,
    Query,
    StoreFull,
)
from tests.test_addition import addition_of
from theiafs.ingest import IngestBuffer
from theiafs.origin import Origin

ORIGIN = Origin("test", 1000 * TICKS_PER_S + 5_000_000)


EVERYTHING = addition_of(Query())


class Sink:
    """Collects what is saved."""

    def __init__(self) -> None:
        self.events: list[Event] = []

    def save(self, batch: Batch) -> None:
        self.events += batch.events()

    @property
    def contents(self) -> list[str | None]:
        return [event.content for event in self.events]


def ingest(
    *writes: bytes, query: Query | None = None, size_max: int = 1 << 20, finish: bool = True
) -> Sink:
    sink = Sink()
    buffer = IngestBuffer(addition_of(query or Query()), size_max)
    for data in writes:
        assert buffer.append(data, ORIGIN, sink.save) == len(data)
    if finish:
        buffer.finish(ORIGIN, sink.save)
    return sink


def record(
    event_id: str, content: str = "x", timestamp: float = 10.0, tags: list[str] | None = None
) -> bytes:
    return EventSerializer().serialize(Event(event_id, "/record", timestamp, tags or [], content))


def cut(data: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(data) + 1) for place in places), len(data)]
    return [data[start:end] for start, end in itertools.pairwise(edges)]


def test_a_line_becomes_an_event() -> None:
    """Content, time and source are the line, now and the writer; ids differ."""
    sink = ingest(b"one\ntwo\n")
    assert sink.contents == ["one", "two"]
    assert [(event.source, event.timestamp, event.tags) for event in sink.events] == [
        ("test", 1000.5, [])
    ] * 2
    assert sink.events[0].id != sink.events[1].id


@pytest.mark.parametrize(
    ("data", "contents"),
    [
        (b"a\r\n", ["a"]),
        (b"a\r\r\n", ["a\r"]),
        (b"\n\r\n \t\n  \t\r\na\n\n", ["a"]),
        (b" a \n", [" a "]),
        (b"\r\r\n", ["\r"]),
        (b"\0\xff\n", ["\0\udcff"]),
        (b"event: 1 2\nevent: x y z\nevent:\n", ["event: 1 2", "event: x y z", "event:"]),
        (b"unterminated", ["unterminated"]),
        (b" ", []),
        (b"", []),
    ],
)
def test_terminators_and_blank_lines(data: bytes, contents: list[str]) -> None:
    """The terminator is not content, blank lines are no events, everything else survives."""
    assert ingest(data).contents == contents


def test_an_unterminated_line_waits_for_its_end() -> None:
    """Only finishing makes an event of a line without its newline."""
    assert ingest(b"a\npart", finish=False).contents == ["a"]
    assert ingest(b"a\npart", b"ial\n").contents == ["a", "partial"]


pieces = st.lists(
    st.one_of(
        st.binary(max_size=30).map(lambda data: data.replace(b"event: ", b"") + b"\n"),
        st.builds(
            lambda number, content: record(f"id{number}", content),
            st.integers(0, 99),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        ),
        st.builds(
            lambda number: record(f"id{number}", "event: 1 1 0\n\n") + b"\n", st.integers(0, 99)
        ),
    ),
    max_size=8,
).map(b"".join)


@given(pieces, st.lists(st.integers(0, 10**6), max_size=12))
def test_the_cuts_between_writes_do_not_matter(data: bytes, places: list[int]) -> None:
    """Lines and records come out the same however the bytes arrive, down to one at a time."""

    def told(sink: Sink) -> list[tuple[object, ...]]:
        return [
            (event.source, event.content, event.id if event.source == "/record" else None)
            for event in sink.events
        ]

    whole = told(ingest(data))
    assert told(ingest(*cut(data, places))) == whole
    assert told(ingest(*(data[i : i + 1] for i in range(len(data))))) == whole


def test_a_record_is_stored_as_given() -> None:
    """Id, time, source, tags and content are the record's."""
    sink = ingest(record("f", "a\nevent: 1 1 1\n", 5.25, ["x", "y"]) + b"\nline\n")
    first, second = sink.events
    assert first == Event("f", "/record", 5.25, ["x", "y"], "a\nevent: 1 1 1\n")
    assert second.content == "line"


@pytest.mark.parametrize("count", [1, 100])
@pytest.mark.parametrize(
    ("time", "tags", "stored_time", "stored_tags"),
    [
        (b"1763800000.1234567", b"b,a", b"1763800000.1234567", b"b,a"),  # no float prints like this
        (b"1.5", b"a", b"1.5000000", b"a"),
        (b"01.5000000", b"a", b"1.5000000", b"a"),
        (b"1.50000000", b"a", b"1.5000000", b"a"),
        (b"1.5000000", b"a,,b,", b"1.5000000", b"a,b"),
    ],
)
def test_a_canonical_record_keeps_its_bytes(
    time: bytes, tags: bytes, stored_time: bytes, stored_tags: bytes, count: int
) -> None:
    """Any other is stored in canonical spelling."""

    def spelled(time: bytes, tags: bytes) -> bytes:
        header = b"id:f\ntimestamp: %b\nsource:s\ntags:%b\n" % (time, tags)
        return b"event: %d %d 1\n%bx\n\n" % (len(header) + 1, len(header), header)

    saved: list[bytes] = []
    buffer = IngestBuffer(EVERYTHING, 1 << 20)
    buffer.append(spelled(time, tags) * count, ORIGIN, lambda batch: saved.append(batch.data))
    assert saved == [spelled(stored_time, stored_tags) * count]


BAD_RECORDS = [
    b"event: 5 5 5\n",
    b"event: 3 3 0\nab\n\n",
    b"event: 40 39 1\nid:a\ntimestamp: 1.0000000\nsource:s\ntags:\nxx\n",
    record("a").replace(b"timestamp: 10.0000000", b"timestamp: ten.000000"),
    record("a").replace(b"source:", b"sauce::"),
]


@pytest.mark.parametrize("bad", BAD_RECORDS)
def test_a_bad_record_costs_nothing_else(bad: bytes) -> None:
    """Everything before it is saved and counted; the next write, which begins with it, fails."""
    good = b"line\n" + record("good") + b"\n"
    sink = Sink()
    buffer = IngestBuffer(EVERYTHING, 1 << 20)
    taken = buffer.append(good + bad + b"after\n", ORIGIN, sink.save)
    assert taken == len(good)
    assert sink.contents == ["line", "x"]
    with pytest.raises(InvalidEvent):
        buffer.append(bad + b"after\n", ORIGIN, sink.save)
    buffer.append(b"next\n", ORIGIN, sink.save)
    assert sink.contents == ["line", "x", "next"]


def test_a_bad_record_that_began_in_an_earlier_write_fails_the_write_that_shows_it() -> None:
    """Its beginning is dropped with it, and the file goes on being usable."""
    sink = Sink()
    buffer = IngestBuffer(EVERYTHING, 1 << 20)
    data = record("a", "content")
    assert buffer.append(data[:-3], ORIGIN, sink.save) == len(data) - 3
    with pytest.raises(InvalidEvent):
        buffer.append(b"longer than it said\n", ORIGIN, sink.save)
    buffer.append(b"next\n", ORIGIN, sink.save)
    assert sink.contents == ["next"]


def test_half_a_record_at_the_end_is_an_error() -> None:
    """It does not become a line."""
    with pytest.raises(InvalidEvent, match="not written to its end"):
        ingest(record("a")[:-4])
    with pytest.raises(InvalidEvent, match="not written to its end"):
        ingest(b"event: 30 20 10\n")


def test_a_record_that_only_lacks_its_last_newline_is_whole() -> None:
    """The closing of the file ends it, as it ends a line."""
    assert ingest(record("a").rstrip(b"\n")).contents == ["x"]


def test_a_whole_record_that_is_refused_at_the_end_says_why() -> None:
    """That it was cut short is not the reason when it was not."""
    with pytest.raises(InvalidEvent, match="does not belong in this range"):
        ingest(
            record("a", timestamp=500.0).rstrip(b"\n"),
            query=Query().within(TICKS_PER_S, 100 * TICKS_PER_S),
        )


def test_a_line_that_looks_like_an_opening_swallows_nothing() -> None:
    """The line after it shows that it is none: that write fails, and the next is accepted."""
    sink = Sink()
    buffer = IngestBuffer(EVERYTHING, 1 << 20)
    buffer.append(b"event: 500000 400000 100000\n", ORIGIN, sink.save)
    with pytest.raises(InvalidEvent):
        buffer.append(b"a line\n", ORIGIN, sink.save)
    buffer.append(b"another\n", ORIGIN, sink.save)
    assert sink.contents == ["another"]
    buffer.append(b"event: 500000 400000 100000\n", ORIGIN, sink.save)
    for line in (b"id:a\n", b"timestamp: 1\n", b"source:s\n", b"tags:\n"):
        buffer.append(line, ORIGIN, sink.save)
    with pytest.raises(InvalidEvent):
        buffer.append(b"id:b\n", ORIGIN, sink.save)


def test_a_failure_to_save_does_not_hold_back_what_comes_after() -> None:
    """The needed size of a record that was not accepted is forgotten with it."""
    sink = Sink()
    buffer = IngestBuffer(EVERYTHING, 1 << 20)

    def fail(_batch: Batch) -> None:
        raise StoreFull("full")

    with pytest.raises(StoreFull):
        buffer.append(b"first\nevent: 100000 50 99950\n", ORIGIN, fail)
    buffer.append(b"first\n", ORIGIN, sink.save)
    buffer.append(b"second\n", ORIGIN, sink.save)
    assert sink.contents == ["first", "second"]


@pytest.mark.parametrize("data", [b"x" * 101, b"x" * 101 + b"\n", record("f", "x" * 100)])
def test_an_event_above_the_limit_is_refused(data: bytes) -> None:
    """A line as soon as it is too long, a record as soon as it says so."""
    with pytest.raises(EventTooLarge):
        ingest(data, size_max=100)
    with pytest.raises(EventTooLarge):
        ingest(*cut(data, list(range(0, 300, 7))), size_max=100)


class Writer:
    """Writes through an ingest buffer as the kernel does: in pieces, the first that fails makes the write short."""

    def __init__(self, size_max: int, piece_size: int) -> None:
        self.sink = Sink()
        self._buffer = IngestBuffer(EVERYTHING, size_max)
        self.piece_size = piece_size

    def write(self, data: bytes) -> int:
        """Write once, as write(2) does."""
        accepted = 0
        while accepted < len(data):
            piece = data[accepted : accepted + self.piece_size]
            try:
                size = self._buffer.append(piece, ORIGIN, self.sink.save)
            except InvalidEvent:
                if accepted:
                    return accepted
                raise
            accepted += size
            if size < len(piece):
                break
        return accepted

    def write_all(self, data: bytes) -> None:
        """Write until everything is written, as every program does."""
        while data:
            data = data[self.write(data) :]


LONG_LINE = b"".join(b"%04d" % number for number in range(100)) + b"\n"


@pytest.mark.parametrize("piece_size", [40, 100, 150, 1000])
@pytest.mark.parametrize("line", [LONG_LINE, b"x" * 400 + b"\n", b"x" * 101 + b"\n"])
def test_a_line_that_is_too_long_fails_each_time(line: bytes, piece_size: int) -> None:
    """However large the pieces are that the kernel passes on, no part of it becomes an event."""
    writer = Writer(100, piece_size)
    for number in range(7):
        with pytest.raises(EventTooLarge):
            writer.write_all(line)
        writer.write_all(b"good %d\n" % number)
    assert writer.sink.contents == [f"good {number}" for number in range(7)]


@pytest.mark.parametrize("line", [LONG_LINE, b"x" * 400 + b"\n"])
def test_the_rest_of_a_line_that_is_too_long_fails_each_time(line: bytes) -> None:
    """A write is short by it; the rest is refused as often as it is written."""
    writer = Writer(100, 40)
    accepted = writer.write(line)
    assert accepted == 80
    for _ in range(7):
        with pytest.raises(EventTooLarge):
            writer.write(line[accepted:])
    writer.write_all(b"good\n")
    assert writer.sink.contents == ["good"]


@pytest.mark.parametrize("piece_size", [131_072, 131_040, 126_977, 200_000])
def test_the_same_rest_may_be_cut_elsewhere(piece_size: int) -> None:
    """The kernel cuts the same bytes at another address in memory up to a page earlier or later."""
    writer = Writer(1 << 20, 131_072)
    line = b"x" * 1_500_000 + b"\n"
    accepted = writer.write(line)
    writer.piece_size = piece_size
    for _ in range(3):
        with pytest.raises(EventTooLarge):
            writer.write(line[accepted:])
    writer.write_all(b"good\n")
    assert writer.sink.contents == ["good"]


@given(
    st.lists(st.sampled_from([b"x", b"yz", b"x" * 30, b"y" * 60]), min_size=1, max_size=12).map(
        lambda pieces: [*pieces[:-1], pieces[-1] + b"\n"]
    )
)
def test_a_good_line_after_one_that_is_too_long_is_stored(pieces: list[bytes]) -> None:
    """In however many pieces it comes."""
    line = b"".join(pieces)[-101:]
    for piece_size in (1, 3, 50, 200):
        writer = Writer(100, 50)
        with pytest.raises(EventTooLarge):
            writer.write_all(LONG_LINE)
        for start in range(0, len(line), piece_size):
            writer.write_all(line[start : start + piece_size])
        assert writer.sink.contents == [line[:-1].decode()]


def test_the_rest_of_a_bad_record_fails_each_time() -> None:
    """Once its header was accepted, its content does not become lines."""
    data = record("a", "content\n" * 20)
    bad = data[:-2] + b"longer than it said\n"
    writer = Writer(1 << 20, 100)
    accepted = writer.write(bad)
    assert accepted < len(bad)
    for _ in range(3):
        with pytest.raises(InvalidEvent):
            writer.write(bad[accepted:])
    writer.write_all(b"good\n")
    assert writer.sink.contents == ["good"]


def test_a_line_after_a_stray_opening_can_be_written_again() -> None:
    """It was refused for what came before it, which is dropped."""
    writer = Writer(1 << 20, 1000)
    writer.write_all(b"event: 500000 400000 100000\n")
    with pytest.raises(InvalidEvent):
        writer.write(b"ping\n")
    writer.write_all(b"ping\n")
    assert writer.sink.contents == ["ping"]


def test_an_event_as_large_as_the_limit_is_accepted() -> None:
    """The limit is inclusive."""
    assert ingest(b"x" * 100 + b"\n", size_max=100).contents == ["x" * 100]


@pytest.mark.parametrize("ending", [b"\r\n", b"\r"])
@given(st.lists(st.integers(0, 300), max_size=3))
def test_the_terminator_of_the_largest_line_may_come_in_pieces(
    ending: bytes, places: list[int]
) -> None:
    """The return of a newline is not content, whether or not the newline has come."""
    line = b"x" * 100
    assert ingest(*cut(b"a\n" + line + ending, places), size_max=100).contents == ["a", "x" * 100]
    assert ingest(line, b"\r", b"\nb\r\n", size_max=100).contents == ["x" * 100, "b"]


def test_a_return_within_a_line_is_content() -> None:
    buffer = IngestBuffer(EVERYTHING, 100)
    sink = Sink()
    assert buffer.append(b"x" * 100 + b"\r", ORIGIN, sink.save) == 101
    with pytest.raises(EventTooLarge):
        buffer.append(b"y\n", ORIGIN, sink.save)
    assert buffer.append(b"z\n", ORIGIN, sink.save) == 2
    assert sink.contents == ["z"]


def test_a_write_that_cannot_be_saved_was_not_accepted() -> None:
    """When there is room again, writing the same again makes each event once."""
    sink = Sink()
    buffer = IngestBuffer(EVERYTHING, 1 << 20)

    def fail(_batch: Batch) -> None:
        raise StoreFull("full")

    assert buffer.append(b"par", ORIGIN, sink.save) == 3
    with pytest.raises(StoreFull):
        buffer.append(b"tial\nmore\nre", ORIGIN, fail)
    assert buffer.append(b"tial\nmore\nre", ORIGIN, sink.save) == 12
    assert buffer.append(b"st\n", ORIGIN, sink.save) == 3
    assert sink.contents == ["partial", "more", "rest"]

"""What is appended becomes events, however it is cut into writes."""

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Batch, Event, EventSerializer, EventTooLarge, InvalidEvent, Query, StoreFull
from theiafs.ingest import IngestBuffer, Origin

ORIGIN = Origin("test", 1000.5)


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
    buffer = IngestBuffer(query or Query(), size_max)
    for data in writes:
        assert buffer.append(data, ORIGIN, sink.save) == len(data)
    if finish:
        buffer.finish(ORIGIN, sink.save)
    return sink


def frame(
    event_id: str, content: str = "x", timestamp: float = 10.0, tags: list[str] | None = None
) -> bytes:
    return EventSerializer().serialize(Event(event_id, "/frame", timestamp, tags or [], content))


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
    """Only finishing makes an event of a line that nothing ended."""
    assert ingest(b"a\npart", finish=False).contents == ["a"]
    assert ingest(b"a\npart", b"ial\n").contents == ["a", "partial"]


pieces = st.lists(
    st.one_of(
        st.binary(max_size=30).map(lambda data: data.replace(b"event: ", b"") + b"\n"),
        st.builds(
            lambda number, content: frame(f"id{number}", content),
            st.integers(0, 99),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=30),
        ),
        st.builds(
            lambda number: frame(f"id{number}", "event: 1 1 0\n\n") + b"\n", st.integers(0, 99)
        ),
    ),
    max_size=8,
).map(b"".join)


@given(pieces, st.lists(st.integers(0, 10**6), max_size=12))
def test_the_cuts_between_writes_do_not_matter(data: bytes, places: list[int]) -> None:
    """Lines and frames come out the same however the bytes arrive, down to one at a time."""

    def told(sink: Sink) -> list[tuple[object, ...]]:
        return [
            (event.source, event.content, event.id if event.source == "/frame" else None)
            for event in sink.events
        ]

    whole = told(ingest(data))
    assert told(ingest(*cut(data, places))) == whole
    assert told(ingest(*(data[i : i + 1] for i in range(len(data))))) == whole


def test_a_frame_is_stored_as_given() -> None:
    """Id, time, source, tags and content are the frame's."""
    sink = ingest(frame("f", "a\nevent: 1 1 1\n", 5.25, ["x", "y"]) + b"\nline\n")
    first, second = sink.events
    assert first == Event("f", "/frame", 5.25, ["x", "y"], "a\nevent: 1 1 1\n")
    assert second.content == "line"


@pytest.mark.parametrize("how_many", [1, 100])
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
def test_a_frame_keeps_its_bytes_if_they_are_spelled_as_usual(
    time: bytes, tags: bytes, stored_time: bytes, stored_tags: bytes, how_many: int
) -> None:
    """Otherwise it is stored as it is usually spelled."""

    def spelled(time: bytes, tags: bytes) -> bytes:
        header = b"id:f\ntimestamp: %b\nsource:s\ntags:%b\n" % (time, tags)
        return b"event: %d %d 1\n%bx\n\n" % (len(header) + 1, len(header), header)

    saved: list[bytes] = []
    buffer = IngestBuffer(Query(), 1 << 20)
    buffer.append(spelled(time, tags) * how_many, ORIGIN, lambda batch: saved.append(batch.data))
    assert saved == [spelled(stored_time, stored_tags) * how_many]


def test_events_get_the_tags_of_the_path() -> None:
    """The tags a path names are added to those a frame has, none of them twice."""
    query = Query().tagged("b", "a").tagged("c")
    sink = ingest(b"line\n" + frame("f", tags=["z", "a"]), query=query)
    assert [event.tags for event in sink.events] == [["a", "b", "c"], ["z", "a", "b", "c"]]


@pytest.mark.parametrize(
    ("query", "data"),
    [(Query().within(0, 100), b"line\n"), (Query().within(100, 2000), frame("f", timestamp=10))],
)
def test_a_time_outside_of_the_range_of_the_path_is_refused(query: Query, data: bytes) -> None:
    """What would not show up in the directory it was appended to is not taken."""
    with pytest.raises(InvalidEvent, match="range"):
        ingest(data, query=query)


BAD_FRAMES = [
    b"event: 5 5 5\n",
    b"event: 3 3 0\nab\n\n",
    b"event: 40 39 1\nid:a\ntimestamp: 1.0000000\nsource:s\ntags:\nxx\n",
    frame("a").replace(b"timestamp: 10.0000000", b"timestamp: ten.000000"),
    frame("a").replace(b"source:", b"sauce::"),
]


@pytest.mark.parametrize("bad", BAD_FRAMES)
def test_a_bad_frame_costs_nothing_else(bad: bytes) -> None:
    """What comes before it is saved and counted; the next write, which begins with it, fails."""
    good = b"line\n" + frame("good") + b"\n"
    sink = Sink()
    buffer = IngestBuffer(Query(), 1 << 20)
    taken = buffer.append(good + bad + b"after\n", ORIGIN, sink.save)
    assert taken == len(good)
    assert sink.contents == ["line", "x"]
    with pytest.raises(InvalidEvent):
        buffer.append(bad + b"after\n", ORIGIN, sink.save)
    buffer.append(b"next\n", ORIGIN, sink.save)
    assert sink.contents == ["line", "x", "next"]


def test_a_bad_frame_that_began_in_an_earlier_write_fails_the_write_that_shows_it() -> None:
    """Its beginning is dropped with it, and the file goes on being usable."""
    sink = Sink()
    buffer = IngestBuffer(Query(), 1 << 20)
    data = frame("a", "content")
    assert buffer.append(data[:-3], ORIGIN, sink.save) == len(data) - 3
    with pytest.raises(InvalidEvent):
        buffer.append(b"longer than it said\n", ORIGIN, sink.save)
    buffer.append(b"next\n", ORIGIN, sink.save)
    assert sink.contents == ["next"]


def test_half_a_frame_at_the_end_is_an_error() -> None:
    """It is not taken for a line."""
    with pytest.raises(InvalidEvent, match="not written to its end"):
        ingest(frame("a")[:-4])
    with pytest.raises(InvalidEvent, match="not written to its end"):
        ingest(b"event: 30 20 10\n")


def test_a_frame_that_only_lacks_its_last_newline_is_whole() -> None:
    """The closing of the file ends it, as it ends a line."""
    assert ingest(frame("a").rstrip(b"\n")).contents == ["x"]


def test_a_whole_frame_that_is_refused_at_the_end_says_why() -> None:
    """That it was cut short is not the reason when it was not."""
    with pytest.raises(InvalidEvent, match="does not belong in this range"):
        ingest(frame("a", timestamp=500.0).rstrip(b"\n"), query=Query().within(1, 100))


def test_a_line_that_looks_like_the_first_of_a_frame_swallows_nothing() -> None:
    """The line after it shows that it is none: that write fails, and the next is taken in."""
    sink = Sink()
    buffer = IngestBuffer(Query(), 1 << 20)
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
    """What was known of a frame that was not taken in is forgotten with it."""
    sink = Sink()
    buffer = IngestBuffer(Query(), 1 << 20)

    def fail(_batch: Batch) -> None:
        raise StoreFull("full")

    with pytest.raises(StoreFull):
        buffer.append(b"first\nevent: 100000 50 99950\n", ORIGIN, fail)
    buffer.append(b"first\n", ORIGIN, sink.save)
    buffer.append(b"second\n", ORIGIN, sink.save)
    assert sink.contents == ["first", "second"]


@pytest.mark.parametrize("data", [b"x" * 101, b"x" * 101 + b"\n", frame("f", "x" * 100)])
def test_what_is_larger_than_the_limit_is_refused(data: bytes) -> None:
    """A line as soon as it is too long, a frame as soon as it says so."""
    with pytest.raises(EventTooLarge):
        ingest(data, size_max=100)
    with pytest.raises(EventTooLarge):
        ingest(*cut(data, list(range(0, 300, 7))), size_max=100)


@pytest.mark.parametrize("tries", [1, 2, 5])
def test_the_rest_of_a_line_that_is_too_long_is_no_line(tries: int) -> None:
    """However the writer goes on: its write was short, then it failed, and whoever insists is let pass."""
    sink = Sink()
    buffer = IngestBuffer(Query(), 100)
    line = b"".join(b"%04d" % number for number in range(100)) + b"\n"
    pieces = [line[start : start + 40] for start in range(0, len(line), 40)]
    failures = 0

    def write(data: bytes) -> bool:
        try:
            assert buffer.append(data, ORIGIN, sink.save) == len(data)
        except EventTooLarge:
            return False
        return True

    rest = pieces
    for _ in range(tries):
        while rest and write(rest[0]):
            rest = rest[1:]
        failures += bool(rest)
    assert failures == min(tries, 2)
    assert write(b"another\n")
    assert sink.contents == ["another"]
    assert write(b"x" * 50 + b"\n")
    assert sink.contents == ["another", "x" * 50]


def test_what_is_as_large_as_the_limit_is_taken() -> None:
    """The limit is the largest that is allowed."""
    assert ingest(b"x" * 100 + b"\n", size_max=100).contents == ["x" * 100]


def test_a_write_that_cannot_be_saved_was_not_taken_in() -> None:
    """When there is room again, writing the same again makes each event once."""
    sink = Sink()
    buffer = IngestBuffer(Query(), 1 << 20)

    def fail(_batch: Batch) -> None:
        raise StoreFull("full")

    assert buffer.append(b"par", ORIGIN, sink.save) == 3
    with pytest.raises(StoreFull):
        buffer.append(b"tial\nmore\nre", ORIGIN, fail)
    assert buffer.append(b"tial\nmore\nre", ORIGIN, sink.save) == 12
    assert buffer.append(b"st\n", ORIGIN, sink.save) == 3
    assert sink.contents == ["partial", "more", "rest"]

"""Events, and the bytes they become."""

import io
import math
import time
import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import (
    EOFException,
    Event,
    EventParser,
    EventPreamble,
    EventSerializer,
    InvalidEvent,
    MalformedEvent,
    new_event_id,
)
from store.format import record as frame

ONE = Event("event-1", "/source/1", 10, ["event", "test"], "event 1")
ONE_BYTES = (
    b"event: 73 66 7\n"
    b"id:event-1\ntimestamp: 10.0000000\nsource:/source/1\ntags:event,test\n"
    b"event 1\n"
)

any_bytes = st.binary(max_size=200).map(lambda data: data.decode("utf-8", "surrogateescape"))
any_text = st.text(st.characters(exclude_categories=["Cs"]), max_size=50) | any_bytes
one_line = any_text.map(lambda text: text.replace("\n", " "))
tags = st.lists(one_line.map(lambda text: text.replace(",", ";")).filter(bool), max_size=4)
times = st.floats(0, 1e15).map(lambda seconds: float(f"{seconds:.7f}"))


class TestEvent:
    def test_defaults(self) -> None:
        """Now, no tags, no content."""
        before = time.time()
        event = Event("a", "s")
        assert before <= event.timestamp <= time.time()
        assert event.tags == []
        assert event.content == ""
        assert Event("a", "s", timestamp=0).timestamp == 0

    def test_tags_are_not_shared(self) -> None:
        """Each event has a list of its own."""
        first, second = Event("a", "s"), Event("b", "s")
        first.tags.append("x")
        assert second.tags == []

    @pytest.mark.parametrize(
        ("criteria", "holds"),
        [
            ({}, True),
            ({"id": "event"}, True), ({"id": "vent"}, False), ({"id": "event-[0-9]$"}, True),
            ({"source": "/source"}, True), ({"source": "source"}, False),
            ({"start": 10}, True), ({"start": 10.1}, False), ({"end": 10}, True), ({"end": 9}, False),
            ({"start": 0, "end": 0}, False),
            ({"content": "event"}, True), ({"content": "1"}, False), ({"content": ".*1"}, True),
            ({"tags": ["event"]}, True), ({"tags": ["test", "event"]}, True), ({"tags": ["even"]}, False),
            ({"tags": ["event", "x"]}, False),
            ({"id": "event", "tags": ["x"]}, False), ({"id": "x", "tags": ["test"]}, False),
        ],
    )  # fmt: skip
    def test_match(self, criteria: dict[str, object], holds: bool) -> None:
        """All that are given hold: expressions from the start, both ends included, tags by membership."""
        assert ONE.match(**criteria) is holds  # type: ignore[arg-type]

    def test_match_without_tags(self) -> None:
        """An event without tags has none of them."""
        assert not Event("a", "s", 1).match(tags=[""])
        assert Event("a", "s", 1).match(tags=[])

    def test_equality(self) -> None:
        """Events with the same fields are equal, and nothing else is."""
        assert Event("event-1", "/source/1", 10.0, ["event", "test"], "event 1") == ONE
        assert Event("event-1", "/source/1", 10, ["test", "event"], "event 1") != ONE
        assert ONE != "event-1"
        assert "event-1" in repr(ONE)


class TestNewEventId:
    def test_it_is_a_uuid_of_version_7(self) -> None:
        """By RFC 9562: version, variant, and the milliseconds in front."""
        for seconds in (0.0, 1763800000.123, 9e9):
            made = uuid.UUID(new_event_id(seconds))
            assert made.version == 7
            assert made.variant == uuid.RFC_4122
            assert made.int >> 80 == int(seconds * 1000)

    def test_no_two_are_the_same(self) -> None:
        """Of the same moment neither."""
        assert len({new_event_id(1.0) for _ in range(10_000)}) == 10_000


class TestEventSerializer:
    def test_the_frame(self) -> None:
        """Byte for byte what the format says."""
        assert EventSerializer().serialize(ONE) == ONE_BYTES

    def test_sizes_are_in_bytes(self) -> None:
        """Not in characters, and by the encoding."""
        assert (
            EventSerializer().serialize(Event("ä", "", 0, [], "€")).startswith(b"event: 44 41 3\n")
        )
        latin = EventSerializer("latin-1").serialize(Event("ä", "", 0, [], "ö"))
        assert latin.startswith(b"event: 41 40 1\nid:\xe4\n")
        assert latin.endswith(b"tags:\n\xf6\n")

    def test_negative_zero_has_no_sign(self) -> None:
        """Nobody could read it back as a time."""
        assert b"timestamp: 0.0000000\n" in EventSerializer().serialize(Event("a", "s", -0.0))

    @pytest.mark.parametrize("timestamp", [-1, -1e-9, math.nan, math.inf, 1e123])
    def test_times_that_are_none(self, timestamp: float) -> None:
        """Before 1970, infinite, or none at all."""
        with pytest.raises(InvalidEvent, match="timestamp"):
            EventSerializer().serialize(Event("a", "s", timestamp))

    def test_text_that_the_encoding_cannot_hold(self) -> None:
        """It is refused rather than changed."""
        with pytest.raises(InvalidEvent, match="ascii"):
            EventSerializer("ascii").serialize(Event("a", "s", 1, [], "ä"))


class TestEventParser:
    @given(st.builds(Event, one_line, one_line, times, tags, any_text))
    def test_it_reads_what_was_serialised(self, event: Event) -> None:
        """Any text, bytes that are no text, any time."""
        data = EventSerializer().serialize(event)
        stream = io.BytesIO(data)
        assert EventParser().parse_event(stream) == event
        parsed = frame.parse(data)
        assert parsed is not None
        assert parsed.header == EventSerializer().header(event)
        assert stream.read() == b""

    def test_the_parts(self) -> None:
        """Preamble, header, content, one after the other."""
        stream = io.BytesIO(ONE_BYTES)
        assert EventParser().parse_preamble(stream) == EventPreamble(73, 66, 7)
        event = EventParser().parse_header(66, stream)
        assert event.content is None
        assert (event.id, event.source, event.timestamp) == ("event-1", "/source/1", 10)
        assert event.tags == ["event", "test"]
        assert stream.read() == b"event 1\n"

    def test_skipping_the_content(self) -> None:
        """It is not read, and the stream stands behind it."""
        stream = io.BytesIO(ONE_BYTES + b"rest")
        assert EventParser().parse_event(stream, skip_content=True).content is None
        assert stream.read() == b"rest"

    def test_the_end(self) -> None:
        """Of the stream, rather than of an event."""
        with pytest.raises(EOFException):
            EventParser().parse_event(io.BytesIO())

    @pytest.mark.parametrize("skip_content", [True, False])
    def test_cut_short_anywhere(self, skip_content: bool) -> None:
        """A clear exception at every length."""
        for length in range(1, len(ONE_BYTES)):
            with pytest.raises(MalformedEvent):
                EventParser().parse_event(io.BytesIO(ONE_BYTES[:length]), skip_content)

    @pytest.mark.parametrize(
        ("old", "new"),
        [
            (b"event:", b"Event:"), (b"73 66 7", b"74 66 7"), (b"73 66 7", b"73 66"), (b"73 66 7", b"-3 66 7"),
            (b"66 7\n", b"66 7 \n"), (b"id:", b"xx:"), (b"10.0000000", b"10,0000000"), (b"10.0000000", b"nan       "),
            (b"10.0000000", b"-1.0000000"), (b"source:", b"id:7890"), (b"event 1\n", b"event 1x"),
        ],
    )  # fmt: skip
    def test_malformed(self, old: bytes, new: bytes) -> None:
        """A clear exception for each way to be wrong."""
        assert old in ONE_BYTES
        with pytest.raises(MalformedEvent):
            EventParser().parse_event(io.BytesIO(ONE_BYTES.replace(old, new, 1)))

    def test_other_spellings_of_a_header(self) -> None:
        """Fields in any order and any case, and no tags line, as theia accepts them."""
        header = b"Source:s\nTIMESTAMP:1e1\nid:a\n"
        stream = io.BytesIO(b"event: %d %d 1\n" % (len(header) + 1, len(header)) + header + b"x\n")
        assert EventParser().parse_event(stream) == Event("a", "s", 10, [], "x")

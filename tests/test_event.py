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
from store.format.event import encode_event
from store.format.record import parse, stream_key
from store.ticks import TICKS_MAX, TICKS_PER_S, bound_in_ticks, in_decimal, in_ticks

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
times = st.integers(0, TICKS_MAX)


class TestEvent:
    def test_defaults(self) -> None:
        """Now, no tags, no content."""
        before = time.time_ns() // 100
        event = Event("a", "s")
        assert before <= event.ticks <= time.time_ns() // 100
        assert event.tags == []
        assert event.content == ""
        assert Event("a", "s", timestamp=0).timestamp == 0

    def test_tags_are_not_shared(self) -> None:
        """Each event has its own list."""
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
            ({"start": 0, "end": 0}, False), ({"start": -1, "end": math.inf}, True), ({"end": -1}, False),
            ({"start": 10.00000004}, True), ({"start": 10.00000006}, False), ({"end": 9.99999996}, True),
            ({"content": "event"}, True), ({"content": "1"}, False), ({"content": ".*1"}, True),
            ({"tags": ["event"]}, True), ({"tags": ["test", "event"]}, True), ({"tags": ["even"]}, False),
            ({"tags": ["event", "x"]}, False),
            ({"id": "event", "tags": ["x"]}, False), ({"id": "x", "tags": ["test"]}, False),
        ],
    )  # fmt: skip
    def test_match(self, criteria: dict[str, object], holds: bool) -> None:
        """All given criteria hold: expressions from the start, both ends included, tags by membership."""
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


class TestTimes:
    def test_a_float_is_rounded_to_the_nearest_tick(self) -> None:
        """And the timestamp is the float nearest to that tick."""
        assert Event("a", "s", 10.00000004).ticks == 100_000_000
        assert Event("a", "s", 10.00000006).ticks == 100_000_001
        assert Event("a", "s", 10.00000004).timestamp == 10.0
        assert Event("a", "s", 1763999999.5).ticks == 17639999995000000

    def test_ticks_are_exact(self) -> None:
        """Seven decimals are what was given, also where floats have fewer."""
        event = Event("a", "s", ticks=17639999999999999)
        assert event.ticks == 17639999999999999
        assert b"timestamp: 1763999999.9999999\n" in EventSerializer().serialize(event)
        assert event != Event("a", "s", ticks=17639999999999998)
        assert event == Event("a", "s", ticks=17639999999999999)

    def test_a_timestamp_can_be_set(self) -> None:
        """The ticks follow."""
        event = Event("a", "s", -1)
        event.timestamp = 2.5
        assert (event.ticks, event.timestamp) == (25_000_000, 2.5)

    @pytest.mark.parametrize(
        "timestamp", [-1, -1e-9, math.nan, math.inf, -math.inf, 922337203686, 1e123]
    )
    def test_an_event_may_have_a_time_that_cannot_be_stored(self, timestamp: float) -> None:
        """Storing it fails, and so does asking for its ticks."""
        event = Event("a", "s", timestamp)
        assert event.timestamp is timestamp
        with pytest.raises(InvalidEvent, match="timestamp"):
            _ = event.ticks
        with pytest.raises(InvalidEvent, match="timestamp"):
            encode_event(event)

    @pytest.mark.parametrize("ticks", [-1, TICKS_MAX + 1])
    def test_ticks_that_cannot_be_stored(self, ticks: int) -> None:
        """They are refused like a timestamp."""
        with pytest.raises(InvalidEvent, match="timestamp"):
            encode_event(Event("a", "s", ticks=ticks))

    @given(times)
    def test_decimals(self, ticks: int) -> None:
        """Seven, exactly."""
        whole, decimals = in_decimal(ticks).split(".")
        assert len(decimals) == 7
        assert int(whole) * TICKS_PER_S + int(decimals) == ticks

    @given(st.floats(0, 9e11))
    def test_bounds_are_rounded_as_times(self, seconds: float) -> None:
        """A search from and to the timestamp of an event finds it."""
        assert bound_in_ticks(seconds) == in_ticks(seconds)

    def test_bounds_that_are_no_times(self) -> None:
        """A search that ends before the epoch finds nothing; one that ends late finds everything."""
        assert bound_in_ticks(-1e-9) == bound_in_ticks(-math.inf) == -1
        assert bound_in_ticks(math.inf) == bound_in_ticks(1e123) == TICKS_MAX
        assert bound_in_ticks(math.nan) == bound_in_ticks(-0.0) == 0


class TestNewEventId:
    def test_it_is_a_uuid_of_version_7(self) -> None:
        """By RFC 9562: version, variant, and the milliseconds at its start."""
        for milliseconds in (0, 1763800000123, 9 * 10**12):
            made = uuid.UUID(new_event_id(milliseconds * 10_000 + 9_999))
            assert made.version == 7
            assert made.variant == uuid.RFC_4122
            assert made.int >> 80 == milliseconds

    def test_no_two_are_the_same(self) -> None:
        """Not of the same time either."""
        assert len({new_event_id(10**7) for _ in range(10_000)}) == 10_000


class TestEventSerializer:
    def test_the_record(self) -> None:
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
        """With one it could not be read back as a time."""
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
    @given(one_line, one_line, times, tags, any_text)
    def test_it_parses_what_was_serialised(
        self, event_id: str, source: str, ticks: int, tags: list[str], content: str
    ) -> None:
        """Any text, bytes that are not text, any time."""
        event = Event(event_id, source, tags=tags, content=content, ticks=ticks)
        data = EventSerializer().serialize(event)
        stream = io.BytesIO(data)
        assert EventParser().parse_event(stream) == event
        assert stream.read() == b""
        record, key = encode_event(event)
        assert record == data + b"\n"
        parsed = parse(record)
        assert parsed is not None
        assert parsed.size == len(record)
        assert parsed.header.ticks == ticks
        assert stream_key(parsed.header.source, parsed.header.tags) == key

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
        """It is not read, and the stream is after it."""
        stream = io.BytesIO(ONE_BYTES + b"rest")
        assert EventParser().parse_event(stream, skip_content=True).content is None
        assert stream.read() == b"rest"

    def test_the_end(self) -> None:
        """The end of the stream is told from an event that is cut short."""
        with pytest.raises(EOFException):
            EventParser().parse_event(io.BytesIO())

    @pytest.mark.parametrize("skip_content", [True, False])
    def test_cut_short_anywhere(self, skip_content: bool) -> None:
        """A clear exception at every length; without its last newline it is whole, as it is for theia."""
        for length in range(1, len(ONE_BYTES) - 1):
            with pytest.raises(MalformedEvent):
                EventParser().parse_event(io.BytesIO(ONE_BYTES[:length]), skip_content)
        event = EventParser().parse_event(io.BytesIO(ONE_BYTES[:-1]), skip_content)
        assert event.content == (None if skip_content else "event 1")

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

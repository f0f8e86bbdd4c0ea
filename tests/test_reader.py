"""Reading a stream event by event."""

import io
import logging

import pytest

from store import Event, EventParser, EventSerializer, MalformedEvent, SequentialEventReader

EVENTS = [Event(f"id{number}", "s", number, ["t"], f"content {number}") for number in range(4)]
RECORDS = [EventSerializer().serialize(event) + b"\n" for event in EVENTS]


def read(data: bytes) -> SequentialEventReader:
    return SequentialEventReader(io.BytesIO(data), EventParser())


def test_events() -> None:
    """All of them, in the order of the stream."""
    assert list(read(b"".join(RECORDS)).events()) == EVENTS
    assert list(read(b"").events()) == []


def test_events_no_content() -> None:
    """The same without their contents."""
    found = list(read(b"".join(RECORDS)).events_no_content())
    assert [event.id for event in found] == ["id0", "id1", "id2", "id3"]
    assert [event.content for event in found] == [None] * 4


def test_curr_event() -> None:
    """One at a time, and None at the end, as often as it is asked."""
    reader = read(b"".join(RECORDS[:2]))
    assert [reader.curr_event() for _ in range(4)] == [*EVENTS[:2], None, None]


def test_curr_event_of_damage() -> None:
    """It says so; it does not look for another one."""
    with pytest.raises(MalformedEvent):
        read(b"damage\n" + RECORDS[0]).curr_event()


def test_damage_is_skipped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """In front, between and at the end."""
    data = b"x\n" + RECORDS[0] + RECORDS[1].replace(b"id:", b"ix:") + RECORDS[2] + RECORDS[3][:-3]
    with caplog.at_level(logging.WARNING):
        assert [event.id for event in read(data).events()] == ["id0", "id2"]
    assert "at byte 0:" in caplog.text


def test_the_stream_is_closed() -> None:
    """Also when something goes wrong."""
    stream = io.BytesIO(RECORDS[0])
    with pytest.raises(KeyError), SequentialEventReader(stream, EventParser()):
        raise KeyError
    assert stream.closed

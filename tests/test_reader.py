"""Reading a stream event by event."""

import io
import logging
from collections.abc import Callable
from typing import Any

import pytest
from theia.model import EventParser as TheiaParser

from store import Event, EventParser, EventSerializer, MalformedEvent, SequentialEventReader

EVENTS = [Event(f"id{number}", "s", number, ["t"], f"content {number}") for number in range(4)]
RECORDS = [EventSerializer().serialize(event) + b"\n" for event in EVENTS]


DAMAGED = b"x\n" + RECORDS[0] + RECORDS[1].replace(b"id:", b"ix:") + RECORDS[2] + RECORDS[3][:-3]


class Pipe:
    """A stream that can only be read."""

    def __init__(self, data: bytes) -> None:
        self._stream = io.BytesIO(data)

    def read(self, size: int) -> bytes:
        return self._stream.read(size)

    def readline(self) -> bytes:
        return self._stream.readline()

    def close(self) -> None:
        self._stream.close()


class TheiaStream(Pipe):
    """A stream with no more methods than theia uses."""

    def seek(self, offset: int, whence: int) -> None:
        assert whence == io.SEEK_CUR
        self._stream.seek(offset, whence)


STREAMS: list[Callable[[bytes], Any]] = [io.BytesIO, Pipe, TheiaStream]


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
    """One at a time, and None at the end, at every call."""
    reader = read(b"".join(RECORDS[:2]))
    assert [reader.curr_event() for _ in range(4)] == [*EVENTS[:2], None, None]


def test_curr_event_of_damage() -> None:
    """It fails, without a search for the next event."""
    with pytest.raises(MalformedEvent):
        read(b"damage\n" + RECORDS[0]).curr_event()


def test_damage_is_skipped_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    """Before, between and after events."""
    with caplog.at_level(logging.WARNING):
        assert [event.id for event in read(DAMAGED).events()] == ["id0", "id2"]
    places = [0, 2 + len(RECORDS[0]), 2 + len(b"".join(RECORDS[:3]))]
    assert [f"at byte {place}:" in caplog.text for place in places] == [True] * 3


def test_the_stream_is_closed() -> None:
    """Also after an exception."""
    stream = io.BytesIO(RECORDS[0])
    with pytest.raises(KeyError), SequentialEventReader(stream, EventParser()):
        raise KeyError
    assert stream.closed


@pytest.mark.parametrize("opened", STREAMS)
@pytest.mark.parametrize("separator", [b"\n", b""])
def test_any_stream_that_theia_takes(opened: Callable[[bytes], Any], separator: bytes) -> None:
    """With or without seek, with empty lines between the events or without."""
    data = separator.join(record[:-1] for record in RECORDS)
    for whole in (data, data[:-1]):
        reader = SequentialEventReader(opened(whole), EventParser())
        assert list(reader.events()) == EVENTS
        skipping = SequentialEventReader(opened(whole), EventParser())
        assert [event.id for event in skipping.events_no_content()] == ["id0", "id1", "id2", "id3"]
        one_by_one = SequentialEventReader(opened(whole), EventParser())
        assert [one_by_one.curr_event() for _ in range(5)] == [*EVENTS, None]


@pytest.mark.parametrize("opened", STREAMS)
@pytest.mark.parametrize("skip_content", [True, False])
def test_damage_in_any_stream(opened: Callable[[bytes], Any], skip_content: bool) -> None:
    """It costs the event it hit, also where a content is not where its size says."""
    wrong = RECORDS[1].replace(b"content 1", b"content 1 and more")
    reader = SequentialEventReader(opened(wrong + DAMAGED + wrong), EventParser())
    found = reader.events_no_content() if skip_content else reader.events()
    assert [event.id for event in found] == ["id0", "id2"]


def test_an_event_is_read_before_its_empty_line_is_written() -> None:
    """A stream that is still being written need not be ahead of its reader."""
    stream = io.BytesIO()
    reader = SequentialEventReader(stream, EventParser())
    for event, record in zip(EVENTS, RECORDS, strict=True):
        position = stream.tell()
        stream.seek(0, io.SEEK_END)
        stream.write(record[:-1])
        stream.seek(position)
        assert reader.curr_event() == event
        stream.seek(0, io.SEEK_END)
        stream.write(b"\n")
        stream.seek(-1, io.SEEK_CUR)


def test_the_attributes_of_theias_reader() -> None:
    """Another parser may be set, theia's too."""
    stream, parser = io.BytesIO(b"".join(RECORDS)), EventParser()
    reader = SequentialEventReader(stream, parser)
    assert (reader.stream, reader.parser) == (stream, parser)
    reader.parser = TheiaParser()
    assert [event.content for event in reader.events()] == [event.content for event in EVENTS]

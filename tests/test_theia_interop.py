"""Interoperation with theia 0.9.2: each reads the files of the other."""

import io
from pathlib import Path

import pytest
from theia.model import Event as TheiaEvent
from theia.model import EventParser as TheiaParser
from theia.model import EventSerializer as TheiaSerializer
from theia.naivestore import NaiveEventStore as TheiaStore

from store import (
    Event,
    EventParser,
    EventSerializer,
    MalformedEvent,
    NaiveEventStore,
    Query,
    SequentialEventReader,
)

EVENTS = [
    ("a", "/s/1", 10.5, ["web", "error"], "disk is full"),
    ("b", "source with spaces", 75.25, ["größe"], "two\nlines\n\n"),
    ("c", "", 30.0, ["x"], ""),
    ("d", "/s", 1763800000.1234567, ["web"], "event: 1 1 0\n"),
]


def test_the_serialised_form_is_the_same() -> None:
    """Byte for byte, for every event that theia can read back."""
    for fields in EVENTS:
        assert EventSerializer().serialize(Event(*fields)) == TheiaSerializer().serialize(
            TheiaEvent(*fields)
        )
    assert EventSerializer().serialize(
        Event("event-1", "/source/1", 10, ["event", "test"], "event 1")
    ) == (
        b"event: 73 66 7\nid:event-1\ntimestamp: 10.0000000\nsource:/source/1\ntags:event,test\nevent 1\n"
    )


def test_each_parses_what_the_other_serialised() -> None:
    """With the same fields."""
    for fields in EVENTS:
        ours = EventParser().parse_event(
            io.BytesIO(TheiaSerializer().serialize(TheiaEvent(*fields)))
        )
        theirs = TheiaParser().parse_event(io.BytesIO(EventSerializer().serialize(Event(*fields))))
        assert (ours.id, ours.source, ours.timestamp, ours.tags, ours.content) == fields
        assert ours == Event(*fields)
        assert (theirs.id, theirs.source, theirs.timestamp, theirs.tags, theirs.content) == fields


def test_theia_reads_what_we_wrote(tmp_path: Path) -> None:
    """Every event, with its fields, in order of arrival."""
    store = NaiveEventStore(str(tmp_path))
    for fields in EVENTS:
        store.save(Event(*fields))
    store.close()
    theirs = TheiaStore(str(tmp_path), 0)
    found = [(e.id, e.source, e.timestamp, e.tags, e.content) for e in theirs.search(0)]
    assert sorted(found) == sorted(EVENTS)
    assert [e.id for e in theirs.search(0, 100, flags=["web"])] == ["a"]
    assert [e.id for e in theirs.search(76)] == ["d"]
    theirs.close()


def test_we_read_what_theia_wrote(tmp_path: Path) -> None:
    """Overlapping files and inclusive ends included."""
    theirs = TheiaStore(str(tmp_path), 0)
    times = [100, 160, 160.5, 130, 99, 40.25, 159.9, 220, 100.0]
    for number, time in enumerate(times):
        theirs.save(TheiaEvent(f"id{number}", "s", time, ["t"], f"content {number}"))
    theirs.close()
    ours = NaiveEventStore(str(tmp_path), 1e9)
    assert [event.timestamp for event in ours.search(0)] == sorted(times)
    assert [event.timestamp for event in ours.search(0, order="desc")] == sorted(
        times, reverse=True
    )
    assert [event.timestamp for event in ours.search(160, 160.5)] == [160, 160.5]
    assert ours.whole(Query().tagged("t")).events == len(times)
    assert ours.answer(Query()).read(0, 1 << 20).count(b"\nid:id") == len(times)
    # New events go where there is room, and both still read all events.
    for number, time in enumerate([160, 130.5, 99.5, 300, 41]):
        ours.save(Event(f"new{number}", "s", time))
    ours.close()
    assert len(list(TheiaStore(str(tmp_path), 0).search(0))) == len(times) + 5


def test_overlapping_files_are_read_in_order(tmp_path: Path) -> None:
    """For any overlap."""
    serializer = TheiaSerializer()
    for name, times in {
        "0-100": [0, 50, 100],
        "40-60": [40, 60],
        "50-200": [55, 120, 200],
        "100-100": [100],
    }.items():
        records = [
            serializer.serialize(TheiaEvent(f"{name}@{t}", "s", t or 1e-7, [], "x")) + b"\n"
            for t in times
        ]
        (tmp_path / name).write_bytes(b"".join(records))
    ours = NaiveEventStore(str(tmp_path), 1e9)
    found = [event.timestamp for event in ours.search(0)]
    assert found == sorted(found)
    assert len(found) == 9
    assert [event.timestamp for event in ours.search(50, 60, order="desc")] == [60, 55, 50]
    ours.close()


def test_a_file_that_theia_was_cut_off_in(tmp_path: Path) -> None:
    """At every byte: the whole events are read, and so are events added after the half one."""
    serializer = TheiaSerializer()
    whole = b"".join(
        serializer.serialize(TheiaEvent(f"id{i}", "s", 10 + i, ["t"], "text")) + b"\n"
        for i in range(3)
    )
    size = len(whole) // 3
    for cut in range(2 * size + 1, len(whole) - 2):
        directory = tmp_path / str(cut)
        directory.mkdir()
        (directory / "10-70").write_bytes(whole[:cut])
        ours = NaiveEventStore(str(directory), 1e9)
        ours.save(Event("new", "s", 20, ["t"], "added"))
        assert [event.id for event in ours.search(0)] == ["id0", "id1", "new"]
        ours.close()
        again = NaiveEventStore(str(directory), 1e9)
        assert [event.id for event in again.search(0)] == ["id0", "id1", "new"]
        assert again.whole(Query().tagged("t")).events == 3
        again.close()
        assert (directory / "10-70").read_bytes().startswith(whole[:cut])


def test_a_file_that_lacks_only_its_last_newlines(tmp_path: Path) -> None:
    """The newline before a new event completes the event before it, which lacked it."""
    half = TheiaSerializer().serialize(TheiaEvent("half", "s", 10, ["t"], "text"))[:-1]
    (tmp_path / "10-70").write_bytes(half)
    ours = NaiveEventStore(str(tmp_path), 1e9)
    assert list(ours.search(0)) == []
    ours.save(Event("new", "s", 20, ["t"], "added"))
    ours.close()
    again = NaiveEventStore(str(tmp_path), 1e9)
    assert [event.id for event in again.search(0)] == ["half", "new"]
    again.close()


def test_no_tags_as_theia_writes_them(tmp_path: Path) -> None:
    """An empty list of tags, and the empty names that theia may leave in one, are not tags."""
    serializer = TheiaSerializer()
    records = [
        serializer.serialize(TheiaEvent(f"id{i}", "s", 10, tags, "x")) + b"\n"
        for i, tags in enumerate([[], [""], ["a", ""]])
    ]
    (tmp_path / "10-70").write_bytes(b"".join(records))
    ours = NaiveEventStore(str(tmp_path), 1e9)
    assert ours.tags() == {"a"}
    assert ours.get("id0").tags == ours.get("id1").tags == []
    assert [event.id for event in ours.search(0, flags=["a"])] == ["id2"]
    ours.close()


def test_events_without_empty_lines_between_them() -> None:
    """As they come through a pipe from theia's tools."""
    records = b"".join(TheiaSerializer().serialize(TheiaEvent(*fields)) for fields in EVENTS)
    with SequentialEventReader(io.BytesIO(records), EventParser()) as reader:
        assert [event.id for event in reader.events()] == ["a", "b", "c", "d"]


@pytest.mark.parametrize("is_skipped", [True, False])
def test_both_readers_skip_contents(is_skipped: bool) -> None:
    """The event then has none."""
    data = TheiaSerializer().serialize(TheiaEvent(*EVENTS[0]))
    event = EventParser().parse_event(io.BytesIO(data), skip_content=is_skipped)
    assert (event.content is None) == is_skipped


def test_what_theia_reads_we_read() -> None:
    """Every prefix of a stream that theia's parser finds an event in, ours does too, with the same fields."""
    for fields in EVENTS:
        data = TheiaSerializer().serialize(TheiaEvent(*fields))
        for length in range(1, len(data) + 1):
            try:
                theirs = TheiaParser().parse_event(io.BytesIO(data[:length]))
            except Exception:  # noqa: BLE001 - theia raises no other
                with pytest.raises(MalformedEvent):
                    EventParser().parse_event(io.BytesIO(data[:length]))
            else:
                ours = EventParser().parse_event(io.BytesIO(data[:length]))
                assert ours == Event(
                    theirs.id, theirs.source, theirs.timestamp, theirs.tags, theirs.content
                )

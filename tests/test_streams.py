"""The totals of the streams are those of the events that are there."""

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Event, NaiveEventStore, Query
from store.format.record import stream_key
from store.index import streams as streams_module
from store.index.minute import DAMAGED, EntryColumns
from store.index.streams import Streams
from store.index.summary import merge_summaries, summarize, total_of

KEYS = [stream_key(b"s%d" % number, b"t%d" % (number % 3)) for number in range(5)]
events = st.tuples(st.integers(DAMAGED, len(KEYS)), st.integers(1, 100), st.integers(0, 50))
steps = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.lists(events, min_size=1, max_size=20)),
        st.tuples(st.integers(0, 3), st.none()),
        st.tuples(st.integers(0, 3), events.filter(lambda event: event[0] != DAMAGED)),
        st.just("look"),
    ),
    max_size=12,
)
Minutes = dict[int, list[tuple[bytes, int, int]]]


def columns(streams: Streams, rows: list[tuple[bytes, int, int]]) -> EntryColumns:
    ids = [streams.id_of(key) if key else DAMAGED for key, _, _ in rows]
    ticks = [time if key else -1 for key, _, time in rows]
    sizes = [size for _, size, _ in rows]
    return EntryColumns(*(np.array(each, np.int64) for each in (ids, sizes, ticks)))


def tag_of(key: bytes) -> str:
    return key.rpartition(b":")[2].decode()


def refresh(streams: Streams, minutes: Minutes) -> None:
    """Find the newest events of the streams that lost theirs, as the state does."""
    found = np.zeros(len(streams), np.int64)
    for stream in streams.stale:
        key = streams.key(stream)
        newest = [time for rows in minutes.values() for each, _, time in rows if each == key]
        found[stream] = max(newest, default=0)
    streams.set_newest(found, dict(streams.stale))


def check(streams: Streams, minutes: Minutes) -> None:
    """Everything that can be asked is answered from what is in the minutes."""
    refresh(streams, minutes)
    found = [row for rows in minutes.values() for row in rows]
    real = [row for row in found if row[0]]
    total, _ = streams.total(None)
    assert total.events == len(real)
    assert total.size == sum(size for _, size, _ in found)
    assert total.newest == max((time for _, _, time in real), default=0)
    assert set(streams.tags.all()) == {tag_of(key) for key, _, _ in real}
    for tag in ("t0", "t1", "t2"):
        matching = streams.matching(Query().tagged(tag))
        wanted = [row for row in real if tag_of(row[0]) == tag]
        total, _ = streams.total(matching)
        assert (total.events, total.size) == (len(wanted), sum(size for _, size, _ in wanted))
        assert total.newest == max((time for _, _, time in wanted), default=0)
        assert streams.minutes(matching).tolist() == sorted(
            number
            for number, rows in minutes.items()
            if any(key and tag_of(key) == tag for key, _, _ in rows)
        )
        assert streams.tags.has(tag) == bool(wanted)
    assert set(streams.minutes_of(np.array([DAMAGED])).tolist()) == {
        number for number, rows in minutes.items() if any(not key for key, _, _ in rows)
    }


@pytest.mark.parametrize(("queued_min", "queued_max"), [(99, 0), (0, 0), (3, 8), (0, 1 << 16)])
@given(steps)
def test_totals_are_those_of_the_events(
    queued_min: int, queued_max: int, given_steps: list[object]
) -> None:
    """Whatever is queued for the posting lists, whenever something is asked, and after a restart."""
    streams = Streams()
    minutes: Minutes = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(streams_module, "_QUEUED_MIN", queued_min)
        patch.setattr(streams_module, "_QUEUED_MAX", queued_max)
        for step in given_steps:
            if not isinstance(step, tuple):
                check(streams, minutes)
                continue
            minute, rows = step
            if isinstance(rows, tuple):
                stream, size, time = rows
                key = KEYS[stream - 1]
                streams.count_one(minute, streams.id_of(key), size, time, 1.0)
                minutes.setdefault(minute, []).append((key, size, time))
            elif rows is not None:
                named = [
                    (KEYS[stream - 1] if stream else b"", size, time if stream else 0)
                    for stream, size, time in rows
                ]
                added = columns(streams, named)
                streams.count(minute, summarize(added, len(streams)), 1.0)
                minutes.setdefault(minute, []).extend(named)
            elif minute in minutes:
                gone = columns(streams, minutes.pop(minute))
                streams.discount([(minute, summarize(gone, len(streams)))], 2.0)
                streams.forget_emptied()
        check(streams, minutes)
        refresh(streams, minutes)
        again = Streams()
        again.restore_keys(
            (number, streams.key(number))
            for number in range(1, len(streams))
            if streams.key(number)
        )
        again.restore(streams.export())
        check(again, minutes)


def test_ids_are_given_in_order() -> None:
    """Whether one stream is asked for or many, known ones among them or not."""
    streams = Streams()
    assert streams.id_of(KEYS[2]) == 1
    assert streams.ids_of([KEYS[0], KEYS[2], KEYS[1], KEYS[0]]).tolist() == [2, 1, 3, 2]
    changes = streams.take_changes()
    streams.id_of(KEYS[3])
    assert dict(changes) == {1: KEYS[2], 2: KEYS[0], 3: KEYS[1]}
    assert dict(streams.take_changes()) == {4: KEYS[3]}
    assert dict(streams.take_changes()) == {}


@pytest.mark.parametrize(
    "rows",
    [
        [(0, b"a")],
        [(-1, b"a")],
        [(2, b"a"), (1, b"b")],
        [(1, b"a"), (1, b"b")],
        [(1, b"a"), (2, b"a")],
        [(1, b"")],
        [(1, b"a"), (1 << 40, b"b")],
    ],
)
def test_stream_ids_that_cannot_be(rows: list[tuple[int, bytes]]) -> None:
    """They are refused before anything is allocated for them."""
    with pytest.raises(ValueError, match=r"cannot be|twice"):
        Streams().restore_keys(rows)


def test_tags_are_text_or_bytes_that_are_none() -> None:
    """A tag is found by the text it is shown as, and by no other."""
    streams = Streams()
    streams.ids_of([stream_key(b"s", "\u00e9,b".encode() + b",\xff,,")])
    streams.ids_of([stream_key(b"%d" % number, b",") for number in range(10)])
    assert set(streams.tags.all()) == {"", "\u00e9", "b", "\udcff"}
    assert all(map(streams.tags.has, streams.tags.all()))
    assert streams.tags.streams("").tolist() == list(range(2, 12))
    for other in ("\udcc3\udca9", "\ud800", "\udc41", "\u00e9,b"):
        assert not streams.tags.has(other)
        assert not len(streams.tags.streams(other))


def test_a_stream_without_events_is_forgotten() -> None:
    """Its id goes to the next stream, and nothing is left of its tag."""
    streams = Streams()
    key = stream_key(b"s", b"gone,kept")
    other = stream_key(b"s", b"kept")
    added = columns(streams, [(key, 10, 1), (other, 10, 2)])
    summary = summarize(added, len(streams))
    streams.count(7, summary, 1.0)
    streams.take_changes()
    streams.discount([(7, summary[:1])], 2.0)
    streams.forget_emptied()
    assert set(streams.tags.all()) == {"kept"}
    assert dict(streams.take_changes()) == {1: None}
    generation = streams.generation
    assert streams.id_of(stream_key(b"s", b"new")) == 1
    assert streams.generation > generation


@given(st.lists(events, max_size=30), st.lists(events, max_size=30))
def test_summaries_add_up(
    first: list[tuple[int, int, int]], second: list[tuple[int, int, int]]
) -> None:
    """The summary of all is that of the parts together, and the total of it that of the events."""

    def made(rows: list[tuple[int, int, int]]) -> EntryColumns:
        rows = [(stream, size, time if stream else -1) for stream, size, time in rows]
        found = np.array(rows, np.int64).reshape(-1, 3).T
        return EntryColumns(found[0], found[1], found[2])

    count = len(KEYS) + 1
    parts = [summarize(made(rows), count) for rows in (first, second)]
    merged = merge_summaries(*parts)
    assert merged.tolist() == summarize(made(first + second), count).tolist()
    matching = np.array([False, True, False, True, True, False])
    wanted = [row for row in first + second if matching[row[0]]]
    total = total_of(merged, matching)
    assert total == (
        sum(size for _, size, _ in wanted),
        len(wanted),
        max((time for _, _, time in wanted), default=0),
    )


def test_the_last_stream_is_forgotten(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The totals that were saved fit the streams that are left: the next opening does not rebuild the index."""
    store = NaiveEventStore(str(tmp_path), 1e9)
    for number in range(3):
        store.save(Event(str(number), "s", float(number), [f"tag {number}"], "x"))
    store.delete("2")
    store.close()
    store = NaiveEventStore(str(tmp_path), 1e9)
    assert store.whole(Query()).events == 2
    assert caplog.text == ""
    store.close()

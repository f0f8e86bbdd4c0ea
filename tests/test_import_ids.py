"""Ids that follow from events: the same for the same events, others for others."""

import uuid
from pathlib import Path

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store import TICKS_MAX, Batch, open_store
from store.format.record import encode_key
from theiafs.importing.ids import ContentIds, digests_of

MOMENTS = st.integers(0, 3) | st.integers(0, 1 << 60) | st.just(TICKS_MAX)
EVENTS = st.lists(st.tuples(st.binary(max_size=3), MOMENTS, st.integers(0, 2)), max_size=20)
KEYS = [encode_key("a", []), encode_key("b", []), encode_key("a", ["b"])]


def ids_of(events: list[tuple[bytes, int, int]], size: int = 100) -> list[bytes]:
    """The ids of events, given some at a time."""
    ids = ContentIds()
    found: list[bytes] = []
    for start in range(0, len(events), size):
        some = events[start : start + size]
        ticks = np.array([event[1] for event in some], np.int64)
        streams = np.array([event[2] for event in some], np.intp)
        found += ids.of(digests_of([event[0] for event in some]), ticks, streams, KEYS).tolist()
    return found


@given(EVENTS)
def test_each_event_has_an_id_of_its_own_that_tells_its_time(
    events: list[tuple[bytes, int, int]],
) -> None:
    ids = ids_of(events)
    assert len(set(ids)) == len(events)
    for each, (_content, ticks, _stream) in zip(ids, events, strict=True):
        parsed = uuid.UUID(each.decode())
        assert str(parsed) == each.decode()
        assert parsed.variant == uuid.RFC_4122
        assert parsed.version == 8
        assert parsed.int >> 80 == ticks // 10_000 & (1 << 48) - 1


@given(EVENTS, EVENTS, st.integers(1, 7))
def test_ids_are_the_same_whatever_follows_and_however_it_comes(
    events: list[tuple[bytes, int, int]], more: list[tuple[bytes, int, int]], size: int
) -> None:
    assert ids_of(events + more, size)[: len(events)] == ids_of(events)


@given(st.permutations([(b"x", 7, 0), (b"x", 7, 0), (b"y", 7, 0), (b"x", 8, 0), (b"x", 7, 1)]))
def test_ids_do_not_depend_on_the_order_of_events_that_differ(
    events: list[tuple[bytes, int, int]],
) -> None:
    assert sorted(ids_of(events)) == sorted(ids_of(sorted(events)))


def test_ids_stay_what_they_are() -> None:
    """Another id for an event that is stored already would import it twice."""
    events = [(b"disk is full", 17_638_560_000_000_000, 2), (b"", 0, 0), (b"", 0, 0)]
    assert ids_of(events) == [
        b"019aae02-a400-8fad-af08-a0e27937f47b",
        b"00000000-0000-8d36-8805-6567c1edcd86",
        b"00000000-0000-8d36-ac11-ef56f01b0588",
    ]


def test_an_event_is_found_by_such_an_id(tmp_path: Path) -> None:
    """Without an index of ids: its minute is the one that the id tells."""
    events = [(b"%d" % number, number * 600_000_000, 0) for number in range(3)]
    batch = Batch()
    ticks = np.array([event[1] for event in events], np.int64)
    streams = np.zeros(3, np.intp)
    ids = ContentIds().of(digests_of([event[0] for event in events]), ticks, streams, KEYS)
    batch.add_identified([event[0] for event in events], ticks, streams, KEYS, ids)
    store = open_store(str(tmp_path))
    store.save_batch(batch)
    for each, (content, *_) in zip(ids.tolist(), events, strict=True):
        assert store.get(each.decode()).content == content.decode()
    store.close()

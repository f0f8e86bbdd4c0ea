"""Records that are appended below a query directory get what its path says, however many there are in a write."""

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import AtLevel, Event, EventSerializer, FromSource, InvalidEvent, Query
from tests.test_addition import addition_of
from tests.test_ingest import ORIGIN, Sink
from theiafs.ingest import IngestBuffer

_tags = st.lists(
    st.sampled_from(["web", "db", "level=err", "level=info", "\udcff", "größe"]),
    unique=True,
    max_size=3,
)
_records = st.builds(
    lambda event_id, source, ticks, tags, content: Event(
        event_id, source, None, tags, content, ticks=ticks
    ),
    st.text("abc-0", min_size=1, max_size=9),
    st.sampled_from(["s", "/a b", "\udcfe:tags:"]),
    st.sampled_from([0, 5, 10**16, 17_638_000_001_234_567, 10**18]),
    _tags,
    st.sampled_from(["", "x", "a\n\nevent: 1 1 0\n", "event: 9 9 9", "\udcff\r", "x" * 700]),
)


@pytest.mark.parametrize("query", [
    Query().tagged("web"), Query().tagged("web").tagged("db"), Query().where(FromSource(frozenset({"s"}))),
    Query().where(AtLevel(frozenset({"err"}))), Query().tagged("level=info").within(5, 10**17),
], ids=repr)  # fmt: skip
@given(
    st.lists(_records, min_size=1, max_size=12),
    st.sampled_from([b"", b"event: 1 1 1\n", b"a line\n"]),
)
def test_many_records_get_what_one_gets(query: Query, events: list[Event], rest: bytes) -> None:
    """In one write, which is parsed at once: up to the first that does not belong in the directory."""
    records = [EventSerializer().serialize(event) + b"\n" for event in events * 8]
    taken: list[list[Event]] = []
    for writes in ([b"".join(records) + rest], [*records, rest]):
        sink = Sink()
        buffer = IngestBuffer(addition_of(query), 1 << 20)
        with contextlib.suppress(InvalidEvent):
            for data in writes:
                if buffer.append(data, ORIGIN, sink.save) < len(data):
                    break
            buffer.finish(ORIGIN, sink.save)
        taken.append([event for event in sink.events if event.content != "a line"])
    together, one_by_one = taken
    assert together == one_by_one

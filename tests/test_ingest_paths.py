"""Events appended below a directory of queries get what its path says; those that cannot are refused."""

import pytest

from store import TICKS_PER_S, AtLevel, Event, EventSerializer, FromSource, InvalidEvent, Query
from store.format.levels import LEVELS, level_of
from tests.test_ingest import ingest, record


def test_events_get_the_tags_of_the_path() -> None:
    """The tags that a path names are added to those of a record, none of them twice."""
    query = Query().tagged("b", "a").tagged("c")
    sink = ingest(b"line\n" + record("f", tags=["z", "a"]), query=query)
    assert [event.tags for event in sink.events] == [["a", "b", "c"], ["z", "a", "b", "c"]]


def test_the_source_of_the_path_is_that_of_the_events() -> None:
    """Whatever they say themselves, lines and records alike, one by one or many together."""
    query = Query().where(FromSource(frozenset({"nginx"})))
    for count in (1, 100):
        for data in (
            b"line\n",
            record("f"),
            EventSerializer().serialize(Event("f", "nginx", 10.0)),
        ):
            events = ingest(data * count, query=query).events
            assert [event.source for event in events] == ["nginx"] * count


@pytest.mark.parametrize(
    ("own", "kept"),
    [
        ([], []),
        (["web"], ["web"]),
        (["level=info", "web", "level=x"], ["web", "level=x"]),
        (["level=warn"], ["level=warn"]),
    ],
)
def test_the_level_of_the_path_is_that_of_the_events(own: list[str], kept: list[str]) -> None:
    """Whatever their tags and contents say, lines and records alike, one by one or many together."""
    query = Query().where(AtLevel(frozenset({"warning"})))
    for count in (1, 100):
        data = b"ERROR: line\n" + record("f", "<3>x", tags=own)
        events = ingest(data * count, query=query).events
        assert [event.tags for event in events] == [
            ["level=warning"],
            [*kept, "level=warning"],
        ] * count
        for event in events:
            tags, content = ",".join(event.tags).encode(), (event.content or "").encode()
            assert LEVELS[level_of(tags, content) - 1] == "warning"


@pytest.mark.parametrize(
    ("query", "data"),
    [
        (Query().within(0, 100 * TICKS_PER_S), b"line\n"),
        (Query().within(100 * TICKS_PER_S, 2000 * TICKS_PER_S), record("f", timestamp=10)),
    ],
)
def test_a_time_outside_of_the_range_of_the_path_is_refused(query: Query, data: bytes) -> None:
    """An event that would not show up in the directory it was appended to is not accepted."""
    with pytest.raises(InvalidEvent, match="range"):
        ingest(data, query=query)

"""Summaries that the oracle of the tree does not reach: long spans, and what is changed meanwhile."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, Matches, NaiveEventStore, Query
from theiafs.paths import NodeKind
from theiafs.summaries import SUMMARIES

HOUR_S, DAY_S = 3600, 86_400


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), 1e9)
    yield opened
    opened.close()


@pytest.mark.parametrize("days", [1, 3, 8, 10, 29, 40, 500])
def test_a_histogram_shows_events_at_their_times(store: NaiveEventStore, days: int) -> None:
    """Rows of some hours have the events of these hours, not those of the day."""
    times = [day * DAY_S + 18 * HOUR_S + 1800 for day in range(days)]
    store.save_all(Event(f"id{time}", "s", time, [], "x") for time in times)
    lines = SUMMARIES[NodeKind.HISTOGRAM](store, Query()).decode().splitlines()
    counts = {line.split()[0]: int(line.split()[1]) for line in lines}
    assert sum(counts.values()) == days
    if days in (8, 10, 29):
        assert {start[11:13] for start, count in counts.items() if count} <= {"18", "12"}


def test_a_summary_of_nothing(store: NaiveEventStore) -> None:
    """It is empty, or says that there is nothing."""
    texts = {name: text(store, Query()) for name, text in SUMMARIES.items()}
    assert texts.pop(NodeKind.COUNT) == b"0\n"
    assert set(texts.values()) == {b""}


@pytest.mark.parametrize(
    ("kind", "query"),
    [
        *((kind, Query().where(Matches("content"))) for kind in SUMMARIES),
        *((kind, Query()) for kind in (NodeKind.LEVELS, NodeKind.PATTERNS)),
        *((kind, Query().within(3, 25)) for kind in (NodeKind.LEVELS, NodeKind.PATTERNS)),
    ],
)
@pytest.mark.parametrize("are_more", [False, True])
def test_contents_that_another_program_has_just_changed_are_shown_as_they_are(
    store: NaiveEventStore,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    kind: NodeKind,
    query: Query,
    are_more: bool,
) -> None:
    """Also where the summary is the first to read them, and so to notice."""
    changed_path = tmp_path_factory.mktemp("changed")
    changed = NaiveEventStore(str(changed_path), 1e9)
    for each, level, count in ((store, "INFO", 30), (changed, "ERROR", 30 + 20 * are_more)):
        each.save_all(
            Event(f"e{number}", level, None, [level], f"{level}: content", ticks=number)
            for number in range(count)
        )
        each._flush_all()
    wanted = SUMMARIES[kind](changed, query)
    changed.close()
    [name] = store.minutes(Query())
    store._watcher.stop()
    (changed_path / name).rename(tmp_path / name)
    assert SUMMARIES[kind](store, query) == wanted

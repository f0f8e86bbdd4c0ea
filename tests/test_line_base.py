"""The lines of many minutes are found from the end that is nearer, and are where they are when all sizes are known at once."""

from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from store import Event, HasTag, NaiveEventStore, Query
from store.answers import line_base
from store.answers.arrivals import Arrivals
from store.answers.line_base import LineBase
from store.answers.line_map import LineMap
from store.answers.version import Version
from store.engine import line_opening
from store.errors import EventReadException, MinuteGone
from theiafs.lineviews import LINE_VIEWS

LOG = next(view for view in LINE_VIEWS if view.name == "log")
NEVER_MS = 1e9


@pytest.fixture(autouse=True)
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(line_base, "_MINUTES_MIN", 1)
    monkeypatch.setattr(line_base, "_MINUTES_MAX", 4)
    monkeypatch.setattr(line_opening, "_FEW", 0)


def version_of(count: int) -> Version:
    zeros = np.zeros(count, np.int64)
    inside = np.ones(count, np.bool_)
    ids, entries = np.arange(count) * 3 % 7 + np.arange(count) * 7, np.arange(count) + 1
    return Version(
        Query(),
        None,
        0.0,
        ids,
        entries,
        entries,
        zeros,
        zeros,
        zeros,
        inside,
        Arrivals(),
        (0, 0),
        0,
    )


@given(
    sizes=st.lists(st.integers(0, 9), max_size=30),
    arrived=st.lists(st.integers(1, 9), max_size=3),
    cuts=st.lists(st.tuples(st.integers(0, 300), st.integers(1, 60)), min_size=1, max_size=8),
)
def test_cuts_are_those_of_a_map_of_all(
    sizes: list[int], arrived: list[int], cuts: list[tuple[int, int]]
) -> None:
    """Whatever was cut before."""
    version, column = version_of(len(sizes)), np.array(sizes, np.int64)
    base = LineBase(version, sum(sizes), column.__getitem__, pytest.fail)
    whole = LineMap()
    whole.extend(version.minutes, version.base_entries, version.inside, column)
    for number, size in enumerate(arrived):
        for each in (base, whole):
            each.append(1000 + number, 0, 5, size)
    assert base.size == whole.size
    for offset, size in cuts:
        end = min(offset + size, whole.size)
        if offset < end:
            assert base.cut(offset, end - offset) == whole.cut(offset, end - offset)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=20),
    error=st.sampled_from([-1, 1, 40]),
    is_backwards=st.booleans(),
)
def test_sizes_that_do_not_add_up(sizes: list[int], error: int, is_backwards: bool) -> None:
    """All of it cannot be read, and the sums are added up again."""
    told: list[bool] = []
    column = np.array(sizes, np.int64)
    size = max(sum(sizes) + error, 1)
    if size == sum(sizes):
        return
    base = LineBase(version_of(len(sizes)), size, column.__getitem__, lambda: told.append(True))
    readings = (range(size), reversed(range(size)))[is_backwards]
    with pytest.raises(EventReadException, match="another sum"):
        assert [base.cut(offset, 1) for offset in readings]
    assert told == [True]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    with closing(
        NaiveEventStore(str(tmp_path / "s"), NEVER_MS, measured_views=LINE_VIEWS)
    ) as store:
        store.save_all(
            Event(f"id{n}", "s", 60.0 * n, ["web"] if n % 3 else ["db"], f"content {n}")
            for n in range(50)
        )
        store._flush_all()
        store._measurer.measure_all()
        store._measurer._lines.save()
    return tmp_path / "s"


@pytest.fixture
def opened(root: Path) -> Iterator[NaiveEventStore]:
    with closing(NaiveEventStore(str(root), NEVER_MS, measured_views=LINE_VIEWS)) as store:
        yield store


def counted(store: NaiveEventStore, monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Return what counts the minutes of which *store* was asked for the lines."""
    asked: list[int] = []
    lookup, known = store._state.lookup, store._state.lookup.series

    class Counting:
        def __init__(self, series: object) -> None:
            self._series = series

        def totals(self, minutes: NDArray[np.int64], entries: NDArray[np.int64]) -> object:
            asked.append(len(minutes))
            return self._series.totals(minutes, entries)  # type: ignore[attr-defined]

    monkeypatch.setattr(lookup, "series", lambda *arguments: Counting(known(*arguments)))
    return lambda: sum(asked)


@pytest.mark.parametrize("query", [Query(), Query().where(HasTag(frozenset({"web"})))])
def test_the_last_lines_cost_what_they_are(
    opened: NaiveEventStore, monkeypatch: pytest.MonkeyPatch, query: Query
) -> None:
    """Neither opening nor reading them asks for the other minutes."""
    count = counted(opened, monkeypatch)
    answer = opened.answer(query, None, LOG)
    size = answer.size()
    assert size == opened.whole(query, LOG).size
    assert count() == 0
    last = answer.read(size - 30, 30)
    assert last.endswith(b"content 49\n")
    assert count() <= 4
    assert answer.read(0, size)[-30:] == last
    opened.save(Event("new", "s", 10_000, ["web"], "new"))
    assert answer.read(size, 1000).endswith(b" new\n")


def test_minutes_that_are_removed_before_they_are_read(opened: NaiveEventStore) -> None:
    """The end can still be read; what comes after them from the start is an error, not other lines."""
    answer = opened.answer(Query(), None, LOG)
    size = answer.size()
    end = answer.read(size - 40, 40)
    opened.remove_minute("0-60")
    assert answer.read(size - 40, 40) == end
    with pytest.raises(MinuteGone):
        answer.read(0, 10)

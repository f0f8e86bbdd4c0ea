"""What is counted of the kinds of events is what is there."""

from collections.abc import Iterable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Query
from store.format.record import label
from store.index import streams as kinds
from store.index.streams import DAMAGED, Kinds

LABELS = [label(b"s%d" % number, b"t%d" % (number % 3)) for number in range(5)]
events = st.tuples(st.integers(DAMAGED, len(LABELS)), st.integers(1, 100), st.integers(0, 50))
steps = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.lists(events, min_size=1, max_size=20)),
        st.tuples(st.integers(0, 3), st.none()),
        st.tuples(st.integers(0, 3), events.filter(lambda event: event[0] != DAMAGED)),
        st.just("look"),
    ),
    max_size=12,
)


def columns(rows: list[tuple[int, int, int]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    numbers, sizes, times = np.array(rows, "q").reshape(-1, 3).T
    return numbers, sizes, np.where(numbers == DAMAGED, np.nan, times)


def check(counted: Kinds, minutes: dict[int, list[tuple[int, int, int]]]) -> None:
    """All that can be asked is answered from what is in the minutes."""
    found = [row for rows in minutes.values() for row in rows]
    real = [row for row in found if row[0] != DAMAGED]
    total, _ = counted.total(Query())
    assert total.events == len(real)
    assert total.size == sum(size for _, size, _ in found)
    assert total.newest == max((time for _, _, time in real), default=0)
    assert counted.tags == {f"t{(kind - 1) % 3}" for kind, _, _ in real}
    for tag in range(3):
        query = Query().tagged(f"t{tag}")
        having = {
            number
            for number, rows in minutes.items()
            if any(kind != DAMAGED and (kind - 1) % 3 == tag for kind, _, _ in rows)
        }
        assert set(counted.minutes(query)) == having
        for number in minutes:
            assert bool(counted.tags_within(query, [number])) == (number in having)
    assert set(counted.damaged()) == {
        number for number, rows in minutes.items() if any(row[0] == DAMAGED for row in rows)
    }


@pytest.mark.parametrize(("waiting_min", "waiting_max"), [(99, 0), (0, 0), (3, 8), (0, 1 << 16)])
@given(steps)
def test_what_is_counted_is_what_is_there(
    waiting_min: int, waiting_max: int, given_steps: list[object]
) -> None:
    """However much waits to be put into the bitmaps, and whenever somebody asks."""
    counted = Kinds()
    assert counted.numbers(LABELS).tolist() == list(range(1, len(LABELS) + 1))
    minutes: dict[int, list[tuple[int, int, int]]] = {}

    def newest_in(kind: int, numbers: Iterable[int]) -> float:
        rows = [row for number in numbers for row in minutes[number] if row[0] == kind]
        return float(max((time for _, _, time in rows), default=0))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(kinds, "_WAITING_MIN", waiting_min)
        patch.setattr(kinds, "_WAITING_MAX", waiting_max)
        for step in given_steps:
            if not isinstance(step, tuple):
                check(counted, minutes)
                continue
            minute, rows = step
            if isinstance(rows, tuple):
                kind, size, time = rows
                counted.count_one(minute, kind, size, time, changed=1.0)
                minutes.setdefault(minute, []).append(rows)
            elif rows is not None:
                counted.count(minute, *columns(rows), changed=1.0)
                minutes.setdefault(minute, []).extend(rows)
            elif minute in minutes:
                gone = minutes.pop(minute)
                counted.discount(minute, *columns(gone), changed=2.0, newest_in=newest_in)
        check(Kinds.restored(counted.rows()), minutes)
        check(counted, minutes)


def test_kinds_are_numbered_as_they_come() -> None:
    """Whether one of them is asked for or many, known ones among them or not."""
    counted = Kinds()
    assert counted.number(LABELS[2]) == 1
    assert counted.numbers([LABELS[0], LABELS[2], LABELS[1], LABELS[0]]).tolist() == [2, 1, 3, 2]
    assert counted.headers(1) == [(b"s2", b"t2"), (b"s0", b"t0"), (b"s1", b"t1")]

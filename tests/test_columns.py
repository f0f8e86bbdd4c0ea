"""Columns give back exactly what was put into them."""

import itertools
import math

from hypothesis import given
from hypothesis import strategies as st

from store.columns import Numbers, Offsets, Times

START = 1763800000

sizes = st.lists(
    st.integers(0, 300) | st.sampled_from([0, 255, 256, 65536, 1 << 32, 1 << 40]), max_size=300
)
near = st.integers(0, 60 * 10**7 - 1).map(
    lambda ticks: float(f"{START + ticks // 10**7}.{ticks % 10**7:07d}")
)
anywhere = (
    st.floats(0, 1e20)
    | st.just(math.nan)
    | st.sampled_from([0.0, 0.1, START - 1.0, START + 429.4967295, 1e123])
)


def same(first: float, second: float) -> bool:
    return first == second or (math.isnan(first) and math.isnan(second))


@given(st.lists(st.integers(0, 1 << 60) | st.integers(0, 300)))
def test_numbers(numbers: list[int]) -> None:
    """However wide they become."""
    column = Numbers()
    for length, number in enumerate(numbers):
        assert len(column) == length
        column.append(number)
    assert [column[position] for position in range(len(numbers))] == numbers
    assert list(column.slice(1, 5)) == numbers[1:5]
    if numbers:
        assert column[-1] == numbers[-1]


@given(sizes, st.data())
def test_offsets(given_sizes: list[int], data: st.DataObject) -> None:
    """Starts, ends, and which entry has a byte."""
    column = Offsets()
    for size in given_sizes:
        column.append(size)
    edges = list(itertools.accumulate(given_sizes, initial=0))
    assert column.end == edges[-1]
    for position, start in enumerate(edges):
        assert column.start(position) == start
    first = data.draw(st.integers(0, len(given_sizes)))
    last = data.draw(st.integers(first, len(given_sizes)))
    assert list(column.bounds(first, last)) == list(itertools.pairwise(edges[first : last + 1]))
    length = data.draw(st.integers(0, len(given_sizes)))
    for offset in {0, 1, edges[-1], *edges, *(edge - 1 for edge in edges if edge)}:
        expected = next((p for p in range(length) if edges[p] <= offset < edges[p + 1]), length)
        assert column.position_at(offset, length) == expected


@given(st.lists(near, max_size=50))
def test_times_of_a_minute_take_four_bytes(times: list[float]) -> None:
    """And are the same floats, to the last bit."""
    column = Times(START)
    for time in times:
        column.append(time)
    assert column.slice(0, len(times)) == times
    assert [column[position] for position in range(len(times))] == times
    assert column._floats is None


@given(st.lists(near | anywhere, max_size=50))
def test_times_of_any_kind(times: list[float]) -> None:
    """Whatever theia or damage left in a file."""
    column = Times(START)
    for time in times:
        column.append(time)
    found = column.slice(0, len(times))
    assert len(found) == len(times)
    assert all(map(same, found, times))
    assert all(same(column[position], time) for position, time in enumerate(times))

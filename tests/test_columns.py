"""Columns give back exactly what was put into them."""

import math

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store.columns import Integers, Numbers, Reals

numbers = st.lists(
    st.integers(0, 300) | st.sampled_from([255, 256, 65535, 65536, 1 << 32, 1 << 62])
)


@given(st.lists(numbers, max_size=8))
def test_numbers(batches: list[list[int]]) -> None:
    """However wide they become, and packed as well."""
    column, given_numbers = Numbers(), [number for batch in batches for number in batch]
    for batch in batches:
        column.extend(np.array(batch, "q"))
    seen = column.slice(0, len(column))
    again = Numbers(seen)
    for number in batches[0] if batches else ():
        again.append(number)
    wanted_again = given_numbers + (batches[0] if batches else [])
    for each, wanted in [(column, given_numbers), (again, wanted_again)]:
        assert [each[position] for position in range(len(each))] == wanted
        assert each.slice(1, 5).tolist() == wanted[1:5]
    assert seen.tolist() == given_numbers, "what was seen once stays"


@given(st.lists(st.integers(0, 50)), st.integers(0, 60), st.data())
def test_finding_a_number(unsorted: list[int], number: int, data: st.DataObject) -> None:
    """The first that is larger, of those that count."""
    column = Numbers()
    column.extend(np.array(sorted(unsorted), "q"))
    length = data.draw(st.integers(0, len(unsorted)))
    found = column.find(number, length)
    assert all(each <= number for each in sorted(unsorted)[:found])
    assert all(each > number for each in sorted(unsorted)[found:length])


@given(st.lists(st.floats(0, 1e123) | st.just(math.nan)))
def test_reals(times: list[float]) -> None:
    """To the last bit."""
    column = Reals()
    column.extend(np.array(times))
    one_by_one = Reals()
    for time in times:
        one_by_one.append(time)
    for each in (column, one_by_one, Reals(column.slice(0, len(times)))):
        assert len(each) == len(times)
        assert np.array_equal(each.slice(0, len(times)), np.array(times), equal_nan=True)
    if times:
        assert np.array_equal(column.take(np.array([0])), np.array(times[:1]), equal_nan=True)


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1) | st.integers(0, 10**30)), st.data())
def test_integers(wanted: list[int], data: st.DataObject) -> None:
    """Like a list, whatever their size."""
    column: Integers = Integers()
    expected: list[int] = []
    for number in wanted:
        position = data.draw(st.integers(0, len(expected)))
        column.insert(position, number)
        expected.insert(position, number)
    if expected:
        position = data.draw(st.integers(0, len(expected) - 1))
        column[position] = expected[position] = 10**30
        assert column.take(np.array([position])).tolist() == [10**30]
        del column[position], expected[position]
    assert [column[position] for position in range(len(column))] == expected

"""Columns give back exactly what was put into them."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from store.columns import Integers, Numbers, Reals

numbers = st.lists(
    st.integers(0, 300) | st.sampled_from([255, 256, 65535, 65536, 1 << 32, 1 << 62])
)


@given(st.lists(numbers, max_size=8), st.data())
def test_numbers(batches: list[list[int]], data: st.DataObject) -> None:
    """However wide they become, and packed as well."""
    column, given_numbers = Numbers(), [number for batch in batches for number in batch]
    for batch in batches:
        column.extend(np.array(batch, "q"))
    length = data.draw(st.integers(0, len(given_numbers)))
    packed = column.pack(length)
    assert Numbers.size_of(packed, 0, length) == len(packed)
    unpacked = Numbers.unpack(packed)
    for each, wanted in [(column, given_numbers), (unpacked, given_numbers[:length])]:
        assert [each[position] for position in range(len(each))] == wanted
        assert each.slice(1, 5).tolist() == wanted[1:5]


@given(st.lists(st.integers(0, 50)), st.integers(0, 60), st.data())
def test_finding_a_number(unsorted: list[int], number: int, data: st.DataObject) -> None:
    """The first that is larger, of those that count."""
    column = Numbers()
    column.extend(np.array(sorted(unsorted), "q"))
    length = data.draw(st.integers(0, len(unsorted)))
    found = column.find(number, length)
    assert all(each <= number for each in sorted(unsorted)[:found])
    assert all(each > number for each in sorted(unsorted)[found:length])


def test_what_was_not_packed_here() -> None:
    """It is refused."""
    for packed in (b"", b"X", b"H\0"):
        with pytest.raises(ValueError, match=r"width|bytes length"):
            Numbers.unpack(packed)


@given(st.lists(st.floats(0, 1e123) | st.just(math.nan)))
def test_reals(times: list[float]) -> None:
    """To the last bit."""
    column = Reals()
    column.extend(np.array(times))
    unpacked = Reals.unpack(column.pack(len(times)))
    for each in (column, unpacked):
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

"""Columns give back exactly what was put into them."""

import random
import struct

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store.columns import Integers, NarrowColumn, Reals, Table

numbers = st.lists(
    st.integers(0, 300) | st.sampled_from([255, 256, 65535, 65536, 1 << 32, 1 << 62])
)


@given(st.lists(numbers, max_size=8))
def test_narrow_columns(batches: list[list[int]]) -> None:
    """A column becomes as wide as its largest number needs, and a slice taken before stays as it was."""
    column, expected = NarrowColumn(), [number for batch in batches for number in batch]
    for batch in batches:
        column.extend(np.array(batch, np.int64))
    seen = column.slice(0, len(column))
    again = NarrowColumn(seen)
    for number in batches[0] if batches else ():
        again.append(number)
    longer = expected + (batches[0] if batches else [])
    for each, wanted in [(column, expected), (again, longer)]:
        assert [each[position] for position in range(len(each))] == wanted
        assert each.slice(1, 5).tolist() == wanted[1:5]
    assert seen.tolist() == expected


@given(st.lists(st.integers(0, 50)), st.integers(0, 60))
def test_finding_a_number(unsorted: list[int], number: int) -> None:
    """The index of the first number that is larger."""
    column = NarrowColumn()
    column.extend(np.array(sorted(unsorted), np.int64))
    found = column.find(number)
    assert all(each <= number for each in sorted(unsorted)[:found])
    assert all(each > number for each in sorted(unsorted)[found:])


@given(st.lists(st.integers(-(1 << 63), (1 << 63) - 1), min_size=1), st.data())
def test_integers(wanted: list[int], data: st.DataObject) -> None:
    """Appended one by one or together, set, and put at several positions."""
    column, one_by_one = Integers(), Integers()
    column.extend(np.array(wanted, np.int64))
    for number in wanted:
        one_by_one.append(number)
    assert [one_by_one[position] for position in range(len(wanted))] == wanted
    positions = np.array(
        data.draw(st.lists(st.integers(0, len(wanted) - 1), unique=True)), np.int64
    )
    column.put(positions, np.arange(len(positions)))
    expected = wanted.copy()
    for number, position in enumerate(positions.tolist()):
        expected[position] = number
    column[0] = expected[0] = 7
    assert column.slice(0, len(column)).tolist() == expected
    assert column.take(np.array([0])).tolist() == [7]


@given(st.lists(st.floats(allow_nan=False)))
def test_reals(wanted: list[float]) -> None:
    """To the last bit."""
    column = Reals()
    for position, number in enumerate(wanted):
        column.resize(position + 1)
        column[position] = number
    assert [column[position] for position in range(len(column))] == wanted


@given(st.lists(st.tuples(st.integers(-(2**63), 2**63 - 1), st.floats(allow_nan=False))))
def test_a_table(wanted: list[tuple[int, float]]) -> None:
    """Its rows stay while it grows, and are seen by row and by column."""
    table, fields = Table(np.dtype([("a", "<i8"), ("b", "<f8")])), struct.Struct("<qd")
    for position, (_, number) in enumerate(wanted):
        table.resize(position + 1)
        assert table.get(position, fields) == (0, 0.0)
        table.set(position, struct.Struct("<d"), 8, number)
    table.column("a")[:] = [number for number, _ in wanted]
    assert len(table) == len(wanted)
    assert [table.get(position, fields) for position in range(len(table))] == wanted
    assert table.column("b").tolist() == [number for _, number in wanted]


@given(st.lists(st.floats(allow_nan=False), min_size=1), st.randoms())
def test_rows_of_a_table_are_put_together(wanted: list[float], chance: random.Random) -> None:
    """Wherever they go; the fields after them stay."""
    row = np.dtype([("a", "<i8"), ("b", "<f8"), ("c", "<i8")])
    rows = np.array([(number, each, 7) for number, each in enumerate(wanted)], row)
    table = Table(row)
    table.resize(len(wanted) + 3)
    positions = np.array(chance.sample(range(len(table)), len(wanted)), np.int64)
    table.put(positions, rows.view(np.int64).reshape(len(rows), -1)[:, :2])
    assert table.column("a")[positions].tolist() == list(range(len(wanted)))
    assert table.column("b")[positions].tolist() == wanted
    assert not table.column("c").any()
    assert np.count_nonzero(table.column("a")) == len(wanted) - 1

"""The catalog: what it says of many minutes is what it says of each."""

import random

import numpy as np
import pytest

from store.index.catalog import Catalog
from store.index.row import COLUMNS, MinuteRow

MINUTES = 100


@pytest.mark.parametrize("count", [0, 1, 5, 16, 17, 80, MINUTES])
def test_rows_of_many_are_those_of_each(count: int) -> None:
    """In any order, without those that are gone or were never there."""
    chance = random.Random(count)
    catalog, rows = Catalog(), {}
    for number in range(MINUTES):
        minute = catalog.add(60 * number, 60 * number + 60)
        numbers = [chance.randrange(1 << 60) for _ in COLUMNS[2:-1]]
        span = 60 * number, 60 * number + 60
        row = MinuteRow._make((minute, *span, *numbers, chance.random()))
        catalog.set_row(row)
        rows[minute] = row
    for minute in chance.sample(sorted(rows), 30):
        catalog.remove([minute])
        del rows[minute]
    asked = chance.sample(range(MINUTES), count)
    asked.insert(len(asked) // 2, MINUTES + 7)
    found = catalog.rows_of(np.array(asked, np.int64))
    assert found == {minute: rows[minute] for minute in asked if minute in rows}
    assert list(found) == [minute for minute in asked if minute in rows]
    assert all(
        type(each) is type(one)
        for row in found.values()
        for each, one in zip(row, rows[row.id], strict=True)
    )

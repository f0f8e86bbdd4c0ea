"""Rows of the catalog: those that cannot be are found."""

import numpy as np
import pytest

from store.index.row import FREE_IDS_MAX, ROW, MinuteRow, check_rows


@pytest.mark.parametrize("place", [0, 4_095, 4_096, 8_999])
def test_a_row_that_cannot_be_is_found_wherever_it_stands(place: int) -> None:
    rows = np.zeros(9_000, ROW)
    rows["id"] = np.arange(len(rows))
    rows["start"], rows["end"] = 60 * rows["id"], 60 * rows["id"] + 60
    rows["oldest"] = rows["newest"] = -1
    check_rows(rows, len(rows))
    rows["newest"][place] = 0
    with pytest.raises(ValueError, match="minutes that cannot be"):
        check_rows(rows, len(rows))


def test_an_id_far_beyond_the_others_is_corrupt() -> None:
    """Tables by id take memory for all ids up to it, wherever it was read."""
    row = MinuteRow(0, 0, 60, size=100, bytes=100, entries=2, events=2, oldest=0, newest=1)
    rows = np.array([row], ROW)
    for last in (0, FREE_IDS_MAX):
        rows["id"] = last
        check_rows(rows, len(rows))
    for beyond in (FREE_IDS_MAX + 1, 1 << 32, (1 << 63) - 1):
        rows["id"] = beyond
        with pytest.raises(ValueError, match="minutes that cannot be"):
            check_rows(rows, len(rows))

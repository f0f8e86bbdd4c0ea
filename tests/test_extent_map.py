"""The bytes of an answer are where its extents say, and neighbours become one extent."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store.answers.extent_map import ExtentMap
from store.index.extents import Extents, Layout, find_extents

# The id of a minute, where an extent starts there, and its size; few values, so that some continue others.
extents = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(1, 6)), max_size=10)


def bytes_of(minutes: list[int], starts: list[int], ends: list[int]) -> list[tuple[int, int]]:
    """Each byte by its minute and its place there."""
    return [
        (minute, place)
        for minute, start, end in zip(minutes, starts, ends, strict=True)
        for place in range(start, end)
    ]


@given(st.lists(extents, max_size=3), st.booleans(), st.integers(0, 40), st.integers(1, 40))
def test_a_cut_of_a_map(
    portions: list[list[tuple[int, int, int]]], one_by_one: bool, offset: int, size: int
) -> None:
    """However the extents were appended, a cut has the bytes that were put there."""
    extent_map, wanted = ExtentMap(), []
    for portion in portions:
        minutes = [minute for minute, _, _ in portion]
        starts = [start for _, start, _ in portion]
        ends = [start + length for _, start, length in portion]
        wanted += bytes_of(minutes, starts, ends)
        columns = [np.array(column, np.int64) for column in (minutes, starts, ends)]
        step = 1 if one_by_one else max(len(starts), 1)
        for first in range(0, len(starts), step):
            extent_map.extend(Extents(*(column[first : first + step] for column in columns)))
    assert extent_map.size == len(wanted)
    cut = [column.tolist() for column in extent_map.cut(offset, size)]
    assert bytes_of(*cut) == wanted[offset : offset + size]


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300)), max_size=8), min_size=1),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.data(),
)
def test_extents_of_many_minutes(
    minutes: list[list[tuple[int, int]]], matching: list[bool], data: st.DataObject
) -> None:
    """They are those of the matching entries one after the other, neighbours of a minute coalesced."""
    layouts, excluded, wanted = [], [], []
    for number, rows in enumerate(minutes):
        streams = np.array([stream for stream, _ in rows], "B")
        ends = np.array([size for _, size in rows], "H").cumsum(dtype="H")
        layouts.append(Layout(streams, ends))
        left_out = data.draw(st.sets(st.integers(0, len(rows) - 1))) if rows else set()
        if left_out:
            excluded.append((number, np.array(sorted(left_out))))
        position = 0
        for row, (stream, size) in enumerate(rows):
            if matching[stream] and row not in left_out:
                wanted += bytes_of([number], [position], [position + size])
            position += size
    found = find_extents(np.arange(len(minutes)), layouts, np.array(matching), excluded)
    assert bytes_of(*(column.tolist() for column in found)) == wanted
    joined = (found.minutes[1:] == found.minutes[:-1]) & (found.starts[1:] == found.ends[:-1])
    assert not joined.any()

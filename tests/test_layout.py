"""Where the bytes of an answer lie is found again, and neighbours become one piece."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from store.answers.extent_map import Layout
from store.index.extents import Entries, Pieces, find_pieces

# The number of a minute, where a piece starts there, and its size; few values, so that some go on from others.
pieces = st.lists(st.tuples(st.integers(0, 1), st.integers(0, 12), st.integers(1, 6)), max_size=10)


def bytes_of(minutes: list[int], starts: list[int], ends: list[int]) -> list[tuple[int, int]]:
    """Each byte by its minute and its place there."""
    return [
        (minute, place)
        for minute, start, end in zip(minutes, starts, ends, strict=True)
        for place in range(start, end)
    ]


@given(st.lists(pieces, max_size=3), st.booleans(), st.integers(0, 40), st.integers(1, 40))
def test_a_cut_of_a_layout(
    portions: list[list[tuple[int, int, int]]], one_by_one: bool, offset: int, size: int
) -> None:
    """However the pieces were added, so many bytes from an offset are those that were put there."""
    layout, wanted = Layout(), []
    for portion in portions:
        minutes = [minute for minute, _, _ in portion]
        starts = [start for _, start, _ in portion]
        ends = [start + length for _, start, length in portion]
        wanted += bytes_of(minutes, starts, ends)
        if one_by_one:
            for piece in zip(minutes, starts, ends, strict=True):
                layout.add_one(*piece)
        else:
            columns = (np.array(column, "q") for column in (minutes, starts, ends))
            layout.add(Pieces(*columns))
    assert layout.size == len(wanted)
    cut = [column.tolist() for column in layout.cut(offset, size)]
    assert bytes_of(*cut) == wanted[offset : offset + size]
    only = layout.only_piece(offset, size)
    if only is not None:
        assert bytes_of(*([each] for each in only)) == wanted[offset : offset + size] != []
    elif len(cut[0]) == 1:
        raise AssertionError("it lies in one piece")


@given(
    st.lists(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 300)), max_size=8), min_size=1),
    st.lists(st.booleans(), min_size=4, max_size=4),
    st.data(),
)
def test_pieces_of_many_minutes(
    minutes: list[list[tuple[int, int]]], admitted: list[bool], data: st.DataObject
) -> None:
    """They are those of one entry after the other, neighbours of the same minute joined, and none else."""
    entries, excluded, wanted = [], [], []
    for number, rows in enumerate(minutes):
        kinds = np.array([kind for kind, _ in rows], "B")
        ends = np.array([size for _, size in rows], "H").cumsum(dtype="H")
        entries.append(Entries(kinds, ends))
        left_out = data.draw(st.sets(st.integers(0, len(rows) - 1))) if rows else set()
        if left_out:
            excluded.append((number, np.array(sorted(left_out))))
        position = 0
        for row, (kind, size) in enumerate(rows):
            if admitted[kind] and row not in left_out:
                wanted += bytes_of([number], [position], [position + size])
            position += size
    numbers = np.arange(len(minutes))
    found = find_pieces(numbers, entries, np.array(admitted), excluded)
    assert bytes_of(*(column.tolist() for column in found)) == wanted
    joined = (found.minutes[1:] == found.minutes[:-1]) & (found.starts[1:] == found.ends[:-1])
    assert not joined.any()

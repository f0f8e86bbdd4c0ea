"""Lines joined from columns of pieces."""

import numpy as np
from hypothesis import example, given
from hypothesis import strategies as st

from theiafs.rendering.pieces import Pieces, choice, constant, fixed, join, sum_sizes

SIZES = [0, 1, 2, 15, 16, 17, 63, 64, 65, 255, 256, 257, 1000, 1 << 14, (1 << 14) + 1]
TEXTS = [bytes([65 + number]) * size for number, size in enumerate(SIZES)]

texts = st.one_of(st.binary(max_size=40), st.sampled_from(TEXTS))


def pieces_of(column: list[bytes]) -> Pieces:
    sizes = np.array(list(map(len, column)), np.int64)
    return Pieces(b"".join(column), np.cumsum(sizes) - sizes, sizes)


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.lists(st.lists(texts, min_size=width, max_size=width), max_size=30)
    )
)
@example([[text, b"-", text] for text in TEXTS + TEXTS[::-1]])
@example([[text] for text in [*TEXTS, b"", b"a", b"", b"b", b"c"]])
def test_any_pieces(lines: list[list[bytes]]) -> None:
    columns = [pieces_of(list(column)) for column in zip(*lines, strict=True)] or [pieces_of([])]
    assert join(columns) == b"".join(map(b"".join, lines))
    assert sum_sizes(columns).tolist() == [len(b"".join(line)) for line in lines]


@given(st.lists(texts, max_size=20), st.lists(st.tuples(st.integers(0, 19), texts), max_size=5))
def test_replacing(column: list[bytes], replaced: list[tuple[int, bytes]]) -> None:
    new = {row: text for row, text in replaced if row < len(column)}
    found = join([pieces_of(column).replace(list(new), list(new.values()))])
    assert found == b"".join([new.get(row, text) for row, text in enumerate(column)])


def test_constants_choices_and_texts_of_one_size() -> None:
    columns = [
        constant(b"<", 3),
        choice([b"", b"one", b"two"], np.array([2, 0, 1])),
        fixed(np.array([b"a\0", b"bc", b"de"], "V2")),
    ]
    assert join(columns) == b"<twoa\0<bc<onede"

"""The window of an answer that is read ahead: whatever is read, it is what would have been read without it."""

import contextlib
import itertools
import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Event, NaiveEventStore, Query
from store.answers.window import _SIZE_MAX, Block, Window
from store.cache import Cache
from store.errors import EventReadException
from store.query import MINUTE_S
from tests.counting import cost_of

PIECE = 128 * 1024
DATA = bytes(range(251)) * (20 * PIECE // 251)


class Lines:
    """An answer with lines of *line_size* bytes, of which those that have bytes from *lost* to *found* cannot be read."""

    def __init__(self, lost: int = 0, found: int = 0, line_size: int = 1) -> None:
        self.lost = lost // line_size * line_size
        self.found = -(-found // line_size) * line_size
        self.line_size = line_size
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> Block:
        assert 0 <= offset < offset + size <= len(DATA)
        start = offset // self.line_size * self.line_size
        end = min(-(-(offset + size) // self.line_size) * self.line_size, len(DATA))
        if start < self.found and self.lost < end:
            raise EventReadException("gone")
        self.reads.append((start, end - start))
        return Block(start, DATA[start:end])


@given(
    st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(1, 3 * PIECE)), max_size=12),
    st.integers(0, 2 * _SIZE_MAX),
    st.integers(0, len(DATA)),
    st.sampled_from([1, 100, PIECE, 5 * PIECE + 1]),
    st.sampled_from([-1, 1]),
)
def test_any_reads(
    reads: list[tuple[int, int]], cache_size: int, lost: int, line_size: int, direction: int
) -> None:
    """Also if what was read ahead is dropped, and if some lines cannot be read: only reads of those fail."""
    lines = Lines(lost, lost + 1000, line_size)
    window = Window(lines.read, Cache(cache_size))
    steps = [
        (offset + direction * step * size, size) for offset, size in reads for step in range(4)
    ]
    for offset, wanted in steps:
        size = min(wanted, len(DATA) - offset)
        if size <= 0 or offset < 0:
            continue
        is_lost = offset < lines.found and lines.lost < offset + size
        try:
            assert window.read(offset, size, len(DATA)) == DATA[offset : offset + size]
        except EventReadException:
            assert is_lost


def test_one_piece_after_the_other() -> None:
    """Each byte is read once, in ever larger pieces, also if the requests of the kernel overtake each other."""
    lines = Lines()
    window = Window(lines.read, Cache(1 << 30))
    starts = list(range(0, len(DATA), PIECE))
    starts[8:10] = starts[9:7:-1]
    for start in starts:
        window.read(start, min(PIECE, len(DATA) - start), len(DATA))
    sizes = [size for _, size in lines.reads]
    assert sum(sizes) == len(DATA)
    assert sizes[:4] == [PIECE, 2 * PIECE, 4 * PIECE, 4 * PIECE]


def test_one_piece_here_and_there() -> None:
    """Nothing else is read."""
    lines = Lines()
    window = Window(lines.read, Cache(1 << 30))
    for start in (10 * PIECE, 0, 5 * PIECE):
        window.read(start, 100, len(DATA))
    assert lines.reads == [(10 * PIECE, 100), (0, 100), (5 * PIECE, 100)]


@pytest.mark.parametrize("line_size", [1000, PIECE, 3 * PIECE + 5, len(DATA)])
@pytest.mark.parametrize("size", [8192, PIECE])
@pytest.mark.parametrize("order", ["forwards", "backwards", "overtaking"])
def test_a_line_is_read_once(line_size: int, size: int, order: str) -> None:
    """In however many pieces it is wanted; only some short ones at the edges of pieces twice, if requests overtake others."""
    lines = Lines(line_size=line_size)
    window = Window(lines.read, Cache(1 << 30))
    pieces = [(start, min(size, len(DATA) - start)) for start in range(0, len(DATA), size)]
    if order == "backwards":
        pieces.reverse()
    elif order == "overtaking":
        pieces = [*itertools.chain(*zip(pieces[1::2], pieces[::2], strict=False))]
    for offset, wanted in pieces:
        assert window.read(offset, wanted, len(DATA)) == DATA[offset : offset + wanted]
    again = len(DATA) // 10 if order == "overtaking" else 0
    assert sum(read for _, read in lines.reads) <= len(DATA) + line_size + again


@pytest.mark.parametrize("line_size", [1, 1000, 3 * PIECE + 5, len(DATA)])
def test_nothing_is_kept_after_the_end(line_size: int) -> None:
    cache = Cache(1 << 30)
    window = Window(Lines(line_size=line_size).read, cache)
    for start in range(0, len(DATA), PIECE):
        window.read(start, min(PIECE, len(DATA) - start), len(DATA))
    assert cache.size == 0


def test_nothing_is_kept_of_large_pieces() -> None:
    """Memory is for those that read small ones: a copy of a whole answer takes it once."""
    cache = Cache(1 << 30)
    window = Window(Lines().read, cache)
    for start in (0, 8 * PIECE):
        window.read(start, 8 * PIECE, len(DATA))
        assert cache.size == 0


@pytest.mark.parametrize("filters", ["all", "tagged"])
def test_pieces_of_an_answer(tmp_path: Path, filters: str) -> None:
    """Reading it in pieces opens hardly a minute twice, however small they are."""
    minutes, size = 40, 1 << 14
    with contextlib.closing(NaiveEventStore(str(tmp_path))) as store:
        for minute in range(minutes):
            store.save(Event(f"{minute}", "app", minute * MINUTE_S, ["t"], "x" * size))
    with contextlib.closing(NaiveEventStore(str(tmp_path), math.inf)) as store:
        answer = store.answer(Query() if filters == "all" else Query().tagged("t"))

        def read_in_pieces(piece: int) -> None:
            sizes = [len(answer.read(at, piece)) for at in range(0, answer.size() + 1, piece)]
            assert sum(sizes) == answer.size() > minutes * size

        whole = cost_of(lambda: read_in_pieces(answer.size()))["open"]
        pieces = cost_of(lambda: read_in_pieces(size // 8))["open"]
    assert minutes <= whole <= pieces < 2 * whole

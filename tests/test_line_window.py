"""The window of lines that are read ahead: whatever is read, it is what would have been read without it."""

from hypothesis import given
from hypothesis import strategies as st

from store.answers.line_window import _SIZE_MAX, LineWindow
from store.cache import Cache
from store.errors import EventReadException

PIECE = 128 * 1024
DATA = bytes(range(251)) * (20 * PIECE // 251)


class Lines:
    """An answer of which the bytes from *lost* to *found* cannot be read."""

    def __init__(self, lost: int = 0, found: int = 0) -> None:
        self.lost, self.found = lost, found
        self.reads: list[tuple[int, int]] = []

    def read(self, offset: int, size: int) -> bytes:
        assert 0 <= offset < offset + size <= len(DATA)
        if offset < self.found and self.lost < offset + size:
            raise EventReadException("gone")
        self.reads.append((offset, size))
        return DATA[offset : offset + size]


@given(
    st.lists(st.tuples(st.integers(0, len(DATA) - 1), st.integers(1, 3 * PIECE)), max_size=12),
    st.integers(0, 2 * _SIZE_MAX),
    st.integers(0, len(DATA)),
)
def test_any_reads(reads: list[tuple[int, int]], cache_size: int, lost: int) -> None:
    """Also if what was read ahead is dropped, and if some lines cannot be read: only reads of those fail."""
    lines = Lines(lost, lost + 1000)
    window = LineWindow(lines.read, Cache(cache_size))
    steps = [(offset + step * size, size) for offset, size in reads for step in range(4)]
    for offset, wanted in steps:
        size = min(wanted, len(DATA) - offset)
        if size <= 0:
            continue
        is_lost = offset < lines.found and lines.lost < offset + size
        try:
            assert window.read(offset, size, len(DATA)) == DATA[offset : offset + size]
        except EventReadException:
            assert is_lost


def test_one_piece_after_the_other() -> None:
    """Each byte is read once, in ever larger pieces, also if the requests of the kernel overtake each other."""
    lines = Lines()
    window = LineWindow(lines.read, Cache(1 << 30))
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
    window = LineWindow(lines.read, Cache(1 << 30))
    for start in (10 * PIECE, 0, 5 * PIECE):
        window.read(start, 100, len(DATA))
    assert lines.reads == [(10 * PIECE, 100), (0, 100), (5 * PIECE, 100)]


def test_nothing_is_kept_after_the_end() -> None:
    cache = Cache(1 << 30)
    window = LineWindow(Lines().read, cache)
    for start in range(0, len(DATA), PIECE):
        window.read(start, min(PIECE, len(DATA) - start), len(DATA))
    assert cache.size == 0

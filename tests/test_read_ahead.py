"""Rows that are read together with the one that is asked for."""

from store.answers.read_ahead import ReadAhead


def windows(*positions: int) -> list[int]:
    read_ahead = ReadAhead()
    return [read_ahead.window(each) for each in positions]


def test_one_after_the_other() -> None:
    """The window doubles, up to its limit, when what was read ahead is used up."""
    read_ahead, position, found = ReadAhead(), 500, []
    for _ in range(9):
        window = read_ahead.window(position)
        position += window
        found.append(window)
    assert found == [1, 2, 4, 8, 16, 32, 64, 64, 64]


def test_some_are_skipped() -> None:
    """Not all that follow are asked for, as with a tag that half of the minutes have."""
    assert windows(500, 502, 505, 512) == [1, 2, 4, 8]


def test_here_and_there() -> None:
    """Nothing is read in vain for those that ask for one here and one there."""
    assert windows(500, 100, 900, 300, 899, 0) == [1] * 6

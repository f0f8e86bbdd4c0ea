"""Pieces of files come together as if they were read one by one."""

from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import MemoryFile
from store.disk.disk import Disk
from store.disk.vectored import Gathering
from store.errors import EventReadException

CONTENT = bytes(np.random.default_rng(1).integers(0, 256, 120_000, "u1"))

# Between pieces there is nothing, a little, more than what is worth to be read, or a step back.
gaps = st.sampled_from([0, 1, 7, 300, 20_000, -50])
sizes = st.sampled_from([1, 2, 90, 5000])


@st.composite
def pieces(draw: st.DrawFn) -> list[tuple[int, int]]:
    found, position = [], draw(st.integers(0, 100))
    for gap, size in draw(st.lists(st.tuples(gaps, sizes), min_size=1, max_size=30)):
        start = max(position + gap, 0)
        if start + size > len(CONTENT):
            break
        found.append((start, start + size))
        position = start + size
    return found or [(0, 1)]


def prepared(wanted: list[tuple[int, int]]) -> Gathering:
    starts, stops = zip(*wanted, strict=True)
    return Gathering(np.array(starts, "q"), np.array(stops, "q"))


def expected(wanted: list[tuple[int, int]]) -> bytes:
    return b"".join([CONTENT[start:stop] for start, stop in wanted])


@settings(deadline=None)
@given(pieces(), pieces())
def test_pieces_of_two_files(first: list[tuple[int, int]], second: list[tuple[int, int]]) -> None:
    """However far apart they lie, and in whatever order."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "file")
        path.write_bytes(CONTENT)
        wanted = prepared(first + second)
        for begin, end in [(0, len(first)), (len(first), len(first) + len(second))]:
            with Disk().open_to_read(str(path)) as file:
                file.gather(wanted, begin, end)
        assert wanted.buffer == expected(first) + expected(second)


def test_more_pieces_than_one_call_reads(tmp_path: Path) -> None:
    """Each a byte, with a byte between them."""
    (tmp_path / "file").write_bytes(CONTENT)
    many = [(start, start + 1) for start in range(0, 6000, 2)]
    wanted = prepared(many)
    with Disk().open_to_read(str(tmp_path / "file")) as file:
        file.gather(wanted, 0, len(many))
    assert wanted.buffer == expected(many)


@pytest.mark.parametrize("stops", [(50, 101), (100, 301), (250, 300)])
def test_a_file_that_ends_before(tmp_path: Path, stops: tuple[int, int]) -> None:
    """It is an error: fewer bytes would move all that come behind them."""
    (tmp_path / "file").write_bytes(CONTENT[:100])
    with (
        Disk().open_to_read(str(tmp_path / "file")) as file,
        pytest.raises(EventReadException, match="ends before byte"),
    ):
        file.gather(prepared([(10, stops[0]), (stops[0] + 1, stops[1])]), 0, 2)


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with (
        Disk().open_to_read(str(tmp_path)) as directory,
        pytest.raises(EventReadException, match="Is a directory"),
    ):
        directory.gather(prepared([(0, 1), (2, 3)]), 0, 2)


@settings(deadline=None)
@given(pieces().filter(lambda found: found == sorted(found)), st.integers(0, len(CONTENT)))
def test_a_growing_file(wanted: list[tuple[int, int]], stored_size: int) -> None:
    """Part of it is on the disk, the rest is not."""
    with TemporaryDirectory() as directory:
        file = MemoryFile("file", directory)
        file.write(CONTENT[:stored_size])
        file.flush()
        file.write(CONTENT[stored_size:])
        gathering = prepared(wanted)
        file.gather(gathering, 0, len(wanted))
        assert gathering.buffer == expected(wanted)

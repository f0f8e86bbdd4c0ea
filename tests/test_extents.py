"""Extents of files are read as if each were read by itself."""

import itertools
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.disk.vectored import ExtentBuffer
from store.errors import EventReadException
from store.minutes.file import MinuteFile
from tests.minutes import FilesOnDisk

CONTENT = bytes(np.random.default_rng(1).integers(0, 256, 120_000, "u1"))

# Between extents there is nothing, a little, more than is read in vain, or a step back.
gaps = st.sampled_from([0, 1, 7, 300, 20_000, -50])
sizes = st.sampled_from([1, 2, 90, 5000])


@st.composite
def extents(draw: st.DrawFn) -> list[tuple[int, int]]:
    found, position = [], draw(st.integers(0, 100))
    for gap, size in draw(st.lists(st.tuples(gaps, sizes), min_size=1, max_size=30)):
        start = max(position + gap, 0)
        if start + size > len(CONTENT):
            break
        found.append((start, start + size))
        position = start + size
    return found or [(0, 1)]


def ascends(wanted: list[tuple[int, int]]) -> bool:
    return all(stop <= start for (_, stop), (start, _) in itertools.pairwise(wanted))


def columns(wanted: list[tuple[int, int]]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    starts, stops = zip(*wanted, strict=True)
    return np.array(starts, "q"), np.array(stops, "q")


def gathered(file: ReadableFile | MinuteFile, wanted: list[tuple[int, int]]) -> bytes:
    buffer = ExtentBuffer(*columns(wanted))
    file.gather(buffer, 0, len(wanted))
    return buffer.data()


def expected(wanted: list[tuple[int, int]]) -> bytes:
    return b"".join([CONTENT[start:stop] for start, stop in wanted])


@settings(deadline=None)
@given(extents())
def test_extents_of_a_file(wanted: list[tuple[int, int]]) -> None:
    """However far apart they lie, and in any order."""
    with TemporaryDirectory() as directory:
        path = Path(directory, "file")
        path.write_bytes(CONTENT)
        with Disk().open_to_read(str(path)) as file:
            assert gathered(file, wanted) == expected(wanted)


@pytest.mark.parametrize("extents_max", [1, 7, 512])
def test_many_extents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, extents_max: int) -> None:
    """Each a byte, with a byte between them; however many are read by one call."""
    monkeypatch.setattr("store.disk.vectored._EXTENTS_MAX", extents_max)
    (tmp_path / "file").write_bytes(CONTENT)
    many = [(start, start + 1) for start in range(0, 6000, 2)]
    with Disk().open_to_read(str(tmp_path / "file")) as file:
        assert gathered(file, many) == expected(many)


@pytest.mark.parametrize("size", [-1, 0, 10])
def test_a_call_that_reads_less(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """After an interruption or an error, each extent is read by itself."""
    monkeypatch.setattr("store.disk.vectored.preadv", lambda *_arguments: size)
    (tmp_path / "file").write_bytes(CONTENT)
    wanted = [(10, 30), (40, 50), (90, 190)]
    with Disk().open_to_read(str(tmp_path / "file")) as file:
        assert gathered(file, wanted) == expected(wanted)


def test_an_extent_that_stops_before_it_starts() -> None:
    """It is refused: the system would write its length, as a number without a sign."""
    with pytest.raises(ValueError, match="before it starts"):
        ExtentBuffer(*columns([(0, 5), (9, 8)]))


@pytest.mark.parametrize("stops", [(50, 101), (100, 301), (250, 300)])
def test_a_file_that_ends_before(tmp_path: Path, stops: tuple[int, int]) -> None:
    """It is an error: fewer bytes would move all that come after them."""
    (tmp_path / "file").write_bytes(CONTENT[:100])
    with (
        Disk().open_to_read(str(tmp_path / "file")) as file,
        pytest.raises(EventReadException, match="ends before byte"),
    ):
        gathered(file, [(10, stops[0]), (stops[0] + 1, stops[1])])


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    with (
        Disk().open_to_read(str(tmp_path)) as directory,
        pytest.raises(EventReadException, match="Is a directory"),
    ):
        gathered(directory, [(0, 1), (2, 3)])


@settings(deadline=None)
@given(extents().filter(ascends), st.integers(0, len(CONTENT)))
def test_a_minute_file(wanted: list[tuple[int, int]], stored_size: int) -> None:
    """Part of it is in the file, the rest in the log."""
    with TemporaryDirectory() as directory, FilesOnDisk(directory) as files:
        file = files.open("0-60")
        files.write(file, CONTENT[:stored_size])
        files.flush(file)
        files.write(file, CONTENT[stored_size:])
        assert gathered(file, wanted) == expected(wanted)
        with pytest.raises(EventReadException, match="ends before byte"):
            gathered(file, [*wanted, (len(CONTENT), len(CONTENT) + 1)])

"""Minute files: names, bytes, and which of them holds a time."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import DataFile, FileIndex, MemoryFile
from store.minutes.names import parse_name

spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))),
    unique=True,
    max_size=8,
)
moments = st.integers(0, 70) | st.floats(0, 70)


def index_of(names: Iterable[tuple[int, int]], directory: str) -> FileIndex:
    index = FileIndex(directory)
    for start, end in names:
        index.add_file(f"{start}-{end}")
    return index


class TestMemoryFile:
    def test_write_and_flush(self, tmp_path: Path) -> None:
        """The file is there after the flush, all of it, and the stream is a copy."""
        file = MemoryFile("1-2", str(tmp_path))
        file.write(b"one ")
        file.write(b"two")
        stream = file.stream()
        assert not (tmp_path / "1-2").exists()
        file.flush()
        assert (tmp_path / "1-2").read_bytes() == b"one two" == stream.getvalue()
        file.write(b" three")
        assert stream.getvalue() == b"one two"
        assert file.stream().getvalue() == b"one two three"
        assert (tmp_path / "1-2").read_bytes() == b"one two"
        file.flush()
        assert (tmp_path / "1-2").read_bytes() == b"one two three"
        assert [path.name for path in tmp_path.iterdir()] == ["1-2"]

    def test_it_continues_what_is_there(self, tmp_path: Path) -> None:
        """The bytes of before stay in front."""
        (tmp_path / "1-2").write_bytes(b"before ")
        file = MemoryFile("1-2", str(tmp_path))
        assert file.size == 7
        file.write(b"after")
        file.flush()
        assert (tmp_path / "1-2").read_bytes() == b"before after"

    def test_an_empty_file_is_made(self, tmp_path: Path) -> None:
        """A flush of nothing makes the file, once."""
        file = MemoryFile("1-2", str(tmp_path))
        file.flush()
        assert (tmp_path / "1-2").read_bytes() == b""

    @given(st.lists(st.binary(max_size=30) | st.none(), max_size=10), st.data())
    def test_any_range_at_any_time(self, steps: list[bytes | None], data: st.DataObject) -> None:
        """Flushed or not, a range is what was written there; None stands for a flush."""
        with TemporaryDirectory() as directory:
            file = MemoryFile("1-2", directory)
            written = b""
            for step in steps:
                if step is None:
                    file.flush()
                    assert Path(directory, "1-2").read_bytes() == written
                else:
                    file.write(step)
                    written += step
                offset = data.draw(st.integers(0, len(written) + 3))
                size = data.draw(st.integers(0, len(written) + 3))
                assert file.read(offset, size) == written[offset : offset + size]
                assert file.size == len(written)

    def test_threads(self, tmp_path: Path) -> None:
        """Writers, flushes and readers at once: nothing is lost or torn."""
        file = MemoryFile("1-2", str(tmp_path))
        stop = threading.Event()

        def flush() -> None:
            while not stop.is_set():
                file.flush()

        def read() -> None:
            while not stop.is_set():
                lines = file.stream().getvalue().split(b"\n")[:-1]
                assert all(len(line) == 8 for line in lines)

        def write(writer: int) -> None:
            for number in range(500):
                file.write(b"%d %6d\n" % (writer, number))

        with ThreadPoolExecutor() as pool:
            others = [pool.submit(flush), pool.submit(read)]
            writers = [pool.submit(write, writer) for writer in range(4)]
            for writer in writers:
                writer.result()
            stop.set()
            for other in others:
                other.result()
        file.flush()
        lines = (tmp_path / "1-2").read_bytes().split(b"\n")[:-1]
        assert sorted(lines) == sorted(b"%d %6d" % (w, n) for w in range(4) for n in range(500))


class TestNames:
    @pytest.mark.parametrize(
        ("name", "span"),
        [
            ("0-60", (0, 60)), ("5-5", (5, 5)), ("1763800000-1763800060", (1763800000, 1763800060)),
            ("60-0", None), ("", None), ("1-2.bak", None), ("01-2", None), ("-1-2", None), ("1-2-3", None),
            ("1.5-2", None), (" 1-2", None), ("1-2\n", None), ("\u0661-2", None),
        ],
    )  # fmt: skip
    def test_parse_name(self, name: str, span: tuple[int, int] | None) -> None:
        """Only what a store writes itself is the name of a minute file."""
        assert parse_name(name) == span


class TestFileIndex:
    def test_it_lists_a_directory(self, tmp_path: Path) -> None:
        """Sorted by start; other names are not there."""
        for name in ("100-160", "20-80", "9-10", "9-10.bak", "x"):
            (tmp_path / name).write_text("")
        (tmp_path / "1-2").mkdir()
        index = FileIndex(str(tmp_path))
        assert [file.start for file in index.files] == [9, 20, 100]
        assert index.files[0] == DataFile(str(tmp_path / "9-10"), 9, 10)

    def test_files_is_a_copy(self, tmp_path: Path) -> None:
        """What the caller does to the list is the caller's."""
        index = index_of([(1, 2)], str(tmp_path))
        index.files.clear()
        assert len(index.files) == 1

    @given(spans, moments, moments)
    def test_find_agrees_with_looking_at_every_file(
        self, names: list[tuple[int, int]], ts_from: float, ts_to: float
    ) -> None:
        """Overlapping files included; 0 and None are open ends; None when there are none."""
        with TemporaryDirectory() as directory:
            index = index_of(names, directory)
            assert [(file.start, file.end) for file in index.files] == sorted(names)
            for end in (ts_to, 0, None):
                expected = [
                    (start, stop)
                    for start, stop in sorted(names)
                    if stop >= ts_from and (not end or start <= end)
                ]
                found = index.find(ts_from, end)
                assert [(file.start, file.end) for file in found or []] == expected
                assert found is None or expected

    @given(spans, moments)
    def test_find_event_file_agrees_too(self, names: list[tuple[int, int]], ts: float) -> None:
        """The first file that ends at or after a time, None outside of the whole span."""
        with TemporaryDirectory() as directory:
            found = index_of(names, directory).find_event_file(ts)
            inside = names and min(names)[0] <= ts <= max(end for _, end in names)
            if not inside:
                assert found is None
            else:
                expected = next(pair for pair in sorted(names) if pair[1] >= ts)
                assert found is not None
                assert (found.start, found.end) == expected

    @given(spans, st.lists(moments, max_size=12))
    def test_a_home_holds_its_event(self, names: list[tuple[int, int]], times: list[float]) -> None:
        """New files hold their event, span at most a minute, and overlap no other."""
        with TemporaryDirectory() as directory:
            index = index_of(names, directory)
            for ts in times:
                before = index.files
                start, end = index.find_home(ts)
                assert start <= ts < end
                if index.has(start, end):
                    continue
                assert start == int(ts)
                assert end <= start + 60
                # An event in the same second as an older file's end may find that second taken.
                assert all(other.end <= max(start, ts) or other.start >= end for other in before)
                index.add_file(f"{start}-{end}")

    @given(spans, st.data())
    def test_removal(self, names: list[tuple[int, int]], data: st.DataObject) -> None:
        """An index that lost files is the same as one that never had them."""
        with TemporaryDirectory() as directory:
            index = index_of(names, directory)
            gone = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
            for start, end in gone:
                index.remove_file(f"{start}-{end}")
            index.remove_file("99-100")
            rest = index_of([name for name in names if name not in gone], directory)
            assert index.files == rest.files
            assert list(index._latest_ends) == list(rest._latest_ends)

    def test_adding_again_and_adding_strays(self, tmp_path: Path) -> None:
        """Neither changes anything."""
        index = index_of([(1, 2), (1, 2)], str(tmp_path))
        index.add_file("1-2.bak")
        assert len(index.files) == 1

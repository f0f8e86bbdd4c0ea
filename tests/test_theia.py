"""The classes that only users of theia's programming interface call, and that theia has as well."""

import threading
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from theia.naivestore import FileIndex as TheiaFileIndex
from theia.naivestore import MemoryFile as TheiaMemoryFile
from theia.naivestore import PeriodicTimer as TheiaTimer

from store import DataFile, EventReadException, FileIndex, MemoryFile, PeriodicTimer
from tests.waiting import eventually

spans = st.lists(
    st.tuples(st.integers(0, 40), st.integers(0, 20)).map(lambda pair: (pair[0], sum(pair))),
    unique=True,
    max_size=8,
)
times = st.integers(0, 70) | st.floats(0, 70)


def index_of(names: Iterable[tuple[int, int]], directory: str) -> FileIndex:
    index = FileIndex(directory)
    for start, end in names:
        index.add_file(f"{start}-{end}")
    return index


def public_names(instance: object) -> set[str]:
    return {name for name in dir(instance) if not name.startswith("_")}


class TestMemoryFile:
    def test_write_and_flush(self, tmp_path: Path) -> None:
        """All of the file is there after the flush, and the stream is a copy."""
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

    def test_it_continues_the_file_that_is_there(self, tmp_path: Path) -> None:
        """Its bytes stay at the start, and it keeps its permissions."""
        (tmp_path / "1-2").write_bytes(b"before ")
        (tmp_path / "1-2").chmod(0o600)
        file = MemoryFile("1-2", str(tmp_path))
        file.write(b"after")
        file.flush()
        assert (tmp_path / "1-2").read_bytes() == b"before after"
        assert (tmp_path / "1-2").stat().st_mode & 0o777 == 0o600

    def test_an_empty_file_is_made(self, tmp_path: Path) -> None:
        """By a flush without a write."""
        MemoryFile("1-2", str(tmp_path)).flush()
        assert (tmp_path / "1-2").read_bytes() == b""

    def test_it_has_the_attributes_of_theias(self, tmp_path: Path) -> None:
        """A write to the buffer under the lock is flushed like any other."""
        file = MemoryFile("1-2", str(tmp_path))
        theirs = TheiaMemoryFile("1-2", str(tmp_path))
        assert public_names(file) >= public_names(theirs)
        assert (file.name, file.path) == (theirs.name, theirs.path)
        with file.lock:
            file.buffer.write(b"directly, ")
            file.write(b"again")
        assert file.buffer.getvalue() == b"directly, again"
        file.flush()
        assert (tmp_path / "1-2").read_bytes() == b"directly, again"

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


class Weekly(FileIndex):
    """An index of files with names of its own."""

    def _load_data_file(self, name: str) -> DataFile | None:
        if not name.startswith("week-"):
            return None
        week = int(name.removeprefix("week-"))
        return DataFile(f"{self.root}/{name}", week * 10, week * 10 + 9)


class Fixed(FileIndex):
    """An index that does not list its directory."""

    def _load_files(self, root_dir: str) -> list[DataFile]:
        return [DataFile(f"{root_dir}/1-2", 1, 2)]


class TestFileIndex:
    def test_it_lists_a_directory(self, tmp_path: Path) -> None:
        """Sorted by start, without other names."""
        for name in ("100-160", "20-80", "9-10", "9-10.bak", "x", "5-4", "01-60"):
            (tmp_path / name).write_text("")
        (tmp_path / "1-2").mkdir()
        index = FileIndex(str(tmp_path))
        assert [file.start for file in index.files] == [9, 20, 100]
        assert index.files[0] == DataFile(str(tmp_path / "9-10"), 9, 10)

    def test_a_directory_that_is_missing(self, tmp_path: Path) -> None:
        """It is an error rather than an index without files."""
        with pytest.raises(EventReadException):
            FileIndex(str(tmp_path / "missing"))

    def test_files_is_a_copy(self, tmp_path: Path) -> None:
        """Changes to the list do not reach the index; another list can be set."""
        index = index_of([(1, 2)], str(tmp_path))
        index.files.clear()
        assert len(index.files) == 1
        index.files = [DataFile("b", 3, 4), DataFile("a", 1, 2)]
        assert [file.path for file in index.files] == ["a", "b"]

    def test_methods_to_override(self, tmp_path: Path) -> None:
        """Those of theia: which files there are, and what their names mean."""
        for name in ("week-2", "week-1", "1-2"):
            (tmp_path / name).write_text("")
        index = Weekly(str(tmp_path))
        index.add_file("week-0")
        index.add_file("5-6")
        assert [(file.start, file.end) for file in index.files] == [(0, 9), (10, 19), (20, 29)]
        assert index.find_event_file(15) == DataFile(str(tmp_path / "week-1"), 10, 19)
        (empty := tmp_path / "empty").mkdir()
        assert public_names(index) >= public_names(TheiaFileIndex(str(empty)))
        assert Fixed("nowhere").find(0, 0) == [DataFile("nowhere/1-2", 1, 2)]

    @given(spans, times, times)
    def test_find_returns_every_file_of_the_range(
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

    @given(spans, times)
    def test_find_event_file(self, names: list[tuple[int, int]], ts: float) -> None:
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

    def test_adding_again_and_adding_strays(self, tmp_path: Path) -> None:
        """Neither changes anything."""
        index = index_of([(1, 2), (1, 2)], str(tmp_path))
        index.add_file("1-2.bak")
        assert len(index.files) == 1


class TestPeriodicTimer:
    def test_it_runs_until_it_is_cancelled(self) -> None:
        """As its attributes say, which are theia's."""
        calls: list[int] = []

        def act() -> None:
            calls.append(1)

        timer = PeriodicTimer(0.001, act)
        assert public_names(timer) >= public_names(TheiaTimer(1, act))
        assert (timer.interval, timer.action, timer.is_running) == (0.001, act, False)
        timer.start()
        assert timer.is_running
        eventually(lambda: len(calls) > 2)
        timer.cancel()
        assert not timer.is_running
        timer.join(10)
        assert not timer.is_alive()

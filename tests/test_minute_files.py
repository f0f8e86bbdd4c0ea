"""Minute files: their names, their bytes, and how they are flushed."""

import os
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.errors import EventReadException, EventWriteException, FileChanged
from store.minutes.file import StoredFile
from store.minutes.names import parse_name
from store.ticks import TICKS_MAX, TICKS_PER_S
from tests.changes import append, content_of, cut_short, edit, remove, replace
from tests.faults import Fate, FaultyDisk
from tests.minutes import FilesOnDisk


@pytest.mark.parametrize(
    ("name", "span"),
    [
        ("0-60", (0, 60)), ("5-5", (5, 5)), ("1763800000-1763800060", (1763800000, 1763800060)),
        ("60-0", None), ("", None), ("1-2.bak", None), ("01-2", None), ("-1-2", None), ("1-2-3", None),
        ("1.5-2", None), (" 1-2", None), ("1-2\n", None), ("\u0661-2", None),
        (f"0-{TICKS_MAX // TICKS_PER_S + 60}", (0, TICKS_MAX // TICKS_PER_S + 60)), (f"0-{TICKS_MAX // TICKS_PER_S + 61}", None),
        (f"0-{10**300}", None),
    ],
)  # fmt: skip
def test_parse_name(name: str, span: tuple[int, int] | None) -> None:
    """Only what a store writes itself is the name of a minute file, and no time in it is beyond the last tick."""
    assert parse_name(name) == span


class TestFlush:
    """A minute file is replaced as a whole, and continues the one that is there."""

    def test_a_flush(self, tmp_path: Path) -> None:
        """The file has everything after it, and lasts; the log has what came after that."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"one ", b"two")
            assert (file.stored_size, file.size, file.tail()) == (0, 7, b"one two")
            assert not (tmp_path / "0-60").exists()
            files.flush(file)
            assert (tmp_path / "0-60").read_bytes() == b"one two"
            assert file.stat == files.disk.stat(str(tmp_path / "0-60"))
            files.write(file, b" three")
            assert (file.stored_size, file.size, file.tail()) == (7, 13, b" three")
            assert (tmp_path / "0-60").read_bytes() == b"one two"
            files.flush(file)
            assert (tmp_path / "0-60").read_bytes() == b"one two three"
            assert file.prepare_flush() is None
            assert sorted(path.name for path in tmp_path.iterdir()) == [".theiafs", "0-60"]

    def test_a_file_continues_the_one_that_is_there(self, tmp_path: Path) -> None:
        (tmp_path / "0-60").write_bytes(b"before ")
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            assert file.size == 7
            files.write(file, b"after")
            files.flush(file)
        assert (tmp_path / "0-60").read_bytes() == b"before after"

    @settings(deadline=None)
    @given(st.lists(st.binary(max_size=30) | st.none(), max_size=10), st.data())
    def test_any_range_at_any_time(self, steps: list[bytes | None], data: st.DataObject) -> None:
        """Flushed or not, a range is what was written there; None stands for a flush."""
        with TemporaryDirectory() as directory, FilesOnDisk(directory) as files:
            file, other = files.open("0-60"), files.open("60-120")
            written = b""
            for step in steps:
                files.write(other, b"between " * data.draw(st.sampled_from([0, 1, 1000])))
                if step is None:
                    files.flush(file)
                    assert not written or Path(directory, "0-60").read_bytes() == written
                else:
                    files.write(file, step)
                    written += step
                offset = data.draw(st.integers(0, len(written) + 3))
                size = data.draw(st.integers(0, len(written) + 3))
                assert file.read(offset, size) == written[offset : offset + size]
                assert file.size == len(written)

    def test_a_flush_of_many_costs_one_sync_each_and_one_more(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with FilesOnDisk(str(tmp_path)) as files:
            opened = [files.open(f"{start}-{start + 1}") for start in range(20)]
            for file in opened:
                files.write(file, b"event")
            synced: list[int] = []
            monkeypatch.setattr(os, "fsync", synced.append)
            files.flush(*opened)
            assert len(synced) == 21

    def test_a_flush_that_is_discarded(self, tmp_path: Path) -> None:
        """Nothing has changed."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"event")
            prepared = file.prepare_flush()
            assert prepared is not None
            prepared.discard()
            assert [path.name for path in tmp_path.iterdir()] == [".theiafs"]
            assert files.content("0-60") == b"event"

    def test_a_directory_that_cannot_be_synced(self, tmp_path: Path) -> None:
        """The tail stays in the log, and the next flush writes it again, once."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            for data in (b"one ", b"two "):
                files.write(file, data)
                prepared = file.prepare_flush()
                assert prepared is not None
                prepared.commit()
            assert file.stored_size == 0
            assert files.content("0-60") == b"one two "
            files.flush(file)
            assert (tmp_path / "0-60").read_bytes() == b"one two "

    def test_a_flush_just_before_the_file_is_opened(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The file that is opened is not the one that was known; it is no other program's for that."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"one ")
            files.flush(file)
            files.write(file, b"two ")
            prepared = file.prepare_flush()
            assert prepared is not None
            opened = files.disk.open_to_read

            def open_to_read(path: str) -> ReadableFile:
                # The new file is in place, and that is not noted yet.
                monkeypatch.setattr(files.disk, "open_to_read", opened)
                monkeypatch.setattr(file, "replaced", lambda _stat: None)
                prepared.commit()
                return opened(path)

            monkeypatch.setattr(files.disk, "open_to_read", open_to_read)
            assert files.content("0-60") == b"one two "

    def test_readers_during_flushes(self, tmp_path: Path) -> None:
        """Writers, flushes and readers at once, while the log keeps nothing: nothing is lost or torn."""
        with FilesOnDisk(str(tmp_path), keep_s=0) as files:
            file = files.open("0-60")
            stop = threading.Event()
            write_lock = threading.Lock()

            def flush() -> None:
                while not stop.is_set():
                    files.flush(file)
                    files.log.rotate()
                    files.log.sync()

            def read() -> None:
                while not stop.is_set():
                    lines = files.content("0-60").split(b"\n")[:-1]
                    assert all(len(line) == 8 for line in lines)

            def write(writer: int) -> None:
                for number in range(300):
                    with write_lock:
                        files.write(file, b"%d %6d\n" % (writer, number))

            with ThreadPoolExecutor() as pool:
                others = [pool.submit(flush), pool.submit(read), pool.submit(read)]
                writers = [pool.submit(write, writer) for writer in range(4)]
                for writer in writers:
                    writer.result()
                stop.set()
                for other in others:
                    other.result()
            files.flush(file)
        lines = (tmp_path / "0-60").read_bytes().split(b"\n")[:-1]
        assert sorted(lines) == sorted(b"%d %6d" % (w, n) for w in range(4) for n in range(300))

    def test_each_operation_may_fail(self) -> None:
        """A flush that fails loses nothing, and the next one makes up for it."""
        operations = 0
        while True:
            operations += 1
            disk = FaultyDisk()
            with FilesOnDisk("/s", disk) as files:
                first, second = files.open("0-60"), files.open("60-120")
                files.write(first, b"one ")
                files.flush(first)
                files.write(first, b"two ")
                files.write(second, b"three ")
                disk.failing = range(disk.operations + operations, disk.operations + operations + 1)
                failed = False
                try:
                    files.flush(first, second)
                except (EventReadException, EventWriteException):
                    failed = True
                failures = disk.failures
                disk.failing = range(0)
                assert files.content("0-60") == b"one two "
                assert files.content("60-120") == b"three "
                files.flush(first, second)
                assert disk.content("/s/0-60") == b"one two "
                assert disk.content("/s/60-120") == b"three "
            survived = disk.after_a_power_cut(Fate("dropped"))
            assert survived.content("/s/0-60") == b"one two "
            assert survived.content("/s/60-120") == b"three "
            if not failures:
                assert not failed
                return


class TestChangesByOthers:
    """A file that another program changed is not the one that is known."""

    @pytest.mark.parametrize("change", [remove, replace, cut_short])
    def test_bytes_that_are_gone(self, tmp_path: Path, change: Callable[[Path], None]) -> None:
        """They cannot be read; what is not flushed can."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"event")
            files.flush(file)
            files.write(file, b"tail")
            stat = file.stat
            assert stat is not None
            stored = StoredFile("0-60", str(tmp_path), Disk(), stat)
            assert stored.read(0, 100) == b"event"
            change(tmp_path / "0-60")
            for opened in (file, stored):
                with pytest.raises(EventReadException):
                    opened.read(0, 5)
            assert file.read(5, 4) == b"tail" == file.tail()
            assert stored.tail() == b""

    def test_bytes_that_were_appended_are_noticed(self, tmp_path: Path) -> None:
        """The file is not the one that is known until its FileStat is."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"event")
            files.flush(file)
            append(tmp_path / "0-60")
            with pytest.raises(EventReadException):
                file.read(0, 100)
            stat = Disk().stat(str(tmp_path / "0-60"))
            assert stat is not None
            file.accept(stat)
            assert file.read(0, 100) == b"event"

    @pytest.mark.parametrize("change", [remove, replace, cut_short, append, edit])
    @pytest.mark.parametrize("is_late", [False, True])
    def test_a_flush_changes_nothing(
        self, tmp_path: Path, change: Callable[[Path], None], is_late: bool
    ) -> None:
        """Before and after it was prepared: a file that was removed stays removed."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"event")
            files.flush(file)
            files.write(file, b"tail")
            path = tmp_path / "0-60"
            prepared = file.prepare_flush() if is_late else None
            change(path)
            content = content_of(path)
            with pytest.raises(FileChanged):
                (prepared.commit if prepared is not None else file.prepare_flush)()
            assert content_of(path) == content
            if prepared is not None:
                prepared.discard()
            assert not (tmp_path / ".0-60.tmp").exists()
            assert file.tail() == b"tail"

    def test_a_file_that_appears_before_the_first_flush(self, tmp_path: Path) -> None:
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open("0-60")
            files.write(file, b"event")
            (tmp_path / "0-60").write_bytes(b"other")
            prepared = file.prepare_flush()
            assert prepared is not None
            with pytest.raises(FileChanged):
                prepared.commit()
            assert (tmp_path / "0-60").read_bytes() == b"other"
            assert file.tail() == b"event"

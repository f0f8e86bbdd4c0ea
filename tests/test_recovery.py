"""Recovery: what a log that a process left gives back, once, in its own store and in a copy of it."""

import logging
import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from store.disk.disk import Disk
from store.disk.file import WritableFile
from store.errors import EventWriteException, StoreFull
from store.wal.segment import LogRecord
from tests.changes import append, cut_short, edit, remove, replace
from tests.doubles import CountingDisk
from tests.faults import Fate, FaultyDisk
from tests.minutes import FilesOnDisk

MINUTE = "0-60"
FORMAT_1 = Path(__file__).parent / "data" / "format-1"


def events(first: int, last: int) -> list[bytes]:
    return [b"event %05d\n" % number for number in range(first, last)]


def joined(first: int, last: int) -> bytes:
    return b"".join(events(first, last))


class TestInTheSameDirectory:
    """The store is opened where it was left."""

    def test_unflushed_records(self, tmp_path: Path) -> None:
        """They are read from the log until they are flushed, however often it is opened before."""
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.flush(files.open(MINUTE))
            files.write(files.open(MINUTE), *events(5, 10))
            files.write(files.open("60-120"), *events(20, 30))
        for _ in range(2):
            with FilesOnDisk(str(tmp_path)) as files:
                assert sorted(files.files) == [MINUTE, "60-120"]
                assert files.files[MINUTE].stored_size == len(joined(0, 5))
                assert files.content(MINUTE) == joined(0, 10)
                assert files.content("60-120") == joined(20, 30)
                assert (tmp_path / MINUTE).read_bytes() == joined(0, 5)
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(10, 15))
            assert files.content(MINUTE) == joined(0, 15)
        with FilesOnDisk(str(tmp_path)) as files:
            assert files.content(MINUTE) == joined(0, 15)
            files.flush(*files.files.values())
        assert (tmp_path / MINUTE).read_bytes() == joined(0, 15)
        assert (tmp_path / "60-120").read_bytes() == joined(20, 30)
        with FilesOnDisk(str(tmp_path)) as files:
            assert not files.files

    def test_opening_writes_nothing(self, tmp_path: Path) -> None:
        """So it needs no room."""
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.flush(files.open(MINUTE))
            files.write(files.open(MINUTE), *events(5, 10))
        before = contents(tmp_path)
        FilesOnDisk(str(tmp_path)).close()
        assert contents(tmp_path) == before

    def test_opening_makes_them_durable(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The process that wrote them may have ended before it synced them."""
        journal = tmp_path / ".theiafs" / "journal"
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
        synced: list[str] = []
        sync = Disk._sync

        def noted(disk: Disk, path: str, flags: int) -> None:
            synced.append(path)
            sync(disk, path, flags)

        monkeypatch.setattr(Disk, "_sync", noted)
        with FilesOnDisk(str(tmp_path)) as files:
            assert synced == [str(journal / "000000000001"), str(journal)]
            files.flush(*files.files.values())
            files.log.sync()
        synced.clear()
        FilesOnDisk(str(tmp_path)).close()
        assert synced == [str(journal)]

    def test_what_was_flushed_and_removed_stays_removed(self, tmp_path: Path) -> None:
        """Its records are still in the log, marked as flushed."""
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.write(files.open("60-120"), *events(0, 5))
            files.flush(files.open(MINUTE), files.open("60-120"))
            (tmp_path / MINUTE).unlink()
            files.write(files.open("60-120"), *events(5, 10))
        (tmp_path / "60-120").unlink()
        with FilesOnDisk(str(tmp_path)) as files:
            assert list(files.files) == ["60-120"]
            assert files.content("60-120") == joined(5, 10)  # it was saved after the file
            assert files.files["60-120"].stored_size == 0
            files.flush(*files.files.values())
        with FilesOnDisk(str(tmp_path)) as files:
            assert not files.files

    def test_a_kill_before_the_marks(self, tmp_path: Path) -> None:
        """The file shows what was flushed; after one opening the marks say so, too."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open(MINUTE)
            files.write(file, *events(0, 5))
            prepared = file.prepare_flush()
            assert prepared is not None
            files.write(file, *events(5, 10))
            prepared.commit()
        with FilesOnDisk(str(tmp_path)) as files:
            assert files.content(MINUTE) == joined(0, 10)
            assert files.files[MINUTE].tail() == joined(5, 10)
        (tmp_path / MINUTE).unlink()
        with FilesOnDisk(str(tmp_path)) as files:
            assert files.content(MINUTE) == joined(5, 10)

    @pytest.mark.parametrize(
        ("change", "expected"),
        [
            (remove, joined(5, 10)),
            (replace, b"other\n" + joined(5, 10)),
            (cut_short, b"ev\n" + joined(5, 10)),
            (append, joined(0, 5) + b"more\n" + joined(5, 10)),
            (edit, b"X" + joined(0, 5)[1:] + joined(5, 10)),
        ],
    )
    def test_a_file_that_was_changed_meanwhile(
        self, tmp_path: Path, change: Callable[[Path], None], expected: bytes
    ) -> None:
        """It gets what it lacks at its end, on a line of its own, once."""
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.flush(files.open(MINUTE))
            files.write(files.open(MINUTE), *events(5, 10))
        change(tmp_path / MINUTE)
        for _ in range(2):
            with FilesOnDisk(str(tmp_path)) as files:
                assert files.content(MINUTE) == expected
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(10, 12))
            prepared = files.open(MINUTE).prepare_flush()
            assert prepared is not None
            prepared.commit()  # and no mark
        for _ in range(2):
            with FilesOnDisk(str(tmp_path)) as files:
                assert files.content(MINUTE) == expected + joined(10, 12)

    def test_a_reset(self, tmp_path: Path) -> None:
        """The records before it do not come back, those from it on do."""
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open(MINUTE)
            files.write(file, *events(0, 5))
            files.write(files.open("60-120"), *events(0, 5))
            files.log.reset({MINUTE: joined(3, 5), "60-120": b""})
            files.log.append([LogRecord(MINUTE, len(joined(3, 5)), joined(5, 6))])
        with FilesOnDisk(str(tmp_path)) as files:
            assert list(files.files) == [MINUTE]
            assert files.content(MINUTE) == joined(3, 6)

    def test_a_reset_that_was_never_durable(self, tmp_path: Path) -> None:
        """A loss of power takes it back after the next process flushed what it left: nothing is doubled."""
        segment = tmp_path / ".theiafs" / "journal" / "000000000001"
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.flush(files.open(MINUTE))
            files.write(files.open(MINUTE), *events(5, 10))
            (tmp_path / MINUTE).unlink()
            files.write(files.open("60-120"), *events(0, 5))
            prepared = files.open("60-120").prepare_flush()
            assert prepared is not None
            prepared.commit()  # the next opening marks it, before anything is flushed
            size = segment.stat().st_size
            files.log.reset({MINUTE: joined(5, 10)})
        with FilesOnDisk(str(tmp_path)) as files:
            files.flush(*files.files.values())
            assert files.content(MINUTE) == joined(5, 10)
        os.truncate(segment, size)
        with FilesOnDisk(str(tmp_path)) as files:
            assert files.content(MINUTE) == joined(5, 10)

    def test_a_full_disk(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """The log is opened and serves everything, and is flushed when there is room."""
        disk = FaultyDisk()
        with FilesOnDisk("/s", disk) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            prepared = files.open(MINUTE).prepare_flush()
            assert prepared is not None
            files.write(files.open(MINUTE), *events(5, 10))
            prepared.commit()
            files.write(files.open("60-120"), *events(0, 10))
        disk = disk.after_a_power_cut(Fate("kept"))

        def refuse(path: str) -> WritableFile:
            raise StoreFull(path)

        create = disk.create
        monkeypatch.setattr(disk, "create", refuse)
        with FilesOnDisk("/s", disk) as files:
            assert files.content(MINUTE) == joined(0, 10)
            assert files.content("60-120") == joined(0, 10)
            with pytest.raises(EventWriteException):
                files.flush(*files.files.values())
            assert files.content(MINUTE) == joined(0, 10)
            monkeypatch.setattr(disk, "create", create)
            files.flush(*files.files.values())
        assert disk.content(f"/s/{MINUTE}") == disk.content("/s/60-120") == joined(0, 10)

    def test_torn_bytes_are_put_aside(self, tmp_path: Path) -> None:
        """Once, however often it is opened; every whole record is there."""
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
        segment = tmp_path / ".theiafs" / "journal" / "000000000001"
        with segment.open("ab") as torn:
            torn.write(b"torn bytes")
        for _ in range(2):
            with FilesOnDisk(str(tmp_path)) as files:
                assert files.content(MINUTE) == joined(0, 5)
                aside = list((tmp_path / ".theiafs" / "quarantine").iterdir())
                assert [path.read_bytes() for path in aside] == [b"torn bytes"]
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(5, 10))
        with FilesOnDisk(str(tmp_path)) as files:
            assert files.content(MINUTE) == joined(0, 10)

    def test_a_damaged_record(self, tmp_path: Path) -> None:
        """It costs no other; those after it go to the end of the file."""
        with FilesOnDisk(str(tmp_path)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
        segment = tmp_path / ".theiafs" / "journal" / "000000000001"
        content = segment.read_bytes()
        segment.write_bytes(content.replace(b"event 00002", b"event 0000X"))
        for _ in range(2):
            with FilesOnDisk(str(tmp_path)) as files:
                assert files.content(MINUTE) == joined(0, 2) + joined(3, 5)

    def test_what_a_crash_left(self, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
        """Temporary files are removed, others not, and only what is removed is logged."""
        caplog.set_level(logging.INFO)
        journal = tmp_path / ".theiafs" / "journal"
        FilesOnDisk(str(tmp_path)).close()
        (tmp_path / ".0-60.tmp").write_bytes(b"")
        (journal / "000000000001.tmp").write_bytes(b"")
        (journal / ".000000000002.tmp").write_bytes(b"")  # of an earlier release
        foreign = [".123456789012.tmp", ".editor.tmp", "123456789012.tmp"]
        for name in foreign:
            (tmp_path / name).write_bytes(b"")
        FilesOnDisk(str(tmp_path)).close()
        assert sorted(contents(tmp_path)) == foreign
        assert list(journal.glob("*.tmp")) == list(journal.glob(".*.tmp")) == []
        messages = [each for each in caplog.messages if "a crash left" in each]
        assert sorted(each.rpartition(" ")[2] for each in messages) == [
            ".0-60.tmp", ".000000000002.tmp", "000000000001.tmp",
        ]  # fmt: skip

    def test_segments_that_are_flushed_are_not_read(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Those after them say so."""
        monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 100)
        with FilesOnDisk(str(tmp_path)) as files:
            file = files.open(MINUTE)
            for number in range(100):
                files.write(file, *events(number, number + 1))
                files.flush(file)
        assert len(list((tmp_path / ".theiafs" / "journal").iterdir())) >= 50
        disk = CountingDisk()
        with FilesOnDisk(str(tmp_path), disk) as files:
            assert not files.files
        assert disk.read_size < 120 * 100

    def test_the_log_continues(self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        """Segments of earlier processes are kept and removed as those of this one."""
        monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 100)
        for number in range(10):
            with FilesOnDisk(str(tmp_path)) as files:
                file = files.open(MINUTE)
                files.write(file, *events(number, number + 1))
                if number % 2:
                    files.flush(file)
        assert (tmp_path / MINUTE).read_bytes() == joined(0, 10)
        with FilesOnDisk(str(tmp_path), keep_s=0) as files:
            assert files.log.usage().kept_size > 0
            assert files.log.usage().window_s >= 0
            files.log.sync()
            files.log.release({})
            assert files.log.usage().kept_size == 0
            assert not files.log._segments


class TestInACopy:
    """The log was written in another directory: it completes the minutes that were copied before a flush."""

    def copy(self, source: Path, target: Path, during: Callable[[], None]) -> None:
        """Copy a store as rsync does: the files of the directory first, then the directories in it."""
        target.mkdir()
        for path in source.iterdir():
            if path.is_file():
                shutil.copy(path, target)
        during()
        shutil.copytree(source / ".theiafs", target / ".theiafs")

    def test_what_was_flushed_while_it_was_copied(self, tmp_path: Path) -> None:
        """It is there: in new minutes, in minutes that were there, and in none twice."""
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        with FilesOnDisk(str(source)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.write(files.open("120-180"), *events(0, 5))
            files.flush(files.open(MINUTE), files.open("120-180"))
            files.write(files.open(MINUTE), *events(5, 10))
            files.write(files.open("60-120"), *events(0, 5))
            files.log.sync()
            self.copy(source, target, lambda: files.flush(*files.files.values()))
        with FilesOnDisk(str(target)) as files:
            assert sorted(files.files) == [MINUTE, "60-120"]
            assert files.content(MINUTE) == joined(0, 10)
            assert files.content("60-120") == joined(0, 5)
            files.flush(*files.files.values())
        assert (target / MINUTE).read_bytes() == (source / MINUTE).read_bytes()
        assert (target / "60-120").read_bytes() == (source / "60-120").read_bytes()
        assert (target / "120-180").read_bytes() == joined(0, 5)

    def test_what_is_removed_from_the_copy_stays_removed(self, tmp_path: Path) -> None:
        """From its first opening on, flushed before or after."""
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        with FilesOnDisk(str(source)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.flush(files.open(MINUTE))
            files.write(files.open("60-120"), *events(0, 5))
            self.copy(source, target, lambda: files.flush(files.open("60-120")))
        with FilesOnDisk(str(target)) as files:
            assert list(files.files) == ["60-120"]
            files.flush(files.open("60-120"))
        (target / MINUTE).unlink()
        (target / "60-120").unlink()
        for _ in range(2):
            with FilesOnDisk(str(target)) as files:
                assert not files.files

    def test_what_was_removed_before_does_not_come_back(self, tmp_path: Path) -> None:
        """A reset says so."""
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        with FilesOnDisk(str(source)) as files:
            files.write(files.open(MINUTE), *events(0, 5))
            files.flush(files.open(MINUTE))
            (source / MINUTE).unlink()
            files.log.reset({MINUTE: b""})
            self.copy(source, target, lambda: None)
        with FilesOnDisk(str(target)) as files:
            assert not files.files

    def test_records_of_which_the_first_are_gone(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """The others complete the minute all the same."""
        monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 100)
        source, target = tmp_path / "source", tmp_path / "target"
        source.mkdir()
        with FilesOnDisk(str(source), keep_s=0) as files:
            files.write(files.open(MINUTE), *events(0, 50))
            files.flush(files.open(MINUTE))
            files.log.sync()
            files.log.release({})
            assert files.log.usage().kept_size == 0
        with FilesOnDisk(str(source)) as files:
            files.write(files.open(MINUTE), *events(50, 55))
            self.copy(source, target, lambda: files.flush(files.open(MINUTE)))
        with FilesOnDisk(str(target)) as files:
            assert files.content(MINUTE) == joined(0, 55)


class TestAnEarlierRelease:
    """A store whose log has format 1."""

    @pytest.fixture
    def left(self, tmp_path: Path) -> Path:
        return shutil.copytree(FORMAT_1, tmp_path / "store")

    def test_every_event_is_there_once(self, left: Path) -> None:
        """Served from its log, flushed, and after that; what it had removed stays removed."""
        expected = sorted([*range(8), *range(10, 20)])
        for is_flushed in (False, True, True):
            with FilesOnDisk(str(left)) as files:
                names = {*files.files, *(path.name for path in left.iterdir() if path.is_file())}
                content = b"".join(files.content(name) for name in names)
                found = [int(number) for number in re.findall(rb"\nid:event-(\d+)\n", content)]
                assert sorted(found) == expected
                files.write(files.open("9000-9060"), b"event of this release\n")
                if is_flushed:
                    files.flush(*files.files.values())
        assert (left / "9000-9060").read_bytes() == b"event of this release\n" * 3
        assert not FilesOnDisk(str(left)).files

    def test_an_unfinished_write_is_put_aside(self, left: Path) -> None:
        """With what was there already; the declared tags are untouched."""
        with FilesOnDisk(str(left)):
            aside = (left / ".theiafs" / "quarantine").iterdir()
            assert sorted(path.read_bytes()[:8] for path in aside) == [b"77e9895d", b"ab12 tor"]
            tags = (left / ".theiafs" / "tags").read_text()
            assert tags == "declared\nof an earlier release\n"


def contents(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in directory.rglob("*")
        if path.is_file()
    }

"""The door to the operating system's files: what it follows, how it replaces files, the store's lock, turns."""

import errno
import fcntl
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from store.disk import atomic, renaming
from store.disk.disk import Disk
from store.disk.lock import Lock, Turn
from store.errors import EventReadException, EventWriteException, FileChanged, StoreLocked
from tests.changes import append, content_of, cut_short, edit, remove, replace
from tests.waiting import eventually


@pytest.fixture(params=["renameat2", "rename"])
def disk(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Disk:
    """A disk with, and one without, renames that exchange files or never overwrite one."""
    if request.param == "rename":
        monkeypatch.setattr(renaming, "_renameat2", None)
    return Disk()


class TestLinks:
    def test_a_symbolic_link_is_no_file(self, tmp_path: Path) -> None:
        """It is neither listed nor read, wherever it points."""
        (tmp_path / "file").write_bytes(b"secret")
        directory = tmp_path / "store"
        directory.mkdir()
        (directory / "0-60").symlink_to(tmp_path / "file")
        (directory / "60-120").write_bytes(b"event")
        disk = Disk()
        assert list(disk.list_names(str(directory))) == ["60-120"]
        assert [file.name for file in disk.list_files(str(directory))] == ["60-120"]
        assert disk.stat(str(directory / "0-60")) is None
        with pytest.raises(EventReadException, match="cannot open"):
            disk.open_to_read(str(directory / "0-60"))

    def test_a_fifo_is_no_file(self, tmp_path: Path) -> None:
        """Opening it does not wait for a writer."""
        os.mkfifo(tmp_path / "0-60")
        disk = Disk()
        assert list(disk.list_files(str(tmp_path))) == []
        with (
            disk.open_to_read(str(tmp_path / "0-60")) as file,
            pytest.raises(EventReadException, match="cannot read"),
        ):
            file.read(0, 1)

    def test_a_stat_is_that_of_the_system(self, tmp_path: Path) -> None:
        """By path, in a listing, and of an open file."""
        path = tmp_path / "0-60"
        path.write_bytes(b"event")
        disk, status = Disk(), path.stat()
        found = disk.stat(str(path))
        assert found == ("0-60", 5, status.st_mtime_ns, status.st_ctime_ns, status.st_ino)
        with disk.open_to_read(str(path)) as file:
            assert [file.stat()] == list(disk.list_files(str(tmp_path))) == [found]
        assert disk.stat(str(tmp_path / "none")) is None
        assert disk.stat(str(path / "below")) is None


class TestAtomic:
    """A file is replaced as a whole, and only the one that was read."""

    def prepared(self, disk: Disk, path: Path) -> atomic.Prepared:
        with disk.open_to_read(str(path)) as old:
            return atomic.prepare(disk, str(path), [b" and", b" new"], (old, old.stat()), 3)

    def names(self, directory: Path) -> list[str]:
        return sorted(path.name for path in directory.iterdir())

    def test_a_file_continues_another(self, tmp_path: Path, disk: Disk) -> None:
        """Until it is committed, the old one is there; its permissions last."""
        path = tmp_path / "0-60"
        path.write_bytes(b"old")
        path.chmod(0o640)
        prepared = self.prepared(disk, path)
        assert path.read_bytes() == b"old"
        stat = prepared.commit()
        assert path.read_bytes() == b"old and new"
        assert path.stat().st_mode & 0o777 == 0o640
        assert stat == disk.stat(str(path))
        assert stat.inode == prepared.inode
        assert self.names(tmp_path) == ["0-60"]

    def test_what_was_appended_since_it_was_read_stays(self, tmp_path: Path) -> None:
        """Even if that was before the new file was written."""
        path, disk = tmp_path / "0-60", Disk()
        path.write_bytes(b"old")
        with disk.open_to_read(str(path)) as old:
            known = old.stat()
            with path.open("ab") as file:
                file.write(b" and other")
            prepared = atomic.prepare(disk, str(path), [b" and new"], (old, known), 3)
        with pytest.raises(FileChanged):
            prepared.commit()
        with pytest.raises(FileChanged):
            atomic.remove_known(disk, str(path), known)
        assert path.read_bytes() == b"old and other"
        assert self.names(tmp_path) == ["0-60"]

    def test_a_known_file_is_removed(self, tmp_path: Path, disk: Disk) -> None:
        path = tmp_path / "0-60"
        path.write_bytes(b"old")
        with disk.open_to_read(str(path)) as old:
            atomic.remove_known(disk, str(path), old.stat())
        assert self.names(tmp_path) == []

    def test_a_file_is_new(self, tmp_path: Path, disk: Disk) -> None:
        path = tmp_path / "0-60"
        stat = atomic.prepare(disk, str(path), [b"new"]).commit()
        assert path.read_bytes() == b"new"
        assert stat == disk.stat(str(path))
        assert self.names(tmp_path) == ["0-60"]

    def test_a_file_that_appeared_is_not_overwritten(self, tmp_path: Path, disk: Disk) -> None:
        path = tmp_path / "0-60"
        prepared = atomic.prepare(disk, str(path), [b"new"])
        path.write_bytes(b"of another program")
        with pytest.raises(FileChanged):
            prepared.commit()
        assert path.read_bytes() == b"of another program"
        assert self.names(tmp_path) == ["0-60"]

    def test_a_file_system_without_links(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """A new file gets its name by a check and a rename."""

        def link(old: str, new: str) -> None:
            raise OSError(errno.EPERM, "not here")

        monkeypatch.setattr(renaming, "_renameat2", None)
        monkeypatch.setattr(os, "link", link)
        path = tmp_path / "0-60"
        atomic.prepare(Disk(), str(path), [b"new"]).commit()
        with pytest.raises(FileChanged):
            atomic.prepare(Disk(), str(path), [b"newer"]).commit()
        assert path.read_bytes() == b"new"
        assert self.names(tmp_path) == ["0-60"]

    @pytest.mark.parametrize("change", [remove, replace, cut_short, append, edit])
    @pytest.mark.parametrize("is_late", [False, True])
    def test_a_changed_file_stays(
        self,
        tmp_path: Path,
        monkeypatch: pytest.MonkeyPatch,
        change: Callable[[Path], None],
        is_late: bool,
    ) -> None:
        """A concurrent change by another process is kept, even if it comes just before the exchange."""
        path = tmp_path / "0-60"
        path.write_bytes(b"old")
        disk = Disk()
        prepared = self.prepared(disk, path)
        if is_late:
            exchange = renaming.exchange

            def changed(first: str, second: str) -> bool:
                monkeypatch.setattr(renaming, "exchange", exchange)
                change(path)
                return exchange(first, second)

            monkeypatch.setattr(renaming, "exchange", changed)
        else:
            change(path)
        content = content_of(path)
        with pytest.raises(FileChanged):
            prepared.commit()
        if is_late:
            other = tmp_path / "expected"
            other.write_bytes(b"old")
            change(other)
            content = content_of(other)
            other.unlink(missing_ok=True)
        assert content_of(path) == content
        assert self.names(tmp_path) == ([] if content is None else ["0-60"])

    def test_a_prepared_file_is_discarded(self, tmp_path: Path, disk: Disk) -> None:
        path = tmp_path / "0-60"
        path.write_bytes(b"old")
        self.prepared(disk, path).discard()
        assert path.read_bytes() == b"old"
        assert self.names(tmp_path) == ["0-60"]

    def test_replacing_any_file(self, tmp_path: Path, disk: Disk) -> None:
        """Files of one's own are replaced whatever is there."""
        path = tmp_path / "tags"
        for content in (b"one", b"two"):
            atomic.replace_file(disk, str(path), [content])
            assert path.read_bytes() == content
        assert self.names(tmp_path) == ["tags"]


OTHER = """
import fcntl, os, sys
root, path = sys.argv[1:]
for name, flags in ((root, os.O_RDONLY), (path, os.O_RDWR | os.O_CREAT)):
    file = os.open(name, flags, 0o644)
    fcntl.flock(file, fcntl.LOCK_EX)
os.write(file, b"%d" % os.getpid())
print("locked", flush=True)
sys.stdin.read()
"""


class TestLock:
    """One process writes a store."""

    @pytest.fixture
    def paths(self, tmp_path: Path) -> tuple[str, str]:
        return str(tmp_path), str(tmp_path / "lock")

    def test_a_lock_excludes_others(self, paths: tuple[str, str]) -> None:
        """The error names its holder; closing it ends that."""
        disk = Disk()
        assert not disk.is_store_locked(*paths)
        lock = disk.lock_store(*paths)
        assert lock.is_held()
        assert disk.is_store_locked(*paths)
        with pytest.raises(StoreLocked, match=f"process {os.getpid()} holds"):
            disk.lock_store(*paths)
        lock.close()
        assert not disk.is_store_locked(*paths)
        disk.lock_store(*paths).close()

    def test_a_lock_excludes_another_process(self, paths: tuple[str, str]) -> None:
        """And ends with its process."""
        disk = Disk()
        with subprocess.Popen(
            [sys.executable, "-c", OTHER, *paths], stdin=-1, stdout=-1, text=True
        ) as other:
            assert other.stdout is not None
            assert other.stdin is not None
            assert other.stdout.readline() == "locked\n"
            with pytest.raises(StoreLocked, match=f"process {other.pid} holds"):
                disk.lock_store(*paths)
            waiting = threading.Thread(target=disk.wait_for_store_lock, args=paths)
            waiting.start()
            other.kill()
        waiting.join(20)
        assert not waiting.is_alive()
        disk.lock_store(*paths).close()

    def test_a_removed_lock_file_lets_no_second_writer_in(self, paths: tuple[str, str]) -> None:
        """The lock is on the directory; the file is created again when it is touched."""
        disk = Disk()
        lock = disk.lock_store(*paths)
        os.unlink(paths[1])
        assert lock.is_held()
        assert disk.is_store_locked(*paths)
        with pytest.raises(StoreLocked, match=f"process {os.getpid()} holds {paths[0]}$"):
            disk.lock_store(*paths)
        lock.touch()
        assert Path(paths[1]).read_text() == f"{os.getpid()}\n"
        os.utime(paths[1], (1, 1))
        lock.touch()
        assert Path(paths[1]).stat().st_mtime > 1
        lock.close()
        assert not disk.is_store_locked(*paths)

    def test_a_release_that_locks_the_file_only(self, paths: tuple[str, str]) -> None:
        """It is respected, and kept out."""
        disk = Disk()
        with open(paths[1], "w") as file:
            file.write("17\n")
            file.flush()
            fcntl.flock(file, fcntl.LOCK_EX)
            assert disk.is_store_locked(*paths)
            with pytest.raises(StoreLocked, match="process 17 holds"):
                disk.lock_store(*paths)
        lock = disk.lock_store(*paths)
        with open(paths[1]) as file, pytest.raises(BlockingIOError):
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        lock.close()

    @pytest.mark.usefixtures("unlockable")
    def test_where_a_directory_cannot_be_locked(self, paths: tuple[str, str]) -> None:
        """The file is, as long as it is the one that was locked."""
        disk = Disk()
        lock = disk.lock_store(*paths)
        assert lock.is_held()
        assert disk.is_store_locked(*paths)
        with pytest.raises(StoreLocked):
            disk.lock_store(*paths)
        os.unlink(paths[1])
        assert not lock.is_held()
        lock.touch()
        assert lock.is_held()
        os.unlink(paths[1])
        other = Lock(*paths)
        with pytest.raises(StoreLocked):
            lock.touch()
        assert not lock.is_held()
        assert other.is_held()

    def test_a_file_with_another_name_that_cannot_be_made_again(
        self, paths: tuple[str, str], monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """On a full disk: the lock on the directory is enough, and no descriptor is closed twice."""
        Disk().lock_store(*paths).close()
        os.link(paths[1], f"{paths[1]}.copy")
        before, open_file = len(os.listdir("/proc/self/fd")), os.open

        def open_on_a_full_disk(path: str, flags: int, *rest: int) -> int:
            if flags & os.O_EXCL:
                raise OSError(errno.ENOSPC, "No space left on device")
            return open_file(path, flags, *rest)

        with monkeypatch.context() as patched:
            patched.setattr(os, "open", open_on_a_full_disk)
            lock = Disk().lock_store(*paths)
        assert lock.is_held()
        lock.close()
        assert len(os.listdir("/proc/self/fd")) == before

    def test_asking_keeps_no_writer_out(self, paths: tuple[str, str]) -> None:
        """`is_store_locked` takes a shared lock for a moment, and that never makes `lock_store` fail."""
        disk = Disk()
        stop = threading.Event()

        def ask() -> None:
            while not stop.is_set():
                disk.is_store_locked(*paths)

        asking = threading.Thread(target=ask)
        asking.start()
        try:
            for _ in range(300):
                disk.lock_store(*paths).close()
        finally:
            stop.set()
            asking.join()

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(EventWriteException, match="cannot lock"):
            Disk().lock_store(str(tmp_path / "none"), str(tmp_path / "lock"))


class TestTurns:
    def test_one_waits_for_the_other(self, tmp_path: Path) -> None:
        """It is told which process has the turn, and gets it next."""
        waits_for: list[str] = []
        with Turn(str(tmp_path), waits_for.append):
            assert not waits_for
            waiting = threading.Thread(
                target=lambda: Turn(str(tmp_path), waits_for.append).close(), daemon=True
            )
            waiting.start()
            eventually(lambda: waits_for)
            assert waits_for == [f"process {os.getpid()}"]
            waiting.join(0.1)
            assert waiting.is_alive()
        waiting.join(20)
        assert not waiting.is_alive()

    @pytest.mark.usefixtures("unlockable")
    def test_where_a_directory_cannot_be_locked_none_waits(self, tmp_path: Path) -> None:
        with Turn(str(tmp_path), pytest.fail), Turn(str(tmp_path), pytest.fail):
            pass

    def test_a_directory_that_is_not_there(self, tmp_path: Path) -> None:
        with pytest.raises(EventWriteException, match="cannot lock"):
            Turn(str(tmp_path / "none"), pytest.fail)


@pytest.mark.parametrize("at_once", [1, 100, 1 << 20])
def test_pieces_are_written_one_after_the_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    """Also more of them than the system takes at once, and when it takes fewer bytes than it was given."""
    write = os.writev

    def write_less(descriptor: int, pieces: list[memoryview]) -> int:
        return write(descriptor, [b"".join(pieces)[:at_once]])

    monkeypatch.setattr(os, "writev", write_less)
    pieces = [b"%d," % number * (number % 3) for number in range(2000)]
    with Disk().create(str(tmp_path / "file")) as file:
        file.write(*pieces)
        file.write()
        file.write(b"last")
    assert (tmp_path / "file").read_bytes() == b"".join([*pieces, b"last"])

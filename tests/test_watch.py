"""Watching a directory."""

import errno
import threading
from pathlib import Path

import inotify_simple
import pytest

from store.disk import watch
from store.disk.disk import Disk
from store.disk.watch import DirectoryWatch
from store.errors import EventReadException


def watched(directory: Path) -> DirectoryWatch:
    found = Disk().watch(str(directory))
    assert found is not None
    return found


def test_changes_are_reported_by_name(tmp_path: Path) -> None:
    """Creation, appending, replacement, removal, and a change of attributes; reading is none."""
    for name in ("1-2", "2-3", "3-4", "4-5"):
        (tmp_path / name).write_bytes(b"event")
    watch = watched(tmp_path)
    assert watch.changes() == set()
    assert not watch.wait(0)
    (tmp_path / "0-1").touch()
    with (tmp_path / "1-2").open("ab") as file:
        file.write(b"more")
    (tmp_path / "2-3").rename(tmp_path / "9-10")
    (tmp_path / "3-4").unlink()
    (tmp_path / "4-5").chmod(0o600)
    (tmp_path / "9-10").read_bytes()
    assert watch.wait(20)
    assert watch.changes() == {"0-1", "1-2", "2-3", "9-10", "3-4", "4-5"}
    assert watch.changes() == set()
    watch.close()


def test_a_waiting_thread_is_woken(tmp_path: Path) -> None:
    """By another thread; once, also before it waits."""
    watch = watched(tmp_path)
    found: list[bool] = []
    thread = threading.Thread(target=lambda: found.append(watch.wait(60)))
    thread.start()
    watch.wake()
    thread.join(20)
    assert found == [False]
    watch.wake()
    assert not watch.wait(60)
    assert not watch.wait(0)
    watch.close()
    watch.wake()


def test_an_overflow_is_reported_once(tmp_path: Path) -> None:
    """The changed names are unknown then, and known again afterwards."""
    watch = watched(tmp_path)
    limit = int(Path("/proc/sys/fs/inotify/max_queued_events").read_text())
    first, second = tmp_path / "0-1", tmp_path / "1-2"
    first.touch()
    for _ in range(limit // 4 + 10):
        first.rename(second)
        second.rename(first)
    assert watch.changes() is None
    first.unlink()
    assert watch.changes() == {"0-1"}
    watch.close()


@pytest.mark.parametrize("how", ["removed", "renamed"])
def test_a_directory_that_goes(tmp_path: Path, how: str) -> None:
    """From then on, every answer says so."""
    directory = tmp_path / "store"
    directory.mkdir()
    watch = watched(directory)
    if how == "removed":
        directory.rmdir()
    else:
        directory.rename(tmp_path / "other")
        directory.mkdir()
    assert watch.wait(20)
    assert watch.changes() is None
    assert watch.changes() is None
    watch.close()


def test_a_directory_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EventReadException):
        Disk().watch(str(tmp_path / "none"))


@pytest.mark.parametrize("name", ["nfs", "cifs", "fuse", "9p"])
def test_shared_file_systems(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """A filesystem that other machines may change has no watch."""
    [number] = [each for each, known in watch._SHARED_FILE_SYSTEMS.items() if known == name]
    monkeypatch.setattr(watch, "_file_system_type", lambda path: number)
    assert Disk().watch(str(tmp_path)) is None


def test_the_type_of_a_file_system() -> None:
    """It is the one in linux/magic.h."""
    assert watch._file_system_type("/proc") == 0x9FA0


@pytest.mark.parametrize("call", ["__init__", "add_watch"])
def test_a_system_without_a_watch_left(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    def refuse(*_args: object) -> None:
        raise OSError(errno.ENOSPC, "no more")

    monkeypatch.setattr(inotify_simple.INotify, call, refuse)
    assert Disk().watch(str(tmp_path)) is None

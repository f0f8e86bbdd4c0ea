"""Opening stores by their addresses: the backend follows from the scheme, and checks the address."""

import os
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from store import (
    Event,
    EventReadException,
    EventStoreException,
    NotForThisStore,
    Opening,
    StoreNotFound,
    StoreReadOnly,
    backend_of,
    open_store,
    opening,
)
from tests.memory_backend import MemoryBackend, add_memory_backend
from theiafs.cli import main


@pytest.fixture
def memory(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let addresses have the scheme memory."""
    with monkeypatch.context() as context:
        context.setattr(opening, "_BACKENDS", opening._BACKENDS)
        add_memory_backend()
        yield


def test_the_scheme_decides(tmp_path: Path, memory: None) -> None:
    """In any case; what has none is a path, and an unknown one is an error that says what there is."""
    assert isinstance(backend_of("memory://host/x"), MemoryBackend)
    assert isinstance(backend_of("MEMORY://host/x"), MemoryBackend)
    for path in (str(tmp_path), "relative", "./memory://host", "a:b", "://", "1a://x"):
        assert backend_of(path).directory == os.path.abspath(path)
    with pytest.raises(
        EventStoreException, match=r"memroy://: give .*memory://, the path of a dir"
    ):
        backend_of("memroy://host/x")


def test_a_directory_means_the_same_in_any_working_directory(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By its name too, and whatever leads to it."""
    (tmp_path / "store").mkdir()
    (tmp_path / "link").symlink_to("store")
    monkeypatch.chdir(tmp_path)
    given = [
        backend_of(address) for address in ("store", "./link/", str(tmp_path / "store/../link"))
    ]
    monkeypatch.chdir("/")
    assert {each.identity for each in given} == {str(tmp_path / "store")}
    for each in given:
        assert backend_of(each.name).identity == backend_of(each.address).identity == each.identity
        assert each.name == each.directory
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(EventReadException, match="working directory"):
        backend_of("store")


def test_what_is_checked_of_a_directory(tmp_path: Path) -> None:
    """Nothing is made by a check; a store that is only read must be there."""
    missing, file = tmp_path / "missing", tmp_path / "file"
    file.write_text("")
    backend_of(str(missing)).check()
    for call in (
        lambda: backend_of(str(missing)).check(is_read_only=True),
        lambda: open_store(str(missing), Opening(is_read_only=True)),
    ):
        with pytest.raises(StoreNotFound, match="missing"):
            call()
    for is_read_only in (False, True):
        with pytest.raises(EventStoreException, match="is not a directory"):
            open_store(str(file), Opening(is_read_only))
    assert sorted(tmp_path.iterdir()) == [file]
    with closing(open_store(str(missing))) as store:
        store.save(Event("a", "s", 1))
    with closing(open_store(str(missing), Opening(is_read_only=True))) as store:
        assert store.get("a").source == "s"
        with pytest.raises(StoreReadOnly):
            store.save(Event("b", "s", 1))


def test_a_mountpoint_must_not_hide_the_store(tmp_path: Path) -> None:
    """It is neither in the store nor above it, by whatever name."""
    store = tmp_path / "above" / "store"
    (store / "inside").mkdir(parents=True)
    (tmp_path / "link").symlink_to(store)
    (tmp_path / "mnt").mkdir()
    for address in (store, tmp_path / "link"):
        backend = backend_of(str(address))
        backend.check_mountpoint(str(tmp_path / "mnt"))
        for mountpoint in (store, store / "inside", store.parent, tmp_path):
            with pytest.raises(EventStoreException, match="would hide the store"):
                backend.check_mountpoint(str(mountpoint))


@pytest.mark.parametrize(
    "command",
    [
        lambda address, _path: ["check", address],
        lambda address, _path: ["check", "--repair", address],
        lambda address, _path: ["reindex", address],
        lambda address, path: ["backup", address, path],
        lambda address, path: ["backup", path, address],
    ],
)
def test_a_store_without_files_says_so(
    tmp_path: Path,
    memory: None,
    capsys: pytest.CaptureFixture[str],
    command: Callable[[str, str], list[str]],
) -> None:
    """In one line, which has its name, and no password."""
    with pytest.raises(NotForThisStore):
        _ = backend_of("memory://host/logs").directory
    assert main(command("memory://me:secret@host/logs", str(tmp_path))) != 0
    assert capsys.readouterr().err == (
        "theiafs: memory://me@host/logs is no directory of minute files, and this is for those\n"
    )


@pytest.mark.parametrize(
    "arguments", [["ls"], ["cat", "README"], ["prune", "--older", "1d"]], ids=lambda each: each[0]
)
def test_commands_that_need_no_files(
    memory: None, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """They go through the store, whichever it is."""
    command, *rest = arguments
    address = ["memory://host/logs"]
    assert main([command, *(rest + address if command == "prune" else address + rest)]) == 0
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("owner", "mode", "warned_of"),
    [(0, 0o755, ""), (0, 0o700, ""), (1, 0o755, "user 1"), (0, 0o775, "its group"), (0, 0o777, "its group and everybody")],
)  # fmt: skip
def test_root_is_warned_of_a_store_that_others_can_write_to(
    tmp_path: Path, owner: int, mode: int, warned_of: str
) -> None:
    """The warning says of whom, and what to do; the tests are root's."""
    os.chown(tmp_path, owner, 0)
    tmp_path.chmod(mode)
    messages = backend_of(str(tmp_path)).warnings()
    assert bool(messages) == bool(warned_of)
    for message in messages:
        assert f"served by root, but {warned_of} may write to it" in message
        assert f"chmod go-w {tmp_path}" in message

"""Nothing that others put into the directory of a store makes theiafs read or write outside of it, nor wait, nor lose an event."""

import contextlib
import io
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from store import (
    Audit,
    Event,
    EventSerializer,
    EventStoreException,
    EventWriteException,
    NaiveEventStore,
    Opening,
    open_store,
    reindex,
)
from store.disk.disk import Disk
from store.filenames import hidden_paths, lock_path
from tests.waiting import eventually
from theiafs.browsing import Browser
from theiafs.config import Settings
from theiafs.errors import NotFound
from theiafs.operations import Operations

MINUTE = "120-180"
SECRET = EventSerializer().serialize(Event("secret", "s", 130, [], "secret")) + b"\n"
NULL_DEVICE = os.makedev(1, 3)


def bind_socket(path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as made:
        made.bind(str(path))


PLANTS: dict[str, Callable[[Path, Path], object]] = {
    "a link to a file": lambda path, outside: path.symlink_to(outside / "file"),
    "a link to nothing": lambda path, outside: path.symlink_to(outside / "new"),
    "a link to a directory": lambda path, outside: path.symlink_to(outside),
    "a pipe": lambda path, outside: os.mkfifo(path),
    "a device": lambda path, outside: os.mknod(path, stat.S_IFCHR | 0o666, NULL_DEVICE),
    "a socket": lambda path, outside: bind_socket(path),
    "a directory": lambda path, outside: path.mkdir(),
}
"""What is no minute file, made at a path; some lead to what is outside of the store."""


@pytest.fixture
def outside(tmp_path: Path) -> Path:
    """Return a directory outside of the store, with a file."""
    path = tmp_path / "outside"
    path.mkdir()
    (path / "file").write_bytes(SECRET)
    return path


def check_untouched(outside: Path) -> None:
    """Check that nothing was made or changed *outside* of the store."""
    assert os.listdir(outside) == ["file"]
    assert (outside / "file").read_bytes() == SECRET


def contents(root: Path) -> list[object]:
    """Return the contents of all events in the store at *root*, which is only read."""
    store = open_store(str(root), Opening(is_read_only=True))
    found: list[object] = [event.content for event in store.search(0)]
    store.close()
    return found


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_in_place_of_a_minute(
    tmp_path: Path, outside: Path, plant: Callable[[Path, Path], object]
) -> None:
    """It is no minute and stays as it is; the events of that minute wait in the log, with a message that says what to do."""
    root = tmp_path / "events"
    root.mkdir()
    plant(root / MINUTE, outside)
    before = os.lstat(root / MINUTE)
    for _ in range(2):
        store = NaiveEventStore(str(root), 1e9)
        if not list(store.search(0)):
            store.save(Event("1", "a", 120, [], "kept"))
        assert [event.content for event in store.search(0)] == ["kept"]
        with pytest.raises(EventWriteException, match=f"{MINUTE}: what is there .* move it away"):
            store.close()
    assert [Path(each.path).name for each in Audit(str(root)).run()] == [MINUTE]
    assert os.lstat(root / MINUTE).st_ino == before.st_ino
    check_untouched(outside)
    os.rename(root / MINUTE, root / "away")
    NaiveEventStore(str(root), 1e9).close()
    assert contents(root) == ["kept"]
    check_untouched(outside)


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_in_place_of_a_temporary_file(
    tmp_path: Path, outside: Path, plant: Callable[[Path, Path], object]
) -> None:
    """It is removed, never followed nor written to; only a directory has to be moved away by others."""
    path = tmp_path / "x.tmp"
    plant(path, outside)
    if path.is_dir() and not path.is_symlink():
        with pytest.raises(EventWriteException, match="Is a directory"):
            Disk().create(str(path))
        return
    with Disk().create(str(path)) as file:
        file.write(b"written")
    assert path.read_bytes() == b"written"
    assert not path.is_symlink()
    check_untouched(outside)


def test_a_hard_link(tmp_path: Path, outside: Path) -> None:
    """A file of the store that has a name elsewhere too is replaced, and not written to: a copy by hard links stays a copy."""
    root = tmp_path / "events"
    store = NaiveEventStore(str(root), 0)
    store.save(Event("1", "a", 130, [], "first"))
    store.close()
    lock = Path(lock_path(str(root)))
    lock.unlink()
    for path in (root / f".{MINUTE}.tmp", root / "60-120", lock):
        os.link(outside / "file", path)
    store = NaiveEventStore(str(root), 0)
    for second in (60, 131):
        store.save(Event(f"{second}", "a", second, [], f"{second}"))
    store.close()
    check_untouched(outside)
    assert sorted(map(str, contents(root))) == ["131", "60", "first", "secret"]


def test_the_bits_by_which_a_program_runs_as_its_owner(tmp_path: Path) -> None:
    """A minute that is continued keeps its permissions, but not these."""
    store = NaiveEventStore(str(tmp_path), 0)
    store.save(Event("1", "a", 120, [], "x"))
    minute = tmp_path / MINUTE
    minute.chmod(0o6751)
    store.save(Event("2", "a", 121, [], "y"))
    store.close()
    assert stat.S_IMODE(minute.stat().st_mode) == 0o751


HIDDEN = [path.lstrip("/") for path in hidden_paths("/")]


@pytest.mark.parametrize("name", HIDDEN)
def test_a_hidden_directory_elsewhere(tmp_path: Path, outside: Path, name: str) -> None:
    """A link in place of a part of ``.theiafs`` is refused by all that open a store, with its path; nothing is done there."""
    root = tmp_path / "events"
    store = NaiveEventStore(str(root), 0)
    store.declare_tag("web")
    store.save_view("web", "../by-tag/web")
    store.save(Event("1", "a", 120, [], "x"))
    store.write_state("errors", b"x")
    store.close()
    path = root / name
    if path.exists():
        path.rename(tmp_path / "away")
    path.symlink_to(outside)
    address = str(root)
    for attempt in (
        lambda: NaiveEventStore(address),
        lambda: open_store(address, Opening(is_read_only=True)),
        lambda: reindex(address),
        lambda: list(Audit(address).run()),
        lambda: list(Audit(address, to_repair=True).run()),
    ):
        with pytest.raises(EventStoreException, match=f"{path} is a symbolic link"):
            attempt()
    check_untouched(outside)


@pytest.mark.parametrize("plant", PLANTS.values(), ids=PLANTS.keys())
def test_in_place_of_the_lock(
    tmp_path: Path, outside: Path, plant: Callable[[Path, Path], object]
) -> None:
    """It is one clear error, and nothing waits for it; asking which process holds the store shows nothing of another file."""
    root = tmp_path / "events"
    NaiveEventStore(str(root)).close()
    (outside / "file").write_bytes(b"root:secret\n")
    lock = Path(lock_path(str(root)))
    lock.unlink()
    plant(lock, outside)
    with pytest.raises(EventWriteException, match="lock"):
        NaiveEventStore(str(root))
    try:
        said = Disk().lock_holder(str(root), str(lock))
    except EventStoreException as error:
        said = str(error)
    assert "secret" not in said
    assert (outside / "file").read_bytes() == b"root:secret\n"
    assert os.listdir(outside) == ["file"]


def test_a_link_while_the_store_is_open(tmp_path: Path, outside: Path) -> None:
    """When its hidden directory is replaced, writers are told; nothing is made in the other place."""
    root = tmp_path / "events"
    store = NaiveEventStore(str(root), 20)
    (root / ".theiafs").rename(tmp_path / "away")
    (root / ".theiafs").symlink_to(outside)
    with pytest.raises(EventWriteException, match="symbolic link"):
        eventually(store.sync)
    attempts: list[Callable[[], object]] = [
        lambda: store.declare_tag("web"),
        lambda: store.save_view("web", "../by-tag/web"),
        lambda: store.write_state("errors", b"x"),
    ]
    for attempt in attempts:
        with pytest.raises(EventWriteException, match="symbolic link"):
            attempt()
    check_untouched(outside)
    (root / ".theiafs").unlink()
    store.save(Event("1", "a", 120, [], "kept"))
    store.close()
    assert contents(root) == ["kept"]


def test_a_long_tag(tmp_path: Path, outside: Path) -> None:
    """Its directory is in another one, which may be a link."""
    store = NaiveEventStore(str(tmp_path / "events"))
    declared = tmp_path / "events" / ".theiafs" / "declared"
    declared.mkdir()
    (declared / ("x" * 200 + "+")).symlink_to(outside)
    with pytest.raises(EventStoreException, match="symbolic link"):
        store.declare_tag("x" * 300)
    store.close()
    check_untouched(outside)


@pytest.mark.parametrize(
    "target",
    [
        "/etc/passwd",
        "../../outside/file",
        "../../../../etc/passwd",
        "../by-tag/../../..",
        "x/../../../y",
    ],
)
def test_a_view_that_leads_out(tmp_path: Path, outside: Path, target: str) -> None:
    """A link among the saved views whose target no view may have is none, in a mount and without one."""
    root = tmp_path / "events"
    with contextlib.closing(NaiveEventStore(str(root), 0)) as store:
        store.save_view("web", "../count")
        (root / ".theiafs" / "views" / "planted").symlink_to(target)
    for is_read_only in (False, True):
        with contextlib.closing(open_store(str(root), Opening(is_read_only))) as opened:
            operations = Operations(opened, Settings(), lambda: None)
            assert list(operations.readdir("/views"))[-1].names == ["web"]
            for request in (operations.getattr, operations.readlink):
                with pytest.raises(NotFound):
                    request("/views/planted")
            browser = Browser(opened)
            with pytest.raises(NotFound):
                browser.print("views/planted", io.BytesIO())
            assert list(browser.entries("../../..")) == list(browser.entries("/"))
            assert list(browser.entries("views/../../../views")) == ["web"]
    check_untouched(outside)


def test_a_store_that_is_made_is_private(tmp_path: Path) -> None:
    """The directories above it are like any other; and a store that is there keeps its permissions."""
    root = tmp_path / "above" / "store"
    NaiveEventStore(str(root), 0).close()
    assert root.stat().st_mode & 0o777 == 0o700
    (tmp_path / "other").mkdir()
    assert root.parent.stat().st_mode == (tmp_path / "other").stat().st_mode
    root.chmod(0o750)
    NaiveEventStore(str(root), 0).close()
    assert root.stat().st_mode & 0o777 == 0o750

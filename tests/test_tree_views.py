"""The views, errors and status of the tree, asked directly."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import (
    Event,
    EventReadException,
    NaiveEventStore,
    Opening,
    Query,
    ViewExists,
    ViewNotFound,
    open_store,
)
from theiafs.config import Settings
from theiafs.doors import Doors
from theiafs.errors import InvalidName, NameTooLong, NotFound, NotPermitted
from theiafs.handles import Handle
from theiafs.nodes import Directory, Link
from theiafs.operations import Operations
from theiafs.tree import Tree

NEVER_MS = 1e9


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), NEVER_MS)
    opened.save(Event("a", "s", 10, ["web"], "x"))
    yield opened
    opened.close()


@pytest.fixture
def tree(store: NaiveEventStore) -> Tree:
    return Tree(store, Doors(1 << 20))


@pytest.fixture
def operations(store: NaiveEventStore) -> Iterator[Operations]:
    made = Operations(store, Settings(), lambda: None)
    yield made
    made.destroy("/")


def read(operations: Operations, path: str) -> str:
    number = operations.open(path, os.O_RDONLY, os.getpid()).number
    data = operations.read(number, 1 << 20, 0)
    operations.release(number)
    assert operations.getattr(path).size == len(data)
    return data.decode()


def views(tree: Tree) -> list[str]:
    node = tree.resolve("/views")
    assert isinstance(node, Directory)
    [entries] = node.entries()
    assert entries.mode == Link.MODE, "walks do not follow them"
    return list(entries.names)


def test_a_view_is_a_link(tree: Tree) -> None:
    """To what its target names, seen from the directory of views."""
    assert views(tree) == []
    tree.make_view("/views/web", "../by-tag/web/")
    tree.make_view("/views/.hidden", "../range/last-15m/not/by-source/cron/count")
    tree.make_view("/views/a,b%", "..")
    assert views(tree) == [".hidden", "a,b%", "web"]
    link = tree.resolve("/views/web")
    assert isinstance(link, Link)
    assert link.target == "../by-tag/web"
    assert stat.S_ISLNK(link.attributes().mode)
    assert link.attributes().size == len("../by-tag/web")
    tree.rename_view("/views/web", "/views/w", replaces=False)
    tree.remove_view("/views/.hidden")
    assert views(tree) == ["a,b%", "w"]
    with pytest.raises(NotFound):
        tree.resolve("/views/web")


@pytest.mark.parametrize(
    ("target", "reason"),
    [
        ("/by-tag/web", "absolute"), ("../../etc", "out of the mount"), ("../by-tg/web", "lead nowhere"),
        ("../range/2026-13", "bad month"), ("../by-tag/web/x", "lead nowhere"), ("by-tag/web", "lead nowhere"),
        ("web", "no view 'web'"), ("../by-tag/web,,db", "one of them empty"),
    ],
)  # fmt: skip
def test_a_target_that_can_mean_nothing_is_refused(tree: Tree, target: str, reason: str) -> None:
    """A typo is seen when the view is made."""
    with pytest.raises(InvalidName, match=reason):
        tree.make_view("/views/v", target)
    assert views(tree) == []


def test_a_target_need_not_be_there(tree: Tree) -> None:
    """A tag that no event has yet, or something below another view."""
    tree.make_view("/views/later", "../by-tag/later")
    tree.make_view("/views/below", "later/count")
    assert views(tree) == ["below", "later"]


def test_names_that_are_taken(tree: Tree) -> None:
    """By another view; a rename takes its place, unless it must not."""
    tree.make_view("/views/a", "../by-tag/web")
    tree.make_view("/views/b", "../by-tag/db")
    with pytest.raises(ViewExists):
        tree.make_view("/views/a", "..")
    with pytest.raises(ViewExists):
        tree.rename_view("/views/a", "/views/b", replaces=False)
    with pytest.raises(ViewNotFound):
        tree.remove_view("/views/c")
    with pytest.raises(NameTooLong):
        tree.make_view("/views/" + "x" * 256, "..")
    tree.rename_view("/views/a", "/views/b", replaces=True)
    assert views(tree) == ["b"]


def test_links_are_made_nowhere_else(operations: Operations) -> None:
    """Nor are views moved out of their directory, or anything into it."""
    operations.symlink("/views/web", "../by-tag/web")
    for path in ("/web", "/by-tag/web/x", "/views/web/x", "/views"):
        with pytest.raises(NotPermitted):
            operations.symlink(path, "../by-tag/web")
    for old, new in (("/views/web", "/web"), ("/ingest", "/views/ingest"), ("/README", "/views/x")):
        with pytest.raises(NotPermitted):
            operations.rename(old, new)
    for path in ("/views", "/by-tag/web"):
        with pytest.raises(NotPermitted):
            operations.unlink(path)
    with pytest.raises(InvalidName, match="exchanged"):
        operations.rename("/views/web", "/views/x", 2)
    with pytest.raises(ViewExists):
        operations.rename("/views/web", "/views/web", 1)
    assert operations.readlink("/views/web") == "../by-tag/web"
    operations.unlink("/views/web")
    operations.rename("/ingest", "/ingest.1")
    operations.unlink("/ingest.1")


def test_errors_shows_what_was_refused(operations: Operations, store: NaiveEventStore) -> None:
    """A new mount begins with it."""
    assert read(operations, "/errors") == ""
    operations.note_refusal("open", b"/README", os.getpid(), NotPermitted("cannot be written"))
    assert read(operations, "/errors").endswith(
        f"[{os.getpid()}] open /README EPERM: cannot be written\n"
    )
    assert "errors: 1\n" in read(operations, "/status")
    text = read(operations, "/errors")
    assert operations.open("/errors", os.O_RDONLY, os.getpid()).is_direct
    operations.destroy("/")
    again = Operations(store, Settings(), lambda: None)
    assert read(again, "/errors") == text
    assert "errors: 0\n" in read(again, "/status")


def test_errors_has_what_was_lost_when_a_file_was_closed(operations: Operations) -> None:
    """In the name of the process that wrote it, though no process hears of it."""
    for path in ("/ingest", "/by-tag/web/ingest"):
        opened = operations.open(path, os.O_WRONLY, os.getpid())
        operations.write(opened.number, b"event: 73 66 7\nid:", os.getpid())
        if path == "/ingest":
            operations.release(opened.number)
    first = read(operations, "/errors")
    comm = Path("/proc/self/comm").read_text().strip().replace(" ", r"\x20")
    assert first.endswith(
        f" {comm}[{os.getpid()}] release /ingest EINVAL: a record that was not written to its end:"
        " 18 bytes dropped; write all of it before the file is closed\n"
    )
    operations.destroy("/")
    assert "release /by-tag/web/ingest EINVAL" in read(operations, "/errors")


def test_what_is_kept_can_be_missing_or_unreadable(
    operations: Operations, store: NaiveEventStore, caplog: pytest.LogCaptureFixture
) -> None:
    """Nothing else depends on it."""
    state = Path(store.root_dir, ".theiafs", "state")
    (state / "errors").mkdir(parents=True)
    operations.note_refusal("open", b"/x", os.getpid(), NotPermitted("x"))
    assert "not kept" in caplog.text
    again = Operations(store, Settings(), lambda: None)
    assert read(again, "/errors") == ""
    (state / "errors").rmdir()
    (state / "errors").write_bytes(b"\xff\x1b\n")
    assert read(Operations(store, Settings(), lambda: None), "/errors") == "\\xff\\x1b\n"


def test_a_mount_that_only_reads_keeps_nothing(store: NaiveEventStore) -> None:
    """Its errors are in memory, and those of the writer are not its own."""
    store.write_state("errors", b"of the writer\n")
    follower = open_store(store.root_dir, Opening(is_read_only=True))
    operations = Operations(follower, Settings(is_read_only=True), lambda: None)
    assert read(operations, "/errors") == ""
    operations.note_refusal("open", b"/x", os.getpid(), NotPermitted("x"))
    assert read(operations, "/errors").count("\n") == 1
    operations.destroy("/")
    assert store.read_state("errors") == b"of the writer\n"
    follower.close()


def test_lines_are_stored_at_the_end_although_a_file_cannot_be_closed(
    store: NaiveEventStore,
) -> None:
    """The failure of one is logged, and all others are closed."""

    class Unreadable(Handle):
        def release(self) -> None:
            raise EventReadException("a disk that fails")

    operations = Operations(store, Settings(), lambda: None)
    operations._handles.add(Unreadable())
    number = operations.open("/ingest", os.O_WRONLY, os.getpid()).number
    operations.write(number, b"without an end", os.getpid())
    operations.destroy("/")
    assert [event.content for event in store.select(Query())] == ["x", "without an end"]

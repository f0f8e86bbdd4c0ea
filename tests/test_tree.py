"""The tree, asked directly: what there is, what there is not, and what moves with the clock."""

import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore
from tests.doubles import Clock
from theiafs import tree as tree_module
from theiafs.errors import AlreadyThere, InvalidName, NotFound, NotPermitted
from theiafs.handles import Handle
from theiafs.nodes import Directory, Link
from theiafs.tree import Tree


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), 1e9)
    yield opened
    opened.close()


@pytest.fixture
def tree(store: NaiveEventStore) -> Tree:
    return Tree(store, 1 << 20)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(tree_module, "time", clock)
    return clock


def test_a_tag_may_be_called_like_what_is_probed_for(tree: Tree) -> None:
    """A tag that can be made can be looked at."""
    tree.make_directory("/by-tag/desktop.ini")
    assert listed(tree, "/by-tag") == ["desktop.ini"]
    assert listed(tree, "/by-tag/desktop.ini") == []


def listed(tree: Tree, path: str) -> list[str]:
    node = tree.resolve(path)
    assert isinstance(node, Directory)
    return [name for entries in node.entries() for name in entries.names]


def read(handle: Handle) -> bytes:
    return handle.read(0, 1 << 20)


def close(handle: Handle) -> None:
    handle.release()
    handle.on_release()


def test_an_empty_store_has_no_newest_minute(tree: Tree, store: NaiveEventStore) -> None:
    """A link that leads nowhere would break whoever walks the tree."""
    assert listed(tree, "/") == ["README", "ingest", "minutes", "by-tag", "range"]
    with pytest.raises(NotFound):
        tree.resolve("/latest")
    store.save(Event("a", "s", 100, [], "x"))
    store.save(Event("b", "s", 10, [], "x"))
    latest = tree.resolve("/latest")
    assert isinstance(latest, Link)
    assert (latest.target, latest.attributes().newest) == ("minutes/100-160", 100)
    assert "latest" in listed(tree, "/")


def test_a_tag_directory_within_another_lists_what_leads_further(
    tree: Tree, store: NaiveEventStore
) -> None:
    """Tags that occur together with the ones applied, and none of those again."""
    store.save(Event("a", "s", 10, ["web", "error"], "x"))
    store.save(Event("b", "s", 500, ["web", "slow"], "x"))
    store.save(Event("c", "s", 500, ["db"], "x"))
    assert listed(tree, "/by-tag") == ["db", "error", "slow", "web"]
    assert listed(tree, "/by-tag/web/by-tag") == ["error", "slow"]
    assert listed(tree, "/range/0-100/by-tag") == ["error", "web"]
    assert listed(tree, "/by-tag/web/range") == []


def test_a_query_directory_is_as_new_as_its_newest_event(
    tree: Tree, store: NaiveEventStore
) -> None:
    """Late events do not make it older."""
    store.save(Event("a", "s", 500.5, ["web"], "x"))
    store.save(Event("b", "s", 10, ["web"], "x"))
    store.save(Event("c", "s", 900, ["db"], "x"))
    assert tree.resolve("/by-tag/web").attributes().newest == 500.5
    assert tree.resolve("/by-tag/web/events").attributes().newest == 500.5
    assert tree.resolve("/by-tag/web/10-70").attributes().newest == 10
    assert tree.resolve("/").attributes().newest == 900


def test_a_declared_tag_is_there_before_its_first_event(tree: Tree) -> None:
    """It is empty, listed, and stays when it is declared once more."""
    with pytest.raises(NotFound):
        tree.resolve("/by-tag/new/ingest")
    tree.make_directory("/by-tag/new")
    assert listed(tree, "/by-tag") == ["new"]
    assert listed(tree, "/by-tag/new") == []
    assert tree.resolve("/by-tag/new/events").attributes().size == 0
    with pytest.raises(AlreadyThere):
        tree.make_directory("/by-tag/new")


@pytest.mark.parametrize(
    "path", ["/x", "/range/1-2", "/minutes/1-2", "/by-tag/web/x", "/by-tag", "/"]
)
def test_directories_are_made_nowhere_else(tree: Tree, path: str) -> None:
    """Only a tag can be declared."""
    with pytest.raises(NotPermitted):
        tree.make_directory(path)


def test_a_tag_that_no_event_can_have_is_not_declared(tree: Tree) -> None:
    """A comma separates tags; a newline would break the header."""
    with pytest.raises(InvalidName):
        tree.make_directory("/by-tag/a,b")
    with pytest.raises(NotFound):
        tree.make_directory("/by-tag/unknown/by-tag/b")


def test_what_can_be_written_shows_it(tree: Tree, store: NaiveEventStore) -> None:
    """Ingest files can be written, everything else refuses to be opened for it."""
    store.save(Event("a", "s", 10, ["web"], "x"))
    for path in ("/ingest", "/by-tag/web/ingest", "/range/last-1h/ingest"):
        assert tree.resolve(path).attributes().mode & stat.S_IWUSR
        close(tree.open(path, to_write=True))
    for path in ("/README", "/events", "/by-tag/web/count", "/minutes/10-70", "/by-tag"):
        with pytest.raises(NotPermitted):
            tree.open(path, to_write=True)


def test_a_relative_range_moves_with_the_clock(
    tree: Tree, store: NaiveEventStore, clock: Clock
) -> None:
    """An event leaves it when it is too old, and the directory with it."""
    store.save(Event("old", "s", clock.now - 50, [], "x"))
    handle = tree.open("/range/last-1m/count", to_write=False)
    assert read(handle) == b"1\n"
    close(handle)
    assert len(listed(tree, "/range/last-1m")) == 1
    clock.now += 11
    assert listed(tree, "/range/last-1m") == []


def test_a_relative_range_stands_still_while_a_file_in_it_is_open(
    tree: Tree, store: NaiveEventStore, clock: Clock
) -> None:
    """Neither its bytes nor the size others see shrink under a reader; then it moves on."""
    path = "/range/last-1m/events"
    store.save(Event("old", "s", clock.now - 50, [], "x"))
    size = tree.resolve(path).attributes().size
    handle = tree.open(path, to_write=False)
    clock.now += 3600
    assert tree.resolve(path).attributes().size == size == len(read(handle))
    other = tree.open(path, to_write=False)
    store.save(Event("new", "s", clock.now, [], "y"))
    assert len(read(handle)) == len(read(other)) > size
    close(handle)
    assert tree.resolve(path).attributes().size == len(read(other)) > size
    close(other)
    clock.now += 2
    assert tree.resolve(path).attributes().size == len(read(handle)) - size


def test_the_size_that_was_told_is_the_size_that_is_opened(
    tree: Tree, store: NaiveEventStore, clock: Clock
) -> None:
    """An event that leaves the range between stat and open, as far apart as the kernel lets them be, stays."""
    path = "/range/last-1m/events"
    store.save(Event("old", "s", clock.now - 59.9, [], "x"))
    size = tree.resolve(path).attributes().size
    clock.now += 1.9
    handle = tree.open(path, to_write=False)
    assert len(read(handle)) == size > 0
    close(handle)


def test_a_failed_opening_holds_nothing(tree: Tree, store: NaiveEventStore, clock: Clock) -> None:
    """The range goes on moving after a file in it could not be opened."""
    store.save(Event("old", "s", clock.now - 50, [], "x"))
    with pytest.raises(NotPermitted):
        tree.open("/range/last-1m/events", to_write=True)
    clock.now += 3600
    assert tree.resolve("/range/last-1m/events").attributes().size == 0

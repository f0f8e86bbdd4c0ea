"""The tree, asked directly: what there is, what there is not, and what moves with the clock."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import TICKS_PER_S, Event, FromSource, NaiveEventStore, Query
from tests.doubles import Clock
from theiafs import timerange
from theiafs.doors import Doors
from theiafs.errors import AlreadyThere, InvalidName, NotFound, NotPermitted
from theiafs.handles import Handle
from theiafs.names import escape
from theiafs.nodes import Directory, Link
from theiafs.paths import DOORS
from theiafs.tree import Tree

DIRECTORIES = [
    "minutes",
    "by-tag",
    "by-source",
    "by-level",
    "by-date",
    "range",
    "match",
    "not",
    "by-id",
    "views",
]


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), 1e9)
    yield opened
    opened.close()


@pytest.fixture
def tree(store: NaiveEventStore) -> Tree:
    return Tree(store, Doors(1 << 20))


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(timerange, "time", clock)
    return clock


def test_a_tag_may_have_a_name_that_programs_probe_for(tree: Tree) -> None:
    """A tag that can be made can be listed."""
    tree.make_directory("/by-tag/desktop.ini")
    assert listed(tree, "/by-tag") == ["desktop.ini"]
    assert listed(tree, "/by-tag/desktop.ini") == []


def test_an_id_that_is_too_long_for_a_name_has_none(tree: Tree, store: NaiveEventStore) -> None:
    """Its event is everywhere else. One that just fits is there."""
    longest = "é" * 127
    store.save_all([Event("x" * 256, "s", 10, [], "a"), Event(longest, "s", 20, [], "b")])
    with pytest.raises(NotFound):
        tree.open(f"/by-id/{escape('x' * 256)}", to_write=False)
    assert b"\nb\n" in read(tree.open(f"/by-id/{longest}", to_write=False))
    assert read(tree.open("/events.jsonl", to_write=False)).count(b"x" * 256) == 1


def listed(tree: Tree, path: str) -> list[str]:
    """List the directory at *path*, hidden names aside."""
    node = tree.resolve(path)
    assert isinstance(node, Directory)
    names = [name for entries in node.entries() for name in entries.names]
    return [name for name in names if not name.startswith(".")]


def read(handle: Handle) -> bytes:
    return handle.read(0, 1 << 20)


def size_of(tree: Tree, path: str) -> int:
    return tree.resolve(path).attributes().size


def test_an_empty_store_has_no_newest_minute(tree: Tree, store: NaiveEventStore) -> None:
    """A link that leads nowhere would break programs that walk the tree."""
    assert listed(tree, "/") == ["README", "status", "errors", *DOORS, *DIRECTORIES]
    with pytest.raises(NotFound):
        tree.resolve("/latest")
    store.save(Event("a", "s", 100, [], "x"))
    store.save(Event("b", "s", 10, [], "x"))
    latest = tree.resolve("/latest")
    assert isinstance(latest, Link)
    assert (latest.target, latest.attributes().newest) == ("minutes/100-160", 100 * TICKS_PER_S)
    assert "latest" in listed(tree, "/")


def test_a_tag_directory_within_another_lists_tags_that_lead_further(
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
    assert tree.resolve("/by-tag/web").attributes().newest == 5005 * TICKS_PER_S // 10
    assert tree.resolve("/by-tag/web/events").attributes().newest == 5005 * TICKS_PER_S // 10
    assert tree.resolve("/by-tag/web/10-70").attributes().newest == 10 * TICKS_PER_S
    assert tree.resolve("/").attributes().newest == 900 * TICKS_PER_S


@pytest.mark.parametrize("kind", ["by-tag", "by-source"])
def test_what_is_declared_is_there_before_its_first_event(tree: Tree, kind: str) -> None:
    """It is empty, listed, and stays when it is declared once more."""
    with pytest.raises(NotFound):
        tree.resolve(f"/{kind}/new/ingest")
    tree.make_directory(f"/{kind}/new")
    assert listed(tree, f"/{kind}") == ["new"]
    assert listed(tree, f"/{kind}/new") == []
    assert tree.resolve(f"/{kind}/new/events").attributes().size == 0
    assert (
        tree.resolve(f"/range/last-1h/{kind}/new/ingest.combined").attributes().mode & stat.S_IWUSR
    )
    with pytest.raises(AlreadyThere):
        tree.make_directory(f"/{kind}/new")


def test_the_source_of_a_declared_directory_is_that_of_its_lines(
    tree: Tree, store: NaiveEventStore
) -> None:
    """Also when a name cannot hold it as it is."""
    for name, source in (
        ("nginx", "nginx"),
        ("a%2Cb", "a,b"),
        ("%", ""),
        ("%2Fvar%2Flog", "/var/log"),
    ):
        tree.make_directory(f"/by-source/{name}")
        handle = tree.open(f"/by-source/{name}/ingest", to_write=True)
        handle.write(b"line\n", os.getpid())
        handle.release()
        assert [
            event.source for event in store.select(Query().where(FromSource(frozenset({source}))))
        ] == [source]


@pytest.mark.parametrize(
    "path",
    ["/x", "/range/1-2", "/minutes/1-2", "/by-tag/web/x", "/by-tag", "/by-source", "/", "/match/by-tag/x", "/by-level/x"],
)  # fmt: skip
def test_directories_are_made_nowhere_else(tree: Tree, path: str) -> None:
    """Only a tag or a source can be declared."""
    with pytest.raises(NotPermitted):
        tree.make_directory(path)


@pytest.mark.parametrize("kind", ["by-tag", "by-source"])
def test_what_no_event_can_have_is_not_declared(tree: Tree, kind: str) -> None:
    """A comma separates alternatives; a newline would break the header."""
    for name in ("a,b", "a%0Ab"):
        with pytest.raises(InvalidName):
            tree.make_directory(f"/{kind}/{name}")
    with pytest.raises(NotFound):
        tree.make_directory(f"/by-tag/unknown/{kind}/b")


def test_a_file_that_can_be_written_shows_it(tree: Tree, store: NaiveEventStore) -> None:
    """Ingest files can be written, everything else refuses to be opened for it."""
    store.save(Event("a", "s", 10, ["web"], "x"))
    for path in ("/ingest", "/by-tag/web/ingest", "/range/last-1h/ingest"):
        assert tree.resolve(path).attributes().mode & stat.S_IWUSR
        tree.open(path, to_write=True).release()
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
    handle.release()
    assert len(listed(tree, "/range/last-1m")) == 1
    clock.now += 11
    assert listed(tree, "/range/last-1m") == []


def test_a_relative_range_stands_still_for_a_file_that_is_open(
    tree: Tree, store: NaiveEventStore, clock: Clock
) -> None:
    """Its bytes stay, and the size of its path does not shrink; the range moves on for every other reader."""
    path = "/range/last-1m/events"
    store.save(Event("old", "s", clock.now - 50, [], "x"))
    size = size_of(tree, path)
    handle = tree.open(path, to_write=False)
    clock.now += 3600
    assert size_of(tree, path) == size == len(read(handle)) > 0
    assert read(tree.open("/range/last-1m/count", to_write=False)) == b"0\n"
    assert listed(tree, "/range/last-1m") == []
    other = tree.open(path, to_write=False)
    assert read(other) == b""
    store.save(Event("new", "s", clock.now, [], "y"))
    assert len(read(handle)) == size_of(tree, path) == size + len(read(other))
    handle.release()
    assert size_of(tree, path) == size + len(read(other))
    other.release()
    clock.now += 2
    assert size_of(tree, path) == len(read(other)) > 0


def test_a_range_before_the_newest_event_moves_with_it(
    tree: Tree, store: NaiveEventStore, clock: Clock
) -> None:
    """The clock does not matter: these are logs of another day."""
    store.save(Event("old", "s", 500, [], "x"))
    store.save(Event("new", "s", 590, [], "x"))
    assert read(tree.open("/range/newest-1m/count", to_write=False)) == b"1\n"
    clock.now += 4
    assert read(tree.open("/range/newest-2m/count", to_write=False)) == b"2\n"
    store.save(Event("newer", "s", 700, [], "x"))
    clock.now += 4
    assert read(tree.open("/range/newest-2m/count", to_write=False)) == b"2\n"


def test_the_days_move_at_midnight(tree: Tree, store: NaiveEventStore, clock: Clock) -> None:
    """An event of today is one of yesterday a day later."""
    store.save(Event("a", "s", clock.now, [], "x"))
    assert len(listed(tree, "/range/today")) == 1
    clock.now += 86400
    assert listed(tree, "/range/today") == []
    assert len(listed(tree, "/range/yesterday")) == 1


@pytest.mark.parametrize("path", ["/by-tag/web/events", "/by-tag/web/480-540", "/minutes/480-540"])
def test_a_removed_event_stays_in_the_size_of_a_file_that_is_open(
    tree: Tree, store: NaiveEventStore, path: str
) -> None:
    """A program that follows it never takes it for truncated, even when its tag is gone with its last event."""
    store.save(Event("a", "s", 480, ["web"], "first"))
    handle = tree.open(path, to_write=False)
    before = tree.resolve(path).attributes()
    store.delete("a")
    after = tree.resolve(path).attributes()
    assert after._replace(changed=before.changed) == before
    assert after.changed >= before.changed
    handle.release()
    with pytest.raises(NotFound):
        tree.resolve(path).attributes()


def test_a_file_that_is_open_grows_after_a_removal(tree: Tree, store: NaiveEventStore) -> None:
    """By what arrives, from the size that was shown before."""
    path = "/by-tag/web/events"
    store.save(Event("a", "s", 480, ["web"], "first"))
    handle = tree.open(path, to_write=False)
    before = size_of(tree, path)
    store.delete("a")
    store.save(Event("b", "s", 479, ["web"], "second"))
    other = tree.open(path, to_write=False)
    after = tree.resolve(path).attributes()
    assert after.size == before + len(read(other))
    assert after.newest == 480 * TICKS_PER_S
    handle.release()
    assert size_of(tree, path) == after.size
    other.release()
    assert size_of(tree, path) == len(read(other))


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
    handle.release()


def test_a_failed_opening_holds_nothing(tree: Tree, store: NaiveEventStore, clock: Clock) -> None:
    """The size of a path shrinks again after a file there could not be opened."""
    store.save(Event("old", "s", clock.now - 50, [], "x"))
    with pytest.raises(NotPermitted):
        tree.open("/range/last-1m/events", to_write=True)
    clock.now += 3600
    assert size_of(tree, "/range/last-1m/events") == 0


def test_a_path_costs_the_same_whatever_the_number_of_tags(
    tree: Tree, store: NaiveEventStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Only a name that was too long searches among the tags."""
    store.save(Event("a", "s", 10, ["web", "x" * 300], "x"))
    searches: list[str] = []
    tags = frozenset({"web", "x" * 300})

    def search() -> frozenset[str]:
        searches.append("tags")
        return tags

    monkeypatch.setattr(store, "has_tag", tags.__contains__)
    monkeypatch.setattr(store, "tags", search)
    tree.resolve("/by-tag/web/events")
    with pytest.raises(NotFound):
        tree.resolve("/by-tag/unknown/events")
    assert searches == []
    tree.resolve(f"/by-tag/{escape('x' * 300)}/events")
    assert len(searches) == 1


def hidden(tree: Tree, path: str) -> dict[str, str]:
    """List the hidden links in the directory at *path*, with what they lead to."""
    node = tree.resolve(path)
    assert isinstance(node, Directory)
    names = [name for entries in node.entries() for name in entries.names]
    nodes = {name: tree.resolve(f"{path}/{name}") for name in names if name.startswith(".")}
    return {name: node.target for name, node in nodes.items() if isinstance(node, Link)}


LEAVES = {
    ".events",
    ".events.log",
    ".events.jsonl",
    ".count",
    ".tags",
    ".sources",
    ".levels",
    ".histogram",
    ".patterns",
}
SIGNPOSTED_DOORS = {f".{door}" for door in DOORS}
LIST_NOTHING = {".range", ".match", ".not"}
LIST_SOMETHING = {".by-tag", ".by-source", ".by-level", ".by-date", ".untagged"}


@pytest.mark.parametrize(
    ("path", "wanted"),
    [
        ("", LEAVES | {".untagged"}),
        ("/by-tag/web", LEAVES | LIST_NOTHING | LIST_SOMETHING - {".untagged"} | SIGNPOSTED_DOORS),
        (
            "/by-source/s",
            LEAVES | LIST_NOTHING | LIST_SOMETHING - {".by-source"} | SIGNPOSTED_DOORS,
        ),
        (
            "/by-level/err",
            LEAVES | LIST_NOTHING | LIST_SOMETHING - {".by-level"} | SIGNPOSTED_DOORS,
        ),
        ("/by-level/err+", LEAVES | LIST_NOTHING | LIST_SOMETHING - {".by-level"}),
        ("/untagged", LEAVES | LIST_NOTHING | {".by-source", ".by-level", ".by-date"}),
        ("/range/1-100", LEAVES | LIST_NOTHING | LIST_SOMETHING - {".by-date"} | SIGNPOSTED_DOORS),
        ("/range/1970", LEAVES | LIST_NOTHING | LIST_SOMETHING | SIGNPOSTED_DOORS),
        ("/range/last-1h", LEAVES | LIST_NOTHING | LIST_SOMETHING | SIGNPOSTED_DOORS),
        (
            "/by-date/1970-01-01",
            LEAVES | LIST_NOTHING | LIST_SOMETHING - {".by-date"} | SIGNPOSTED_DOORS,
        ),
        ("/by-source/s,t", LEAVES | LIST_NOTHING | LIST_SOMETHING - {".by-source"}),
        ("/by-tag/web/by-source/s", LEAVES | LIST_NOTHING | SIGNPOSTED_DOORS),
        ("/by-tag/web/untagged", LEAVES | LIST_NOTHING),
        ("/not/by-tag/web", set()),
        ("/by-source/s/not/by-tag/web", set()),
        ("/not/range/last-1d", set()),
        ("/by-tag/web" * 16, LEAVES | SIGNPOSTED_DOORS),
    ],
)
def test_a_directory_shows_what_else_resolves_in_it(
    tree: Tree, store: NaiveEventStore, path: str, wanted: set[str]
) -> None:
    """Each is a link to another name in it, which is there."""
    store.save_all([Event("a", "s", 10, ["web"], "x"), Event("b", "t", 20, [], "x")])
    found = hidden(tree, path)
    assert set(found) == wanted
    for name, target in found.items():
        assert name == f".{target}"
        tree.resolve(f"{path}/{target}").attributes()
    for name in LEAVES | LIST_NOTHING | LIST_SOMETHING | SIGNPOSTED_DOORS | {".git", ".1-2"}:
        if name not in wanted:
            with pytest.raises(NotFound):
                tree.resolve(f"{path}/{name}")


def test_a_filter_that_admits_several_lists_those_that_occur(
    tree: Tree, store: NaiveEventStore
) -> None:
    """One that names the only one lists nothing, so that walks end."""
    store.save_all(
        Event(source, source, 10, [f"level={level}"], "x")
        for source, level in (("s", "err"), ("t", "crit"), ("u", "info"))
    )
    assert listed(tree, "/by-source/s,t/by-source") == ["s", "t"]
    assert listed(tree, "/by-source/s,t/by-source/t/by-source") == []
    assert listed(tree, "/by-level/warning+/by-level") == ["crit", "err"]
    assert listed(tree, "/by-level/err,info/by-level") == ["err", "info"]
    assert listed(tree, "/by-level/err,info/by-source/s/by-level") == ["err"]
    assert listed(tree, "/by-level/err/by-level") == listed(tree, "/by-level/emerg+/by-level") == []
    assert listed(tree, "/not/by-source/s/by-source") == ["t", "u"]


@pytest.mark.parametrize(
    ("name", "faulty"),
    [("a(b", "(b"), ("%2F%25a(b", "(b"), ("%25(b)(%2F", "(%2F"), ("%2525[", "["), ("(%2F", "(%2F")],
)
def test_what_is_wrong_in_a_pattern_is_placed_in_its_name(
    tree: Tree, name: str, faulty: str
) -> None:
    """However its slashes and percent signs are written there."""
    with pytest.raises(InvalidName) as raised:
        tree.resolve(f"/not/match/{name}/count")
    assert raised.value.name == name
    assert raised.value.position == len(name) - len(faulty)

"""Programs that walk the tree come to an end, and looking reads no minute."""

import contextlib
import math
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from store import Event, EventStore, NaiveEventStore
from tests.counting import Cost, assert_constant, cost_of, disk_operations, only
from tests.followed import followed, followed_max, some_events
from theiafs.config import Settings
from theiafs.errors import NotFound
from theiafs.lineviews import LINE_VIEWS
from theiafs.operations import Operations

pytestmark = pytest.mark.usefixtures("settled")

NEVER_MS = 1e9
READS = ("open", "read")
PROBED = [
    ".git", ".git/HEAD", ".hidden", ".Trash", ".Trash-0", ".xdg-volume-info", ".directory", ".DS_Store", ".envrc", ".editorconfig",
    ".svn", ".hg", ".nfs0001", ".count.swp", ".fuse_hidden0001", "desktop.ini", "Thumbs.db", "autorun.inf", "HEAD",
]  # fmt: skip
"""Names that shells, editors, file managers, indexers and git look for in every directory."""
DIRECTORIES = [
    "", "/minutes", "/by-tag", "/by-source", "/by-level", "/by-date", "/range", "/match", "/not", "/by-id", "/untagged", "/by-tag/web",
    "/by-tag/web/by-tag", "/by-tag/web/range", "/range/last-1h", "/range/newest-1h/by-source", "/not/by-tag/web", "/by-tag/web/not",
]  # fmt: skip


def opened(directory: Path, events: list[Event]) -> NaiveEventStore:
    """Open a store of *events* that have been flushed and measured, with an index and nothing else in memory."""
    directory.mkdir()
    store = NaiveEventStore(str(directory), NEVER_MS)
    store.save_all(events)
    store.close()
    store = NaiveEventStore(str(directory), math.inf, measured_views=LINE_VIEWS)
    store._measurer.measure_all()
    store.close()
    return NaiveEventStore(str(directory), math.inf, measured_views=LINE_VIEWS)


def walk(operations: Operations, shown: str, real: str) -> Iterator[str]:
    """Yield what is below the directory *real*, as below *shown*, links followed."""
    names = [name for entries in operations.readdir(real) for name in entries.names]
    for name in names:
        if name in (".", ".."):
            continue
        path = f"{real.rstrip('/')}/{name}"
        yield f"{shown}{name}"
        if stat.S_ISLNK(operations.getattr(path).mode):
            path = f"{real.rstrip('/')}/{operations.readlink(path)}"
        if stat.S_ISDIR(operations.getattr(path).mode):
            yield from walk(operations, f"{shown}{name}/", path)


@pytest.mark.parametrize(
    ("sources", "days", "tags"),
    [(1, 1, 0), (1, 1, 1), (2, 1, 2), (1, 3, 3), (3, 1, 3), (3, 2, 6), (6, 4, 12)],
)
def test_a_walk_that_follows_links_ends(tmp_path: Path, sources: int, days: int, tags: int) -> None:
    """It reaches one directory for each filter, and for each pair of them that has events, and reads no minute twice."""
    combinations = [(), *((f"t{each}", f"t{each // 2}") for each in range(tags))]
    events = some_events(sources, days, 60, combinations)
    with contextlib.closing(opened(tmp_path / "store", events)) as store:
        operations = Operations(store, Settings(), lambda: None)
        with disk_operations() as cost:
            found = list(walk(operations, "", "/"))
    assert sorted(found) == sorted(followed(events))
    assert len(found) <= followed_max(events)
    # To list the levels, and so each minute once.
    assert cost["open"] <= len({int(event.timestamp) for event in events}) + 4  # and for the status


def look(operations: Operations, path: str) -> None:
    """Do what ``ls -lA --color`` does: stat each name, and what each link leads to."""
    for entries in operations.readdir(path):
        for name in entries.names:
            there = f"{path.rstrip('/')}/{name}"
            if name not in (".", "..") and stat.S_ISLNK(operations.getattr(there).mode):
                target = operations.readlink(there)
                operations.getattr(f"{path.rstrip('/')}/{target}")


def test_ls_of_the_root_reads_no_minute(tmp_path: Path) -> None:
    """It costs the same however many minutes there are, and opens none."""

    def measure(n: int) -> Cost:
        with contextlib.closing(opened(tmp_path / str(n), some_events(3, 1, 5 * n))) as store:
            operations = Operations(store, Settings(), lambda: None)
            cost = cost_of(lambda: look(operations, "/"))
        assert not cost["read"]
        # For the status: the store and its lock file, to name the process that holds it.
        assert cost["open"] <= 2
        return cost

    assert_constant(measure, 200)


@pytest.mark.parametrize(
    "path",
    ["/by-tag/web", "/by-source/%2Fapp%2F1", "/by-date/2026-09-22", "/untagged", "/not/by-tag/web"],
)
def test_ls_of_a_query_directory_reads_no_minute(tmp_path: Path, path: str) -> None:
    """Sizes and times of its files, and of all that its links lead to, are in the index."""
    with contextlib.closing(opened(tmp_path / "store", some_events(3, 2, 100))) as store:
        operations = Operations(store, Settings(), lambda: None)
        with disk_operations() as cost:
            look(operations, path)
    assert not +only(cost, *READS)


class AskedStore:
    """A store that notes what it is asked for."""

    def __init__(self, store: EventStore) -> None:
        self._store = store
        self.asked: list[str] = []

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._store, name)

        def ask(*arguments: Any) -> Any:
            self.asked.append(name)
            return found(*arguments)

        return ask if callable(found) else found


@pytest.mark.parametrize("directory", DIRECTORIES)
def test_a_name_that_programs_probe_for_costs_no_search(tmp_path: Path, directory: str) -> None:
    """It is not there; no more is asked than whether a tag or a source is known, and only where the name may be one."""
    with contextlib.closing(opened(tmp_path / "store", some_events(3, 2, 20))) as store:
        asked = AskedStore(store)
        operations = Operations(cast(EventStore, asked), Settings(), lambda: None)
        assert stat.S_ISDIR(operations.getattr(directory or "/").mode)
        for name in PROBED:
            asked.asked.clear()
            with pytest.raises(NotFound):
                operations.getattr(f"{directory}/{name}")
            may_be_one = not name.startswith(".") and directory.endswith(("/by-tag", "/by-source"))
            assert set(asked.asked) <= ({"has_tag", "has_source"} if may_be_one else set())

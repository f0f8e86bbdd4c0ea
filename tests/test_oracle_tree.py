"""The tree shows what a brute-force filter over all events says, whatever the events and paths."""

import contextlib
import tempfile
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from store import Event, NaiveEventStore
from tests.oracle import Expected, Model, Step, events, expect, in_bytes, level_name, queries
from tests.renderings import in_columns
from theiafs.doors import Doors
from theiafs.errors import NotFound
from theiafs.names import escape
from theiafs.nodes import Directory, File
from theiafs.paths import FILTERS_MAX
from theiafs.rendering.counts import render_counts
from theiafs.tree import Tree

NEVER_MS = 1e9


def read_all(tree: Tree, path: str, chunk_size: int) -> bytes:
    node = tree.resolve(path)
    assert isinstance(node, File)
    size = node.attributes().size
    handle = tree.open(path, to_write=False)
    data = b""
    while chunk := handle.read(len(data), chunk_size):
        data += chunk
    handle.release()
    assert len(data) == size
    return data


def check_summaries(tree: Tree, path: str, expected: Expected) -> None:
    """The small files say what is in the events."""
    found = expected.found
    summaries: dict[str, Counter[str]] = {
        "tags": Counter(tag for event in found for tag in event.tags),
        "sources": Counter(str(event.source) for event in found),
        "levels": Counter(filter(None, map(level_name, found))),
    }
    assert read_text(tree, f"{path}/count") == b"%d\n" % len(found)
    for name, counts in summaries.items():
        assert read_text(tree, f"{path}/{name}") == render_counts(
            {in_bytes(value): count for value, count in counts.items()}
        )
    for name in ("histogram", "patterns"):
        lines = read_text(tree, f"{path}/{name}").splitlines()
        column = 0 if name == "patterns" else 1
        assert sum(int(line.split()[column]) for line in lines) == len(found)


def read_text(tree: Tree, path: str) -> bytes:
    """Read a file that may say nothing true of its size before it was read."""
    handle = tree.open(path, to_write=False)
    data = handle.read(0, 1 << 20)
    handle.release()
    node = tree.resolve(path)
    assert node.attributes().size == len(data)
    return data


def listed(tree: Tree, path: str) -> list[str]:
    """List the directory at *path*, hidden names aside."""
    node = tree.resolve(path)
    assert isinstance(node, Directory)
    names = [name for entries in node.entries() for name in entries.names]
    return [name for name in names if not name.startswith(".")]


def check(tree: Tree, model: Model, query: list[Step], chunk_size: int) -> None:
    path = "".join(step.text for step in query)
    expected = expect(model, query)
    if expected is None:
        with pytest.raises(NotFound):
            tree.resolve(path)
        return
    assert sorted(expected.minutes) == sorted(listed(tree, path))
    for minute, data in expected.minutes.items():
        assert data == read_all(tree, f"{path}/{minute}", chunk_size)
    assert expected.events == read_all(tree, f"{path}/events", chunk_size)
    for name, data in expected.lines.items():
        assert data == read_all(tree, f"{path}/{name}", 101 * chunk_size)
    check_summaries(tree, path, expected)
    tags = {tag for event in expected.found for tag in event.tags}
    applied = {tag for step in query if not step.text.startswith("/not") for tag in step.tags}
    sources = {str(event.source) for event in expected.found}
    positive = [step for step in query if not step.text.startswith("/not")]
    if any(len(step.sources) == 1 for step in positive):
        sources = set()
    if len(query) < FILTERS_MAX:
        assert sorted(listed(tree, f"{path}/by-tag")) == sorted(map(escape, tags - applied))
        assert sorted(listed(tree, f"{path}/by-source")) == sorted(map(escape, sources))
        levels = {level_name(event) for event in expected.found} - {None}
        if any(len(step.levels) == 1 for step in positive):
            levels = set()
        assert set(listed(tree, f"{path}/by-level")) == levels
        days = expected.days
        if len(days) > 1:
            assert listed(tree, f"{path}/by-date") == sorted(days)
    for minute in {minute for _event, minute in model.arrived} - set(expected.minutes):
        with pytest.raises(NotFound):
            tree.resolve(f"{path}/{minute}").attributes()
        with pytest.raises(NotFound):
            tree.resolve(f"{path}/{minute}.log").attributes()


batches = st.lists(events, max_size=6)
rounds = st.lists(
    st.tuples(
        batches, st.sampled_from(["go on", "flush", "reopen"]), st.lists(queries, max_size=2)
    ),
    min_size=1,
    max_size=4,
)


@pytest.mark.timeout(900)  # while other programs run, it takes minutes
@settings(max_examples=600, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(rounds, st.sampled_from([1, 7, 64, 4096]))
def test_every_directory_and_file_is_what_the_oracle_says(
    history: list[tuple[list[Event], str, list[list[Step]]]], chunk_size: int
) -> None:
    """Listings, sizes, bytes and counts agree after every batch, flushed or not, and after a restart.

    In half of the examples, few lines are rendered in columns, as many are.
    """
    rendering = in_columns() if chunk_size in (7, 4096) else contextlib.nullcontext()
    # Nothing here is about fsync.
    with rendering, tempfile.TemporaryDirectory(dir="/dev/shm") as directory:
        store = NaiveEventStore(directory, NEVER_MS)
        tree, model = Tree(store, Doors(1 << 20)), Model()
        for batch, then, asked in history:
            store.save_all(batch)
            for event in batch:
                model.save(event)
            if then == "flush":
                store.sync()
            elif then == "reopen":
                store.close()
                store = NaiveEventStore(directory, NEVER_MS)
                tree = Tree(store, Doors(1 << 20))
                model.reopen()
            for query in asked:
                check(tree, model, query, chunk_size)
        tags = {tag for event, _minute in model.arrived for tag in event.tags}
        sources = {str(event.source) for event, _minute in model.arrived}
        assert sorted(map(escape, tags)) == sorted(listed(tree, "/by-tag"))
        assert sorted(map(escape, sources)) == sorted(listed(tree, "/by-source"))
        assert {minute for _event, minute in model.arrived} == set(listed(tree, "/minutes"))
        everything = expect(model, [])
        assert everything is not None
        for name, data in everything.lines.items():
            above = "" if name.startswith("events") else "/minutes"
            assert data == read_all(tree, f"{above}/{name}", 101 * chunk_size)
        store.close()

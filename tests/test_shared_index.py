"""The index of a process that writes, in one that only reads: it keeps the writing one from nothing."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, Matches, NaiveEventStore, Opening, Query, open_store
from store.disk.disk import Disk
from store.filenames import index_path
from store.index.listing import list_stamps
from store.index.shared import SharedDatabase
from tests.test_cost import opened


def change_version(index: sqlite3.Connection) -> None:
    """Make it one of another release."""
    index.execute("UPDATE state SET version = version + 1")


def damage_streams(index: sqlite3.Connection) -> None:
    index.execute("UPDATE streams SET key = 'x' WHERE id = (SELECT max(id) FROM streams)")


def damage_minutes(index: sqlite3.Connection) -> None:
    index.execute("DELETE FROM snapshot")
    index.execute("UPDATE minutes SET checksum = 1 WHERE id = (SELECT max(id) FROM minutes)")


def drop_table(index: sqlite3.Connection) -> None:
    index.execute("DROP TABLE streams")


@pytest.fixture
def store(tmp_path: Path) -> Iterator[NaiveEventStore]:
    with opened(tmp_path) as store:
        save(store, 0)
        yield store


def save(store: NaiveEventStore, turn: int) -> None:
    rows = [(number, f"source {number}") for number in range(300)]
    store.save_all(Event(f"{turn}/{n}", source, 60.0 * n, ["t"], "word") for n, source in rows)
    store._flush_all()


@pytest.mark.parametrize("change", [change_version, damage_streams, damage_minutes, drop_table])
def test_an_index_that_cannot_be_used_is_closed(
    store: NaiveEventStore, change: Callable[[sqlite3.Connection], None]
) -> None:
    """SQLite can empty the log of the writing process, which would grow as long as the other one runs; and nothing more is read."""
    path = index_path(store.root_dir)
    with contextlib.closing(sqlite3.connect(path)) as index:
        with index:
            change(index)
        shared = SharedDatabase(Disk(), path)
        assert shared.load(list_stamps(Disk().list_files(store.root_dir))) is None
        with index:
            index.execute("CREATE TABLE more AS SELECT * FROM entries")
        [(is_busy, _, _)] = index.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert not is_busy
        assert (
            shared.read([], lambda tables, _: tables.select_text_filters(0, 1 << 40, -1, 9)) == []
        )
        shared.close()


def test_an_index_that_is_used_holds_nothing_either(store: NaiveEventStore) -> None:
    """Neither after the opening nor after what is read later."""
    with contextlib.closing(open_store(store.root_dir, Opening(is_read_only=True))) as reader:
        assert reader.whole(Query().where(Matches("word"))).events == 300
        save(store, 1)
        with contextlib.closing(sqlite3.connect(index_path(store.root_dir))) as index:
            [(is_busy, _, _)] = index.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        assert not is_busy

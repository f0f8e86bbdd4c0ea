"""An index that another program removes while it is in use is written again."""

import contextlib
import sqlite3
from pathlib import Path

from store import Event, NaiveEventStore, Query
from store.filenames import hidden_path, index_path
from store.query import MINUTE_S
from tests.test_cost import NEVER_MS

MINUTES = 50


def test_a_removed_index_is_written_again(tmp_path: Path) -> None:
    """At the next flush, as it was: nothing is read again, then or at the next opening."""
    directory = str(tmp_path)
    events = [Event(f"{each}", "s", each * MINUTE_S, ["web"], "x") for each in range(MINUTES)]
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS)) as store:
        store.save_all(events)
    with contextlib.closing(NaiveEventStore(directory, NEVER_MS)) as store:
        for path in Path(hidden_path(directory)).glob("index.sqlite*"):
            path.unlink()
        store.save(Event("late", "s", 3 * MINUTE_S, ["web"], "after it"))
        store._tick()
        assert store.status()["index"] == "in use"
        with contextlib.closing(sqlite3.connect(index_path(directory))) as connection:
            [(count,)] = connection.execute("SELECT count(*) FROM minutes")
        assert count == MINUTES
        shown = store.snapshot(Query()).spans
    told: list[int] = []
    with contextlib.closing(
        NaiveEventStore(directory, NEVER_MS, progress=lambda done, _total: told.append(done))
    ) as again:
        assert told == []
        assert [each._replace(changed=0) for each in again.snapshot(Query()).spans] == [
            each._replace(changed=0) for each in shown
        ]

"""Opening a store costs what has changed since it was closed, whether that was well or not."""

from pathlib import Path

import pytest

from store import NaiveEventStore
from store.index.tables import Tables
from tests.endings import end_process
from tests.test_index import NEVER_MS, events, expected, looks


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store with a few minutes that was closed in order."""
    store = NaiveEventStore(str(tmp_path / "store"), NEVER_MS)
    store.save_all(events(0, 60))
    store.close()
    return tmp_path / "store"


def test_opening_after_a_kill_costs_what_has_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The rows of the other minutes are not read one by one: they are in the snapshot of the last end."""
    store = NaiveEventStore(str(root), NEVER_MS)
    store.save_all(events(55, 80))
    store.delete("id30")
    store._flush_all()
    end_process(store)
    wanted = expected(root)

    def refuse(_tables: object) -> None:
        raise AssertionError("the rows of all minutes were read")

    monkeypatch.setattr(Tables, "minutes", refuse)
    for _ in range(2):
        again = NaiveEventStore(str(root), NEVER_MS)
        assert looks(again) == wanted
        assert not again._state.streams.stale
        end_process(again)

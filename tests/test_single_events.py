"""A single event takes its own path to the same result."""

from pathlib import Path
from tempfile import TemporaryDirectory

from hypothesis import given, settings
from hypothesis import strategies as st

from store import Event, NaiveEventStore, Query
from tests.counting import disk_operations
from tests.test_index import NEVER_MS, expected, looks, opened


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 400), st.integers(0, 4)), max_size=25), st.booleans())
def test_events_one_by_one_are_as_events_together(
    rows: list[tuple[int, int]], damaged: bool
) -> None:
    """For any minutes, with or without half an event left there."""
    given_events = [
        Event(
            f"id{number}",
            f"app{row[1] % 2}",
            row[0] / 2,
            [["web"], ["db", "web"], [], ["rare"], ["db"]][row[1]],
            "x" * number,
        )
        for number, row in enumerate(rows)
    ]
    shown: list[object] = []
    with TemporaryDirectory() as directory:
        for name in ("one by one", "together"):
            root = Path(directory, name)
            root.mkdir()
            if damaged:
                (root / "10-70").write_bytes(b"event: 9")
            store = NaiveEventStore(str(root), NEVER_MS)
            before = looks(store)
            for portion in (
                [[each] for each in given_events] if name == "one by one" else [given_events]
            ):
                store.save_all(portion)
            unflushed = looks(store)
            store._flush_all()
            shown.append([before, unflushed, looks(store)])
            store.close()
            assert opened(root) == expected(root)
    assert shown[0] == shown[1]


def test_events_of_many_minutes_in_no_order(tmp_path: Path) -> None:
    """To flush them reads the journal about once, not once for each minute."""
    minutes, rounds = 200, 8
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    for turn in range(rounds):
        store.save_all(
            Event(f"{turn}-{minute}", "s", 60.0 * minute + turn, [], "x" * 500)
            for minute in range(minutes)
        )
    with disk_operations() as cost:
        store._flush_all()
    journal_size = minutes * rounds * 700
    assert 0 < cost["read bytes"] < 10 * journal_size
    assert store.whole(Query()).events == minutes * rounds
    store.close()
    assert opened(tmp_path) == expected(tmp_path)

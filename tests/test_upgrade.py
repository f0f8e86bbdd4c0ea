"""A store that an earlier release left opens with everything that is in it, once."""

import shutil
from pathlib import Path

import pytest

from store import Event, EventStoreException, NaiveEventStore, Opening, Query, open_store

FORMAT_1 = Path(__file__).parent / "data" / "format-1"
NEVER_MS = 1e9


@pytest.fixture
def left(tmp_path: Path) -> Path:
    """The store of a release with format 1 of the log, as kill -9 left it."""
    return Path(shutil.copytree(FORMAT_1, tmp_path / "store"))


def test_every_event_is_there_once(left: Path) -> None:
    """Those in the files and those that only the log has, before and after they are flushed, and after a restart."""
    # Another program had removed the file of two.
    wanted = sorted(f"event-{number}" for number in range(20) if number not in (8, 9))
    for _ in range(2):
        store = NaiveEventStore(str(left), NEVER_MS)
        assert sorted(str(event.id) for event in store.search(0)) == wanted
        assert store.whole(Query()).events == len(wanted)
        store.save(Event("new", "s", 1000, [], "x"))
        store._flush_all()
        assert sorted(str(event.id) for event in store.search(0)) == sorted([*wanted, "new"])
        store.delete("new")
        store.close()


def test_declared_tags_and_the_quarantine_are_kept(left: Path) -> None:
    """The tags are directories from now on."""
    before = {path.name: path.read_bytes() for path in (left / ".theiafs/quarantine").iterdir()}
    for _ in range(2):
        store = NaiveEventStore(str(left), NEVER_MS)
        assert store.tags() >= {"declared", "of an earlier release"}
        store.declare_tag("of this one")
        store.close()
    after = {path.name: path.read_bytes() for path in (left / ".theiafs/quarantine").iterdir()}
    assert before.items() <= after.items()
    assert not (left / ".theiafs" / "tags").exists()
    follower = open_store(str(left), Opening(is_read_only=True))
    assert follower.tags() >= {"declared", "of an earlier release", "of this one"}
    follower.close()


def test_an_unknown_format_is_refused(left: Path) -> None:
    """In one line that names it; nothing is changed."""
    [segment] = list((left / ".theiafs" / "journal").iterdir())[:1]
    segment.write_bytes(
        segment.read_bytes().replace(b"theiafs-journal 1 ", b"theiafs-journal 9 ", 1)
    )
    before = {path: path.read_bytes() for path in left.rglob("*") if path.is_file()}
    with pytest.raises(EventStoreException, match="9") as refused:
        NaiveEventStore(str(left), NEVER_MS)
    assert "\n" not in str(refused.value)
    unchanged = {path: path.read_bytes() for path in before if path.name != "lock"}
    assert unchanged.items() <= before.items()

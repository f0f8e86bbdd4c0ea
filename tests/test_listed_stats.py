"""The attributes of many files in a directory at once are those of each alone."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, EventReadException, NaiveEventStore
from store.engine.reading import Reader
from theiafs.config import Settings
from theiafs.operations import Operations

DIRECTORIES = ("/minutes", "/by-tag/web", "/match/7", "/range/30-150", "/by-tag/web/not/match/7")


@pytest.fixture
def operations(tmp_path: Path) -> Iterator[Operations]:
    """Yield the operations of a mount of a store, whose first event is older than any time that is shown otherwise."""
    store = NaiveEventStore(str(tmp_path), 0)
    for number in range(20):
        tags = ["web"] if number % 3 else []
        store.save(Event(f"{number}", "s", number and 17.5 * number, tags, f"{number}"))
    found = Operations(store, Settings(), lambda: None)
    yield found
    found.destroy("/")
    store.close()


@pytest.mark.parametrize("path", DIRECTORIES)
def test_they_are_those_of_each_file(operations: Operations, path: str) -> None:
    """But for the inode number; of an open file, and of one without events, nothing is said."""
    *_, minutes = operations.readdir(path)
    count = len(minutes.names)
    assert count > 1
    operations.open(f"{path}/{minutes.names[1]}", 0, 1)
    found = operations.listed_stats(path, minutes, 0, count)
    assert found is not None
    assert found.are_known.tolist() == [place != 1 for place in range(count)]
    for place, name in enumerate(minutes.names):
        one = operations.getattr(f"{path}/{name}")
        times = int(found.newest_ns[place]), int(found.changed_ns[place])
        assert (one.mode, one.uid, one.gid) == (found.mode, *found.owner)
        assert (one.size, one.newest_ns, one.changed_ns) == (found.sizes[place], *times)


def test_a_minute_that_cannot_be_read_spoils_no_listing(
    operations: Operations, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is said of its neighbours either, so that each is asked for alone."""

    def fail(*_: object) -> None:
        raise EventReadException("a bad sector")

    monkeypatch.setattr(Reader, "spans", fail)
    *_, minutes = operations.readdir("/minutes")
    assert operations.listed_stats("/minutes", minutes, 0, 3) is None
    assert operations.getattr(f"/minutes/{minutes.names[0]}").size > 0


def test_nothing_is_said_of_what_is_no_minute(operations: Operations) -> None:
    """Directories and links are asked for one by one."""
    for entries in operations.readdir("/by-tag"):
        assert operations.listed_stats("/by-tag", entries, 0, len(entries.names)) is None

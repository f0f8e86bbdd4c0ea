"""Changes by other programs, where the disk fails."""

import errno
import logging
import math
from collections.abc import Iterator
from pathlib import Path

import pytest

from store import Event, EventSerializer, EventStoreException, NaiveEventStore, Query
from store.disk.disk import Disk
from store.disk.file import ReadableFile, WritableFile
from store.disk.os_errors import reading, writing

NEVER_MS = math.inf


class BadDisk(Disk):
    """A disk that can neither read nor write one file.

    Attributes:
        name: the name of the file; empty for none.
    """

    name = ""

    def open_to_read(self, path: str) -> ReadableFile:
        with reading("open", path):
            self._fail(path)
        return super().open_to_read(path)

    def create(self, path: str) -> WritableFile:
        with writing("create", path):
            self._fail(path)
        return super().create(path)

    def _fail(self, path: str) -> None:
        if self.name and self.name in path:
            raise OSError(errno.EIO, "Input/output error")


@pytest.fixture
def disk() -> BadDisk:
    return BadDisk()


@pytest.fixture
def store(tmp_path: Path, disk: BadDisk) -> Iterator[NaiveEventStore]:
    opened = NaiveEventStore(str(tmp_path), NEVER_MS, disk)
    yield opened
    disk.name = ""
    opened.close()


def record(name: str, time: float) -> bytes:
    return EventSerializer().serialize(Event(name, "s", time, ["t"], "content")) + b"\n"


def ids(store: NaiveEventStore) -> list[object]:
    return [each.id for each in store.search(0)]


@pytest.mark.parametrize("bad", ["100-160", "1000-1060"])
def test_changes_that_a_flush_meets_are_shown_although_it_fails(
    store: NaiveEventStore, tmp_path: Path, disk: BadDisk, bad: str
) -> None:
    """Whichever minute it is that cannot be written."""
    times = (10, 100, 500, 1000)
    for number in range(2):
        store.save_all(Event(f"{time} {number}", "s", time, ["t"], "x") for time in times)
        if not number:
            store._flush_all()
    with (tmp_path / "500-560").open("ab") as file:
        file.write(record("other", 510))
    disk.name = bad
    with pytest.raises(EventStoreException):
        store._flush_all()
    assert store.whole(Query()).events == 9
    disk.name = ""
    store._flush_all()
    found = ids(store)
    expected = {"other", *(f"{time} {number}" for time in times for number in range(2))}
    assert (set(found), len(found)) == (expected, len(expected))


@pytest.mark.parametrize("is_watched", [True, False])
def test_a_new_file_that_cannot_be_read_is_logged_once(
    store: NaiveEventStore,
    tmp_path: Path,
    disk: BadDisk,
    caplog: pytest.LogCaptureFixture,
    is_watched: bool,
) -> None:
    """It is tried at each look, and shown as soon as it can be read."""
    caplog.set_level(logging.WARNING)
    if not is_watched:
        store._watcher.close()
        store._watcher._watch = None
    disk.name = "10-70"
    (tmp_path / "10-70").write_bytes(record("other", 10))
    for _ in range(4):
        store._watcher.look()
    assert ["10-70" in each.getMessage() for each in caplog.records] == [True]
    disk.name = ""
    store._watcher.look()
    assert ids(store) == ["other"]

"""The disk has room for minute files, and none for the log."""

import contextlib
import math
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from store import Event, EventStoreException, NaiveEventStore, StoreFull
from store.minutes.logged_file import LoggedFile, PreparedFlush
from store.wal.log import WriteAheadLog
from store.wal.log_segment import LogSegment
from tests.endings import end_process

NEVER_MS = math.inf
TIMES = (10.0, 100.0, 1000.0, 5000.0)


class Room:
    """The room for the log: how many records may be in one write to it; None for any number."""

    def __init__(self) -> None:
        self.records: int | None = None


@pytest.fixture
def room(monkeypatch: pytest.MonkeyPatch) -> Room:
    room = Room()

    def limited(write: Callable[..., LogSegment]) -> Callable[..., LogSegment]:
        def checked(self: WriteAheadLog, pieces: list[bytes], *rest: Any) -> LogSegment:
            if room.records is not None and len(pieces) > 2 * room.records:
                raise StoreFull("cannot write the log: No space left on device")
            return write(self, pieces, *rest)

        return checked

    monkeypatch.setattr(WriteAheadLog, "_write", limited(WriteAheadLog._write))
    return room


def save(store: NaiveEventStore, number: int) -> None:
    store.save_all(Event(f"{time} {number}", "s", time, ["t"], "x") for time in TIMES)


def ids(store: NaiveEventStore) -> list[object]:
    return [each.id for each in store.search(0)]


def stored(directory: Path, number: int) -> set[float]:
    """Return the times whose event with this *number* is in a minute file of *directory*."""
    there = b"".join(path.read_bytes() for path in directory.glob("[0-9]*-[0-9]*"))
    return {time for time in TIMES if b"id:%a %d\n" % (time, number) in there}


@pytest.mark.parametrize("is_new", [True, False])
def test_nothing_that_was_removed_comes_back_after_a_kill(
    tmp_path: Path, room: Room, is_new: bool
) -> None:
    """A minute is only flushed when the log has a note of it, so that its removal can be told from a crash before it."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    if not is_new:
        save(store, 1)
        store._flush_all()
    save(store, 2)
    store.sync()
    room.records = 0
    with contextlib.suppress(EventStoreException):
        store._flush_all()
    removed = {f"{time} {number}" for number in (1, 2) for time in stored(tmp_path, number)}
    for path in tmp_path.glob("[0-9]*-[0-9]*"):
        path.unlink()
    end_process(store)
    room.records = None
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    kept = {f"{time} 2" for time in TIMES} - removed
    assert (set(ids(again)), len(ids(again))) == (kept, len(kept))
    again.close()


def test_as_much_is_flushed_as_the_log_has_room_for(tmp_path: Path, room: Room) -> None:
    """The new files, which take room too, do not keep it from all of them; the rest follows when there is room."""
    store = NaiveEventStore(str(tmp_path), NEVER_MS)
    save(store, 1)
    store._flush_all()
    save(store, 2)
    room.records = 1
    with pytest.raises(EventStoreException):
        store._flush_all()
    assert len(stored(tmp_path, 2)) == 1
    assert len(ids(store)) == 2 * len(TIMES)
    room.records = None
    store._flush_all()
    assert stored(tmp_path, 2) == set(TIMES)
    assert not list(tmp_path.glob(".*.tmp"))
    store.close()
    again = NaiveEventStore(str(tmp_path), NEVER_MS)
    assert len(ids(again)) == 2 * len(TIMES)
    again.close()


def with_kept_records(directory: Path) -> NaiveEventStore:
    """Return a store whose log keeps records that are flushed."""
    store = NaiveEventStore(str(directory), NEVER_MS)
    save(store, 0)
    store._log._segments.current = None
    store._flush_all()
    store.sync()
    assert store._log.usage().kept_size > 0
    return store


def test_minutes_get_the_room_of_what_is_only_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A flush without room for its files is tried again in that of the log's flushed records."""
    store = with_kept_records(tmp_path)
    prepare = LoggedFile.prepare_flush

    def without_room(file: LoggedFile, checksum: int = 0) -> PreparedFlush | None:
        if store._log.usage().kept_size:
            raise StoreFull("cannot write a minute file: No space left on device")
        return prepare(file, checksum)

    monkeypatch.setattr(LoggedFile, "prepare_flush", without_room)
    save(store, 1)
    store._flush_all()
    assert stored(tmp_path, 1) == set(TIMES)
    store.close()


def test_what_is_only_kept_goes_once_it_is_old_enough(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whether anything arrives or not."""
    store = with_kept_records(tmp_path)
    kept = store._log.usage().kept_size
    later = time.monotonic() + 7 * 24 * 3600
    monkeypatch.setattr("store.wal.segment_list.time.monotonic", lambda: later)
    store._tick()
    assert store._log.usage().kept_size < kept
    store.close()

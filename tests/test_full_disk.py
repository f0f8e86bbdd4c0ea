"""The disk is full while events wait in the log, and other programs remove minutes: the store serves what there is."""

import pytest

from store import Event, EventReadException, NaiveEventStore, StoreFull
from store.query import Query
from tests.endings import end_process
from tests.faults import Fate, FaultyDisk
from tests.survivors import NEVER_MS, ROOT


class FullDisk:
    """A store on a disk that may become full.

    Attributes:
        disk: the disk.
        store: the store that is open.
    """

    def __init__(self) -> None:
        self.disk = FaultyDisk()
        self.store = NaiveEventStore(ROOT, NEVER_MS, self.disk)

    def reopen(self, fate: str = "kept", *, is_copy: bool = False) -> None:
        """Kill the process, or let the power go, and open what is left, or a copy of it; a full disk stays full."""
        survived = self.disk.after_a_power_cut(Fate(fate))
        survived.is_full = self.disk.is_full
        survived.root_inode += is_copy
        end_process(self.store)
        self.disk = survived
        self.store = NaiveEventStore(ROOT, NEVER_MS, self.disk)

    def save(self, name: str, time: float) -> None:
        self.store.save(Event(name, "s", time, ["t"], f"content of {name}"))

    def shown(self) -> list[object]:
        """Return the ids that a search finds, after a check that counts, bytes and minutes agree with it."""
        found = [event.id for event in self.store.search(0)]
        answer = self.store.answer(Query())
        data = answer.read(0, 1 << 20)
        whole, counts = (
            self.store.whole(Query()),
            [each.events for each in self.store.snapshot(Query()).spans],
        )
        assert (whole.size, whole.events) == (len(data), len(found))
        assert (data.count(b"\nid:"), sum(counts), min(counts)) == (len(found), len(found), 1)
        return found


@pytest.fixture
def full() -> FullDisk:
    """Return a full disk with a minute that is flushed, one that is flushed in part, and one that is not."""
    made = FullDisk()
    made.save("flushed", 10.0)
    made.save("part", 100.0)
    made.store._tick()
    made.save("rest", 101.0)
    made.save("waiting", 1000.0)
    made.store.sync()
    made.disk.is_full = True
    return made


def remove_by_hand(full: FullDisk) -> None:
    """Remove two minute files as another program does, one of which has events in the log that are not in it."""
    full.disk.lose(f"{ROOT}/10-70")
    full.disk.lose(f"{ROOT}/100-160")


LEFT = ["rest", "waiting"]


def test_what_others_remove_shows(full: FullDisk) -> None:
    """Reading needs no room, also where it notices the removal first."""
    answer = full.store.answer(Query(), "10-70")
    remove_by_hand(full)
    with pytest.raises(EventReadException):
        answer.read(0, 1 << 20)
    full.store._watcher.look()
    assert full.shown() == LEFT
    with pytest.raises(StoreFull):
        full.save("refused", 2000.0)
    assert full.shown() == LEFT


@pytest.mark.parametrize("fate", ["kept", "dropped"])
def test_a_crash_before_there_is_room(full: FullDisk, fate: str) -> None:
    """Nothing that was removed comes back, and nothing that was acknowledged is lost, however often it is opened again."""
    remove_by_hand(full)
    full.store._watcher.look()
    for _ in range(2):
        full.reopen(fate)
        assert full.shown() == LEFT
    full.disk.is_full = False
    full.reopen(fate)
    assert full.shown() == LEFT
    full.store.close()


def test_room_again(full: FullDisk) -> None:
    """The notes in memory are in the log then: a copy of the store does not get back what was removed."""
    remove_by_hand(full)
    full.store._watcher.look()
    full.disk.is_full = False
    full.store.sync()
    full.reopen(is_copy=True)
    assert full.shown() == LEFT
    full.store.close()


@pytest.mark.parametrize("is_copy", [False, True])
def test_a_removed_minute_that_gets_new_events(full: FullDisk, is_copy: bool) -> None:
    """The note of its removal comes before them in the log."""
    remove_by_hand(full)
    full.store._watcher.look()
    full.disk.is_full = False
    full.save("new", 10.0)
    full.disk.is_full = True
    full.reopen(is_copy=is_copy)
    assert full.shown() == ["new", *LEFT]
    full.disk.is_full = False
    full.store._tick()
    full.reopen(is_copy=is_copy)
    assert full.shown() == ["new", *LEFT]
    full.store.close()


def test_a_sync_needs_no_room_for_notes(full: FullDisk) -> None:
    """Acknowledged events can be made durable."""
    full.disk.is_full = False
    full.save("unsynced", 1001.0)
    full.disk.is_full = True
    remove_by_hand(full)
    full.store._watcher.look()
    full.store.sync()
    full.disk.is_full = False
    full.reopen("dropped")
    assert full.shown() == [*LEFT, "unsynced"]
    full.store.close()


def test_a_store_opens(full: FullDisk) -> None:
    """Also where what is left of a minute has to move, because another program has removed its file meanwhile."""
    remove_by_hand(full)
    for _ in range(2):
        full.reopen()
        assert full.shown() == LEFT
        with pytest.raises(StoreFull):
            full.save("refused", 2000.0)
    full.disk.is_full = False
    full.save("new", 2000.0)
    full.reopen()
    assert full.shown() == [*LEFT, "new"]
    full.store.close()

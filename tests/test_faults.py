"""The disk fails, or the power goes, at every single operation: nothing synced is lost, nothing is doubled.

What fails names the operation and the seed: ``run(CutAt(17, "middle"), Fate("torn", 4))`` repeats it.
"""

import contextlib
import errno
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

import pytest

from store import Event, EventNotFound, EventStoreException, NaiveEventStore, Query
from store.engine.check import Audit
from store.format.record import Frame
from store.format.scan import scan
from store.minutes.names import parse_name
from tests.faults import Fate, FaultyDisk, PowerCut

ROOT = "/s"
NEVER_MS = math.inf
PHASES = ("before", "middle", "after")
FATES = [("kept", 0), ("dropped", 0), ("torn", 1), ("torn", 2), ("torn", 3)]


@dataclass
class Promises:
    """What programs were told, by the ids of events."""

    tried: dict[object, Event] = field(default_factory=dict)
    saved: set[object] = field(default_factory=set)
    synced: set[object] = field(default_factory=set)
    deleted: set[object] = field(default_factory=set)
    maybe_deleted: set[object] = field(default_factory=set)


class Workload:
    """A program that uses a store: ingest, fsync, flush, a new minute, late events, removal, a restart.

    Once, somebody else removes a minute file meanwhile, as is allowed.

    Args:
        disk: where.
        flush_interval_ms: 0 flushes at every save; otherwise only the workload itself does.
    """

    def __init__(self, disk: FaultyDisk, flush_interval_ms: float = NEVER_MS) -> None:
        self.disk = disk
        self.promises = Promises()
        self._flush_interval_ms = flush_interval_ms
        self._store: NaiveEventStore | None = None

    def run(self) -> None:
        """Do it all; a step that the store says failed is over, and the next one is begun."""
        steps: list[Callable[[], object]] = [
            lambda: self.save(("a1", 10.0), ("a2", 11.5)),
            self.sync,
            lambda: self.save(("a3", 12.0)),
            lambda: self.save(("b1", 75.0), ("a4", 20.0), ("b2", 129.9)),
            self.tick,
            lambda: self.save(("late1", 5.0)),
            lambda: self.save(("a5", 69.0)),
            self.sync,
            lambda: self.save(("c1", 200.0)),
            lambda: self.delete("a2"),
            lambda: self.save(("a6", 30.0)),
            self.tick,
            lambda: self.save(("c2", 201.0)),
            lambda: self.save(("b5", 76.0)),
            self.lose_a_file,
            lambda: self.save(("b6", 76.5)),
            self.tick,
            lambda: self.save(("b7", 77.0)),
            self.sync,
            lambda: self.delete("late1"),
            lambda: self.store.declare_tag("declared"),
            lambda: self.save(("late2", 6.0)),
            self.sync,
            self.sync,
            lambda: self.save(("b3", 80.0)),
            self.close,
            lambda: self.save(("b4", 81.0)),
            self.sync,
            self.tick,
            lambda: self.save(("c3", 202.0), ("d1", 500.0)),
        ]
        try:
            for step in steps:
                with contextlib.suppress(EventStoreException):
                    step()
        finally:
            self.forget_store()

    @property
    def store(self) -> NaiveEventStore:
        """The store; opened when it is not."""
        if self._store is None:
            self._store = NaiveEventStore(ROOT, self._flush_interval_ms, self.disk)
        return self._store

    def save(self, *events: tuple[str, float]) -> None:
        made = [Event(name, "s", time, ["t"], f"content of {name}") for name, time in events]
        store = self.store
        self.promises.tried |= {event.id: event for event in made}
        store.save_all(made)
        self.promises.saved |= {event.id for event in made}
        if self._flush_interval_ms == 0:
            self.promises.synced |= self.promises.saved

    def sync(self) -> None:
        saved = self.promises.saved.copy()
        self.store.sync()
        self.promises.synced |= saved

    def tick(self) -> None:
        saved = self.promises.saved.copy()
        self.store._tick()
        self.promises.synced |= saved

    def delete(self, event_id: str) -> None:
        store = self.store
        self.promises.maybe_deleted.add(event_id)
        with contextlib.suppress(EventNotFound):
            store.delete(event_id)
            self.promises.deleted.add(event_id)

    def lose_a_file(self) -> None:
        if "75-135" in self.disk.names(ROOT):
            lost = self.disk.lose(f"{ROOT}/75-135")
            self.promises.maybe_deleted |= {
                name for name in self.promises.tried if f"id:{name}\n".encode() in lost
            }

    def close(self) -> None:
        store, self._store = self.store, None
        store.close()
        self.promises.synced |= self.promises.saved

    def forget_store(self) -> None:
        """What the end of a process does to it."""
        if self._store is not None and self._store._timer is not None:
            self._store._timer.cancel()


def check_minute_files(disk: FaultyDisk) -> None:
    """Every minute file is a whole number of whole events."""
    for name in disk.names(ROOT):
        if parse_name(name):
            data = disk.content(f"{ROOT}/{name}")
            found = scan(lambda offset, size, data=data: data[offset : offset + size], len(data))  # type: ignore[misc]
            assert all(isinstance(each, Frame) for each in found), name


def check_promises(disk: FaultyDisk, promises: Promises, is_power_cut: bool) -> None:
    """Open the store again, and compare what is there with what was told."""
    check_minute_files(disk)
    store = NaiveEventStore(ROOT, NEVER_MS, disk)
    found = list(store.search(0))
    ids = [event.id for event in found]
    assert len(ids) == len(set(ids)), f"doubled: {ids}"
    kept = promises.synced if is_power_cut else promises.saved
    assert kept - promises.maybe_deleted <= set(ids), f"lost: {kept - set(ids)}"
    assert not promises.deleted & set(ids), "came back"
    for event in found:
        assert event == promises.tried[event.id]
    assert store.whole(Query().tagged("t")).events == len(found)
    store.close()
    check_minute_files(disk)
    assert [str(finding) for finding in Audit(ROOT, disk=disk).run()] == []
    assert disk.names(f"{ROOT}/.theiafs/journal") == []


@pytest.fixture(params=["due", "not due"])
def flushes(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes are flushed at every tick, or some are too large for that and stay in the journal."""
    if request.param == "not due":
        monkeypatch.setattr("store.engine.flusher._RELAXED_SIZE", 160)
        monkeypatch.setattr("store.engine.partition._SIZE_MAX", 100)
        monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 250)
        monkeypatch.setattr("store.wal.log._UNSYNCED_SIZE_MAX", 300)


def operations_of(run: Callable[[FaultyDisk], object]) -> int:
    """How many operations something takes."""
    disk = FaultyDisk()
    run(disk)
    return disk.operations


def cut_points(operations: int) -> Iterator[tuple[int, str]]:
    for cut_at in range(1, operations + 1):
        for phase in PHASES:
            yield cut_at, phase


def run_until(
    cut_at: int, phase: str, flush_interval_ms: float = NEVER_MS, keeps_index: bool = False
) -> Workload:
    disk = FaultyDisk(keeps_index)
    disk.cut_at, disk.cut_phase = cut_at, phase
    workload = Workload(disk, flush_interval_ms)
    with contextlib.suppress(PowerCut):
        workload.run()
    return workload


@contextlib.contextmanager
def naming(*what: object) -> Iterator[None]:
    """Say how to repeat what fails."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error


@pytest.mark.usefixtures("flushes")
@pytest.mark.parametrize("flush_interval_ms", [NEVER_MS, 0])
@pytest.mark.parametrize(("fate", "seed"), FATES)
def test_a_crash_anywhere(
    fate: str, seed: int, flush_interval_ms: float, record_property: Callable[[str, int], None]
) -> None:
    """Before, in the middle of and after every operation; what was not synced is kept, dropped or torn."""
    operations = operations_of(lambda disk: Workload(disk, flush_interval_ms).run())
    points = 0
    for cut_at, phase in cut_points(operations):
        with naming(cut_at, phase, fate, seed):
            workload = run_until(cut_at, phase, flush_interval_ms, keeps_index=fate == "kept")
            survived = workload.disk.after_a_power_cut(Fate(fate, seed + cut_at * 7))
            check_promises(survived, workload.promises, is_power_cut=fate != "kept")
        points += 1
    assert points == operations * 3
    record_property("crash_points", points)


@pytest.mark.parametrize(("fate", "seed"), [("kept", 0), ("torn", 4)])
def test_a_second_crash_during_recovery(fate: str, seed: int) -> None:
    """At every operation of the recovery, after a crash at every operation."""
    points = 0
    for cut_at in range(1, operations_of(lambda disk: Workload(disk).run()) + 1):
        second_cut = 0
        while True:
            second_cut += 1
            points += 1
            with naming(cut_at, second_cut, fate, seed):
                workload = run_until(cut_at, "after")
                survived = workload.disk.after_a_power_cut(Fate(fate, seed + cut_at * 7))
                survived.cut_at, survived.cut_phase = second_cut, PHASES[points % 3]
                try:
                    NaiveEventStore(ROOT, NEVER_MS, survived)
                except PowerCut:
                    again = survived.after_a_power_cut(Fate(fate, seed + points))
                    check_promises(again, workload.promises, is_power_cut=fate != "kept")
                else:
                    break
    assert points > 1000


@pytest.mark.usefixtures("flushes")
@pytest.mark.parametrize("flush_interval_ms", [NEVER_MS, 0])
@pytest.mark.parametrize("length", [1, 4, 40])
@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
def test_an_error_anywhere(error_number: int, length: int, flush_interval_ms: float) -> None:
    """At every operation, and at so many from there on: what was acknowledged is there, and work goes on."""
    failures = 0
    for first in range(1, operations_of(lambda disk: Workload(disk, flush_interval_ms).run()) + 1):
        for fate in (Fate("kept"), Fate("dropped"), Fate("torn", first)):
            with naming(first, length, error_number, fate.name):
                disk = FaultyDisk()
                disk.failing = range(first, first + length)
                disk.error_number = error_number
                workload = Workload(disk, flush_interval_ms)
                workload.run()
                failures += disk.failures
                # However often it failed, what is not needed any more is let go of.
                assert len(disk.names(f"{ROOT}/.theiafs/journal")) <= 12
                survived = disk.after_a_power_cut(fate)
                check_promises(survived, workload.promises, is_power_cut=fate.name != "kept")
    assert failures > 0


@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
def test_writing_works_again_when_the_error_is_gone(error_number: int) -> None:
    """In the same process: the disk fails for good, nothing new is taken, and then it does not any more."""
    for first in range(1, 60):
        with naming(first):
            disk = FaultyDisk()
            workload = Workload(disk)
            store = workload.store
            workload.save(("a1", 10.0))
            begin = disk.operations
            disk.failing = range(begin + first, 10**9)
            disk.error_number = error_number
            for number in range(20):
                with contextlib.suppress(EventStoreException):
                    workload.save((f"x{number}", 10.0 + number * 7))
                    workload.sync()
                with contextlib.suppress(EventStoreException):
                    workload.tick()
            with pytest.raises(EventStoreException):
                store.save(Event("refused", "s", 10))
            disk.failing = range(0)
            workload.save(("z", 11.0))
            workload.sync()
            workload.tick()
            assert {event.id for event in store.search(0)} >= workload.promises.saved
            workload.close()
            check_promises(disk, workload.promises, is_power_cut=False)

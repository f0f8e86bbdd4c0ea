"""The disk fails, or the power goes, at every single operation: nothing synced is lost, nothing is doubled.

The workload runs once for all cuts, and disks that are left equal are read once. A failure names the operation and
the seed: ``run_until(17, "middle").disk.after_a_power_cut(Fate("torn", 4))`` repeats it.
"""

import contextlib
import errno
import functools
import logging
from collections.abc import Callable, Iterator
from typing import NamedTuple

import pytest

from store import Event, EventNotFound, EventStoreException, NaiveEventStore
from store.engine.watcher import Watcher
from store.index.tables import Tables
from tests.doubles import Clock, copy_of_new_tables
from tests.faults import FaultyDisk, PowerCut
from tests.survivors import NEVER_MS, ROOT, Promises, Survivors
from tests.volatile import Fate

PHASES = ("before", "middle", "after")
PARTS = 4
"""The parts of the longest sweep, each of which is a test."""
pytestmark = pytest.mark.timeout(900)  # while other programs run, a sweep takes minutes
FATES = [("kept", 0), ("dropped", 0), ("torn", 1), ("torn", 2), ("torn", 3)]


@pytest.fixture(autouse=True, scope="module")
def always_the_same() -> Iterator[None]:
    """Let time stand still, on which it depends what is flushed when.

    Nothing is logged: what goes wrong is meant to, and writing it down would take a fifth of the time.
    """
    logging.disable(logging.CRITICAL)
    with pytest.MonkeyPatch.context() as monkeypatch:
        for name in (
            "engine.flusher",
            "engine.naive",
            "engine.upkeep",
            "engine.watcher",
            "wal.segment_list",
        ):
            module = f"store.{name}"
            monkeypatch.setattr(f"{module}.time", Clock())
        monkeypatch.setattr(Tables, "create", copy_of_new_tables(Tables.create))
        # The workload says when changes by other programs are noticed.
        monkeypatch.setattr(Watcher, "start", lambda _watcher: None)
        yield
    logging.disable(logging.NOTSET)


class Workload:
    """A program that uses a store: ingest, fsync, flush, a new minute, late events, removal, a restart.

    Once, another program removes a minute file meanwhile, as is allowed.

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
            lambda: self.store.undeclare_tag("declared"),
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
            self._store = NaiveEventStore(
                ROOT, self._flush_interval_ms, self.disk, log_keep_size=600
            )
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
        """Do to it what the end of a process does."""
        if self._store is not None and self._store._timer is not None:
            self._store._timer.cancel()
        self._store = None


@pytest.fixture(scope="module", params=["due", "not due"])
def survivors(request: pytest.FixtureRequest) -> Iterator[Survivors]:
    """Minutes are flushed at every tick, or some are too large for that and stay in the journal."""
    with pytest.MonkeyPatch.context() as monkeypatch:
        if request.param == "not due":
            monkeypatch.setattr("store.engine.flusher._RELAXED_SIZE", 160)
            monkeypatch.setattr("store.engine.partition._SIZE_MAX", 100)
            monkeypatch.setattr("store.wal.log._SEGMENT_SIZE_MAX", 250)
            monkeypatch.setattr("store.wal.log._UNSYNCED_SIZE_MAX", 300)
        yield Survivors()


class Cut(NamedTuple):
    """The moment at which the power may go.

    Attributes:
        cut_at: the operation.
        phase: of it: before, in the middle, or after.
        disk: what it leaves, to be kept, dropped or torn.
        promises: what was promised until then.
    """

    cut_at: int
    phase: str
    disk: FaultyDisk
    promises: Promises


def cuts_of(
    disk: FaultyDisk, promises: Promises, run: Callable[[], object]
) -> dict[tuple[int, str], Cut]:
    """Run something on *disk* once, and return every moment of that at which the power may go."""
    cuts = {}

    def on_cut(phase: str, left: FaultyDisk) -> None:
        point = disk.operations, phase
        cuts[point] = Cut(*point, left, promises.copy())

    disk.on_cut = on_cut
    run()
    disk.on_cut = None
    assert len(cuts) == disk.operations * len(PHASES)
    return cuts


def workload_cuts(
    flush_interval_ms: float = NEVER_MS, keeps_index: bool = False
) -> dict[tuple[int, str], Cut]:
    """Run the workload once; see :func:`cuts_of`."""
    workload = Workload(FaultyDisk(keeps_index), flush_interval_ms)
    return cuts_of(workload.disk, workload.promises, workload.run)


def run_until(
    cut_at: int, phase: str, flush_interval_ms: float = NEVER_MS, keeps_index: bool = False
) -> Workload:
    """Run the workload until the power goes."""
    disk = FaultyDisk(keeps_index)
    disk.cut_at, disk.cut_phase = cut_at, phase
    workload = Workload(disk, flush_interval_ms)
    with contextlib.suppress(PowerCut):
        workload.run()
    return workload


class Runs:
    """Runs of one workload, each disturbed by other failures; those that fail at the same operations are one.

    Args:
        run: runs it on a disk that fails at operations.
    """

    def __init__(self, run: Callable[[range], Workload]) -> None:
        self._run = run
        self.undisturbed = run(range(0))
        self._known = {0: [self.undisturbed]}  # by the operation that fails first

    def with_failing(self, failing: range) -> Workload:
        """Return the run in which the operations *failing* fail, as far as they can."""
        known = self._known.setdefault(self.undisturbed.disk.first_failure(failing), [])
        for each in known:
            if each.disk.fails_equally(failing):
                return each
        known.append(self._run(failing))
        return known[-1]


@contextlib.contextmanager
def naming(*what: object) -> Iterator[None]:
    """Say how to repeat what fails."""
    try:
        yield
    except AssertionError as error:
        raise AssertionError(f"{what}: {error}") from error


@pytest.mark.usefixtures("survivors")
@pytest.mark.parametrize("flush_interval_ms", [NEVER_MS, 0])
def test_a_copy_of_the_disk_is_what_a_cut_leaves(flush_interval_ms: float) -> None:
    """To run until the power goes leads to the disk, and the promises, that were copied in one run."""
    cuts = workload_cuts(flush_interval_ms)
    for number, cut in enumerate(cuts.values()):
        if number % 10 == 0:  # an odd step, so that all phases are met
            with naming(cut.cut_at, cut.phase):
                workload = run_until(cut.cut_at, cut.phase, flush_interval_ms)
                assert workload.promises == cut.promises
                for name, seed in FATES:
                    left = [
                        each.after_a_power_cut(Fate(name, seed))
                        for each in (workload.disk, cut.disk)
                    ]
                    assert left[0].fingerprint() == left[1].fingerprint()


@pytest.mark.parametrize("flush_interval_ms", [NEVER_MS, 0])
def test_a_crash_anywhere(
    survivors: Survivors, flush_interval_ms: float, record_property: Callable[[str, int], None]
) -> None:
    """Before, in the middle of and after every operation; what was not synced is kept, dropped or torn."""
    without_index = workload_cuts(flush_interval_ms)
    with_index = workload_cuts(flush_interval_ms, keeps_index=True)
    points = 0
    for fate, seed in FATES:
        cuts = with_index if fate == "kept" else without_index
        for cut in cuts.values():
            with naming(cut.cut_at, cut.phase, fate, seed):
                survived = cut.disk.after_a_power_cut(Fate(fate, seed + cut.cut_at * 7))
                survivors.check_promises(survived, cut.promises, is_power_cut=fate != "kept")
            points += 1
    assert points == len(with_index) + len(without_index) * (len(FATES) - 1)
    record_property("crash_points", points)


@pytest.mark.parametrize("survivors", ["due"], indirect=True)
@pytest.mark.parametrize("part", range(PARTS))
@pytest.mark.parametrize(("fate", "seed"), [("kept", 0), ("torn", 4)])
def test_a_second_crash_during_recovery(
    survivors: Survivors, fate: str, seed: int, part: int
) -> None:
    """At every operation of the recovery, after a crash at every operation, of which each *part* has its own."""
    recoveries: dict[bytes, dict[tuple[int, str], Cut]] = {}
    points = 0
    after = [cut for cut in workload_cuts().values() if cut.phase == "after"]
    # Neighbours leave equal disks.
    for first in after[part * len(after) // PARTS : (part + 1) * len(after) // PARTS]:
        survived = first.disk.after_a_power_cut(Fate(fate, seed + first.cut_at * 7))
        fingerprint = survived.fingerprint()
        if fingerprint not in recoveries:
            recoveries[fingerprint] = cuts_of(
                survived, Promises(), functools.partial(NaiveEventStore, ROOT, NEVER_MS, survived)
            )
        for second in recoveries[fingerprint].values():
            points += 1
            with naming(first.cut_at, second.cut_at, second.phase, fate, seed):
                again = second.disk.after_a_power_cut(Fate(fate, seed + points))
                survivors.check_promises(again, first.promises, is_power_cut=fate != "kept")
    assert points > 3000 // PARTS


@pytest.mark.parametrize("flush_interval_ms", [NEVER_MS, 0])
@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
def test_an_error_anywhere(
    survivors: Survivors, error_number: int, flush_interval_ms: float
) -> None:
    """At every operation, and at the next ones too: what was acknowledged is there, and work goes on."""

    def run(failing: range) -> Workload:
        disk = FaultyDisk()
        disk.failing, disk.error_number = failing, error_number
        workload = Workload(disk, flush_interval_ms)
        workload.run()
        return workload

    # Reading needs no room: many runs are as another one.
    runs = Runs(run)
    for length in (1, 4, 40):
        failures = 0
        for first in range(1, runs.undisturbed.disk.operations + 1):
            failing = range(first, first + length)
            with naming(failing, error_number):
                workload = runs.with_failing(failing)
                # However often it failed, segments that are not needed are removed.
                assert len(workload.disk.names(f"{ROOT}/.theiafs/journal")) <= 12
            failures += workload.disk.failures
            for fate in (Fate("kept"), Fate("dropped"), Fate("torn", first)):
                with naming(failing, error_number, fate.name):
                    survived = workload.disk.after_a_power_cut(fate)
                    is_power_cut = fate.name != "kept"
                    survivors.check_promises(survived, workload.promises, is_power_cut)
        assert failures > 0


@pytest.mark.parametrize("survivors", ["due"], indirect=True)
@pytest.mark.parametrize("error_number", [errno.EIO, errno.ENOSPC])
def test_writing_works_again_when_the_error_is_gone(
    survivors: Survivors, error_number: int
) -> None:
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
            survivors.check_promises(disk, workload.promises, is_power_cut=False)

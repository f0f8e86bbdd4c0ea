"""One soak: everything that uses the mount, started, stopped, and compared."""

import contextlib
import os
import random
import re
import subprocess
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path

from tests.soak.caretakers import Caretakers
from tests.soak.clock import STEPS_MAX, ZONE, MovedClock, moves
from tests.soak.readers import Failures, Follower, Reader
from tests.soak.report import Report
from tests.soak.resources import middles, sample
from tests.soak.tally import Tally
from tests.soak.writers import name_of, tag_of
from tests.waiting import eventually

__all__ = ["soak"]

_WRITERS = 32
_READERS = 8
_FOLLOWERS = 2
_MOVES_MIN = 8
_MOVES_MAX = STEPS_MAX // 2
"""It may take longer than it was to: there is room for twice as many."""

_MOVE_INTERVAL_S = 20
_SAMPLES = 200
_MOVES_BEFORE_OLD = 3
_WORK_MIN = 2
_MORE_TIME_S = 60
"""A soak of a few seconds goes on until this many minutes were removed, and changed, for no more than this time longer."""

_KEPT_MIN = 2
_SHOWN_MAX = 5
_MEMORY = "64M"
"""Little, so that the caches are full soon, and memory that goes on growing is not theirs."""

_ROOT = Path(__file__).parents[2]


class _Mount:
    """The mount, in the process of which the clock is moved."""

    def __init__(self, base: Path, binding: str) -> None:
        self.path, self.store, self.clock_path = base / "mnt", base / "events", base / "clock"
        self.log_path = base / "log"
        self._binding = binding
        for directory in (self.path, self.store):
            directory.mkdir()
        self.clock = MovedClock(self.clock_path)

    @contextlib.contextmanager
    def mounted(self) -> Iterator[int]:
        """Mount, and yield the process id; unmount in any case."""
        binding = f",binding={self._binding}" if self._binding else ""
        options = f"delete,tz={ZONE.key},memory={_MEMORY},log={self.log_path}{binding}"
        done = self.run("mount", self.store, self.path, "-o", options)
        assert done.returncode == 0, done.stderr
        try:
            yield int((self.store / ".theiafs" / "lock").read_text())
        finally:
            # A program that was stopped may have a file open for another moment.
            eventually(lambda: self.run("umount", self.path).returncode == 0)

    def run(self, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
        """Run a command of theiafs by the moved clock."""
        command = [sys.executable, "-m", "tests.soak.moved", self.clock_path, *arguments]
        environment = {**os.environ, "PYTHONPATH": str(_ROOT)}
        return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=300)


class _ClockHand:
    """Moves the clock to shortly before one boundary after the other.

    Attributes:
        crossed: how many boundaries of each kind were crossed.
    """

    def __init__(self, clock: MovedClock, duration_s: float) -> None:
        self.crossed: Counter[str] = Counter()
        self._clock = clock
        self._interval_s = min(_MOVE_INTERVAL_S, duration_s / _MOVES_MIN)
        # In a soak of days, they are further apart.
        self._interval_s = max(self._interval_s, duration_s / _MOVES_MAX)
        self._moves = moves()
        self._recent: deque[float] = deque(maxlen=_MOVES_BEFORE_OLD)
        self.step()

    def step(self) -> None:
        """Move the clock once; before the next step it crosses the boundary."""
        time_s, what = next(self._moves)
        self._recent.append(time_s)
        self._clock.move(time_s - self._interval_s / 2)
        self.crossed[what] += 1

    def run(self, stopped: threading.Event) -> None:
        """Move the clock until the soak is *stopped*."""
        while not stopped.wait(self._interval_s):
            self.step()

    def is_old(self, start_s: int) -> bool:
        """Return whether the clock never shows again a time in the minute that begins at *start_s*, or near it."""
        full = len(self._recent) == _MOVES_BEFORE_OLD
        return full and start_s + 120 < min(self._recent) - self._interval_s


def soak(
    base: Path,
    duration_s: float,
    seed: int,
    binding: str = "",
    events_per_s: float = 500,
    on_progress: Callable[[float], None] = lambda _: None,
) -> Report:
    """Use a mount below the empty directory *base* for *duration_s*, and return what came of it.

    Args:
        base: for the store and the mountpoint.
        duration_s: how long the writers write, at least.
        seed: of what they write, and of all choices.
        binding: of the mount; empty for the preferred one.
        events_per_s: how many events all writers together append, about.
        on_progress: called again and again with the time since the start.
    """
    mount = _Mount(base, binding)
    hand = _ClockHand(mount.clock, duration_s)
    failures = Failures()
    kept = max(_KEPT_MIN, round(duration_s / 60))
    aside = base / "aside"
    aside.mkdir()
    found, samples = Tally(), []
    with mount.mounted() as process_id:
        status = (mount.path / "status").read_text()
        for number in range(_WRITERS):
            (mount.path / "by-tag" / tag_of(number)).mkdir(exist_ok=True)
        readers = [
            Reader(mount.path, random.Random(f"{seed} r{number}"), failures)
            for number in range(_READERS - _FOLLOWERS)
        ]
        with _following(mount.path) as followers:

            def is_followed() -> bool:
                return all(follower.is_at_end() for follower in followers.values())

            caretakers = Caretakers(
                mount.store,
                mount.path,
                aside,
                kept,
                is_followed,
                hand.is_old,
                random.Random(f"{seed} c"),
                failures,
            )
            writing = _start_writers(mount, events_per_s, seed)
            try:
                runs: list[Callable[[threading.Event], None]] = [
                    hand.run,
                    caretakers.remove,
                    caretakers.change,
                    *(r.run for r in readers),
                ]
                with _running(runs):
                    started = time.monotonic()
                    while (since_s := time.monotonic() - started) < duration_s or (
                        min(caretakers.removals, caretakers.changes) < _WORK_MIN
                        and since_s < duration_s + _MORE_TIME_S
                    ):
                        samples.append(sample(process_id))
                        on_progress(since_s)
                        threading.Event().wait(duration_s / _SAMPLES)
            finally:
                output = writing.communicate()[0].decode()
            acknowledged = _acknowledged(output, failures)
            for number, follower in followers.items():
                _check_follower(follower, acknowledged, caretakers.overwritten, number, failures)
        with open(mount.path / "events", "rb") as file:
            found.add_file(file)
        acknowledged["changer"] = caretakers.appended
        _check_counts(mount.path, len(found), failures)
    _check_store(mount, failures)
    lost, doubled = found.compare(acknowledged, caretakers.removed)
    for what, names in (("lost", lost), ("doubled", doubled)):
        for name in names:
            failures.add(f"{what}: {name}")
    return Report(
        fuse=re.findall(r"^fuse: *(.*)", status, re.M)[0],
        duration_s=since_s,
        acknowledged=sum(acknowledged.values()),
        found=len(found),
        removed=len(caretakers.removed),
        lost=len(lost),
        doubled=len(doubled),
        removals=caretakers.removals,
        changes=caretakers.changes,
        runs=sum(reader.runs for reader in readers),
        crossed=hand.crossed,
        resources=middles(samples),
        failures=failures,
    )


def _start_writers(mount: _Mount, events_per_s: float, seed: int) -> subprocess.Popen[bytes]:
    words = map(str, [mount.clock_path, mount.path, _WRITERS, events_per_s, seed])
    return subprocess.Popen(
        [sys.executable, "-m", "tests.soak.writers", *words],
        cwd=_ROOT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )


def _acknowledged(output: str, failures: Failures) -> dict[str, int]:
    """Return how many events each writer has, from the *output* of all."""
    acknowledged = {}
    for line in output.splitlines():
        name, count, failure = line.split(" ", 2)
        acknowledged[name] = int(count)
        if failure:
            failures.add(f"{name}: {failure}")
    for name in {name_of(number) for number in range(_WRITERS)} - acknowledged.keys():
        failures.add(f"{name}: it ended without a word")
    return acknowledged


@contextlib.contextmanager
def _running(runs: Sequence[Callable[[threading.Event], None]]) -> Iterator[None]:
    """Call all *runs*, each in a thread, and stop them at the end."""
    stopped = threading.Event()
    threads = [threading.Thread(target=run, args=[stopped]) for run in runs]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        stopped.set()
        for thread in threads:
            thread.join()


@contextlib.contextmanager
def _following(mount: Path) -> Iterator[dict[int, Follower]]:
    """Follow the events of some tags from the first on; yield the tails by the first writer of each tag."""
    followers = {
        number: Follower(mount / "by-tag" / tag_of(number) / "events.log")
        for number in range(_FOLLOWERS)
    }
    try:
        yield followers
    finally:
        for follower in followers.values():
            follower.stop()


def _check_follower(
    follower: Follower,
    acknowledged: Mapping[str, int],
    overwritten: Tally,
    number: int,
    failures: Failures,
) -> None:
    """Check that *follower* printed each event of its tag, which the writer *number* has, and again only *overwritten* ones."""
    its = {
        name_of(each): acknowledged.get(name_of(each), 0)
        for each in range(_WRITERS)
        if tag_of(each) == tag_of(number)
    }

    def compare() -> tuple[list[str], list[str]]:
        return follower.tally.compare(its, again=overwritten)

    with contextlib.suppress(AssertionError):
        eventually(lambda: not compare()[0])
    lost, doubled = compare()
    if lost or doubled or follower.strange:
        told = follower.stop()
        failures.add(
            f"tail -f of {tag_of(number)}: {len(lost)} lost {lost[:_SHOWN_MAX]}, {len(doubled)} doubled"
            f" {doubled[:_SHOWN_MAX]}, strange {follower.strange[:_SHOWN_MAX]}; {told}"
        )


def _check_counts(mount: Path, found: int, failures: Failures) -> None:
    """Check that the days have, together, as many events as were *found*, and that nothing was refused."""
    counts = [(day / "count").read_text() for day in (mount / "by-date").iterdir()]
    if sum(map(int, counts)) != found or int((mount / "count").read_text()) != found:
        failures.add(f"found {found} events, but days have {counts}")
    if refused := (mount / "errors").read_text():
        failures.add(f"errors: {refused}")


def _check_store(mount: _Mount, failures: Failures) -> None:
    """Check that the store is sound, and that the log tells of no error."""
    checked = mount.run("check", mount.store)
    if checked.returncode:
        failures.add(f"check: {checked.stdout}{checked.stderr}")
    for line in mount.log_path.read_text().splitlines():
        if "ERROR" in line or "Traceback" in line:
            failures.add(f"log: {line}")

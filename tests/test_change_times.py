"""A change of the bytes of a file changes its size, its mtime or its ctime; a remount changes none of them."""

import os
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Event, EventNotFound, NaiveEventStore
from theiafs.config import Settings
from theiafs.errors import NotFound
from theiafs.operations import Operations
from theiafs.stats import Stat

NEVER_MS = 1e9
STEPS = 80
IN_MINUTES = ("minutes", "by-tag/a", "range/0-250", "match/one")
LEAVES = [
    f"{directory}{name}"
    for directory in ("", "by-tag/a/", "not/by-tag/a/", "by-level/error/", "range/0-150/", "match/two/")
    for name in ("events", "events.log", "count", "tags")
]  # fmt: skip

_Times = tuple[int, int, int]


def times_of(stat: Stat) -> _Times:
    return stat.size, stat.newest_ns, stat.changed_ns


class Session:
    """A store at *path* that is shown, and changed in random ways; events that are saved have equal lengths, so that one can stand for another."""

    def __init__(self, path: Path, seed: int) -> None:
        self.path = path
        self.random = random.Random(seed)
        self.count = 0
        self.held: list[int] = []
        self.open()

    def open(self) -> None:
        self.store = NaiveEventStore(str(self.path), NEVER_MS)
        settings = Settings(can_remove=True)
        self.operations = Operations(self.store, settings, lambda: None)

    def close(self) -> None:
        self.operations.destroy("/")
        self.store.close()
        self.held.clear()

    def remount(self) -> None:
        self.close()
        self.open()

    def crash(self) -> None:
        """Open a copy as it is; the first loses its index at times."""
        copy = self.path.with_name(f"{self.path.name}x")
        shutil.copytree(self.path, copy)
        self.close()
        self.path = copy
        if self.random.random() < 0.5:
            for each in (copy / ".theiafs").glob("index*"):
                each.unlink()
        self.open()

    def append(self) -> None:
        """Events of one time or several, in any order."""
        for _ in range(self.random.choice([1, 1, 3])):
            self.count += 1
            tag = self.random.choice(["a", "b"])
            content = self.random.choice(["one ERROR", "two ERROR", "one hello", "two hello"])
            when = self.random.choice([10.0, 20.0, 110.0, 230.0])
            self.store.save(Event(f"id{self.count:04}", "s", when, [tag], content))

    def delete(self) -> None:
        for number in self.random.sample(range(1, self.count + 1), min(3, self.count)):
            try:
                self.operations.unlink(f"/by-id/id{number:04}")
            except (NotFound, EventNotFound):
                continue
            return

    def minute(self) -> Path | None:
        names = sorted(each for each in os.listdir(self.path) if not each.startswith("."))
        return self.path / self.random.choice(names) if names else None

    def remove_minute(self) -> None:
        if (minute := self.minute()) is not None:
            minute.unlink()

    def edit(self) -> None:
        """Change a letter in place, and set the mtime back."""
        if (minute := self.minute()) is None:
            return
        before = minute.stat()
        data = minute.read_bytes()
        place = data.find(b"hello")
        if place < 0:
            return
        with minute.open("r+b") as file:
            file.seek(place)
            file.write(b"he" + self.random.choice([b"LLo", b"llO", b"Llo"]))
        if self.random.random() < 0.5:
            os.utime(minute, ns=(before.st_atime_ns, before.st_mtime_ns))

    def flush(self) -> None:
        self.store._flush_all()

    def hold(self) -> None:
        path = f"/{self.random.choice(LEAVES)}"
        try:
            self.held.append(self.operations.open(path, os.O_RDONLY, os.getpid()).number)
        except NotFound:
            return

    def release(self) -> None:
        if self.held:
            self.operations.release(self.held.pop())

    def shown(self) -> dict[str, tuple[_Times, bytes]]:
        """Return by path the size and the times that stat(2) gives, and the bytes."""
        self.store._watcher.look()
        paths = [f"/{each}" for each in LEAVES]
        for directory in IN_MINUTES:
            for entries in self.operations.readdir("/minutes"):
                names = [each for each in entries.names if each[0] != "."]
                paths += [f"/{directory}/{each}" for each in names]
        found = {}
        for path in paths:
            try:
                opened = self.operations.open(path, os.O_RDONLY, os.getpid())
            except NotFound:
                continue
            times = times_of(self.operations.getattr(path))
            data = b""
            while part := self.operations.read(opened.number, 1 << 16, len(data)):
                data += part
            self.operations.release(opened.number)
            found[path] = times, data
        return found


@pytest.mark.parametrize("seed", range(3))
def test_bytes_that_change_show(tmp_path: Path, seed: int) -> None:
    """After any changes, a path with the size and the times that it once had has the bytes of then; its ctime never goes back."""
    session = Session(tmp_path / "s", seed)
    steps: list[Callable[[], object]] = [
        *[session.append] * 4,
        *[session.delete] * 3,
        session.remove_minute,
        *[session.edit] * 2,
        session.remount,
        session.crash,
        session.hold,
        session.release,
        session.flush,
    ]
    known: dict[tuple[str, _Times], bytes] = {}
    changed: dict[str, int] = {}
    for _ in range(STEPS):
        step = session.random.choice(steps)
        step()
        for path, (times, data) in session.shown().items():
            assert changed.setdefault(path, 0) <= times[2], (path, step)
            changed[path] = times[2]
            assert known.setdefault((path, times), data) == data, path
    assert len(known) > STEPS
    session.close()


def test_a_remount_changes_no_time(tmp_path: Path) -> None:
    """Also not of minutes that were written to disk later than they changed."""
    session = Session(tmp_path / "s", 0)
    for second in range(0, 600, 25):
        session.store.save(Event(str(second), "s", float(second), ["ab"[second % 2]], "hello"))
    for path in ("/minutes/0-60", "/by-tag/a/events"):
        assert times_of(session.operations.getattr(path))[2] > 0
    session.flush()
    # Of summaries for which contents are read, the size of the last one is shown.
    before = {path: each for path, each in session.shown().items() if "count" not in path}
    for path in ("/README", "/", "/by-tag", "/by-tag/a", "/minutes"):
        before[path] = times_of(session.operations.getattr(path)), b""
    session.remount()
    assert {path: times_of(session.operations.getattr(path)) for path in before} == {
        path: times for path, (times, _) in before.items()
    }
    session.close()


@pytest.mark.parametrize("step", ["fold", "remount"])
def test_late_events_change_the_time_of_no_other_answer(tmp_path: Path, step: str) -> None:
    """Those that had arrived after events of later minutes stand before them now: only answers with late events change."""
    session = Session(tmp_path / "s", 0)

    def save(source: str, second: float) -> None:
        session.count += 1
        session.store.save(Event(str(session.count), source, second, [source], "hello"))

    def times() -> dict[str, _Times]:
        return {path: times_of(session.operations.getattr(path)) for path in paths}

    save("rests", 300)
    for _ in range(3):
        save("on-time", 600)
        save("late", 0)
    session.flush()
    others = ["/minutes/0-60", "/minutes/600-660", "/by-source/late/0-60", "/range/300-700/events"]
    for source in ("rests", "on-time"):
        others += [f"/by-source/{source}/{name}" for name in ("events", "events.log", "count")]
    paths = [*others, "/events", "/not/by-tag/rests/events", "/range/0-400/events.jsonl"]
    before = times()
    if step == "fold":
        session.store._state.fold_arrivals()
    else:
        session.remount()
    after = times()
    assert {path for path in paths if before[path] != after[path]} == {*paths} - {*others}
    assert all(after[path][2] >= before[path][2] for path in paths)
    session.close()


def test_the_time_of_what_is_emptied_goes_on(tmp_path: Path) -> None:
    """When nothing is left of the newest events, and their source and tags are forgotten, also after a remount."""
    session = Session(tmp_path / "s", 0)
    for source, second in (("kept", 0), ("gone", 100)):
        session.store.save(Event(source, source, second, ["a", source], "hello"))
        session.flush()
    paths = ["/events", "/by-tag/a/events", "/range/0-200/events", "/not/by-source/kept/count"]
    before = [session.operations.getattr(path).changed_ns for path in paths]
    session.operations.unlink("/minutes/100-160")
    removed = [session.operations.getattr(path).changed_ns for path in paths]
    assert all(first < second for first, second in zip(before, removed, strict=True))
    session.remount()
    assert [session.operations.getattr(path).changed_ns for path in paths] == removed
    session.close()

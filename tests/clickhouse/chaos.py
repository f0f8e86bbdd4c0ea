"""Chaos: servers that are killed, connections that are cut, answers that are lost or late, while several mounts are in use.

    scripts/torture --store clickhouse [--rounds N] [--seed N]

Afterwards, everything that was acknowledged is there once, what was refused is not there, and what is unknown is there once
or not at all, as a whole. Meanwhile, no reader has seen a file shrink, or other bytes at an offset than before.
"""

import contextlib
import errno
import itertools
import os
import random
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, wait
from functools import partial
from io import BufferedReader
from pathlib import Path

from store import Event, EventSerializer, EventStore, Query, open_store
from store.backend import Opening
from tests.clickhouse.enginemount import EngineMount
from tests.clickhouse.outcome import Outcome
from tests.clickhouse.servers import Servers
from tests.mount.conftest import is_mounted
from tests.waiting import eventually

__all__ = ["run"]

_WRITERS = 2
"""Threads that write through each mount."""
_MOUNTS = 2
"""Those without a spool, which are read from, too."""

_SENT_WITHIN_S = 60.0
"""How long the spool may take to be empty once there is no trouble any more."""
_TIMEOUT_S = 30
_SHORT_TIMEOUT_S = 1
"""With it, some writes are refused, and of some it is not known."""

_LIFE_S = 5.0
"""How long a server lives, at most."""

_LONGER = 4
"""How many times as long a run takes at most, on a machine that is slow or has other work."""

_WRITING_PAUSE_S, _READING_PAUSE_S = 0.1, 0.05
"""Between two of a thread: what is written to a spool returns at once."""

_REREADING = 0.1
"""How often a file that is followed is read again."""

_TAG, _MINUTE, _MINUTES, _MINUTE_S = "chaos", "0-60", 10, 60


class _Chaos:
    """One run; see :func:`run`."""

    def __init__(self, directory: Path, seed: int, shards: int) -> None:
        self.outcome = Outcome()
        self._spool_directory = directory / "spool"
        self._seed = seed
        self._is_sharded = shards > 1
        self._ended = threading.Event()
        self._servers = Servers(directory, seed, shards)
        self._mounts = []
        for number in range(_MOUNTS + 1):
            base = directory / f"mount{number}"
            base.mkdir()
            self._mounts.append(EngineMount(base, self._servers.troubled_address))

    def run(self, duration_s: float) -> Outcome:
        """Let everything happen for *duration_s* seconds, and then see what is there."""
        *direct, spooling = self._mounts
        for each, timeout_s in zip(direct, (_TIMEOUT_S, _SHORT_TIMEOUT_S), strict=True):
            each.mount(f"timeout={timeout_s}")
        spooling.mount(f"timeout={_TIMEOUT_S},spool={self._spool_directory}")
        # So that the files that are read are there from now on.
        self._append(direct[0].path / "ingest", *self._written([Event("0", "a", 0, [_TAG])]))
        for mount in direct:
            eventually((mount.path / "by-tag" / _TAG / _MINUTE).exists)
        self._servers.begin_troubles()
        work = [
            partial(self._write, mount.path / "ingest", f"{number}-{writer}")
            for number, mount in enumerate(self._mounts)
            for writer in range(_WRITERS)
        ]
        for mount in direct:
            files = mount.path / "by-tag" / _TAG
            # Over several shards, `events` has an order of its own at each opening.
            names = [_MINUTE] if self._is_sharded else [_MINUTE, "events"]
            work += [partial(self._read, files / name) for name in names]
            work.append(partial(self._follow, files / "events"))
        with ThreadPoolExecutor(len(work)) as pool:
            running = [pool.submit(each) for each in work]
            try:
                self._kill(duration_s)
                self._servers.end_troubles()
            finally:
                self._ended.set()
            wait(running)
            for done in running:
                done.result()
        for mount in direct:
            mount.umount()
        spooling.clean_up()  # events may stay in the spool
        assert not is_mounted(spooling.path)
        self._empty_spool()
        self._count()
        return self.outcome

    def close(self) -> None:
        """End all of it."""
        for each in self._mounts:
            each.clean_up()
        self._servers.stop()

    def _kill(self, duration_s: float) -> None:
        """Kill one after the other for *duration_s* seconds, and longer where not each trouble has happened by then."""
        chance, begun = random.Random(self._seed), time.monotonic()
        while (passed_s := time.monotonic() - begun) < _LONGER * duration_s:
            left_s = duration_s - passed_s
            if left_s <= 0 and self._have_happened():
                return
            life_s = chance.uniform(0, _LIFE_S)
            self._ended.wait(min(life_s, left_s) if left_s > 0 else life_s)
            self._servers.kill_one(chance)
            self.outcome.kills += 1

    def _have_happened(self) -> bool:
        """Return whether a file was read, and each trouble has happened."""
        return bool(self.outcome.reads) and all(self._servers.troubles.values())

    def _write(self, ingest: Path, name: str) -> None:
        chance = random.Random(f"{self._seed} {name}")
        for number in itertools.count():
            if self._ended.wait(_WRITING_PAUSE_S):
                return
            events = [
                Event(
                    f"{name}-{number}-{place}",
                    chance.choice("ab"),
                    chance.randrange(_MINUTES * _MINUTE_S),
                    [_TAG, chance.choice("xy")],
                    "x" * chance.randrange(100),
                )
                for place in range(chance.choice([1, 1, 1, 50]))
            ]
            self._append(ingest, *self._written(events))

    def _written(self, events: list[Event]) -> tuple[bytes, list[set[str]]]:
        """Return what is written of *events*, and the ids of those that are stored together or not at all, on one shard each."""
        serializer = EventSerializer()
        data = b"".join(serializer.serialize(each) + b"\n" for each in events)
        shards = {self._shard(each) for each in events}
        wholes = [
            {str(each.id) for each in events if self._shard(each) == shard} for shard in shards
        ]
        return data, wholes

    def _shard(self, event: Event) -> float:
        return event.timestamp // _MINUTE_S if self._is_sharded else 0

    def _append(self, ingest: Path, data: bytes, wholes: list[set[str]]) -> None:
        known = self.outcome.refused
        try:
            file = os.open(ingest, os.O_WRONLY | os.O_APPEND)
            try:
                written = os.write(file, data)
                assert written == len(data)
                known = self.outcome.acknowledged
            finally:
                os.close(file)
        except OSError as error:
            if error.errno not in (errno.EAGAIN, errno.ETIMEDOUT, errno.EIO):
                raise
            if error.errno == errno.ETIMEDOUT:
                known = self.outcome.unknown
        known.extend(wholes)  # one thread after the other, as lists do it

    def _read(self, path: Path) -> None:
        """Read all of a file again and again: it begins with what it was before."""
        before = b""
        while not self._ended.wait(_READING_PAUSE_S):
            with self._may_fail(), path.open("rb") as file:
                size = os.fstat(file.fileno()).st_size
                data = file.read()
                self._compare(path, before, size, data)
                before = data

    def _follow(self, path: Path) -> None:
        """Read what is added to a file that is kept open, and now and then all of it again: it is what it was."""
        followed, chance = b"", random.Random(self._seed)
        with contextlib.ExitStack() as opened:
            file: BufferedReader | None = None
            while not self._ended.wait(_READING_PAUSE_S):
                with self._may_fail():
                    file = file or opened.enter_context(path.open("rb"))
                    size = os.fstat(file.fileno()).st_size
                    file.seek(len(followed))
                    followed += file.read()
                    # Over several shards, it has a piece of each for each time that more of it was read.
                    start = 0 if chance.random() < _REREADING else len(followed)
                    file.seek(start)
                    self._compare(path, followed, size, followed[:start] + file.read())

    @contextlib.contextmanager
    def _may_fail(self) -> Iterator[None]:
        """Let reading fail as it does when the engine is away."""
        try:
            yield
        except OSError as error:
            if error.errno != errno.EIO:
                self.outcome.changes.append(str(error))

    def _compare(self, path: Path, before: bytes, size: int, data: bytes) -> None:
        self.outcome.reads += 1
        if len(data) < size or not data.startswith(before):
            self.outcome.changes.append(f"{path}: {len(before)} bytes, then {len(data)}, of {size}")

    def _empty_spool(self) -> None:
        """Send what the closing of the spool has left in it, as the next process does."""
        store = self._open(spool_directory=str(self._spool_directory))
        eventually(lambda: not store.status()["spool_bytes"], _SENT_WITHIN_S)
        store.close()

    def _count(self) -> None:
        store = self._open()
        self.outcome.stored.update(str(event.id) for event in store.select(Query()))
        self.outcome.troubles = self._servers.troubles
        store.close()

    def _open(self, **options: str) -> EventStore:
        return open_store(self._servers.address, Opening(timeout_s=_TIMEOUT_S, **options))  # type: ignore[arg-type]


def run(directory: Path, seed: int, shards: int, duration_s: float) -> Outcome:
    """Let chaos reign.

    Args:
        directory: an empty directory.
        seed: what happens follows from it, as far as threads let it.
        shards: how many servers the events are divided over.
        duration_s: how long, in seconds; up to four times as long, until each trouble has happened.
    """
    chaos = _Chaos(directory, seed, shards)
    try:
        return chaos.run(duration_s)
    finally:
        chaos.close()

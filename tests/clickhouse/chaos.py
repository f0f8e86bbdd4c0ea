"""Chaos: servers that are killed, connections that are cut, answers that are lost or late, while several stores are in use.

    scripts/torture --store clickhouse [--rounds N] [--seed N]

Afterwards, everything that was acknowledged is there once, what was refused is not there, and what is unknown is there once
or not at all. Meanwhile, no reader has seen a file shrink, or other bytes at an offset than before.
"""

import contextlib
import itertools
import random
import threading
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from engines.server import Server

from store import (
    Answer,
    Batch,
    Event,
    EventReadException,
    EventStore,
    EventWriteException,
    Query,
    WriteUnknown,
    open_store,
)
from store.backend import Opening
from tests.clickhouse.proxy import Proxy, Troubles
from tests.waiting import eventually

__all__ = ["Outcome", "run"]

_WRITERS = 3
"""Threads that write through each store."""

_STORES = 2
_SENT_WITHIN_S = 60.0
"""How long the spool may take to be empty once there is no trouble any more."""
_TIMEOUT_S = 30.0
_LIFE_S = 3.0
"""How long a server lives, at most."""

_PAUSE_S = 0.01
"""Between two writings or readings of a thread: what is written to a spool returns at once."""

_TAG, _MINUTE = "chaos", "0-60"


@dataclass
class Outcome:
    """The outcome of a run.

    Attributes:
        acknowledged: the ids of the events whose writing returned.
        refused: those of the events that were not stored, as the error said.
        unknown: those of which the error said that this is not known.
        stored: how often each id is there in the end.
        kills: how often a server was killed.
        troubles: what happened on the network, and how often.
        reads: how often a reader compared what it saw with what it had seen.
        changes: what a reader saw that must not be.
    """

    acknowledged: set[str] = field(default_factory=set)
    refused: set[str] = field(default_factory=set)
    unknown: set[str] = field(default_factory=set)
    stored: Counter[str] = field(default_factory=Counter)
    kills: int = 0
    troubles: Counter[str] = field(default_factory=Counter)
    reads: int = 0
    changes: list[str] = field(default_factory=list)

    @property
    def lost(self) -> set[str]:
        """The ids that were acknowledged, and are not there."""
        return self.acknowledged - self.stored.keys()

    @property
    def doubled(self) -> set[str]:
        """The ids that are there more than once."""
        return {each for each, count in self.stored.items() if count > 1}

    @property
    def appeared(self) -> set[str]:
        """The ids that are there although they were refused."""
        return self.refused & self.stored.keys()

    def __str__(self) -> str:
        network = ", ".join(f"{name} {count}" for name, count in sorted(self.troubles.items()))
        return (
            f"{self.kills} kills of the server, {network}: {len(self.acknowledged)} acknowledged, {len(self.refused)} refused,"
            f" {len(self.unknown)} unknown; {len(self.lost)} lost, {len(self.doubled)} doubled, {len(self.appeared)} appeared;"
            f" {self.reads} readings, {len(self.changes)} changed"
        )


class _Chaos:
    """One run; see :func:`run`."""

    def __init__(self, directory: Path, seed: int) -> None:
        self.outcome = Outcome()
        self._directory = directory
        self._seed = seed
        self._server = Server(directory / "engine")
        self._server.start()
        self._troubles = Troubles(cut=0.02, lost=0.04, slow=0.02)
        self._proxy = Proxy(self._server.port, seed, self._troubles)
        self._ended = threading.Event()
        self._lock = threading.Lock()
        # Made without any trouble, so that there are tables.
        self._open(f"127.0.0.1:{self._server.port}").close()

    def _open(self, host: str, **options: str) -> EventStore:
        return open_store(f"clickhouse://{host}/chaos", Opening(timeout_s=_TIMEOUT_S, **options))  # type: ignore[arg-type]

    def _open_in_trouble(self, **options: str) -> EventStore:
        while True:
            with contextlib.suppress(EventReadException, EventWriteException):
                return self._open(f"127.0.0.1:{self._proxy.port}", **options)

    def run(self, duration_s: float) -> Outcome:
        """Let everything happen for *duration_s* seconds, and then see what is there."""
        stores = [self._open_in_trouble() for _ in range(_STORES)]
        spool = self._open_in_trouble(spool_directory=str(self._directory / "spool"))
        threads = [
            threading.Thread(target=self._write, args=(store, f"{place}-{number}"))
            for place, store in enumerate([*stores, spool])
            for number in range(_WRITERS)
        ]
        threads += [threading.Thread(target=self._read, args=(store,)) for store in stores]
        for each in threads:
            each.start()
        chance, end = random.Random(self._seed), time.monotonic() + duration_s
        while time.monotonic() < end:
            self._ended.wait(min(chance.uniform(0, _LIFE_S), max(end - time.monotonic(), 0)))
            self._server.kill()
            self.outcome.kills += 1
            self._ended.wait(chance.uniform(0, 0.3))
            self._server.start()
        self._troubles.cut = self._troubles.lost = self._troubles.slow = 0.0
        self._ended.set()
        for each in threads:
            each.join()
        for store in (*stores, spool):
            store.close()
        self._empty_spool()
        self._count()
        return self.outcome

    def close(self) -> None:
        """End the server."""
        self._proxy.close()
        self._server.stop()

    def _empty_spool(self) -> None:
        """Send what the closing of the spool has left in it, as the next process does."""
        host = f"127.0.0.1:{self._server.port}"
        store = self._open(host, spool_directory=str(self._directory / "spool"))
        eventually(lambda: not store.status()["spool_bytes"], _SENT_WITHIN_S)
        store.close()

    def _write(self, store: EventStore, name: str) -> None:
        chance = random.Random(f"{self._seed} {name}")
        for number in itertools.count():
            if self._ended.wait(_PAUSE_S):
                return
            ids = [f"{name}-{number}-{place}" for place in range(chance.choice([1, 1, 1, 50]))]
            batch = Batch.of(
                Event(
                    each,
                    chance.choice("ab"),
                    chance.randrange(600),
                    [_TAG, chance.choice("xy")],
                    each,
                )
                for each in ids
            )
            try:
                store.save_batch(batch)
                known = self.outcome.acknowledged
            except WriteUnknown:
                known = self.outcome.unknown
            except EventWriteException:
                known = self.outcome.refused
            with self._lock:
                known.update(ids)

    def _read(self, store: EventStore) -> None:
        answers: dict[str | None, Answer] = {}
        seen = {None: b"", _MINUTE: b""}
        while not self._ended.wait(_PAUSE_S):
            for minute, before in seen.items():
                try:
                    if minute not in answers:
                        answers[minute] = store.answer(Query().tagged(_TAG), minute)
                    size = answers[minute].size()
                    data = answers[minute].read(0, size)
                except EventReadException:
                    continue
                with self._lock:
                    self.outcome.reads += 1
                    if len(data) != size or not data.startswith(before):
                        self.outcome.changes.append(
                            f"{len(before)} bytes, then {len(data)} of {size}"
                        )
                seen[minute] = data

    def _count(self) -> None:
        store = self._open(f"127.0.0.1:{self._server.port}")
        self.outcome.stored.update(str(event.id) for event in store.select(Query()))
        self.outcome.troubles.update(self._troubles.counts)
        store.close()


def run(directory: Path, seed: int, duration_s: float) -> Outcome:
    """Let chaos reign.

    Args:
        directory: an empty directory.
        seed: what happens follows from it, as far as threads let it.
        duration_s: how long, in seconds.
    """
    chaos = _Chaos(directory, seed)
    try:
        return chaos.run(duration_s)
    finally:
        chaos.close()

"""Torture: a mount that is killed again and again, and a minute that grows very large.

Run by ``scripts/torture``; the test suite runs some rounds of it too.
"""

import argparse
import collections
import contextlib
import os
import random
import re
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from store import Event, EventSerializer, backend_of
from tests.clickhouse import chaos
from tests.mount.commands import command_server
from tests.waiting import eventually

__all__ = ["Tally", "kill_rounds", "main"]

WRITERS = 4
ROUNDS_PER_STORE = 10
HOT_SIZE = 500 << 20
HOT_START = 1763800000

# Appends lines until that fails, and then says how many of them were acknowledged.
_WRITER = r"""
import os, random, sys
path, name, seed = sys.argv[1:]
chance = random.Random(seed)
frames = chance.random() < 0.5

def event(content):
    if not frames:
        return content + b"\n"
    time = 1763800000 + chance.randint(0, 200)
    header = b"id:%s\ntimestamp: %d.0\nsource:torture\ntags:\n" % (content.split(b" ")[0], time)
    return b"event: %d %d %d\n%s%s\n" % (len(header) + len(content), len(header), len(content), header, content)

acknowledged = 0
try:
    file = os.open(path, os.O_WRONLY | os.O_APPEND)
    while True:
        lines = chance.choice([1, 1, 1, 2, 7])
        data = b"".join(
            event(b"%s-%d %s" % (name.encode(), acknowledged + n, b"x" * chance.randint(0, 300))) for n in range(lines)
        )
        if os.write(file, data) == len(data):
            acknowledged += lines
        if chance.random() < 0.01:
            os.fsync(file)
except OSError:
    print(acknowledged, flush=True)
"""


@dataclass
class Tally:
    """Counts of acknowledged events, and of those lost or doubled."""

    rounds: int = 0
    acknowledged: int = 0
    lost: int = 0
    doubled: int = 0

    def __str__(self) -> str:
        return (
            f"rounds {self.rounds}, events acknowledged {self.acknowledged},"
            f" lost {self.lost}, doubled {self.doubled}"
        )


class KilledMount:
    """A store that is mounted, and whose process is killed.

    Args:
        base: an empty directory to work in.
    """

    def __init__(self, base: Path) -> None:
        self.store = base / "events"
        self.path = base / "mnt"
        self._log = base / "log"
        self.path.mkdir()
        self._environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])}

    def mount(self, flush_interval_ms: int = 1000) -> None:
        """Mount in the background."""
        options = f"log={self._log},flush={flush_interval_ms}"
        done = self._run("mount", str(self.store), str(self.path), "-o", options)
        assert done.returncode == 0, done.stderr

    def kill_while_mounting(self, delay_s: float) -> None:
        """Begin to mount, and kill that."""
        command = [sys.executable, "-m", "theiafs", "mount", "-f", str(self.store), str(self.path)]
        mounting = subprocess.Popen(command, stderr=subprocess.DEVNULL, env=self._environment)
        with contextlib.suppress(subprocess.TimeoutExpired):
            mounting.wait(delay_s)
        mounting.kill()
        mounting.wait()
        self.clear()

    def kill(self) -> None:
        """Kill the process that serves the mount."""
        process_id = int((self.store / ".theiafs" / "lock").read_text())
        os.kill(process_id, signal.SIGKILL)
        # Its locks go when it is gone; its entry in the list of processes may take longer.
        backend_of(str(self.store)).wait_until_closed()
        self.clear()

    def clear(self) -> None:
        """Unmount what is left of the mount, if anything is."""
        # Writers that were cut off have it open for another moment.
        eventually(lambda: "busy" not in self._run("umount", str(self.path)).stderr)

    def _run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return command_server().run(arguments, self._environment, None)

    def write_until_killed(
        self, name: str, delay_s: float, chance: random.Random
    ) -> dict[str, int]:
        """Let several programs write, kill the mount after a while, and return what each had acknowledged."""
        tag = self.path / "by-tag" / name
        tag.mkdir()
        writers = {
            f"{name}-{number}": subprocess.Popen(
                [sys.executable, "-c", _WRITER, str(tag / "ingest"), f"{name}-{number}", str(chance.random())],
                stdout=subprocess.PIPE,
                text=True,
            )
            for number in range(WRITERS)
        }  # fmt: skip
        try:
            count = tag / "count"
            eventually(lambda: int(count.read_text()) > 0)
            threading.Event().wait(delay_s)
        finally:
            self.kill()
        return {
            writer: int(process.communicate(timeout=60)[0]) for writer, process in writers.items()
        }

    def found(self, name: str) -> collections.Counter[str]:
        """How often each line of a round is there."""
        with open(self.path / "by-tag" / name / "events", encoding="ascii") as lines:
            return collections.Counter(
                line.split(" ")[0] for line in lines if line.startswith(f"{name}-")
            )


def kill_rounds(base: Path, rounds: int, seed: int) -> Iterator[Tally]:
    """Mount, write, kill and compare, again and again; yields the tally after each round.

    Args:
        base: an empty directory to work in.
        rounds: how many times.
        seed: of the delays and of what is written.
    """
    chance = random.Random(seed)
    tally = Tally()
    for first in range(0, rounds, ROUNDS_PER_STORE):
        directory = base / str(first)
        directory.mkdir()
        mount = KilledMount(directory)
        acknowledged: dict[str, dict[str, int]] = {}
        try:
            for number in range(first, min(first + ROUNDS_PER_STORE, rounds)):
                name = f"r{number}"
                mount.mount(chance.choice([5, 50, 1000]))
                acknowledged[name] = mount.write_until_killed(name, chance.random(), chance)
                if chance.random() < 0.4:
                    mount.kill_while_mounting(chance.random())
                mount.mount()
                # The earlier rounds too: a replay must not bring back what was there before.
                for each, counts in acknowledged.items():
                    found = mount.found(each)
                    tally.doubled += sum(times > 1 for times in found.values())
                    tally.lost += sum(
                        f"{writer}-{n}" not in found for writer, count in counts.items() for n in range(count)
                    )  # fmt: skip
                tally.acknowledged += sum(acknowledged[name].values())
                tally.rounds += 1
                mount.kill()
                yield tally
        finally:
            mount.clear()


def _kill(rounds: int, seed: int) -> int:
    print(f"seed {seed}")
    tally = Tally()
    with tempfile.TemporaryDirectory(prefix="theiafs-torture-") as directory:
        for tally in kill_rounds(Path(directory), rounds, seed):
            if sys.stdout.isatty():
                print(f"\r{tally}", end="", flush=True)
    print(f"\r{tally}")
    return 1 if tally.lost or tally.doubled else 0


def _field(path: str, name: str) -> int:
    match = re.search(rf"^{name}:\s*(\d+)", Path(path).read_text(), re.MULTILINE)
    assert match is not None, f"{path} has no {name}"
    return int(match[1])


def _hot(size: int) -> int:
    """Let one minute grow, and compare what that cost with what was ingested."""
    with tempfile.TemporaryDirectory(prefix="theiafs-torture-") as directory:
        mount = KilledMount(Path(directory))
        mount.mount()
        try:
            process = f"/proc/{(mount.store / '.theiafs' / 'lock').read_text().strip()}"
            written_before = _field(f"{process}/io", "write_bytes")
            memory_before_kib = _field(f"{process}/status", "VmRSS")
            ingested = _fill_one_minute(mount.path / "ingest", size)
            minute = mount.store / f"{HOT_START}-{HOT_START + 60}"
            eventually(lambda: minute.exists() and minute.stat().st_size == ingested, 180)
            written = _field(f"{process}/io", "write_bytes") - written_before
            grown_kib = _field(f"{process}/status", "VmHWM") - memory_before_kib
        finally:
            mount.clear()
    print(
        f"one minute of {ingested / 1e6:.0f} MB: {written / 1e6:.0f} MB written to disk,"
        f" {written / ingested:.2f} x what was ingested; the process grew by {grown_kib / 1024:.0f} MiB at most"
    )
    return 1 if written > 3 * ingested or grown_kib > 64 << 10 else 0


def _fill_one_minute(path: Path, size: int) -> int:
    """Append frames of the same minute; returns how many bytes they have in its file."""
    serializer = EventSerializer()
    ingested = number = 0
    with open(path, "ab", buffering=0) as ingest:
        while ingested < size:
            frames = []
            for _ in range(500):
                time = HOT_START + number % 6000 / 100
                tags = [("web", "db", "cron")[number % 3]]
                content = f"GET /item/{number} took {number % 977} ms and returned 200"
                frames.append(
                    serializer.serialize(Event(f"hot-{number}", "nginx", time, tags, content))
                )
                number += 1
            # The store puts an empty line after each.
            block = b"\n".join([*frames, b""])
            assert ingest.write(block) == len(block)
            ingested += len(block)
    return ingested


def main() -> int:
    """Run the command; returns its exit status."""
    parser = argparse.ArgumentParser(
        prog="scripts/torture", description="Kill mounts, and see whether anything is lost."
    )
    parser.add_argument(
        "--rounds", type=int, default=30, help="how many mounts to kill (default: 30)"
    )
    parser.add_argument("--seed", type=int, help="repeat the delays of another run")
    parser.add_argument(
        "--hot",
        action="store_true",
        help="instead, let one minute grow to 500 MB, and show the cost",
    )
    parser.add_argument(
        "--store",
        choices=["clickhouse"],
        help="instead, kill servers of ClickHouse and cut connections to them, half of the time two shards: a round is ten seconds of it or, until each trouble has happened, more",
    )
    parsed = parser.parse_args()
    seed = random.randrange(10**6) if parsed.seed is None else parsed.seed
    if parsed.hot:
        return _hot(HOT_SIZE)
    if parsed.store:
        return _chaos(parsed.rounds, seed)
    return _kill(parsed.rounds, seed)


def _chaos(rounds: int, seed: int) -> int:
    """Kill servers and cut connections, for *rounds* times ten seconds or more: half of that with one server, half with two shards."""
    print(f"seed {seed}")
    outcomes = []
    for shards in (1, 2):
        with tempfile.TemporaryDirectory(prefix="theiafs-torture-") as directory:
            outcomes.append(chaos.run(Path(directory), seed, shards, 5.0 * rounds))
        print(f"{'one server' if shards == 1 else f'{shards} shards'}: {outcomes[-1]}")
    return 0 if all(outcome.is_good for outcome in outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())

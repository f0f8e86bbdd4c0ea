"""The writers, a process each: ``python -m tests.soak.writers CLOCK MOUNT WRITERS EVENTS_PER_S SEED``.

Each appends until standard input ends. Then it prints its name, the number of events that were acknowledged, and, if a write has
failed, that. Its events are numbered: ``w03-0``, ``w03-1``, and so on.
"""

import os
import random
import select
import sys
from collections.abc import Callable
from pathlib import Path

from tests.soak.clock import MovedClock

__all__ = ["TAGS", "name_of", "tag_of"]

TAGS = 8
_FSYNC_SHARE = 0.01
_COUNTS = (1, 1, 1, 2, 7)
_TICKS_PER_S = 10_000_000


def name_of(writer: int) -> str:
    """Return the name of a *writer*."""
    return f"w{writer:02}"


def tag_of(writer: int) -> str:
    """Return the tag of the events of a *writer*, which it shares with others."""
    return f"soak-{writer % TAGS}"


class _Writer:
    """A writer.

    Args:
        number: of the writer, which decides how it writes.
        directory: of its tag, in the mount.
        clock: the time for events that have one.
        chance: decides all else.
    """

    def __init__(
        self, number: int, directory: Path, clock: MovedClock, chance: random.Random
    ) -> None:
        self.name = name_of(number)
        self.acknowledged = 0
        self._chance = chance
        self._clock = clock
        ways: list[tuple[str, bool, Callable[[str], list[bytes]]]] = [
            ("ingest", True, self._line),
            ("ingest", False, self._line_by_line),
            ("ingest", True, self._frame),
            ("ingest.record", True, self._record),
        ]
        door, self._stays_open, self._pieces = ways[number // TAGS % len(ways)]
        self._path = directory / door
        self._file = self._open() if self._stays_open else -1

    def write(self) -> None:
        """Append some events.

        Raises:
            OSError: if a write fails.
        """
        file = self._file if self._stays_open else self._open()
        try:
            for _ in range(self._chance.choice(_COUNTS)):
                for piece in self._pieces(self._content()):
                    written = os.write(file, piece)
                    if written != len(piece):
                        raise OSError(f"{written} of {len(piece)} bytes written")
                self.acknowledged += 1
            if self._chance.random() < _FSYNC_SHARE:
                os.fsync(file)
        finally:
            if not self._stays_open:
                os.close(file)

    def _open(self) -> int:
        return os.open(self._path, os.O_WRONLY | os.O_APPEND)

    def _content(self) -> str:
        draw = self._chance.randint
        level = self._chance.choice(["INFO", "INFO", "WARNING", "ERROR"])
        padding = "x" * draw(3, 200)
        return f"{self.name}-{self.acknowledged} {level} GET /item/{draw(1, 99)} took {draw(1, 900)} ms {padding}"

    def _line(self, content: str) -> list[bytes]:
        """Return a line in one or two pieces."""
        line = content.encode() + b"\n"
        cut = self._chance.choice([0, 0, 0, len(line) // 2])
        return [line[:cut], line[cut:]] if cut else [line]

    def _line_by_line(self, content: str) -> list[bytes]:
        return [content.encode() + b"\n"]

    def _record(self, content: str) -> list[bytes]:
        return [f"{content}\n  at line 1\n  at line 2\n".encode()]

    def _frame(self, content: str) -> list[bytes]:
        seconds, ns = divmod(self._clock.now_ns(), 10**9)
        header = (
            f"id:{self.name}-{self.acknowledged}\ntimestamp: {seconds}.{ns // 100:07}\n"
            f"source:frames\ntags:{self._path.parent.name}\n"
        )
        size = len(header) + len(content)
        return [f"event: {size} {len(header)} {len(content)}\n{header}{content}\n".encode()]


def _run(writer: _Writer, writes_per_s: float, chance: random.Random) -> None:
    failure = ""
    while not select.select([sys.stdin], [], [], chance.expovariate(writes_per_s))[0]:
        try:
            writer.write()
        except OSError as error:
            failure = str(error)
            break
    # In one write, so that lines of several writers do not mix.
    os.write(1, f"{writer.name} {writer.acknowledged} {failure}\n".encode())


def main(words: list[str]) -> None:
    """Start the writers that *words* ask for, and wait for them."""
    clock, mount = MovedClock(Path(words[0])), Path(words[1])
    writers, events_per_s, seed = int(words[2]), float(words[3]), int(words[4])
    writes_per_s = events_per_s / writers * len(_COUNTS) / sum(_COUNTS)
    for number in range(writers):
        if os.fork() == 0:
            name = name_of(number)
            Path("/proc/self/comm").write_text(name)
            chance = random.Random(f"{seed} {name}")
            directory = mount / "by-tag" / tag_of(number)
            _run(_Writer(number, directory, clock, chance), writes_per_s, chance)
            os._exit(0)
    for _ in range(writers):
        os.wait()


if __name__ == "__main__":
    main(sys.argv[1:])

"""The readers: programs that run on the mount one after the other, and those that follow a file to the end."""

import random
import subprocess
import threading
from pathlib import Path

from tests.soak.tally import Tally
from tests.soak.writers import TAGS

__all__ = ["Failures", "Follower", "Reader"]

_SHOWN_MAX = 10
_PAUSE_S = 0.5
_TIMEOUT_S = 120
_GONE = ("No such file or directory", "Stale file handle")
"""What programs say of a minute that was removed while they were on their way to it, or had it open."""

_STATUSES = (0, 1, 2)
"""Those of grep that finds nothing, and that finds a minute gone, are among them."""

_SCRIPTS = (
    "grep -rc ' took ' minutes",
    "grep -rl ERROR by-tag/$tag",
    "find . -type f -size +1000k",
    "find by-date by-source -newermt yesterday -name '1*'",
    "tail -n 5 by-tag/$tag/events.log by-tag/$tag/events.jsonl",
    "cat by-tag/$tag/{count,sources,levels,tags,histogram}",
    "cat by-level/err+/patterns count tags sources levels histogram",
    "cat match/'item/7 '/count match/'item/[3-5]1 '/by-tag/$tag/events.log",
    "cat range/last-5m/count range/today/sources range/newest-15m/levels by-date/*/count",
    "cat latest status errors && ls -l minutes by-tag/$tag",
)


class Failures:
    """The failures of all that uses the mount. Threads may add to them.

    Attributes:
        count: how many there are.
        shown: the first of them.
    """

    def __init__(self) -> None:
        self.count = 0
        self.shown: list[str] = []
        self._lock = threading.Lock()

    def add(self, failure: str) -> None:
        """Add one."""
        with self._lock:
            self.count += 1
            if self.count <= _SHOWN_MAX:
                self.shown.append(failure)


class Reader:
    """A shell that runs programs in the mount until it is stopped.

    Args:
        mount: the mountpoint.
        chance: decides which programs.
        failures: where to add those that fail.

    Attributes:
        runs: how many programs have run.
    """

    def __init__(self, mount: Path, chance: random.Random, failures: Failures) -> None:
        self.runs = 0
        self._mount = mount
        self._chance = chance
        self._failures = failures

    def run(self, stopped: threading.Event) -> None:
        """Run programs until the soak is *stopped*."""
        while not stopped.wait(self._chance.random() * _PAUSE_S):
            script = self._chance.choice(_SCRIPTS)
            tag = f"soak-{self._chance.randrange(TAGS)}"
            # The days of an empty store are no name, rather than a star.
            command = ["bash", "-O", "nullglob", "-c", f"tag={tag}; {script}"]
            try:
                done = subprocess.run(
                    command,
                    cwd=self._mount,
                    stdout=subprocess.DEVNULL,
                    stderr=subprocess.PIPE,
                    text=True,
                    timeout=_TIMEOUT_S,
                )
            except subprocess.TimeoutExpired:
                self._failures.add(f"{script}: not within {_TIMEOUT_S} s")
                continue
            self.runs += 1
            errors = [line for line in done.stderr.splitlines() if not line.endswith(_GONE)]
            if errors or done.returncode not in _STATUSES:
                self._failures.add(f"{script}: status {done.returncode}, {errors}")


class Follower:
    """A tail that follows a file from its first line on.

    Args:
        path: of the file.

    Attributes:
        tally: the events that it printed.
        strange: the lines that it printed without an event.
    """

    def __init__(self, path: Path) -> None:
        self.tally = Tally()
        self.strange: list[bytes] = []
        self._path = path
        self._process = subprocess.Popen(
            ["tail", "-n", "+1", "-s", "0.2", "-f", path],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        self._thread = threading.Thread(target=self._count)
        self._thread.start()

    def _count(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            if not self.tally.add(line):
                self.strange.append(line)

    def is_at_end(self) -> bool:
        """Return whether it has read all that the file had a second ago, if not later, or has ended."""
        if self._process.poll() is not None:
            return True
        descriptors = Path("/proc", str(self._process.pid), "fd")
        for descriptor in descriptors.iterdir():
            if str(descriptor.readlink()) == str(self._path):
                info = descriptors.with_name("fdinfo") / descriptor.name
                return int(info.read_text().split()[1]) >= self._path.stat().st_size
        return False

    def stop(self) -> str:
        """End it, and return what it printed to standard error."""
        self._process.terminate()
        self._thread.join()
        return self._process.communicate()[1].decode()

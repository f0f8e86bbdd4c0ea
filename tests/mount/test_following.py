"""tail -f goes on and never starts over, whatever leaves the file that it follows."""

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, EventSerializer
from tests.mount.conftest import Mount
from tests.renderings import json_line, log_line
from tests.waiting import eventually


class Tail:
    """A running ``tail -f``.

    Attributes:
        seen: the bytes that it printed so far.
        messages: what it wrote to its standard error.
    """

    def __init__(self, process: subprocess.Popen[bytes]) -> None:
        self._process = process
        self.seen = b""
        self.messages = b""
        for pipe in (process.stdout, process.stderr):
            assert pipe is not None
            os.set_blocking(pipe.fileno(), False)

    def is_following(self, path: Path) -> bool:
        """Return whether it has opened the file at *path*, and is at its end."""
        for each in Path(f"/proc/{self._process.pid}/fd").iterdir():
            with contextlib.suppress(FileNotFoundError):
                if each.readlink() == path:
                    position = Path(str(each).replace("/fd/", "/fdinfo/")).read_text().split()[1]
                    return int(position) == path.stat().st_size
        return False

    def has_seen(self, wanted: bytes) -> bool:
        """Return whether the bytes that it printed end with *wanted*."""
        assert self._process.stdout is not None
        assert self._process.stderr is not None
        self.seen += self._process.stdout.read() or b""
        self.messages += self._process.stderr.read() or b""
        return self.seen.endswith(wanted)


@contextlib.contextmanager
def tail(path: Path, lines: str = "+1") -> Iterator[Tail]:
    """Run ``tail -f`` of the last *lines* of the file at *path*, of all of them by default."""
    command = ["tail", "-n", lines, "-s", "0.1", "-f", str(path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        try:
            yield Tail(process)
        finally:
            process.kill()


def record(number: int, timestamp: float) -> bytes:
    event = Event(f"id{number}", "s", timestamp, ["web"], f"event {number}")
    return EventSerializer().serialize(event) + b"\n"


SHOWN: dict[str, Callable[[bytes], bytes]] = {
    "events": bytes,
    "events.log": lambda record: log_line(record).encode(),
    "events.jsonl": lambda record: json_line(record).encode(),
}
"""The files that show all events, and how each shows a record."""


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("is_settled", [False, True])
@pytest.mark.parametrize("removed", [3, 5])
def test_a_follower_goes_on_while_minutes_are_removed(
    mounted: Mount, is_settled: bool, removed: int, name: str
) -> None:
    """All of them too, and with them the last event with its tag."""
    records = [record(number, 1000 + 100 * number) for number in range(5)]
    (mounted.path / "ingest").write_bytes(b"".join(records))
    mounted.remount()
    if not is_settled:
        records.append(record(9, 1500))
        (mounted.path / "ingest").write_bytes(records[-1])
    show = SHOWN[name]
    path = mounted.path / "by-tag" / "web" / name
    minutes = sorted(os.listdir(mounted.path / "minutes"))
    with tail(path) as follower:
        eventually(lambda: follower.has_seen(show(records[-1])))
        for minute in minutes[:removed]:
            (mounted.store_path / minute).unlink()
        eventually(lambda: sorted(os.listdir(mounted.path / "minutes")) == minutes[removed:])
        assert path.stat().st_size >= len(b"".join(map(show, records)))
        (mounted.path / "ingest").write_bytes(record(10, 1450))
        eventually(lambda: follower.has_seen(show(record(10, 1450))))
        (mounted.path / "ingest").write_bytes(record(11, 10))
        eventually(lambda: follower.has_seen(show(record(11, 10))))
        assert follower.messages == b""
        records += [record(10, 1450), record(11, 10)]
        assert follower.seen == b"".join(map(show, records))


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("is_read", [False, True])
def test_a_follower_of_what_arrives_needs_nothing_else(
    mounted: Mount, is_read: bool, name: str
) -> None:
    """The kernel reads whole pages: with what arrives it reads what stood before it, which is removed.

    Another program may have read that before: then the kernel has it, and the follower's first read is the one that fails.
    """
    records = [record(number, 1000 + 100 * number) for number in range(5)]
    (mounted.path / "ingest").write_bytes(b"".join(records))
    mounted.remount()
    show = SHOWN[name]
    path = mounted.path / "by-tag" / "web" / name
    if is_read:
        assert path.read_bytes() == b"".join(map(show, records))
    arrived = [record(10, 3000), record(11, 10)]
    with tail(path, lines="0") as follower:
        eventually(lambda: follower.is_following(path))
        for minute in mounted.store_path.glob("*-*"):
            minute.unlink()
        eventually(lambda: os.listdir(mounted.path / "minutes") == [])
        for each in arrived:
            (mounted.path / "ingest").write_bytes(each)
            eventually(lambda: follower.has_seen(show(each)))  # noqa: B023 - called at once
        assert (follower.seen, follower.messages) == (b"".join(map(show, arrived)), b"")


@pytest.mark.parametrize("name", SHOWN)
@pytest.mark.parametrize("is_settled", [False, True])
def test_a_minute_is_removed_with_events_that_are_not_flushed(
    make_mount: Callable[..., Mount], is_settled: bool, name: str
) -> None:
    """They are shown all the same, for they go to a new file."""
    mounted = make_mount("flush=3600000")
    records = [record(number, 1000 + number) for number in range(3)]
    (mounted.path / "ingest").write_bytes(records[0])
    mounted.remount()
    if not is_settled:
        records.insert(1, record(9, 1000.5))
        (mounted.path / "ingest").write_bytes(records[1])
    show = SHOWN[name]
    path = mounted.path / "by-tag" / "web" / name
    with tail(path) as following:
        eventually(lambda: following.has_seen(b"".join(map(show, records[:-2]))))
        (mounted.path / "ingest").write_bytes(records[-2])
        (mounted.store_path / "1000-1060").unlink()
        eventually(lambda: following.has_seen(show(records[-2])))
        (mounted.path / "ingest").write_bytes(records[-1])
        eventually(lambda: following.has_seen(show(records[-1])))
        assert (following.seen, following.messages) == (b"".join(map(show, records)), b"")
    assert path.read_bytes() == b"".join(map(show, records[1:]))


def test_a_range_moves_on_while_it_is_followed(mounted: Mount) -> None:
    """For every other reader; the follower keeps what it has."""
    path = mounted.path / "range" / "last-2s" / "events"
    mounted.shell("echo first >> ingest")
    with tail(path) as follower:
        eventually(lambda: follower.has_seen(b"\nfirst\n\n"))
        first = follower.seen
        eventually(lambda: mounted.events("range/last-2s/count") == b"0\n")
        assert mounted.shell("ls range/last-2s") == ""
        eventually(lambda: path.read_bytes() == b"")
        assert path.stat().st_size == len(first)
        mounted.shell("echo second >> ingest")
        eventually(lambda: follower.has_seen(b"\nsecond\n\n"))
        assert first + path.read_bytes() == follower.seen == mounted.events()
        assert follower.messages == b""
    eventually(lambda: path.stat().st_size == 0)

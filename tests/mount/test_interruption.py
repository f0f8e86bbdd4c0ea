"""A reader that goes away ends the scan that was for it, counted by what the mount reads."""

import random
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Event, EventSerializer
from store.query import MINUTE_S
from tests.mount.conftest import Mount
from tests.waiting import eventually

MINUTES, MINUTE_SIZE = 32, 1 << 20
SLOW = "(a|b)*a" + "(a|b)" * 12 + "c"
"""No automaton of it fits into the memory that a pattern gets: it is searched at a few megabytes a second."""


@pytest.fixture
def filled(make_mount: Callable[..., Mount], tmp_path: Path) -> Mount:
    """A mount of minutes that it takes long to search."""
    directory = tmp_path / "a" / "events"
    directory.mkdir(parents=True)
    chance = random.Random(1)
    content = "".join(chance.choices("ab", k=1000))
    for minute in range(1, MINUTES + 1):
        event = Event("id", "app", minute * MINUTE_S, [], content)
        record = EventSerializer().serialize(event) + b"\n"
        name = f"{minute * MINUTE_S}-{(minute + 1) * MINUTE_S}"
        (directory / name).write_bytes(record * (MINUTE_SIZE // len(record)))
    return make_mount()


def bytes_read(mount: Mount) -> int:
    """Return how many bytes the process of *mount* has read since it was started."""
    counters = Path(f"/proc/{mount.process_id}/io").read_text()
    [found] = re.findall(r"rchar: (\d+)", counters)
    return int(found)


def started(mount: Mount, *words: str) -> "subprocess.Popen[bytes]":
    """Start a command on *mount* that Ctrl-C ends, also where the tests run in the background."""
    words = ("env", "--default-signal=INT", *words)
    return subprocess.Popen(words, cwd=mount.path, stdout=subprocess.DEVNULL)


@pytest.mark.parametrize("command", ["cat match/{}/count", "stat match/{}/events", "ls match/{}"])
def test_a_scan_ends_when_its_reader_goes_away(filled: Mount, command: str) -> None:
    """After Ctrl-C, at the next minute, whichever request it was that the kernel made."""
    before = bytes_read(filled)
    with started(filled, *command.format(SLOW).split()) as reader:
        eventually(lambda: bytes_read(filled) > before + MINUTE_SIZE)
        reader.send_signal(signal.SIGINT)
        assert reader.wait(60) == -signal.SIGINT
    assert bytes_read(filled) - before < MINUTES * MINUTE_SIZE // 2
    log = filled.log()
    assert "ERROR" not in log, log
    assert "Traceback" not in log, log


def test_a_scan_that_was_ended_can_be_made_again(filled: Mount) -> None:
    """Nothing is missing then."""
    before = bytes_read(filled)
    with started(filled, "cat", f"match/{SLOW}|^a/count") as reader:
        eventually(lambda: bytes_read(filled) > before + MINUTE_SIZE)
        reader.send_signal(signal.SIGINT)
        assert reader.wait(60) == -signal.SIGINT
    counted = int((filled.path / "match" / "^[ab]" / "count").read_text())
    assert counted == int((filled.path / "count").read_text())

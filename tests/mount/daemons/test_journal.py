"""systemd's journal, with what Docker adds to it, followed and read from where the last reading ended."""

import configparser
import shlex
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.mount.conftest import Mount
from tests.mount.daemons.arrivals import arrived
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

Append = Callable[[range, str], list[bytes]]
"""Appends entries with these numbers, and a word in them, to a journal; returns their texts."""
COUNT = 40


@pytest.fixture
def journal(tmp_path: Path) -> tuple[Path, Append]:
    """Return the directory of a journal with one entry, and what appends to it."""
    directory = tmp_path / "journal"
    directory.mkdir()

    def append(numbers: range, word: str) -> list[bytes]:
        texts = [f"{word} {number}" for number in numbers]
        exported = tmp_path / "exported"
        exported.write_text("\n".join(map(entry, numbers, texts)) + "\n")
        remote = "/lib/systemd/systemd-journal-remote"
        command = [remote, "-o", str(directory / "made.journal"), str(exported)]
        subprocess.run(command, check=True, capture_output=True)
        return [text.encode() for text in texts]

    append(range(1), "old")
    return directory, append


def entry(number: int, text: str) -> str:
    """Return an entry as journals are exported: one of three of a service, the others of Docker's driver."""
    fields = {
        "__REALTIME_TIMESTAMP": 1_795_428_900_123_456 + number * 1000,
        "__MONOTONIC_TIMESTAMP": 1000 + number,
        "_BOOT_ID": "4c3bd5f8c4f94b0e9a8c2c2f6c1f5e0d",
        "PRIORITY": (6, 3)[number % 2],
        "MESSAGE": text,
    }
    if number % 3:
        fields |= {
            "SYSLOG_IDENTIFIER": "shop-1",
            "CONTAINER_NAME": "shop-1",
            "CONTAINER_ID": "0123456789ab",
            "IMAGE_NAME": "registry.example.org/shop:1.2",
            "_COMM": "dockerd",
            "_SYSTEMD_UNIT": "docker.service",
        }
    else:
        fields["_SYSTEMD_UNIT"] = "mail.service"
    return "".join(f"{name}={value}\n" for name, value in fields.items())


def messages(mount: Mount, path: str, word: str) -> list[bytes]:
    """Return the texts with a *word* of the entries that are events below *path*."""
    lines = arrived(mount, path, word)
    return [line.partition(b'"MESSAGE":"')[2].partition(b'"')[0] for line in lines]


def check(mount: Mount, word: str, texts: list[bytes], numbers: range) -> None:
    """Check that the entries with these *texts* and *numbers* are there, with their sources, levels and fields."""
    of_containers = [text for number, text in zip(numbers, texts, strict=True) if number % 3]
    others = [text for number, text in zip(numbers, texts, strict=True) if not number % 3]
    assert messages(mount, ".", word) == texts
    assert messages(mount, "by-source/shop-1", word) == of_containers
    assert messages(mount, "by-tag/CONTAINER_NAME=shop-1", word) == of_containers
    image = "IMAGE_NAME=registry.example.org%2Fshop:1.2"
    assert messages(mount, f"by-tag/{image}", word) == of_containers
    assert messages(mount, "by-source/mail.service", word) == others
    assert messages(mount, "by-level/err", word) == texts[1::2]


def test_a_journal_that_is_followed(shared: Mount, journal: tuple[Path, Append]) -> None:
    """By the command of the unit."""
    directory, append = journal
    unit = configparser.ConfigParser(interpolation=None)
    unit.optionxform = str  # type: ignore[assignment,method-assign]
    changes = {"journalctl -f": f"journalctl --directory={directory} -f"}
    unit.read_string(recipe("The journal", "ini", shared, changes))
    with subprocess.Popen(shlex.split(unit["Service"]["ExecStart"])) as journalctl:
        try:
            eventually(lambda: append(range(1), "probe") and arrived(shared, ".", "probe"))
            numbers = range(2, COUNT + 2)
            texts = append(numbers, "followed")
            eventually(lambda: len(messages(shared, ".", "followed")) >= COUNT)
        finally:
            journalctl.terminate()
    check(shared, "followed", texts, numbers)
    assert not arrived(shared, ".", '"old ')


def test_a_journal_that_is_read_from_time_to_time(
    shared: Mount, journal: tuple[Path, Append], tmp_path: Path
) -> None:
    """Each entry arrives once."""
    directory, append = journal
    cursor = tmp_path / "cursor"
    changes = {
        "journalctl --": f"journalctl --directory={directory} --",
        "/var/lib/journal-to-events.cursor": cursor,
    }
    command = recipe("The journal", "sh", shared, changes)
    shared.shell(command)
    texts = []
    numbers = range(2, COUNT + 2)
    for number in numbers[::10]:
        texts += append(range(number, number + 10), "read")
        shared.shell(command)
    shared.shell(command)
    check(shared, "read", texts, numbers)

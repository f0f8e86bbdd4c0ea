"""Backups and retention of a store that is mounted, by the commands and tools that administrators use."""

import errno
import os
import re
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from store import NaiveEventStore
from tests.mount.conftest import ENVIRONMENT, Mount, theiafs
from tests.test_copies import run
from tests.waiting import eventually

pytestmark = pytest.mark.one_binding

MakeMount = Callable[..., Mount]
DAY_S = 86_400
ROOT = Path(__file__).parents[2]


def frame(day: int, number: int, tag: str) -> bytes:
    """Return an event that is *day* days old."""
    header = (
        f"id:{day}-{number}\ntimestamp: {time.time() - day * DAY_S:.7f}\nsource:s\ntags:{tag}\n"
    )
    content = f"{day}-{number}"
    sizes = f"{len(header) + len(content)} {len(header)} {len(content)}"
    return f"event: {sizes}\n{header}{content}\n".encode()


def contents(root: Path) -> list[str]:
    """Return the contents of the events in the store *root*, opened as one."""
    store = NaiveEventStore(str(root))
    found = [event.content or "" for event in store.search(0)]
    store.close()
    return sorted(found)


def test_copies_while_lines_are_appended(make_mount: MakeMount, tmp_path: Path) -> None:
    """Each has the lines that were synced before, and no line twice; the command is given the mountpoint."""
    mount = make_mount()
    mount.shell("mkdir by-tag/declared; ln -s ../by-tag/declared views/v")
    synced: list[str] = []
    ends = threading.Event()

    def write(writer: int) -> None:
        with open(mount.path / "by-tag/t/ingest", "ab", buffering=0) as ingest:
            while not ends.is_set():
                line = f"line {writer} {len(synced)}"
                ingest.write(f"{line}\n".encode())
                os.fsync(ingest.fileno())
                synced.append(line)

    mount.shell("mkdir by-tag/t")
    threads = [threading.Thread(target=write, args=[number]) for number in range(3)]
    made: dict[Path, set[str]] = {}
    try:
        for each in threads:
            each.start()
        for number, source in enumerate((mount.path, None)):
            enough = len(synced) + 20
            eventually(lambda: len(synced) >= enough)  # noqa: B023 - it is called at once
            before = set(synced)
            target = tmp_path / f"copy-{number}"
            if source is not None:
                done = theiafs("backup", source, target)
                assert re.fullmatch(r".*: \d+ minute files copied .*\n", done.stdout)
            else:
                run("rsync", "-a", f"{mount.store_path}/", target)
            made[target] = before
    finally:
        ends.set()
        for each in threads:
            each.join()
    for target, before in made.items():
        found = contents(target)
        assert len(found) == len(set(found))
        assert before <= set(found)
        assert theiafs("check", target).stdout == ""
        assert theiafs("ls", target, "by-tag").stdout == "declared\nt\n"
        assert theiafs("cat", target, "views/v/count").stdout == "0\n"
    mount.umount()


def test_retention(make_mount: MakeMount) -> None:
    """By the command, with and without a tag, and by find: the mount shows it, and needs nothing that went."""
    mount = make_mount("delete")
    days = (50, 40, 30, 20, 10, 0)
    with open(mount.path / "ingest", "ab", buffering=0) as ingest:
        for day in days:
            ingest.write(frame(day, 0, "debug") + frame(day, 1, "web"))
    mount.shell("mkdir by-tag/declared; ln -s ../by-tag/declared views/v")

    def shown() -> list[str]:
        try:
            return sorted(content.decode() for content in mount.contents())
        except OSError as error:
            # The mount has not noticed yet which files are gone.
            if error.errno != errno.ESTALE:
                raise
            return []

    def left(*wanted: int) -> list[str]:
        return sorted(f"{day}-{number}" for day in wanted for number in range(2))

    eventually(lambda: len(list(mount.store_path.glob("[0-9]*-*"))) == len(days))
    dry = theiafs("prune", mount.path, "--older", "45d", "--dry-run").stdout
    assert "would be removed: 2 events of 1 minutes" in dry
    assert shown() == left(*days)
    theiafs("prune", mount.store_path, "--older", "45d")
    eventually(lambda: shown() == left(*days[1:]))
    theiafs("prune", mount.path, "--older", "35d", "--tag", "debug")
    assert shown() == sorted(["40-1", *left(*days[2:])])
    assert mount.shell("cat by-tag/debug/events.log | wc -l") == "4\n"

    # As if all but the newest minutes had been written, and all else been touched, 40 days ago.
    for path in mount.store_path.rglob("*"):
        start = path.name.partition("-")[0]
        is_new = start.isdigit() and int(start) > time.time() - 15 * DAY_S
        if path.is_file() and not is_new:
            os.utime(path, (time.time() - 40 * DAY_S,) * 2)
    run("find", mount.store_path, "-type", "f", "-mtime", "+30", "-delete")
    eventually(lambda: shown() == left(10, 0))
    mount.shell("echo after >> ingest; sync ingest")
    mount.remount()
    assert shown() == sorted([*left(10, 0), "after"])
    assert mount.shell("ls by-tag") == "debug\ndeclared\nweb\n"
    assert mount.shell("cat views/v/count") == "0\n"
    mount.umount()
    assert theiafs("check", mount.store_path).stdout == ""

    mount.options = mount.options.replace("delete", "").rstrip(",")
    mount.mount()
    refused = theiafs("prune", mount.path, "--older", "5d", "--tag", "debug", check=False)
    assert refused.returncode == 1
    assert refused.stderr == (
        f"theiafs: {mount.store_path} is mounted on {mount.path} without -o delete:"
        " unmount it, or mount it with that, to remove by tag\n"
    )
    assert shown() == sorted([*left(10, 0), "after"])
    mount.umount()


def test_every_command_of_the_document_works(make_mount: MakeMount, tmp_path: Path) -> None:
    """In their order, on a store that is mounted; what is restored is what was backed up."""
    mount = make_mount()
    mount.shell("echo one >> ingest; echo two >> ingest")
    program = tmp_path / "bin" / "theiafs"
    program.parent.mkdir()
    nowhere = 'case $1 in mount) shift; set -- mount -o log=/dev/null "$@" ;; esac'
    program.write_text(f'#!/bin/sh\n{nowhere}\nexec {sys.executable} -m theiafs "$@"\n')
    program.chmod(0o755)
    text = (ROOT / "docs" / "backup.md").read_text()
    commands = re.findall(r"^\$ (.*)$", text, re.MULTILINE)
    assert len(commands) > 10
    environment = {**ENVIRONMENT, "PATH": f"{program.parent}:{ENVIRONMENT['PATH']}"}
    for command in commands:
        subprocess.run(
            ["bash", "-ec", command],
            check=True,
            cwd=mount.path.parent,
            env=environment,
            capture_output=True,
            timeout=60,
        )
        if command.startswith("theiafs mount"):
            assert sorted(mount.contents()) == [b"one", b"two"]
    for copied in ("copy", "copy-2", "backup", "damaged", "all"):
        assert contents(mount.store_path.parent / copied) == ["one", "two"]
    mount.umount()

"""Programs that write logs: appending is not all that they do to a file."""

import contextlib
import ctypes
import logging
import os
import re
import subprocess
import sys
from collections.abc import Callable
from logging.handlers import RotatingFileHandler, TimedRotatingFileHandler
from typing import BinaryIO

import pytest

from tests.documents import ROOT, section
from tests.mount.conftest import Mount
from tests.waiting import eventually

FALLOC_FL_KEEP_SIZE = 1


@pytest.mark.parametrize("backups", [0, 1, 3])
def test_a_writer_that_rotates_by_size_loses_nothing(mounted: Mount, backups: int) -> None:
    """It renames and removes several times a second, while the kernel still knows the old names."""
    handler = RotatingFileHandler(mounted.path / "ingest", maxBytes=50, backupCount=backups)
    records = write_records(handler, 200)
    assert mounted.contents() == records


def test_a_writer_that_rotates_by_time_loses_nothing(
    mounted: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each record finds that it is time."""
    handler = TimedRotatingFileHandler(mounted.path / "ingest", when="S", backupCount=2)
    monkeypatch.setattr(handler, "shouldRollover", lambda _record: True)
    records = write_records(handler, 50)
    assert mounted.contents() == records


def write_records(handler: logging.Handler, count: int) -> list[bytes]:
    """Write records through *handler*; return their contents."""
    failures: list[logging.LogRecord] = []
    handler.handleError = failures.append  # type: ignore[method-assign,assignment]
    logger = logging.Logger("test")
    logger.addHandler(handler)
    for number in range(count):
        logger.warning("record %d", number)
    handler.close()
    assert failures == []
    return [b"record %d" % number for number in range(count)]


def test_an_ingest_file_keeps_its_name(mounted: Mount) -> None:
    """It is there after it was renamed or removed, also for those that have it open; the new name is not."""
    mounted.shell("mkdir by-tag/web")
    for path in ("ingest", "by-tag/web/ingest"):
        with (mounted.path / path).open("ab", buffering=0) as file:
            file.write(b"one\n")
            mounted.shell(f"mv {path} {path}.1")
            file.write(b"two\n")
            mounted.shell(f"rm {path}")
            file.write(b"three\n")
            mounted.shell(f"echo four >> {path}")
    assert "ingest.1" not in os.listdir(mounted.path / "by-tag" / "web")
    assert "ingest" in os.listdir(mounted.path)
    assert "ingest.1" not in os.listdir(mounted.path)
    assert mounted.contents("by-tag/web/events") == [b"one", b"two", b"three", b"four"]
    assert len(mounted.contents()) == 8


def test_an_ingest_file_that_is_open_stays_usable_while_others_rotate_it(mounted: Mount) -> None:
    """Long after it was renamed too, and when another is renamed to the same name, or it is removed."""
    path, renamed = mounted.path / "ingest", mounted.path / "ingest.1"
    written: list[bytes] = []
    files: list[BinaryIO] = []

    def use(file: BinaryIO) -> None:
        word = b"%d of %d" % (len(written), len(files))
        assert file.seek(0, os.SEEK_END) == 0
        file.write(word + b"\n")
        os.fsync(file.fileno())
        os.ftruncate(file.fileno(), 0)
        with open(f"/proc/self/fd/{file.fileno()}", "ab") as again:
            again.write(b"again " + word + b"\n")
        written.extend([word, b"again " + word])

    with contextlib.ExitStack() as opened:
        for command in ("mv ingest ingest.1", "mv ingest ingest.1", "rm ingest"):
            files.append(opened.enter_context(path.open("ab", buffering=0)))
            mounted.shell(command)
            for _ in range(2):
                for file in files:
                    use(file)
                eventually(lambda: not renamed.exists(), deadline_s=2)
                assert path.exists()
        assert os.fstat(files[-1].fileno()).st_ino == path.stat().st_ino, "the one that was removed"
    eventually(lambda: mounted.contents() == written)


def test_nothing_else_can_be_renamed_or_removed(mounted: Mount) -> None:
    """Neither from nor to another name."""
    mounted.shell("mkdir by-tag/web; echo x >> by-tag/web/ingest")
    for command in (
        "mv README ingest.1", "mv ingest README", "mv ingest latest", "mv by-tag/web/events by-tag/web/x",
        "rm README", "rm by-tag/web/count", "rm latest", "mv -T by-tag/web by-tag/db",
    ):  # fmt: skip
        assert "not permitted" in mounted.shell(command, check=False), command
    assert "No such file" in mounted.shell("rm nothing", check=False)
    assert mounted.contents() == [b"x"]


@pytest.mark.parametrize("size", [1, 4095, 4096, 4097, 1 << 20])
def test_preallocating_stores_nothing(mounted: Mount, size: int) -> None:
    """Not a NUL; one that is written is content."""
    descriptor = os.open(mounted.path / "ingest", os.O_WRONLY)
    try:
        os.posix_fallocate(descriptor, 0, size)
        os.write(descriptor, b"one\n")
        os.posix_fallocate(descriptor, 0, size)
        length = ctypes.c_int64(size)
        assert not ctypes.CDLL(None).fallocate(descriptor, FALLOC_FL_KEEP_SIZE, length, length)
        os.write(descriptor, b"two\n")
    finally:
        os.close(descriptor)
    mounted.shell("printf '\\0\\0\\n' > ingest; printf '\\0' >> ingest")
    eventually(lambda: mounted.contents() == [b"one", b"two", b"\0\0", b"\0"])


def test_a_thread_writes_in_the_name_of_its_process(mounted: Mount) -> None:
    """As rsyslog does, whose threads have names of their own."""
    script = """
import ctypes, sys, threading
def work():
    ctypes.CDLL(None).prctl(15, b"pool-1-worker-3")
    with open(sys.argv[1], "ab") as file:
        file.write(b"hello\\n")
thread = threading.Thread(target=work); thread.start(); thread.join()
"""
    subprocess.run([sys.executable, "-c", script, mounted.path / "ingest"], check=True)
    command = "print(open('/proc/self/comm').read(), end='')"
    named = subprocess.run(
        [sys.executable, "-c", command], capture_output=True, text=True, check=True
    )
    assert mounted.shell("grep ^source: events") == f"source:{named.stdout}"


def test_a_line_that_is_too_long_fails_each_time(make_mount: Callable[..., Mount]) -> None:
    """Through one descriptor, and a good line after it is stored."""
    mount = make_mount("max_event=1K")
    descriptor = os.open(mount.path / "ingest", os.O_WRONLY | os.O_APPEND)
    try:
        for number in range(6):
            for piece in (b"x" * 2000 + b"\n", b"x" * 300_000 + b"\n"):
                with pytest.raises(OSError, match="Message too long"):
                    os.write(descriptor, piece)
            for part in (b"go", b"od ", b"%d\n" % number):
                os.write(descriptor, part)
    finally:
        os.close(descriptor)
    assert mount.contents() == [b"good %d" % number for number in range(6)]


def test_the_rest_of_a_line_that_is_too_long_fails_each_time(mounted: Mount) -> None:
    """The kernel accepts its beginning; however often the rest is written, it becomes no event."""
    line = b"x" * 1_500_000 + b"\n"
    descriptor = os.open(mounted.path / "ingest", os.O_WRONLY | os.O_APPEND)
    try:
        accepted = os.write(descriptor, line)
        assert 0 < accepted < len(line)
        for _ in range(5):
            with pytest.raises(OSError, match="Message too long"):
                os.write(descriptor, line[accepted:])
        os.write(descriptor, b"good\n")
    finally:
        os.close(descriptor)
    assert mounted.contents() == [b"good"]


def replacements() -> list[tuple[str, str, str]]:
    """Return the rows of the recipes' table of commands that fail: each of them, its error, and what to use instead."""
    table = section((ROOT / "docs/recipes.md").read_text(), "Programs that replace a file")
    found = []
    for row in re.findall(r"^\| (`.*?) \|$", table, re.M):
        commands, error, instead = re.split(r" (?<!\\)\| ", row)
        if "Python" not in commands:
            [better, *_] = re.findall("`(.*?)`", instead)
            found += [
                (command, re.split("; | \\(", error)[0], better)
                for command in re.findall("`(.*?)`", commands)
            ]
    return found


@pytest.mark.parametrize(("command", "error", "instead"), replacements())
def test_a_program_that_replaces_a_file_fails(
    mounted: Mount, command: str, error: str, instead: str
) -> None:
    """With the error that the recipes say, and nothing is added; what they say to use instead adds the lines."""

    def run(words: str) -> "subprocess.CompletedProcess[str]":
        source = mounted.path.parent / "f"
        source.write_text("xyz\n")
        words = re.sub(r"\bingest\b", str(mounted.path / "ingest"), words)
        words += " if=f" if words.startswith("dd") else ""
        return subprocess.run(
            ["bash", "-c", words],
            cwd=source.parent,
            env={**os.environ, "LC_ALL": "C"},
            capture_output=True,
            text=True,
        )

    done = run(command)
    assert done.returncode != 0
    assert error in done.stderr
    assert mounted.contents() == []
    assert (mounted.path.parent / "f").read_text() == "xyz\n"
    done = run(instead)
    assert done.returncode == 0, done.stderr
    assert mounted.contents() in ([b"xyz"], [b"x"])


@pytest.mark.parametrize(
    "command",
    [
        "cp f mnt/ingest",
        "cp -a f mnt/ingest",
        "dd if=f of=mnt/ingest",
        "tee mnt/ingest < f",
        "sort -o mnt/ingest f",
        "tar -cf f.tar f --transform s/f/ingest/ && tar -xf f.tar -C mnt --overwrite",
    ],
)
def test_a_program_that_opens_an_ingest_file_appends(mounted: Mount, command: str) -> None:
    """Each time, whatever it thinks of what is in it."""
    (mounted.path.parent / "f").write_text("xyz\n")
    for count in (1, 2):
        subprocess.run(["bash", "-c", command], cwd=mounted.path.parent, check=True)
        assert mounted.contents() == [b"xyz"] * count


def test_programs_that_replace_a_file_in_python(mounted: Mount) -> None:
    """With the errors that the recipes say."""
    ingest, other = mounted.path / "ingest", mounted.path.parent / "f"
    other.write_text("xyz\n")
    with pytest.raises(OSError, match="Invalid cross-device link"):
        other.replace(ingest)
    with pytest.raises(FileExistsError):
        ingest.open("x")
    assert mounted.contents() == []

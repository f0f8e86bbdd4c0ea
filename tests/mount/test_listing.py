"""Listings with attributes, which the kernel asks for on libfuse 3: the same as when each is asked for alone, in fewer requests."""

import ctypes
import os
import re
import signal
import struct
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Event, EventSerializer
from tests.mount.conftest import Mount
from tests.waiting import eventually

MINUTES = 1000

_VERSION = re.match(r"(\d+)\.(\d+)", os.uname().release)
assert _VERSION is not None
READS_LARGE_PIECES = tuple(map(int, _VERSION.groups())) >= (6, 16)
"""Whether the kernel asks for as much of a directory at once as a program has room for; older ones ask for 4 KiB."""

DIRECTORIES = (
    "minutes",
    "by-tag/web",
    "match/7",
    "range/100..1970-01-01T10:00:17",
    "by-tag/web/not/match/7",
)

_libc = ctypes.CDLL(None, use_errno=True)
_ENTRY = struct.Struct("<QqHB")
"""An entry as getdents64(2) gives it: its inode number, the offset of the next one, its length and its type; its name follows."""

PIECE_SIZE = 1 << 14
"""How much of a directory is read at once, in bytes: a hundred names with attributes, of a thousand."""


@pytest.fixture
def listed(make_mount: Callable[..., Mount]) -> Mount:
    """Return a mount on libfuse 3 of a store with many minutes, in their files."""
    mount = make_mount("binding=mfusepy,delete")
    serializer = EventSerializer()
    events = [
        Event(
            f"{number}",
            "s",
            60 * number + part,
            ["web"] if number % 3 else [],
            f"{number} {'x' * (number % 50)}",
        )
        for number in range(MINUTES)
        for part in (1, 40)
    ]
    (mount.path / "ingest").write_bytes(b"".join(map(serializer.serialize, events)))
    mount.remount()
    return mount


def attributes(path: str | Path) -> tuple[int, ...]:
    found = os.stat(path, follow_symlinks=False)
    return (found.st_mode, found.st_ino, found.st_nlink, found.st_uid, found.st_gid, found.st_size, found.st_blocks, found.st_blksize,
            found.st_atime_ns, found.st_mtime_ns, found.st_ctime_ns)  # fmt: skip


def listed_attributes(directory: Path) -> dict[str, tuple[int, ...]]:
    """Return what a program finds that asks for the attributes of each name as soon as it has read it, as ls does."""
    opened, found = OpenDirectory(directory), {}
    while (name := opened.next()) is not None:
        if name not in (".", ".."):
            found[name] = attributes(directory / name)
    opened.close()
    return found


def names_in(directory: Path) -> list[str]:
    return [name for name in os.listdir(directory) if not name.startswith(".")]


def test_a_listing_says_what_stat_says(listed: Mount) -> None:
    """About each entry, links included; also about a file that is open."""
    names = {directory: os.listdir(listed.path / directory) for directory in DIRECTORIES}
    assert len(names["minutes"]) == MINUTES
    assert 10 < len(names["range/100..1970-01-01T10:00:17"]) < MINUTES
    listed.remount()  # so that nothing of a listing is known
    asked = {
        directory: {name: attributes(listed.path / directory / name) for name in names[directory]}
        for directory in DIRECTORIES
    }
    listed.remount()
    for directory in DIRECTORIES:
        assert listed_attributes(listed.path / directory) == asked[directory]
    with open(listed.path / "minutes" / names["minutes"][5], "rb") as file:
        assert listed_attributes(listed.path / "minutes") == asked["minutes"]
        assert os.fstat(file.fileno()).st_size == asked["minutes"][names["minutes"][5]][5]


def requests_of(mount: Mount, command: list[str]) -> int:
    """Count the requests that *command* causes: libfuse answers each by one call of writev(2)."""
    tracing = ["strace", "-f", "-c", "-e", "trace=writev", "-p", str(mount.process_id)]
    with subprocess.Popen(tracing, stderr=subprocess.PIPE, text=True) as tracer:
        assert tracer.stderr is not None
        assert "attached" in tracer.stderr.readline()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        tracer.send_signal(signal.SIGINT)
        found = re.search(r"(\d+)\s+writev$", tracer.stderr.read(), re.M)
    return int(found[1]) if found else 0


def find_files(directory: Path) -> list[str]:
    """Return a command that reads all names before it asks for their attributes."""
    return ["find", str(directory), "-type", "f", "-size", "+0"]


def test_attributes_come_with_the_names(listed: Mount) -> None:
    """Nothing more is asked of an entry, whether a program does so name by name or reads all names first."""
    for directory in DIRECTORIES[:2]:
        path = listed.path / directory
        commands = [["ls", "-f", str(path)], ["ls", "-l", str(path)]]
        if READS_LARGE_PIECES:
            commands.append(find_files(path))
        for command in commands:

            def asks_for_few(command: list[str] = command) -> bool:
                listed.remount()
                return requests_of(listed, command) < MINUTES / 10

            # The kernel keeps attributes for a second, in which a program may not come to the end.
            eventually(asks_for_few, 60)
    # What is not a minute is asked for.
    assert requests_of(listed, ["ls", "-lA", str(listed.path / "by-tag/web")]) > 10


class OpenDirectory:
    """A directory that is read piece by piece, with the offsets of its entries, and not as much at once as the C library reads."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
        self._entries: list[tuple[str, int]] = []  # each with the offset of the next one
        self._offset = 0

    def next(self) -> str | None:
        """Return the next name; None after the last."""
        if not self._entries:
            buffer = ctypes.create_string_buffer(PIECE_SIZE)
            size = _libc.getdents64(self._descriptor, buffer, PIECE_SIZE)
            assert size >= 0, os.strerror(ctypes.get_errno())
            start = 0
            while start < size:
                _, offset, length, _ = _ENTRY.unpack_from(buffer, start)
                padded = buffer.raw[start + _ENTRY.size : start + length]
                self._entries.append((padded.partition(b"\0")[0].decode(), offset))
                start += length
        if not self._entries:
            return None
        name, self._offset = self._entries.pop(0)
        return name

    def rest(self) -> list[str]:
        """Return all names that follow."""
        return list(iter(self.next, None))

    def tell(self) -> int:
        """Return the offset of the next name."""
        return self._offset

    def seek(self, offset: int) -> None:
        """Go back or on to *offset*."""
        os.lseek(self._descriptor, offset, os.SEEK_SET)
        self._entries.clear()
        self._offset = offset

    def rewind(self) -> None:
        """Read the directory again."""
        self.seek(0)

    def close(self) -> None:
        """Close it."""
        os.close(self._descriptor)


def test_a_listing_can_be_read_from_any_place(listed: Mount) -> None:
    """An offset means the same entry until the directory is read again from its beginning."""
    opened = OpenDirectory(listed.path / "by-tag/web")
    offsets, names = [], []
    while True:
        offsets.append(opened.tell())
        name = opened.next()
        if name is None:
            break
        names.append(name)
    assert sorted(names[2:]) == sorted(os.listdir(listed.path / "by-tag/web"))
    for place in (0, 1, 5, 63, 64, 200, len(names) - 1, len(names), 3):
        opened.seek(offsets[place])
        assert opened.rest() == names[place:]
    opened.rewind()
    assert opened.rest() == names
    opened.close()


def test_minutes_that_go_and_come_shift_no_others(listed: Mount) -> None:
    """A program that is in the middle of a listing gets every minute that was there all the time once."""
    before = names_in(listed.path / "minutes")
    opened = OpenDirectory(listed.path / "minutes")
    read = [opened.next() for _ in range(20)]
    gone = before[:10] + before[500:510]
    for name in gone:
        (listed.path / "minutes" / name).unlink()
    listed.shell("echo new >> ingest")
    eventually(lambda: len(names_in(listed.path / "minutes")) == MINUTES - len(gone) + 1)
    read += opened.rest()
    assert [name for name in read[2:] if name not in gone] == [
        name for name in before if name not in gone
    ]
    opened.rewind()
    assert set(before) - set(opened.rest()) == set(gone)
    opened.close()
    # What is gone is not shown again, though a listing may have named it.
    for name in gone:
        assert not (listed.path / "minutes" / name).exists()


def test_a_listing_of_what_grows_is_never_old(listed: Mount) -> None:
    """The next listing shows what was appended, and so does the next stat after one."""
    directory = listed.path / "by-tag/web"
    for turn in range(8):
        before = listed_attributes(directory)
        listed.shell(f"echo {turn} >> by-tag/web/ingest")
        newest = names_in(directory)[-1]
        size = len((directory / newest).read_bytes())
        assert (directory / newest).stat().st_size == size
        assert listed_attributes(directory)[newest][5] == size
        assert before.get(newest, (0,) * 6)[5] < size

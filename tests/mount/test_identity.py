"""Files are known by their inode numbers: to programs that follow logs, and to those that back them up."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path

from tests.mount.conftest import Mount
from theiafs.inodes import inode_of


def walk(mount: Mount) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Yield the path of every entry in the mount, and the entry."""
    directories = [mount.path]
    while directories:
        with os.scandir(directories.pop()) as entries:
            for entry in entries:
                yield "/" + str(Path(entry.path).relative_to(mount.path)), entry
                if entry.is_dir(follow_symlinks=False):
                    directories.append(Path(entry.path))


def numbers(mount: Mount) -> dict[str, int]:
    """Return the inode number of every path, and check that directories list the same as stat(2) has."""
    found = {}
    for path, entry in walk(mount):
        number = os.lstat(entry.path).st_ino
        assert entry.inode() == number == inode_of(path), path
        found[path] = number
    return found


def times(mount: Mount) -> dict[str, tuple[int, int, int]]:
    """Return the size and the times of every path but that of the status, which says how the mount is doing."""
    stats = {path: os.lstat(entry.path) for path, entry in walk(mount) if path != "/status"}
    return {
        path: (stat.st_size, stat.st_mtime_ns, stat.st_ctime_ns) for path, stat in stats.items()
    }


def test_numbers_and_times_are_the_same_after_a_remount(make_mount: Callable[..., Mount]) -> None:
    """Every path keeps its own, in whatever order the paths are first asked for, and no two have the same number."""
    mount = make_mount()
    mount.shell("mkdir by-tag/web by-tag/error")
    mount.shell("seq 5 >> by-tag/web/ingest; seq 5 >> by-tag/error/ingest")
    before, times_before = numbers(mount), times(mount)
    assert len(set(before.values())) == len(before) > 20
    assert os.stat(mount.path).st_ino == 1
    unlisted = [f"/by-tag/{tag}/events" for tag in ("error", "web")]
    mount.remount()
    for path in unlisted:
        assert os.stat(f"{mount.path}{path}").st_ino == inode_of(path)
    assert numbers(mount) == before
    assert times(mount) == times_before


def test_a_follower_with_a_registry(make_mount: Callable[..., Mount]) -> None:
    """A program that remembers how far it has read each file, by device and number, reads each event once."""
    mount = make_mount()
    mount.shell("mkdir by-tag/web by-tag/db")
    offsets: dict[int, int] = {}
    read: dict[str, bytes] = {}

    def follow() -> None:
        for tag in os.listdir(mount.path / "by-tag"):
            with (mount.path / "by-tag" / tag / "events.log").open("rb") as file:
                number = os.fstat(file.fileno()).st_ino
                file.seek(offsets.get(number, 0))
                read[tag] = read.get(tag, b"") + file.read()
                offsets[number] = file.tell()

    for turn in range(3):
        mount.shell(f"echo web {turn} >> by-tag/web/ingest; echo db {turn} >> by-tag/db/ingest")
        follow()
        mount.remount()
        follow()
    for tag in ("web", "db"):
        lines = [line.partition(b"] ")[2] for line in read[tag].splitlines()]
        assert lines == [f"{tag} {turn}".encode() for turn in range(3)]

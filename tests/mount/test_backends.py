"""A store without files, mounted: the filesystem knows only the interface of a store."""

import os
from pathlib import Path

from tests.mount.conftest import is_mounted, theiafs

PROGRAM = ("-m", "tests.memory_backend")
"""The command line, with stores in memory."""


def test_a_store_without_files_is_mounted(tmp_path: Path) -> None:
    """Appended to, listed, read and removed from; its password is shown nowhere, and unmounting waits for no file."""
    path, log = tmp_path / "mnt", tmp_path / "log"
    path.mkdir()
    address = "memory://me:secret@host/logs"
    theiafs("mount", address, path, "-o", f"delete,log={log}", program=PROGRAM)
    try:
        [shown] = [
            line for line in Path("/proc/self/mounts").read_text().splitlines() if str(path) in line
        ]
        assert shown.startswith("memory://me@host/logs ")
        (path / "by-tag" / "new").mkdir()
        with (path / "by-tag/new/ingest").open("ab") as ingest:
            ingest.write(b"one\ntwo\n")
        assert (path / "ingest").write_bytes(b"three\n")
        for directory in ("by-tag/new", "minutes"):
            for name in os.listdir(path / directory):
                file = path / directory / name
                if not name.startswith(".") and name != "ingest":
                    assert file.stat().st_size == len(file.read_bytes()) > 0
        assert (path / "by-tag/new/count").read_bytes() == b"2\n"
        lines = (path / "events.log").read_bytes().splitlines()
        assert [line.rpartition(b" ")[2] for line in lines] == [b"one", b"two", b"three"]
        (path / "views/mine").symlink_to("../by-tag/new")
        assert (path / "views/mine/events").read_bytes() == (
            path / "by-tag/new/events"
        ).read_bytes()
        assert os.statvfs(path).f_namemax == 255
        assert (path / "status").read_text().count("events: 3\n") == 1
        for minute in os.listdir(path / "minutes"):
            (path / "minutes" / minute).unlink()
        assert os.listdir(path / "minutes") == []
        theiafs("umount", path, program=PROGRAM)
        assert not is_mounted(path)
        assert "secret" not in log.read_text()
        assert "ERROR" not in log.read_text()
    finally:
        if is_mounted(path):
            theiafs("umount", "--lazy", path, program=PROGRAM)

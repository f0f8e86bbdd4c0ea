"""Errors that writers get when the disk fails, and the view of concurrent readers."""

import errno
import os
import re
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from theia.model import Event as TheiaEvent
from theia.naivestore import NaiveEventStore as TheiaStore

from store import Event, EventSerializer, NaiveEventStore, StoreLocked
from tests.mount.conftest import Mount, is_mounted, theiafs
from tests.waiting import eventually

SMALL_DISK_SIZE = 4 << 20


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A real file system that is soon full."""
    path = tmp_path / "disk"
    path.mkdir()
    subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={SMALL_DISK_SIZE}", "tmpfs", str(path)], check=True
    )
    yield path
    eventually(lambda: subprocess.run(["umount", str(path)], capture_output=True).returncode == 0)


def stored_contents(store: Path) -> list[bytes]:
    """Return the contents of the events in the minute files of *store*, in the order of the files."""
    files = sorted(store.glob("[0-9]*-*"))
    return re.findall(rb"^\d{6} x+$", b"".join(map(Path.read_bytes, files)), re.MULTILINE)


def test_a_full_disk(small_disk: Path, tmp_path: Path) -> None:
    """Filled through the mount, emptied, and continued: what was acknowledged is there, once."""
    mount = Mount(tmp_path, "flush=100")
    mount.store_path = small_disk / "events"
    mount.mount()
    try:
        ballast = small_disk / "ballast"
        ballast.write_bytes(bytes(SMALL_DISK_SIZE // 4 * 3))
        acknowledged = []
        ingest = os.open(mount.path / "ingest", os.O_WRONLY | os.O_APPEND)

        def append(number: int) -> None:
            line = b"%06d " % number + b"x" * 900
            assert os.write(ingest, line + b"\n") == len(line) + 1
            acknowledged.append(line)

        number = 0
        with pytest.raises(OSError, match="No space left") as full:  # noqa: PT012 - until it is
            while True:
                append(number)
                number += 1
        assert full.value.errno == errno.ENOSPC
        # It stays full, and says so again; what was acknowledged can be read.
        with pytest.raises(OSError, match="No space left"):
            append(-1)
        assert "lost" not in mount.log()
        assert mount.contents() == acknowledged
        ballast.unlink()
        for later in range(number + 1, number + 200):
            append(later)
        os.fsync(ingest)
        os.close(ingest)
        assert mount.contents() == acknowledged
        assert "lost" not in mount.log()
        eventually(lambda: stored_contents(mount.store_path) == acknowledged)
        mount.remount()
        assert mount.contents() == acknowledged
        assert theiafs("check", mount.store_path).returncode == 0
    finally:
        mount.clean_up()


def test_a_full_disk_at_the_end(small_disk: Path, tmp_path: Path) -> None:
    """Events that no longer fit into the minute files stay in the log for the next mount."""
    mount = Mount(tmp_path, "flush=3600000")
    mount.store_path = small_disk / "events"
    mount.mount()
    try:
        mount.shell("for i in $(seq 100); do printf '%900d\\n' $i; done >> ingest")
        ballast = small_disk / "ballast"
        subprocess.run(["dd", "if=/dev/zero", f"of={ballast}", "bs=4096"], capture_output=True)
        done = theiafs("umount", mount.path, check=False)
        assert done.returncode == 1
        assert "is unmounted, but not everything could be written" in done.stderr
        assert not is_mounted(mount.path)
        assert not list(mount.store_path.glob("[0-9]*"))
        ballast.unlink()
        mount.mount()
        assert [int(line) for line in mount.contents()] == list(range(1, 101))
    finally:
        mount.clean_up()


@pytest.mark.parametrize("how", ["fsync", "O_SYNC", "O_DSYNC", "-o sync"])
def test_synced_events_are_durable_in_the_log(
    make_mount: Callable[..., Mount], tmp_path: Path, how: str
) -> None:
    """The mount syncs the file that has the event before the call returns; the calls it makes show it."""
    mount = make_mount("flush=3600000" + (",sync" if how == "-o sync" else ""))
    trace = tmp_path / "trace"
    command = ["strace", "-f", "-y", "-e", "trace=fsync,writev", "-o", str(trace), "-p"]
    flags = {"O_SYNC": os.O_SYNC, "O_DSYNC": os.O_DSYNC}.get(how, 0)
    with subprocess.Popen([*command, str(mount.process_id)], stderr=subprocess.PIPE) as tracer:
        assert tracer.stderr is not None
        assert b"attached" in tracer.stderr.readline()
        ingest = os.open(mount.path / "ingest", os.O_WRONLY | os.O_APPEND | flags)
        os.write(ingest, b"a line\n")
        if how == "fsync":
            os.fsync(ingest)
        traced = trace.read_text()
        os.close(ingest)
        tracer.send_signal(signal.SIGINT)
    journal = str(mount.store_path / ".theiafs" / "journal")
    wrote = [line for line in traced.splitlines() if "writev(" in line and journal in line]
    assert any(f"{journal}/1" in line for line in wrote), traced
    synced = [line for line in traced.splitlines() if "fsync(" in line and journal in line]
    # The segment, and the directory that has its name.
    assert any(f"{journal}/1" in line for line in synced), traced
    assert any(f"{journal}>" in line for line in synced), traced


def test_concurrent_syncs(mounted: Mount) -> None:
    """Sixteen writers that sync every line all finish, and every line is stored once."""

    def write(writer: int) -> None:
        ingest = os.open(mounted.path / "ingest", os.O_WRONLY | os.O_APPEND)
        for number in range(30):
            os.write(ingest, b"%d-%d\n" % (writer, number))
            os.fsync(ingest)
        os.close(ingest)

    with ThreadPoolExecutor(16) as pool:
        for each in [pool.submit(write, writer) for writer in range(16)]:
            each.result()
    expected = sorted(b"%d-%d" % (writer, number) for writer in range(16) for number in range(30))
    assert sorted(mounted.contents()) == expected


def test_one_writer(mounted: Mount) -> None:
    """A second store in another process is refused, by the process id of the first."""
    with pytest.raises(StoreLocked, match=f"process {mounted.process_id} holds"):
        NaiveEventStore(str(mounted.store_path))


@pytest.fixture
def followed(make_mount: Callable[..., Mount]) -> Iterator[tuple[Mount, Mount]]:
    """A mount that writes, and a read-only one of the same store."""
    writing = make_mount("flush=50")
    base = writing.path.parent / "reading"
    base.mkdir()
    reading = Mount(base, "ro,flush=50")
    reading.store_path = writing.store_path
    reading.mount()
    yield writing, reading
    if is_mounted(reading.path):
        theiafs("umount", reading.path)


def test_a_read_only_mount_follows_the_writer(followed: tuple[Mount, Mount]) -> None:
    """Flushed events appear in every directory, and in files that are already open."""
    writing, reading = followed
    writing.shell("mkdir by-tag/web && seq 5 >> by-tag/web/ingest")
    eventually(lambda: reading.shell("cat count") == "5\n")
    assert reading.contents("by-tag/web/events") == [b"1", b"2", b"3", b"4", b"5"]
    with (reading.path / "events").open("rb", buffering=0) as file:
        seen = file.read(1 << 20)
        writing.shell("echo more >> ingest")
        eventually(lambda: (more := file.read(1 << 20)) and b"more" in more)
    assert reading.events().startswith(seen)
    assert reading.events("by-tag/web/events") == writing.events("by-tag/web/events")
    assert reading.shell("readlink latest") == writing.shell("readlink latest")
    writing.umount()
    assert reading.shell("cat count") == "6\n"
    writing.mount()
    writing.shell("echo again >> ingest")
    eventually(lambda: reading.shell("cat count") == "7\n")


def test_a_read_only_mount_takes_nothing(followed: tuple[Mount, Mount]) -> None:
    """Ingest files are not there, and whatever writes gets EROFS."""
    writing, reading = followed
    writing.shell("echo line >> ingest")
    eventually(lambda: reading.shell("cat count") == "1\n")
    assert "ingest" not in os.listdir(reading.path)
    for name in ("ingest", "range/last-1h/ingest"):
        assert not (reading.path / name).exists()
        with pytest.raises(OSError, match="Read-only") as refused:
            (reading.path / name).write_text("x")
        assert refused.value.errno == errno.EROFS
    for attempt in (
        "mkdir by-tag/x",
        "touch README",
        "chmod 600 README",
        "rm README",
        "echo x > README",
    ):
        assert "Read-only file system" in reading.shell(attempt, check=False)


def test_a_read_only_mount_follows_theias_collector(tmp_path: Path) -> None:
    """The collector takes no lock, and the mount creates nothing in its directory."""
    mount = Mount(tmp_path, "ro,flush=50")
    mount.store_path.mkdir()
    theirs = TheiaStore(str(mount.store_path), 0)
    expected: list[str] = []
    mount.mount()
    try:
        shown = mount.path / "by-tag" / "web" / "count"
        for number in range(5):
            event = TheiaEvent(f"id{number}", "s", 100 + 20 * number, ["web"], f"line {number}")
            theirs.save(event)
            expected.append(f"{number + 1}\n")
            eventually(lambda: shown.exists() and shown.read_text() == expected[-1])
    finally:
        mount.clean_up()
    theirs.close()
    assert not (mount.store_path / ".theiafs").exists()


def test_a_read_only_mount_needs_a_store(tmp_path: Path) -> None:
    """It does not make one."""
    (tmp_path / "mnt").mkdir()
    done = theiafs("mount", tmp_path / "none", tmp_path / "mnt", "-o", "ro", check=False)
    assert done.returncode == 1
    assert (
        done.stderr
        == f"theiafs: there is no store {tmp_path}/none: give the directory of its minute files, or mount it without -o ro to make it\n"
    )


def test_reading_while_the_log_is_flushed(make_mount: Callable[..., Mount]) -> None:
    """A concurrent flush does not change what a reader gets."""
    mount = make_mount("flush=5")
    ingest = os.open(mount.path / "ingest", os.O_WRONLY | os.O_APPEND)
    for number in range(1500):
        os.write(ingest, b"%d\n" % number)
        assert mount.events()
    os.close(ingest)
    assert [int(line) for line in mount.contents()] == list(range(1500))


def test_a_minute_file_that_is_removed(make_mount: Callable[..., Mount]) -> None:
    """Retention in the store itself: what is gone is gone, and nothing else is."""
    mount = make_mount("flush=50")
    for time in (100, 1000, 5000):
        frame = EventSerializer().serialize(Event(f"id{time}", "s", time, [], "line"))
        (mount.path / "ingest").write_bytes(frame)
    eventually((mount.store_path / "1000-1060").exists)
    (mount.store_path / "1000-1060").unlink()
    mount.shell("cat events", check=False)
    eventually(lambda: mount.shell("cat count") == "2\n")
    assert len(mount.contents()) == 2
    assert mount.shell("ls minutes") == "100-160\n5000-5060\n"
    mount.remount()
    assert len(mount.contents()) == 2


def test_the_hidden_directory_is_removed(make_mount: Callable[..., Mount]) -> None:
    """Everything that was written is there after an unmount in order, and what is synced after that also after a kill."""
    mount = make_mount("flush=3600000")
    mount.shell("mkdir by-tag/declared && seq 10 >> ingest")
    shutil.rmtree(mount.store_path / ".theiafs")
    mount.shell("seq 11 20 >> ingest")
    mount.umount()
    mount.mount()
    assert [int(line) for line in mount.contents()] == list(range(1, 21))
    mount.shell("seq 21 30 >> ingest")
    process_id = mount.process_id
    shutil.rmtree(mount.store_path / ".theiafs")
    mount.shell("seq 31 40 >> ingest && sync ingest")
    os.kill(process_id, signal.SIGKILL)
    theiafs("umount", mount.path, check=False)  # 1: the log has more than the files
    mount.mount()
    assert [int(line) for line in mount.contents()] == list(range(1, 41))


def test_the_hidden_directory_is_removed_while_it_is_flushed(
    make_mount: Callable[..., Mount],
) -> None:
    """It is made again within the flush interval, and flushing goes on."""
    mount = make_mount("flush=50")
    mount.shell("mkdir by-tag/declared && seq 10 >> ingest")
    shutil.rmtree(mount.store_path / ".theiafs", ignore_errors=True)
    mount.shell("seq 11 20 >> ingest")
    eventually((mount.store_path / ".theiafs" / "lock").exists)
    eventually((mount.store_path / ".theiafs" / "declared" / "declared").exists)
    os.kill(mount.process_id, signal.SIGKILL)
    theiafs("umount", mount.path, check=False)  # 1: the log has more than the files
    mount.mount()
    assert [int(line) for line in mount.contents()] == list(range(1, 21))
    assert "declared" in os.listdir(mount.path / "by-tag")

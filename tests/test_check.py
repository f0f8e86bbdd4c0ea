"""The audit of a store: what it finds, and what it mends."""

import errno
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from store import Audit, Event, EventSerializer, NaiveEventStore, Query, StoreLocked
from store.disk.disk import Disk
from store.wal.log import Journal
from store.wal.segment import Record
from tests.faults import FaultyDisk

ROOT = Path(__file__).parents[1]
IDS = [f"id{minute}{number}" for minute in range(3) for number in range(4)]
EVENT_SIZE = 80


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A store of three minutes with four events each."""
    store = NaiveEventStore(str(tmp_path))
    for name in IDS:
        time = 60 * int(name[2]) + int(name[3])
        store.save(Event(name, "app", time, ["web"], f"line {name}"))
    store.close()
    return tmp_path


def findings(root: Path, to_repair: bool = False) -> list[str]:
    return [str(finding).removeprefix(f"{root}/") for finding in Audit(str(root), to_repair).run()]


def ids(root: Path) -> list[object]:
    store = NaiveEventStore(str(root))
    found = [event.id for event in store.search(0)]
    store.close()
    return found


def record(name: str, time: float) -> bytes:
    return EventSerializer().serialize(Event(name, "app", time, ["web"], f"line {name}")) + b"\n"


def test_a_clean_store(root: Path) -> None:
    """Nothing is found, and nothing is changed."""
    before = {path: path.stat().st_mtime_ns for path in root.iterdir()}
    assert findings(root) == []
    assert findings(root, to_repair=True) == []
    assert {path: path.stat().st_mtime_ns for path in root.iterdir() if path.name != ".theiafs"} == {
        path: mtime for path, mtime in before.items() if path.name != ".theiafs"
    }  # fmt: skip


def test_three_planted_faults(root: Path) -> None:
    """A flipped byte, a truncated tail and a file left behind: found, mended, and gone."""
    first, second, third = (root / f"{start}-{start + 60}" for start in (0, 60, 120))
    data = bytearray(first.read_bytes())
    size = len(data) // 4
    data[size + 2] ^= 0x20
    damaged = bytes(data[size : 2 * size])
    first.write_bytes(data)
    last = second.stat().st_size // 4 * 3
    os.truncate(second, second.stat().st_size - 5)
    tail = second.read_bytes()[last:]
    left_over = root / f".{third.name}.tmp"
    left_over.write_bytes(b"half")
    found = findings(root)
    assert [line.split(": ")[0] for line in found] == [
        ".120-180.tmp:0",
        f"0-60:{size}",
        f"60-120:{last}",
    ]
    assert left_over.exists()
    assert findings(root, to_repair=True) == found
    assert findings(root) == []
    assert not left_over.exists()
    assert ids(root) == [name for name in IDS if name not in ("id01", "id13")]
    assert first.read_bytes() == bytes(data[:size] + data[2 * size :])
    quarantine = root / ".theiafs" / "quarantine"
    assert sorted(path.read_bytes() for path in quarantine.iterdir()) == sorted([damaged, tail])


@given(st.lists(st.tuples(st.integers(0, 10**6), st.integers(1, 255)), min_size=1, max_size=4))
def test_repair_keeps_every_whole_event(flips: list[tuple[int, int]]) -> None:
    """Whatever bytes are damaged, repairing changes nothing about what is served."""
    disk = FaultyDisk()
    store = NaiveEventStore("/s", 1e9, disk)
    store.save_all(Event(name, "app", int(name[3]), ["web"], f"line {name}") for name in IDS)
    store.close()
    inode = disk._inode("/s/0-60")
    for place, change in flips:
        inode.seen[place % len(inode.seen)] ^= change
    inode.mtime_ns += 1
    before = NaiveEventStore("/s", 1e9, disk)
    served = list(before.search(0))
    tagged = before.answer(Query().tagged("web")).read(0, 1 << 20)
    before.close()
    list(Audit("/s", to_repair=True, disk=disk).run())
    assert not [str(each) for each in Audit("/s", disk=disk).run() if "damaged" in each.what]
    after = NaiveEventStore("/s", 1e9, disk)
    assert list(after.search(0)) == served
    assert after.answer(Query().tagged("web")).read(0, 1 << 20) == tagged
    after.close()


def test_times_and_ids(root: Path) -> None:
    """A time outside of its file's span, and an id that is there twice; the end itself is theia's right."""
    path = root / "120-180"
    size = path.stat().st_size
    with path.open("ab") as file:
        file.write(record("early", 119.9) + record("id00", 121) + record("end", 180))
        file.write(record("late", 180.0000001))
    found = findings(root)
    assert found == [
        f"120-180:{size}: event early: its time 119.9000000 is not from 120 to 180",
        f"120-180:{size + len(record('early', 119.9))}: event id00: there is another one with this id",
        f"120-180:{path.stat().st_size - len(record('late', 180.0000001))}:"
        " event late: its time 180.0000001 is not from 120 to 180",
    ]
    before = path.read_bytes()
    assert findings(root, to_repair=True) == found
    assert path.read_bytes() == before


def test_the_journal(root: Path) -> None:
    """Records that wait to be replayed are in order; bytes that are none are found and set aside."""
    directory = root / ".theiafs" / "journal"
    journal = Journal(Disk(), str(directory), 0)
    data = record("waiting", 130)
    journal.append([Record("120-180", (root / "120-180").stat().st_size, data)])
    journal.close()
    assert findings(root) == []
    segment = directory / "000000000001"
    size = segment.stat().st_size
    with segment.open("ab") as file:
        file.write(b"0123abcd 120-180 ")
    assert findings(root) == [
        f".theiafs/journal/{segment.name}:{size}: 17 bytes that are no whole record"
    ]
    assert len(findings(root, to_repair=True)) == 1
    assert findings(root) == []
    assert "waiting" in ids(root)
    [aside] = (root / ".theiafs" / "quarantine").iterdir()
    assert aside.read_bytes() == b"0123abcd 120-180 "


def test_a_store_in_use(root: Path) -> None:
    """It can be checked, but not mended, and what is being written is no finding."""
    store = NaiveEventStore(str(root), 1e9)
    store.save(Event("new", "app", 500))
    (root / ".0-60.tmp").write_bytes(b"half")
    audit = Audit(str(root))
    assert list(audit.run()) == []
    assert audit.is_in_use
    with pytest.raises(StoreLocked, match=f"process {os.getpid()} "):
        findings(root, to_repair=True)
    store.close()
    assert findings(root) == [".0-60.tmp:0: left over from a crash while it was written"]


def test_looking_keeps_nobody_out(root: Path) -> None:
    """A store can be opened while it is checked, and needs no right to write for that."""
    lock = root / ".theiafs" / "lock"
    before = lock.read_bytes()
    audit = Audit(str(root)).run()
    (root / "0-60").write_bytes(b"damage")
    assert next(audit).what.startswith("6 damaged bytes")
    NaiveEventStore(str(root), 1e9).close()
    assert list(audit) == []
    assert lock.read_bytes() == before


def test_a_file_that_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a finding, and the others are looked at."""
    (root / "120-180").write_bytes(b"damage")
    opened = os.open

    def failing(path: str, *arguments: int) -> int:
        if path.endswith("0-60"):
            raise PermissionError(errno.EACCES, "Permission denied")
        return opened(path, *arguments)

    monkeypatch.setattr("store.disk.disk.os.open", failing)
    found = findings(root)
    assert found[0] == f"0-60:0: cannot open {root}/0-60: Permission denied"
    assert found[1].startswith("120-180:0: 6 damaged bytes")


def test_repair_keeps_permissions(root: Path) -> None:
    """Of the file, and what is set aside has those of the file it comes from."""
    path = root / "0-60"
    path.write_bytes(path.read_bytes() + b"damage")
    path.chmod(0o600)
    os.chown(path, 65534, 65534)
    findings(root, to_repair=True)
    [aside] = (root / ".theiafs" / "quarantine").iterdir()
    for each in (path, aside):
        status = each.stat()
        assert (status.st_mode & 0o777, status.st_uid, status.st_gid) == (0o600, 65534, 65534)


def test_a_store_of_theia_is_left_alone(tmp_path: Path) -> None:
    """There is nothing of ours in it, and there is not after it was checked."""
    (tmp_path / "0-60").write_bytes(record("a", 10))
    assert findings(tmp_path) == []
    assert os.listdir(tmp_path) == ["0-60"]


def check(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "theiafs", "check", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=60, **options,
    )  # fmt: skip


def test_the_command(root: Path) -> None:
    """Findings on stdout, 0 when there are none, 1 when there are, 2 when it could not look."""
    done = check(str(root))
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    with (root / "0-60").open("ab") as file:
        file.write(b"\x1b[31mdamage")
    done = check(str(root))
    assert done.returncode == 1
    assert done.stdout.startswith(f"{root}/0-60:")
    assert "\x1b" not in done.stdout
    assert check(str(root), "--repair").returncode == 1
    assert check(str(root)).returncode == 0
    missing = check(str(root / "missing"))
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "No such file" in missing.stderr
    store = NaiveEventStore(str(root))
    done = check(str(root), "--repair")
    assert done.returncode == 2
    assert f"process {os.getpid()} holds" in done.stderr
    assert "in use" in check(str(root)).stderr
    store.close()


def test_a_progress_bar_on_a_terminal(root: Path, terminal: Callable[[list[str]], bytes]) -> None:
    """Where somebody can see it."""
    assert b"%" in terminal([sys.executable, "-m", "theiafs", "check", str(root)])


@pytest.fixture
def terminal() -> Callable[[list[str]], bytes]:
    """Runs a command on a terminal of its own, and returns what it showed there."""

    def run(command: list[str]) -> bytes:
        ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (24, 80))
        process = subprocess.Popen(command, stdout=theirs, stderr=theirs, cwd=ROOT)
        os.close(theirs)
        shown = b""
        while process.poll() is None or not shown:
            try:
                shown += os.read(ours, 1024)
            except OSError:  # the other end is closed
                break
        process.wait()
        os.close(ours)
        return shown

    return run

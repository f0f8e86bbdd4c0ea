"""The audit of a store: what it finds, and what it repairs."""

import errno
import math
import os
import pty
import subprocess
import sys
import termios
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from store import Audit, Event, EventSerializer, NaiveEventStore, Query, StoreFull, StoreLocked
from store.disk.disk import Disk
from store.engine.duplicates import DuplicateFinder
from store.wal.segment import FirstLine, LogRecord, segment_path
from tests.counting import disk_operations
from tests.faults import FaultyDisk
from theiafs import cli

ROOT = Path(__file__).parents[1]
IDS = [f"id{minute}{number}" for minute in range(3) for number in range(4)]


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
    """Return what is found in *root*, which is the same in several processes."""
    with Audit(str(root), process_count=2) as audit:
        in_several = list(map(str, audit.run()))
    found = list(map(str, Audit(str(root), to_repair).run()))
    if not to_repair:
        assert in_several == found
    return [each.removeprefix(f"{root}/") for each in found]


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
    """A flipped byte, a truncated tail and a file left over: found, repaired, and gone."""
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
    """For any damaged bytes, a repair does not change what is served."""
    disk = FaultyDisk()
    store = NaiveEventStore("/s", math.inf, disk)
    store.save_all(Event(name, "app", int(name[3]), ["web"], f"line {name}") for name in IDS)
    store.close()
    inode = disk._inode("/s/0-60")
    damaged = bytearray(inode.seen)
    for place, change in flips:
        damaged[place % len(damaged)] ^= change
    inode.seen = bytes(damaged)
    inode.mtime_ns += 1
    before = NaiveEventStore("/s", math.inf, disk)
    served = list(before.search(0))
    tagged = before.answer(Query().tagged("web")).read(0, 1 << 20)
    before.close()
    list(Audit("/s", to_repair=True, disk=disk).run())
    assert not [str(each) for each in Audit("/s", disk=disk).run() if "damaged" in each.what]
    after = NaiveEventStore("/s", math.inf, disk)
    assert list(after.search(0)) == served
    assert after.answer(Query().tagged("web")).read(0, 1 << 20) == tagged
    after.close()


def test_times_and_ids(root: Path) -> None:
    """A time outside of its file's span, and an id that occurs twice; theia's files may have the end itself."""
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


def test_the_log(root: Path) -> None:
    """Records that wait to be replayed are fine; bytes that are not records are found and set aside."""
    directory = root / ".theiafs" / "journal"
    segment = Path(segment_path(str(directory), 1))
    waiting = LogRecord("120-180", (root / "120-180").stat().st_size, record("waiting", 130))
    with Disk().create(str(segment)) as log:
        line = FirstLine(0, 0, root.stat().st_ino, "", 0).encode(log.identity())
        log.write(line, *waiting.encode())
    assert findings(root) == []
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
    """It can be checked, but not repaired, and files being written are not findings."""
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


def test_an_audit_excludes_no_writer(root: Path) -> None:
    """A store can be opened while it is checked, and the audit needs no right to write."""
    lock = root / ".theiafs" / "lock"
    before = lock.read_bytes()
    audit = Audit(str(root)).run()
    (root / "0-60").write_bytes(b"damage")
    assert next(audit).what.startswith("6 damaged bytes")
    NaiveEventStore(str(root), 1e9).close()
    assert list(audit) == []
    assert lock.read_bytes() == before


def test_a_file_that_cannot_be_read(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a finding, and the others are checked."""
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
    """The file keeps its own, and bytes that are set aside get those of their file."""
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
    """An audit adds nothing to it."""
    (tmp_path / "0-60").write_bytes(record("a", 10))
    assert findings(tmp_path) == []
    assert os.listdir(tmp_path) == ["0-60"]


def test_a_symbolic_link(root: Path, tmp_path_factory: pytest.TempPathFactory) -> None:
    """One that is named like a minute is reported and not followed; others do not matter."""
    target = tmp_path_factory.mktemp("elsewhere") / "secret"
    target.write_bytes(b"not an event")
    (root / "300-360").symlink_to(target)
    (root / "400-460").symlink_to("nowhere")
    (root / "link").symlink_to(target)
    expected = [
        f"{name}:0: a symbolic link, which is not served as a minute"
        for name in ("300-360", "400-460")
    ]
    assert findings(root) == expected
    assert findings(root, to_repair=True) == expected
    assert (root / "300-360").is_symlink()
    assert target.read_bytes() == b"not an event"


def fill(root: Path, count: int, id_of: Callable[[int], str]) -> int:
    """Write *count* events to two minute files; return their size."""
    half = count // 2
    early = b"".join(record(id_of(number), 1) for number in range(half))
    late = b"".join(record(id_of(number), 61) for number in range(half, count))
    (root / "0-60").write_bytes(early)
    (root / "60-120").write_bytes(late)
    return len(early + late)


@pytest.mark.parametrize("memory_size", [0, 3_000, 100_000, 1 << 30])
def test_ids_that_do_not_fit_in_memory(tmp_path: Path, memory_size: int) -> None:
    """The same findings for any size of the memory, though not in the same order."""
    fill(tmp_path, 5000, lambda number: f"id{number % 4900}")
    with (tmp_path / "60-120").open("ab") as file:
        file.write(record("late", 130) + b"damage")
    audit = Audit(str(tmp_path), memory_size=memory_size)
    found = [str(finding).removeprefix(f"{tmp_path}/") for finding in audit.run()]
    repeated = [line for line in found if "there is another one" in line]
    assert len(repeated) == 100
    assert {line.split(" ")[2] for line in repeated} == {f"id{number}:" for number in range(100)}
    assert all(line.startswith("60-120:") for line in repeated)
    assert [line.split(": ")[1] for line in found if line not in repeated] == [
        "event late",
        "6 damaged bytes",
    ]


@settings(deadline=None)
@given(st.lists(st.lists(st.integers(0, 30), max_size=9), max_size=20), st.integers(0, 6000))
def test_repeated_ids_are_found_once_each(batches: list[list[int]], memory_size: int) -> None:
    """Every event but the first with its id, and at most as many ids in memory as fit."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("store.engine.duplicates._ROWS_MIN", 1)
        finder = DuplicateFinder(memory_size, sum(map(len, batches)))
    seen: set[int] = set()
    expected, found, offset = [], [], 0
    for file, batch in enumerate(batches):
        offsets = list(range(offset, offset + len(batch)))
        offset += len(batch)
        expected += [
            (file, place)
            for place, number in zip(offsets, batch, strict=True)
            if number in seen or seen.add(number)  # type: ignore[func-returns-value]
        ]
        hashes = [hash(b"%d" % number) for number in batch]
        positions = finder.add(file, np.array(offsets, np.int64), np.array(hashes, np.int64))
        found += [(file, offsets[position]) for position in positions]
        assert finder.held <= max(memory_size // 100, 1)
    found += finder.remaining()
    assert sorted(found) == expected


def test_the_memory_of_an_audit_does_not_grow_with_the_store(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No more ids than fit are held at once; they are not all of them, but many."""
    held: list[int] = []
    add = DuplicateFinder.add

    def counted(finder: DuplicateFinder, *arguments: Any) -> list[int]:
        repeated = add(finder, *arguments)
        held.append(finder.held)
        return repeated

    monkeypatch.setattr(DuplicateFinder, "add", counted)
    fill(tmp_path, 30_000, lambda number: f"id{number}")
    memory_size = 1 << 20
    assert list(Audit(str(tmp_path), memory_size=memory_size).run()) == []
    assert 1000 < max(held) <= memory_size // 100
    assert list(Audit(str(tmp_path)).run()) == []
    assert max(held) == 30_000


def test_the_reading_of_an_audit_is_linear(tmp_path: Path) -> None:
    """Every byte of the minute files is read about once, whether or not the ids fit in memory."""
    for count in (10_000, 20_000):
        size = fill(tmp_path, count, lambda number: f"id{number}")
        for memory_size in (0, 1 << 30):
            with disk_operations() as cost:
                assert list(Audit(str(tmp_path), memory_size=memory_size).run()) == []
            assert size <= cost["read bytes"] < 1.1 * size
            assert cost["read"] < 20


def test_a_full_disk_for_temporary_files(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The audit fails and says why, rather than finding nothing."""
    with Path("/dev/full").open("w+b", buffering=0) as full:
        monkeypatch.setattr("tempfile.TemporaryFile", lambda: full)
        with pytest.raises(StoreFull, match="a temporary file"):
            list(Audit(str(root), memory_size=0).run())


def test_large_damage_is_set_aside_in_pieces(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No more than fits in memory at once, and all of it."""
    monkeypatch.setattr("store.engine.check._QUARANTINE_SIZE_MAX", 2 << 20)
    whole = (root / "0-60").read_bytes()
    damage = b"".join(b"%07d " % number for number in range(1 << 19))
    (root / "0-60").write_bytes(whole + damage)
    assert len(findings(root, to_repair=True)) == 1
    assert (root / "0-60").read_bytes() == whole
    pieces = [path.read_bytes() for path in (root / ".theiafs" / "quarantine").iterdir()]
    assert max(map(len, pieces)) <= 2 << 20
    assert b"".join(sorted(pieces)) == damage


def check(*arguments: str, **options: object) -> subprocess.CompletedProcess[str]:
    return subprocess.run(  # type: ignore[call-overload,no-any-return]
        [sys.executable, "-m", "theiafs", "check", *arguments],
        capture_output=True, text=True, cwd=ROOT, timeout=60, **options,
    )  # fmt: skip


def test_the_command(root: Path) -> None:
    """Findings on stdout; exit status 0 without any, 1 with some, 2 when it could not check."""
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
    missing = check(f"{root}-missing")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no store" in missing.stderr
    store = NaiveEventStore(str(root))
    done = check(str(root), "--repair")
    assert done.returncode == 2
    assert f"process {os.getpid()} holds" in done.stderr
    assert "in use" in check(str(root)).stderr
    store.close()


def test_the_command_shows_the_first_hundred_of_a_kind(tmp_path: Path) -> None:
    """And how many more there are, so that a store that was copied into itself says so in a few lines."""
    lines = [record(f"id-{number}", number % 60) for number in range(150)]
    (tmp_path / "0-60").write_bytes(b"".join(lines))
    (tmp_path / "60-120").write_bytes(b"".join(lines[:100]))
    (tmp_path / "120-180").write_bytes(b"damage")
    done = check(str(tmp_path))
    assert done.returncode == 1
    shown = done.stdout.splitlines()
    assert sum("another one with this id" in line for line in shown) == 100
    assert sum("its time" in line for line in shown) == 100
    assert sum("damaged bytes" in line for line in shown) == 1
    assert len(shown) == 201
    (tmp_path / "60-120").write_bytes(b"".join(lines[:120]))
    done = check(str(tmp_path))
    assert done.stdout.splitlines()[-2:] == [
        f"{tmp_path}: 20 more events with a time that is not in the span of their file",
        f"{tmp_path}: 20 more events with an id that another one has",
    ]
    assert len(done.stdout.splitlines()) == 203


def test_a_progress_bar_on_a_terminal(root: Path, terminal: Callable[[list[str]], bytes]) -> None:
    """It is shown where a person can see it."""
    assert b"%" in terminal([sys.executable, "-m", "theiafs", "check", str(root)])


@pytest.fixture
def terminal() -> Callable[[list[str]], bytes]:
    """Run commands on a terminal of their own, and return what they showed there."""

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


@pytest.mark.parametrize("arguments", [["check"], ["check", "--repair"], ["reindex"]])
def test_what_has_nothing_of_a_store_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], arguments: list[str]
) -> None:
    """A mistyped name is an error, and stays as it is."""
    (tmp_path / "notes.txt").write_text("not an event")
    assert cli.main([*arguments, str(tmp_path)]) in (1, 2)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.endswith(
        f"there is no store {tmp_path}: give the directory of its minute files\n"
    )
    assert [each.name for each in tmp_path.iterdir()] == ["notes.txt"]

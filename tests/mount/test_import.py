"""Importing into a store that is mounted, and being killed while importing."""

import os
import random
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.imports import events_in
from tests.mount.conftest import ENVIRONMENT, Mount, theiafs
from tests.test_import import dated, write
from tests.waiting import eventually

LINES = [dated(number // 25, f"{number % 7} {'x' * 80}") for number in range(30_000)]
"""Of twenty minutes; some are equal."""
DISK_SIZE = 48 << 20


@pytest.fixture
def log(tmp_path: Path) -> Path:
    return write(tmp_path / "app.log", *LINES)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system with little room."""
    path = tmp_path / "disk"
    path.mkdir()
    size = f"size={DISK_SIZE}"
    subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(path)], check=True)
    yield path
    subprocess.run(["umount", str(path)], check=True)


def start_import(destination: Path, *arguments: str | Path) -> "subprocess.Popen[str]":
    """Start ``theiafs import`` in a process of its own, which Ctrl-C reaches also where the tests run in the background."""
    return subprocess.Popen(
        [
            "env",
            "--default-signal=INT",
            sys.executable,
            "-m",
            "theiafs",
            "import",
            str(destination),
            *map(str, arguments),
        ],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def check_contents(found: list[bytes]) -> None:
    """Check that every line is there, once for each time that it is in the log."""
    assert sorted(found) == sorted(line.encode() for line in LINES)


@pytest.mark.parametrize("way", ["the mount", "its store", "its store by a link"])
def test_a_store_in_use_gets_events_through_its_mount(
    mounted: Mount, tmp_path: Path, way: str
) -> None:
    """Given as either; what is there already is not imported again."""
    (tmp_path / "link").symlink_to(mounted.store_path)
    destination = {
        "the mount": mounted.path,
        "its store": mounted.store_path,
        "its store by a link": tmp_path / "link",
    }[way]
    log = write(tmp_path / "app.log", *LINES[:1000])
    done = theiafs("import", destination, log)
    assert f"{log}: 1,000 events, 1,000 imported\n" in done.stdout
    assert mounted.shell("cat by-source/app.log/count") == "1000\n"
    write(log, *LINES[:1500])
    done = theiafs("import", mounted.path, "--dry-run", log)
    assert f"{log}: 1,500 events, 500 would be imported, 1,000 already there\n" in done.stdout
    for count in (500, 0):
        assert f", {count} imported, " in theiafs("import", destination, log).stdout
    assert mounted.contents() == [line.encode() for line in LINES[:1500]]
    mounted.umount()
    assert (
        ", 0 imported, 1,500 already there\n" in theiafs("import", mounted.store_path, log).stdout
    )
    assert len(events_in(mounted.store_path)) == 1500


def test_what_a_mount_shows_is_imported_elsewhere_as_it_is(
    make_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    """As records and as JSON, from a pipe."""
    mount = make_mount()
    mount.shell(
        "printf 'one\\ntwo \\xff\\n' >> ingest; mkdir by-tag/b; echo three >> by-tag/b/ingest"
    )
    for leaf in ("events", "events.jsonl"):
        store = tmp_path / leaf
        for count in (3, 0):
            command = f"cat {leaf} | {sys.executable} -m theiafs import {store} -"
            done = subprocess.run(
                ["bash", "-c", command],
                cwd=mount.path,
                env=ENVIRONMENT,
                capture_output=True,
                text=True,
            )
            assert f"-: 3 events, {count} imported" in done.stdout, done.stderr
        records = b"".join(path.read_bytes() for path in sorted(store.glob("[0-9]*")))
        assert sorted(records.split(b"event: ")) == sorted(mount.events().split(b"event: "))


def test_what_a_mount_refuses_is_told_with_its_reason(
    make_mount: Callable[..., Mount], tmp_path: Path
) -> None:
    mount = make_mount("max_event=1K")
    log = write(tmp_path / "app.log", dated(0, "x"), dated(1, "y" * 2000))
    done = theiafs("import", mount.path, log, check=False)
    assert done.returncode == 1
    assert "Message too long: an event of" in done.stderr
    assert "-o max_event" in done.stderr
    assert f"{log}: 2 events, 1 imported\n" in done.stdout


def test_a_record_of_any_size_is_written(mounted: Mount, tmp_path: Path) -> None:
    """Smaller than what the kernel passes on in one piece, or larger; others are before and after it."""
    sizes = [10, 120_000, 10, 130_000, 900_000, 10]
    lines = [dated(number, "x" * size) for number, size in enumerate(sizes)]
    theiafs("import", mounted.path, write(tmp_path / "app.log", *lines))
    assert mounted.contents() == [line.encode() for line in lines]


def test_where_nothing_can_be_imported_to(make_mount: Callable[..., Mount], tmp_path: Path) -> None:
    """A directory within a mount, and a read-only mount; their messages say what can be given."""
    log = write(tmp_path / "app.log", dated(0, "x"))
    mount = make_mount()
    done = theiafs("import", mount.path / "by-tag", log, check=False)
    assert f"is within a mount: give {mount.path} instead" in done.stderr
    mount.options += ",ro"
    mount.remount()
    done = theiafs("import", mount.path, log, check=False)
    assert f"is mounted read-only: give its store, {mount.store_path}, instead" in done.stderr
    assert "1 would be imported" in theiafs("import", "--dry-run", mount.path, log).stdout
    # A read-only mount does not hold the store, and shows what comes.
    theiafs("import", mount.store_path, log)
    eventually(lambda: mount.contents() == [dated(0, "x").encode()])


@pytest.mark.one_binding
def test_a_store_that_another_process_writes_is_left_alone(tmp_path: Path, log: Path) -> None:
    """Without a mount there is no other way in."""
    store = tmp_path / "events"
    theiafs("import", store, write(tmp_path / "a.log", dated(0, "x")))
    holder = (
        "import sys; from store import open_store; open_store(sys.argv[1]);"
        "print('open', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, str(store)],
        env=ENVIRONMENT,
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == b"open\n"
        done = theiafs("import", store, log, check=False)
        assert done.returncode == 1
        assert str(process.pid) in done.stderr
        process.kill()


def kill_points(seed: int) -> Iterator[float]:
    """How many of all minutes are there when an import is killed, roughly."""
    rng = random.Random(seed)
    return (rng.uniform(0, 20) for _ in range(4))


@pytest.mark.one_binding
@pytest.mark.parametrize("seed", [1, 2])
def test_an_import_that_is_killed_goes_on(tmp_path: Path, log: Path, seed: int) -> None:
    """At any point: every line is there once when it was run to its end."""
    store = tmp_path / "events"
    for minutes in kill_points(seed):
        with start_import(store, log) as process:
            eventually(
                lambda minutes=minutes, process=process: (
                    process.poll() is not None  # type: ignore[misc]
                    or len(list(store.glob("[0-9]*"))) >= minutes
                )
            )
            process.kill()
    done = theiafs("import", store, log)
    assert ": 30,000 events, " in done.stdout
    assert [event.content for event in events_in(store)] == LINES


@pytest.mark.one_binding
@pytest.mark.parametrize("victim", ["the import", "the mount"])
def test_a_kill_with_a_mount(mounted: Mount, log: Path, victim: str) -> None:
    """Whichever process is killed: every line is there once when it was run to its end."""
    for minutes in kill_points(3):
        with start_import(mounted.path, log) as process:
            eventually(
                lambda minutes=minutes, process=process: (
                    process.poll() is not None  # type: ignore[misc]
                    or len(list((mounted.path / "minutes").iterdir())) >= minutes
                )
            )
            if victim == "the import":
                process.kill()
            else:
                os.kill(mounted.process_id, signal.SIGKILL)
        if victim == "the mount":
            theiafs("umount", mounted.path)
            mounted.mount()
    theiafs("import", mounted.path, log)
    check_contents(mounted.contents())


@pytest.mark.one_binding
def test_ctrl_c_keeps_what_was_saved(tmp_path: Path, log: Path) -> None:
    """The summary tells how much that is; the next import goes on."""
    store = tmp_path / "events"
    fifo = tmp_path / "fifo"
    subprocess.run(["mkfifo", str(fifo)], check=True)
    with start_import(store, "--format", "dated", fifo) as process:
        with fifo.open("w") as pipe:
            pipe.write("\n".join(LINES[:15_000]) + "\n")
            pipe.flush()
            eventually(lambda: list(store.glob("[0-9]*")))
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        assert process.returncode == 130
    assert "interrupted; what was saved stays" in errors
    saved = len(events_in(store))
    assert f" {saved:,} imported\n" in output
    assert 0 < saved <= 15_000
    assert (
        f", {len(LINES) - saved:,} imported, {saved:,} already there"
        in theiafs("import", store, "--source", "fifo", log).stdout
    )


@pytest.mark.one_binding
def test_a_full_disk_is_told_and_the_import_can_go_on(small_disk: Path, log: Path) -> None:
    store = small_disk / "events"
    ballast = small_disk / "ballast"
    ballast.write_bytes(bytes(DISK_SIZE - (4 << 20)))
    done = theiafs("import", store, log, check=False)
    assert done.returncode == 1
    assert "No space left" in done.stderr
    ballast.unlink()
    theiafs("import", store, log)
    assert [event.content for event in events_in(store)] == LINES

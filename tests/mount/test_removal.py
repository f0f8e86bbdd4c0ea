"""rm on a mount: with -o delete, of minutes and of events, for good."""

import os
import signal
import subprocess
from collections.abc import Callable

import pytest

from store import Event, EventSerializer
from tests.mount.conftest import Mount, theiafs
from tests.waiting import eventually

MakeMount = Callable[..., Mount]
FIRST = 60_000


def fill(mount: Mount, minutes: int, events: int = 2) -> None:
    """Append *events* to each of a number of *minutes*."""
    serializer = EventSerializer()
    with open(mount.path / "ingest", "ab", buffering=0) as ingest:
        for minute in range(minutes):
            frames = b"".join(
                serializer.serialize(
                    Event(f"{minute}-{number}", "app", FIRST + 60 * minute, ["t"], f"line {minute}")
                )
                for number in range(events)
            )
            ingest.write(frames)


def name_of(minute: int) -> str:
    return f"{FIRST + 60 * minute}-{FIRST + 60 * minute + 60}"


def kill(mount: Mount) -> None:
    os.kill(mount.process_id, signal.SIGKILL)
    theiafs("umount", mount.path, check=False)  # 1: the log has more than the files


@pytest.mark.parametrize("flush", [0, 20, 3600000])
def test_rm(make_mount: MakeMount, flush: int) -> None:
    """Minutes and events are gone from everywhere, after a kill and another mount too, wherever they were before."""
    mount = make_mount(f"delete,flush={flush}")
    fill(mount, 6)
    mount.shell(
        f"rm minutes/{name_of(0)} && rm by-id/1-0 && find minutes -name {name_of(2)} -delete"
    )
    kept = ["1-1", *(f"{minute}-{number}" for minute in (3, 4, 5) for number in (0, 1))]

    def check() -> None:
        found = mount.shell('cat events.jsonl | sed \'s/.*"id":"\\([^"]*\\)".*/\\1/\'')
        assert sorted(found.split()) == sorted(kept)
        assert mount.shell("cat by-tag/t/count") == f"{len(kept)}\n"
        assert mount.shell("ls minutes").split() == [name_of(each) for each in (1, 3, 4, 5)]
        assert mount.shell("cat by-id/1-0 2>&1 || true").endswith("No such file or directory\n")

    check()
    kill(mount)
    mount.mount()
    check()
    mount.shell(f"rm minutes/{name_of(5)}")
    del kept[-2:]
    assert mount.shell("cat count") == f"{len(kept)}\n"
    mount.remount()
    assert mount.shell("cat count") == f"{len(kept)}\n"
    assert theiafs("check", mount.store_path).returncode == 0


def test_rm_of_an_id_that_several_events_have(make_mount: MakeMount) -> None:
    """It removes the event that cat shows; then the next one is there."""
    mount = make_mount("delete")
    serializer = EventSerializer()
    sizes = (1, 30, 7)
    with open(mount.path / "ingest", "ab", buffering=0) as ingest:
        for number, size in enumerate(sizes):
            event = Event("twin", "app", FIRST + 60 * number, ["t"], "x" * size)
            ingest.write(serializer.serialize(event))
    shown = []
    for left in (2, 1, 0):
        shown += mount.contents("by-id/twin")
        assert mount.shell("rm by-id/twin && cat count") == f"{left}\n"
        assert shown[-1] not in mount.contents()
    assert sorted(map(len, shown)) == sorted(sizes)
    assert mount.shell("cat by-id/twin 2>&1 || true").endswith("No such file or directory\n")


def test_without_the_option(mounted: Mount) -> None:
    """It is not permitted, and errors says how to allow it."""
    fill(mounted, 2)
    for path in (f"minutes/{name_of(0)}", "by-id/0-0"):
        assert "Operation not permitted" in mounted.shell(f"rm -f {path}", check=False)
        with open(mounted.path / path, "rb"):
            assert "Operation not permitted" in mounted.shell(f"rm -f {path}", check=False)
    errors = mounted.shell("cat errors")
    assert errors.count("EPERM: cannot be removed") + errors.count("times") >= 2
    assert "mount with -o delete to allow it" in errors
    assert mounted.shell("cat count") == "4\n"


def test_what_is_no_minute(make_mount: MakeMount) -> None:
    """Parts and views of minutes, and directories, are refused by name; with rm -r, too."""
    mount = make_mount("delete")
    fill(mount, 2)
    minute = name_of(0)
    for path in (f"minutes/{minute}.log", f"by-tag/t/{minute}", f"by-tag/t/{minute}.jsonl"):
        assert "Operation not permitted" in mount.shell(f"rm -f {path}", check=False)
        assert f"{path}'; to remove the minute, with all of its events: rm minutes/{minute}" in (
            mount.shell("cat errors")
        )
    assert "Operation not permitted" in mount.shell("rm -rf by-tag", check=False)
    assert "Operation not permitted" in mount.shell("rmdir minutes", check=False)
    assert mount.shell("cat count") == "4\n"
    mount.shell("rm ingest && echo still >> ingest")
    assert "Operation not permitted" in mount.shell("rm -rf minutes", check=False)
    assert mount.shell("cat count") == "0\n"


def test_an_open_minute(make_mount: MakeMount) -> None:
    """An open file keeps its size and what was read of it, while its name is free for what arrives; the rest is gone."""
    mount = make_mount("delete")
    fill(mount, 2, events=50)
    path = mount.path / "minutes" / name_of(0)
    with open(path, "rb", buffering=0) as file:
        before = file.read(1 << 20)
        path.unlink()
        assert not path.exists()
        assert os.fstat(file.fileno()).st_size == len(before)
        assert os.listdir(mount.path / "minutes") == [name_of(1)]
        fill(mount, 1)
        assert path.stat().st_size < len(before)
        assert os.fstat(file.fileno()).st_size == len(before)
        assert file.read(1) == b""
    assert mount.contents(f"minutes/{name_of(0)}") == [b"line 0", b"line 0"]
    path = mount.path / "minutes" / name_of(1)
    with open(path, "rb", buffering=0) as unread:
        path.unlink()
        with pytest.raises(OSError, match="Stale file handle"):
            unread.read(1)
    assert "ERROR" not in mount.log()


def test_following(make_mount: MakeMount) -> None:
    """tail -f of all events goes on while minutes are removed, and shows each event once."""
    mount = make_mount("delete,flush=20")
    fill(mount, 20)
    command = ["tail", "-n", "+1", "-f", str(mount.path / "events.log")]
    output = mount.path.parent / "tail"
    with output.open("wb") as written, subprocess.Popen(command, stdout=written) as tail:
        try:
            eventually(lambda: output.read_bytes().count(b"\n") == 40)
            mount.shell(f"rm minutes/{name_of(0)} minutes/{name_of(19)} && echo after >> ingest")
            eventually(lambda: output.read_bytes().endswith(b" after\n"))
        finally:
            tail.terminate()
    assert output.read_bytes().count(b"\n") == 41


def test_a_thousand_while_lines_arrive(make_mount: MakeMount) -> None:
    """No line is lost or doubled, whatever is removed meanwhile, and nothing that was removed comes back."""
    mount = make_mount("delete,flush=50")
    fill(mount, 1000)
    mount.remount()
    with subprocess.Popen(
        ["find", str(mount.path / "minutes"), "-type", "f", "-delete"]
    ) as finding:
        number = after = 0
        with open(mount.path / "by-tag/t/ingest", "ab", buffering=0) as ingest:
            while finding.poll() is None or number < after + 100:
                ingest.write(b"new %d\n" % number)
                number += 1
                if finding.poll() is None:
                    after = number
    assert finding.returncode == 0
    kill(mount)
    mount.mount()
    found = [line for line in mount.contents("by-tag/t/events") if line.startswith(b"new")]
    assert len(mount.contents()) == len(found)
    assert len(found) == len(set(found))
    # Minutes that were written just then may have been removed, too.
    assert found[-99:] == [b"new %d" % each for each in range(number - 99, number)]

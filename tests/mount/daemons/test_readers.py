"""lnav, less, tail and programs that make backups read a mount, and know it again after a remount."""

import json
import os
import pty
import select
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from store import Event, EventSerializer
from tests.logreading import read_with_lnav
from tests.mount.conftest import Mount, theiafs
from tests.mount.daemons.recipes import recipe
from tests.waiting import eventually

MINUTES_OF_TAGS = 34


def looking(mount: Mount) -> dict[str, str]:
    """Return the commands of the recipe that shows events, by their first words."""
    lines = recipe("lnav, less, tail", "sh", mount).splitlines()
    return {line.split()[0]: line for line in lines}


def test_lnav_shows_every_event(mounted: Mount, tmp_path: Path) -> None:
    """With its time and level, without being told of any format."""
    words = ["plain", "ERROR wrong", "[warning] odd", "tab\there"]
    records = [
        EventSerializer().serialize(Event(f"id-{number}", "app", 1000.0 + number, ["web"], text))
        for number, text in enumerate(words)
    ]
    (mounted.path / "ingest").write_bytes(b"".join(records))
    command = looking(mounted)["lnav"].replace("lnav", f"HOME={tmp_path} lnav -n", 1)
    shown = mounted.shell(command).splitlines()
    lines = mounted.events("by-tag/web/events.log").decode().splitlines()
    assert shown == lines
    ticks, levels = read_with_lnav(mounted.path / "by-tag/web/events.log", tmp_path)
    assert ticks == [(1000 + number) * 10**7 for number in range(len(words))]
    assert (levels["err"], levels["warning"]) == (1, 1)


def test_less_follows(mounted: Mount) -> None:
    """It shows what arrives, on a terminal."""
    mounted.shell("mkdir by-tag/web; echo first >> by-tag/web/ingest")
    shown = bytearray()
    ours, its = pty.openpty()
    command = ["bash", "-c", f"exec {looking(mounted)['less']}"]
    environment = {**os.environ, "TERM": "xterm", "LESSHISTFILE": "-"}

    def has_shown(word: bytes) -> bool:
        while select.select([ours], [], [], 0.05)[0]:
            shown.extend(os.read(ours, 1 << 16))
        return word in shown

    with subprocess.Popen(
        command, stdin=its, stdout=its, stderr=its, env=environment, start_new_session=True
    ) as less:
        os.close(its)
        try:
            for word in (b"first", b"second", b"third"):
                eventually(lambda: has_shown(word))  # noqa: B023 - called at once
                mounted.shell("echo second >> by-tag/web/ingest; echo third >> by-tag/web/ingest")
        finally:
            less.kill()
            os.close(ours)


def unmount_lazily(mount: Mount) -> None:
    theiafs("umount", "--lazy", mount.path)


def kill(mount: Mount) -> None:
    os.kill(mount.process_id, signal.SIGKILL)


@pytest.mark.parametrize("stop", [unmount_lazily, kill])
def test_tail_goes_on_after_a_remount(
    make_mount: Callable[..., Mount], stop: Callable[[Mount], None]
) -> None:
    """It then prints the file from its start once more, as it does with any file that was gone."""
    mount = make_mount()
    mount.shell("mkdir by-tag/web; seq -f 'before %g' 3 >> by-tag/web/ingest")
    command = looking(mount)["tail"].replace("tail", "exec tail -s 0.1 -n +1", 1)
    with subprocess.Popen(
        ["bash", "-c", command], stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as tail:
        try:
            assert tail.stdout is not None
            read = [tail.stdout.readline() for _ in range(3)]
            stop(mount)
            # A mount that was taken away is over when tail has seen that, and closed its file.
            eventually(lambda: not theiafs("mount", *arguments(mount), check=False).returncode)
            mount.shell("seq -f 'after %g' 3 >> by-tag/web/ingest")
            again = [tail.stdout.readline() for _ in range(6)]
        finally:
            tail.kill()
    lines = mount.events("by-tag/web/events.log").splitlines(keepends=True)
    assert (read, again) == (lines[:3], lines)


def arguments(mount: Mount) -> list[str | Path]:
    return [mount.store_path, mount.path, "-o", mount.options]


@pytest.fixture
def settled(make_mount: Callable[..., Mount]) -> Mount:
    """A mount with twenty minutes in two tags, all of which are old."""
    mount = make_mount()
    append(mount, range(40))
    mount.remount()
    return mount


def append(mount: Mount, numbers: range) -> None:
    """Append events with these *numbers*, two to each minute; the first of them may be there already."""
    events = (
        Event(f"id-{number}", "app", 1000.0 + 30 * number, ["web" if number % 3 else "db"], "text")
        for number in numbers
    )
    data = b"".join(map(EventSerializer().serialize, events))
    (mount.path / "ingest").write_bytes(data)


def backups(mount: Mount, directory: Path) -> list[str]:
    """Return the commands of the recipe that makes backups."""
    lines = recipe("rsync, tar, restic", "sh", mount).replace("/backup", str(directory))
    return lines.splitlines()


def test_restic_finds_what_is_new(
    settled: Mount, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After a remount nothing is, and then what was appended; what it restores is the store."""
    monkeypatch.setenv("RESTIC_PASSWORD", "secret")
    monkeypatch.setenv("RESTIC_CACHE_DIR", str(tmp_path / "cache"))
    [command] = [line for line in backups(settled, tmp_path) if line.startswith("restic")]
    settled.shell(f"restic -r {tmp_path}/restic init")

    def found() -> tuple[int, int, int]:
        """Return how many files are new, changed and unchanged."""
        *_, summary = settled.shell(f"{command} {settled.path}/by-tag --json").splitlines()
        counts = json.loads(summary)
        return counts["files_new"], counts["files_changed"], counts["files_unmodified"]

    files = 20 + MINUTES_OF_TAGS
    assert found() == (files, 0, 0)
    settled.remount()
    assert found() == (0, 0, files)
    append(settled, range(38, 42))
    settled.remount()
    assert found() == (2, 3, files - 3)
    settled.shell(f"restic -r {tmp_path}/restic restore latest --target {tmp_path}/restored")
    restored = f"{tmp_path}/restored/{settled.path}/minutes"
    settled.shell(
        f"diff -r {restored} minutes && diff -r --exclude=.theiafs {restored} {settled.store_path}"
    )


def test_rsync_and_tar_find_what_is_new(settled: Mount, tmp_path: Path) -> None:
    """After a remount nothing is, and then what was appended."""
    (tmp_path / "minutes").mkdir()
    _, synchronize, archive = backups(settled, tmp_path)
    synchronize = synchronize.replace("rsync -a", "rsync -a --out-format=%n", 1)
    compare = archive.replace("tar -cf", "tar -df", 1)
    assert len(settled.shell(synchronize).splitlines()) == 1 + 20
    settled.shell(archive)
    settled.remount()
    assert settled.shell(synchronize) == ""
    assert settled.shell(compare) == ""
    append(settled, range(38, 42))
    settled.remount()
    names = settled.shell("ls -tr minutes").split()[-2:]
    assert [name for name in settled.shell(synchronize).split() if name != "./"] == sorted(names)
    assert "Size differs" in settled.shell(compare, check=False)

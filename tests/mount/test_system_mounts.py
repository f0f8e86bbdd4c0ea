"""The mount is one that mount(8), fstab, findmnt(8) and umount(8) know."""

import shlex
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import backend_of
from tests.mount.conftest import Mount, theiafs
from tests.namespaces import WITHOUT_COPIES

REPOSITORY = Path(__file__).parents[2]
PROGRAM = f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(REPOSITORY))} exec {shlex.quote(sys.executable)} -m theiafs "$@"
"""
HELPER = f"""#!/bin/sh
PYTHONPATH={shlex.quote(str(REPOSITORY))} exec {shlex.quote(sys.executable)} -c '
import sys
from theiafs.__main__ import run_mount_helper
sys.exit(run_mount_helper())' "$@"
"""
INSTALL = """
set -eu
# Tests that run at the same time could not unmount their mounts as long as there are copies of them here.
grep fuse.theiafs /proc/self/mounts | while read -r _ path _; do umount -l "$path"; done
mount -t tmpfs none /usr/local/bin
install -m 755 "$1/program" /usr/local/bin/theiafs
mkdir "$1/others" "$1/sbin"
mount --bind /usr/sbin "$1/others"
ln -s "$1"/others/* "$1/sbin"
install -m 755 "$1/helper" "$1/sbin/mount.theiafs"
mount --bind "$1/sbin" /usr/sbin
cd "$1"
# Whatever fails: its process would stay, and keep this mount namespace.
trap '! mountpoint -q mnt || umount -l mnt' EXIT
"""
"""Installs the program where mount.fuse3(8) finds it, and its helper where mount(8) does, in a mount namespace of its own."""

COMMAND = ["unshare", "--mount", "--propagation", "private", "sh", "-c"]

COMMON = "defaults,dev,suid,exec,relatime,nodiratime,users,nofail,_netdev,x-systemd.automount,comment=logs"


@pytest.fixture
def machine(tmp_path: Path) -> Iterator[Callable[[str], subprocess.CompletedProcess[str]]]:
    """Return a function that runs a script as on a machine with the program installed, in a directory with ``mnt``."""
    (tmp_path / "program").write_text(PROGRAM)
    (tmp_path / "helper").write_text(HELPER)
    (tmp_path / "mnt").mkdir()

    def run(script: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*COMMAND, WITHOUT_COPIES + INSTALL + script, "sh", str(tmp_path)],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )

    yield run
    store = tmp_path / "events"
    if store.exists():
        backend_of(str(store)).wait_until_closed()


def test_mount_findmnt_and_umount(
    machine: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """With all options that mount(8), fstab and systemd add."""
    done = machine(
        f"""
        mount -t fuse.theiafs "$1/events" "$1/mnt" -o {COMMON},allow_other,log="$1/log"
        echo line >> mnt/ingest
        cat mnt/count
        findmnt --noheadings --output SOURCE,TARGET,FSTYPE mnt
        umount mnt
        findmnt mnt || echo gone
        """
    )
    assert (done.returncode, done.stderr) == (0, "")
    count, found, gone = done.stdout.splitlines()
    assert (count, gone) == ("1", "gone")
    assert found.split() == [f"{tmp_path}/events", f"{tmp_path}/mnt", "fuse.theiafs"]


@pytest.mark.parametrize("type_", ["fuse.theiafs", "theiafs"])
def test_a_line_of_fstab(
    machine: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path, type_: str
) -> None:
    """The next ``mount -a`` leaves alone a store that is mounted already."""
    (tmp_path / "fstab").write_text(
        f"{tmp_path}/events {tmp_path}/mnt {type_} {COMMON},noatime,log={tmp_path}/log 0 0\n"
    )
    done = machine(
        "for _ in 1 2; do mount -a -T fstab; findmnt -n -o OPTIONS mnt; done; umount mnt"
    )
    assert (done.returncode, done.stderr) == (0, "")
    first, second = done.stdout.splitlines()
    assert first == second
    assert "noatime" in first.split(",")


def test_the_type_theiafs(
    machine: Callable[[str], subprocess.CompletedProcess[str]], tmp_path: Path
) -> None:
    """With a helper, and with what mount(8) tells it: to be sloppy, verbose, to write no list of mounts, or only to pretend."""
    done = machine(
        f"""
        mount -f -t theiafs events mnt -o log=log
        findmnt mnt || echo pretended
        mount -s -v -n -t theiafs events mnt -o {COMMON},flosh=5,log=log > verbose
        head -n 1 verbose
        echo line >> mnt/ingest
        findmnt --noheadings --output SOURCE,FSTYPE mnt
        mount -o remount,ro mnt || echo $?
        mount -t theiafs other mnt || echo $?
        mount -t theiafs other nowhere -o flosh=5 || echo $?
        mount.theiafs events || echo $?
        cat mnt/count
        umount mnt
        """
    )
    pretended, verbose, found, *rest = done.stdout.splitlines()
    assert (done.returncode, pretended) == (0, "pretended")
    assert verbose.startswith(f"mount.theiafs: events on {tmp_path}/mnt (rw,async,")
    assert found.split() == [f"{tmp_path}/events", "fuse.theiafs"]
    assert rest == ["1", "32", "1", "1", "1"]
    remount, mounted, unknown, usage = done.stderr.splitlines()
    assert "unmount, and mount again" in remount
    assert "already mounted" in mounted
    assert "unknown option 'flosh'; there are" in unknown
    assert "MOUNTPOINT; usage: mount.theiafs" in usage


def test_what_only_pretends_changes_nothing(
    machine: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    """The mount of a process that was killed is no obstacle, and stays, until it is mounted there in earnest."""
    done = machine(
        """
        mount -t theiafs events mnt -o log=log
        kill -KILL $(cat events/.theiafs/lock)
        until ls mnt 2>&1 | grep -q 'not connected'; do :; done
        mount -f -t theiafs events mnt -o log=log
        ls mnt 2>&1 | grep -q 'not connected' && findmnt --noheadings --output FSTYPE mnt
        mount -t theiafs events mnt -o log=log
        findmnt --noheadings --output FSTYPE mnt
        umount mnt
        """
    )
    assert (done.returncode, done.stdout) == (0, "fuse.theiafs\nfuse.theiafs\n"), done.stderr
    assert "process has ended, is replaced" in done.stderr


def test_an_unknown_option_is_one_line(
    machine: Callable[[str], subprocess.CompletedProcess[str]],
) -> None:
    """It names those that there are."""
    done = machine('mount -t fuse.theiafs "$1/events" "$1/mnt" -o flosh=5')
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "unknown option 'flosh'" in done.stderr
    assert "flush" in done.stderr


def test_the_command_may_be_left_out(make_mount: Callable[..., Mount]) -> None:
    """``theiafs STORE MOUNTPOINT -o OPTIONS`` mounts, as mount.fuse3(8) calls it."""
    mount = make_mount()
    mount.umount()
    theiafs(mount.store_path, mount.path, "-o", mount.options)
    mount.shell("echo line >> ingest")
    assert mount.contents() == [b"line"]
    mount.umount()


def test_tail_right_after_an_append(make_mount: Callable[..., Mount]) -> None:
    """Without a timeout of attributes, each program sees what was appended before it started."""
    mount = make_mount("attr_timeout=0")
    mount.shell("mkdir by-tag/web")
    for number in range(20):
        mount.shell("test -s by-tag/web/events.log || true")
        line = mount.shell(f"echo {number} >> by-tag/web/ingest; tail -n 1 by-tag/web/events.log")
        assert line.endswith(f" {number}\n")

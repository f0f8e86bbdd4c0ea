"""The package for Debian, installed on a copy of this machine, and its service there, which systemd runs."""

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.box import Box
from tests.mount.daemons.recipes import recipes
from tests.waiting import eventually

REPOSITORY = Path(__file__).parents[1]
SERVICE = "theiafs@logs.service"
STORE = "/var/lib/theiafs/logs"
RESTART_S = 60.0
EXPOSURE_MAX = 40
"""The most that ``systemd-analyze security`` may find, in tenths; 10.0 is a service that may do everything."""

MOUNTED = "findmnt --noheadings --types fuse.theiafs"
SETTINGS = """
systemctl stop {service}
mkdir -p /etc/theiafs /etc/systemd/system/theiafs@mine.service.d /srv/events
chown daemon /srv/events
printf 'STORE=/srv/events\\nMOUNTPOINT=/srv/logs\\nOPTIONS=allow_other,umask=027\\n' > /etc/theiafs/mine.conf
printf '[Service]\\nUser=daemon\\n' > /etc/systemd/system/theiafs@mine.service.d/user.conf
systemctl daemon-reload
systemctl start theiafs@mine
"""
DISK = """
mkdir -p /etc/theiafs /etc/systemd/system/theiafs@disk.service.d
printf '[Mount]\nWhat=tmpfs\nType=tmpfs\nWhere=/srv/disk\n' > /etc/systemd/system/srv-disk.mount
printf 'STORE=/srv/disk/events\n' > /etc/theiafs/disk.conf
printf '[Unit]\nRequiresMountsFor=/srv/disk/events\n' > /etc/systemd/system/theiafs@disk.service.d/override.conf
systemctl daemon-reload
systemctl start theiafs@disk
"""
DROP_BOX = """
rm -rf /srv/events
cat > /etc/theiafs/events.conf <<'CONF'
{conf}CONF
printf '#!/bin/sh\necho of the shop\n' > /usr/local/bin/shop
chmod 755 /usr/local/bin/shop
cat > /etc/systemd/system/shop.service <<'UNIT'
{unit}User=daemon
Type=oneshot
UNIT
systemctl daemon-reload
systemctl start theiafs@events
{tags}
systemctl stop theiafs@events
{protect}
systemctl start shop
"""
STRANGER = "setpriv --reuid daemon --regid daemon --clear-groups sh -c"
MEMBER = "setpriv --reuid daemon --regid adm --clear-groups sh -c"
COMMIT = """
git init --quiet
git add --all
git -c user.name=me -c user.email=me@localhost commit --quiet --message all
mkdir mine
ln -s nowhere mine/1795485720-1795485780
"""
"""Makes a repository, in which there is a store, with a file that cp cannot copy, as well."""
QUICK = """
mkdir -p /run/systemd/system/theiafs@.service.d
printf '[Service]\\nWatchdogSec=2s\\nTimeoutAbortSec=1s\\n' > /run/systemd/system/theiafs@.service.d/quick.conf
systemctl daemon-reload
"""
ONCE = """
mkdir -p /run/systemd/system/theiafs@.service.d
printf '[Service]\\nRestart=no\\n' > /run/systemd/system/theiafs@.service.d/once.conf
systemctl daemon-reload
"""
RESTARTED = "rm -r /run/systemd/system/theiafs@.service.d; systemctl daemon-reload; "


def copied(target: Path) -> Path:
    """Copy the repository to *target*: a build in it would leave files there."""
    target.mkdir()
    copy = 'git ls-files -z --cached --others --exclude-standard | xargs -0 cp --parents -t "$1"'
    subprocess.run(["sh", "-euc", copy, "sh", target], cwd=REPOSITORY, check=True)
    return target


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Box]:
    """Yield a box in which the package is installed."""
    base = tmp_path_factory.mktemp("package")
    source = copied(base / "source")
    subprocess.run(["sh", "-euc", COMMIT], cwd=source, check=True)
    built = subprocess.run(
        [source / "scripts/deb", base],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        # What is installed once need not be small.
        env={**os.environ, "DPKG_DEB_COMPRESSOR_TYPE": "none"},
    )
    (base / "box").mkdir()
    with Box(base / "box") as box:
        box.copy(Path(built.stdout.strip()), "/tmp/theiafs.deb")
        box.run("dpkg --install --force-unsafe-io --no-triggers /tmp/theiafs.deb")
        yield box


@pytest.fixture
def running(box: Box) -> Box:
    """Return the box with the service started."""
    box.run(f"systemctl reset-failed; systemctl start {SERVICE}")
    return box


def main_process(box: Box, service: str = SERVICE) -> str:
    return box.output(f"systemctl show --value --property MainPID {service}")


def state(box: Box, service: str = SERVICE) -> str:
    return box.output(f"systemctl show --value --property ActiveState {service}")


def is_up_again(box: Box, before: str, service: str = SERVICE) -> bool:
    """Return whether systemd has started the service after that process, and it is ready."""
    return state(box, service) == "active" and main_process(box, service) not in {"0", before}


def test_the_unit_is_well_formed_and_hardened(box: Box) -> None:
    """By the judgement of systemd, with what keeps the mount visible."""
    assert box.output(f"systemd-analyze verify {SERVICE} 2>&1") == ""
    box.run(f"systemd-analyze security --offline=yes --threshold={EXPOSURE_MAX} {SERVICE}")


def test_the_mount_is_seen_from_outside(running: Box) -> None:
    """It is in the namespace of all others, and used by them; the process may mount, and nothing else."""
    assert running.output(f"{MOUNTED} --output SOURCE /mnt/logs") == STORE
    running.run("echo outside >> /mnt/logs/ingest; grep -rq outside /mnt/logs/minutes")
    process = main_process(running)
    assert running.output(f"readlink /proc/{process}/ns/mnt") == running.output(
        "readlink /proc/1/ns/mnt"
    )
    facts = running.output(f"cat /proc/{process}/status")
    # CAP_SYS_ADMIN
    assert f"CapBnd:\t{1 << 21:016x}" in facts
    assert "NoNewPrivs:\t1" in facts
    assert "Seccomp:\t2" in facts
    assert running.output(f"stat --format=%a {STORE}") == "700"


def test_it_is_restarted_after_a_kill(running: Box) -> None:
    """With everything that was acknowledged."""
    running.run("echo acknowledged >> /mnt/logs/ingest")
    count = running.output("cat /mnt/logs/count")
    before = main_process(running)
    running.run(f"kill -KILL {before}")
    eventually(lambda: is_up_again(running, before), RESTART_S)
    assert running.output("cat /mnt/logs/count") == count
    assert len(running.output(f"{MOUNTED} /mnt/logs").splitlines()) == 1


def test_nothing_is_created_below_a_service_that_has_failed(running: Box) -> None:
    """A program that writes there gets an error until it is started again, or what is left is removed by hand."""
    running.run(f"{ONCE}systemctl restart {SERVICE}; echo acknowledged >> /mnt/logs/ingest")
    count = running.output("cat /mnt/logs/count")
    running.run(f"kill -KILL {main_process(running)}")
    eventually(lambda: state(running) == "failed")
    assert not running.is_true("echo lost >> /mnt/logs/ingest")
    running.run(f"systemctl start {SERVICE}")
    assert running.output("cat /mnt/logs/count") == count
    running.run(f"kill -KILL {main_process(running)}")
    eventually(lambda: state(running) == "failed")
    running.run(f"{RESTARTED}systemctl stop {SERVICE}; theiafs umount /mnt/logs")
    assert running.output("ls -A /mnt/logs") == ""


def test_it_is_restarted_when_it_hangs(running: Box) -> None:
    """The watchdog ends a process that goes no further."""
    running.run(f"{QUICK}systemctl restart {SERVICE}")
    before = main_process(running)
    running.run(f"kill -STOP {before}")
    eventually(lambda: is_up_again(running, before), RESTART_S)
    assert "watchdog" in running.output(f"journalctl --unit {SERVICE}").lower()
    running.run(f"{RESTARTED}cat /mnt/logs/count")


def test_it_stops_cleanly_while_it_is_in_use(running: Box) -> None:
    """In its time, and with everything written; nothing is left of the mount."""
    running.run(
        "sh -c 'exec 3>>/mnt/logs/ingest; echo last >&3; exec sleep 1000' >/dev/null 2>&1 &"
    )
    eventually(lambda: running.is_true("grep -rq last /mnt/logs/minutes"))
    running.run(f"systemctl stop {SERVICE}")
    assert state(running) == "inactive"
    assert running.output(f"systemctl show --value --property Result {SERVICE}") == "success"
    assert not running.is_true(f"{MOUNTED} /mnt/logs")
    running.run(f"grep -rq last {STORE}/*-*")


def test_an_unmount_by_hand_is_no_failure(running: Box) -> None:
    """It is not mounted again until it is asked for."""
    running.run("umount /mnt/logs")
    eventually(lambda: state(running) == "inactive")
    assert running.output(f"systemctl show --value --property NRestarts {SERVICE}") == "0"


def test_a_mount_of_another_user_with_settings_of_its_own(running: Box) -> None:
    """The settings are in a file; the user, in a drop-in."""
    running.run(SETTINGS.format(service=SERVICE))
    assert running.output(f"{MOUNTED} --output SOURCE /srv/logs") == "/srv/events"
    running.run("echo line >> /srv/logs/ingest")
    assert running.output("stat --format=%U:%a /srv/logs/minutes/*") == "daemon:440"
    before = main_process(running, "theiafs@mine")
    running.run(f"kill -KILL {before}")
    eventually(lambda: is_up_again(running, before, "theiafs@mine"), RESTART_S)
    assert running.output("cat /srv/logs/count") == "1"
    running.run("systemctl stop theiafs@mine")
    assert not running.is_true(f"{MOUNTED} /srv/logs")
    assert running.output("stat --format=%U:%a /srv/events/*-*") == "daemon:600"


def test_a_store_on_a_file_system_of_its_own(running: Box) -> None:
    """A drop-in names it, since settings in the file come too late: it is mounted before, and unmounted after the service."""
    running.run(f"systemctl stop {SERVICE}\n{DISK}")
    assert running.output("stat --file-system --format=%T /srv/disk/events") == "tmpfs"
    running.run("echo line >> /mnt/disk/ingest; systemctl stop srv-disk.mount")
    assert not running.is_true(f"{MOUNTED} /mnt/disk")
    assert not running.is_true("systemctl is-failed theiafs@disk")
    assert running.output("ls -A /srv/disk") == ""


def test_a_drop_box_as_a_service(running: Box) -> None:
    """As the recipes set it up: a unit that needs it starts it, all users append, and the members of a group read."""
    [conf], [tags, protect] = recipes("For all of them", "conf"), recipes("For all of them", "sh")
    [needs], [unit] = recipes("For all of them", "ini"), recipes("systemd units", "ini")
    unit = unit.replace("[Unit]\nRequiresMountsFor=/mnt/events\n", needs)
    assert "theiafs@events" in unit
    script = DROP_BOX.format(conf=conf, unit=unit, tags=tags, protect=protect)
    running.run(f"systemctl stop {SERVICE}{script}")
    assert running.output(f"{MOUNTED} --output SOURCE /mnt/events") == "/srv/events"
    running.run(f"{STRANGER} 'echo of a stranger >> /mnt/events/by-tag/web/ingest'")
    read = "cat /mnt/events/events.log"
    assert not running.is_true(f"{STRANGER} '{read}'")
    lines = running.output(f"{MEMBER} '{read}'").splitlines()
    assert [line.split("] ")[1] for line in lines] == ["of the shop", "of a stranger"]
    assert "[shop]" in lines[0]
    running.run("systemctl stop theiafs@events")
    assert not running.is_true("echo lost >> /mnt/events/ingest")


def test_the_indexer_of_locate_keeps_out(running: Box) -> None:
    """By a drop-in for its service; without it, it would index the mount."""
    running.run("echo line >> /mnt/logs/ingest; mkdir -p /mnt/found")
    shown = running.output("systemctl show --property ExecStart plocate-updatedb.service")
    command = shown.partition("argv[]=")[2].partition(" ;")[0]
    found = []
    for indexer in (command, command.partition(" ")[0]):
        running.run(f"{indexer} --database-root /mnt --output /tmp/names --require-visibility no")
        found.append(running.output("plocate --database /tmp/names /mnt").splitlines())
    assert "/mnt/found" in found[0]
    assert [each for each in found[0] if each.startswith("/mnt/logs/")] == []
    assert [each for each in found[1] if each.startswith("/mnt/logs/minutes/")] != []


def test_man_pages_and_completions_are_where_they_are_looked_for(box: Box) -> None:
    """By man(1) and the shells themselves."""
    assert "THEIAFS(1)" in box.output("MANPAGER=cat man theiafs")
    assert "MOUNT.THEIAFS(8)" in box.output("MANPAGER=cat man mount.theiafs")
    assert "umount" in box.output("fish --command 'complete --do-complete \"theiafs u\"'")
    assert (
        box.output("zsh -fc 'autoload -Uz compinit; compinit -u; echo $_comps[theiafs]'")
        == "_theiafs"
    )
    box.run("test -f /usr/share/bash-completion/completions/theiafs")


def test_the_documents_are_where_the_readme_says(box: Box) -> None:
    """Relative to it, as in the repository. dpkg may be told to leave them out, as in containers: the package has them."""
    listed = set(box.output("dpkg --contents /tmp/theiafs.deb").split())
    directory = "./usr/share/doc/theiafs"
    documents = set(re.findall(r"\bdocs/\w+\.md", (REPOSITORY / "README.md").read_text()))
    assert documents == {f"docs/{path.name}" for path in (REPOSITORY / "docs").iterdir()}
    assert {f"{directory}/{each}" for each in ("README.md", *documents)} <= listed


def test_the_log_of_roots_mounts_is_rotated(box: Box) -> None:
    """A mount goes on in the new file."""
    box.run(
        "mkdir -p /mnt/rotated; theiafs mount /srv/rotated /mnt/rotated; echo >> /var/log/theiafs.log"
    )
    box.run("/usr/sbin/logrotate --force /etc/logrotate.d/theiafs; theiafs umount /mnt/rotated")
    box.run(
        "test -f /var/log/theiafs.log.1; grep 'unmounted from /mnt/rotated' /var/log/theiafs.log"
    )


def test_a_package_that_is_removed_and_purged(running: Box) -> None:
    """Its services have stopped before, and only what is not its own stays: the store. This is the last test."""
    running.run(f"systemctl enable {SERVICE}")
    running.run("echo line >> /mnt/logs/ingest; dpkg --remove --no-triggers theiafs")
    assert not running.is_true(f"{MOUNTED} /mnt/logs")
    assert not running.is_true("test -e /usr/lib/theiafs || test -e /usr/bin/theiafs")
    enabled = f"/etc/systemd/system/multi-user.target.wants/{SERVICE}"
    assert running.is_true(f"test -L {enabled}"), "it may be installed again"
    running.run("dpkg --purge --no-triggers theiafs")
    assert not running.is_true(f"test -L {enabled}")
    assert (
        running.output(
            "find /etc /var/log -name 'theiafs*' -not -path '/etc/systemd/system/theiafs@*.d'"
        )
        == "/etc/theiafs"
    )
    running.run(f"grep -q line {STORE}/*-*")


def test_pipx_installs_commands_that_work(tmp_path: Path) -> None:
    """From the source, into a venv that has only what the package asks for; with man pages."""
    source = copied(tmp_path / "source")
    environment = {
        **{name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
        **{f"PIPX_{name}": str(tmp_path / name) for name in ("HOME", "BIN_DIR", "MAN_DIR")},
    }
    pipx = [sys.executable, "-m", "pipx", "install", "--pip-args=--no-compile", str(source)]
    subprocess.run(pipx, env=environment, check=True, capture_output=True)
    assert (tmp_path / "MAN_DIR/man1/theiafs.1").is_file()
    unit = "HOME/venvs/theiafs/lib/systemd/system/theiafs@.service"
    assert (tmp_path / unit).read_text() == (REPOSITORY / "packaging/theiafs@.service").read_text()
    script = """
        mkdir mnt
        theiafs mount events mnt -o log=log
        echo line >> mnt/ingest
        cat mnt/count
        theiafs umount mnt
        theiafs check events
    """
    environment["PATH"] = f"{tmp_path}/BIN_DIR:{environment['PATH']}"
    done = subprocess.run(
        ["sh", "-euc", script], cwd=tmp_path, env=environment, capture_output=True, text=True
    )
    assert (done.returncode, done.stdout, done.stderr) == (0, "1\n", "")

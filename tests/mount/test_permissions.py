"""Three users on a mount: its owner, a reader in its group, and a stranger."""

import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, EventSerializer, backend_of
from tests.mount.conftest import ENVIRONMENT, Mount
from tests.namespaces import WITHOUT_COPIES

OWNER, GROUP, READER, STRANGER = 61001, 61002, 61003, 61004
OTHER_GROUP = 61005
DENIED = "Permission denied"

READING = [
    "ls",
    "ls by-tag/web",
    "cat events",
    "cat latest",
    "cat by-tag/web/events.log",
    "cat errors",
    "cat by-id/1",
]
WRITING = [
    "echo x >> ingest", "echo x > by-tag/web/ingest.jsonl", "truncate -s 0 ingest", "touch ingest", "mkdir by-tag/new",
    "ln -s ../by-tag/web views/mine", "mv views/web views/yours && mv views/yours views/web", "rm views/web", "mv ingest ingest.1", "rm ingest", "rm by-id/1",
]  # fmt: skip


def as_user(mount: Mount, script: str, user: int, *groups: int) -> subprocess.CompletedProcess[str]:
    """Run a shell *script* in the root of *mount* as *user*, a member of *groups* too."""
    return subprocess.run(
        ["sh", "-c", script],
        cwd=mount.path,  # entered while it is root's process still: the directories above are root's
        user=user,
        group=OTHER_GROUP,
        extra_groups=groups,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


def may(mount: Mount, script: str, user: int, *groups: int) -> bool:
    """Return whether *user*, a member of *groups*, may run *script*; anything but a permission that is denied is an error."""
    done = as_user(mount, script, user, *groups)
    if done.returncode == 0:
        return True
    assert DENIED in done.stderr or "not permitted" in done.stderr, done.stderr
    return False


def prepared(make_mount: Callable[..., Mount], options: str) -> Mount:
    """Return a mount with *options*, an event, a tag and a view."""
    mount = make_mount(f"allow_other,uid={OWNER},gid={GROUP},delete,{options}")
    (mount.path / "ingest").write_bytes(
        EventSerializer().serialize(Event("1", "app", 1, ["web"], "kept"))
    )
    mount.shell("ln -s ../by-tag/web views/web")
    return mount


def test_owner_reader_and_stranger(make_mount: Callable[..., Mount]) -> None:
    """With a umask, the group reads, others do neither, and only the owner changes anything."""
    mount = prepared(make_mount, "umask=027")
    for script in READING:
        assert may(mount, script, OWNER), script
        assert may(mount, script, READER, GROUP), script
        assert not may(mount, script, STRANGER), script
    for script in WRITING:
        assert not may(mount, script, READER, GROUP), script
        assert not may(mount, script, STRANGER), script
    for script in WRITING:
        assert may(mount, script, OWNER), script
    assert mount.shell("ls by-tag views").split() == [
        "by-tag:",
        "new",
        "unparsed",
        "web",
        "views:",
        "mine",
    ]
    assert mount.contents() == [b"x", b"x"]


def test_a_drop_box(make_mount: Callable[..., Mount]) -> None:
    """Everybody appends; only the owner reads, and the group if the umask lets it."""
    mount = prepared(make_mount, "ingest_mode=0222,umask=027")
    for user, groups in [(STRANGER, []), (READER, [GROUP]), (OWNER, [])]:
        for script in (
            "echo x >> ingest",
            'echo "{}" > by-tag/web/ingest.jsonl',
            "echo x | tee -a ingest",
            "truncate -s 0 ingest",
        ):
            assert may(mount, script, user, *groups), (user, script)
        assert not may(mount, "cat ingest", user, *groups)
    assert (mount.path / "count").read_text() == "10\n"
    for script in [
        *READING,
        "ls by-tag",
        "cat status",
        "cat count",
        "mkdir by-tag/new",
        "rm ingest",
        "rm views/web",
        "stat match/x/events",
        "stat by-tag/web/match/x/count",
        "stat by-tag/web/not/by-tag/db/events",
    ]:
        assert not may(mount, script, STRANGER), script
    for script in READING:
        assert may(mount, script, READER, GROUP), script
    # An event that claims the id, the source and the time of another takes nothing from it: no user's word is taken for more.
    forged = EventSerializer().serialize(Event("1", "app", 1, ["web"], "forged"))
    done = subprocess.run(
        ["sh", "-c", "cat >> ingest"], cwd=mount.path, input=forged, user=STRANGER, group=OTHER_GROUP, extra_groups=[], check=False
    )  # fmt: skip
    assert done.returncode == 0
    assert b"kept" in mount.contents()
    assert (mount.path / "sources").read_text() == "6\tsh\n3\ttee\n2\tapp\n"


@pytest.fixture
def open_directory() -> Iterator[Path]:
    """Yield a directory that users other than root can enter, as the temporary ones of tests are not."""
    path = Path(tempfile.mkdtemp(prefix="theiafs-"))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


def test_a_user_other_than_root_asks_for_others(open_directory: Path) -> None:
    """The message says that it takes a line in /etc/fuse.conf; with that line it goes on, and without the option too."""
    for name in ("events", "mnt"):
        (open_directory / name).mkdir()
        shutil.chown(open_directory / name, "daemon")
    script = f"""
    set -eu; cd {open_directory}
    {WITHOUT_COPIES}
    mknod fuse c 10 229; chmod 666 fuse; mount --bind fuse /dev/fuse
    mount_as() {{
        # Python may be where only root can read; that is not what is tested.
        setpriv --reuid daemon --regid daemon --clear-groups --inh-caps +dac_read_search --ambient-caps +dac_read_search \\
            "$PYTHON" -m theiafs mount events mnt -o "log=$PWD/events/log,$1"
    }}
    echo '#user_allow_other' > conf; mount --bind conf /etc/fuse.conf
    mount_as allow_other || echo refused
    mount_as rw && umount mnt && echo alone
    echo 'user_allow_other' > conf
    mount_as allow_other && umount mnt && echo shared
    """
    done = subprocess.run(
        ["unshare", "--mount", "--propagation", "private", "sh", "-c", script],
        env={**ENVIRONMENT, "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    # umount(8) does not wait until everything is written.
    backend_of(str(open_directory / "events")).wait_until_closed(60)
    assert done.stdout.split() == ["refused", "alone", "shared"], done.stderr
    assert len(done.stderr.splitlines()) == 1
    assert "user_allow_other >> /etc/fuse.conf" in done.stderr

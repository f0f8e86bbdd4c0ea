"""A mount of another user may name any store as its source: commands that are given the store, or the mount, are not misled."""

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from store import Event, NaiveEventStore
from tests.mount.conftest import COMMAND_LINE, ENVIRONMENT, Mount, is_mounted, theiafs

STRANGER = 61004


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Make a store with one event."""
    opened = NaiveEventStore(str(tmp_path / "store"))
    opened.save(Event("1", "s", 1, ["t"], "kept"))
    opened.close()
    return tmp_path / "store"


@pytest.fixture
def mount_as(tmp_path: Path) -> Iterator[Callable[[Path, int], Path]]:
    """Yield a function that mounts, as a user, what is called a mount of a store, and is served by no process."""
    mountpoint = tmp_path / "mnt"
    mountpoint.mkdir()
    device = os.open("/dev/fuse", os.O_RDWR)

    def mount(source: Path, user: int) -> Path:
        options = f"fd={device},rootmode=40000,user_id={user},group_id={user}"
        # Not by the helper of the type, which is theiafs itself.
        command = ["mount", "-i", "-t", "fuse.theiafs", "-o", options, str(source), str(mountpoint)]
        subprocess.run(command, check=True, pass_fds=[device])
        os.close(device)
        return mountpoint

    yield mount
    if is_mounted(mountpoint):
        subprocess.run(["umount", "-l", str(mountpoint)], check=True)


MountAs = Callable[[Path, int], Path]


def test_an_import_into_a_store(store: Path, mount_as: MountAs, tmp_path: Path) -> None:
    """It goes into the store, and to no other user."""
    mount_as(store, STRANGER)
    (tmp_path / "log").write_text("secret\n")
    theiafs("import", store, "--format", "lines", tmp_path / "log")
    assert theiafs("cat", store, "count").stdout == "2\n"


def test_the_mount_is_given_for_its_store(store: Path, mount_as: MountAs, tmp_path: Path) -> None:
    """It is refused: root may be able to read what the user could not."""
    mountpoint = mount_as(store, STRANGER)
    for arguments in (
        ("backup", mountpoint, tmp_path / "b"),
        ("prune", mountpoint, "--older", "1d"),
    ):
        done = theiafs(*arguments, check=False)
        assert done.returncode != 0
        assert f"{mountpoint} was mounted by user {STRANGER}" in done.stderr
        assert "give the directory of the store" in done.stderr
    assert theiafs("cat", store, "count").stdout == "1\n"
    assert not (tmp_path / "b").exists()


@pytest.mark.parametrize("user", [0, STRANGER])
def test_root_and_the_owner_of_the_store_are_believed(
    store: Path, mount_as: MountAs, tmp_path: Path, user: int
) -> None:
    """They can do to the store what they like in any case."""
    os.chown(store, user, -1)
    theiafs("backup", mount_as(store, user), tmp_path / "b")
    assert theiafs("cat", tmp_path / "b", "count").stdout == "1\n"


def test_umount_of_a_mount_of_another_user(make_mount: Callable[..., Mount]) -> None:
    """It tells the owner, and the mount stays."""
    mount = make_mount()
    # Python may be where only root can read; that is not what is tested.
    other = "--reuid daemon --regid daemon --clear-groups --inh-caps +dac_read_search --ambient-caps +dac_read_search"
    done = subprocess.run(
        ["setpriv", *other.split(), sys.executable, *COMMAND_LINE, "umount", mount.path],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (1, "")
    assert done.stderr == (
        f"theiafs: {mount.path} was mounted by root: unmount it as that user, or as root\n"
    )
    assert is_mounted(mount.path)


def test_umount_waits_for_no_store_that_it_only_names(
    make_mount: Callable[..., Mount], mount_as: MountAs
) -> None:
    """Such as one that is mounted elsewhere, and stays so."""
    served = make_mount("")
    mountpoint = mount_as(served.store_path, STRANGER)
    theiafs("umount", mountpoint)
    assert not is_mounted(mountpoint)
    assert is_mounted(served.path)

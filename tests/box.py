"""A box: a copy of this machine that runs systemd, in namespaces and a control group of its own.

Its files are those of this machine; what it changes is in memory, and is gone with it.
"""

import os
import shlex
import subprocess
from pathlib import Path
from typing import Self

from tests.namespaces import WITHOUT_COPIES
from tests.waiting import eventually

__all__ = ["Box"]

_BOOT = f"""
set -eu
{WITHOUT_COPIES}
mount -t tmpfs tmpfs "$1"
cd "$1"
mkdir changes work root
mount -t overlay overlay -o lowerdir=/,upperdir=changes,workdir=work root
cd root
mount -t proc proc proc
mount -t sysfs sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount --rbind /dev dev
mount -t tmpfs tmpfs run
# All users may use it, as on machines with udev.
mknod -m 666 run/fuse c 10 229
mount --bind run/fuse dev/fuse
mount -t tmpfs tmpfs tmp
# Of the units of this machine, those of the box need none.
mkdir run/lock run/box
rm -rf etc/systemd/system/*.wants
exec env -i container=box PATH=/usr/sbin:/usr/bin chroot . /lib/systemd/systemd --log-target=journal basic.target
"""

_NAMESPACES = ["--mount", "--pid", "--cgroup", "--uts", "--ipc"]

_ENTER = """
echo $$ > "$1"
exec unshare "$2" "$3" "$4" "$5" "$6" --fork --kill-child --propagation private sh -c "$7" sh "$8"
"""


class Box:
    """A box in the empty directory *base*; a context manager that ends it."""

    def __init__(self, base: Path) -> None:
        self._group = _control_group() / f"box-{os.getpid()}-{base.name}"
        self._group.mkdir()
        self._init = subprocess.Popen(
            ["sh", "-euc", _ENTER, "sh", self._group / "cgroup.procs", *_NAMESPACES, _BOOT, base]
        )
        self._enter: list[str] = []

    def __enter__(self) -> Self:
        children = Path(f"/proc/{self._init.pid}/task/{self._init.pid}/children")
        eventually(lambda: self._init.poll() is not None or children.read_text())
        target = children.read_text().strip()
        self._enter = ["nsenter", "--target", target, *_NAMESPACES, "--root", "--wd"]
        eventually(lambda: self.is_true("systemctl is-active --quiet basic.target"), 60)
        return self

    def __exit__(self, *_exc_info: object) -> None:
        # It is the first process of its namespace: all others end with it.
        self._init.kill()
        self._init.wait()
        for directory, _, _ in os.walk(self._group, topdown=False):
            eventually(lambda directory=directory: _is_removed(directory))  # type: ignore[misc]

    def run(self, script: str, check: bool = True) -> subprocess.CompletedProcess[str]:
        """Run *script* in the box, outside of all of its services."""
        environment = ["env", "-i", "PATH=/usr/sbin:/usr/bin", "HOME=/root", "LC_ALL=C.UTF-8"]
        done = subprocess.run(
            [*self._enter, *environment, "sh", "-euc", script],
            capture_output=True,
            text=True,
            timeout=120,
            # Its signals to its own process group reach nothing here.
            start_new_session=True,
        )
        assert done.returncode == 0 or not check, f"{script}\n{done.stdout}{done.stderr}"
        return done

    def output(self, script: str) -> str:
        """Return what *script* prints."""
        return self.run(script).stdout.strip()

    def is_true(self, script: str) -> bool:
        """Return whether *script* succeeds."""
        return self.run(script, check=False).returncode == 0

    def copy(self, source: Path, target: str) -> None:
        """Copy the file *source* to *target* in the box."""
        with source.open("rb") as file:
            subprocess.run(
                [*self._enter, "sh", "-c", f"cat > {shlex.quote(target)}"], stdin=file, check=True
            )


def _control_group() -> Path:
    """Return the directory of the control group of this process, in version 2 of the hierarchy."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    mount = next(line.split(" ")[1] for line in lines if line.split(" ")[2] == "cgroup2")
    own = Path("/proc/self/cgroup").read_text().partition("0::/")[2].partition("\n")[0]
    return Path(mount, own)


def _is_removed(group: str) -> bool:
    """Remove a control group, and return whether that was possible: its last process has ended."""
    try:
        os.rmdir(group)
    except OSError:
        return False
    return True

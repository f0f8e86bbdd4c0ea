"""The mounts that the kernel knows of, read from mountinfo; see proc_pid_mountinfo(5)."""

import contextlib
import os
import pwd
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

__all__ = ["Mount", "mount_at", "mounted_on", "mounts", "mounts_of_all_processes"]

_TYPE = "fuse.theiafs"


class Mount(NamedTuple):
    """A mount of any filesystem.

    Attributes:
        number: its id, unique on this machine.
        device: major and minor number of the filesystem; all bind mounts of it have the same.
        mountpoint: path of the directory that it is mounted on.
        type: type of the filesystem, such as "fuse.theiafs".
        source: the device or, for theiafs, the name of the store, which is an address without a password.
        is_read_only: whether the filesystem, not only this mount of it, is read-only.
        owner: the id of the user that mounted it, which only FUSE tells; -1 if it is not told.
        namespace: suffix for messages that names a process of another mount namespace; empty for our own.
    """

    number: int
    device: str
    mountpoint: str
    type: str
    source: str
    is_read_only: bool
    owner: int
    namespace: str = ""

    @property
    def is_ours(self) -> bool:
        """Whether it is a theiafs mount."""
        return self.type == _TYPE

    @property
    def owner_name(self) -> str:
        """The name of its owner, or the id of one without a name."""
        try:
            return pwd.getpwuid(self.owner).pw_name
        except KeyError:
            return f"user {self.owner}"


def mounts(process: str = "self") -> list[Mount]:
    """Return all mounts that *process* can see, in the order in which they were made.

    Raises:
        OSError: if it has ended, or belongs to another user.
    """
    text = Path("/proc", process, "mountinfo").read_bytes().decode("utf-8", "surrogateescape")
    found = []
    # The kernel escapes only newlines in a path, not other line terminators.
    for line in text.removesuffix("\n").split("\n"):
        before, _, after = line.partition(" - ")
        number, _parent, device, _root, mountpoint = before.split(" ")[:5]
        kind, source, options = after.split(" ")[:3]
        is_read_only = "ro" in options.split(",")
        owner = re.search(r"(?:^|,)user_id=(\d+)", options)
        found.append(
            Mount(
                int(number),
                device,
                _unquote(mountpoint),
                kind,
                _unquote(source),
                is_read_only,
                int(owner[1]) if owner else -1,
            )
        )
    return found


def mount_at(path: str) -> Mount | None:
    """Return the mount whose root is at *path*, the topmost if there are several; None if *path* is no mountpoint."""
    try:
        # Does not ask the filesystem, so that it works on a dead mount too.
        descriptor = os.open(path, os.O_PATH | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        facts = Path(f"/proc/self/fdinfo/{descriptor}").read_text(encoding="ascii")
    finally:
        os.close(descriptor)
    match = re.search(r"^mnt_id:\s*(\d+)$", facts, re.MULTILINE)
    number = int(match[1]) if match else -1
    return next((e for e in mounts() if e.number == number and e.mountpoint == path), None)


def mounted_on(mountpoint: str) -> Mount | None:
    """Return a theiafs mount at *mountpoint*, even one that is hidden by another mount."""
    return next((each for each in mounts() if each.is_ours and each.mountpoint == mountpoint), None)


def mounts_of_all_processes() -> Iterator[Mount]:
    """Yield the theiafs mounts of all mount namespaces, as far as we may look into them."""
    ours = mounts()
    known = {each.number for each in ours}
    yield from (each for each in ours if each.is_ours)
    # Hundreds of processes have the same list of mounts.
    views = {_view("self")}
    for process in filter(str.isdecimal, os.listdir("/proc")):
        with contextlib.suppress(OSError):  # it has ended, or is another user's
            view = _view(process)
            if view in views:
                continue
            found = mounts(process)
            views.add(view)
            for each in found:
                if each.is_ours and each.number not in known:
                    known.add(each.number)
                    yield each._replace(namespace=f" in the mount namespace of process {process}")


def _view(process: str) -> tuple[str, str]:
    """Return what decides which mounts *process* can see: its mount namespace, and its root in that.

    Raises:
        OSError: if it has ended, or belongs to another user.
    """
    return os.readlink(f"/proc/{process}/ns/mnt"), os.readlink(f"/proc/{process}/root")


def _unquote(text: str) -> str:
    """Undo the octal escapes by which the kernel writes spaces and the like in *text*."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)

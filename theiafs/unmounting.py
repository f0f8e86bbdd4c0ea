"""Unmounting: what is ours, and nothing else. Nothing here waits for a process that does not answer."""

import contextlib
import errno
import math
import os
import shutil
import subprocess
import threading
import time
from collections.abc import Callable
from typing import TypeVar

from store import EventStoreException, StoreLocked
from theiafs.directories import absolute
from theiafs.errors import MountError
from theiafs.mounts import Mount, mount_at, mounted_on, mounts_of_all_processes
from theiafs.stores import named_store

__all__ = ["is_stale", "remove_mount", "remove_stale", "unmount"]

_Answer = TypeVar("_Answer")

_ANSWER_S = 5.0
"""How long a mount may take to answer, in seconds, before it counts as one that does not."""
_STATUS_S = 10.0
"""How long its status may take, in seconds: an engine may be asked several times, and not answer."""
_ENDED = frozenset({errno.ENOTCONN, errno.ECONNABORTED})
"""The errors of a mount whose process has ended: before the request, or while it waited."""
_COPY_S, _POLL_S = 3.0, 0.05
"""How long another mount namespace may have a copy of it, as those do that are just made, such as that of a service or a container."""


def unmount(mountpoint: str, is_lazy: bool = False, timeout_s: float = math.inf) -> None:
    """Unmount *mountpoint*, and wait until everything is written and the store is free again.

    Of a mount that may be of another store than it says, nothing is waited for.

    Args:
        mountpoint: the directory.
        is_lazy: whether to take the mount away from there at once, even if it is in use, and wait for nothing: its process
            writes everything when its last file is closed.
        timeout_s: how long to wait until everything is written, in seconds.

    Raises:
        MountError: if no theiafs is mounted there, another file system is mounted on top of it, it is in use or does
            not answer, the store stays mounted elsewhere, or not everything is written after that time.
    """
    mountpoint = _resolved(mountpoint)
    mounted = _mount_to_unmount(mountpoint)
    if is_lazy:
        remove_mount(mountpoint)
        return
    # A mount whose process was killed writes nothing more; the next mount does.
    answers = _answers(mountpoint, min(_ANSWER_S, timeout_s))
    if answers is None:
        raise MountError(
            f"{mountpoint} does not answer: is its process stopped? (theiafs umount --lazy {mountpoint})"
        )
    store = _within(_ANSWER_S, lambda: named_store(mounted))
    spool_directory: str | None = ""
    if store is not None and store.can_spool and not mounted.is_read_only:
        spool_directory = _within(min(_STATUS_S, timeout_s), lambda: _spool_directory(mountpoint))
    if spool_directory is None:
        raise MountError(
            f"{mountpoint} does not say whether events wait in a spool: is its engine away? (theiafs umount --lazy {mountpoint})"
        )
    # Programs that still use a dead mount get nothing but errors from it.
    remove = _run_umount if answers else remove_mount
    remove(mountpoint)
    if mounted.is_read_only or store is None:
        return
    others = _mounts_of(mounted.source)
    if others and not answers:
        return  # one of them may go on serving the store
    held = [each for each in others if each.device == mounted.device]
    deadline = time.monotonic() + min(_COPY_S, timeout_s)
    while held and time.monotonic() < deadline:
        threading.Event().wait(_POLL_S)
        held = [each for each in _mounts_of(mounted.source) if each.device == mounted.device]
    if held:
        # A bind mount, or a copy in another mount namespace, keeps the filesystem alive.
        raise MountError(
            f"{mountpoint} is unmounted, but {mounted.source} is still mounted"
            f" on {held[0].mountpoint}{held[0].namespace}, and stays in use until that is unmounted too"
        )
    try:
        is_all_written = store.wait_until_closed(timeout_s, spool_directory)
    except StoreLocked as error:
        raise MountError(
            f"{mountpoint} is unmounted, but not everything is written after {timeout_s:g} s: {error};"
            " it goes on being written: wait before the next mount"
        ) from error
    except EventStoreException as error:
        raise MountError(str(error)) from error
    if answers and not is_all_written:
        destination = "the engine" if spool_directory else "the minute files"
        raise MountError(
            f"{mountpoint} is unmounted, but not everything could be written to {destination} (the log says why);"
            f" it is safe in {spool_directory or 'the write-ahead log'}, and the next mount writes it"
        )


def _mounts_of(source: str) -> list[Mount]:
    return [each for each in mounts_of_all_processes() if each.source == source]


def is_stale(mountpoint: str) -> bool:
    """Return whether the mount at *mountpoint* is one of theiafs whose process has ended."""
    found = mount_at(mountpoint)
    return found is not None and found.is_ours and _answers(mountpoint, _ANSWER_S) is False


def remove_stale(mountpoint: str) -> None:
    """Remove the mount at *mountpoint* if it is one of theiafs whose process has ended, and leave anything else alone.

    Raises:
        MountError: if that failed.
    """
    mountpoint = _resolved(mountpoint)
    if is_stale(mountpoint):
        remove_mount(mountpoint)


def remove_mount(mountpoint: str) -> None:
    """Take the mount at *mountpoint* away from there, even if it is in use.

    Raises:
        MountError: if that failed.
    """
    _run_umount(mountpoint, "-l", "-z")


def _run_umount(mountpoint: str, flag: str = "", helper_flag: str = "") -> None:
    """Run the command that unmounts *mountpoint*: umount with *flag*, or libfuse's helper with *helper_flag*.

    Raises:
        MountError: if it failed.
    """
    helper = shutil.which("fusermount3") or shutil.which("fusermount")
    # umount(8) is for root only; other users need libfuse's helper.
    if os.geteuid() == 0 or helper is None:
        command = ["umount", "--no-canonicalize", flag]
    else:
        command = [helper, "-u", helper_flag]
    done = subprocess.run(
        [*filter(None, command), "--", mountpoint], capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        lines = [line.strip() for line in done.stderr.splitlines()]
        raise MountError(
            f"cannot unmount {mountpoint}: {'; '.join(filter(None, lines))} (fuser -vm {mountpoint} shows its users)"
        )


def _resolved(mountpoint: str) -> str:
    """Return the real path of *mountpoint*, without asking what is mounted there if that is how it is listed."""
    given = absolute(mountpoint)
    return given if mounted_on(given) is not None else os.path.realpath(given)


def _mount_to_unmount(mountpoint: str) -> Mount:
    """Return the theiafs mount at *mountpoint*.

    Raises:
        MountError: if there is none, another file system is mounted on top of it, or it is for another user to unmount.
    """
    found = mount_at(mountpoint)
    if found is not None and found.is_ours:
        if os.geteuid() not in (0, found.owner):
            raise MountError(
                f"{mountpoint} was mounted by {found.owner_name}: unmount it as that user, or as root"
            )
        return found
    if found is not None and mounted_on(mountpoint):
        raise MountError(
            f"{found.source} ({found.type}) is mounted on top of the theiafs mount {mountpoint}:"
            f" unmount that first (umount {mountpoint})"
        )
    raise MountError(f"{mountpoint} is not a theiafs mount (findmnt -t fuse.theiafs lists them)")


def _answers(mountpoint: str, timeout_s: float) -> bool | None:
    """Return whether a process serves the mount at *mountpoint*; None if it does not answer within *timeout_s* seconds."""
    return _within(timeout_s, lambda: _is_served(mountpoint))


def _spool_directory(mountpoint: str) -> str:
    """Return the spool that the mount at *mountpoint* has open; empty if it has none, or does not say."""
    with (
        contextlib.suppress(OSError),
        open(os.path.join(mountpoint, "status"), encoding="utf-8") as lines,
    ):
        for line in lines:
            key, _, value = line.rstrip("\n").partition(": ")
            if key == "spool":
                return value
    return ""


def _within(timeout_s: float, ask: Callable[[], _Answer]) -> _Answer | None:
    """Return what *ask* returns; None if that takes more than *timeout_s* seconds, because a mount does not answer."""
    answers: list[_Answer] = []
    # A thread that waits for a mount ends with this process, whatever becomes of the mount.
    thread = threading.Thread(target=lambda: answers.append(ask()), daemon=True)
    thread.start()
    thread.join(timeout_s)
    return answers[0] if answers else None


def _is_served(mountpoint: str) -> bool:
    try:
        # Unlike stat(2), which the kernel answers from its cache for a second after the process has ended.
        os.close(os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY))
    except OSError as error:
        # Any other error is an answer: that of another user's mount, for instance, or of the kernel on its behalf.
        return error.errno not in _ENDED
    return True

"""Mounting and unmounting: the checks before, the process in the background, the end."""

import contextlib
import logging
import logging.handlers
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import NamedTuple, TextIO

from store import EventStoreException, StoreLocked, open_store, wait_until_closed
from theiafs.config import Settings
from theiafs.errors import MountError
from theiafs.progress import Progress, copy_of_terminal
from theiafs.session import load_binding, serve

__all__ = ["mount", "unmount"]

log = logging.getLogger(__name__)

_TYPE = "fuse.theiafs"
_DEVICE = "/dev/fuse"
_UP = b"\0"
"""What the process in the background writes when the mount answers, after any messages."""


def mount(store_address: str, mountpoint: str, settings: Settings, in_foreground: bool) -> None:
    """Mount a store.

    In the background, this returns in the process that called it, as soon as the mount answers. In the
    foreground, it returns when the filesystem is unmounted.

    Raises:
        MountError: if that is not possible.
    """
    for path in (store_address, mountpoint):
        if not path:
            raise MountError("the name of a directory is empty")
        if "\n" in path or not _is_utf8(path):
            raise MountError(f"not a name that can be mounted: {path!r}")
    # The kernel lists mounts without links. A mount whose process has ended answers no question, but that is
    # no link either, and realpath() takes it as it is.
    mountpoint = os.path.realpath(mountpoint)
    store_address = os.path.abspath(store_address)
    _check_mountpoint(mountpoint)
    _check_store_address(store_address, settings.is_read_only)
    load_binding()
    _check_device()
    if in_foreground:
        _log_to(logging.StreamHandler())
        terminal = copy_of_terminal()
        _serve(
            store_address,
            mountpoint,
            settings,
            terminal,
            lambda: log.info("mounted on %s", mountpoint),
        )
    elif not _in_background(store_address, mountpoint, settings):
        # The mount is there, but the kernel makes everybody wait until libfuse has greeted it.
        os.stat(mountpoint)


def unmount(mountpoint: str) -> None:
    """Unmount, and wait until everything is written and the store is free again.

    Raises:
        MountError: if nothing of ours is mounted there, or it is in use.
    """
    mountpoint = os.path.realpath(mountpoint)
    mounted = _find_mount(mountpoint)
    if mounted is None:
        raise MountError(f"{mountpoint} is not a theiafs mount")
    # A mount whose process was killed has written nothing at its end; the next one will.
    has_process = _answers(mountpoint)
    helper = shutil.which("fusermount3") or shutil.which("fusermount")
    # Only root may use umount(8); everybody else needs the helper that comes with libfuse.
    command = ["umount"] if os.geteuid() == 0 or helper is None else [helper, "-u"]
    done = subprocess.run([*command, "--", mountpoint], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MountError(
            f"cannot unmount {mountpoint}: {_one_line(done.stderr)}"
            f" (fuser -vm {mountpoint} shows who uses it)"
        )
    if mounted.is_read_only:
        return
    with _as_mount_error(mounted.store_address):
        is_all_written = wait_until_closed(mounted.store_address)
    if has_process and not is_all_written:
        raise MountError(
            f"{mountpoint} is unmounted, but not everything could be written to the minute files (the log says"
            " why); it is safe in the journal, and the next mount writes it"
        )


class _Mount(NamedTuple):
    """A theiafs mount that the kernel knows of."""

    store_address: str
    mountpoint: str
    is_read_only: bool


def _mounts() -> list[_Mount]:
    found = []
    with open("/proc/self/mounts", encoding="utf-8", errors="surrogateescape") as lines:
        for line in lines:
            source, mountpoint, kind, options = line.split(" ")[:4]
            if kind == _TYPE:
                is_read_only = "ro" in options.split(",")
                found.append(_Mount(_unquote(source), _unquote(mountpoint), is_read_only))
    return found


def _find_mount(mountpoint: str) -> _Mount | None:
    return next((each for each in _mounts() if each.mountpoint == mountpoint), None)


def _answers(mountpoint: str) -> bool:
    try:
        os.stat(mountpoint)
    except OSError:
        return False
    return True


def _unquote(text: str) -> str:
    """Undo what the kernel does to spaces and the like in the list of mounts: octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), text)


def _check_mountpoint(mountpoint: str) -> None:
    mounted = _find_mount(mountpoint)
    try:
        entries = os.listdir(mountpoint)
    except FileNotFoundError as error:
        raise MountError(f"mountpoint {mountpoint} does not exist (mkdir {mountpoint})") from error
    except NotADirectoryError as error:
        raise MountError(f"mountpoint {mountpoint} is not a directory") from error
    except OSError as error:
        if mounted is not None:
            raise MountError(
                f"a mount whose process has ended is in the way: theiafs umount {mountpoint}"
            ) from error
        raise MountError(f"mountpoint {mountpoint}: {error.strerror}") from error
    if mounted is not None:
        raise MountError(f"{mounted.store_address} is already mounted on {mountpoint}")
    if entries:
        raise MountError(f"mountpoint {mountpoint} is not empty")


def _check_store_address(address: str, is_read_only: bool) -> None:
    """Refuse what is no directory to use, with plainer words than an attempt would give."""
    if not os.path.lexists(address):
        if is_read_only:
            raise MountError(f"store {address} does not exist")
        return
    if not os.path.isdir(address):
        raise MountError(f"store {address} is not a directory")
    if is_read_only:
        return
    if not os.access(address, os.W_OK | os.X_OK):
        raise MountError(f"store {address} is not writable")


def _check_device() -> None:
    try:
        os.close(os.open(_DEVICE, os.O_RDWR))
    except FileNotFoundError as error:
        raise MountError(
            f"{_DEVICE} is not there: load the kernel's fuse module (modprobe fuse)"
        ) from error
    except OSError as error:
        raise MountError(f"{_DEVICE} cannot be opened: {error.strerror}") from error


def _in_background(store_address: str, mountpoint: str, settings: Settings) -> bool:
    """Serve from a process of its own; libfuse's way of doing that would lose our threads and locks.

    Returns:
        Whether this is that process, at its end.

    Raises:
        MountError: in the calling process, if the other one could not mount.
    """
    reader, writer = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    if os.fork():
        os.close(writer)
        with open(reader, "rb") as pipe:
            said = pipe.read()
        if not said.endswith(_UP):
            raise MountError(
                _one_line(said.decode("utf-8", "replace")) or "the mount process ended"
            )
        return False
    terminal = copy_of_terminal()
    os.setsid()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    # libfuse and its helper explain themselves here, until it is up.
    os.dup2(writer, 2)
    os.close(reader)
    os.close(writer)
    os.close(nowhere)

    def go_silent() -> None:
        os.write(2, _UP)
        silence = os.open(os.devnull, os.O_RDWR)
        os.dup2(silence, 2)
        os.close(silence)

    try:
        _log_to(_log_file(settings))
        _serve(store_address, mountpoint, settings, terminal, go_silent)
    except MountError as error:
        # Nobody but the process that waits at the other end of the pipe is to hear of it.
        print(error, file=sys.stderr)
        log.error("%s", error)  # noqa: TRY400 - it says all there is to say
        raise SystemExit(1) from error
    except Exception:
        log.exception("the mount on %s ends", mountpoint)
        raise
    return True


def _serve(
    store_address: str,
    mountpoint: str,
    settings: Settings,
    terminal: TextIO | None,
    on_up: Callable[[], None],
) -> None:
    with _as_mount_error(store_address):
        with Progress("indexing", terminal) as progress:
            store = open_store(
                store_address, settings.flush_interval_ms, settings.is_read_only, progress
            )
        try:
            serve(store, mountpoint, store_address, settings, on_up)
        finally:
            store.close()
    log.info("unmounted from %s", mountpoint)


@contextlib.contextmanager
def _as_mount_error(store_address: str) -> Iterator[None]:
    try:
        yield
    except StoreLocked as error:
        mountpoints = [each.mountpoint for each in _mounts() if each.store_address == store_address]
        shown = "".join(f", and it is mounted on {mountpoint}" for mountpoint in mountpoints)
        raise MountError(
            f"store {store_address} is in use: {error}{shown} (read-only, it can be mounted as well: -o ro)"
        ) from error
    except EventStoreException as error:
        raise MountError(str(error)) from error


def _log_to(handler: logging.Handler) -> None:
    handler.setFormatter(logging.Formatter("%(asctime)s %(levelname)s %(name)s: %(message)s"))
    root = logging.getLogger()
    root.addHandler(handler)
    root.setLevel(logging.INFO)


def _log_file(settings: Settings) -> logging.Handler:
    path = settings.log_path
    if not path and os.geteuid() == 0:
        path = "/var/log/theiafs.log"
    elif not path:
        state = os.environ.get("XDG_STATE_HOME") or os.path.expanduser("~/.local/state")
        path = os.path.join(state, "theiafs.log")
    try:
        os.makedirs(os.path.dirname(path), exist_ok=True)
        # It notices when logrotate takes the file away.
        return logging.handlers.WatchedFileHandler(path)
    except OSError as error:
        raise MountError(
            f"cannot log to {path}: {error.strerror}; choose another: -o log=FILE"
        ) from error


def _is_utf8(path: str) -> bool:
    """Whether the FUSE binding, which encodes strictly, can hand on a path."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())

"""Mounting and unmounting: the checks before, the process in the background, the end."""

import contextlib
import ctypes
import logging
import logging.handlers
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from store import EventStoreException, StoreLocked, open_store, wait_until_closed
from theiafs.binding import load_binding
from theiafs.config import Settings
from theiafs.errors import MountError
from theiafs.lineviews import LINE_VIEWS
from theiafs.mounts import Mount, mount_at, mounts, mounts_of_all_processes
from theiafs.progress import Progress, copy_of_terminal
from theiafs.session import serve

__all__ = ["mount", "unmount"]

_M_ARENA_MAX = -8
"""As in glibc's malloc.h."""

log = logging.getLogger(__name__)

_DEVICE = "/dev/fuse"
_UP = b"\0"
"""Written by the background process, after any messages, once the mount answers."""


def mount(store_address: str, mountpoint: str, settings: Settings, in_foreground: bool) -> None:
    """Mount the store at *store_address* on the directory *mountpoint*.

    With *in_foreground*, return when the filesystem is unmounted. Otherwise, serve in a background process, and return in the
    calling one as soon as the mount answers.

    Raises:
        MountError: if that is not possible.
    """
    for path in (store_address, mountpoint):
        if not path:
            raise MountError("the name of a directory is empty")
        if "\n" in path or not _is_utf8(path):
            raise MountError(f"not a name that can be mounted: {path!r}")
    # The kernel lists mounts by their real paths. realpath() keeps a dead mount: it is no link.
    mountpoint = os.path.realpath(mountpoint)
    store_address = os.path.abspath(store_address)
    _check_apart(store_address, mountpoint)
    _check_mountpoint(mountpoint)
    _check_store_address(store_address, settings.is_read_only)
    load_binding(settings.binding)
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
        # It is mounted, but the kernel delays all requests until libfuse has answered the first.
        os.stat(mountpoint)


def unmount(mountpoint: str) -> None:
    """Unmount *mountpoint*, and wait until everything is written and the store is free again.

    Raises:
        MountError: if no theiafs is mounted there, another file system is mounted on top of it, it is in use, or
            the store stays mounted elsewhere.
    """
    mountpoint = os.path.realpath(mountpoint)
    mounted = _mount_to_unmount(mountpoint)
    # A mount whose process was killed writes nothing more; the next mount does.
    has_process = _answers(mountpoint)
    helper = shutil.which("fusermount3") or shutil.which("fusermount")
    # umount(8) is for root only; other users need libfuse's helper.
    command = ["umount"] if os.geteuid() == 0 or helper is None else [helper, "-u"]
    done = subprocess.run([*command, "--", mountpoint], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MountError(
            f"cannot unmount {mountpoint}: {_one_line(done.stderr)}"
            f" (fuser -vm {mountpoint} shows its users)"
        )
    if mounted.is_read_only:
        return
    others = [each for each in mounts_of_all_processes() if each.source == mounted.source]
    if others and not has_process:
        return  # one of them may go on serving the store
    held = [each for each in others if each.device == mounted.device]
    if held:
        # A bind mount, or a copy in another mount namespace, keeps the filesystem alive.
        raise MountError(
            f"{mountpoint} is unmounted, but {mounted.source} is still mounted"
            f" on {held[0].mountpoint}{held[0].namespace}, and stays in use until that is unmounted too"
        )
    with _as_mount_error(mounted.source):
        is_all_written = wait_until_closed(mounted.source)
    if has_process and not is_all_written:
        raise MountError(
            f"{mountpoint} is unmounted, but not everything could be written to the minute files (the log says"
            " why); it is safe in the write-ahead log, and the next mount writes it"
        )


def _mount_to_unmount(mountpoint: str) -> Mount:
    """Return the theiafs mount at *mountpoint*.

    Raises:
        MountError: if there is none, or another file system is mounted on top of it.
    """
    found = mount_at(mountpoint)
    if found is not None and found.is_ours:
        return found
    if found is not None and _mounted_on(mountpoint):
        raise MountError(
            f"{found.source} ({found.type}) is mounted on top of the theiafs mount {mountpoint}:"
            f" unmount that first (umount {mountpoint})"
        )
    raise MountError(f"{mountpoint} is not a theiafs mount")


def _mounted_on(mountpoint: str) -> Mount | None:
    """Return a theiafs mount at *mountpoint*, even one that is hidden by another mount."""
    return next((each for each in mounts() if each.is_ours and each.mountpoint == mountpoint), None)


def _answers(mountpoint: str) -> bool:
    """Return whether a process serves the mount at *mountpoint*."""
    try:
        # Unlike stat(2), which the kernel answers from its cache for a second after the process has ended.
        os.close(os.open(mountpoint, os.O_RDONLY | os.O_DIRECTORY))
    except OSError:
        return False
    return True


def _check_apart(store_address: str, mountpoint: str) -> None:
    """Check that neither of *store_address* and *mountpoint* is in the other: the mount would hide the store.

    Raises:
        MountError: if they are the same directory, or one is inside the other.
    """
    if _contains(store_address, mountpoint) or _contains(mountpoint, store_address):
        raise MountError(
            f"store {store_address} and mountpoint {mountpoint} are the same directory, or one is inside the other"
        )


def _contains(outer: str, inner: str) -> bool:
    """Return whether *outer* is *inner* or a directory above it, by this name or that of a link or bind mount."""
    path = Path(os.path.realpath(inner))
    for each in (path, *path.parents):
        with contextlib.suppress(OSError):  # one that does not exist is not the same
            if os.path.samefile(outer, each):
                return True
    return False


def _check_mountpoint(mountpoint: str) -> None:
    mounted = _mounted_on(mountpoint)
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
        raise MountError(f"{mounted.source} is already mounted on {mountpoint}")
    if entries:
        raise MountError(f"mountpoint {mountpoint} is not empty")


def _check_store_address(address: str, is_read_only: bool) -> None:
    """Check that *address* can be opened as a store, with clear messages.

    Raises:
        MountError: if it cannot.
    """
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
            f"{_DEVICE} does not exist: load the kernel's fuse module (modprobe fuse)"
        ) from error
    except OSError as error:
        raise MountError(f"{_DEVICE} cannot be opened: {error.strerror}") from error


def _in_background(store_address: str, mountpoint: str, settings: Settings) -> bool:
    """Serve the store at *store_address* on *mountpoint* in a background process.

    libfuse can do that too, but its fork loses threads and locks.

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
    _reset_signals()
    os.chdir("/")
    nowhere = os.open(os.devnull, os.O_RDWR)
    os.dup2(nowhere, 0)
    os.dup2(nowhere, 1)
    # libfuse and its helper write their error messages here, until the mount answers.
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
        print(error, file=sys.stderr)  # read by the process that waits at the other end of the pipe
        log.error("%s", error)  # noqa: TRY400 - the message says everything
        raise SystemExit(1) from error
    except Exception:
        log.exception("the mount on %s ends", mountpoint)
        raise
    return True


def _reset_signals() -> None:
    """Reset signals that the caller ignores or blocks, as nohup(1) does: libfuse handles only those at their defaults."""
    for number in (signal.SIGHUP, signal.SIGTERM):  # the bindings reset SIGINT
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def _serve(
    store_address: str,
    mountpoint: str,
    settings: Settings,
    terminal: TextIO | None,
    on_up: Callable[[], None],
) -> None:
    _share_memory()
    with _as_mount_error(store_address):
        with Progress("indexing", terminal) as progress:
            store = open_store(
                store_address,
                settings.flush_interval_ms,
                settings.is_read_only,
                progress,
                settings.memory_size,
                settings.log_keep_size,
                LINE_VIEWS,
            )
        try:
            serve(store, mountpoint, store_address, settings, on_up)
        finally:
            store.close()
    log.info("unmounted from %s", mountpoint)


def _share_memory() -> None:
    """Let all threads reuse what any of them has freed.

    By default, glibc gives each thread of libfuse an arena of its own. Python runs one of them at a time, so that saves no
    waiting, but the mount had twice the page faults (reading 53 MB of answers 4,600 against 1,950, appending 20 MB
    of lines 6,900 against 3,800). To compare, do nothing here, and set the environment variable MALLOC_ARENA_MAX.
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # other C libraries have no arenas
        mallopt(_M_ARENA_MAX, 1)


@contextlib.contextmanager
def _as_mount_error(store_address: str) -> Iterator[None]:
    try:
        yield
    except StoreLocked as error:
        mountpoints = [
            each.mountpoint for each in mounts() if each.is_ours and each.source == store_address
        ]
        shown = "".join(f", and it is mounted on {mountpoint}" for mountpoint in mountpoints)
        raise MountError(
            f"store {store_address} is in use: {error}{shown} (to mount it read-only as well: -o ro)"
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
        # Reopens the file after logrotate has moved it.
        return logging.handlers.WatchedFileHandler(path)
    except OSError as error:
        raise MountError(
            f"cannot log to {path}: {error.strerror}; choose another: -o log=FILE"
        ) from error


def _is_utf8(path: str) -> bool:
    """Return whether the FUSE binding, which encodes strictly, can pass on *path*."""
    return not any("\ud800" <= character <= "\udfff" for character in path)


def _one_line(text: str) -> str:
    return "; ".join(line.strip() for line in text.splitlines() if line.strip())

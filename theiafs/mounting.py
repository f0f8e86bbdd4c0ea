"""Mounting: the checks before, and the store that is served."""

import contextlib
import ctypes
import logging
import logging.handlers
import os
import stat
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TextIO

from store import EventStoreException, StoreLocked, check_address, open_store
from theiafs.background import run_in_background
from theiafs.binding import load_binding
from theiafs.config import Settings
from theiafs.directories import absolute
from theiafs.errors import MountError
from theiafs.lineviews import LINE_VIEWS
from theiafs.mounts import mounted_on, mounts
from theiafs.progress import Progress, copy_of_terminal
from theiafs.service import Service
from theiafs.session import serve
from theiafs.unmounting import is_stale, remove_mount

__all__ = ["check", "mount"]

_M_ARENA_MAX = -8
"""As in glibc's malloc.h."""

log = logging.getLogger(__name__)

_DEVICE = "/dev/fuse"


def mount(store_address: str, mountpoint: str, settings: Settings, in_foreground: bool) -> None:
    """Mount the store at *store_address* on the directory *mountpoint*, from which the mount of a process that has ended is removed.

    With *in_foreground*, tell systemd how the mount is, if it is one of its services, and return when the filesystem is unmounted.
    Otherwise, serve in a background process, and return in the calling one as soon as the mount answers.

    Raises:
        MountError: if that is not possible.
    """
    store_address, mountpoint = check(store_address, mountpoint, settings)
    while is_stale(mountpoint):
        remove_mount(mountpoint)
        log.warning("removed a mount on %s whose process has ended", mountpoint)
        _check_mountpoint(mountpoint)  # what is there was hidden
    if in_foreground:
        _log_to(logging.StreamHandler())
        service = Service(mountpoint)

        def note_up() -> None:
            log.info("mounted on %s", mountpoint)
            service.note_up()

        _serve(store_address, mountpoint, settings, copy_of_terminal(), note_up, service.note_end)
    elif not _in_background(store_address, mountpoint, settings):
        # It is mounted, but the kernel delays all requests until libfuse has answered the first.
        os.stat(mountpoint)


def check(store_address: str, mountpoint: str, settings: Settings) -> tuple[str, str]:
    """Check that the store at *store_address* can be mounted on *mountpoint* with *settings*.

    Nothing is changed. The mount of a process that has ended is no obstacle.

    Returns:
        Both, as absolute paths.

    Raises:
        MountError: if it cannot.
    """
    for path in (store_address, mountpoint):
        if not path:
            raise MountError(
                f"the name of a directory is empty: {store_address!r}, {mountpoint!r}; give a store and a mountpoint"
            )
        if "\n" in path or not _is_utf8(path):
            raise MountError(
                f"not a name that can be mounted: {path!r}; give one in UTF-8 without a newline"
            )
    # The kernel lists mounts by their real paths. realpath() keeps a dead mount: it is no link.
    mountpoint = os.path.realpath(absolute(mountpoint))
    store_address = absolute(store_address)
    _check_apart(store_address, mountpoint)
    _check_mountpoint(mountpoint)
    _check_store_address(store_address, settings.is_read_only)
    load_binding(settings.binding)
    _check_device()
    return store_address, mountpoint


def _check_apart(store_address: str, mountpoint: str) -> None:
    """Check that neither of *store_address* and *mountpoint* is in the other: the mount would hide the store.

    Raises:
        MountError: if they are the same directory, or one is inside the other.
    """
    if _contains(store_address, mountpoint) or _contains(mountpoint, store_address):
        raise MountError(
            f"store {store_address} and mountpoint {mountpoint} are the same directory, or one is inside the other:"
            " the mount would hide the store; choose another mountpoint"
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
    """Check that *mountpoint* is an empty directory, or the mount of a process that has ended.

    Raises:
        MountError: if it is not.
    """
    if is_stale(mountpoint):
        return
    try:
        entries = os.listdir(mountpoint)
    except FileNotFoundError as error:
        raise MountError(f"mountpoint {mountpoint} does not exist (mkdir {mountpoint})") from error
    except NotADirectoryError as error:
        raise MountError(
            f"mountpoint {mountpoint} is not a directory: give an empty one"
        ) from error
    except OSError as error:
        raise MountError(
            f"mountpoint {mountpoint} cannot be read: {error.strerror}; choose another, or mount as a user that may read it"
        ) from error
    mounted = mounted_on(mountpoint)
    if mounted is not None:
        raise MountError(
            f"{mounted.source} is already mounted on {mountpoint} (theiafs umount {mountpoint})"
        )
    if entries:
        raise MountError(f"mountpoint {mountpoint} is not empty: give an empty directory")


def _check_store_address(address: str, is_read_only: bool) -> None:
    """Check that *address* can be opened as a store, with clear messages.

    Raises:
        MountError: if it cannot.
    """
    with _as_mount_error(address):
        check_address(address)
    if not os.path.lexists(address):
        if is_read_only:
            raise MountError(f"store {address} does not exist: mount it without -o ro to make it")
        return
    if not os.path.isdir(address):
        raise MountError(
            f"store {address} is not a directory: give the directory of its minute files"
        )
    if is_read_only:
        return
    if not os.access(address, os.W_OK | os.X_OK):
        raise MountError(
            f"store {address} is not writable: mount it with -o ro, or as a user that may write to it"
        )


def _warn_of_others(address: str) -> None:
    """Log a warning if this is root's process, and another user can write to the directory *address*.

    Such a user can put links there while the process runs, and have it write elsewhere as root.
    """
    if os.geteuid() != 0 or not os.path.isdir(address):
        return
    status = os.stat(address)
    others = [f"user {status.st_uid}"] if status.st_uid else []
    others += ["its group"] if status.st_mode & stat.S_IWGRP else []
    others += ["everybody"] if status.st_mode & stat.S_IWOTH else []
    if others:
        log.warning(
            "store %s is served by root, but %s may write to it: serve it as the user that owns it, or give it to root"
            " (chown root %s; chmod go-w %s)",
            address,
            " and ".join(others),
            address,
            address,
        )


def _check_device() -> None:
    try:
        os.close(os.open(_DEVICE, os.O_RDWR))
    except FileNotFoundError as error:
        raise MountError(
            f"{_DEVICE} does not exist: load the kernel's fuse module (modprobe fuse)"
        ) from error
    except OSError as error:
        raise MountError(
            f"{_DEVICE} cannot be opened: {error.strerror} (as root: chmod 666 {_DEVICE})"
        ) from error


def _in_background(store_address: str, mountpoint: str, settings: Settings) -> bool:
    """Serve the store at *store_address* on *mountpoint* in a background process.

    Returns:
        Whether this is that process, at its end.

    Raises:
        MountError: in the calling process, if the other one could not mount.
        KeyboardInterrupt: in the calling process; nothing is mounted.
    """

    def work(terminal: TextIO | None, note_up: Callable[[], None]) -> None:
        _log_to(_log_file(settings))
        try:
            _serve(store_address, mountpoint, settings, terminal, note_up)
        except MountError as error:
            log.error("%s", error)  # noqa: TRY400 - the message says everything
            raise
        except Exception:
            log.exception("the mount on %s ends", mountpoint)
            raise

    try:
        return run_in_background(work)
    except KeyboardInterrupt:
        if is_stale(mountpoint):  # it ended before libfuse knew of signals
            remove_mount(mountpoint)
        raise


def _serve(
    store_address: str,
    mountpoint: str,
    settings: Settings,
    terminal: TextIO | None,
    on_up: Callable[[], None],
    on_end: Callable[[], None] = lambda: None,
) -> None:
    """Serve the store at *store_address* on *mountpoint* until it is unmounted.

    Args:
        store_address: where the store is.
        mountpoint: the directory.
        settings: how to mount.
        terminal: shows the progress of long work; None for none.
        on_up: is called as soon as it is mounted.
        on_end: is called when it is unmounted, and before everything is written.

    Raises:
        MountError: if it cannot be mounted, or libfuse fails later.
    """
    _share_memory()
    _warn_of_others(store_address)
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
            on_end()
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
    """Raise MountError for what is wrong with the store at *store_address*.

    Raises:
        MountError: for every error of the store.
    """
    try:
        yield
    except StoreLocked as error:
        mountpoints = [
            each.mountpoint
            for each in mounts()
            if each.is_ours and each.source == store_address and each.may_be_of(store_address)
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

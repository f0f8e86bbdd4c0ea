"""Mounting: the checks before, and the store that is served."""

import contextlib
import ctypes
import logging
import logging.handlers
import os
from collections.abc import Callable, Iterator
from typing import TextIO

from store import Backend, EventStoreException, Opening, StoreLocked, backend_of
from theiafs.background import run_in_background
from theiafs.binding import load_binding
from theiafs.config import Settings
from theiafs.directories import absolute
from theiafs.errors import MountError
from theiafs.lineviews import LINE_VIEWS
from theiafs.mountpoint import BareDirectory, check_mountpoint
from theiafs.mounts import mount_at, mounts
from theiafs.progress import Progress, copy_of_terminal
from theiafs.service import Service
from theiafs.session import serve
from theiafs.stores import named_store
from theiafs.unmounting import is_stale, remove_mount

__all__ = ["check", "mount"]

_M_ARENA_MAX = -8
"""As in glibc's malloc.h."""

_END_S = 2.0
"""How long a process that was killed may still have the store, in seconds: the kernel ends its mount before it closes all files."""

log = logging.getLogger(__name__)

_DEVICE = "/dev/fuse"


def mount(store_address: str, mountpoint: str, settings: Settings, in_foreground: bool) -> None:
    """Mount the store at *store_address* on the directory *mountpoint*, where it replaces the mount of a process that has ended.

    With *in_foreground*, tell systemd how the mount is, if it is one of its services, and return when the filesystem is unmounted.
    Otherwise, serve in a background process, and return in the calling one as soon as the mount answers.

    Raises:
        MountError: if that is not possible.
    """
    backend, mountpoint = check(store_address, mountpoint, settings)
    replaces = is_stale(mountpoint)
    if replaces:
        log.warning("the mount on %s, whose process has ended, is replaced", mountpoint)
    if not settings.is_read_only and (replaces or settings.spool_directory):
        # Opening the store says what is wrong.
        with contextlib.suppress(EventStoreException):
            backend.wait_until_closed(_END_S, settings.spool_directory)
    if in_foreground:
        _log_to(logging.StreamHandler())
        service = Service(mountpoint)

        def note_up() -> None:
            log.info("mounted on %s", mountpoint)
            service.note_up()

        _serve(backend, mountpoint, settings, copy_of_terminal(), note_up, service.note_end)
    elif not _in_background(backend, mountpoint, settings):
        # It is mounted, but the kernel delays all requests until libfuse has answered the first.
        os.stat(mountpoint)


def check(store_address: str, mountpoint: str, settings: Settings) -> tuple[Backend, str]:
    """Check that the store at *store_address* can be mounted on *mountpoint* with *settings*.

    Nothing is changed. The mount of a process that has ended is no obstacle.

    Returns:
        The store, and the mountpoint as an absolute path.

    Raises:
        MountError: if it cannot.
    """
    for given in (store_address, mountpoint):
        if not given:
            raise MountError(
                f"the name of a store or a directory is empty: {store_address!r}, {mountpoint!r}; give both"
            )
        if "\n" in given or not _is_utf8(given):
            raise MountError(
                f"not a name that can be mounted: {given!r}; give one in UTF-8 without a newline"
            )
    # The kernel lists mounts by their real paths. realpath() keeps a dead mount: it is no link.
    mountpoint = os.path.realpath(absolute(mountpoint))
    try:
        backend = backend_of(store_address)
        backend.check_mountpoint(mountpoint)
        check_mountpoint(mountpoint)
        backend.check(is_read_only=settings.is_read_only)
    except EventStoreException as error:
        raise MountError(str(error)) from error
    load_binding(settings.binding)
    _check_device()
    return backend, mountpoint


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


def _in_background(backend: Backend, mountpoint: str, settings: Settings) -> bool:
    """Serve the store of *backend* on *mountpoint* in a background process.

    Returns:
        Whether this is that process, at its end.

    Raises:
        MountError: in the calling process, if the other one could not mount.
        KeyboardInterrupt: in the calling process; nothing is mounted.
    """

    def work(terminal: TextIO | None, note_up: Callable[[], None]) -> None:
        _log_to(_log_file(settings))
        try:
            _serve(backend, mountpoint, settings, terminal, note_up)
        except MountError as error:
            log.error("%s", error)  # noqa: TRY400 - the message says everything
            raise
        except Exception:
            log.exception("the mount on %s ends", mountpoint)
            raise

    before = mount_at(mountpoint)
    try:
        return run_in_background(work)
    except KeyboardInterrupt:
        # It may have ended before libfuse knew of signals. A mount that it was to replace stays.
        if is_stale(mountpoint) and mount_at(mountpoint) != before:
            remove_mount(mountpoint)
        raise


def _serve(
    backend: Backend,
    mountpoint: str,
    settings: Settings,
    terminal: TextIO | None,
    on_up: Callable[[], None],
    on_end: Callable[[], None] = lambda: None,
) -> None:
    """Serve the store of *backend* on *mountpoint* until it is unmounted.

    Args:
        backend: the store.
        mountpoint: the directory.
        settings: how to mount.
        terminal: shows the progress of long work; None for none.
        on_up: is called as soon as it is mounted.
        on_end: is called when it is unmounted, and before everything is written.

    Raises:
        MountError: if it cannot be mounted, or libfuse fails later.
    """
    _share_memory()
    for warning in backend.warnings():
        log.warning("%s", warning)
    with _as_mount_error(backend):
        with Progress("indexing", terminal) as progress:
            opening = Opening(
                settings.is_read_only,
                settings.flush_interval_ms,
                settings.memory_size,
                settings.log_keep_size,
                LINE_VIEWS,
                progress,
                settings.timeout_s,
                settings.spool_directory,
                settings.ttl_days,
                settings.quorum,
                settings.is_strict,
            )
            store = backend.open(opening)
        try:
            bare = BareDirectory(mountpoint)

            def note_up() -> None:
                bare.close()
                on_up()

            serve(store, mountpoint, backend.name, settings, note_up)
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
def _as_mount_error(backend: Backend) -> Iterator[None]:
    """Raise MountError for what is wrong with the store of *backend*.

    Raises:
        MountError: for every error of the store.
    """
    try:
        yield
    except StoreLocked as error:
        mountpoints = [
            each.mountpoint
            for each in mounts()
            if each.is_ours and each.source == backend.name and named_store(each) is not None
        ]
        shown = "".join(f", and it is mounted on {mountpoint}" for mountpoint in mountpoints)
        raise MountError(
            f"store {backend.name} is in use: {error}{shown} (to mount it read-only as well: -o ro)"
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

"""The session with the kernel: from the callbacks of libfuse to the operations.

Rare requests go through the binding's own callbacks. Frequent ones, for every opened file, piece of data and directory
entry, go through the callbacks here, which build no dictionaries.

Exceptions end here: each becomes its errno in the table; an unforeseen one is logged with its traceback and becomes EIO.
"""

import ctypes
import errno
import functools
import logging
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from store import EventStore, EventStoreException, is_reader_gone
from theiafs.binding import (
    allow_mmap,
    describe,
    interruption,
    invalidation,
    load_binding,
    piece_sizes,
)
from theiafs.config import OTHERS, Settings
from theiafs.dirents import Dirents
from theiafs.errors import REFUSALS, MountError, errno_of
from theiafs.fusermount import missing_consent
from theiafs.operations import Operations
from theiafs.stats import block_size_of, blocks_of

__all__ = ["serve"]

_IDLE_THREADS_MAX = 4
"""On libfuse 3, the kernel wakes idle threads in turn, and one that ran recently wakes faster.

One mount each way, in turn: with 4, six concurrent scans took 0.94 times the CPU time that they took without a limit
(its default), and `cat` of cached files 0.7 times. With 2, threads end and start all the time: 1.2 times.
"""
_THREADS_MAX = 100
"""On libfuse 3, at most this many requests run at once; more wait. A slow scan or fsync must not hold up a stat, which
the default of 10 lets happen."""

log = logging.getLogger(__name__)


def serve(
    store: EventStore, mountpoint: str, fsname: str, settings: Settings, on_up: Callable[[], None]
) -> None:
    """Mount *store* on *mountpoint*, and answer the kernel until it is unmounted or a signal ends it.

    Must be called from the main thread, where libfuse handles SIGHUP, SIGINT and SIGTERM.

    Args:
        store: the store to show.
        mountpoint: absolute path of the directory to mount on.
        fsname: the name of the mount in the list of mounts.
        settings: how to mount.
        on_up: called as soon as it is mounted.

    Raises:
        MountError: if it cannot be mounted, or libfuse fails later.
    """
    binding = load_binding(settings.binding)
    is_libfuse_3 = getattr(binding, "fuse_version_major", 2) == 3
    options: dict[str, bool | str] = dict.fromkeys(settings.fuse_options, True)
    options["use_ino"] = True
    options["attr_timeout"] = f"{settings.attr_timeout_s:g}"
    if is_libfuse_3:
        options["max_idle_threads"] = str(_IDLE_THREADS_MAX)
        if binding.fuse_version_minor >= 12:  # older ones have no limit
            options["max_threads"] = str(_THREADS_MAX)
        if binding.fuse_version_minor >= 17:  # older ones hear of interrupted requests without it
            options["intr"] = True
    else:
        # Always so on libfuse 3, which refuses the options. What a directory has that is mounted on was checked before.
        options["big_writes"] = options["nonempty"] = True
    if settings.is_read_only:
        options["ro"] = True  # makes the kernel refuse writes
    is_up = False

    def note_up() -> None:
        nonlocal is_up
        is_up = True
        on_up()

    kind = _OperationsOn3 if is_libfuse_3 else _NamedOperations
    operations = kind(store, settings, note_up, describe(binding))
    try:
        _session_type(binding, Dirents(binding, operations))(
            operations,
            mountpoint,
            foreground=True,
            fsname=fsname.replace("\\", "\\\\").replace(",", "\\,"),
            subtype="theiafs",
            **options,
        )
    except RuntimeError as error:
        if not is_up:
            wanted = sorted(settings.fuse_options & OTHERS)
            reason = missing_consent(wanted[0]) if wanted else ""
            raise MountError(
                f"{reason}{reason and '; '}libfuse could not mount on {mountpoint}"
            ) from error
        # libfuse 3 has one result for a signal, which is a regular end, and for a failing /dev/fuse.
        if not is_libfuse_3:
            raise MountError(
                f"libfuse failed while {mountpoint} was mounted: mount it again"
            ) from error


class _NamedOperations(Operations):
    """The operations as the callbacks of the bindings call them: by name, with times in nanoseconds."""

    use_ns = True

    def __call__(self, name: str, *args: Any) -> Any:
        return getattr(self, name)(*args)


class _OperationsOn3(_NamedOperations):
    """Those for libfuse 3, which says when directories are opened and closed to those that have these names."""

    opendir = releasedir = True


def _session_type(binding: ModuleType, dirents: Dirents) -> Any:  # noqa: PLR0915 - one short function for each callback
    """Return the class FUSE of *binding* with the callbacks of this module in place of its own.

    With the binding's own callbacks, which build a dictionary for each stat and decode a path for each write, the
    mount spent 1.1 times the CPU time for stat, 1.3 times for appending a line and 1.9 times for listing 20,000 names
    (libfuse 2; one mount each way, in turn). To compare, leave them out of `callbacks`, and let the operations take
    and return what the binding does.
    """
    get_context = binding.fuse_get_context
    is_interrupted = interruption(binding)
    _add_fallocate(binding)

    def wrapper(session: Any, function: Callable[..., Any], *args: Any) -> Any:
        """Call one callback; an exception that reached libfuse would make it return garbage."""
        if not hasattr(_thread, "is_known"):
            _keep_thread_state()
            is_reader_gone.set(is_interrupted)
        try:
            return function(*args) or 0
        except Exception as error:  # noqa: BLE001 - all of them end here, by the table
            operation = function.__name__.partition("_")[0]
            # Only symlink(2) has another string first.
            path = args[1 if operation == "symlink" else 0]
            if isinstance(error, UnicodeDecodeError):
                is_new = operation == "symlink" or error.object != args[0]
                error = session.operations.why_undecodable(error.object, is_new=is_new)
            number = _report(operation, error)
            if number in REFUSALS:
                session.operations.note_refusal(operation, path or b"-", get_context()[2], error)
            return -number

    def getattr_(session: Any, path: bytes, buffer: Any, file: Any = None) -> None:
        number = file.contents.fh if file else None
        found = session.operations.getattr(path.decode(), number)
        newest = binding.c_timespec(*divmod(found.newest_ns, 10**9))
        stat = buffer.contents  # libfuse has set it to zeros
        stat.st_ino = found.inode
        stat.st_mode = found.mode
        # One link for directories too: any other number tells find(1) the number of subdirectories.
        stat.st_nlink = 1
        stat.st_uid = found.uid
        stat.st_gid = found.gid
        stat.st_size = found.size
        stat.st_blocks = blocks_of(found.size)
        stat.st_blksize = block_size_of(found.mode)
        stat.st_atimespec = stat.st_mtimespec = newest
        stat.st_ctimespec = binding.c_timespec(*divmod(found.changed_ns, 10**9))

    def opendir(_session: Any, _path: bytes, file: Any) -> None:
        file.contents.fh = dirents.open()

    def releasedir(_session: Any, _path: bytes, file: Any) -> None:
        dirents.close(file.contents.fh)

    def readdir(
        _session: Any, path: bytes, buffer: Any, fill: Any, offset: int, file: Any, *flags: int
    ) -> None:
        if flags:
            number = file.contents.fh
            dirents.list_from(offset, path.decode(), number, buffer, fill, *flags)
        else:
            dirents.list(path.decode(), buffer, fill)

    def open_(session: Any, path: bytes, file: Any) -> None:
        info = file.contents
        opened = session.operations.open(path.decode(), info.flags, get_context()[2])
        info.fh = opened.number
        info.direct_io = opened.is_direct
        info.keep_cache = opened.is_cached

    def read(session: Any, _path: bytes, buffer: Any, size: int, offset: int, file: Any) -> int:
        data = session.operations.read(file.contents.fh, size, offset)
        assert len(data) <= size, "more would not fit into libfuse's buffer"
        ctypes.memmove(buffer, data, len(data))
        return len(data)

    def write(session: Any, _path: bytes, buffer: Any, size: int, _offset: int, file: Any) -> int:
        """Append; the kernel computes the offset from a cached size, so it means nothing."""
        data = ctypes.string_at(buffer, size)
        written: int = session.operations.write(file.contents.fh, data, get_context()[2])
        return written

    def symlink(session: Any, target: bytes, path: bytes) -> None:
        session.operations.symlink(path.decode(), target.decode())

    def rename(session: Any, old: bytes, new: bytes, *flags: int) -> None:
        session.operations.rename(old.decode(), new.decode(), *flags)  # only libfuse 3 has flags

    def release(session: Any, _path: bytes, file: Any) -> None:
        session.operations.release(file.contents.fh)

    def fallocate(
        session: Any, path: bytes, _mode: int, _offset: int, _size: int, _file: Any
    ) -> None:
        session.operations.fallocate(path.decode())

    callbacks = {
        "getattr": getattr_,
        "fgetattr": getattr_,
        "opendir": opendir,
        "readdir": readdir,
        "releasedir": releasedir,
        "open": open_,
        "read": read,
        "write": write,
        "release": release,
        "symlink": symlink,
        "rename": rename,
        "fallocate": fallocate,
    }
    # mfusepy appends the version of libfuse to the names of callbacks whose signatures differ.
    names = [name + ending for name in callbacks for ending in ("", "_fuse_2", "_fuse_3")]
    members = {
        name: callbacks[name.partition("_")[0]]
        for name in names
        if hasattr(binding.FUSE, name) or name == "fallocate"
    }
    members |= {
        name: _noting_connection(binding, getattr(binding.FUSE, name))
        for name in ("init", "init_fuse_2", "init_fuse_3")
        if hasattr(binding.FUSE, name)
    }
    return type("Session", (binding.FUSE,), {**members, "_wrapper": wrapper})


def _noting_connection(binding: ModuleType, init: Callable[..., Any]) -> Callable[..., Any]:
    """Return *init*, a callback of *binding*, so that the operations learn how the kernel cuts writes, and what it can do."""

    @functools.wraps(init)
    def noting(session: Any, connection: Any, *config: Any) -> Any:
        allow_mmap(connection)
        session.operations.note_piece_sizes(piece_sizes(connection))
        invalidate = invalidation(binding)
        if invalidate is not None:
            session.operations.note_invalidation(invalidate)
        return init(session, connection, *config)

    return noting


def _add_fallocate(binding: ModuleType) -> None:
    """Add fallocate to the table of callbacks of *binding*: that of fusepy ends before it.

    Without it, glibc's posix_fallocate(3) writes a NUL into each block, which would be content.
    """
    table = binding.fuse_operations
    if hasattr(table, "fallocate"):
        return
    # The last callbacks of libfuse 2.9, in their order.
    others = [(name, ctypes.c_void_p) for name in ("poll", "write_buf", "read_buf", "flock")]
    file = ctypes.POINTER(binding.fuse_file_info)
    arguments = (ctypes.c_char_p, ctypes.c_int, ctypes.c_int64, ctypes.c_int64, file)
    fallocate = ("fallocate", ctypes.CFUNCTYPE(ctypes.c_int, *arguments))
    fields = {"_fields_": [*table._fields_, *others, fallocate]}
    setattr(binding, table.__name__, type(table.__name__, (ctypes.Structure,), fields))


_thread = threading.local()
_thread_at_exit = getattr(ctypes.CDLL(None), "__cxa_thread_atexit_impl", None)
_PYGILSTATE_LOCKED = 0
_release_thread_state = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
    lambda _: ctypes.pythonapi.PyGILState_Release(_PYGILSTATE_LOCKED)
)


def _keep_thread_state() -> None:
    """Keep Python's state of this thread of libfuse as long as the thread lives.

    By default, ctypes creates it before every callback and destroys it afterwards, memory mappings included. Without
    this, the mount spent 2.5 times the CPU time for opening and closing a file, 1.5 times for appending a line and
    twice for reading a cached file (libfuse 2; similar on 3; one mount each way, in turn). To compare, do nothing
    here but set is_known.
    """
    _thread.is_known = True
    if threading.current_thread() is threading.main_thread():
        return  # Python keeps that one itself
    if _thread_at_exit is not None:  # the C library has destructors of threads
        ctypes.pythonapi.PyGILState_Ensure()
        # The last argument is an address in the library that must stay loaded until then.
        _thread_at_exit(_release_thread_state, None, _release_thread_state)


def _report(operation: str, error: Exception) -> int:
    """Log that *operation* failed with *error*, at the level that fits, and return the errno."""
    number = errno_of(error)
    if isinstance(error, EventStoreException) and number != errno.EINTR:
        # The store's message names the operation and the file.
        level = logging.ERROR if number == errno.EIO else logging.WARNING
        log.log(level, "%s failed: %s", operation, error)
    elif number == errno.EIO:
        log.error("%s failed", operation, exc_info=error)
    else:
        log.debug("%s refused: %s", operation, error)
    return number

"""The session with the kernel: from libfuse's callbacks to the operations. The only module that knows fusepy.

mfusepy, which has the same programming interface over libfuse 3, can stand in: it is taken when fusepy
cannot load libfuse 2, or when the environment variable THEIAFS_BINDING says so. What is used here is what
both have. What is asked rarely goes through the binding's own callbacks; what each opening of a file and each
entry of a directory costs goes through those here, which do without its dictionaries.

Exceptions end here. Each becomes an errno by the one table there is for that; one that nobody foresaw is
logged with its traceback and becomes EIO.
"""

import ctypes
import errno
import functools
import importlib
import logging
import os
import threading
from collections.abc import Callable
from itertools import repeat
from types import ModuleType
from typing import Any

from store import EventStore, EventStoreException
from theiafs.config import Settings
from theiafs.errors import MountError, errno_of
from theiafs.operations import Operations

__all__ = ["BINDING_VARIABLE", "load_binding", "serve"]

BINDING_VARIABLE = "THEIAFS_BINDING"
_MODULES_BY_BINDING = {"fusepy": "fuse", "mfusepy": "mfusepy"}
_BLOCK_SIZE = 128 << 10
_M_TRIM_THRESHOLD, _M_MMAP_THRESHOLD, _M_ARENA_MAX = -1, -3, -8
_MALLOC_PARAMETERS = {_M_TRIM_THRESHOLD: 4 << 20, _M_MMAP_THRESHOLD: 1 << 20, _M_ARENA_MAX: 1}

log = logging.getLogger(__name__)


def load_binding() -> ModuleType:
    """Load fusepy or what stands in for it.

    Raises:
        MountError: if there is no libfuse it can use.
    """
    wanted = os.environ.get(BINDING_VARIABLE)
    if wanted is not None and wanted not in _MODULES_BY_BINDING:
        raise MountError(
            f"{BINDING_VARIABLE} is {wanted!r}; it can be {' or '.join(_MODULES_BY_BINDING)}"
        )
    failures = []
    for binding in [wanted] if wanted else list(_MODULES_BY_BINDING):
        try:
            return importlib.import_module(_MODULES_BY_BINDING[binding])
        except (
            ImportError,
            OSError,
            AttributeError,
        ) as error:  # AttributeError: not a libfuse it knows
            failures.append(f"{binding}: {error}")
    raise MountError(
        f"cannot load libfuse ({'; '.join(failures)}): install libfuse2 (on newer systems libfuse2t64)"
    )


def serve(
    store: EventStore, mountpoint: str, fsname: str, settings: Settings, on_up: Callable[[], None]
) -> None:
    """Mount and answer the kernel until unmounted or ended by a signal.

    Must be called from the main thread, for libfuse handles SIGHUP, SIGINT and SIGTERM there.

    Args:
        store: what is shown.
        mountpoint: absolute path of the directory to mount on.
        fsname: what the list of mounts calls it.
        settings: how to mount.
        on_up: called as soon as it is mounted.

    Raises:
        MountError: if it cannot be mounted.
    """
    binding = load_binding()
    _give_back_memory()
    session = _session_type(binding)
    options: dict[str, bool | str] = dict.fromkeys(settings.fuse_options, True)
    if getattr(binding, "fuse_version_major", 2) == 2:
        options["big_writes"] = True  # libfuse 3 knows no other and refuses the word
    if settings.is_read_only:
        options["ro"] = True  # then the kernel refuses what would write
    try:
        session(
            _NamedOperations(store, settings, on_up),
            mountpoint,
            foreground=True,
            fsname=fsname.replace("\\", "\\\\").replace(",", "\\,"),
            subtype="theiafs",
            **options,
        )
    except RuntimeError as error:
        raise MountError(f"libfuse could not mount on {mountpoint}") from error


def _give_back_memory() -> None:
    """Let glibc return what a large listing took to the system, and keep what every request needs.

    By itself, it comes to keep ever larger pieces, and that for each thread; see mallopt(3).
    """
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:  # a matter of glibc
        for parameter, value in _MALLOC_PARAMETERS.items():
            mallopt(parameter, value)


class _NamedOperations(Operations):
    """The operations as fusepy's own callbacks call them: by their names, times in nanoseconds."""

    use_ns = True

    def __call__(self, name: str, *args: Any) -> Any:
        return getattr(self, name)(*args)


def _session_type(binding: ModuleType) -> Any:
    """The binding's class with the callbacks of this module in place of its own."""
    stats_by_mode: dict[int, Any] = {}
    get_context = binding.fuse_get_context

    def wrapper(_session: Any, function: Callable[..., Any], *args: Any) -> Any:
        """Call one callback; what was raised into libfuse would make it return garbage."""
        if not hasattr(_thread, "is_known"):
            _keep_thread_state()
        try:
            return function(*args) or 0
        except Exception as error:  # noqa: BLE001 - all of them end here, by the table
            return -_report(function.__name__, error)

    def getattr_(session: Any, path: bytes, buffer: Any, _file: Any = None) -> None:
        found = session.operations.getattr(path.decode())
        changed = binding.c_timespec(*divmod(found.changed_ns, 10**9))
        stat = buffer.contents  # zeros, as libfuse hands it over
        stat.st_mode = found.mode
        # One link for directories too: any other number promises so many subdirectories to find(1).
        stat.st_nlink = 1
        stat.st_uid = found.uid
        stat.st_gid = found.gid
        stat.st_size = found.size
        stat.st_blocks = -(-found.size // 512)
        stat.st_blksize = _BLOCK_SIZE
        stat.st_atimespec = stat.st_mtimespec = stat.st_ctimespec = changed

    def readdir(
        session: Any, path: bytes, buffer: Any, fill: Any, _offset: int, _file: Any, *flags: int
    ) -> None:
        no_flags = [repeat(0)] * len(flags)  # libfuse 3 passes some and takes some
        fill_in = _fill_type(len(flags))(ctypes.cast(fill, ctypes.c_void_p).value)
        for names, mode in session.operations.readdir(path.decode()):
            stat = stats_by_mode.get(mode)
            if stat is None:
                stat = stats_by_mode[mode] = binding.c_stat(st_mode=mode)
            # Without offsets libfuse takes in the whole listing at once.
            encoded = map(str.encode, names)
            if any(
                map(
                    fill_in,
                    repeat(buffer),
                    encoded,
                    repeat(ctypes.addressof(stat)),
                    repeat(0),
                    *no_flags,
                )
            ):
                break

    def open_(session: Any, path: bytes, file: Any) -> None:
        info = file.contents
        opened = session.operations.open(path.decode(), info.flags)
        info.fh = opened.number
        info.direct_io = opened.is_direct
        info.keep_cache = opened.is_cached

    def read(session: Any, _path: bytes, buffer: Any, size: int, offset: int, file: Any) -> int:
        data = session.operations.read(file.contents.fh, size, offset)
        assert len(data) <= size, "more would not fit into libfuse's buffer"
        ctypes.memmove(buffer, data, len(data))
        return len(data)

    def write(session: Any, _path: bytes, buffer: Any, size: int, _offset: int, file: Any) -> int:
        """The offset says nothing: the kernel makes it up from an old size."""
        data = ctypes.string_at(buffer, size)
        taken_in: int = session.operations.write(file.contents.fh, data, get_context()[2])
        return taken_in

    def release(session: Any, _path: bytes, file: Any) -> None:
        session.operations.release(file.contents.fh)

    callbacks = {
        "getattr": getattr_,
        "fgetattr": getattr_,
        "readdir": readdir,
        "open": open_,
        "read": read,
        "write": write,
        "release": release,
    }
    # mfusepy adds the version of libfuse to the names of those that differ in it.
    names = [name + ending for name in callbacks for ending in ("", "_fuse_2", "_fuse_3")]
    members = {
        name: callbacks[name.partition("_")[0]] for name in names if hasattr(binding.FUSE, name)
    }
    return type("Session", (binding.FUSE,), {**members, "_wrapper": wrapper})


@functools.cache
def _fill_type(flags: int) -> Any:
    """The type of libfuse's function that takes in a name, as it is called fastest: it never comes back to Python."""
    arguments = (ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p, ctypes.c_int64)
    return ctypes.PYFUNCTYPE(ctypes.c_int, *arguments, *[ctypes.c_int] * flags)


_thread = threading.local()
_thread_at_exit = getattr(ctypes.CDLL(None), "__cxa_thread_atexit_impl", None)
_PYGILSTATE_LOCKED = 0
_let_go_of_thread_state = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(
    lambda _: ctypes.pythonapi.PyGILState_Release(_PYGILSTATE_LOCKED)
)


def _keep_thread_state() -> None:
    """Let Python's state of this thread of libfuse live as long as the thread.

    Otherwise it is made anew for every callback and thrown away after it, memory mappings included, which
    costs more than all the rest of a short callback.
    """
    _thread.is_known = True
    if threading.current_thread() is threading.main_thread():
        return  # it is Python's own
    if _thread_at_exit is not None:  # the C library can tell when a thread ends
        ctypes.pythonapi.PyGILState_Ensure()
        # The last argument says which library is not to be unloaded before that: the program itself.
        _thread_at_exit(_let_go_of_thread_state, None, _let_go_of_thread_state)


def _report(operation: str, error: Exception) -> int:
    """The errno of an exception, logged as loudly as it deserves."""
    if isinstance(error, UnicodeDecodeError):
        return errno.ENOENT  # a name that is not UTF-8; the tree has none
    number = errno_of(error)
    if isinstance(error, EventStoreException):
        # The store says what happened, and where.
        level = logging.ERROR if number == errno.EIO else logging.WARNING
        log.log(level, "%s failed: %s", operation, error)
    elif number == errno.EIO:
        log.error("%s failed", operation, exc_info=error)
    else:
        log.debug("%s refused: %s", operation, error)
    return number

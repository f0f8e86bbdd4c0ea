"""The adapter between the kernel and the tree. The only module that knows fusepy.

mfusepy, which has the same programming interface over libfuse 3, can stand in: it is taken when fusepy
cannot load libfuse 2, or when the environment variable THEIAFS_BINDING says so. What is used here is what
both have.

Exceptions end here. Each becomes an errno by the one table there is for that; one that nobody foresaw is
logged with its traceback and becomes EIO.
"""

import errno
import importlib
import logging
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterator
from types import ModuleType
from typing import Any

from store import EventStore, EventStoreException
from theiafs.config import Settings
from theiafs.errors import MountError, NotPermitted, errno_of
from theiafs.handles import HandleTable
from theiafs.names import NAME_SIZE_MAX
from theiafs.nodes import Attributes, Directory, IngestFile, Link
from theiafs.tree import Tree

__all__ = ["BINDING_VARIABLE", "Operations", "load_binding", "serve"]

BINDING_VARIABLE = "THEIAFS_BINDING"
_MODULES_BY_BINDING = {"fusepy": "fuse", "mfusepy": "mfusepy"}

log = logging.getLogger(__name__)

# Later than what any program prints; the kernel's time fields end where 64 bits do.
_MTIME_MAX_NS = 253_402_300_799 * 10**9
_BLOCK_SIZE = 128 << 10
_CACHED_VERSIONS_MAX = 1 << 16


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

    class Session(binding.FUSE):  # type: ignore[name-defined,misc]
        def _wrapper(self, function: Callable[..., Any], *args: Any) -> Any:
            """Call one operation; what was raised into libfuse would make it return garbage."""
            try:
                return function(*args) or 0
            except Exception as error:  # noqa: BLE001 - all of them end here, by the table
                return -_report(function.__name__, error)

    options: dict[str, bool | str] = dict.fromkeys(settings.fuse_options, True)
    if settings.is_read_only:
        options["ro"] = True  # then the kernel refuses what would write
    try:
        Session(
            Operations(store, settings, lambda: int(binding.fuse_get_context()[2]), on_up),
            mountpoint,
            raw_fi=True,
            foreground=True,
            big_writes=True,
            fsname=fsname.replace("\\", "\\\\").replace(",", "\\,"),
            subtype="theiafs",
            **options,
        )
    except RuntimeError as error:
        raise MountError(f"libfuse could not mount on {mountpoint}") from error


def _report(operation: str, error: Exception) -> int:
    """The errno of an exception, logged as loudly as it deserves."""
    if isinstance(error, UnicodeDecodeError):
        return errno.ENOENT  # a name that is not UTF-8; the tree has none
    number = errno_of(error)
    if number == errno.EIO:
        log.error("%s failed", operation, exc_info=error)
    elif isinstance(error, EventStoreException):
        log.warning("%s refused: %s", operation, error)
    else:
        log.debug("%s refused: %s", operation, error)
    return number


class Operations:
    """What the kernel can ask for, as fusepy names it.

    What is not here is answered "not implemented", and the kernel stops asking: extended attributes, which
    it would look for before every write, and flush, which comes whenever some process closes its copy of a
    descriptor and means nothing.
    """

    use_ns = True

    def __init__(
        self,
        store: EventStore,
        settings: Settings,
        caller: Callable[[], int],
        on_up: Callable[[], None],
    ) -> None:
        self._store = store
        self._caller = caller
        self._settings = settings
        self._on_up = on_up
        self._mounted_ns = time.time_ns()
        self._tree = Tree(store, settings.event_size_max)
        self._handles = HandleTable()
        self._cached = _CachedVersions()

    def __call__(self, name: str, *args: Any) -> Any:
        """Call an operation by its name, which is how fusepy does it."""
        return getattr(self, name)(*args)

    def init(self, _path: str) -> None:
        """It is mounted."""
        self._on_up()

    def destroy(self, _path: str) -> None:
        """It is unmounted; whoever still had a file open cannot write the rest of a line any more."""
        for handle in self._handles.remove_all():
            handle.release()

    def statfs(self, _path: str) -> dict[str, int]:
        """Describe the disk under the store."""
        usage = self._store.usage()
        if usage is None:
            return {"f_namemax": NAME_SIZE_MAX}
        return {
            "f_bsize": usage.block_size,
            "f_frsize": usage.block_size,
            "f_blocks": usage.blocks,
            "f_bfree": usage.blocks_free,
            "f_bavail": usage.blocks_available,
            "f_files": usage.files,
            "f_ffree": usage.files_free,
            "f_favail": usage.files_available,
            "f_namemax": NAME_SIZE_MAX,
        }

    def getattr(self, path: str, _file_info: Any = None) -> dict[str, int]:
        """Tell the attributes of what is at a path."""
        return self._stat(self._tree.resolve(path).attributes())

    def readlink(self, path: str) -> str:
        """Tell where a symbolic link leads."""
        node = self._tree.resolve(path)
        if not isinstance(node, Link):
            raise NotPermitted(f"no symbolic link: {path!r}")
        return node.target

    def readdir(self, path: str, _handle: int) -> Iterator[tuple[str, dict[str, int], int]]:
        """List a directory, with types, so that find(1) need not look at each entry."""
        node = self._tree.resolve(path)
        if not isinstance(node, Directory):
            raise NotPermitted(f"no directory: {path!r}")
        for name in (".", ".."):
            yield name, {"st_mode": Directory.MODE}, 0
        for entry in node.entries():
            yield entry.name, {"st_mode": entry.mode}, 0

    def mkdir(self, path: str, _mode: int) -> None:
        """Declare a tag."""
        self._tree.make_directory(path)

    def open(self, path: str, file_info: Any) -> None:
        """Open a file."""
        to_write = file_info.flags & os.O_ACCMODE != os.O_RDONLY
        handle = self._tree.open(path, to_write)
        # What O_SYNC asks for is more than O_DSYNC does; here both are the same.
        handle.syncs_writes = self._settings.syncs_writes or bool(file_info.flags & os.O_DSYNC)
        file_info.fh = self._handles.add(handle)
        if handle.version is None:
            # What grows goes past the kernel's cache: every read sees all there is.
            file_info.direct_io = 1
        else:
            file_info.keep_cache = self._cached.has(path, handle.version)

    def read(self, _path: str, size: int, offset: int, file_info: Any) -> bytes:
        """Read from an open file."""
        return self._handles[file_info.fh].read(offset, size)

    def write(self, _path: str, data: bytes, _offset: int, file_info: Any) -> int:
        """Append to an open file. The offset says nothing: the kernel makes it up from an old size."""
        return self._handles[file_info.fh].write(data, self._caller())

    def fsync(self, _path: str, _datasync: int, file_info: Any) -> None:
        """Make what was written to an open file last."""
        self._handles[file_info.fh].sync()

    def release(self, _path: str, file_info: Any) -> None:
        """Close a file; the last descriptor for it is gone."""
        handle = self._handles.remove(file_info.fh)
        handle.release()
        handle.on_release()

    def truncate(self, path: str, _length: int, _file_info: Any = None) -> None:
        """Do nothing to an ingest file: ``>`` means the same as ``>>`` there."""
        self._check_ingest(path)

    def chmod(self, path: str, _mode: int) -> None:
        """Do nothing to an ingest file: log writers adjust what they append to."""
        self._check_ingest(path)

    def chown(self, path: str, _uid: int, _gid: int) -> None:
        """Do nothing to an ingest file."""
        self._check_ingest(path)

    def utimens(self, path: str, _times: tuple[int, int] | None = None) -> None:
        """Do nothing to an ingest file."""
        self._check_ingest(path)

    def create(self, path: str, _mode: int, _file_info: Any = None) -> None:
        """Refuse."""
        raise NotPermitted(f"files cannot be made here: {path!r}")

    def mknod(self, path: str, _mode: int, _device: int) -> None:
        """Refuse."""
        raise NotPermitted(f"files cannot be made here: {path!r}")

    def symlink(self, path: str, _target: str) -> None:
        """Refuse."""
        raise NotPermitted(f"links cannot be made here: {path!r}")

    def link(self, path: str, _target: str) -> None:
        """Refuse."""
        raise NotPermitted(f"links cannot be made here: {path!r}")

    def unlink(self, path: str) -> None:
        """Refuse."""
        raise NotPermitted(f"cannot be removed: {path!r}")

    def rmdir(self, path: str) -> None:
        """Refuse."""
        raise NotPermitted(f"cannot be removed: {path!r}")

    def rename(self, old: str, _new: str) -> None:
        """Refuse."""
        raise NotPermitted(f"cannot be renamed: {old!r}")

    def _check_ingest(self, path: str) -> None:
        if not isinstance(self._tree.resolve(path), IngestFile):
            raise NotPermitted(f"cannot be changed: {path!r}")

    def _stat(self, attributes: Attributes) -> dict[str, int]:
        newest_ns = min(int(attributes.newest * 10**9), _MTIME_MAX_NS) or self._mounted_ns
        # Nobody's permission to follow a link is ever looked at, and all of them have the same.
        umask = 0 if stat.S_ISLNK(attributes.mode) else self._settings.umask
        return {
            "st_mode": attributes.mode & ~umask,
            # One link for directories too: any other number promises so many subdirectories to find(1).
            "st_nlink": 1,
            "st_uid": self._settings.uid,
            "st_gid": self._settings.gid,
            "st_size": attributes.size,
            "st_blocks": -(-attributes.size // 512),
            "st_blksize": _BLOCK_SIZE,
            "st_atime": newest_ns,
            "st_mtime": newest_ns,
            "st_ctime": newest_ns,
        }


class _CachedVersions:
    """Which version of a file the kernel has in its cache, for the files opened most recently."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._versions: OrderedDict[str, Hashable] = OrderedDict()

    def has(self, path: str, version: Hashable) -> bool:
        """Whether the kernel has this version; from now on it does."""
        with self._lock:
            known = self._versions.get(path)
            self._versions[path] = version
            self._versions.move_to_end(path)
            if len(self._versions) > _CACHED_VERSIONS_MAX:
                self._versions.popitem(last=False)
        return known == version

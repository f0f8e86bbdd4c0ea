"""Operations: what the kernel can ask for. Knows the tree, and no FUSE binding."""

import gc
import os
import stat
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from itertools import chain
from typing import Any, NamedTuple

from store import EventStore
from theiafs.config import Settings
from theiafs.errors import NotPermitted
from theiafs.handles import HandleTable
from theiafs.names import NAME_SIZE_MAX
from theiafs.nodes import Directory, Entries, IngestFile, Link
from theiafs.tree import Tree

__all__ = ["Opened", "Operations", "Stat"]

# Later than what any program prints; the kernel's time fields end where 64 bits do.
_MTIME_MAX_NS = 253_402_300_799 * 10**9
_CACHED_VERSIONS_MAX = 1 << 16


class Stat(NamedTuple):
    """What stat(2) tells of a file.

    Attributes:
        mode: type and permissions.
        uid: its owner.
        gid: its group.
        size: in bytes.
        changed_ns: all of its times, in nanoseconds since the epoch.
    """

    mode: int
    uid: int
    gid: int
    size: int
    changed_ns: int


class Opened(NamedTuple):
    """A file that was opened.

    Attributes:
        number: what it is called from now on.
        is_direct: whether reads go past the kernel's cache.
        is_cached: whether the kernel may keep what it has in its cache.
    """

    number: int
    is_direct: bool
    is_cached: bool


class Operations:
    """What the kernel can ask for, as libfuse names it.

    What is not here is answered "not implemented", and the kernel stops asking: extended attributes, which
    it would look for before every write, and flush, which comes whenever some process closes its copy of a
    descriptor and means nothing.
    """

    def __init__(self, store: EventStore, settings: Settings, on_up: Callable[[], None]) -> None:
        self._store = store
        self._settings = settings
        self._on_up = on_up
        self._mounted_ns = time.time_ns()
        self._tree = Tree(store, settings.event_size_max)
        self._handles = HandleTable()
        self._cached = _CachedVersions()

    def init(self, _path: str) -> None:
        """It is mounted."""
        # What the store has loaded stays. Looking through it for garbage again and again, as it grows and whenever
        # a large directory is listed, would keep everybody waiting.
        gc.freeze()
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

    def getattr(self, path: str) -> Stat:
        """Tell the attributes of what is at a path."""
        mode, size, newest = self._tree.resolve(path).attributes()
        # Nobody's permission to follow a link is ever looked at, and all of them have the same.
        umask = 0 if stat.S_ISLNK(mode) else self._settings.umask
        changed_ns = min(int(newest * 10**9), _MTIME_MAX_NS) or self._mounted_ns
        return Stat(mode & ~umask, self._settings.uid, self._settings.gid, size, changed_ns)

    def readlink(self, path: str) -> str:
        """Tell where a symbolic link leads."""
        node = self._tree.resolve(path)
        if not isinstance(node, Link):
            raise NotPermitted(f"no symbolic link: {path!r}")
        return node.target

    def readdir(self, path: str) -> Iterable[Entries]:
        """List a directory, with types, so that find(1) need not look at each entry."""
        node = self._tree.resolve(path)
        if not isinstance(node, Directory):
            raise NotPermitted(f"no directory: {path!r}")
        return chain([Entries((".", ".."), Directory.MODE)], node.entries())

    def mkdir(self, path: str, _mode: int) -> None:
        """Declare a tag."""
        self._tree.make_directory(path)

    def open(self, path: str, flags: int) -> Opened:
        """Open a file; the flags are those of the system call."""
        handle = self._tree.open(path, flags & os.O_ACCMODE != os.O_RDONLY)
        # What O_SYNC asks for is more than O_DSYNC does; here both are the same.
        handle.syncs_writes = self._settings.syncs_writes or bool(flags & os.O_DSYNC)
        # What grows goes past the kernel's cache: every read sees all there is.
        grows = handle.version is None
        is_cached = not grows and self._cached.has(path, handle.version)
        return Opened(self._handles.add(handle), grows, is_cached)

    def read(self, number: int, size: int, offset: int) -> bytes:
        """Read from an open file."""
        return self._handles[number].read(offset, size)

    def write(self, number: int, data: bytes, process_id: int) -> int:
        """Append to an open file what a process wrote."""
        return self._handles[number].write(data, process_id)

    def fsync(self, _path: str, _datasync: int, number: int) -> None:
        """Make what was written to an open file last."""
        self._handles[number].sync()

    def release(self, number: int) -> None:
        """Close a file; the last descriptor for it is gone."""
        handle = self._handles.remove(number)
        try:
            handle.release()
        finally:
            handle.on_release()

    def truncate(self, path: str, _length: int, _file: Any = None) -> None:
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

    def create(self, path: str, _mode: int, _file: Any = None) -> None:
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

"""Operations: the requests of the kernel. Knows the tree, and no FUSE binding."""

import gc
import logging
import os
import posixpath
import time
from collections.abc import Callable, Hashable, Iterable
from functools import partial
from itertools import chain
from typing import Any, NamedTuple

from store import (
    Batch,
    EventReadException,
    EventStore,
    EventStoreException,
    Minutes,
)
from theiafs import __version__
from theiafs.aliases import Aliases
from theiafs.config import Settings
from theiafs.doors import Doors
from theiafs.errorlog import ErrorLog
from theiafs.errors import FilesystemError, InvalidName, NotFound, NotPermitted
from theiafs.growth import Growth
from theiafs.handles import HandleTable
from theiafs.names import NAME_SIZE_MAX
from theiafs.nodes import Attributes, Directory, Entries, ErrorsFile, IngestFile, Link
from theiafs.paths import NodeKind
from theiafs.permissions import Permissions
from theiafs.processes import process_group_of, process_of
from theiafs.recent import Recent
from theiafs.rendering.times import time_text
from theiafs.stats import NS_PER_TICK, Owner, Stat, Stats, stat_of, stats_of
from theiafs.tree import Tree
from theiafs.viewlinks import is_view

__all__ = ["Opened", "Operations"]

_CACHED_VERSIONS_MAX = 1 << 16
_SHOWN_FOR_S = 0.5
"""How long the new name of a renamed ingest file is shown, in seconds, for those that were just opening it. The kernel shows it
for one second more."""
_RENAME_NOREPLACE = 1
_HIDDEN = ".fuse_hidden"
"""Begins the names that libfuse gives files that are removed while they are open."""
_WRITTEN_IN = frozenset({NodeKind.BY_TAG, NodeKind.BY_SOURCE, NodeKind.BY_ID})
"""The directories in which bytes that are not UTF-8 have another spelling."""
_MADE_ADVICE = (
    "append to ingest, or make a directory in by-tag or by-source, or a symbolic link in views"
)
_ERRORS_STATE = "errors"

log = logging.getLogger(__name__)


class Opened(NamedTuple):
    """A file that was opened.

    Attributes:
        number: the number of its handle.
        is_direct: whether reads bypass the kernel's cache.
        is_cached: whether the kernel may keep the bytes that it has in its cache.
    """

    number: int
    is_direct: bool
    is_cached: bool


class Operations:
    """The requests of the kernel, as libfuse names them.

    Every other request is answered "not implemented", and the kernel stops asking: extended attributes, which
    it would request before every write, and flush, which comes whenever a process closes its copy of a
    descriptor and means nothing.

    Args:
        store: the store that is shown.
        settings: how it is mounted.
        on_up: is called as soon as it is mounted.
        transport: the binding and the libfuse that it goes through.
    """

    def __init__(
        self,
        store: EventStore,
        settings: Settings,
        on_up: Callable[[], None],
        transport: str = "none",
    ) -> None:
        self._store = store
        self._settings = settings
        self._on_up = on_up
        self._transport = transport
        self._mounted_ns = time.time_ns()
        self._errors = _make_error_log(store)
        self._doors = Doors(settings.event_size_max, settings.zone, settings.keys, store.tags)
        self._tree = Tree(
            store,
            self._doors,
            self._errors,
            self._status,
            save=self._save,
            zone=settings.zone,
            can_remove=settings.can_remove,
        )
        self._permissions = Permissions(settings)
        self._owner = Owner(settings.uid, settings.gid)
        self._handles = HandleTable()
        # The process groups that have files open to append to, by the numbers of these.
        self._appenders: dict[int, int] = {}
        # The versions of files that the kernel has in its cache.
        self._cached: Recent[str, Hashable] = Recent(_CACHED_VERSIONS_MAX)
        # Paths that ingest files were renamed to. They do not exist, but the kernel caches them for a second, and programs that
        # rotate several times a second remove them, or rename them again, while others have them open.
        self._aliases = Aliases()
        # The attributes of files that were removed while they were open, by the paths that libfuse gives them until they are
        # closed: it renames them, and removes that name at last.
        self._hidden: dict[str, Stat] = {}
        self._growth: Growth | None = None

    def note_piece_sizes(self, sizes: range) -> None:
        """Note that the kernel passes large writes on in pieces of *sizes*, in bytes, and a last one."""
        self._doors.piece_sizes = sizes

    def note_invalidation(self, invalidate: Callable[[str], object]) -> None:
        """Note that *invalidate* makes the kernel ask again for the attributes of a path."""
        if self._settings.attr_timeout_s:
            self._growth = Growth(invalidate, self._settings.attr_timeout_s)

    def init(self, _path: str) -> None:
        """Note that the filesystem is mounted."""
        # Garbage collections that traverse the whole store, as it grows and whenever a large directory is listed,
        # would stop every request.
        gc.freeze()
        self._on_up()

    def destroy(self, _path: str) -> None:
        """End the partial lines of files still open, and keep the last errors: the filesystem is unmounted."""
        growth, self._growth = self._growth, None
        if growth is not None:
            growth.close()
        self._handles.release_all()
        self._errors.close()

    def why_undecodable(self, path: bytes, *, is_new: bool = False) -> FilesystemError:
        """Return why nothing is, or can be, at *path*, which is not UTF-8.

        Args:
            path: the path, or the target of a link.
            is_new: whether it is to be made. Otherwise what it should be the name of is written in another way, or there is nothing.
        """
        text = path.decode("utf-8", "surrogateescape")
        if is_new:
            return InvalidName(f"not in UTF-8: {text!r}; give a name that is")
        if posixpath.basename(posixpath.dirname(text)) in _WRITTEN_IN:
            try:
                self._tree.resolve(text)
            except FilesystemError as error:
                return error
        return NotFound(f"no such file: {text!r}")

    def note_refusal(self, operation: str, path: bytes, thread_id: int, error: Exception) -> None:
        """Note in the error log that a request was refused.

        Args:
            operation: the request.
            path: the path that it was for.
            thread_id: the thread that made it.
            error: says why.
        """
        self._errors.add(process_of(thread_id), operation, path, error)
        if self._growth is not None:
            self._growth.note_changed(ErrorsFile.grows_with)

    def _status(self) -> dict[str, int | str]:
        return {
            "version": __version__,
            "process": os.getpid(),
            "mounted_since": time_text(self._mounted_ns // NS_PER_TICK).decode(),
            "fuse": self._transport,
            "options": self._settings.options,
            "time_zone": str(self._settings.zone),
            "open_files": len(self._handles),
            "errors": self._errors.errors,
            "errors_only_counted": self._errors.only_counted,
        }

    def statfs(self, _path: str) -> dict[str, int]:
        """Return the usage of the file system under the store."""
        usage = self._store.usage()
        if usage is None:
            return {"f_namemax": NAME_SIZE_MAX}
        found = {
            "f_bsize": usage.block_size,
            "f_frsize": usage.block_size,
            "f_blocks": usage.blocks,
            "f_bfree": usage.blocks_free,
            "f_bavail": usage.blocks_available,
            "f_namemax": NAME_SIZE_MAX,
        }
        if usage.inodes is not None:
            found["f_files"] = usage.inodes.files
            found["f_ffree"] = usage.inodes.files_free
            found["f_favail"] = usage.inodes.files_available
        return found

    def getattr(self, path: str, number: int | None = None) -> Stat:
        """Return the attributes of the node at *path*; *number* is that of its handle, if the kernel says one."""
        hidden = self._hidden.get(path)
        if hidden is not None:
            return hidden
        try:
            found = self._attributes(path)
        except (NotFound, InvalidName):
            is_shown = number is not None or self._aliases.age_s(path) < _SHOWN_FOR_S
            target = self._aliases.target(path)
            if target == path or not is_shown:
                raise
            return self.getattr(target)
        permissions = self._permissions.of(path, found.mode)
        return stat_of(path, found, permissions, self._owner)

    def _attributes(self, path: str) -> Attributes:
        node, growth = self._tree.resolve(path), self._growth
        if growth is None or node.grows_with is None:
            return node.attributes()
        growth.note(path, node.grows_with)
        found = node.attributes()
        growth.note(path, node.grows_with)
        return found

    def _save(self, batch: Batch) -> None:
        """Save *batch*; what was shown of files that grow by it is out of date."""
        try:
            self._store.save_batch(batch)
        finally:
            if self._growth is not None and batch.ticks:
                self._growth.note_saved(batch.ticks)

    def readlink(self, path: str) -> str:
        """Return the target of the symbolic link at *path*."""
        node = self._tree.resolve(path)
        if not isinstance(node, Link):
            raise NotPermitted(f"no symbolic link: {path!r}; read it as what it is")
        return node.target

    def readdir(self, path: str) -> Iterable[Entries]:
        """List the directory at *path*, with types, so that find(1) need not stat each entry."""
        node = self._tree.resolve(path)
        if not isinstance(node, Directory):
            raise NotPermitted(f"no directory: {path!r}; list the one that it is in")
        return chain([Entries((".", ".."), Directory.MODE)], node.entries())

    def listed_stats(self, path: str, entries: Entries, first: int, last: int) -> Stats | None:
        """Return the attributes of some of *entries* of the directory at *path*, from the place *first* to before *last*.

        Returns:
            As :meth:`getattr` says of them now; None where they are to be asked for one by one: those of all but minutes.
        """
        minutes = entries.names
        if not isinstance(minutes, Minutes):
            return None
        names = minutes[first:last]
        if self._growth is not None:
            self._growth.note_minutes(path, names)
        try:
            spans = minutes.spans(first, last)
        except EventReadException:  # which says the one that cannot be read, when it is asked for
            return None
        if self._growth is not None:
            self._growth.note_minutes(path, names)
        # The size of a file that is open may be that of another moment.
        are_known = [not self._tree.has_open(f"{path}/{name}") for name in names]
        return stats_of(spans, are_known, self._permissions.of(path, entries.mode), self._owner)

    def mkdir(self, path: str, _mode: int) -> None:
        """Declare the tag or the source whose directory is at *path*."""
        self._tree.make_directory(path)

    def open(self, path: str, flags: int, thread_id: int) -> Opened:
        """Open the file at *path* for the thread *thread_id*; *flags* are those of the system call."""
        to_write = flags & os.O_ACCMODE != os.O_RDONLY
        path = self._without_alias(path)
        handle = self._tree.open(path, to_write)
        # O_SYNC includes O_DSYNC; here both mean the same.
        handle.syncs_writes = self._settings.syncs_writes or bool(flags & os.O_DSYNC)
        # A list, because others may be opened and closed meanwhile.
        appenders = list(self._appenders.values())
        if not to_write and appenders and process_group_of(thread_id) in appenders:
            # What it reads may be what it appends. In the kernel's cache, that would have no end.
            handle.version = None
        # Reads of a file that grows bypass the kernel's cache, which would keep the end of it as it was.
        grows = handle.version is None
        is_cached = not grows and self._cached.put(path, handle.version) == handle.version
        number = self._handles.add(handle)
        if to_write:
            self._appenders[number] = process_group_of(thread_id)
        return Opened(number, grows, is_cached)

    def read(self, number: int, size: int, offset: int) -> bytes:
        """Read *size* bytes at *offset* of the open file *number*."""
        return self._handles[number].read(offset, size)

    def write(self, number: int, data: bytes, thread_id: int) -> int:
        """Append *data*, which the thread *thread_id* wrote, to the open file *number*."""
        return self._handles[number].write(data, thread_id)

    def fsync(self, _path: str, _datasync: int, number: int) -> None:
        """Make everything written to the open file *number* durable."""
        self._handles[number].sync()

    def release(self, number: int) -> None:
        """Close the file *number*, whose last descriptor was closed."""
        self._appenders.pop(number, None)
        self._handles.remove(number).release()

    def truncate(self, path: str, _length: int, _file: Any = None) -> None:
        """Do nothing to an ingest file: ``>`` means the same as ``>>`` there."""
        self._check_ingest(path)

    def fallocate(self, path: str) -> None:
        """Do nothing to an ingest file."""
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
        raise NotPermitted(f"files cannot be made here: {path!r}; {_MADE_ADVICE}")

    def mknod(self, path: str, _mode: int, _device: int) -> None:
        """Refuse."""
        raise NotPermitted(f"files cannot be made here: {path!r}; {_MADE_ADVICE}")

    def symlink(self, path: str, target: str) -> None:
        """Save the view at *path*: a link to *target*."""
        self._tree.make_view(path, target)

    def link(self, path: str, _target: str) -> None:
        """Refuse."""
        raise NotPermitted(
            f"hard links cannot be made here: {path!r}; make a symbolic link in views (ln -s)"
        )

    def unlink(self, path: str) -> None:
        """Remove a view, a minute or an event; do nothing to an ingest file, which stays: log writers that rotate remove it."""
        if is_view(path):
            self._tree.remove_view(path)
        elif path in self._hidden:
            del self._hidden[path]
        elif not self._is_ingest(path):
            self._remove(path)

    def _remove(self, path: str) -> None:
        """Remove what is at *path*; what was shown of all files that had it is out of date."""
        try:
            self._tree.remove(path)
        finally:
            if self._growth is not None:
                self._growth.note_removed()

    def rmdir(self, path: str) -> None:
        """Take back that the tag or the source whose directory is at *path* is declared."""
        self._tree.remove_directory(path)

    def rename(self, old: str, new: str, flags: int = 0) -> None:
        """Rename a view; do nothing to an ingest file, which keeps its name: log writers that rotate rename it.

        libfuse renames a file that is removed while it is open. That removes it.

        Args:
            old: the path it has.
            new: the path it gets.
            flags: those of renameat2(2).

        Raises:
            InvalidName: if the flags ask for more than not to replace anything.
        """
        if flags & ~_RENAME_NOREPLACE:
            raise InvalidName(
                f"files cannot be exchanged: {old!r} and {new!r}; rename one after the other"
            )
        if is_view(old) or is_view(new):
            self._tree.rename_view(old, new, replaces=not flags)
            return
        if not self._is_ingest(old):
            if not posixpath.basename(new).startswith(_HIDDEN):
                raise NotPermitted(
                    f"cannot be renamed: {old!r}; only views can (mv views/OLD views/NEW)"
                )
            attributes = self.getattr(old)
            self._remove(old)
            self._hidden[new] = attributes
            return
        if posixpath.basename(new).startswith(_HIDDEN):
            self._hidden[new] = self.getattr(self._without_alias(old))
        elif self._is_there(new):
            raise NotPermitted(f"cannot be replaced: {new!r}; give another name")
        self._aliases.add(new, old)

    def _without_alias(self, path: str) -> str:
        """Return the path of the ingest file that was renamed to *path*; *path* itself if none was, or something is there."""
        target = self._aliases.target(path)
        return path if target == path or self._is_there(path) else target

    def _is_there(self, path: str) -> bool:
        try:
            self._tree.resolve(path).attributes()
        except (NotFound, InvalidName):
            return False
        return True

    def _is_ingest(self, path: str) -> bool:
        return isinstance(self._tree.resolve(self._without_alias(path)), IngestFile)

    def _check_ingest(self, path: str) -> None:
        if not self._is_ingest(path):
            raise NotPermitted(
                f"cannot be changed: {path!r}; mount with -o uid=, gid=, umask= for another owner and other permissions"
            )


def _make_error_log(store: EventStore) -> ErrorLog:
    """Make the error log of a mount of *store*, where it is kept if that can be written."""
    if not store.is_writable:
        return ErrorLog()
    try:
        kept = store.read_state(_ERRORS_STATE)
    except EventStoreException as error:
        log.warning("the errors before this mount are not shown: %s", error)
        kept = b""
    return ErrorLog(kept, partial(store.write_state, _ERRORS_STATE))

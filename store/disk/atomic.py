"""Atomic replacement of files: at any instant either the old or the new one is there whole."""

import contextlib
import logging
import os
from collections.abc import Iterable

from store.disk.disk import Disk
from store.disk.file import FileStat, ReadableFile
from store.errors import (
    EventReadException,
    EventStoreException,
    EventWriteException,
    FileChanged,
)

__all__ = ["Prepared", "prepare", "remove_known", "replace_file"]

log = logging.getLogger(__name__)


class Prepared:
    """A file that is written and durable under a temporary name, to be put in place or discarded.

    Args:
        disk: the disk it is on.
        path: the path it is for.
        temporary: the path it has.
        written: its FileStat.
        kept: the FileStat of the file it continues; None when there must be no file at *path*.
    """

    def __init__(
        self, disk: Disk, path: str, temporary: str, written: FileStat, kept: FileStat | None
    ) -> None:
        self._disk = disk
        self._path = path
        self.temporary = temporary
        self._written = written._replace(name=os.path.basename(path))
        self._kept = kept
        # Whether the temporary name is that of another program's file, which this one has displaced.
        self._has_displaced = False

    @property
    def inode(self) -> int:
        """The inode number that the file has already, and keeps when it is put in place."""
        return self._written.inode

    def commit(self) -> FileStat:
        """Do what :meth:`place` does, and discard the new file if that fails."""
        try:
            return self.place()
        except EventStoreException:
            self.discard()
            raise

    def place(self) -> FileStat:
        """Put the file in place of the one it continues, and of no other; the caller syncs the directory.

        Returns:
            The FileStat of the file in its place.

        Raises:
            FileChanged: if an external process removed or changed the file at the path; that stays as it is, and the
                new file has its temporary name still, to be discarded.
            EventWriteException: if anything else fails; the same.
        """
        if self._kept is None:
            self._disk.rename_noreplace(self.temporary, self._path)
        else:
            self._exchange(self._kept)
        found = None
        with contextlib.suppress(EventReadException):
            found = self._disk.stat(self._path)
        # Renaming changed its ctime: without it, and in place of another file, this shows as a change by others.
        return found if found is not None and found.inode == self.inode else self._written

    def discard(self) -> None:
        """Remove the temporary file, or put it back; a failure leaves it to the next opening of the store."""
        with contextlib.suppress(EventStoreException):
            if not self._put_back():
                self._disk.remove(self.temporary)

    def empty(self) -> None:
        """Free the room that the temporary file takes, which keeps its name and its inode number."""
        with contextlib.suppress(EventStoreException):
            if not self._put_back() and not self._is_placed():  # it has one name only
                self._disk.create(self.temporary).close()

    def _is_placed(self) -> bool:
        there = self._disk.stat(self._path)
        return there is not None and there.inode == self.inode

    def _put_back(self) -> bool:
        """Put back the file of another program that this one has displaced; return whether there is one."""
        has_displaced = self._has_displaced and self._is_placed()
        if has_displaced:
            self._disk.rename(self.temporary, self._path)
        return has_displaced

    def _exchange(self, kept: FileStat) -> None:
        self._check(kept, self._path)
        if not self._disk.exchange(self.temporary, self._path):
            # An external change between the check and this is overwritten: that file system offers no better.
            self._disk.rename(self.temporary, self._path)
            return
        try:
            self._check(kept, self.temporary)
        except EventStoreException as error:
            try:
                self._disk.exchange(self.temporary, self._path)
            except FileChanged:
                # There is nothing to exchange with: the new file was in place, and was removed.
                log.warning("%s; then it was removed", error)
            except EventWriteException as failure:
                self._has_displaced = True
                raise error from failure
            else:
                raise
        self.discard()

    def _check(self, kept: FileStat, path: str) -> None:
        """Raise FileChanged unless the file at *path* is *kept*."""
        found = self._disk.stat(path)
        if found is None or not _is_same(found, kept):
            raise FileChanged(f"{self._path} was changed by another program")


def prepare(
    disk: Disk,
    path: str,
    chunks: Iterable[bytes],
    kept: tuple[ReadableFile, FileStat] | None = None,
    kept_size: int = 0,
) -> Prepared:
    """Write a new file for *path* under a hidden name in the same directory, and make it durable.

    Args:
        disk: the disk it is on.
        path: the path of the file to replace or create.
        chunks: the content of the new file, after what it keeps.
        kept: the file at *path*, the start of which the new one keeps, and its FileStat when its bytes were known; None when
            there is none.
        kept_size: the size in bytes of that start.

    Raises:
        StoreFull: if there is no room.
        EventStoreException: if anything else fails; nothing has changed then.
    """
    file, known = (None, None) if kept is None else kept
    temporary, written = _write_temporary(disk, path, chunks, file, kept_size)
    return Prepared(disk, path, temporary, written, known)


def remove_known(disk: Disk, path: str, known: FileStat) -> None:
    """Remove the file at *path*, if it is still as it was when it had the FileStat *known*; the caller syncs the directory.

    Raises:
        FileChanged: if another program removed or changed it; what is there stays.
        EventStoreException: if anything else fails; the same.
    """
    temporary = _temporary(path)
    disk.rename(path, temporary)
    try:
        found = disk.stat(temporary)
        if found is None or not _is_same(found, known):
            raise FileChanged(f"{path} was changed by another program")
        disk.remove(temporary)
    except EventStoreException:
        disk.rename_noreplace(temporary, path)
        raise


def _is_same(found: FileStat, known: FileStat) -> bool:
    """Return whether a file was not changed between *known* and *found*; renaming changes nothing but its ctime."""
    return found[1:3] == known[1:3] and found.inode == known.inode


def _temporary(path: str) -> str:
    directory, name = os.path.split(path)
    return os.path.join(directory, f".{name}.tmp")


def replace_file(
    disk: Disk,
    path: str,
    chunks: Iterable[bytes],
    kept: ReadableFile | None = None,
    kept_size: int = 0,
) -> None:
    """Replace or create the file at *path*, durably, whatever file is there.

    Args:
        disk: the disk it is on.
        path: the path of the file.
        chunks: the content of the new file, after what it keeps.
        kept: a file the start of which the new one keeps, with its permissions.
        kept_size: the size in bytes of that start.

    Raises:
        StoreFull: if there is no room.
        EventStoreException: if anything else fails; the old file is still there then, or (if only its
            directory could not be synced) the new one.
    """
    temporary, _ = _write_temporary(disk, path, chunks, kept, kept_size)
    try:
        disk.rename(temporary, path)
    except EventStoreException:
        with contextlib.suppress(EventWriteException):
            disk.remove(temporary)
        raise
    disk.sync_directory(os.path.dirname(path))


def _write_temporary(
    disk: Disk, path: str, chunks: Iterable[bytes], kept: ReadableFile | None, kept_size: int
) -> tuple[str, FileStat]:
    temporary = _temporary(path)
    try:
        with disk.create(temporary) as file:
            if kept is not None:
                file.copy(kept, kept_size)
            for chunk in chunks:
                file.write(chunk)
            file.set_modified()
            file.sync()
            return temporary, file.stat()
    except EventStoreException:
        # On a full disk the unfinished file would make every other write fail.
        with contextlib.suppress(EventWriteException):
            disk.remove(temporary)
        raise

"""Backups: copies of stores that may be in use, into directories that are stores at any instant."""

import contextlib
import math
import os
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from store.checksum import crc32
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.engine.backup_mark import BackupMark
from store.engine.declared import Declared
from store.engine.location import check_location, check_there
from store.engine.naive import NaiveEventStore
from store.engine.saved_views import SavedViews
from store.errors import EventReadException, EventStoreException, EventWriteException, FileChanged
from store.filenames import (
    declared_sources_path,
    declared_tags_path,
    hidden_path,
    journal_path,
    lock_path,
    quarantine_path,
    states_path,
    views_path,
)
from store.format.scan import split_records
from store.minutes.names import parse_name
from store.progress import Progress, show_nothing
from store.wal.recovery import is_left_over
from store.wal.segment import list_segments
from store.wal.unflushed import UnflushedRecords

__all__ = ["Backup"]

_COPIED_AT_ONCE = 64
"""Files that get their names with one fsync of their directory."""

_TRIES = 3
"""Maximum number of attempts to read a file that another program changes in place."""


class _Copied(NamedTuple):
    """A copy that is durable, but has no name yet.

    Attributes:
        path: the path that it gets.
        temporary: the path that it has.
        size: its size in bytes.
    """

    path: str
    temporary: str
    size: int


class Backup:
    """A backup of a store into another directory, which has every event that was saved before it began, once.

    What is only in the log of the store becomes a part of the minute files of the backup, which has no log. Its files and
    directories have the permissions of the store's and, as far as this process may set them, their owners. Each minute file is
    replaced atomically; those that have the size and the mtime of the store's are not copied again. Minutes that the store has
    no more stay in the backup, as do saved views and declared names, unless *deletes*.

    Attributes:
        copied: how many minute files were copied.
        copied_size: their size in bytes.
        unchanged: how many were there already.
        removed: how many were removed from the backup.

    Args:
        root_dir: the directory of the store; any process may be writing it.
        target_dir: the directory of the backup: an earlier one of this store, an empty directory, or one to be made.
        deletes: whether to remove from the backup what the store has no more.
        verifies: whether to compare files that are there already byte by byte, too.
        disk: the disk they are on.
    """

    def __init__(
        self,
        root_dir: str,
        target_dir: str,
        deletes: bool = False,
        verifies: bool = False,
        disk: Disk | None = None,
    ) -> None:
        self._root_dir = os.path.realpath(root_dir)
        self._target_dir = os.path.realpath(target_dir)
        self._deletes = deletes
        self._verifies = verifies
        self._disk = disk or Disk()
        self.copied = self.copied_size = self.unchanged = self.removed = 0

    def run(self, progress: Progress = show_nothing) -> Iterator[EventStoreException]:
        """Make the backup; yield what could not be copied, which stays as it was in the backup.

        Args:
            progress: called with the number of files that are done, and of all.

        Raises:
            StoreLocked: if another process has the backup open to write.
            EventStoreException: if there is no store, the target is something else, or it cannot be written.
        """
        check_location(self._disk, self._root_dir)
        self._check_source()
        check_location(self._disk, self._target_dir)
        BackupMark(self._disk, self._target_dir).claim(self._root_dir)
        self._disk.make_directory_like(self._target_dir, self._root_dir)
        self._disk.make_directory_like(hidden_path(self._target_dir), hidden_path(self._root_dir))
        if list_segments(self._disk, journal_path(self._target_dir)):
            # It was open as a store: from here on, it has no log.
            NaiveEventStore(self._target_dir, math.inf, self._disk).close()
        lock = self._disk.lock_store(self._target_dir, lock_path(self._target_dir))
        with contextlib.closing(lock):
            self._clean_target()
            yield from self._copy_everything(progress)
            # It is this process's, and not the store's: the owner of that could not lock what is restored.
            self._disk.remove(lock_path(self._target_dir))

    def _copy_everything(self, progress: Progress) -> Iterator[EventStoreException]:
        # The log first: an event that is flushed after that is in both, one that was flushed before is in its file.
        journal = journal_path(self._root_dir)
        with UnflushedRecords(self._disk, self._root_dir, journal, split_records) as records:
            listed = self._list_minutes(self._root_dir)
            minutes = sorted({*listed, *records.minutes}, key=lambda name: parse_name(name) or ())
            for first in range(0, len(minutes), _COPIED_AT_ONCE):
                batch = minutes[first : first + _COPIED_AT_ONCE]
                yield from self._copy_batch(self._root_dir, self._target_dir, batch, records)
                progress(first + len(batch), len(minutes))
        for path_of in (quarantine_path, states_path):
            yield from self._copy_files(path_of(self._root_dir), path_of(self._target_dir))
        self._copy_names()
        if self._deletes:
            self._remove_others(set(minutes))

    # The two directories

    def _check_source(self) -> None:
        check_there(self._disk, self._root_dir)
        if os.path.commonpath([self._root_dir, self._target_dir]) in (
            self._root_dir,
            self._target_dir,
        ):
            raise EventWriteException(
                f"{self._target_dir} and the store {self._root_dir} are not apart: give another directory for the backup"
            )

    def _clean_target(self) -> None:
        """Remove the temporary files of a backup that was killed."""
        for name in list(self._disk.list_names(self._target_dir)):
            if is_left_over(name, is_log=False):
                self._disk.remove(os.path.join(self._target_dir, name))

    def _list_minutes(self, directory: str) -> list[str]:
        return [each for each in self._disk.list_names(directory) if parse_name(each) is not None]

    # Files

    def _copy_batch(
        self,
        source: str,
        target: str,
        names: Iterable[str],
        records: UnflushedRecords | None = None,
    ) -> Iterator[EventStoreException]:
        """Copy the files *names* from *source* to *target*, each with the *records* that it lacks.

        Yields:
            The errors of files that could not be copied.
        """
        copied: list[_Copied] = []
        try:
            for name in names:
                paths = os.path.join(source, name), os.path.join(target, name)
                is_growing = records is not None and name in records.minutes
                try:
                    if not is_growing and self._is_there(*paths):
                        self.unchanged += records is not None
                        continue
                    copied.append(self._copy(*paths, records if is_growing else None))
                except (EventReadException, FileChanged) as error:
                    # Minutes may be removed at any time.
                    if is_growing or self._disk.exists(paths[0]):
                        yield error
            while copied:
                self._disk.rename(copied[-1].temporary, copied[-1].path)
                if records is not None:
                    self.copied += 1
                    self.copied_size += copied[-1].size
                copied.pop()
        finally:
            for each in copied:
                with contextlib.suppress(EventWriteException):
                    self._disk.remove(each.temporary)
        self._disk.sync_directory(target)

    def _is_there(self, source: str, target: str) -> bool:
        """Return whether the file *target* is a copy of *source*.

        Raises:
            EventReadException: if it seems so, but their bytes are compared, and differ.
        """
        wanted, there = self._disk.stat(source), self._disk.stat(target)
        if wanted is None or there is None or wanted[1:3] != there[1:3]:
            return False
        if self._verifies:
            with self._disk.open_to_read(source) as first, self._disk.open_to_read(target) as other:
                if first.checksum(wanted.size) != other.checksum(there.size):
                    raise EventReadException(
                        f"{target} differs from {source}, but not in size and time: one of them is damaged;"
                        " if it is the backup, remove the file there, and it is copied again"
                    )
        return True

    def _copy(self, source: str, target: str, records: UnflushedRecords | None) -> _Copied:
        """Copy the file *source*, with the *records* that it lacks, for the path *target*.

        Raises:
            FileChanged: if another program changes it all the time.
            EventReadException: if it cannot be read, or what was written cannot be read again.
            EventWriteException: if it cannot be written.
        """
        directory, name = os.path.split(target)
        temporary = os.path.join(directory, f".{name}.tmp")
        try:
            for _ in range(_TRIES):
                size = self._write(source, temporary, records)
                if size is not None:
                    return _Copied(target, temporary, size)
        except EventStoreException:
            with contextlib.suppress(EventWriteException):
                self._disk.remove(temporary)
            raise
        self._disk.remove(temporary)
        raise FileChanged(f"{source} is changed by another program all the time: not copied")

    def _write(self, source: str, temporary: str, records: UnflushedRecords | None) -> int | None:
        """Write the file *temporary*; return its size, or None if *source* has changed meanwhile."""
        checksum = size = 0
        with contextlib.ExitStack() as opened:
            file: ReadableFile | None = None
            if records is None or self._disk.stat(source) is not None:
                file = opened.enter_context(self._disk.open_to_read(source))
            before = file.stat() if file is not None else None
            stored_size = before.size if before is not None else 0
            written = opened.enter_context(self._disk.create(temporary))
            name = os.path.basename(source)
            model = file
            if file is None and records is not None:
                model = records.segment_of(name)
            assert model is not None, "what is not in the log is in a file"
            written.copy(model, 0)  # its permissions, and its owner
            if file is not None:
                for chunk in file.chunks(0, stored_size):
                    written.write(chunk)
                    checksum, size = crc32(chunk, checksum), size + len(chunk)
            if records is not None:
                for chunk in records.missing(name, file, stored_size):
                    written.write(chunk)
                    checksum, size = crc32(chunk, checksum), size + len(chunk)
            is_complete = before is not None and size == stored_size
            written.set_modified(before.mtime_ns if before is not None and is_complete else None)
            written.sync()
            if file is not None and before is not None and file.stat()[1:3] != before[1:3]:
                return None
        self._verify(temporary, size, checksum)
        return size

    def _verify(self, path: str, size: int, checksum: int) -> None:
        """Check that the file at *path* has *size* bytes with this *checksum*.

        Raises:
            EventReadException: if not.
        """
        with self._disk.open_to_read(path) as written:
            written.drop_cache()
            if written.size() != size or written.checksum(size) != checksum:
                raise EventReadException(
                    f"{path} is not what was written to it: is the disk all right?"
                )

    def _copy_files(self, source: str, target: str) -> Iterator[EventStoreException]:
        """Copy the files in the directory *source* to *target*; yield the errors of those that could not be."""
        if self._disk.exists(source):
            self._disk.make_directory_like(target, source)
            yield from self._copy_batch(source, target, list(self._disk.list_names(source)))

    # The rest

    def _copy_names(self) -> None:
        """Copy the declared tags and sources, and the saved views."""
        for path_of in (declared_tags_path, declared_sources_path, views_path):
            self._copy_directories(path_of(self._root_dir), path_of(self._target_dir))
        both = self._target_dir, self._root_dir
        declared, wanted_declared = (Declared(self._disk, each) for each in both)
        views, wanted_views = (SavedViews(self._disk, each) for each in both)
        for each in (declared, wanted_declared, views, wanted_views):
            each.load()
        for tag in sorted(wanted_declared.tags.names()):
            declared.tags.add(tag)
        if self._deletes:
            for names, kept in (
                (declared.tags, wanted_declared.tags),
                (declared.sources, wanted_declared.sources),
            ):
                for name in sorted(names.names() - kept.names()):
                    names.remove(name)
        wanted = wanted_views.targets()
        for name, target in views.targets().items():
            if wanted.get(name, None if self._deletes else target) != target:
                views.remove(name)
        for name, target in wanted.items():
            if name not in views.targets():
                views.add(name, target)

    def _copy_directories(self, source: str, target: str) -> None:
        """Copy the directory *source*, if there is one, and the directories in it to *target*."""
        if self._disk.exists(source):
            self._disk.make_directory_like(target, source)
            for name in self._disk.list_directories(source):
                self._copy_directories(os.path.join(source, name), os.path.join(target, name))

    def _remove_others(self, names: set[str]) -> None:
        """Remove the minute files from the backup that are not among *names*."""
        for name in self._list_minutes(self._target_dir):
            if name not in names:
                self._disk.remove(os.path.join(self._target_dir, name))
                self.removed += 1
        self._disk.sync_directory(self._target_dir)

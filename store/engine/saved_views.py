"""Saved views: queries that users gave a name, as the targets of links.

Each is a symbolic link: saving one costs the same however many there are, and cleaners that delete old files spare it.
"""

import contextlib
import os
from collections.abc import Mapping

from store.disk.disk import Disk
from store.errors import (
    EventReadException,
    EventStoreException,
    EventWriteException,
    FileChanged,
    InvalidQuery,
    ViewExists,
    ViewNotFound,
)
from store.filenames import views_path
from store.locks import new_lock

__all__ = ["SavedViews"]


class SavedViews:
    """The saved views of a store. Any number of threads may use it.

    What another program does to the links shows at the next :meth:`load`.

    Args:
        disk: the disk the store is on.
        root_dir: the directory of the store.
    """

    def __init__(self, disk: Disk, root_dir: str) -> None:
        self._disk = disk
        self._directory = views_path(root_dir)
        self._lock = new_lock("views")
        # Replaced, never changed, so that readers need no lock.
        self._targets: Mapping[str, str] = {}

    def load(self) -> None:
        """Read all views; a link that cannot be text is none.

        Raises:
            EventReadException: if they cannot be read.
        """
        with self._lock:
            found = {}
            if self._disk.exists(self._directory):
                for name in self._disk.list_links(self._directory):
                    target = self._disk.read_link(self._path(name))
                    if target is not None and _is_text(name) and _is_text(target):
                        found[name] = target
            self._targets = found

    def targets(self) -> Mapping[str, str]:
        """Return the targets of all views, by name."""
        return self._targets

    def add(self, name: str, target: str) -> None:
        """Save *target* as the view *name*, durably.

        Raises:
            ViewExists: if there is one of that name.
            InvalidQuery: if no view can be called so.
            EventWriteException: if it could not be saved.
        """
        _check_name(name)
        with self._lock:
            self._disk.make_directory(self._directory)
            try:
                self._disk.make_link(self._path(name), target)
            except FileChanged as error:
                raise ViewExists(f"there is a view {name!r} already") from error
            try:
                self._disk.sync_directory(self._directory)
            except EventStoreException:
                with contextlib.suppress(EventStoreException):
                    self._disk.remove(self._path(name))
                raise
            self._targets = {**self._targets, name: target}

    def remove(self, name: str) -> None:
        """Remove the view *name*, durably.

        Raises:
            ViewNotFound: if there is none.
            EventWriteException: if that failed: it is still there, or may come back after a loss of power.
        """
        with self._lock:
            self._check(name)
            self._disk.remove(self._path(name))
            self._targets = {each: at for each, at in self._targets.items() if each != name}
            self._sync()

    def rename(self, old: str, new: str, *, replaces: bool) -> None:
        """Rename the view *old* to *new*, atomically and durably; with *replaces*, in place of any other.

        Raises:
            ViewNotFound: if there is no view *old*.
            ViewExists: if there is a view *new*, which is not to be replaced.
            InvalidQuery: if no view can be called so.
            EventWriteException: if that failed: it has the old name, or may have it again after a loss of power.
        """
        _check_name(new)
        with self._lock:
            target = self._check(old)
            if not replaces and new in self._targets:
                raise ViewExists(f"there is a view {new!r} already")
            self._restore()
            self._disk.rename(self._path(old), self._path(new))
            others = {each: at for each, at in self._targets.items() if each != old}
            self._targets = {**others, new: target}
            self._sync()

    def restore(self) -> None:
        """Save all views again if another program removed their directory.

        Raises:
            EventWriteException: if that failed.
        """
        with self._lock:
            self._restore()

    def _restore(self) -> None:
        if not self._targets or self._is_there():
            return
        self._disk.make_directory(self._directory)
        for name, target in self._targets.items():
            with contextlib.suppress(FileChanged):  # it is there again
                self._disk.make_link(self._path(name), target)
        self._disk.sync_directory(self._directory)

    def _check(self, name: str) -> str:
        """Return the target of the view *name*.

        Raises:
            ViewNotFound: if there is none.
        """
        target = self._targets.get(name)
        if target is None:
            raise ViewNotFound(f"there is no view {name!r}")
        return target

    def _sync(self) -> None:
        # Without its directory, which another program may have removed, there is nothing to make durable.
        if self._is_there():
            self._disk.sync_directory(self._directory)

    def _is_there(self) -> bool:
        try:
            return self._disk.exists(self._directory)
        except EventReadException as error:
            raise EventWriteException(str(error)) from error

    def _path(self, name: str) -> str:
        return os.path.join(self._directory, name)


def _check_name(name: str) -> None:
    """Check that a view can be called *name*: as any file.

    Raises:
        InvalidQuery: if it cannot.
    """
    if name in ("", ".", "..") or "/" in name or "\0" in name or not _is_text(name):
        raise InvalidQuery(f"a view cannot be called {name!r}")


def _is_text(text: str) -> bool:
    """Return whether *text* is valid UTF-8."""
    return not any("\ud800" <= character <= "\udfff" for character in text)

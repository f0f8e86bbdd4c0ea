"""The base of both stores on a directory of minute files: reading."""

import os
from abc import abstractmethod
from collections.abc import Iterator, Mapping

import numpy as np
from numpy.typing import NDArray

from store.api import EventStore
from store.disk.atomic import replace_file
from store.disk.disk import Disk
from store.engine.backup_mark import BackupMark
from store.engine.cursors import changes_since
from store.engine.declared import Declared
from store.engine.links import check_links
from store.engine.location import check_location
from store.engine.reading import Reader
from store.engine.saved_views import SavedViews
from store.engine.settling import Settling
from store.engine.state import State
from store.engine.watcher import Watcher
from store.errors import InvalidEvent, NameInUse
from store.filenames import lock_path, state_path
from store.format.event import Event
from store.format.faults import line_fault, tag_fault
from store.matching.search import compile_search
from store.query import DiskUsage, Query, Span, Stream
from store.snapshot import Answer, Changes, Minutes, Snapshot
from store.view import View

__all__ = ["FileStore"]


class FileStore(EventStore):
    """A store on a directory of minute files. Its reader answers all queries.

    Args:
        root_dir: the directory.
        disk: the disk it is on.
    """

    _reader: Reader
    _settling: Settling
    _state: State
    _watcher: Watcher

    def __init__(self, root_dir: str, disk: Disk) -> None:
        self.root_dir = os.path.abspath(root_dir)
        self._disk = disk
        check_location(disk, self.root_dir)
        self._declared = Declared(disk, self.root_dir)
        self._views = SavedViews(disk, self.root_dir)
        self._backup_mark = BackupMark(disk, self.root_dir)

    def _load_names(self) -> None:
        """Load the declared names and the saved views, as they are now."""
        self._declared.load()
        self._views.load()

    @abstractmethod
    def _check_open(self) -> None:
        """Check that the store can be written.

        Raises:
            EventWriteException: if it cannot.
        """

    def search(
        self,
        ts_start: float,
        ts_end: float | None = None,
        flags: list[str] | None = None,
        match: str | None = None,
        order: str = "asc",
    ) -> Iterator[Event]:
        """See :meth:`EventStore.search`."""
        search = compile_search(ts_start, ts_end, flags, match, order)
        return search.filtered(self._reader.select(search.query, newest_first=search.newest_first))

    def select(self, query: Query) -> Iterator[Event]:
        """See :meth:`EventStore.select`."""
        return self._reader.select(query)

    def get(self, event_id: object) -> Event:
        """See :meth:`EventStore.get`."""
        return self._reader.get(event_id)

    def streams(self, query: Query) -> Iterator[Stream]:
        """See :meth:`EventStore.streams`."""
        return self._reader.streams(query)

    def tags(self, query: Query | None = None) -> frozenset[str]:
        """See :meth:`EventStore.tags`."""
        if query is None or query.asks_everything:
            return self._reader.tags() | self._declared.tags.names()
        return super().tags(query)

    def sources(self, query: Query | None = None) -> frozenset[str]:
        """See :meth:`EventStore.sources`."""
        if query is None or query.asks_everything:
            return self._reader.sources() | self._declared.sources.names()
        return super().sources(query)

    def has_tag(self, tag: str) -> bool:
        """See :meth:`EventStore.has_tag`."""
        return self._reader.has_tag(tag) or self._declared.tags.has(tag)

    def has_source(self, source: str) -> bool:
        """See :meth:`EventStore.has_source`."""
        return self._reader.has_source(source) or self._declared.sources.has(source)

    def records(self, query: Query) -> Iterator[tuple[bytes, NDArray[np.int64]]]:
        """See :meth:`EventStore.records`."""
        return self._reader.records(query)

    def levels(self, query: Query) -> dict[str, int]:
        """See :meth:`EventStore.levels`."""
        return self._reader.levels(query)

    def histogram(self, query: Query, width: int) -> dict[int, int]:
        """See :meth:`EventStore.histogram`."""
        return self._reader.histogram(query, width)

    def minutes(self, query: Query) -> Minutes:
        """See :meth:`EventStore.minutes`."""
        return self._reader.minutes(query)

    def snapshot(self, query: Query, view: View | None = None) -> Snapshot:
        """See :meth:`EventStore.snapshot`."""
        return self._reader.snapshot(query, view)

    def span(self, query: Query, minute: str, view: View | None = None) -> Span | None:
        """See :meth:`EventStore.span`."""
        return self._reader.span(query, minute, view)

    def whole(self, query: Query, view: View | None = None) -> Span:
        """See :meth:`EventStore.whole`."""
        return self._reader.whole(query, view)

    def answer(self, query: Query, minute: str | None = None, view: View | None = None) -> Answer:
        """See :meth:`EventStore.answer`."""
        return self._reader.answer(query, minute, view)

    def latest(self) -> str | None:
        """See :meth:`EventStore.latest`."""
        return self._reader.latest()

    def has_settled(self, span: Span, rest_s: float) -> bool:
        """See :meth:`EventStore.has_settled`."""
        return self._settling.has_settled(span.changed, rest_s)

    def follow(self, cursor: bytes = b"") -> Changes:
        """See :meth:`EventStore.follow`."""
        return changes_since(self._state.lookup, cursor)

    def _check_hidden(self) -> None:
        """Check that the store can be written, and that what is not in its minutes goes nowhere else.

        Raises:
            EventWriteException: if it cannot, or a symbolic link leads out of it.
        """
        self._check_open()
        check_links(self._disk, self.root_dir)

    def declare_tag(self, tag: str) -> None:
        """See :meth:`EventStore.declare_tag`; the tag survives a restart."""
        self._check_hidden()
        _check_name("tag", tag, tag_fault(tag))
        self._declared.tags.add(tag)

    def declare_source(self, source: str) -> None:
        """See :meth:`EventStore.declare_source`; the source survives a restart."""
        self._check_hidden()
        _check_name("source", source, line_fault(source))
        self._declared.sources.add(source)

    def undeclare_tag(self, tag: str) -> None:
        """See :meth:`EventStore.undeclare_tag`."""
        self._check_hidden()
        if self._reader.has_tag(tag):
            raise NameInUse(f"events have the tag {tag!r}")
        self._declared.tags.remove(tag)

    def undeclare_source(self, source: str) -> None:
        """See :meth:`EventStore.undeclare_source`."""
        self._check_hidden()
        if self._reader.has_source(source):
            raise NameInUse(f"events are from {source!r}")
        self._declared.sources.remove(source)

    def views(self) -> Mapping[str, str]:
        """See :meth:`EventStore.views`."""
        return self._views.targets()

    def save_view(self, name: str, target: str) -> None:
        """See :meth:`EventStore.save_view`."""
        self._check_hidden()
        self._views.add(name, target)

    def remove_view(self, name: str) -> None:
        """See :meth:`EventStore.remove_view`."""
        self._check_hidden()
        self._views.remove(name)

    def rename_view(self, old: str, new: str, *, replaces: bool = True) -> None:
        """See :meth:`EventStore.rename_view`."""
        self._check_hidden()
        self._views.rename(old, new, replaces=replaces)

    def read_state(self, name: str) -> bytes:
        """See :meth:`EventStore.read_state`."""
        path = state_path(self.root_dir, name)
        if self._disk.stat(path) is None:
            return b""
        with self._disk.open_to_read(path) as file:
            return file.read(0, file.size())

    def write_state(self, name: str, data: bytes) -> None:
        """See :meth:`EventStore.write_state`."""
        self._check_hidden()
        path = state_path(self.root_dir, name)
        self._disk.make_directory(os.path.dirname(path))
        replace_file(self._disk, path, [data])

    def status(self) -> Mapping[str, int | str]:
        """See :meth:`EventStore.status`."""
        usage = self.usage()
        return {
            "store": self.root_dir,
            "lock_holder": self._disk.lock_holder(self.root_dir, lock_path(self.root_dir)),
            **self._state.lookup.status(),
            "watch": self._watcher.status(),
            "disk_free_bytes": usage.block_size * usage.blocks_available,
        }

    def usage(self) -> DiskUsage:
        """See :meth:`EventStore.usage`."""
        return self._disk.usage(self.root_dir)


def _check_name(kind: str, name: str, fault: str) -> None:
    """Check that there is no *fault* of *name*, which is to be declared, of a *kind*.

    Raises:
        InvalidEvent: if there is one.
    """
    if fault:
        raise InvalidEvent(f"no event can have the {kind} {name!r}: it {fault}; give another one")

"""Test doubles: a store that is as simple as possible, a clock that stands still, a disk that counts, a lock, a copy of new tables."""

from collections.abc import Callable, Iterator

from store import Event, InvalidQuery, Query, ViewExists, ViewNotFound
from store.disk.disk import Disk
from store.disk.file import ReadableFile
from store.disk.lock import Lock
from store.index.tables import Tables
from store.matching.event import matches
from tests.memory_store import MemoryStore


class ListStore(MemoryStore):
    """A store in memory that keeps the order of arrival, with a place for declared names, views and states."""

    def __init__(self) -> None:
        super().__init__()
        self._declared: set[str] = set()
        self._sources: set[str] = set()
        self._views: dict[str, str] = {}
        self._states: dict[str, bytes] = {}

    def select(self, query: Query) -> Iterator[Event]:
        return (event for event in list(self.events) if matches(query, event))

    def tags(self, query: Query | None = None) -> frozenset[str]:
        return super().tags(query) | (self._declared if query is None else frozenset())

    def sources(self, query: Query | None = None) -> frozenset[str]:
        return super().sources(query) | (self._sources if query is None else frozenset())

    def declare_source(self, source: str) -> None:
        self.save(Event("declared", source, 0))
        self.delete("declared")
        self._sources.add(source)

    def declare_tag(self, tag: str) -> None:
        self.save(Event("declared", "", 0, [tag]))
        self.delete("declared")
        self._declared.add(tag)

    def views(self) -> dict[str, str]:
        return self._views

    def save_view(self, name: str, target: str) -> None:
        if name in ("", ".", "..") or "/" in name:
            raise InvalidQuery(name)
        if name in self._views:
            raise ViewExists(name)
        self._views[name] = target

    def remove_view(self, name: str) -> None:
        if self._views.pop(name, None) is None:
            raise ViewNotFound(name)

    def rename_view(self, old: str, new: str, *, replaces: bool = True) -> None:
        if old not in self._views:
            raise ViewNotFound(old)
        if replaces:
            self._views[new] = self._views.pop(old)
        else:
            self.save_view(new, self._views[old])
            self.remove_view(old)

    def read_state(self, name: str) -> bytes:
        return self._states.get(name, b"")

    def write_state(self, name: str, data: bytes) -> None:
        self._states[name] = data


class Clock:
    """A clock that stands still until it is set; replaces the time module."""

    def __init__(self) -> None:
        self.now = 10_000.0

    def time(self) -> float:
        return self.now

    def time_ns(self) -> int:
        return int(self.now * 10**9)

    def monotonic(self) -> float:
        return self.now


class CountingDisk(Disk):
    """Counts what is opened and how much is read."""

    def __init__(self) -> None:
        self.opened = 0
        self.read_size = 0

    def open_to_read(self, path: str) -> ReadableFile:
        self.opened += 1
        file = super().open_to_read(path)
        read = file.read

        def counted(offset: int, size: int) -> bytes:
            data = read(offset, size)
            self.read_size += len(data)
            return data

        file.read = counted  # type: ignore[method-assign]
        return file


def copy_of_new_tables(create: Callable[[Tables], None]) -> Callable[[Tables], None]:
    """Return what does the same as *create*, for tables in memory by a copy: SQLite takes ten times as long to make them."""
    new = Tables.open(":memory:")
    create(new)
    content = new._connection.serialize()
    new.close()

    def copy_or_create(tables: Tables) -> None:
        [(_, _, path)] = tables._connection.execute("PRAGMA database_list")
        if path:
            create(tables)
        else:
            tables._connection.deserialize(content)

    return copy_or_create


class HeldLock(Lock):
    """A lock that no other process wants."""

    def __init__(self) -> None:
        pass

    def is_held(self) -> bool:
        return True

    def check(self) -> None:
        pass

    def keep(self) -> None:
        pass

    def touch(self) -> None:
        pass

    def close(self) -> None:
        pass

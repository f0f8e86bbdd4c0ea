"""Destinations of an import: a store, or a mount of one. Those that import into the same one take turns."""

import contextlib
import os
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator
from typing import Self

import numpy as np

from store import (
    TICKS_PER_S,
    Backend,
    Batch,
    EventReadException,
    EventStore,
    EventStoreException,
    EventWriteException,
    Opening,
    Query,
    StoreNotFound,
    Turn,
    backend_of,
)
from theiafs.errors import ImportFailed
from theiafs.mounts import Mount, mount_at, mounts
from theiafs.stores import mount_of
from theiafs.unmounting import is_stale

__all__ = ["Destination", "MountDestination", "StoreDestination", "open_destination", "take_turn"]

_PIECE_SIZE = 1 << 20
_WRITE_SIZE_MAX = 124 << 10
"""The kernel passes on so much in one piece: if this process is killed, whole records are written, and no part of one."""
_MINUTE = re.compile(r"[0-9]+-[0-9]+")
_ERRORS_TAIL_SIZE = 4 << 10


class Destination(ABC):
    """A place where events are imported to. Every failure of it is an exception of the store."""

    @abstractmethod
    def minutes(self, start_s: int, end_s: int) -> list[str]:
        """Return the names of the minutes that have events from *start_s* to *end_s*, in seconds since the epoch."""

    @abstractmethod
    def read(self, minute: str) -> Iterator[bytes]:
        """Read *minute* in pieces, as it is stored; there is none of a minute that was removed."""

    @abstractmethod
    def save(self, batch: Batch) -> None:
        """Save the events of *batch*."""

    def sync(self) -> None:  # noqa: B027 - what is nowhere needs none
        """Make durable what was saved so far."""

    def read_state(self, name: str) -> bytes:
        """Return the state *name*, see :meth:`store.EventStore.read_state`; empty where it cannot be told."""
        del name
        return b""

    def write_state(self, name: str, data: bytes) -> None:  # noqa: B027 - a mount has no place for it
        """Keep *data* as the state *name*, where that is possible."""

    @abstractmethod
    def close(self) -> None:
        """Make durable what was saved; closing again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_exc_info: object) -> None:
        self.close()


class StoreDestination(Destination):
    """A store that no mount has open.

    Args:
        store: the store; it is closed with this.
    """

    def __init__(self, store: EventStore) -> None:
        self._store = store

    def minutes(self, start_s: int, end_s: int) -> list[str]:
        """See :meth:`Destination.minutes`."""
        query = Query().within(start_s * TICKS_PER_S, end_s * TICKS_PER_S)
        return list(self._store.minutes(query))

    def read(self, minute: str) -> Iterator[bytes]:
        """See :meth:`Destination.read`."""
        answer, offset = self._store.answer(Query(), minute), 0
        while piece := answer.read(offset, _PIECE_SIZE):
            yield piece
            offset += len(piece)

    def save(self, batch: Batch) -> None:
        """See :meth:`Destination.save`."""
        self._store.save_batch(batch)

    def sync(self) -> None:
        """See :meth:`Destination.sync`."""
        self._store.sync()

    def read_state(self, name: str) -> bytes:
        """See :meth:`Destination.read_state`."""
        return self._store.read_state(name)

    def write_state(self, name: str, data: bytes) -> None:
        """See :meth:`Destination.write_state`."""
        self._store.write_state(name, data)

    def close(self) -> None:
        """See :meth:`Destination.close`."""
        self._store.close()


class MountDestination(Destination):
    """A mount, by its files.

    Args:
        root: the mountpoint.
        to_save: whether events will be saved.

    Raises:
        EventStoreException: if nothing can be appended there.
    """

    def __init__(self, root: str, to_save: bool = True) -> None:
        self._root = root
        self._ingest: int | None = None
        if to_save:
            with self._failing(EventWriteException):
                self._ingest = os.open(os.path.join(root, "ingest"), os.O_WRONLY | os.O_APPEND)

    def minutes(self, start_s: int, end_s: int) -> list[str]:
        """See :meth:`Destination.minutes`."""
        with self._failing(EventReadException):
            names = os.listdir(os.path.join(self._root, "range", f"@{start_s}..@{end_s}"))
        return [name for name in names if _MINUTE.fullmatch(name)]

    def read(self, minute: str) -> Iterator[bytes]:
        """See :meth:`Destination.read`."""
        with self._failing(EventReadException):
            try:
                file = os.open(os.path.join(self._root, "minutes", minute), os.O_RDONLY)
            except FileNotFoundError:
                return
            try:
                while piece := os.read(file, _PIECE_SIZE):
                    yield piece
            finally:
                os.close(file)

    def save(self, batch: Batch) -> None:
        """See :meth:`Destination.save`."""
        assert self._ingest is not None, "it was opened to save"
        data = memoryview(batch.data)
        ends = np.frombuffer(batch.sizes, np.int64).cumsum()
        start = 0
        with self._failing(EventWriteException):
            while start < len(data):
                first = int(ends.searchsorted(start, "right"))
                last = int(ends.searchsorted(start + _WRITE_SIZE_MAX, "right"))
                end = int(ends[max(first, last - 1)])
                while start < end:
                    start += os.write(self._ingest, data[start:end])

    def sync(self) -> None:
        """See :meth:`Destination.sync`."""
        if self._ingest is not None:
            with self._failing(EventWriteException):
                os.fsync(self._ingest)

    def close(self) -> None:
        """See :meth:`Destination.close`."""
        ingest, self._ingest = self._ingest, None
        if ingest is not None:
            with self._failing(EventWriteException), contextlib.ExitStack() as stack:
                stack.callback(os.close, ingest)
                os.fsync(ingest)

    @contextlib.contextmanager
    def _failing(self, kind: type[EventStoreException]) -> Iterator[None]:
        """Raise *kind* for an error of the mount, which its error log may explain."""
        try:
            yield
        except OSError as error:
            reason = self._last_error()
            raise kind(f"{self._root}: {error.strerror}{reason}") from error

    def _last_error(self) -> str:
        """Return why the last request of this process was refused, as the mount says it; empty if it does not."""
        try:
            with open(os.path.join(self._root, "errors"), "rb") as errors:
                errors.seek(max(os.fstat(errors.fileno()).st_size - _ERRORS_TAIL_SIZE, 0))
                lines = errors.read().decode("utf-8", "replace").splitlines()
        except OSError:
            return ""
        ours = [line for line in lines if f"[{os.getpid()}] " in line]
        return ": " + ours[-1].partition(": ")[2] if ours else ""


@contextlib.contextmanager
def take_turn(address: str, on_wait: Callable[[str], object]) -> Iterator[None]:
    """Wait until no other process imports into the destination at *address*, and let no other do so until the context ends.

    What this process finds missing there, once it has opened it, is missing until it is saved.

    Args:
        address: as for :func:`open_destination`.
        on_wait: called with the process that imports into it, before that is waited for.

    Raises:
        ImportFailed: if it is within a mount, or cannot be written.
        EventStoreException: if it cannot be opened.
    """
    store = backend_of(address)
    mount = _mount_of(store, is_dry_run=False)
    while True:
        with store.take_turn(on_wait) if mount is None else Turn(mount.mountpoint, on_wait):
            # It may have been mounted, or unmounted, while this process waited.
            found = _mount_of(store, is_dry_run=False)
            if found == mount:
                yield
                return
        mount = found


def open_destination(address: str, is_dry_run: bool) -> Destination:
    """Open the destination at *address*: a mountpoint, or a store, which may be mounted.

    Args:
        address: the path of the mountpoint, or the address of the store, which is made if there is none.
        is_dry_run: whether nothing will be saved, and nothing is to be made.

    Raises:
        ImportFailed: if it is within a mount, or cannot be written.
        EventStoreException: if it cannot be opened.
    """
    store = backend_of(address)
    mount = _mount_of(store, is_dry_run)
    if mount is not None:
        return MountDestination(mount.mountpoint, to_save=not is_dry_run)
    try:
        return StoreDestination(store.open(Opening(is_dry_run)))
    except StoreNotFound:
        return _Nothing()


class _Nothing(Destination):
    """A store that does not exist, and is not to be made."""

    def minutes(self, start_s: int, end_s: int) -> list[str]:
        """See :meth:`Destination.minutes`."""
        return []

    def read(self, minute: str) -> Iterator[bytes]:
        """See :meth:`Destination.read`."""
        return iter(())

    def save(self, batch: Batch) -> None:
        """See :meth:`Destination.save`."""

    def close(self) -> None:
        """See :meth:`Destination.close`."""


def _mount_of(store: Backend, is_dry_run: bool) -> Mount | None:
    """Return the mount where *store* is, if that is a mountpoint, or the mount of *store*; None if there is none.

    Args:
        store: the store.
        is_dry_run: whether nothing will be appended, so that a read-only mount will do.

    Raises:
        ImportFailed: if the path is within a mount, or that is read-only, or its process has ended.
    """
    found = _find_mount(store, is_dry_run)
    if found is not None and is_stale(found.mountpoint):
        raise ImportFailed(
            f"the process of the mount {found.mountpoint} has ended: run theiafs umount {found.mountpoint},"
            f" and give {found.source}, or mount that again"
        )
    return found


def _find_mount(store: Backend, is_dry_run: bool) -> Mount | None:
    path = store.identity
    mount = mount_at(path)
    if mount is not None and mount.is_ours:
        if mount.is_read_only and not is_dry_run:
            raise ImportFailed(
                f"{path} is mounted read-only: give its store, {mount.source}, instead"
            )
        return mount
    for each in mounts():
        if each.is_ours and path.startswith(f"{each.mountpoint}/"):
            raise ImportFailed(f"{path} is within a mount: give {each.mountpoint} instead")
    return mount_of(store)

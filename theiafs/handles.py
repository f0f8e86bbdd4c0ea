"""Handles: files that are open."""

import itertools
import logging
import os
import threading
import time
from collections.abc import Callable, Hashable

from store import Answer, EventStore, EventStoreException, Query, Span
from theiafs.errors import NotPermitted
from theiafs.ingest import IngestBuffer, Origin

__all__ = ["AnswerHandle", "Handle", "HandleTable", "IngestHandle", "TextHandle"]

log = logging.getLogger(__name__)

# A file that did not grow for so long counts as settled. It is longer than the kernel keeps attributes,
# so that a size it still remembers is the size at the opening.
_SETTLED_AFTER_S = 2.0
# The kernel says no more than this of one, the newline included (64 for threads of its own).
_COMMAND_NAME_SIZE_MAX = 64


class Handle:
    """An open file.

    Attributes:
        version: what two openings must have in common for the kernel to keep the bytes it read; None
            when it must not keep any, because the file changes.
        syncs_writes: whether what is written survives a loss of power before the write returns.
        on_release: called once, after the release.
    """

    version: Hashable | None = None
    syncs_writes = False

    def __init__(self) -> None:
        self.on_release: Callable[[], object] = lambda: None

    def read(self, offset: int, size: int) -> bytes:
        """Read so many bytes from an offset; fewer only at the end of the file."""
        raise NotPermitted("this file cannot be read")

    def write(self, data: bytes, process_id: int) -> int:
        """Append what a process wrote; returns how many of the bytes were taken in."""
        raise NotPermitted("this file cannot be written")

    def sync(self) -> None:
        """Make what was written survive a loss of power."""

    def release(self) -> None:
        """Let go, after the last descriptor was closed. Nobody hears of what fails here."""


class TextHandle(Handle):
    """A text, as it was when the file was opened."""

    def __init__(self, data: bytes, changes: bool) -> None:
        super().__init__()
        self._data = data
        self.version = None if changes else len(data)

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        return self._data[offset : offset + size]


class AnswerHandle(Handle):
    """The answer to a query. It goes on growing while it is open."""

    def __init__(self, answer: Answer, query: Query, span: Span) -> None:
        super().__init__()
        self._answer = answer
        if span.changed < time.time() - _SETTLED_AFTER_S:
            # The query belongs to it: a range that moves has other bytes at the same path later.
            self.version = (query, span.size, span.changed)

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        return self._answer.read(offset, size)


class IngestHandle(Handle):
    """Where events are appended. Reading finds nothing."""

    def __init__(self, store: EventStore, query: Query, event_size_max: int) -> None:
        super().__init__()
        self._store = store
        self._buffer = IngestBuffer(query, event_size_max)
        self._lock = threading.Lock()
        self._last_writer = 0

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        return b""

    def write(self, data: bytes, process_id: int) -> int:
        """See :meth:`Handle.write`."""
        with self._lock:
            self._last_writer = process_id
            taken_in = self._buffer.append(data, _origin(process_id), self._store.save_batch)
        if self.syncs_writes:
            self._store.sync()
        return taken_in

    def sync(self) -> None:
        """See :meth:`Handle.sync`."""
        self._store.sync()

    def release(self) -> None:
        """Save a last line that nothing ended, or log why it could not be."""
        with self._lock:
            if self._buffer.is_empty:
                return
            try:
                self._buffer.finish(_origin(self._last_writer), self._store.save_batch)
            except EventStoreException as error:
                log.error("lost at the closing of an ingest file: %s", error)  # noqa: TRY400


class HandleTable:
    """The open files, by the numbers the kernel knows them by."""

    def __init__(self) -> None:
        self._handles: dict[int, Handle] = {}
        self._numbers = itertools.count(1)

    def add(self, handle: Handle) -> int:
        """Take in an open file; returns its number."""
        number = next(self._numbers)
        self._handles[number] = handle
        return number

    def __getitem__(self, number: int) -> Handle:
        return self._handles[number]

    def remove(self, number: int) -> Handle:
        """Forget an open file and return it."""
        return self._handles.pop(number)

    def remove_all(self) -> list[Handle]:
        """Forget all open files and return them."""
        handles, self._handles = self._handles, {}
        return list(handles.values())


def _origin(process_id: int) -> Origin:
    return Origin(_command_name(process_id), time.time())


def _command_name(process_id: int) -> str:
    """The name of the command a process runs; "unknown" when it cannot be told."""
    # By system calls: a file object would cost as much again as these, and that at every write.
    try:
        descriptor = os.open(f"/proc/{process_id}/comm", os.O_RDONLY)
        try:
            name = os.read(descriptor, _COMMAND_NAME_SIZE_MAX).removesuffix(b"\n")
        finally:
            os.close(descriptor)
    except OSError:  # it has ended, or lives in another process namespace
        return "unknown"
    return name.replace(b"\n", b" ").decode("utf-8", "surrogateescape")

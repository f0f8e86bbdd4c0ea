"""Handles: files that are open."""

import contextlib
import itertools
import logging
import mmap
import threading
from collections.abc import Callable, Hashable, Iterable

from xxhash import xxh3_128_digest

from store import (
    Answer,
    Batch,
    EventReadException,
    EventStore,
    EventStoreException,
    Query,
    Span,
)
from theiafs.doors import Buffer
from theiafs.errorlog import ErrorLog
from theiafs.errors import NotPermitted
from theiafs.origin import Origin
from theiafs.processes import Process, process_of
from theiafs.timerange import now_in_ticks

__all__ = [
    "REST_S",
    "AnswerHandle",
    "ErrorsHandle",
    "Handle",
    "HandleTable",
    "IngestHandle",
    "TextHandle",
]

log = logging.getLogger(__name__)

REST_S = 2.0
"""A file that has not grown for this long, in seconds, counts as settled. The kernel caches attributes for less, so a cached size is
the size at the opening."""

_NO_PROCESS = Process(0, "unknown")


class Handle:
    """An open file.

    Attributes:
        version: openings with the same version have the same bytes, so the kernel may keep its cache; None if the file
            changes, so that it may not.
        syncs_writes: whether what is written survives a loss of power before the write returns.
    """

    version: Hashable | None = None
    syncs_writes = False

    def read(self, offset: int, size: int) -> bytes:
        """Read *size* bytes at *offset*; fewer only at the end of the file."""
        raise NotPermitted(
            "this file is appended to, and has nothing to read: read events, in its directory"
        )

    def write(self, data: bytes, thread_id: int) -> int:
        """Append *data*, which the thread *thread_id* wrote; return how many of the bytes were accepted."""
        raise NotPermitted("this file is only read: append to ingest, in its directory")

    def sync(self) -> None:
        """Make everything written so far durable."""

    def release(self) -> None:
        """Close the file after its last descriptor. A failure can only be logged."""


class TextHandle(Handle):
    """A text, as it was when the file was opened.

    Args:
        data: the text.
        changes: whether it may differ at the next opening.
    """

    def __init__(self, data: bytes, changes: bool) -> None:
        self._data = data
        self.version = None if changes else xxh3_128_digest(data)

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        return self._data[offset : offset + size]


class ErrorsHandle(Handle):
    """The text of *errors*, which grows while it is open."""

    def __init__(self, errors: ErrorLog) -> None:
        self._errors = errors
        size = errors.size()
        if errors.has_settled(REST_S):
            self.version = size

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        return self._errors.read(offset, size)


class AnswerHandle(Handle):
    """The answer to a query, which grows while it is open.

    Unless the kernel caches it, it ends where it was when the reading began, from one offset on without a gap: a program that
    copies events into an ingest file, and would read the copies, comes to an end. One that comes back after the end finds more.

    Args:
        answer: the answer.
        query: the query.
        span: the answer as it was at the opening.
        on_release: is called with the handle when it is released.
        is_settled: whether the kernel may cache it, because it has not changed for a while.

    Attributes:
        peers: the files that share the kernel's cache with this one: they have the same bytes.
        lineage: files with the same lineage have the same bytes now; None if that cannot be said.
    """

    def __init__(
        self,
        answer: Answer,
        query: Query,
        span: Span,
        on_release: Callable[["AnswerHandle"], object] = lambda _handle: None,
        is_settled: bool = True,
    ) -> None:
        self._answer = answer
        self.lineage = None if answer.generation is None else (query, answer.generation)
        self._on_release = on_release
        self._opening_size = span.size
        self._last_page = (0, b"")  # its offset, and its bytes so far
        # Where a reading without a cache has come, and where it ends; None before one begins, and after its end was read.
        self._position = 0
        self._end: int | None = None
        self.peers: Iterable[AnswerHandle] = ()
        if is_settled:
            # Includes the query: the bytes at the path of a moving range change.
            self.version = (query, answer.version)

    def size(self) -> int:
        """Return the size now, in bytes."""
        return self._answer.size()

    def keep_last_page(self) -> None:
        """Keep the last page, as far as there is one, if the kernel caches the file.

        The kernel reads whole pages. When the file has grown, it reads with what arrived the bytes of that page before it,
        which may have been removed, also for a program that never asked for them.
        """
        size = self._opening_size % mmap.PAGESIZE
        if self.version is None or not size:
            return
        page = self._opening_size - size
        known = self._find(page)
        if len(known) < size:
            with contextlib.suppress(EventReadException):  # which a read of it says
                known = self._answer.read_last(size)
        self._last_page = page, known[:size]

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        if self.version is None:
            size = self._up_to_end(offset, size)
        known = self.kept(offset)[:size]
        try:
            data = known + self._answer.read(offset + len(known), size - len(known))
        except EventReadException:
            found = self._find(offset)[:size]
            if len(found) <= len(known):
                raise
            data = found + self._answer.read(offset + len(found), size - len(found))
        if self.version is not None and len(data) < size:
            page = (offset + len(data)) // mmap.PAGESIZE * mmap.PAGESIZE
            if page >= offset:
                self._last_page = page, data[page - offset :]
        return data

    def _up_to_end(self, offset: int, size: int) -> int:
        """Return how many of *size* bytes at *offset* a reader without a cache gets."""
        end = self._end
        if end is None or offset != self._position:  # a reading begins
            end = self.size()
        available = min(size, max(end - offset, 0))
        self._end = end if available else None
        self._position = offset + available
        return available

    def kept(self, offset: int) -> bytes:
        """Return what is kept of the last page from *offset* on."""
        page, data = self._last_page
        return data[offset - page :] if offset >= page else b""

    def _find(self, offset: int) -> bytes:
        """Return what is kept from *offset* on, here or by a peer: what one has read, the kernel has cached for all."""
        if self.version is None:
            return b""
        return max((each.kept(offset) for each in (self, *self.peers)), key=len)

    def release(self) -> None:
        """See :meth:`Handle.release`."""
        self._on_release(self)


class IngestHandle(Handle):
    """A file that events are appended to. It reads as empty.

    Args:
        store: makes events durable.
        save: saves them there.
        buffer: what was appended, and is no whole event yet.
        on_loss: is called with the last writer, and why what it wrote last was lost when the file was closed.
    """

    def __init__(
        self,
        store: EventStore,
        save: Callable[[Batch], None],
        buffer: Buffer,
        on_loss: Callable[[Process, EventStoreException], object] = lambda _process, _error: None,
    ) -> None:
        self._store = store
        self._save = save
        self._buffer = buffer
        self._on_loss = on_loss
        self._lock = threading.Lock()
        self._last_writer = _NO_PROCESS

    def read(self, offset: int, size: int) -> bytes:
        """See :meth:`Handle.read`."""
        return b""

    def write(self, data: bytes, thread_id: int) -> int:
        """See :meth:`Handle.write`."""
        with self._lock:
            # Noted now: when the file is closed, the process may have ended.
            self._last_writer = process_of(thread_id)
            accepted = self._buffer.append(data, self._origin(), self._save)
        if self.syncs_writes:
            self._store.sync()
        return accepted

    def sync(self) -> None:
        """See :meth:`Handle.sync`."""
        with self._lock:
            self._buffer.end_write(self._origin(), self._save)
        self._store.sync()

    def release(self) -> None:
        """Save a last line without a newline; report a failure."""
        with self._lock:
            if self._buffer.is_empty:
                return
            try:
                self._buffer.finish(self._origin(), self._save)
            except EventStoreException as error:
                log.error("lost when an ingest file was closed: %s", error)  # noqa: TRY400
                self._on_loss(self._last_writer, error)

    def _origin(self) -> Origin:
        return Origin(self._last_writer.name, now_in_ticks())


class HandleTable:
    """The open files, by the numbers that the kernel uses for them."""

    def __init__(self) -> None:
        self._handles: dict[int, Handle] = {}
        self._numbers = itertools.count(1)

    def add(self, handle: Handle) -> int:
        """Add *handle*; return its number."""
        number = next(self._numbers)
        self._handles[number] = handle
        return number

    def __getitem__(self, number: int) -> Handle:
        return self._handles[number]

    def remove(self, number: int) -> Handle:
        """Remove the handle with this *number* and return it."""
        return self._handles.pop(number)

    def __len__(self) -> int:
        return len(self._handles)

    def release_all(self) -> None:
        """Remove all handles, and release each, whether the others fail or not."""
        handles, self._handles = self._handles, {}
        for each in handles.values():
            try:
                each.release()
            except EventStoreException as error:
                log.error("not closed as it should be: %s", error)  # noqa: TRY400 - not a bug

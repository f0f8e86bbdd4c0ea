"""Writing: one INSERT at a time, which all that wait share, repeated until the engine's answer is definite.

Each INSERT has a token, by which the engine recognises one that it has made already: so the same bytes are sent again under the
same token after every failure that says nothing, and are stored once.
"""

import contextlib
import itertools
import logging
import threading
import time
import uuid
from collections import deque
from collections.abc import Sequence

from store.clickhouse.arrivals import Arrivals
from store.clickhouse.columns import Rows, encode_rows, rows_of, view_column
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Away, Refused, Unknown, Wire
from store.errors import EventWriteException, StoreAway, StoreFull, StoreReadOnly, WriteUnknown
from store.format.batch import Batch
from store.view import View

__all__ = ["INSERT_SIZE_MAX", "Inserter", "Writer"]

INSERT_SIZE_MAX = 8 << 20
"""About this many bytes of records go into one INSERT, so that neither process needs much memory for it."""

_NO_SPACE, _READ_ONLY, _ACCESS_DENIED = 243, 164, 497
"""The engine's numbers of errors."""

_PAUSE_MIN_S, _PAUSE_MAX_S = 0.05, 1.0
"""Pauses before an INSERT is sent again: the first, from which each is twice as long, and the longest."""

_TIMEOUT_MIN_S = 0.1

log = logging.getLogger(__name__)


class Inserter:
    """Makes INSERTs, each until the answer is definite.

    Args:
        wire: the engine.
        tables: its tables.
        views: the views whose lines are measured.
    """

    def __init__(self, wire: Wire, tables: Tables, views: Sequence[View]) -> None:
        self._wire = wire
        self._views = views
        names = (
            "ticks",
            "n",
            "source",
            "tags",
            "level",
            "head",
            "content",
            *map(view_column, views),
        )
        self._sql = f"INSERT INTO {tables.events} ({', '.join(names)}) FORMAT Native"

    def insert(self, rows: Rows, token: str, deadline: float) -> None:
        """Insert *rows* under *token* until *deadline*, in seconds of the monotonic clock.

        Raises:
            StoreAway: if the engine could not be reached until then; nothing was stored.
            WriteUnknown: if it gave no definite answer; all of it was stored, or nothing.
            EventWriteException: if it refuses; nothing was stored.
        """
        data = encode_rows(rows, self._views)
        # An asynchronous INSERT would not be recognised when it is repeated.
        settings = {"insert_deduplication_token": token, "async_insert": "0"}
        pause_s, is_unknown = _PAUSE_MIN_S, False
        while True:
            timeout_s = max(deadline - time.monotonic(), _TIMEOUT_MIN_S)
            try:
                self._wire.insert(self._sql, data, timeout_s, **settings)
                return
            except (Away, Unknown, Refused) as error:
                is_unknown |= isinstance(error, Unknown)
                if isinstance(error, Refused) and not error.may_pass and not is_unknown:
                    raise _refusal(error) from error
                if time.monotonic() + pause_s >= deadline:
                    kind = WriteUnknown if is_unknown else StoreAway
                    raise kind(f"given up: {error}") from error
                log.warning("will be sent again: %s", error)
            time.sleep(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)


def _refusal(error: Refused) -> EventWriteException:
    kinds = {_NO_SPACE: StoreFull, _READ_ONLY: StoreReadOnly, _ACCESS_DENIED: StoreReadOnly}
    return kinds.get(error.code, EventWriteException)(str(error))


class _Waiting:
    """A batch that waits, and the error if it was not stored."""

    def __init__(self, batch: Batch) -> None:
        self.batch = batch
        self.is_done = False
        self.error: EventWriteException | None = None


class Writer:
    """Stores batches: one INSERT is in flight at a time, and all that wait meanwhile share the next.

    So a writer holds what it writes, and waits, until it is stored: memory is bounded by the number of writers.

    Args:
        inserter: makes the INSERTs.
        arrivals: is told of each.
        timeout_s: how long a writer waits, in seconds.
    """

    def __init__(self, inserter: Inserter, arrivals: Arrivals, timeout_s: float) -> None:
        self._inserter = inserter
        self._arrivals = arrivals
        self._timeout_s = timeout_s
        self._tokens = (f"{uuid.uuid4()}-{number}" for number in itertools.count())
        self._queue: deque[_Waiting] = deque()
        self._turn = threading.Lock()  # to take from the queue, and send
        self._is_closed = False

    def save(self, batch: Batch) -> None:
        """Store *batch*, all of it or nothing unless it is larger than an INSERT.

        Raises:
            StoreAway: if the engine could not be reached in time; nothing was stored.
            WriteUnknown: if it gave no definite answer in time.
            EventWriteException: if it refuses.
        """
        if self._is_closed:
            raise EventWriteException("the store is closed")
        if not len(batch):
            return
        waiting = _Waiting(batch)
        deadline = time.monotonic() + self._timeout_s
        self._queue.append(waiting)
        if not self._turn.acquire(timeout=self._timeout_s):
            with contextlib.suppress(ValueError):  # it is being sent
                self._queue.remove(waiting)
                raise StoreAway("given up: what others write is not stored either")
            self._turn.acquire()
        try:
            while not waiting.is_done:
                self._send(deadline)
        finally:
            self._turn.release()
        if waiting.error is not None:
            raise type(waiting.error)(str(waiting.error)) from waiting.error

    def _send(self, deadline: float) -> None:
        """Send what waits first, in one INSERT as far as it fits."""
        group, size = [self._queue.popleft()], 0
        size = len(group[0].batch.data)
        while self._queue and (size := size + len(self._queue[0].batch.data)) <= INSERT_SIZE_MAX:
            group.append(self._queue.popleft())
        error = None
        try:
            for rows in rows_of([each.batch for each in group]).divided(INSERT_SIZE_MAX):
                self._inserter.insert(rows, next(self._tokens), deadline)
        except EventWriteException as failure:
            error = failure
        finally:
            self._arrivals.note_change()
            for each in group:
                each.error, each.is_done = error, True

    def sync(self) -> None:
        """Return at once: what is stored is durable."""

    def close(self) -> None:
        """Wait until nothing is sent any more, and refuse further batches."""
        self._is_closed = True
        with self._turn:
            pass

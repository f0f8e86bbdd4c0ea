"""Writing: one INSERT at a time, which all that wait share."""

import contextlib
import itertools
import threading
import time
import uuid
from collections import deque

from store.clickhouse.arrivals import Arrivals
from store.clickhouse.columns import rows_of
from store.clickhouse.inserter import INSERT_SIZE_MAX, Inserter
from store.errors import EventWriteException, StoreAway, WriteUnknown
from store.format.batch import Batch

__all__ = ["Writer"]


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
        first = uuid.uuid4()
        self._tokens = (f"{first}-{number}" for number in itertools.count())
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
            raise EventWriteException(f"{self._inserter.address} is closed")
        if not len(batch):
            return
        waiting = _Waiting(batch)
        deadline = time.monotonic() + self._timeout_s
        self._queue.append(waiting)
        if not self._turn.acquire(timeout=self._timeout_s):
            with contextlib.suppress(ValueError):  # it is being sent
                self._queue.remove(waiting)
                raise StoreAway(
                    f"{self._inserter.address} was given up: what others write is not stored either"
                )
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
        group = [self._queue.popleft()]
        size = len(group[0].batch.data)
        while self._queue and (size := size + len(self._queue[0].batch.data)) <= INSERT_SIZE_MAX:
            group.append(self._queue.popleft())
        # Until it is known otherwise: what is not foreseen may end this at any step.
        error: EventWriteException | None = WriteUnknown(
            f"an INSERT into {self._inserter.address} was not made to its end: the log says why"
        )
        try:
            for rows in rows_of([each.batch for each in group]).divided(INSERT_SIZE_MAX):
                self._inserter.insert(rows, next(self._tokens), deadline)
            error = None
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

    def status(self) -> dict[str, int]:
        """Return nothing: all that was accepted is stored."""
        return {}

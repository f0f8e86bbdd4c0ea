"""The spool: batches that are durable on this machine, and on their way to the engine.

It is a write-ahead log (:mod:`store.wal`), whose "minute files" are INSERTs: the records of one INSERT have one name, which is
its token as well, and once the engine has it, it counts as flushed. So a process that finds the log of one that was killed
sends the same INSERTs again under the same tokens, and only what the engine does not have.
"""

import contextlib
import itertools
import logging
import math
import threading
import time
import uuid
from collections import deque

from store.clickhouse.arrivals import Arrivals
from store.clickhouse.columns import rows_of
from store.clickhouse.inserter import INSERT_SIZE_MAX, Inserter
from store.disk.disk import Disk
from store.errors import EventReadException, EventStoreException, EventWriteException, StoreFull
from store.filenames import hidden_path, journal_path, lock_path
from store.format.batch import Batch
from store.format.block import read_block
from store.format.record import parse
from store.wal.recovery import open_log
from store.wal.segment import LogRecord, list_segments
from store.wal.tail import Tail, read_tail

__all__ = ["Spool", "wait_until_closed"]

_SEGMENTS_PER_S = 100
"""The first segment of an empty log is numbered by the clock, above all that were there before: with twelve digits."""

_RETRY_S = 1.0

log = logging.getLogger(__name__)


class Spool:
    """Stores batches on this machine, and sends them on in the background. Any number of threads may use it.

    Args:
        disk: the disk it is on.
        directory: its directory, made if it is missing.
        inserter: makes the INSERTs.
        arrivals: is told of each.
        timeout_s: how long one INSERT may take before it is sent again, in seconds.

    Raises:
        StoreLocked: if another process has it open.
        EventStoreException: if it cannot be opened.
    """

    def __init__(
        self, disk: Disk, directory: str, inserter: Inserter, arrivals: Arrivals, timeout_s: float
    ) -> None:
        self._directory = directory
        self._inserter = inserter
        self._arrivals = arrivals
        self._timeout_s = timeout_s
        disk.make_directory(journal_path(directory))
        self._lock_file = disk.lock_store(directory, lock_path(directory))
        try:
            self._log, recovered = open_log(
                disk,
                directory,
                hidden_path(directory),
                journal_path(directory),
                keep_s=0,
                first_number=int(time.time() * _SEGMENTS_PER_S),
            )
        except EventStoreException:
            self._lock_file.close()
            raise
        # A name is two numbers: the first is different in each process.
        first = uuid.uuid4().int
        self._names = (f"{first}-{number}" for number in itertools.count())
        self._tails = deque(each.tail for each in recovered)
        self._tried = {tail.minute for tail in self._tails}  # those that the engine may have
        self._changed = threading.Condition()
        self._accepted = sum(tail.size for tail in self._tails)  # bytes, since this was opened
        self._stored = 0
        self._is_closing = False
        self._begin()
        arrivals.settle = self.settle  # so that what is in the spool can be read
        self._thread = threading.Thread(target=self._work, name="spool", daemon=True)
        self._thread.start()

    def _begin(self) -> None:
        self._tails.append(Tail(next(self._names), 0))

    def _tail(self, data: bytes) -> Tail:
        """Return the tail that *data* goes to: the last one, unless it is full."""
        if self._tails[-1].size and self._tails[-1].size + len(data) > INSERT_SIZE_MAX:
            self._begin()
        return self._tails[-1]

    def save(self, batch: Batch) -> None:
        """Store *batch* on this machine, all of it or nothing.

        Raises:
            StoreFull: if there is no room.
            EventWriteException: if anything else fails.
        """
        if not len(batch):
            return
        parts = [rows.data for rows in rows_of([batch]).divided(INSERT_SIZE_MAX)]
        with self._changed:
            if self._is_closing:
                raise EventWriteException(f"{self._inserter.address} is closed")
            tails = [self._tail(parts[0]), *(Tail(next(self._names), 0) for _ in parts[1:])]
            records = [
                LogRecord(tail.minute, tail.end, data)
                for tail, data in zip(tails, parts, strict=True)
            ]
            for tail, data, lsn in zip(tails, parts, self._log.append(records), strict=True):
                tail.extend(len(data), lsn)
                self._accepted += len(data)
            self._tails += tails[1:]
            self._changed.notify_all()
        self._log.limit_unsynced()

    def sync(self) -> None:
        """Make everything saved so far durable.

        Raises:
            EventWriteException: if that failed.
        """
        self._log.sync()

    def settle(self) -> None:
        """Wait until the engine has everything that was saved before.

        Raises:
            EventReadException: if it gets nothing for the time that an INSERT may take.
        """
        with self._changed:
            accepted = self._accepted
            while (stored := self._stored) < accepted:
                if not self._changed.wait_for(lambda: self._stored > stored, self._timeout_s):
                    raise EventReadException(
                        f"{accepted - stored} bytes wait in the spool: the engine does not take them"
                    )

    def close(self) -> None:
        """Send what can be sent in the time of one INSERT; the rest is sent when the spool is opened again."""
        with self._changed:
            if self._is_closing:
                return
            self._is_closing = True
            self._changed.notify_all()
        self._thread.join()
        with contextlib.ExitStack() as stack:
            stack.callback(self._lock_file.close)
            stack.callback(self._log.close)
            self._lock_file.check()  # else the log is another process's now
            if self._stored < self._accepted:
                self._log.sync()
                return
            try:
                self._log.empty()
            except StoreFull as error:
                log.warning("the spool %s stays, though all was sent: %s", self._directory, error)

    def status(self) -> dict[str, int | str]:
        """Return how much waits, by stable keys."""
        with self._changed:
            return {"spool": self._directory, "spool_bytes": self._accepted - self._stored}

    def _work(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._tails[0].size or self._is_closing)
                tail = self._tails[0]
                if not tail.size:
                    return
                if tail is self._tails[-1]:
                    self._begin()  # nothing is added to what is sent
            try:
                self._send(tail)
            except EventStoreException as error:
                log.warning("stays in the spool: %s", error)
                with self._changed:
                    if self._is_closing:
                        return
                    self._changed.wait_for(lambda: self._is_closing, _RETRY_S)
                continue
            with self._changed:
                self._tails.popleft()
                self._tried.discard(tail.minute)
                self._stored += tail.size
                self._changed.notify_all()

    def _send(self, tail: Tail) -> None:
        """Store what *tail* has in the engine, and then let the log forget it.

        Raises:
            EventStoreException: if that failed; it may be stored then.
        """
        data = read_tail(self._log.read, tail.minute, tail.extents(0, tail.end))
        was_tried = tail.minute in self._tried
        self._tried.add(tail.minute)
        self._inserter.insert(
            rows_of([_batch_of(data)]),
            tail.minute,
            time.monotonic() + self._timeout_s,
            was_tried=was_tried,
        )
        self._arrivals.note_change()
        self._log.rotate()
        self._log.release({tail.minute: tail.end})


def wait_until_closed(disk: Disk, directory: str, timeout_s: float = math.inf) -> bool:
    """Wait until no process has the spool in *directory* open, at most *timeout_s* seconds; return whether it is empty.

    Raises:
        StoreLocked: if one still has after that time.
        EventReadException: if that cannot be found out, as where a container has a directory of its own there.
    """
    if disk.stat(lock_path(directory)) is None:
        raise EventReadException(
            f"the spool {directory} of the mount is not to be seen from here: wait until its process has ended before the next mount"
        )
    disk.wait_for_store_lock(directory, lock_path(directory), timeout_s)
    return not list_segments(disk, journal_path(directory))


def _batch_of(data: bytes) -> Batch:
    """Return the events of the records in *data*."""
    batch = Batch()
    start = 0
    while start < len(data):
        records = read_block(data, start)
        batch.add_block(data, records)
        start = int(records.ends[-1]) if len(records.ends) else start
        if start < len(data):  # one that is too large for a block
            record = parse(data, start)
            assert record is not None, "a record that is not whole"
            batch.add_record(data[start : start + record.size - 1], record.header)
            start += record.size
    return batch

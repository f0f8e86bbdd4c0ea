"""INSERTs, each repeated until the engine's answer is definite.

Each has a token, by which the engine recognises one that it has made already: so the same bytes are sent again under the same
token after every failure that says nothing, and are stored once.

That is not enough. The engine notes the token *before* the rows are part of the table: when it is killed between the two, it
takes the repeated INSERT for one that it has made, and the rows are nowhere. It also notes it with the day, so that it does not
recognise one that it made yesterday. So each row has a hash of its token, and after an answer that said nothing, the table itself
is asked which rows it got. Those it lacks are sent again, under another token if it takes this one for known.
"""

import hashlib
import logging
import threading
import time
from collections.abc import Sequence

from store.clickhouse.columns import Rows, encode_rows, view_column
from store.clickhouse.replicas import Replicas
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Away, Refused, Unknown, Wire
from store.errors import EventWriteException, StoreAway, StoreFull, StoreReadOnly, WriteUnknown
from store.query import MINUTE_S
from store.ticks import TICKS_PER_S
from store.view import View

__all__ = ["INSERT_SIZE_MAX", "Inserter"]

INSERT_SIZE_MAX = 8 << 20
"""About this many bytes of records go into one INSERT, so that neither process needs much memory for it."""

_NO_SPACE, _READ_ONLY, _ACCESS_DENIED = 243, 164, 497
"""The engine's numbers of errors."""

_PAUSE_MIN_S, _PAUSE_MAX_S = 0.05, 1.0
"""Pauses before an INSERT is sent again: the first, from which each is twice as long, and the longest."""

_TIMEOUT_MIN_S = 0.1
_MS_PER_S = 1000

log = logging.getLogger(__name__)


class _TokenSpent(Unknown):
    """The engine takes an INSERT for known that it has not made: it will not make it under this token."""


class Inserter:
    """Makes INSERTs, each until the answer is definite.

    Args:
        wire: the engine.
        tables: its tables.
        views: the views whose lines are measured.
        quorum: see :class:`store.backend.Opening`; only where there are replicas.

    Attributes:
        address: where they go.
    """

    def __init__(self, wire: Wire, tables: Tables, views: Sequence[View], quorum: str = "") -> None:
        self.address = wire.address
        self._wire = wire
        self._pause = threading.Event()  # never set: to wait
        self._views = views
        self._quorum = quorum
        self._replicas = Replicas(wire) if tables.is_replicated else None
        self._events = tables.events
        self._is_sharded = tables.is_sharded
        names = (
            "ticks",
            "n",
            "insert_hash",
            "source",
            "tags",
            "level",
            "head",
            "content",
            *map(view_column, views),
        )
        self._sql = f"INSERT INTO {tables.events} ({', '.join(names)}) FORMAT Native"

    def insert(self, rows: Rows, token: str, deadline: float, *, was_tried: bool = False) -> None:
        """Insert *rows* under *token* until *deadline*, in seconds of the monotonic clock.

        Args:
            rows: the events.
            token: distinguishes this INSERT from all others, those of other processes too; it ends with a number.
            deadline: when to give up, in seconds of the monotonic clock.
            was_tried: whether it may have been sent already, by an earlier call or an earlier process.

        Raises:
            StoreAway: if the engine could not be reached until then; nothing was stored.
            WriteUnknown: if it gave no definite answer; all of it was stored, or nothing, on each shard.
            EventWriteException: if it refuses; nothing was stored.
        """
        lacking, insert_hash = rows, _hash(token)
        pause_s, is_unknown = _PAUSE_MIN_S, was_tried
        refusal: EventWriteException | None = None
        while True:
            try:
                if is_unknown:
                    lacking = self._lacking(rows, insert_hash, deadline)
                    if not len(lacking):
                        return
                    if refusal is not None and len(lacking) == len(rows):
                        raise refusal
                self._send(lacking, token, insert_hash, deadline)
                if is_unknown:
                    self._confirm(rows, insert_hash, deadline)
            except (Away, Unknown, Refused) as error:
                if isinstance(error, _TokenSpent):
                    token += "+"
                elif isinstance(error, Refused) and not error.may_pass and not is_unknown:
                    if not self._is_sharded:
                        raise _refusal(error) from error
                    refusal = _refusal(error)  # by one shard; others may have made their part
                is_unknown |= isinstance(error, Unknown)
                is_unknown |= isinstance(error, Refused) and self._is_sharded
                if time.monotonic() + pause_s >= deadline:
                    kind = WriteUnknown if is_unknown else StoreAway
                    raise kind(f"given up: {error}") from error
                log.warning("will be sent again: %s", error)
            else:
                return
            self._pause.wait(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)

    def _confirm(self, rows: Rows, insert_hash: int, deadline: float) -> None:
        """Check that *rows* were stored, which the engine says of a repeated INSERT.

        Raises:
            _TokenSpent: if they were not: it was killed when it had noted the token, and no more.
            EventReadException: if it cannot be asked.
        """
        if lacking := len(self._lacking(rows, insert_hash, deadline)):
            raise _TokenSpent(
                f"{self.address} lacks {lacking} events of an INSERT that it says it has made"
            )

    def _send(self, rows: Rows, token: str, insert_hash: int, deadline: float) -> None:
        data = encode_rows(rows, self._views, insert_hash)
        # An asynchronous INSERT would not be recognised when it is repeated; one over several shards is made when all have it.
        settings = {
            "insert_deduplication_token": token,
            "async_insert": "0",
            "distributed_foreground_insert": "1",
        }
        if self._quorum:
            settings |= {
                "insert_quorum": self._quorum,
                "insert_quorum_parallel": "1",
                "insert_quorum_timeout": str(int(_time_left_s(deadline) * _MS_PER_S)),
            }
        self._wire.insert(self._sql, data, _time_left_s(deadline), **settings)

    def _lacking(self, rows: Rows, insert_hash: int, deadline: float) -> Rows:
        """Return those of *rows* that were not stored; what was removed since then was.

        Raises:
            EventReadException: if the engine cannot be asked, or its quorum does not have them yet.
        """
        if self._replicas is not None:
            self._replicas.sync(deadline)  # it may be another one that was asked before
        ticks_per_minute = MINUTE_S * TICKS_PER_S
        first, last = int(rows.ticks.min()), int(rows.ticks.max())
        # Minutes are what the table is sorted by: without them, all of it would be read.
        answer = self._wire.ask(
            f"SELECT n, _block_number FROM {self._events} WHERE insert_hash = {insert_hash}"
            f" AND minute BETWEEN {first // ticks_per_minute * MINUTE_S} AND {last // ticks_per_minute * MINUTE_S}",
            _time_left_s(deadline),
            apply_deleted_mask="0",
        )
        found = [tuple(map(int, line.split())) for line in answer.splitlines()]
        stored = {n for n, _ in found}
        blocks = {block for _, block in found}
        if self._replicas is not None and self._replicas.lack_quorum(blocks, deadline):
            raise Unknown(f"{self.address} has stored it, but its quorum of replicas has not")
        if stored and not self._is_sharded:
            return rows.without(range(len(rows)))  # an INSERT is one part: it was made as a whole
        return rows.without(stored)


def _time_left_s(deadline: float) -> float:
    return max(deadline - time.monotonic(), _TIMEOUT_MIN_S)


def _hash(token: str) -> int:
    """Return the hash of *token*: of two that differ in their last number alone, as those of one writer, the difference of these.

    So neighbours in the table differ by little, and take little room.
    """
    prefix, _, number = token.rpartition("-")
    first = int.from_bytes(hashlib.blake2b(prefix.encode(), digest_size=8).digest())
    return (first + int(number)) % (1 << 64)


def _refusal(error: Refused) -> EventWriteException:
    kinds = {_NO_SPACE: StoreFull, _READ_ONLY: StoreReadOnly, _ACCESS_DENIED: StoreReadOnly}
    return kinds.get(error.code, EventWriteException)(str(error))

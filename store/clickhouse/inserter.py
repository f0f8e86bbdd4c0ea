"""INSERTs, each repeated until the engine's answer is definite.

Each has a token, by which the engine recognises one that it has made already: so the same bytes are sent again under the same
token after every failure that says nothing, and are stored once.
"""

import logging
import threading
import time
from collections.abc import Sequence

from store.clickhouse.columns import Rows, encode_rows, view_column
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Away, Refused, Unknown, Wire
from store.errors import EventWriteException, StoreAway, StoreFull, StoreReadOnly, WriteUnknown
from store.view import View

__all__ = ["INSERT_SIZE_MAX", "Inserter"]

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

    Attributes:
        address: where they go.
    """

    def __init__(self, wire: Wire, tables: Tables, views: Sequence[View]) -> None:
        self.address = wire.address
        self._wire = wire
        self._pause = threading.Event()  # never set: to wait
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
        # An asynchronous INSERT would not be recognised when it is repeated; one over several shards is made when all have it.
        settings = {
            "insert_deduplication_token": token,
            "async_insert": "0",
            "distributed_foreground_insert": "1",
        }
        pause_s, is_unknown = _PAUSE_MIN_S, False
        while True:
            timeout_s = max(deadline - time.monotonic(), _TIMEOUT_MIN_S)
            try:
                return self._wire.insert(self._sql, data, timeout_s, **settings)
            except (Away, Unknown, Refused) as error:
                is_unknown |= isinstance(error, Unknown)
                if isinstance(error, Refused) and not error.may_pass and not is_unknown:
                    raise _refusal(error) from error
                if time.monotonic() + pause_s >= deadline:
                    kind = WriteUnknown if is_unknown else StoreAway
                    raise kind(f"given up: {error}") from error
                log.warning("will be sent again: %s", error)
            self._pause.wait(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)


def _refusal(error: Refused) -> EventWriteException:
    kinds = {_NO_SPACE: StoreFull, _READ_ONLY: StoreReadOnly, _ACCESS_DENIED: StoreReadOnly}
    return kinds.get(error.code, EventWriteException)(str(error))

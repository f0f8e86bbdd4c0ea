"""Replicas: several servers that each have all events, and number blocks together. A store asks one of them.

A block gets its number before its INSERT ends, and each server fetches in its own time what others have stored. So the last block
that one server has says nothing of those before it: they may be under way. This finds out up to where all are there. Only tables with
the engine ``ReplicatedMergeTree`` in one partition have such an order; what is under way stands in Keeper, below the path of the table.
"""

import math
import threading
import time

from store.clickhouse.tables import EVENTS
from store.clickhouse.wire import Unknown, Wire

__all__ = ["SYNC_SQL", "Replicas"]

SYNC_SQL = f"SYSTEM SYNC REPLICA {EVENTS} LIGHTWEIGHT"
"""Waits until a server has fetched whatever any of them had stored before."""

_PARTITION = "all"
"""The id of the only partition."""

_PAUSE_MIN_S, _PAUSE_MAX_S = 0.01, 0.5
"""Pauses before it is asked again whether a block is still under way: the first, from which each is twice as long, and the longest."""

_TIMEOUT_MIN_S = 0.1


class Replicas:
    """The replicas of the events, of which one is asked. Any number of threads may use it.

    Args:
        wire: the server that is asked.

    All methods raise EventReadException if it does not answer until their deadline, in seconds of the monotonic clock.
    """

    def __init__(self, wire: Wire) -> None:
        self._wire = wire
        self._pause = threading.Event()  # never set: to wait
        sql = f"SELECT zookeeper_path FROM system.replicas WHERE database = currentDatabase() AND table = '{EVENTS}'"
        path = wire.fetch(sql).decode().strip()
        # Nodes "block-<number>" are of blocks whose INSERT has not ended, and those named like parts, "all_<number>_<number>_0", of blocks that
        # have no quorum: they may be taken back.
        self._under_way = (
            "SELECT if(count() = 0, -1, min(toInt64(extract(name, '[0-9]+')))) FROM system.zookeeper"
            f" WHERE path IN ('{path}/block_numbers/{_PARTITION}', '{path}/quorum/parallel')"
        )
        self._without_quorum = (
            "SELECT toInt64(extract(name, '[0-9]+')) FROM system.zookeeper"
            f" WHERE path IN ('{path}/quorum/parallel', '{path}/quorum/failed_parts')"
        )
        self._complete = -1  # until which block the server has all

    def sync(self, deadline: float) -> None:
        """Wait until the server has whatever any of them had stored before."""
        timeout_s = max(deadline - time.monotonic(), _TIMEOUT_MIN_S)
        # The server waits no longer than this does: what it waits for may be gone with another one.
        self._wire.ask(SYNC_SQL, timeout_s, receive_timeout=str(math.ceil(timeout_s)))

    def complete(self, block: int, deadline: float, *, waits: bool) -> int:
        """Return until which block, of those up to *block*, which the server has, it has all others too: none is missing or under way.

        Args:
            block: the number of the block.
            deadline: see above.
            waits: whether to wait until that is *block* itself.
        """
        pause_s = _PAUSE_MIN_S
        # Asked after the server had *block*: those before it have had their numbers for longer.
        while 0 <= (first := int(self._ask(self._under_way, deadline))) <= block:
            if not waits:
                block = first - 1
                break
            if time.monotonic() + pause_s > deadline:
                raise Unknown(
                    f"{self._wire.address}: block {first} of another INSERT is under way or has no quorum, and what arrived after it cannot be"
                    " shown before"
                )
            self._pause.wait(pause_s)
            pause_s = min(2 * pause_s, _PAUSE_MAX_S)
        if block > self._complete:
            self.sync(deadline)
            self._complete = block
        return block

    def lack_quorum(self, blocks: set[int], deadline: float) -> bool:
        """Return whether one of *blocks*, which the server has, is not on as many replicas as was asked for when it was stored."""
        return not blocks.isdisjoint(map(int, self._ask(self._without_quorum, deadline).split()))

    def _ask(self, sql: str, deadline: float) -> bytes:
        return self._wire.ask(sql, max(deadline - time.monotonic(), _TIMEOUT_MIN_S))

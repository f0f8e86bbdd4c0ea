"""The cursor: up to which INSERT the engine has come, and whether anything was removed."""

import math
import threading
import time
from collections.abc import Callable, Iterable
from typing import NamedTuple

import numpy as np

from store.clickhouse.native import decode_blocks
from store.clickhouse.replicas import Replicas
from store.clickhouse.tables import EVENTS, Tables
from store.clickhouse.wire import Wire

__all__ = ["STALENESS_S", "Arrivals", "Cursor"]

STALENESS_S = 0.5
"""What other processes change shows after this time, in seconds, unless the store is strict; what this one changes, at once."""

_NS_PER_S = 10**9


class Cursor(NamedTuple):
    """A place in the order of arrival.

    Attributes:
        blocks: for each shard its number, and the number of its last block.
        removals: changes whenever events are removed.
        is_last: whether the server that was asked has no block after these.
    """

    blocks: tuple[tuple[int, int], ...]
    removals: tuple[tuple[int, int, int, int], ...]
    is_last: bool = True

    def advanced(self, later: "Cursor") -> "Cursor":
        """Return *later*, but on no shard before this one: answers to two questions may overtake each other."""
        blocks = dict(self.blocks)
        for number, block in later.blocks:
            blocks[number] = max(block, blocks.get(number, block))
        return Cursor(tuple(sorted(blocks.items())), later.removals, later.is_last)

    def up_to(self, shard: str) -> str:
        """Return the condition that an event arrived up to here; *shard* is the number of its shard, in SQL."""
        return _either(
            f"({shard} = {number} AND _block_number <= {block})" for number, block in self.blocks
        )

    def after(self, shard: str) -> str:
        """Return the condition that an event arrived after this; *shard* is the number of its shard, in SQL."""
        known = [number for number, _ in self.blocks]
        others = [f"({shard} NOT IN ({', '.join(map(str, known))}))"] if known else ["1"]
        later = [
            f"({shard} = {number} AND _block_number > {block})" for number, block in self.blocks
        ]
        return _either([*later, *others])


def _either(conditions: Iterable[str]) -> str:
    return f"({' OR '.join(conditions) or '0'})"


class Arrivals:
    """Asks the engine how far it has come. Any number of threads may use it.

    Args:
        wire: the engine.
        tables: its tables.
        is_strict: whether to ask each time, so that what others change shows at once, too.

    Attributes:
        staleness_s: what others change shows after this time at the latest, in seconds.
        settle: called before a cursor is given, to wait until the engine has what this process has accepted.
    """

    def __init__(self, wire: Wire, tables: Tables, *, is_strict: bool = False) -> None:
        self.staleness_s = 0.0 if is_strict else STALENESS_S
        self.settle: Callable[[], object] = lambda: None
        self._wire = wire
        self._sql = (
            f"SELECT toInt64({tables.parts_shard}) AS shard, toInt64(max(max_block_number)) AS block,"
            # The number of the last removal in it follows the number of the block in a part, where there was one.
            " toInt64(max(if(data_version = min_block_number, 0, data_version))) AS removal,"
            # It is made in one part after the other: how many still lack it.
            " toInt64(arrayCount(version -> version < removal, groupArray(data_version))) AS lacking,"
            " toInt64(min(min_block_number)) AS first, toUnixTimestamp64Nano(now64(9)) AS now"
            f" FROM {tables.parts} WHERE database = currentDatabase() AND table = '{EVENTS}' AND active"
            " GROUP BY shard ORDER BY shard FORMAT Native"
        )
        self._replicas = Replicas(wire) if tables.is_replicated else None
        self._lock = threading.Lock()
        self._changes = 0
        # The cursor, when it was asked for, and the number of own changes at that time.
        self._known: tuple[Cursor, float, int] | None = None
        # The engine's clock, in nanoseconds since the epoch: when it was asked last, and first.
        self._clock_ns = self._opened_ns = int(wire.fetch("SELECT toUnixTimestamp64Nano(now64(9))"))

    def note_change(self) -> None:
        """Note that this process has changed something: what was known before is out of date."""
        with self._lock:
            self._changes += 1

    def now(self) -> Cursor:
        """Return the cursor, at most *staleness_s* old and after every change of this process.

        Raises:
            EventReadException: if the engine does not say.
        """
        self.settle()
        with self._lock:
            known, changes = self._known, self._changes
        if (
            known is not None
            and known[2] == changes
            and time.monotonic() - known[1] < self.staleness_s
        ):
            return known[0]
        return self.ask()

    def wait(self) -> None:
        """Wait until the engine has what is to be seen: what this process has stored, and in a strict store, what any has.

        Raises:
            EventReadException: if the engine does not say.
        """
        self.now()

    def poll(self) -> Cursor:
        """Ask for the cursor.

        Raises:
            EventReadException: if the engine does not say.
        """
        self.settle()
        return self.ask()

    def ask(self) -> Cursor:
        """Ask for the cursor, without waiting for what this process has accepted.

        Raises:
            EventReadException: if the engine does not say.
        """
        with self._lock:
            changes = self._changes
            has_changed = changes != (0 if self._known is None else self._known[2])
        asked = time.monotonic()
        deadline = asked + self._wire.timeout_s
        # Once in any case: a server that is new, or was away for long, may have nothing yet.
        if self._replicas is not None and (self._known is None or not self.staleness_s):
            self._replicas.sync(deadline)
        rows = [
            row
            for block in decode_blocks(self._wire.fetch(self._sql))
            for row in np.array([*block.values()]).T.tolist()
        ]
        lasts = [row[1] for row in rows]
        if self._replicas is not None:
            # What this process has stored must be there, and in a strict store, what any has.
            waits = has_changed or not self.staleness_s
            for row in rows:
                row[1] = self._replicas.complete(row[1], deadline, waits=waits)
        cursor = Cursor(
            tuple((shard, block) for shard, block, *_ in rows),
            tuple((shard, *removals) for shard, _, *removals, _ in rows),
            lasts == [row[1] for row in rows],
        )
        with self._lock:
            if self._known is None:
                self._known = cursor, asked, changes
            elif self._known[0].removals == cursor.removals:
                # An answer to an earlier question may come later, and from later: no one must get an earlier cursor then.
                cursor = self._known[0].advanced(cursor)
                self._known = cursor, max(self._known[1], asked), max(self._known[2], changes)
            else:
                # Which of the two is later, another question tells.
                self._known = cursor, -math.inf, changes
            if rows:
                self._clock_ns = max(self._clock_ns, *(row[-1] for row in rows))
        return cursor

    def has_settled(self, changed: float, rest_s: float) -> bool:
        """Return whether *changed*, in seconds of the engine's clock, is *rest_s* seconds ago, or before the first cursor.

        The engine's clock is only compared with itself: with what it showed when it was asked last.
        """
        changed_ns = changed * _NS_PER_S
        return changed_ns < max(self._opened_ns, self._clock_ns - rest_s * _NS_PER_S)

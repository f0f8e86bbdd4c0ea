"""Removing events, durably: what is removed is those that fulfil a condition and had arrived."""

from collections.abc import Mapping

from store.clickhouse.arrivals import Arrivals
from store.clickhouse.compiler import Condition
from store.clickhouse.tables import EVENTS
from store.clickhouse.wire import Wire

__all__ = ["Remover"]


class Remover:
    """Removes events, on one shard after the other. Any number of threads may use it.

    Args:
        wires: the servers, by the numbers of their shards.
        arrivals: is told of removals.
    """

    def __init__(self, wires: Mapping[int, Wire], arrivals: Arrivals) -> None:
        self._wires = wires
        self._arrivals = arrivals

    def remove(self, condition: Condition, shard: int | None = None) -> int:
        """Remove the events that fulfil *condition* now, those on *shard* or on all.

        Returns:
            How many there were.

        Raises:
            EventWriteException: if that failed, or is not known.
        """
        removed = 0
        for number, block in self._arrivals.poll().blocks:
            if shard in (None, number):
                removed += self._remove(
                    self._wires[number], condition & f"_block_number <= {block}"
                )
        return removed

    def _remove(self, wire: Wire, condition: Condition) -> int:
        selected = f"FROM {EVENTS} WHERE {condition.sql}"
        count = int(wire.fetch(f"SELECT count() {selected}", condition.parameters))
        if count:
            try:
                wire.execute(
                    f"DELETE {selected}", condition.parameters, lightweight_deletes_sync="1"
                )
            finally:
                self._arrivals.note_change()
        return count

"""Removing events, durably: what is removed is those that fulfil a condition and had arrived."""

from store.clickhouse.arrivals import Arrivals
from store.clickhouse.compiler import Condition
from store.clickhouse.reader import Reader
from store.clickhouse.tables import EVENTS, Tables
from store.clickhouse.wire import Wire

__all__ = ["Remover"]


class Remover:
    """Removes events. Any number of threads may use it.

    Args:
        wire: the engine.
        tables: its tables.
        reader: asks the engine.
        arrivals: is told of removals.
    """

    def __init__(self, wire: Wire, tables: Tables, reader: Reader, arrivals: Arrivals) -> None:
        self._wire = wire
        self._tables = tables
        self._reader = reader
        self._arrivals = arrivals

    def remove(self, condition: Condition) -> int:
        """Remove the events that fulfil *condition* now.

        Returns:
            How many there were.

        Raises:
            EventWriteException: if that failed, or is not known.
        """
        now = self._arrivals.poll()
        bounded = condition & now.up_to(self._tables.shard)
        ((count,),) = self._reader.numbers(["toInt64(count())"], bounded)
        if count:
            try:
                self._wire.execute(
                    f"DELETE FROM {EVENTS} WHERE {bounded.sql}",
                    bounded.parameters,
                    lightweight_deletes_sync="2",
                )
            finally:
                self._arrivals.note_change()
        return int(count)

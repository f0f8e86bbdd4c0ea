"""The catalogue: which tags and sources there are, kept so that it can be asked on every path."""

from typing import NamedTuple

from store.clickhouse.arrivals import Arrivals, Cursor
from store.clickhouse.compiler import EVERYTHING, Condition
from store.clickhouse.reader import Reader
from store.clickhouse.tables import Tables
from store.format.record import decode_text

__all__ = ["Catalogue", "Names"]


class Names(NamedTuple):
    """The names that events have.

    Attributes:
        tags: the tags.
        sources: the sources.
    """

    tags: frozenset[str]
    sources: frozenset[str]


class Catalogue:
    """The names of all events. Any number of threads may use it.

    Args:
        reader: asks the engine.
        tables: its tables.
        arrivals: the cursor.
    """

    def __init__(self, reader: Reader, tables: Tables, arrivals: Arrivals) -> None:
        self._reader = reader
        self._shard = tables.shard
        self._arrivals = arrivals
        self._known: tuple[Cursor, Names] | None = None

    def names(self) -> Names:
        """Return the names, as of now.

        Raises:
            EventReadException: if the engine does not answer.
        """
        known, now = self._known, self._arrivals.now()
        if known is None:
            names = self.names_of(EVERYTHING)
        else:
            cursor, names = known
            now = cursor.advanced(now)
            if cursor == now:
                return names
            if cursor.removals == now.removals:
                between = f"{cursor.after(self._shard)} AND {now.up_to(self._shard)}"
                later = self.names_of(EVERYTHING & between)
                names = Names(names.tags | later.tags, names.sources | later.sources)
            else:
                names = self.names_of(EVERYTHING)
        self._known = now, names
        return names

    def names_of(self, condition: Condition) -> Names:
        """Return the names of the events that fulfil *condition*.

        Raises:
            EventReadException: if the engine does not answer.
        """
        tags: set[str] = set()
        for block in self._reader.blocks(
            ["CAST(tags, 'Array(String)') AS names"], condition, "GROUP BY tags"
        ):
            tags.update(decode_text(tag) for each in block["names"] for tag in each)
        sources: set[str] = set()
        for block in self._reader.blocks(
            ["CAST(source, 'String') AS name"], condition, "GROUP BY source"
        ):
            sources.update(map(decode_text, block["name"]))
        return Names(frozenset(tags), frozenset(sources))

"""Reading from the engine: sums by minute and by block, and records."""

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from store.clickhouse.arrivals import Cursor
from store.clickhouse.columns import view_column
from store.clickhouse.compiler import Condition
from store.clickhouse.native import decode_blocks
from store.clickhouse.tables import Tables
from store.clickhouse.wire import Wire
from store.view import View

__all__ = ["Arrived", "Minutes", "Reader", "Records"]

Integers = npt.NDArray[np.int64]

_NONE = np.zeros(0, np.int64)
_RECORD = "concat(head, content, '\\n\\n')"
_UNMEASURED = -1
"""Stands for the size of lines that were stored by a process which did not measure them."""


class Minutes(NamedTuple):
    """The minutes of an answer, sorted; a row of each column is one of them.

    Attributes:
        starts: its start, in seconds since the epoch.
        sizes: how many bytes of the answer are in it.
        events: how many events.
        newest: the time of the newest of them, in ticks since the epoch.
        changed: when the last of them was stored, in nanoseconds since the epoch, by the clock of the engine.
    """

    starts: Integers
    sizes: Integers
    events: Integers
    newest: Integers
    changed: Integers


class Arrived(NamedTuple):
    """The blocks of an answer, in order of arrival; a row of each column is one of them.

    Attributes:
        shards: the number of its shard.
        blocks: its number there.
        sizes: how many bytes of the answer are in it.
    """

    shards: Integers
    blocks: Integers
    sizes: Integers

    @classmethod
    def of(cls, shards: Integers, blocks: Integers, sizes: Integers) -> "Arrived":
        """Return the blocks of records, which are in order of arrival: the shard, the block and the size of each."""
        if not len(blocks):
            return cls(_NONE, _NONE, _NONE)
        changes = (shards[1:] != shards[:-1]) | (blocks[1:] != blocks[:-1])
        rows = np.concatenate(([0], np.flatnonzero(changes) + 1))
        return cls(shards[rows], blocks[rows], np.add.reduceat(sizes, rows))

    def are_after(self, cursor: Cursor) -> npt.NDArray[np.bool_]:
        """Return for each whether it arrived after *cursor*."""
        last = dict(cursor.blocks)
        lasts = np.array([last.get(shard, -1) for shard in self.shards.tolist()], np.int64)
        return self.blocks > lasts

    def begins(self, other: "Arrived") -> bool:
        """Return whether *other* begins with these."""
        return all(
            np.array_equal(own, their[: len(own)]) for own, their in zip(self, other, strict=True)
        )

    def only(self, are_wanted: npt.NDArray[np.bool_]) -> "Arrived":
        """Return those that *are_wanted*."""
        return Arrived(*(column[are_wanted] for column in self))


class Records(NamedTuple):
    """Records, or their lines; a row of each column is one of them.

    Attributes:
        data: them, one after the other.
        sizes: the size of each, in bytes.
        minutes: the start of its minute, in seconds since the epoch.
        shards: the number of its shard.
        blocks: the number of its block there.
    """

    data: bytes
    sizes: Integers
    minutes: Integers
    shards: Integers
    blocks: Integers

    @property
    def edges(self) -> Integers:
        """The offset of each, and of the end of the last, in bytes."""
        return np.concatenate(([0], np.cumsum(self.sizes)))

    def shown(self, view: View | None) -> "Records":
        """Return the lines of these records in *view*; without one, the records."""
        if view is None or not self.data:
            return self
        edges = self.edges
        return self._replace(data=view.render(self.data, edges), sizes=view.sizes(self.data, edges))


class Reader:
    """Asks the engine. Any number of threads may use it.

    Args:
        wire: the engine.
        tables: its tables.
        views: the views whose lines are measured when events are stored.

    All methods raise EventReadException if the engine does not answer.
    """

    def __init__(self, wire: Wire, tables: Tables, views: Sequence[View]) -> None:
        self._wire = wire
        self._tables = tables
        self._shard = f"toInt64({tables.shard})"
        self._columns = {view_column(view) for view in views}

    def blocks(
        self, columns: Sequence[str], condition: Condition, rest: str = ""
    ) -> Iterator[dict[str, Any]]:
        """Select *columns* of the events that fulfil *condition*; *rest* groups and sorts them.

        Yields:
            Some rows at a time, see :func:`store.clickhouse.native.decode_blocks`. A column ``size`` has the sizes of the strings
            that follow it.
        """
        sql = f"SELECT {', '.join(columns)} FROM {self._tables.events} WHERE {condition.sql} {rest} FORMAT Native"
        return decode_blocks(self._wire.fetch(sql, condition.parameters), "size")

    def numbers(
        self, columns: Sequence[str], condition: Condition, rest: str = ""
    ) -> list[Integers]:
        """Select *columns*, all of them numbers, of the events that fulfil *condition*; *rest* groups and sorts them."""
        found = [list(block.values()) for block in self.blocks(columns, condition, rest)]
        return [
            np.concatenate([_NONE, *(block[place] for block in found)])
            for place in range(len(columns))
        ]

    def minutes(self, condition: Condition, view: View | None) -> Minutes:
        """Return the minutes of the events that fulfil *condition*, their sizes those in *view*."""
        columns = [
            "minute",
            self._size(view),
            "toInt64(count())",
            "max(ticks)",
            "toUnixTimestamp64Nano(max(arrived))",
        ]
        found = Minutes(*self.numbers(columns, condition, "GROUP BY minute ORDER BY minute"))
        for row in np.flatnonzero(found.sizes == _UNMEASURED).tolist():
            found.sizes[row] = self._measure(condition & f"minute = {found.starts[row]}", view)
        return found

    def arrived(self, condition: Condition, view: View | None) -> Arrived:
        """Return the blocks with events that fulfil *condition*, their sizes those in *view*."""
        columns = [f"{self._shard} AS shard", "_block_number", self._size(view)]
        found = Arrived(
            *self.numbers(
                columns, condition, "GROUP BY shard, _block_number ORDER BY shard, _block_number"
            )
        )
        for row in np.flatnonzero(found.sizes == _UNMEASURED).tolist():
            block = f"{self._shard} = {found.shards[row]} AND _block_number = {found.blocks[row]}"
            found.sizes[row] = self._measure(condition & block, view)
        return found

    def records(self, condition: Condition, order: str = "") -> Records:
        """Return the records of the events that fulfil *condition*, sorted by *order* and then by arrival."""
        columns = [
            "minute",
            f"{self._shard} AS shard",
            "_block_number",
            "size",
            _RECORD,
        ]
        found = [
            list(block.values())
            for block in self.blocks(
                columns, condition, f"ORDER BY {order} shard, _block_number, n"
            )
        ]
        minutes, shards, blocks, sizes = (
            np.concatenate([_NONE, *(block[place] for block in found)]) for place in range(4)
        )
        return Records(b"".join([block[4] for block in found]), sizes, minutes, shards, blocks)

    def joined(self, condition: Condition) -> bytes:
        """Return the records of the events that fulfil *condition*, in order of arrival, and nothing else of them."""
        sql = (
            f"SELECT {_RECORD} FROM {self._tables.events} WHERE {condition.sql}"
            f" ORDER BY {self._shard}, _block_number, n FORMAT RawBLOB"
        )
        return self._wire.fetch(sql, condition.parameters)

    def _size(self, view: View | None) -> str:
        """Return the sum of the sizes of records, or of lines in *view*, in SQL."""
        if view is None:
            return "toInt64(sum(size))"
        column = view_column(view)
        if column not in self._columns:
            return f"toInt64({_UNMEASURED})"
        return f"if(countIf({column} = 0) = 0, toInt64(sum({column})), {_UNMEASURED})"

    def _measure(self, condition: Condition, view: View | None) -> int:
        return len(self.records(condition).shown(view).data)

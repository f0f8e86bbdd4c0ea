"""Scopes: which events an answer has, and as what they are shown."""

from dataclasses import dataclass
from functools import cached_property

from store.clickhouse.compiler import Condition, compile_query
from store.query import MINUTE_S, Query, minute_at
from store.view import View

__all__ = ["Scope", "minute_start"]


@dataclass(frozen=True)
class Scope:
    """The events that answer a query, all or those of a minute, as records or lines.

    Attributes:
        query: the query.
        view: the view that shows them; None for their records.
        minute: the start of the minute in seconds since the epoch; None for all.
    """

    query: Query
    view: View | None
    minute: int | None = None

    @cached_property
    def condition(self) -> Condition:
        """The condition that the events fulfil.

        Raises:
            InvalidPattern: if a pattern in the query is not a regular expression.
        """
        condition = compile_query(self.query)
        return condition if self.minute is None else condition & f"minute = {self.minute}"

    @property
    def name(self) -> str:
        """A name for messages."""
        return "an answer" if self.minute is None else minute_at(self.minute)

    def within(self, minute: int) -> "Scope":
        """Return the part of the scope in *minute*."""
        return Scope(self.query, self.view, minute)


def minute_start(name: str) -> int | None:
    """Return the start of the minute *name* in seconds since the epoch; None if it is not the name of one."""
    start = name.partition("-")[0]
    is_one = start.isdecimal() and int(start) % MINUTE_S == 0 and name == minute_at(int(start))
    return int(start) if is_one else None

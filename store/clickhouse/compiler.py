"""Queries as conditions in the engine's SQL.

Every value reaches the engine as a parameter in hexadecimal digits, so that no byte of it can mean anything to its parser;
times and levels are whole numbers, which this process made.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from store.format.levels import LEVELS
from store.format.record import encode_text
from store.matching.pattern import compile_pattern
from store.query import (
    MINUTE_S,
    AtLevel,
    During,
    Filter,
    FromSource,
    HasTag,
    Matches,
    Not,
    Query,
    Untagged,
)
from store.ticks import TICKS_MAX, TICKS_PER_S

__all__ = ["EVERYTHING", "Condition", "compile_query", "values_in"]

_TICKS_PER_MINUTE = MINUTE_S * TICKS_PER_S
_SYNTAX = "(?m-s)"
"""Where `^` and `$` match, and that `.` matches no newline, as :mod:`store.matching.pattern` has it: the engine's defaults differ."""


@dataclass(frozen=True)
class Condition:
    """A condition on events.

    Attributes:
        sql: the condition.
        parameters: the values in it, by their names.
    """

    sql: str
    parameters: Mapping[str, str] = field(default_factory=dict)

    def __and__(self, sql: str) -> "Condition":
        """Return the condition that *sql*, which has no values, holds besides."""
        return Condition(f"{self.sql} AND {sql}", self.parameters)


EVERYTHING = Condition("1")
"""The condition that every event fulfils."""


def compile_query(query: Query) -> Condition:
    """Compile *query*.

    Raises:
        InvalidPattern: if a pattern in it is not a regular expression.
    """
    values = _Values()
    parts = [_during(During(query.start, query.end))] if query.is_bounded else []
    # In the same order each time, so that the engine finds an equal query in its caches.
    parts += sorted(_compiled(each, values) for each in query.filters)
    return Condition(" AND ".join(f"({each})" for each in parts if each) or "1", values.parameters)


def values_in(column: str, texts: Iterable[str]) -> Condition:
    """Return the condition that *column* has one of the values *texts*."""
    values = _Values()
    return Condition(f"{column} IN ({values.add_all(texts) or 'NULL'})", values.parameters)


class _Values:
    """The values of a condition, which are its parameters."""

    def __init__(self) -> None:
        self.parameters: dict[str, str] = {}

    def add(self, value: bytes) -> str:
        """Add *value*, and return what stands for it."""
        name = f"v{len(self.parameters)}"
        self.parameters[name] = value.hex()
        return f"unhex({{{name}:String}})"

    def add_all(self, texts: Iterable[str]) -> str:
        """Add *texts*, and return what stands for them: a list with commas."""
        return ", ".join(self.add(encode_text(each)) for each in sorted(texts))


def _compiled(each: Filter, values: _Values) -> str:
    match each:
        case Not(negated):
            return f"NOT ({_compiled(negated, values) or '1'})"
        case HasTag(any_of):
            return f"hasAny(tags, [{values.add_all(any_of)}])" if any_of else "0"
        case FromSource(any_of):
            return f"source IN ({values.add_all(any_of)})" if any_of else "0"
        case Untagged():
            return "empty(tags)"
        case During():
            return _during(each)
        case AtLevel(any_of):
            codes = sorted(LEVELS.index(name) + 1 for name in any_of)
            return f"level IN ({', '.join(map(str, codes))})" if codes else "0"
        case Matches(text):
            compile_pattern(text)
            return f"match(content, {values.add((_SYNTAX + text).encode())})"
    raise AssertionError(f"no such filter: {each}")


def _during(bounds: During) -> str:
    """Compile *bounds*: by minutes alone, which the engine has sums for, where they are those of minutes."""
    if bounds.start > bounds.end:
        return "0"
    parts = []
    if bounds.start > 0:
        parts.append(f"minute >= {bounds.start // _TICKS_PER_MINUTE * MINUTE_S}")
        if bounds.start % _TICKS_PER_MINUTE:
            parts.append(f"ticks >= {bounds.start}")
    if bounds.end < TICKS_MAX:
        parts.append(f"minute <= {bounds.end // _TICKS_PER_MINUTE * MINUTE_S}")
        if (bounds.end + 1) % _TICKS_PER_MINUTE:
            parts.append(f"ticks <= {bounds.end}")
    return " AND ".join(parts)

r"""Lines of logfmt: ``ts=2026-11-23T10:15:00Z level=info msg="disk is \"full\""``.

A line is in the format if it begins with a name and an equals sign. The time is the first of ``ts``, ``time``, ``t``, ``timestamp``
and ``at`` that is one; the source the first of ``source``, ``service``, ``service.name``, ``logger``, ``name``, ``app`` and ``component``.
Of fields with equal names the last one counts.
"""

import functools
import json
import re
from collections.abc import Sequence

import numpy as np

from store.format.record import decode_text
from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.keys import tags_of_columns
from theiafs.formats.sources import first_sources
from theiafs.formats.times import read_times

__all__ = ["Logfmt"]

_TIMES = ("ts", "time", "t", "timestamp", "at")
_SOURCES = ("source", "service", "service.name", "logger", "name", "app", "component")
_START = re.compile(rb'\s*+[^\s="]++=')
_VALUE = rb'[^\s"]*+(?:"[^"\\]*+(?:\\.?+[^"\\]*+)*+"?+[^\s"]*+)*'
"""Up to a blank that is not in quotes, or to the end of the line where a quote is not closed."""
_QUOTE = b'"'
_PATTERNS_MAX = 64
"""Number of patterns that are kept: one for each list of names."""

Pairs = dict[bytes, bytes]


class Logfmt(Format):
    """Lines of logfmt."""

    name = "logfmt"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the fields of *lines* by *rules*."""
        are_parsed = np.array([_START.match(line) is not None for line in lines], np.bool_)
        find_pairs = _pattern((*_TIMES, *_SOURCES, *rules.keys)).findall
        rows: list[Pairs] = [
            dict(find_pairs(line)) if is_parsed else {}
            for line, is_parsed in zip(lines, are_parsed.tolist(), strict=True)
        ]
        ticks = np.full(len(lines), NO_TIME)
        for name in _within(rows, _TIMES):
            missing = np.flatnonzero(ticks == NO_TIME)
            texts = _column(rows, name)
            ticks[missing] = read_times([texts[row] for row in missing.tolist()], rules)
        sources = (
            [None if value is None else decode_text(value) for value in _column(rows, name)]
            for name in _within(rows, _SOURCES)
        )
        tagged = {key: _column(rows, key) for key in rules.keys}
        return Fields(
            ticks,
            first_sources(sources, len(lines)),
            tags_of_columns(rules.keys, tagged, len(lines)),
            are_parsed,
            {},
        )


@functools.lru_cache(_PATTERNS_MAX)
def _pattern(names: tuple[str, ...]) -> re.Pattern[bytes]:
    """Return a pattern that finds the fields *names*, from left to right; the last thing that it finds is the end of the line.

    All that is between them is skipped in one step, which is never taken back, so that the time is linear.
    """
    name = b"|".join(re.escape(each.encode()) for each in names)
    skipped = rb"\s*+(?:(?!(?:%b)=|\Z)%b\s*+)*" % (name, _VALUE)
    return re.compile(rb"%b(?:(%b)=(%b)|\Z)" % (skipped, name, _VALUE), re.DOTALL)


def _within(rows: Sequence[Pairs], names: Sequence[str]) -> list[str]:
    """Return those of *names* that any of *rows* has."""
    present = set[bytes]().union(*rows)
    return [name for name in names if name.encode() in present]


def _column(rows: Sequence[Pairs], name: str) -> list[bytes | None]:
    """Return the value of the field *name* of each row, without the quotes; None where it has none."""
    key = name.encode()
    values = [row.get(key) for row in rows]
    return [
        value if value is None or not value.startswith(_QUOTE) else _unquoted(value)
        for value in values
    ]


def _unquoted(value: bytes) -> bytes:
    """Return *value*, which begins with a quote, without quotes and escapes."""
    if b"\\" not in value:
        return value[1:].removesuffix(_QUOTE)
    try:
        text = json.loads(value)
    except ValueError:  # not as in JSON: as it is
        return value
    return str(text).encode(errors="replace")

"""Lines of JSON, each an object, as loggers write them.

The time is that of the first of these members that says one: ``timestamp``, ``time``, ``ts``; then ``@timestamp``, ``@t``, ``t`` and
others that fewer loggers write. The source is the first of ``source``, ``service``, ``service.name``, ``logger``, ``name``,
``app``; then others, where the time is one of the others too. A name with a point is a member of that name, or one within another; of a
``service`` that is an object its ``name`` counts.

pino, bunyan, zap, logrus, zerolog, slog, structlog, python-json-logger, ECS, GELF, Docker's json-file, Serilog (compact), MongoDB, caddy and
``journalctl -o json`` are read so. A line of ``events.jsonl`` is the event that it was made of.
"""

from collections.abc import Sequence
from typing import cast

import numpy as np
import numpy.typing as npt

from store import Event
from theiafs.formats.fields import NO_TIME, Fields, Format, Rules
from theiafs.formats.keys import tags_of_columns
from theiafs.formats.members import Objects, decode_objects, text_of
from theiafs.formats.rendered import read_rendered
from theiafs.formats.sources import first_sources
from theiafs.formats.times import epoch_ticks, read_times

__all__ = ["Jsonl"]

Ticks = npt.NDArray[np.int64]

# Each name costs time, for each member of each line: rare ones are only looked for where no common one says a time.
_TIMES = ("timestamp", "time", "ts")
_RARE_TIMES = (
    "@timestamp", "@t", "t", "_time", "asctime", "timeUnixNano", "date", "datetime", "__REALTIME_TIMESTAMP",
)  # fmt: skip
_SOURCES = ("source", "service", "service.name", "logger", "name", "app")
_RARE_SOURCES = (
    "log.logger", "logger_name", "@module", "SourceContext", "SYSLOG_IDENTIFIER", "_SYSTEMD_UNIT", "_COMM",
)  # fmt: skip
_TAGS = "tags"
"""No logger's object has it together with the rest of a line of ``events.jsonl``."""
_MONGODB_DATE = "$date"


class Jsonl(Format):
    """Lines of JSON."""

    name = "jsonl"

    def read(self, lines: Sequence[bytes], rules: Rules) -> Fields:
        """Read the fields of *lines* by *rules*; a line is in the format if it is an object, whatever it says."""
        objects = decode_objects(lines, (*_TIMES, *_SOURCES, _TAGS, *rules.keys))
        ticks = _first_times(objects, _TIMES, rules)
        others = np.flatnonzero((ticks == NO_TIME) & objects.are_objects).tolist()
        if others:
            rare = decode_objects([lines[row] for row in others], _RARE_TIMES + _RARE_SOURCES)
            ticks[others] = _first_times(rare, _RARE_TIMES, rules)
            objects = objects.with_members(others, rare)
        columns = map(objects.column, _within(objects, _SOURCES + _RARE_SOURCES))
        tagged = {key: list(map(text_of, objects.column(key))) for key in rules.keys}
        return Fields(
            ticks,
            first_sources(columns, len(lines)),
            tags_of_columns(rules.keys, tagged, len(lines)),
            objects.are_objects,
            _read_events(objects, lines, ticks),
        )


def _within(objects: Objects, names: Sequence[str]) -> list[str]:
    """Return those of *names* that members of *objects* may have."""
    return [name for name in names if not objects.names.isdisjoint((name, name.partition(".")[0]))]


def _first_times(objects: Objects, names: Sequence[str], rules: Rules) -> Ticks:
    """Return for each object the first time that one of its members *names* says."""
    first, *further = _within(objects, names) or [names[0]]
    ticks = _read_values(objects.column(first), rules)
    for name in further:
        missing = np.flatnonzero(ticks == NO_TIME).tolist()
        values = objects.column(name)
        ticks[missing] = _read_values([values[row] for row in missing], rules)
    return ticks


def _read_values(values: Sequence[object], rules: Rules) -> Ticks:
    """Return the times that *values* say: numbers, and texts, maybe within an object as MongoDB writes them."""
    kinds = set(map(type, values))
    if dict in kinds:
        values = [each.get(_MONGODB_DATE) if isinstance(each, dict) else each for each in values]
        kinds = set(map(type, values))
    if kinds == {int}:
        whole = cast("Sequence[int]", values)
        try:
            return epoch_ticks(np.array(whole, np.int64))
        except OverflowError:
            return epoch_ticks(whole)
    texts = values if kinds == {str} else [each if type(each) is str else "" for each in values]
    ticks = read_times(list(map(str.encode, texts)), rules)  # type: ignore[arg-type]
    rows = [row for row, each in enumerate(values) if type(each) is int] if int in kinds else []
    # Whatever else is there, a number is a number: as a text 2026 would be a year.
    ticks[rows] = epoch_ticks([values[row] for row in rows])  # type: ignore[misc]
    return ticks


def _read_events(objects: Objects, lines: Sequence[bytes], ticks: Ticks) -> dict[int, Event]:
    """Return by row the events of those of *lines* that events are rendered as."""
    if _TAGS not in objects.names:
        return {}
    rows = [row for row, members in enumerate(objects.rows) if _TAGS in members and ticks[row] >= 0]
    events = read_rendered([lines[row] for row in rows], ticks[rows].tolist())
    return {row: event for row, event in zip(rows, events, strict=True) if event is not None}

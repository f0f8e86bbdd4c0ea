r"""Events as lines of JSON, from which events can be had back exactly, those of times after the year 9999 with its last tick.

Each line is an object with ``timestamp`` (UTC, seven decimals), ``id``, ``source``, ``tags`` (an array), ``level`` (a name, or
null) and ``message``. Where a field is not UTF-8, U+FFFD stands in it for what cannot be decoded, and the object has the
exact bytes as well, in base64: ``id_base64``, ``source_base64``, ``tags_base64`` (an array), ``message_base64``.

Characters that could steer a terminal or end a line are escaped, as ``\u001b``: those that
:mod:`theiafs.rendering.escaping` names, tabs included.
"""

import base64
import json
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import View
from store.format.contents import find_contents
from store.format.level_columns import levels_of
from store.format.levels import LEVELS, level_of
from store.format.text import Text
from theiafs.rendering.escaping import count_within, escape_json
from theiafs.rendering.pieces import Pieces, choice, complete, constant, fixed, join, sum_sizes
from theiafs.rendering.records import (
    Other,
    Records,
    are_few,
    read_one_by_one,
    read_others,
    read_records,
)
from theiafs.rendering.times import Times, time_text

__all__ = ["JsonlView"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_COMMA, _NEWLINE, _COLON, _QUOTE, _BACKSLASH, _TAB = b',\n:"\\\t'
_LEVEL_NAMES = (None, *LEVELS)

_OPENING = b'{"timestamp":"'
_AFTER_TIME = b'","id":"'
_OPENING_SIZE = len(_OPENING + b"2026-11-23T10:15:00.1234567Z" + _AFTER_TIME)
_BEFORE_SOURCE = b'","source":"'
_BEFORE_TAGS = [b'","tags":[', b'","tags":["']
"""The text before the tags of an event that has none, and of one that has some."""

_TAG_COMMA = b'","'
_AFTER_TAGS = [
    b'%b],"level":%b,"message":"' % (quote, json.dumps(level).encode())
    for quote in (b"", b'"')
    for level in _LEVEL_NAMES
]
"""The text after the tags of an event that has none, at each level, and of one that has some."""

_END = b'"}\n'

_ENCODER = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))
"""Made once: json.dumps makes one for each object."""


class JsonlView(View):
    """The view of ``events.jsonl``."""

    name = "jsonl"
    version = 2
    """Raised when the levels of events may change as well, as they are in the lines."""

    def sizes(self, data: bytes, edges: Integers) -> Integers:
        """Return the size of each line in bytes, nothing of it rendered but what is unusual."""
        if are_few(edges):
            return np.array(list(map(len, _lines(data, edges))), np.int64)
        return sum_sizes(_columns(data, edges, renders=False))

    def render(self, data: bytes, edges: Integers) -> bytes:
        """Return the lines, joined from the bytes of the records."""
        if are_few(edges):
            return b"".join(_lines(data, edges))
        return join(_columns(data, edges))


def _columns(data: bytes, edges: Integers, renders: bool = True) -> Sequence[Pieces]:
    """Return the pieces of the lines of the records in *data*, which have *edges*; only if it *renders*, the times are those."""
    text = Text(data)
    records = read_records(text, edges)
    commas = np.flatnonzero(text.bytes[: text.size] == _COMMA)
    records = records.only(records.are_safe & ~_have_odd_tags(text, commas, records))
    found = records.found
    starts, ends = found.contents
    levels = _levels(data, edges, records)
    own_levels = levels if len(found.rows) == len(levels) else levels[found.rows]
    openings = constant(bytes(_OPENING_SIZE), len(starts))
    if renders:
        times = Times(found.seconds, found.decimals)
        openings = fixed(times.texts(7, _OPENING, _AFTER_TIME))
    escaped = _Replaced.by_escapes(text)
    have_tags = (found.tags_ends > found.tags_starts).astype(np.int64)
    columns = [
        openings,
        escaped.pieces(found.id_starts, found.id_ends),
        constant(_BEFORE_SOURCE, len(starts)),
        escaped.pieces(found.source_starts, found.source_ends),
        choice(_BEFORE_TAGS, have_tags),
        escaped.with_commas(commas).pieces(found.tags_starts, found.tags_ends),
        choice(_AFTER_TAGS, own_levels + have_tags * len(_LEVEL_NAMES)),
        escaped.pieces(starts, ends),
        constant(_END, len(starts)),
    ]
    others = read_others(data, edges, found.rows)
    other_levels = np.delete(levels, found.rows).tolist() if others else []
    return complete(columns, found.rows, list(map(_line, others, other_levels)))


def _have_odd_tags(text: Text, commas: Integers, records: Records) -> Booleans:
    """Return which of *records*, of which *commas* are the commas, have commas around an empty name, which is no tag."""
    after, before = text.bytes[commas + 1], text.bytes[commas - 1]
    # A few others do no harm.
    odd = commas[(after == _COMMA) | (after == _NEWLINE) | (before == _COLON)]
    return count_within(odd, records.found.tags_starts, records.found.tags_ends) > 0


def _levels(data: bytes, edges: Integers, records: Records) -> npt.NDArray[np.uint8]:
    """Return the levels of all records in *data*, of which *records* are the ordinary ones."""
    contents = records.found.contents
    if len(contents.starts) < len(edges) - 1:
        contents = find_contents(data, edges)
    return levels_of(data, edges, contents)


class _Replaced(NamedTuple):
    """Data in which some bytes were replaced by more, and how to find in it what was at an offset.

    Attributes:
        data: the new data.
        shifts: for each replacement the sorted offsets of the bytes replaced, and how many bytes each has gained.
    """

    data: bytes
    shifts: list[tuple[Integers, int]]

    @classmethod
    def by_escapes(cls, text: Text) -> "_Replaced":
        """Return *text* with the escapes of JSON that ordinary text needs."""
        new = text.data.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t")
        if len(new) == text.size:
            return cls(new, [])
        codes = text.bytes[: text.size]
        escaped = np.flatnonzero((codes == _QUOTE) | (codes == _BACKSLASH) | (codes == _TAB))
        return cls(new, [(escaped, 1)])

    def with_commas(self, commas: Integers) -> "_Replaced":
        """Return the same with *commas*, the offsets of all commas, made ends of strings and starts of other strings."""
        gained = len(_TAG_COMMA) - len(b",")
        return _Replaced(self.data.replace(b",", _TAG_COMMA), [*self.shifts, (commas, gained)])

    def pieces(self, starts: Integers, ends: Integers) -> Pieces:
        """Return as pieces what was from *starts* to *ends*."""
        new_starts, sizes = starts, ends - starts
        for positions, gained in self.shifts:
            if len(positions):
                before = np.searchsorted(positions, starts)
                new_starts = new_starts + gained * before
                sizes = sizes + gained * (np.searchsorted(positions, ends) - before)
        return Pieces(self.data, new_starts, sizes)


def _lines(data: bytes, edges: Integers) -> list[bytes]:
    """Return the lines of the records in *data*, which have *edges*, one by one."""
    others = read_one_by_one(data, edges)
    return [_line(each, level_of(each.header.tags, each.content)) for each in others]


def _line(other: Other, level: int) -> bytes:
    """Return the line of any record at *level*, whatever is in it."""
    header = other.header
    values = {"id": header.id, "source": header.source, "message": other.content}
    tags = [tag for tag in header.tags.split(b",") if tag]
    texts = {name: value.decode(errors="replace") for name, value in values.items()}
    line: dict[str, object] = {
        "timestamp": time_text(header.ticks, 7).decode(),
        "id": texts["id"],
        "source": texts["source"],
        "tags": [tag.decode(errors="replace") for tag in tags],
        "level": _LEVEL_NAMES[level],
        "message": texts["message"],
    }
    for name, value in values.items():
        if texts[name].encode() != value:
            line[f"{name}_base64"] = base64.b64encode(value).decode()
    if line["tags"] != [tag.decode(errors="surrogateescape") for tag in tags]:
        line["tags_base64"] = [base64.b64encode(tag).decode() for tag in tags]
    return escape_json(_ENCODER.encode(line)) + b"\n"

r"""Events as lines of JSON, from which every event can be had back exactly.

Each line is an object with ``timestamp`` (UTC, seven decimals), ``id``, ``source``, ``tags`` (an array), ``level`` (a name, or
null) and ``message``. Where a field is not UTF-8, U+FFFD stands in it for what cannot be decoded, and the object has the
exact bytes as well, in base64: ``id_base64``, ``source_base64``, ``tags_base64`` (an array), ``message_base64``.

Characters that could steer a terminal or end a line are escaped, as ``\u001b``: those that
:mod:`theiafs.rendering.escaping` names, tabs included.
"""

import base64
import json
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store import View
from store.format.level_columns import levels_of
from store.format.levels import LEVELS
from theiafs.rendering.escaping import count_within, escape_json
from theiafs.rendering.pieces import Pieces, choice, constant, fixed, join, sum_sizes
from theiafs.rendering.records import Records, read_records
from theiafs.rendering.times import time_texts

__all__ = ["JsonlView"]

Integers = npt.NDArray[np.int64]

_COMMA, _NEWLINE, _COLON, _QUOTE, _BACKSLASH, _TAB = b',\n:"\\\t'
_LEVEL_NAMES = (None, *LEVELS)

_OPENING = b'{"timestamp":"'
_AFTER_TIME = b'","id":"'
_OPENING_SIZE = len(_OPENING + b"2026-11-23T10:15:00.1234567Z" + _AFTER_TIME)
_ID_KEY = b'{"id":"'
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


class JsonlView(View):
    """The view of ``events.jsonl``."""

    name = "jsonl"
    version = 1
    """Raised when the levels of events may change as well, as they are in the lines."""

    def sizes(self, data: bytes, edges: Integers) -> Integers:
        """Return the size of each line in bytes, nothing of it rendered but what is unusual."""
        return _OPENING_SIZE + sum_sizes(_columns(read_records(data, edges), edges))

    def render(self, data: bytes, edges: Integers) -> bytes:
        """Return the lines, joined from the bytes of the records."""
        records = read_records(data, edges)
        openings = time_texts(records.fields.ticks, 7, _OPENING, _AFTER_TIME)
        return join([fixed(openings), *_columns(records, edges)])


def _columns(records: Records, edges: Integers) -> list[Pieces]:
    """Return the pieces of lines that follow the time."""
    data, (starts, ends), fields = records.data, records.contents, records.fields
    levels = levels_of(data, edges, records.contents)
    text = np.frombuffer(data, np.uint8)
    commas = np.flatnonzero(text == _COMMA)
    escaped = _Replaced.by_escapes(data, text)
    have_tags = (fields.tags_ends > fields.tags_starts).astype(np.int64)
    columns = [
        escaped.pieces(fields.id_starts, fields.id_ends),
        constant(_BEFORE_SOURCE, len(starts)),
        escaped.pieces(fields.source_starts, fields.source_ends),
        choice(_BEFORE_TAGS, have_tags),
        escaped.with_commas(commas).pieces(fields.tags_starts, fields.tags_ends),
        choice(_AFTER_TAGS, levels + have_tags * len(_LEVEL_NAMES)),
        escaped.pieces(starts, ends),
        constant(_END, len(starts)),
    ]
    # Commas around an empty name, which is no tag; a few others do no harm.
    after = text[commas + 1]
    odd = commas[(after == _COMMA) | (after == _NEWLINE) | (text[commas - 1] == _COLON)]
    are_unusual = count_within(odd, fields.tags_starts, fields.tags_ends) > 0
    are_unusual |= ~(records.are_safe_headers & records.are_safe_contents)
    rows = np.flatnonzero(are_unusual).tolist()
    if rows:
        texts = [_rest_of_line(records, row, int(levels[row])) for row in rows]
        columns = [column.replace(rows, [b""] * len(rows)) for column in columns]
        columns[0] = columns[0].replace(rows, texts)
    return columns


class _Replaced(NamedTuple):
    """Data in which some bytes were replaced by more, and how to find in it what was at an offset.

    Attributes:
        data: the new data.
        shifts: for each replacement the sorted offsets of the bytes replaced, and how many bytes each has gained.
    """

    data: bytes
    shifts: list[tuple[Integers, int]]

    @classmethod
    def by_escapes(cls, data: bytes, text: npt.NDArray[np.uint8]) -> "_Replaced":
        """Return *data*, of which the bytes are *text*, with the escapes of JSON that ordinary text needs."""
        escaped = np.flatnonzero((text == _QUOTE) | (text == _BACKSLASH) | (text == _TAB))
        new = data.replace(b"\\", b"\\\\").replace(b'"', b'\\"').replace(b"\t", b"\\t")
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


def _rest_of_line(records: Records, row: int, level: int) -> bytes:
    """Return what follows the time in the line of the record in *row*, whatever is in it."""
    data, (starts, ends), fields = records.data, records.contents, records.fields
    values = {
        "id": data[fields.id_starts[row] : fields.id_ends[row]],
        "source": data[fields.source_starts[row] : fields.source_ends[row]],
        "message": data[starts[row] : ends[row]],
    }
    joined = data[fields.tags_starts[row] : fields.tags_ends[row]]
    tags = [tag for tag in joined.split(b",") if tag]
    texts = {name: value.decode(errors="replace") for name, value in values.items()}
    line: dict[str, object] = {
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
    rest = escape_json(json.dumps(line, ensure_ascii=False, separators=(",", ":")))
    return rest.removeprefix(_ID_KEY) + b"\n"

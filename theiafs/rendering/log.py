r"""Events as lines of a log: ``2026-11-23T10:15:00.123456Z <source> [<tag>,<tag>] <content>``.

Three spaces divide each line into its time, source, tags and content, and nothing in an event can move them: source and
tags are words (see :mod:`theiafs.rendering.escaping`), a source that is empty is shown as ``-``, and an event without tags
has ``[]``. The tags are what is stored, commas included. The time is cut to microseconds, so that ``sort -s -k1,1`` sorts by time.
"""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from store import View
from store.format.text import Text
from theiafs.rendering.escaping import escape, escape_word, have_blanks
from theiafs.rendering.pieces import Pieces, complete, join, put, sum_sizes
from theiafs.rendering.records import (
    Other,
    Records,
    are_few,
    read_one_by_one,
    read_others,
    read_records,
)
from theiafs.rendering.times import Times, time_text

__all__ = ["LogView"]

Integers = npt.NDArray[np.int64]

_TIME_SIZE = len("2026-11-23T10:15:00.123456Z ")
_BEFORE_TAGS, _AFTER_TAGS = b" [", b"] "


class LogView(View):
    """The view of ``events.log``."""

    name = "log"
    version = 1

    def sizes(self, data: bytes, edges: Integers) -> Integers:
        """Return the size of each line in bytes, nothing of it rendered but what is unusual."""
        if are_few(edges):
            return np.array(list(map(len, _lines(data, edges))), np.int64)
        return sum_sizes(_columns(data, edges, _read(data, edges), data))

    def render(self, data: bytes, edges: Integers) -> bytes:
        """Return the lines, joined from the bytes of the records."""
        if are_few(edges):
            return b"".join(_lines(data, edges))
        records = _read(data, edges)
        found = records.found
        # A header has room for what is around the source and the tags in a line, with the first byte of the content.
        heads = bytearray(data)
        times = Times(found.seconds, found.decimals).texts(6, after=b" ")
        put(times, heads, found.source_starts - _TIME_SIZE)
        put(_BEFORE_TAGS, heads, found.source_ends)
        put(_AFTER_TAGS, heads, found.tags_ends)
        return join(_columns(data, edges, records, heads))


def _read(data: bytes, edges: Integers) -> Records:
    """Read those records in *data* of which the source and the tags are in a line as they are."""
    records = read_records(Text(data), edges)
    found = records.found
    sizes = found.tags_ends - found.source_starts
    are_plain = found.source_ends > found.source_starts
    are_plain &= ~have_blanks(data, found.source_starts, sizes)
    return records.only(are_plain)


def _columns(
    data: bytes, edges: Integers, records: Records, heads: bytes | bytearray
) -> Sequence[Pieces]:
    """Return the pieces of all lines.

    Args:
        data: the records.
        edges: offset of each, and of the end of the last, in bytes.
        records: those that are ordinary.
        heads: the data, with times before their sources, and what is before and after tags.
    """
    found = records.found
    starts, ends = found.contents
    contents = Pieces.between(data, starts, ends + len(b"\n"))
    rows = np.flatnonzero(~records.are_safe)
    lines = [escape(text[:-1]) + b"\n" for text in contents.texts(rows)]
    columns = [
        Pieces.between(
            heads, found.source_starts - _TIME_SIZE, found.source_ends + len(_BEFORE_TAGS)
        ),
        Pieces.between(heads, found.tags_starts, found.tags_ends + len(_AFTER_TAGS)),
        contents.replace(rows.tolist(), lines),
    ]
    return complete(columns, found.rows, list(map(_line, read_others(data, edges, found.rows))))


def _lines(data: bytes, edges: Integers) -> list[bytes]:
    """Return the lines of the records in *data*, which have *edges*, one by one."""
    return list(map(_line, read_one_by_one(data, edges)))


def _line(other: Other) -> bytes:
    """Return the line of any record."""
    source, tags = escape_word(other.header.source) or b"-", escape_word(other.header.tags)
    head = b"%b %b%b%b" % (time_text(other.header.ticks), source, _BEFORE_TAGS, tags)
    return head + _AFTER_TAGS + escape(other.content) + b"\n"

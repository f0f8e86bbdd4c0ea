r"""Events as lines of a log: ``2026-11-23T10:15:00.123456Z <source> [<tag>,<tag>] <content>``.

Three spaces divide each line into its time, source, tags and content, and nothing in an event can move them: source and
tags are words (see :mod:`theiafs.rendering.escaping`), a source that is empty is shown as ``-``, and an event without tags
has ``[]``. The tags are what is stored, commas included. The time is cut to microseconds, so that ``sort -s -k1,1`` sorts by time.
"""

import numpy as np
import numpy.typing as npt

from store import View
from theiafs.rendering.escaping import are_words, escape, escape_word
from theiafs.rendering.pieces import Pieces, constant, fixed, join, sum_sizes
from theiafs.rendering.records import Records, read_records
from theiafs.rendering.times import time_texts

__all__ = ["LogView"]

Integers = npt.NDArray[np.int64]

_TIME_SIZE = len("2026-11-23T10:15:00.123456Z ")


class LogView(View):
    """The view of ``events.log``."""

    name = "log"
    version = 1

    def sizes(self, data: bytes, edges: Integers) -> Integers:
        """Return the size of each line in bytes, nothing of it rendered but what is unusual."""
        columns = _columns(read_records(data, edges))
        return _TIME_SIZE + sum_sizes(columns)

    def render(self, data: bytes, edges: Integers) -> bytes:
        """Return the lines, joined from the bytes of the records."""
        records = read_records(data, edges)
        times = time_texts(records.fields.ticks, 6, after=b" ")
        return join([fixed(times), *_columns(records)])


def _columns(records: Records) -> list[Pieces]:
    """Return the pieces of lines that follow the time."""
    fields, count = records.fields, len(records.are_safe_contents)
    return [
        _words(records.data, fields.source_starts, fields.source_ends, b"-"),
        constant(b" [", count),
        _words(records.data, fields.tags_starts, fields.tags_ends, b""),
        constant(b"] ", count),
        _contents(records),
    ]


def _words(data: bytes, starts: Integers, ends: Integers, empty: bytes) -> Pieces:
    """Return the bytes of *data* from *starts* to *ends* as words; *empty* where there are none."""
    sizes = ends - starts
    are_usual = are_words(data, starts, sizes)
    if empty:
        are_usual &= sizes > 0
    rows = np.flatnonzero(~are_usual).tolist()
    words = [escape_word(data[starts[row] : ends[row]]) or empty for row in rows]
    return Pieces(data, starts, sizes).replace(rows, words)


def _contents(records: Records) -> Pieces:
    """Return the contents, each with the newline that follows it."""
    data, (starts, ends) = records.data, records.contents
    rows = np.flatnonzero(~records.are_safe_contents).tolist()
    texts = [escape(data[starts[row] : ends[row]]) + b"\n" for row in rows]
    return Pieces(data, starts, ends + 1 - starts).replace(rows, texts)

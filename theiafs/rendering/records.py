"""Records to be rendered: the ordinary ones in columns, the others one by one."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.format.canonical import CanonicalRecords, find_canonical
from store.format.record import Header, parse_start
from store.format.text import Text
from theiafs.rendering.escaping import count_within, find_unsafe

__all__ = ["Other", "Records", "are_few", "read_one_by_one", "read_others", "read_records"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_NEWLINES = 7
"""Number of newlines of a canonical record that has none in its content."""


_MANY = 20
"""Fewer records cost less one by one: one line of JSON 30 us against 900 in columns, 20 lines 600 us, 40 as much."""


class Records(NamedTuple):
    """Records that have nothing to be escaped in their headers, in columns.

    Attributes:
        found: where their parts lie.
        are_safe: whether each has a content in which nothing has to be escaped.
    """

    found: CanonicalRecords
    are_safe: Booleans

    def only(self, are_wanted: Booleans) -> "Records":
        """Return those that *are_wanted*."""
        if are_wanted.all():
            return self
        return Records(self.found.only(are_wanted), self.are_safe[are_wanted])


class Other(NamedTuple):
    """Any other record."""

    header: Header
    content: bytes


def read_records(text: Text, edges: Integers) -> Records:
    """Find the ordinary ones of the records in *text*.

    Args:
        text: whole records, one after the other.
        edges: offset of each record, and of the end of the last, in bytes.
    """
    found = find_canonical(text, edges)
    starts, ends = found.contents
    unsafe = find_unsafe(text.data)
    are_safe = count_within(unsafe, starts, ends) == 0
    # Most logs have one line an event, and then no content need be searched for newlines.
    if len(text.newlines) != _NEWLINES * len(starts):
        are_safe &= count_within(text.newlines, starts, ends) == 0
    are_plain = count_within(unsafe, found.id_starts, found.tags_ends) == 0
    return Records(found, are_safe).only(are_plain)


def are_few(edges: Integers) -> bool:
    """Return whether the records that have *edges* are so few that they cost less one by one."""
    return len(edges) <= _MANY


def read_one_by_one(data: bytes, edges: Integers) -> list[Other]:
    """Read all records in *data*; the arguments are those of :func:`read_records`."""
    return [_read(data, start) for start in edges[:-1].tolist()]


def read_others(data: bytes, edges: Integers, rows: Integers) -> list[Other]:
    """Read those of the records in *data* that are not in *rows*; the other arguments are those of :func:`read_records`."""
    if len(rows) + 1 == len(edges):
        return []
    return read_one_by_one(data, np.append(np.delete(edges[:-1], rows), edges[-1]))


def _read(data: bytes, start: int) -> Other:
    record = parse_start(data, start)
    assert record is not None, "a record that is not whole"
    return Other(record.header, data[start + record.content_start : start + record.content_end])

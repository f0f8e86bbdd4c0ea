"""Records to be rendered, in columns: where their fields lie, and which of them need more than to be copied."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from store.format.contents import Contents, Fields, find_contents, find_fields
from theiafs.rendering.escaping import count_within, find_unsafe

__all__ = ["Records", "read_records"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_NEWLINE = 0x0A
_HEADER_LINES = 5
"""Number of lines of a header and the one that opens its record; one less in a header without tags."""


class Records(NamedTuple):
    """Records of which each has a row in each column.

    Attributes:
        data: the records, one after the other.
        contents: where their contents lie.
        fields: where the fields of their headers lie.
        are_safe_headers: whether each has a header in which nothing has to be escaped.
        are_safe_contents: whether each has a content in which nothing has to be escaped.
    """

    data: bytes
    contents: Contents
    fields: Fields
    are_safe_headers: Booleans
    are_safe_contents: Booleans


def read_records(data: bytes, edges: Integers) -> Records:
    """Find out all about the records in *data*.

    Args:
        data: whole records, one after the other.
        edges: offset of each record, and of the end of the last, in bytes.
    """
    contents = find_contents(data, edges)
    fields = find_fields(data, edges, contents)
    starts, ends = contents
    unsafe = find_unsafe(data)
    are_safe = count_within(unsafe, starts, ends) == 0
    between = len(starts) * _HEADER_LINES - np.count_nonzero(fields.tags_starts == starts)
    between += int(np.sum(edges[1:] - ends))
    are_newlines = np.frombuffer(data, np.uint8)[edges[0] : edges[-1]] == _NEWLINE
    # Most logs have one line an event, and counting newlines costs less than finding them.
    if np.count_nonzero(are_newlines) != between:
        newlines = np.flatnonzero(are_newlines) + edges[0]
        are_safe &= count_within(newlines, starts, ends) == 0
    return Records(data, contents, fields, count_within(unsafe, edges[:-1], starts) == 0, are_safe)

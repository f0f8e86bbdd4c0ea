"""Contents joined as lines, to be searched together."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Lines", "join_lines"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_NEWLINE = ord("\n")


class Lines(NamedTuple):
    """Contents, each followed by a newline; a row of each column is one content.

    Attributes:
        text: all of them.
        ends: offset in the text after the newline that follows it.
        divided: whether it has newlines of its own.
    """

    text: bytes
    ends: Integers
    divided: Booleans


def join_lines(data: bytes, starts: Integers, ends: Integers) -> Lines:
    """Join the contents of *data* that lie from each of *starts* to the *ends*.

    Args:
        data: contents and what lies between them; all of it between the first and the last is copied for a moment.
        starts: the offset of the start of each content, in order.
        ends: the offset of the end of each content; from it to the next start there is at least one byte.
    """
    sizes = ends - starts + 1
    ends_joined = np.cumsum(sizes)
    divided = np.zeros(len(starts), np.bool_)
    if not len(starts):
        return Lines(b"", ends_joined, divided)
    # Each content with the byte after it, which becomes the newline.
    block = np.frombuffer(data[starts[0] : ends[-1]] + b"\n", np.uint8)
    lengths = np.empty(2 * len(starts) - 1, np.int64)
    lengths[::2] = sizes
    lengths[1::2] = starts[1:] - ends[:-1] - 1
    joined = np.zeros(len(lengths), np.bool_)
    joined[::2] = True
    text = block[np.repeat(joined, lengths)]
    text[ends_joined - 1] = _NEWLINE
    newlines = np.flatnonzero(text == _NEWLINE)
    if len(newlines) > len(starts):
        rows = np.searchsorted(ends_joined, newlines, "right")
        divided[rows[newlines != ends_joined[rows] - 1]] = True
    return Lines(text.tobytes(), ends_joined, divided)

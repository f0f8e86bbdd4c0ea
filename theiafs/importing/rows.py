"""Rows: the lines of a block, in columns."""

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

__all__ = ["Rows", "find_rows"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

_NEWLINE, _RETURN = b"\n\r"
_BLANK = b" \t"
_IS_BLANK = np.zeros(256, np.bool_)
_IS_BLANK[list(_BLANK)] = True


class Rows(NamedTuple):
    """The lines of a text; a row of each column is one line.

    Attributes:
        text: the text.
        starts: the offset of the start of each line in the text, in bytes.
        ends: the offset of its end, before its terminator.
        are_blank: whether it has nothing but spaces and tabs.
        are_indented: whether it begins with a space or a tab, but is not blank.
    """

    text: bytes
    starts: Integers
    ends: Integers
    are_blank: Booleans
    are_indented: Booleans

    def line(self, row: int) -> bytes:
        """Return the line of *row*."""
        return self.text[self.starts[row] : self.ends[row]]


def find_rows(text: bytes) -> Rows:
    """Find the lines of *text*, the last of which may lack its newline."""
    array = np.frombuffer(text, np.uint8)
    ends = np.flatnonzero(array == _NEWLINE)
    if text and not text.endswith(b"\n"):
        ends = np.append(ends, len(text))
    starts = np.empty_like(ends)
    starts[:1] = 0
    starts[1:] = ends[:-1] + 1
    if b"\r" in text:
        ends -= (array[ends - 1] == _RETURN) & (starts < ends)
    are_empty = starts == ends
    begin_blank = _IS_BLANK[array[np.where(are_empty, 0, starts)]] & ~are_empty
    are_blank = are_empty
    for row in np.flatnonzero(begin_blank & _IS_BLANK[array[ends - 1]]).tolist():
        are_blank[row] = not text[starts[row] : ends[row]].strip(_BLANK)
    return Rows(text, starts, ends, are_blank, begin_blank & ~are_blank)

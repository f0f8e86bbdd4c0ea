"""Continuation: which lines continue the event before them, as programs write stack traces and print objects.

====================================================  =============================================================
a line that begins with a space or a tab              stack frames of Python, Java, JavaScript, .NET, Ruby
``at …``, ``Caused by:``, ``... 12 more``             stack traces of Java without their indentation
``java.lang.Error: …`` after the first line           the exception that a line of a Java logger is followed by
``Traceback (most recent call last):``                Python, and the line after its frames, ``ValueError: …``
``During handling of``, ``The above exception``       between two tracebacks of Python
``goroutine 1 [running]:`` and the calls after it     Go
``}``, ``]``, ``)`` after indented lines              an object that is printed in several lines
====================================================  =============================================================

Blank lines belong to an event if a line that continues it follows. The decision on a line depends on the lines before it, but most
begin an event and end what was before: only those that look like the table, and those after them, are read one by one.
"""

import re
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from theiafs.importing.rows import Rows

__all__ = ["Continuation"]

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_TRACEBACK = b"Traceback (most recent call last):"
_PACKAGES = (
    "akka", "android", "com", "de", "dev", "io", "jakarta", "java", "javax", "jdk", "kotlin", "net", "org", "scala", "sun",
)  # fmt: skip
"""The first parts of most names of exceptions of Java."""
_SPECIAL = re.compile(
    rb"(?P<frame>at |Caused by: |Suppressed: |\.\.\. [0-9]+ |--- End of |\[signal |stack backtrace:|note: run with `RUST_)"
    rb"|(?P<traceback>Traceback \(most recent call last\):)"
    rb"|(?P<chain>During handling of the above exception|The above exception was the direct cause)"
    rb"|(?P<goroutine>goroutine [0-9]+ [^\n]{0,200}\[)"
    rb"|(?P<closing>[]})][]}),;]*[ \t]*$)"
    rb"|(?P<exception>(?:"
    + "|".join(_PACKAGES).encode()
    + rb")\.(?:[a-z][a-z0-9_]*+\.)*[A-Z][\w$]*(?:Exception|Error|Throwable)(?::|$))"
)
"""A line that may continue the one before; the name of the group says how."""
_BEGINNINGS = {
    "at",
    "Ca",
    "Su",
    "..",
    "--",
    "[s",
    "st",
    "no",
    "Tr",
    "Du",
    "Th",
    "go",
    *(name[:2] for name in _PACKAGES),
}
"""The first two bytes of such lines but those that close something."""
_CLOSING = b"]})"
_OPENING = (b"[", b"{", b"(")
_RAISED = re.compile(rb"[A-Za-z_][\w.]*(?::|$)")
"""The last line of a traceback of Python: the exception, and maybe what it says."""
_CALL = re.compile(rb"created by |[^\s(]+\(")
"""A line of a stack of Go that is not indented."""


def _special_beginnings() -> Booleans:
    """Return for each two bytes, the first times 256 plus the second, whether a line that begins so may be special."""
    found = np.zeros((256, 256), np.bool_)
    for first, second in map(str.encode, _BEGINNINGS):
        found[first, second] = True
    found[list(_CLOSING)] = True
    return found.ravel()


_MAY_BE_SPECIAL = _special_beginnings()


class _Event(NamedTuple):
    """The event that the lines before a line belong to.

    Attributes:
        within: a ``traceback`` of Python, a ``raised`` exception after one, a stack of ``go``, or nothing of them.
        is_open: whether it has opened a bracket that is to be closed without indentation.
        is_exception: whether its first line is an exception of Java.
        is_long: whether lines after its first one are not indented.
        is_indented: whether a line after the last that is not indented is.
    """

    within: str = ""
    is_open: bool = False
    is_exception: bool = False
    is_long: bool = False
    is_indented: bool = False


class Continuation:
    """The decision which lines of one file continue the event before them."""

    def __init__(self) -> None:
        self._event = _Event()

    def find(self, rows: Rows) -> Booleans:
        """Return for each of *rows*, which follow those of the call before, whether it continues the event before it."""
        continues = rows.are_indented | rows.are_blank
        upright = np.flatnonzero(~continues)
        # How many lines are indented before each of those that are not.
        indented = np.cumsum(rows.are_indented)
        before = np.diff(indented[upright], prepend=0) > 0
        to_read = self._to_read(rows, upright)
        if self._event.within:
            to_read.insert(0, 0)
        event, following = self._event, 0
        for first in to_read:
            place = first
            if place < following:
                continue
            if place > following:
                event = _begin(rows.line(upright[place - 1]))
            while place < len(upright):
                row = int(upright[place])
                is_indented = event.is_indented or bool(before[place])
                continues[row], event = _read(event, rows.line(row), is_indented)
                place += 1
                if not event.within:
                    break
            following = place
        if following < len(upright):
            event = _begin(rows.line(upright[-1]))
        is_indented = event.is_indented
        if len(indented):
            is_indented |= bool(indented[-1] > (indented[upright[-1]] if len(upright) else 0))
        self._event = event._replace(is_indented=is_indented)
        return continues

    @staticmethod
    def _to_read(rows: Rows, upright: Integers) -> list[int]:
        """Return which of the lines *upright*, those that are not indented, depend on the lines before, or those after on them."""
        array = np.frombuffer(rows.text, np.uint8)
        starts = rows.starts[upright]
        seconds = np.minimum(starts + 1, len(array) - 1)
        pairs = array[starts].astype(np.int64) * 256 + array[seconds]
        match = _SPECIAL.match
        found = {
            place
            for place in np.flatnonzero(_MAY_BE_SPECIAL[pairs]).tolist()
            if match(rows.text, starts[place], rows.ends[upright[place]])
        }
        position = rows.text.find(_TRACEBACK)
        while position >= 0:
            row = int(np.searchsorted(rows.starts, position, "right")) - 1
            if not (rows.are_indented[row] or rows.are_blank[row]):
                found.add(int(np.searchsorted(upright, row)))
            position = rows.text.find(_TRACEBACK, position + 1)
        return sorted(found)


def _begin(line: bytes) -> _Event:
    """Return the event that *line* begins."""
    special = _SPECIAL.match(line)
    return _Event(
        within="traceback" if line.endswith(_TRACEBACK) else "",
        is_open=line.rstrip().endswith(_OPENING),
        is_exception=special is not None and special.lastgroup == "exception",
    )


def _read(event: _Event, line: bytes, is_indented: bool) -> tuple[bool, _Event]:
    """Return whether *line*, which is not indented, continues *event*, and the event after it; *is_indented* tells of the line before."""
    special = _SPECIAL.match(line)
    kind = special.lastgroup if special else None
    within = ""
    is_open = event.is_open
    match kind:
        case "frame" | "chain":
            continues = True
        case "traceback":
            # Without a line between, it is another one.
            continues = event.within != "raised"
            within = "traceback"
        case "goroutine":
            continues = True
            within = "go"
        case "closing":
            continues = event.is_open or is_indented
            is_open = False
        case "exception":
            continues = not (event.is_exception or event.is_long or is_indented)
        case _ if event.within == "traceback":
            continues = is_indented and _RAISED.match(line) is not None
            within = "raised"
        case _:
            continues = event.within == "go" and _CALL.match(line) is not None
            within = "go"
    if not continues:
        return False, _begin(line)
    return True, event._replace(within=within, is_open=is_open, is_long=True, is_indented=False)

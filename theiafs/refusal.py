"""Refusals of events that writers repeat: after a part of a write was accepted, they send its rest again."""

from store import InvalidEvent

__all__ = ["Refused", "start_of"]

_START_SIZE_MAX = 64 << 10
"""Number of bytes compared of two pieces of a write: the kernel cuts the same bytes at another memory address up to a page
earlier or later, at about 128 KiB."""


class Refused:
    """The bytes that made an event invalid after earlier writes of it were accepted; the event is dropped.

    The kernel passes a large write on in pieces. When one fails after others were accepted, the writer sees a short write,
    and writes the rest again, which begins with the piece that failed: that must fail too, or the end of an event would become
    an event of its own. It fails each time. A writer that appends anything else has given the event up.
    """

    def __init__(self) -> None:
        self._start = b""
        self._failure = InvalidEvent()

    def note(self, data: bytes, failure: InvalidEvent) -> None:
        """Note that *data* was refused with *failure*."""
        self._start, self._failure = start_of(data), failure

    def check(self, data: bytes) -> None:
        """Check that *data* does not repeat the refused bytes.

        Raises:
            InvalidEvent: if it does.
        """
        if self._start:
            if start_of(data) == self._start:
                raise self._failure
            self._start = b""


def start_of(data: bytes) -> bytes:
    """Return the first line of *data*, or enough of it to tell two pieces of a write apart."""
    line_end = data.find(b"\n", 0, _START_SIZE_MAX) + 1
    return data[: line_end or _START_SIZE_MAX]

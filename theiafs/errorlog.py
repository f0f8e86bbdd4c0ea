"""The error log: a line for each request that was refused, and for what was lost when a file was closed.

A line is ``<time> <command>[<process id>] <operation> <path> <errno>: <message>``, the fields separated by single spaces, none of
which has one, but for the message. Where it is known which part of the path is wrong, a second line has a caret below it. Nothing
in a line ends it or steers a terminal, whatever the names in it are.
"""

import errno
import logging
import math
import os
import threading
import time
import unicodedata
from collections import deque
from collections.abc import Callable
from typing import NamedTuple

from store import EventStoreException
from theiafs.errors import InvalidName, errno_of
from theiafs.processes import Process
from theiafs.rendering.escaping import escape, escape_word
from theiafs.rendering.times import time_text
from theiafs.timerange import now_in_ticks

__all__ = ["ErrorLog"]

_LINES_MAX = 10_000
"""Maximum number of lines while the filesystem is mounted, the last of which says that further errors are only counted."""

_FULL_NOTE = "no room for more lines: further errors are only counted, see /status"

_LINES_KEPT = 1_000
"""Number of lines, the last ones, that are kept over a remount."""

_PATH_SIZE_MAX, _MESSAGE_SIZE_MAX, _LINE_SIZE_MAX = 400, 1000, 2000
"""Longer ones are cut, in bytes: the log stays small, whatever is asked for."""

_BURST_S = 1.0
"""Equal errors within this time after one of them are counted together."""

_KEEP_INTERVAL_S = 1.0

log = logging.getLogger(__name__)


class _Repetitions(NamedTuple):
    """Equal errors after one that has a line.

    Attributes:
        number: how many they are.
        newest: when the last one was, in ticks since the epoch.
    """

    number: int
    newest: int


class ErrorLog:
    """The errors, as a text that only grows. Any number of threads may use it.

    Nothing runs in the background: the number of repetitions is appended before the next line, or at the next call after their
    burst ends, with the time of the last of them, so that the lines are in the order of time.

    Args:
        kept: the text that an earlier log kept.
        keep: keeps a text for a later log, or raises an exception of the store.

    Attributes:
        errors: the number of errors.
        only_counted: the number of those that have no line, because there are too many lines.
        newest: the time of the last line, in ticks since the epoch; 0 if there is none since the mount.
    """

    def __init__(self, kept: bytes = b"", keep: Callable[[bytes], object] | None = None) -> None:
        self.errors = 0
        self.only_counted = 0
        self.newest = 0
        self._lock = threading.Lock()
        self._text = bytearray()
        self._lines = 0
        self._last_starts: deque[int] = deque(maxlen=_LINES_KEPT)
        # When the next equal error begins another burst, in seconds of the monotonic clock; the oldest burst first.
        self._burst_ends: dict[str, float] = {}
        # What has no line yet; the error that was repeated last comes last.
        self._repeated: dict[str, _Repetitions] = {}
        for line in kept.split(b"\n")[-_LINES_KEPT - 1 :]:
            if line:
                self._append(_cut(escape(line), _LINE_SIZE_MAX))
        self._grown = -math.inf  # in seconds of the monotonic clock
        self._keep = keep
        self._keep_lock = threading.Lock()
        self._kept_size = len(self._text)
        self._next_keep = 0.0
        self._has_failed = False

    def add(self, process: Process, operation: str, path: bytes, error: Exception) -> None:
        """Add an error.

        Args:
            process: the process that made the request.
            operation: the request, as libfuse calls it.
            path: the path that it was for, in UTF-8.
            error: says why it was refused.
        """
        command = escape_word(process.name.encode("utf-8", "surrogateescape")).decode()
        shown_path = _cut(escape_word(path), _PATH_SIZE_MAX)
        message = escape(str(error).encode("utf-8", "backslashreplace")).replace(b"\t", rb"\t")
        shown_message = _cut(message, _MESSAGE_SIZE_MAX)
        before = f"{command}[{process.id}] {operation} "
        line = f"{before}{shown_path} {errno.errorcode[errno_of(error)]}: {shown_message}"
        with self._lock:
            now = now_in_ticks()
            self._end_bursts(time.monotonic())
            self.errors += 1
            if line in self._burst_ends:
                number, _ = self._repeated.pop(line, (0, now))
                self._repeated[line] = _Repetitions(number + 1, now)
            else:
                self._append_repetitions()
                self._begin_burst(now, line, _width(before), _faulty_column(path, error))
        self._keep_if_due()

    def _begin_burst(
        self, now: int, line: str, path_column: int, faulty_column: int | None
    ) -> None:
        """Append *line*, and a caret below what is wrong in the path in it; the caller holds the lock.

        Args:
            now: its time, in ticks since the epoch.
            line: the line, without its time.
            path_column: where in it the path begins.
            faulty_column: where in the path is what is wrong; None if that is not known.
        """
        if self._is_full:
            self.only_counted += 1
            return
        self._burst_ends[line] = time.monotonic() + _BURST_S
        self._append_error(now, line)
        if faulty_column is not None and not self._is_full:
            self._append(" " * (len(time_text(now)) + 1 + path_column + faulty_column) + "^")

    def size(self) -> int:
        """Return the size of the text, in bytes."""
        self._update()
        return len(self._text)

    def read(self, offset: int, size: int) -> bytes:
        """Read *size* bytes at *offset*; fewer only at the end."""
        self._update()
        with self._lock:
            return bytes(self._text[offset : offset + size])

    def close(self) -> None:
        """End all bursts, and keep the last lines."""
        with self._lock:
            self._end_bursts(float("inf"))
            self._next_keep = 0.0
        self._keep_if_due(waits=True)

    def has_settled(self, rest_s: float) -> bool:
        """Return whether the text has been the same for *rest_s* seconds, or since the mount."""
        return time.monotonic() - self._grown >= rest_s

    @property
    def _is_full(self) -> bool:
        """Whether there is no room for another line."""
        return self._lines >= _LINES_MAX

    def _update(self) -> None:
        if self._burst_ends:
            with self._lock:
                self._end_bursts(time.monotonic())
        self._keep_if_due()

    def _end_bursts(self, now: float) -> None:
        """End the bursts that are over, and append the numbers of repetitions if one had some; the caller holds the lock."""
        while self._burst_ends:
            line, end = next(iter(self._burst_ends.items()))
            if now < end:
                return
            del self._burst_ends[line]
            if line in self._repeated:
                self._append_repetitions()

    def _append_repetitions(self) -> None:
        """Append the number of repetitions of each error that has some; the caller holds the lock."""
        for line, (number, newest) in self._repeated.items():
            if self._is_full:
                self.only_counted += number
            else:
                times = "time" if number == 1 else "times"
                self._append_error(newest, f"{line} ({number} more {times})")
        self._repeated.clear()

    def _append_error(self, ticks: int, line: str) -> None:
        """Append *line*, of the time *ticks*, and after the last one a note; the caller holds the lock."""
        self.newest = ticks
        self._append(f"{time_text(ticks).decode()} {line}")

    def _append(self, line: str) -> None:
        self._lines += 1
        self._grown = time.monotonic()
        self._last_starts.append(len(self._text))
        self._text += f"{line}\n".encode()
        if self._lines == _LINES_MAX - 1:
            time_shown, writer = time_text(now_in_ticks()).decode(), f"theiafs[{os.getpid()}]"
            self._append(f"{time_shown} {writer} write /errors EFBIG: {_FULL_NOTE}")

    def _keep_if_due(self, *, waits: bool = False) -> None:
        """Keep the last lines, at most once a second; a failure is logged.

        Args:
            waits: whether to wait for a thread that is doing so.
        """
        if self._keep is None or self._kept_size == len(self._text):
            return
        if not self._keep_lock.acquire(blocking=waits):
            return
        try:
            with self._lock:
                now = time.monotonic()
                if now < self._next_keep:
                    return
                self._next_keep = now + _KEEP_INTERVAL_S
                size, kept = len(self._text), bytes(self._text[self._last_starts[0] :])
            self._keep(kept)
            self._kept_size, self._has_failed = size, False
        except EventStoreException as error:
            if not self._has_failed:
                log.warning("the last errors are not kept, will try again: %s", error)
            self._has_failed = True
        finally:
            self._keep_lock.release()


def _cut(escaped: bytes, size_max: int) -> str:
    """Return *escaped* as text, without what exceeds *size_max* bytes."""
    if len(escaped) <= size_max:
        return escaped.decode()
    return escaped[:size_max].decode("utf-8", "ignore") + "…"


def _faulty_column(path: bytes, error: Exception) -> int | None:
    """Return how far the part of *path* that *error* is about is from its start as it is shown; None if that is not known."""
    if not isinstance(error, InvalidName) or error.position is None:
        return None
    names = path.decode("utf-8", "surrogateescape").split("/")
    if error.name not in names:
        return None
    above = "/".join([*names[: names.index(error.name)], ""])
    before = escape_word((above + error.name[: error.position]).encode("utf-8", "surrogateescape"))
    return _width(before.decode()) if len(before) < _PATH_SIZE_MAX else None


def _width(text: str) -> int:
    """Return the columns that *text* takes on a terminal, about: wide characters take two, combining ones none."""
    wide = sum(unicodedata.east_asian_width(each) in "WF" for each in text)
    return len(text) + wide - sum(map(bool, map(unicodedata.combining, text)))

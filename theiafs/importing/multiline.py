"""Events of several lines: which lines continue the one before them."""

from typing import NamedTuple, Protocol

import numpy as np
import numpy.typing as npt

from store import InvalidPattern, Pattern, compile_pattern
from theiafs.errors import ImportFailed
from theiafs.importing.blocks import Block
from theiafs.importing.continuation import Continuation
from theiafs.importing.rows import Rows, find_rows

__all__ = ["Contents", "Joiner", "Multiline"]

Booleans = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]

_AUTO, _NONE, _START = "auto", "none", "start="


class Contents(NamedTuple):
    """The contents of events.

    Attributes:
        texts: the contents; of several lines, joined by newlines.
        lines: the number of the first line of each in the file, from 1.
    """

    texts: list[bytes]
    lines: Integers


class _Decision(Protocol):
    """The decision which lines of one file continue the event before them; blank ones do."""

    def find(self, rows: Rows) -> Booleans:
        """Return for each of *rows*, which follow those of the call before, whether it continues the event before it."""


class Multiline:
    """A rule that says which lines continue the one before.

    Args:
        text: ``auto``: as programs write stack traces and objects; ``none``: no line does; ``start=REGEX``: those that the
            expression, in RE2's syntax, does not match anywhere.

    Raises:
        ImportFailed: if it is none of them.
    """

    def __init__(self, text: str) -> None:
        self._pattern: Pattern | None = None
        self._is_auto = text == _AUTO
        if text.startswith(_START):
            regex = text.removeprefix(_START)
            try:
                self._pattern = compile_pattern(regex)
            except InvalidPattern as error:
                raise ImportFailed(
                    f"--multiline {text}: {error}; give a regular expression of RE2"
                ) from error
        elif text not in (_AUTO, _NONE):
            raise ImportFailed(f"--multiline {text}: give auto, none, or start=REGEX")

    def decision(self) -> _Decision:
        """Return the decision on the lines of a file."""
        return Continuation() if self._is_auto else _BetweenStarts(self._pattern)


class _BetweenStarts:
    """The decision by a pattern of the lines that begin events; without one, all do."""

    def __init__(self, pattern: Pattern | None) -> None:
        self._pattern = pattern

    def find(self, rows: Rows) -> Booleans:
        """Return for each of *rows* whether it continues the event before it."""
        if self._pattern is None:
            return rows.are_blank
        return rows.are_blank | ~self._pattern.search(rows.text, rows.starts, rows.ends)


class Joiner:
    """Joins the lines of one file to contents of events. Blank lines between contents are left out.

    Args:
        rule: says which lines continue the one before.
        event_size_max: size limit of a content, in bytes; one that would become larger ends before.
    """

    def __init__(self, rule: Multiline, event_size_max: int) -> None:
        self._decision = rule.decision()
        self._event_size_max = event_size_max
        # The last content with all that may be within it, blank lines at its end too.
        self._kept = b""
        self._kept_size = 0
        self._kept_line = 0

    def feed(self, block: Block) -> Contents:
        """Join the lines of *block*; the last content is kept, as the next block may continue it."""
        rows = find_rows(block.text)
        continues = self._decision.find(rows)
        numbers = np.arange(len(continues)) + block.first_line
        if self._kept:
            # What was kept is like one more line before them.
            size = len(self._kept)
            rows = Rows(
                self._kept + rows.text,
                np.concatenate(([0], rows.starts + size)),
                np.concatenate(([self._kept_size], rows.ends + size)),
                np.concatenate(([False], rows.are_blank)),
                np.concatenate(([False], rows.are_indented)),
            )
            continues = np.concatenate(([False], continues))
            numbers = np.concatenate(([self._kept_line], numbers))
        return self._join(rows, continues, numbers)

    def finish(self) -> Contents:
        """Return the content that was kept, if any."""
        texts = [self._kept[: self._kept_size]] if self._kept else []
        lines = np.full(len(texts), self._kept_line)
        self._kept = b""
        return Contents(texts, lines)

    def _join(self, rows: Rows, continues: Booleans, numbers: Integers) -> Contents:
        """Join *rows*, whose *numbers* are those of their lines, and keep the last content."""
        full = np.flatnonzero(~rows.are_blank)
        begins = ~continues[full]
        begins[:1] = True
        heads = self._cut(rows, full, full[begins])
        lasts = full
        if len(heads) < len(full):
            lasts = full[np.searchsorted(full, np.append(heads, len(continues))[1:]) - 1]
        self._kept = b""
        if len(heads):
            start = int(rows.starts[heads[-1]])
            # Blank lines count too: what is kept must not grow without end.
            if rows.ends[-1] - start <= self._event_size_max:
                self._kept = rows.text[start:]
                self._kept_size = int(rows.ends[lasts[-1]]) - start
                self._kept_line = int(numbers[heads[-1]])
                heads, lasts = heads[:-1], lasts[:-1]
        return Contents(_texts(rows, heads, lasts), numbers[heads])

    def _cut(self, rows: Rows, full: Integers, heads: Integers) -> Integers:
        """Return *heads*, the first rows of contents, and those where one that would be too large ends; *full* are those that are not blank."""
        afters = np.append(heads, len(rows.ends))[1:]
        limits = rows.starts[heads] + self._event_size_max
        added = []
        for place in np.flatnonzero(rows.ends[afters - 1] > limits).tolist():
            head, after = int(heads[place]), int(afters[place])
            while True:
                limit = int(rows.starts[head]) + self._event_size_max
                over = max(int(np.searchsorted(rows.ends, limit, "right")), head + 1)
                found = int(np.searchsorted(full, over))
                if found == len(full) or full[found] >= after:
                    break
                head = int(full[found])
                added.append(head)
        return np.sort(np.concatenate((heads, added))).astype(np.int64) if added else heads


def _texts(rows: Rows, heads: Integers, lasts: Integers) -> list[bytes]:
    """Return the contents of *rows* that begin with the rows *heads* and end with *lasts*."""
    if not len(heads):
        return []
    starts, ends = rows.starts[heads], rows.ends[lasts]
    # Splitting is twice as fast as slicing, where each content is one line, and none is between them.
    gaps = starts[1:] - ends[:-1]
    if len(gaps) and (gaps == gaps[0]).all() and heads[-1] - heads[0] == len(gaps):
        texts = rows.text[starts[0] : ends[-1]].split(b"\n" if gaps[0] == 1 else b"\r\n")
        # What was kept of the block before may be several lines.
        if len(texts) == len(heads):
            return texts
    return [rows.text[start:end] for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]

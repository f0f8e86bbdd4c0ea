r"""Searching many contents at once for a regular expression of RE2; the only module that knows RE2.

A call of RE2 from Python costs 1.8 us, as much as to scan 700 bytes, so that there should be few:

- An expression that needs a literal is only searched in contents that hold it. RE2 finds the first one, whatever it is,
  at several GB/s; Python's own search, which costs a seventh of a call for each occurrence, finds the others.
- Contents of one line are joined by newlines and scanned together, with an expression that never matches a newline: without
  that, `a[^z]*k` would run from every `a` to the end. After a match the scan goes on with the next content.
- Where neighbours match, one more call tells how many contents in a row do.
- Contents of several lines are searched one by one, for a match may span lines.
"""

import functools
import itertools
import re
from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
from re2 import _re2

from store.errors import InvalidPattern
from store.matching.lines import Lines, join_lines
from store.matching.literals import exact_literals, is_literal
from store.matching.tokens import Token, tokenize

__all__ = ["Pattern", "compile_pattern"]

Integers = npt.NDArray[np.int64]
Booleans = npt.NDArray[np.bool_]

MEMORY_MAX = 1 << 20
"""Memory that each of the (at most four) compiled forms of a pattern may take, in bytes; it bounds the time to compile one too."""

_PROGRAM_SIZE_MAX = 10_000
"""Instructions. Of a longer program RE2 has no memory for the automaton, so that lines together are searched no faster; but it takes
long to compile it again for them, and the interpreter is held meanwhile."""

_PATTERNS_MAX = 16
"""Compiled patterns that are kept."""

_BATCH_SIZE = 1 << 20
"""Contents are searched in batches of about this many bytes, which bounds memory and how long the interpreter is held."""

_LITERAL_SIZE_MIN = 2
"""A single byte is in most contents."""

_MULTI_LINE = "(?m)"
_ENDS_OF_LINE = {r"\A": "(?m:^)", r"\z": "(?m:$)"}
_LATIN_1 = _re2.RE2.Options.Encoding.LATIN1
_ANYWHERE, _HERE = _re2.RE2.Anchor.UNANCHORED, _re2.RE2.Anchor.ANCHOR_START


class Pattern:
    r"""A regular expression in RE2's syntax, for contents that are searched each by itself.

    `^` and `$` match at the lines of a content, `\A` and `\z` at its ends; `.` matches no newline unless `(?s)` is set.
    Contents need not be UTF-8. The search is linear in their size.

    Attributes:
        text: the expression.
        bytes_searched: how many bytes were given to RE2 or searched for a literal since it was made; for tests.
    """

    def __init__(self, text: str) -> None:
        """Compile *text*.

        Raises:
            InvalidPattern: if it is not a regular expression, or one that needs more than MEMORY_MAX.
        """
        self.text = text
        self.bytes_searched = 0
        self._alone = _compile(text)
        self._line = self._lines = None
        if self._alone.ProgramSize() <= _PROGRAM_SIZE_MAX:
            self._line, self._lines = _compile_for_lines(text)
        self._literal = _choose_literal(text)
        self._is_literal = self._literal != b"" and is_literal(text)
        if self._literal:
            self._first_literal = _program(self._literal, literal=True, encoding=_LATIN_1)
            self._literals = re.compile(re.escape(self._literal))

    def search(self, data: bytes, starts: Integers, ends: Integers) -> Booleans:
        """Return for each content of *data* whether the pattern matches within it.

        Args:
            data: contents and what lies between them.
            starts: the offset of the start of each content, in order.
            ends: the offset of the end of each content; from it to the next start there is at least one byte.
        """
        found = np.zeros(len(starts), np.bool_)
        for first, last in _batches(starts):
            found[first:last] = self._search_batch(data, starts[first:last], ends[first:last])
        return found

    def _search_batch(self, data: bytes, starts: Integers, ends: Integers) -> Booleans:
        """Search contents that lie close together, see :meth:`search`."""
        if not self._literal:
            return self._search_contents(data, starts, ends)
        holding, overlapped = self._find_literal(data, starts, ends)
        if self._is_literal:
            for row in np.flatnonzero(overlapped & ~holding).tolist():
                holding[row] = data.find(self._literal, starts[row], ends[row]) >= 0
            return holding
        found = np.zeros(len(starts), np.bool_)
        rows = np.flatnonzero(overlapped)
        if len(rows):
            found[rows] = self._search_contents(data, starts[rows], ends[rows])
        return found

    def _find_literal(
        self, data: bytes, starts: Integers, ends: Integers
    ) -> tuple[Booleans, Booleans]:
        """Return which contents hold the literal, and which may: those, and what other occurrences overlap."""
        holding, overlapped = np.zeros((2, len(starts)), np.bool_)
        first, last = int(starts[0]), int(ends[-1])
        self.bytes_searched += last - first
        ((hit, _),) = self._first_literal.Match(_ANYWHERE, data, first, last)
        if hit < 0:
            return holding, overlapped
        matches = self._literals.finditer(data, hit, last)
        hits = np.array([match.start() for match in matches])
        hits_end = hits + len(self._literal)
        after, before = np.searchsorted(ends, hits, "right"), np.searchsorted(starts, hits_end) - 1
        overlapping = after <= before
        after, before = after[overlapping], before[overlapping]
        # An occurrence that is only partly in a content may hide one that begins within it.
        overlapped[after] = overlapped[before] = True
        within = (starts[after] <= hits[overlapping]) & (hits_end[overlapping] <= ends[after])
        holding[after[within]] = True
        return holding, overlapped

    def _search_contents(self, data: bytes, starts: Integers, ends: Integers) -> Booleans:
        """Search contents that lie close together with RE2, see :meth:`search`."""
        found = np.zeros(len(starts), np.bool_)
        alone = np.ones(len(starts), np.bool_)
        if self._line is not None:
            lines = join_lines(data, starts, ends)
            alone = lines.divided
            if alone.any():
                lines = join_lines(data, starts[~alone], ends[~alone])
            found[~alone] = self._search_lines(self._line, lines)
        for row in np.flatnonzero(alone).tolist():
            found[row] = self._matches(data[starts[row] : ends[row]])
        return found

    def _matches(self, content: bytes) -> bool:
        """Return whether the pattern matches within *content*."""
        self.bytes_searched += len(content)
        ((start, _),) = self._alone.Match(_ANYWHERE, content, 0, len(content))
        return bool(start >= 0)

    def _search_lines(self, line: _re2.RE2, lines: Lines) -> Booleans:
        """Return for each of *lines* whether *line*, what matches within one, matches in it."""
        text, ends, _ = lines
        match, match_lines, find = line.Match, self._lines and self._lines.Match, text.find
        starts_found, ends_found = [], []
        position, size = 0, len(text)
        # Without the last newline: after it is no further line, though `^` matches there.
        last = size - 1
        while position < size:
            ((start, end),) = match(_ANYWHERE, text, position, last)
            if start < 0:
                break
            line_end = find(b"\n", end) + 1
            if match_lines and position and find(b"\n", position, start) < 0:
                ((_, line_end),) = match_lines(_HERE, text, line_end, size)
                # The line that ends a run of matches is searched twice.
                self.bytes_searched += find(b"\n", line_end) + 1 - line_end
            position = line_end
            starts_found.append(start)
            ends_found.append(position)
        self.bytes_searched += size
        changes = np.zeros(len(ends) + 1, np.int8)
        changes[np.searchsorted(ends, starts_found, "right")] += 1
        changes[np.searchsorted(ends, ends_found) + 1] -= 1
        return np.cumsum(changes[:-1], dtype=np.int8).view(np.bool_)


@functools.lru_cache(_PATTERNS_MAX)
def compile_pattern(text: str) -> Pattern:
    """Compile the pattern *text*; those used last are kept.

    Raises:
        InvalidPattern: if it is none.
    """
    return Pattern(text)


def _compile(text: str) -> _re2.RE2:
    """Compile *text*, in which `^` and `$` match at lines.

    Raises:
        InvalidPattern: if it is not a regular expression, or one that needs more than MEMORY_MAX.
    """
    try:
        encoded = text.encode()
    except UnicodeEncodeError as error:
        raise InvalidPattern("not UTF-8", error.start) from error
    compiled = _program(_MULTI_LINE.encode() + encoded)
    if not compiled.ok():
        raise _invalid(text, compiled.error().decode(errors="replace"))
    if compiled.NumberOfCapturingGroups():
        # Named groups; they are captured nevertheless, which takes RE2 much longer.
        unnamed = "".join(map(_without_name, tokenize(text)))
        compiled = _program((_MULTI_LINE + unnamed).encode())
    return compiled


def _program(text: bytes, **options: object) -> _re2.RE2:
    """Compile *text* with RE2, with *options* besides the usual ones; its `ok()` says whether that succeeded."""
    values = _re2.RE2.Options()
    values.max_mem = MEMORY_MAX
    values.log_errors = False
    values.never_capture = True
    for name, value in options.items():
        setattr(values, name, value)
    return _re2.RE2(text, values)


def _compile_for_lines(text: str) -> tuple[_re2.RE2 | None, _re2.RE2 | None]:
    r"""Return what matches within a line where *text* matches the line alone, and what matches all lines of which it does.

    None, where there is no such expression or it needs too much memory.
    """
    parts = []
    for token in tokenize(text):
        if token.text == r"\C":
            # It would match the newline at the end of a line, whatever the options.
            return None, None
        parts.append(_in_line(token))
    within = _MULTI_LINE + "".join(parts)
    # Something in each line, and then its newline: only \C may be one.
    line, lines = (
        _program(each.encode(), never_nl=True)
        for each in (within, rf"{_MULTI_LINE}(?:^.*?(?:{within}).*$\C)*")
    )
    return (line if line.ok() else None), (lines if lines.ok() else None)


def _without_name(token: Token) -> str:
    """Return *token* as it is written without a name, if it opens a group."""
    return "(?:" if token.kind == "open" and token.text.endswith(">") else token.text


def _in_line(token: Token) -> str:
    """Return *token* as it is written where the ends of a line are the ends of a content."""
    if token.kind == "assertion":
        return _ENDS_OF_LINE.get(token.text, token.text)
    if "m" in token.value and token.kind in ("open", "flags"):
        on, _, off = token.value.replace("m", "").partition("-")
        return f"(?m{on}{'-' + off if off else ''}{token.text[-1]}"
    if token.text.startswith(r"\Q") and not token.text.endswith(r"\E"):
        return token.text + r"\E"
    return _without_name(token)


def _choose_literal(text: str) -> bytes:
    """Return the longest literal that each match of *text* is known to contain, or none."""
    if is_literal(text):
        longest = "".join(token.value for token in tokenize(text)).encode()
    else:
        longest = max(exact_literals(text), key=len, default=b"")
    return longest if len(longest) >= _LITERAL_SIZE_MIN else b""


def _batches(starts: Integers) -> Iterator[tuple[int, int]]:
    """Divide contents into runs of about _BATCH_SIZE bytes; yield the first row of each and the one after its last."""
    if not len(starts):
        return
    limits = np.arange(starts[0], starts[-1] + _BATCH_SIZE, _BATCH_SIZE)
    rows = np.unique(np.append(np.searchsorted(starts, limits), len(starts))).tolist()
    yield from itertools.pairwise(rows)


def _invalid(text: str, message: str) -> InvalidPattern:
    """Return the error for what RE2 says of *text*: a message that ends with the part of it that is wrong."""
    reason, _, part = message.partition(": ")
    if part == _MULTI_LINE + text:
        return InvalidPattern(reason, _unbalanced(text))
    if reason == "trailing \\":
        return InvalidPattern(message, len(text) - 1)
    return InvalidPattern(message, text.find(part) if part and text.count(part) == 1 else None)


def _unbalanced(text: str) -> int | None:
    """Return the position of the first parenthesis in *text* that closes nothing, or the last that is not closed."""
    opened = []
    for token in tokenize(text):
        if token.kind == "open":
            opened.append(token.position)
        elif token.kind == "close":
            if not opened:
                return token.position
            opened.pop()
    return opened[-1] if opened else None
